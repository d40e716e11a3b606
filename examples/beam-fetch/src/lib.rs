//! Fetches a page and responds with the host's answer, unchanged.
#![no_std]
#![forbid(unsafe_code)]

use flaron_sdk::{ArenaFull, FlareAction, beam, response};

flaron_sdk::handle_request!(fetch);
flaron_sdk::panic_handler!();

fn fetch() -> Result<FlareAction, ArenaFull> {
    if let Ok(answer) = beam::fetch_raw("https://example.com/", None) {
        response::set_body_pieces(answer)?;
        response::set_header("content-type", "application/json");
    } else {
        response::set_status(502);
        response::set_body_str("upstream fetch failed");
    }
    Ok(FlareAction::Respond)
}
