//! Counts requests over all edges in the Plasma counter `global_hits`.

use flaron_sdk::{plasma, response, FlareAction};

flaron_sdk::handle_request!(plasma_counter);

fn plasma_counter() -> FlareAction {
    let (status, body) = match plasma::increment("global_hits", 1) {
        Some(hits) => (200, format!("global hits: {hits}")),
        None => (500, "plasma error".to_string()),
    };
    response::set_status(status);
    response::set_header("content-type", "text/plain");
    response::set_body_str(&body);
    FlareAction::Respond
}
