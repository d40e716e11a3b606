//! Posts JSON to an API and passes its response on.
#![no_std]
#![forbid(unsafe_code)]

use flaron_sdk::{FlareAction, beam, json, response};

flaron_sdk::handle_request!(post);
flaron_sdk::panic_handler!();

/// Known at compile time, so the JSON is a constant.
const OPTIONS: &str = json!({
    "method": "POST",
    "headers": {
        "content-type": "application/json",
        "authorization": "Bearer demo-token",
    },
    "body": "{\"hello\":\"world\"}",
});

fn post() -> FlareAction {
    match beam::fetch_json("https://api.example.com/echo", OPTIONS) {
        Ok(upstream) => {
            response::set_status(upstream.status);
            if let Some(content_type) = upstream.header_bytes("content-type") {
                response::set_header_bytes("content-type", content_type);
            }
            response::set_body(upstream.body_bytes());
        }
        Err(_) => {
            response::set_status(502);
            response::set_body_str("upstream fetch failed");
        }
    }
    FlareAction::Respond
}
