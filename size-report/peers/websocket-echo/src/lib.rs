//! Greets on open, sends every non-empty message back.

use flaron_sdk::ws;

flaron_sdk::ws_handlers!(on_open, on_message, on_close);

fn on_open() {
    let _ = ws::send_text("welcome");
}

fn on_message() {
    let message = ws::event_data();
    if !message.is_empty() {
        let _ = ws::send(&message);
    }
}

fn on_close() {}
