//! Chat rooms that count their members: `{"cmd":"join","room":"x"}`, `{"cmd":"leave"}`,
//! `{"cmd":"say","text":"…"}`.
#![no_std]
#![forbid(unsafe_code)]

use flaron_sdk::text::{self, Pieces};
use flaron_sdk::{json, plasma, ws};

flaron_sdk::ws_handlers!(welcome, obey, leave);
flaron_sdk::panic_handler!();

/// The maximum length of a room's name.
const MAX_ROOM: usize = 32;

flaron_sdk::state! {
    /// The name of the room that this connection is in.
    static ROOM: [u8; MAX_ROOM] = [0; MAX_ROOM];
    /// How long the name is: 0 if it is in none.
    static LEN: usize = 0;
}

fn welcome() {
    send(("{\"event\":\"welcome\",\"id\":\"", ws::conn_id(), "\"}"));
}

fn obey() {
    if run().is_none() {
        error("no such command");
    }
}

/// Runs a command, if it is one.
fn run() -> Option<()> {
    let message = json::Document::parse_loosely(ws::message()?).ok()?;
    let message = message.root();
    let command = message.get_bytes("cmd")?;
    if text::eq(command, b"join") {
        join(message.get_bytes("room")?);
    } else if text::eq(command, b"say") {
        say(message.get_bytes("text")?);
    } else if text::eq(command, b"leave") {
        leave();
        send("{\"event\":\"left\"}");
    } else {
        return None;
    }
    Some(())
}

fn join(name: &[u8]) {
    let mut room = [0; MAX_ROOM];
    let Some(place) = room.get_mut(..name.len()) else {
        return error("bad room");
    };
    place.copy_from_slice(name);
    leave();
    let present = if name.is_empty() { 0 } else { change(name, 1) };
    if present == 0 {
        return error("bad room");
    }
    ROOM.set(room);
    LEN.set(name.len());
    // The name was part of a store key, so nothing in it needs escaping.
    send((
        "{\"event\":\"joined\",\"room\":\"",
        name,
        "\",\"present\":",
        present,
        "}",
    ));
}

fn leave() {
    let (room, len) = (ROOM.get(), LEN.replace(0));
    if len != 0 {
        change(room.get(..len).unwrap_or_default(), -1);
    }
}

/// Changes the number of a room's members and sends the new number: 0 if it cannot be counted.
fn change(room: &[u8], by: i64) -> u32 {
    plasma::increment_pieces(("room:", room), by).unwrap_or(0) as u32
}

fn say(text: &[u8]) {
    let (room, len) = (ROOM.get(), LEN.get());
    if len == 0 {
        return error("join a room first");
    }
    send((
        "{\"event\":\"said\",\"room\":\"",
        room.get(..len).unwrap_or_default(),
        "\",\"text\":",
        json::Bytes(text),
        "}",
    ));
}

/// Sending fails only if the client is gone or has been sent too much.
fn send(message: impl Pieces) {
    let _ = ws::send_pieces(message);
}

fn error(message: &str) {
    send(("{\"event\":\"error\",\"message\":\"", message, "\"}"));
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::string::String;

    use super::*;
    use flaron_sdk::testing::Host;

    fn host() -> Host {
        let host = Host::new();
        host.writes_plasma_kv(true);
        host.open(welcome);
        host
    }

    fn say(host: &Host, message: &str) -> String {
        host.message(message, obey);
        String::from_utf8(host.sent().pop().unwrap()).unwrap()
    }

    #[test]
    fn a_connection_is_in_one_room_at_a_time() {
        let host = host();
        assert_eq!(
            host.sent()[0],
            br#"{"event":"welcome","id":"connection-1"}"#
        );
        assert!(say(&host, r#"{"cmd":"say","text":"hi"}"#).contains("error"));
        host.put_counter("room:x", 1);
        assert_eq!(
            say(&host, r#"{"cmd":"join","room":"x"}"#),
            r#"{"event":"joined","room":"x","present":2}"#
        );
        assert_eq!(
            say(&host, r#"{"cmd":"say","text":"h\"i\n\u00e9"}"#),
            "{\"event\":\"said\",\"room\":\"x\",\"text\":\"h\\\"i\\u000a\u{e9}\"}"
        );
        assert_eq!(
            say(&host, r#"{"cmd":"join","room":"y"}"#),
            r#"{"event":"joined","room":"y","present":1}"#
        );
        assert_eq!(host.counter("room:x"), Some(1));
        assert_eq!(say(&host, r#"{"cmd":"leave"}"#), r#"{"event":"left"}"#);
        assert_eq!(host.counter("room:y"), Some(0));
    }

    #[test]
    fn closing_leaves_the_room() {
        let host = host();
        say(&host, r#"{"cmd":"join","room":"x"}"#);
        host.close(1000, leave);
        assert_eq!(host.counter("room:x"), Some(0));
        host.close(1000, leave);
        assert_eq!(host.counter("room:x"), Some(0), "once");
    }

    #[test]
    fn an_unknown_command_is_an_error() {
        let host = host();
        let long = String::from(r#"{"cmd":"join","room":""#) + &"x".repeat(33) + r#""}"#;
        for bad in [
            "nonsense",
            "{}",
            "[]",
            r#"{"cmd":"fly"}"#,
            r#"{"cmd":"join","room":""}"#,
            r#"{"cmd":"join","room":"a b"}"#,
            r#"{"cmd":"join"}"#,
            &long,
        ] {
            assert!(
                say(&host, bad).starts_with(r#"{"event":"error","message":""#),
                "{bad}"
            );
        }
    }
}
