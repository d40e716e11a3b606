//! Puts CORS headers onto an API that has none.
#![no_std]
#![forbid(unsafe_code)]

use flaron_sdk::{Error, FlareAction, beam, request, response};

flaron_sdk::handle_request!(proxy);
flaron_sdk::panic_handler!();

const UPSTREAM: &str = "http://api.example.com";

fn proxy() -> Result<FlareAction, Error> {
    match request::header("origin") {
        Some(origin) => response::set_header_pieces("access-control-allow-origin", origin)?,
        None => response::set_header("access-control-allow-origin", "*"),
    }
    response::set_header("vary", "origin");
    if request::method_is("OPTIONS") {
        response::set_status(204);
        response::set_header(
            "access-control-allow-methods",
            "GET, POST, PUT, PATCH, DELETE",
        );
        response::set_header(
            "access-control-allow-headers",
            "authorization, content-type",
        );
        response::set_header("access-control-max-age", "86400");
        return Ok(FlareAction::Respond);
    }
    let url = (UPSTREAM, request::target().into_bytes());
    match beam::forward(url, &["accept", "authorization", "content-type"]) {
        Ok(upstream) => {
            response::set_status(upstream.status);
            if let Some(content_type) = upstream.header_bytes("content-type") {
                response::set_header_bytes("content-type", content_type);
            }
            response::set_body(upstream.body_bytes());
        }
        Err(_) => {
            response::set_status(502);
            response::set_header("content-type", "text/plain");
            response::set_body_str("no answer from upstream\n");
        }
    }
    Ok(FlareAction::Respond)
}
