//! Counts requests over all edges in the Plasma counter `global_hits`.

use flaron_sdk::{plasma, response, FlareAction};

flaron_sdk::handle_request!(plasma_counter);

fn plasma_counter() -> FlareAction {
    response::set_header("content-type", "text/plain");
    match plasma::increment("global_hits", 1) {
        Some(hits) => response::set_body_str(&format!("global hits: {hits}")),
        None => {
            response::set_status(500);
            response::set_body_str("plasma error");
        }
    }
    FlareAction::Respond
}
