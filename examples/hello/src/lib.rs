//! The smallest flare: responds to every request with the same text.
#![no_std]
#![forbid(unsafe_code)]

use flaron_sdk::{FlareAction, response};

flaron_sdk::handle_request!(hello);
flaron_sdk::panic_handler!();

fn hello() -> FlareAction {
    response::set_header("content-type", "text/plain");
    response::set_body_str("hello from the edge");
    FlareAction::Respond
}
