//! Echoes every message.
#![no_std]
#![forbid(unsafe_code)]

use flaron_sdk::ws;

flaron_sdk::ws_handlers!(on_open, on_message, on_close);
flaron_sdk::panic_handler!();

fn on_open() {
    let _ = ws::send_text("welcome");
}

fn on_message() {
    if let Some(message) = ws::message() {
        let _ = ws::send_pieces(message);
    }
}

fn on_close() {}

#[cfg(test)]
mod tests {
    use super::*;
    use flaron_sdk::testing::Host;

    #[test]
    fn welcomes_and_echoes() {
        let host = Host::new();
        host.open(on_open);
        host.message("hello", on_message);
        host.message(b"\xff\x00", on_message);
        host.message("", on_message);
        host.close(1000, on_close);
        assert_eq!(host.sent(), [&b"welcome"[..], b"hello", b"\xff\x00"]);
        assert_eq!(host.closed(), None);
    }
}
