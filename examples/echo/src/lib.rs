//! Answers with the request's method and URL.
#![no_std]
#![forbid(unsafe_code)]

use flaron_sdk::{ArenaFull, FlareAction, request, response};

flaron_sdk::handle_request!(echo);
flaron_sdk::panic_handler!();

fn echo() -> Result<FlareAction, ArenaFull> {
    response::set_header("content-type", "text/plain");
    response::set_body_pieces((request::method_piece(), " ", request::url_piece()))?;
    Ok(FlareAction::Respond)
}
