//! Counts requests in Plasma, over all edge nodes.
#![no_std]
#![forbid(unsafe_code)]

use flaron_sdk::{ArenaFull, FlareAction, plasma, response};

flaron_sdk::handle_request!(count);
flaron_sdk::panic_handler!();

fn count() -> Result<FlareAction, ArenaFull> {
    response::set_header("content-type", "text/plain");
    match plasma::increment("global_hits", 1) {
        Some(hits) => response::set_body_pieces(("global hits: ", hits))?,
        None => {
            response::set_status(500);
            response::set_body_str("plasma error");
        }
    }
    Ok(FlareAction::Respond)
}
