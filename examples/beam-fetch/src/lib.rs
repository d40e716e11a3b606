//! Fetches a page and shows the host's answer as it came.
#![no_std]

use flaron_sdk::{FlareAction, beam, response};

flaron_sdk::handle_request!(fetch);
flaron_sdk::panic_handler!();

fn fetch() -> FlareAction {
    if let Ok(answer) = beam::fetch_raw("https://example.com/", None) {
        response::set_header("content-type", "application/json");
        response::set_body(&answer);
    } else {
        response::set_status(502);
        response::set_body_str("upstream fetch failed");
    }
    FlareAction::Respond
}
