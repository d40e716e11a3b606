//! Sends every message back.
#![no_std]

use flaron_sdk::ws;

flaron_sdk::ws_handlers!(on_open, on_message, on_close);
flaron_sdk::panic_handler!();

fn on_open() {
    let _ = ws::send_text("welcome");
}

fn on_message() {
    if let Some(message) = ws::message() {
        let _ = ws::send(&message);
    }
}

fn on_close() {}
