//! Posts JSON to an upstream and passes its answer on.

use flaron_sdk::{
    beam::{self, FetchOptions},
    response, FlareAction,
};

flaron_sdk::handle_request!(beam_json);

fn beam_json() -> FlareAction {
    let options = FetchOptions::default()
        .with_method("POST")
        .with_header("content-type", "application/json")
        .with_header("authorization", "Bearer demo-token")
        .with_body(r#"{"hello":"world"}"#);

    match beam::fetch("https://api.example.com/echo", Some(&options)) {
        Ok(upstream) => {
            response::set_status(upstream.status);
            if let Some(content_type) = upstream.headers.get("content-type") {
                response::set_header("content-type", content_type);
            }
            response::set_body_str(&upstream.body);
        }
        Err(_) => {
            response::set_status(502);
            response::set_body_str("upstream fetch failed");
        }
    }
    FlareAction::Respond
}
