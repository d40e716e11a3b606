//! Answers with the request's method and URL.
#![no_std]
#![forbid(unsafe_code)]

use flaron_sdk::{FlareAction, request, response};

flaron_sdk::handle_request!(echo);
flaron_sdk::panic_handler!();

fn echo() -> FlareAction {
    response::set_header("content-type", "text/plain");
    match response::set_body_pieces((request::method_piece(), " ", request::url_piece())) {
        Ok(()) => FlareAction::Respond,
        // The host has no answer, or a longer one than fits: let the origin answer.
        Err(_) => FlareAction::PassThrough,
    }
}
