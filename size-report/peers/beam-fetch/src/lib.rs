//! Fetches a page and answers with the host's JSON envelope.
//!
//! The published crate does not hand out the envelope, only its parts, so it is put together
//! again: what a user of that crate has to do.

use std::collections::HashMap;

use flaron_sdk::{beam, response, FlareAction};
use serde::Serialize;

flaron_sdk::handle_request!(beam_fetch);

#[derive(Serialize)]
struct Envelope {
    status: u16,
    headers: HashMap<String, String>,
    body: String,
}

fn beam_fetch() -> FlareAction {
    let envelope = beam::fetch("https://example.com/", None)
        .ok()
        .and_then(|upstream| {
            let envelope = Envelope {
                status: upstream.status,
                headers: upstream.headers,
                body: upstream.body,
            };
            serde_json::to_string(&envelope).ok()
        });
    match envelope {
        Some(json) => {
            response::set_body_str(&json);
            response::set_header("content-type", "application/json");
        }
        None => {
            response::set_status(502);
            response::set_body_str("upstream fetch failed");
        }
    }
    FlareAction::Respond
}
