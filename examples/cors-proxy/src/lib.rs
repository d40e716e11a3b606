//! Adds CORS headers to an API that has none.
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

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use flaron_sdk::testing::Host;

    fn host(method: &str) -> Host {
        let host = Host::new();
        host.method(method)
            .url("https://flare.example/v1/x?y=1")
            .header("origin", "https://a.example")
            .requires_body(true)
            .requires_raw_auth(true);
        host
    }

    #[test]
    fn a_preflight_is_answered_here() {
        let host = host("OPTIONS");
        let response = host.run(proxy);
        assert_eq!(response.status, 204);
        assert_eq!(
            response.header("access-control-allow-origin"),
            Some("https://a.example")
        );
        assert!(
            response
                .header("access-control-allow-methods")
                .unwrap()
                .contains("POST")
        );
        assert!(host.fetches().is_empty());
    }

    #[test]
    fn requests_are_forwarded_unchanged() {
        let host = host("POST");
        host.header("authorization", "Bearer t")
            .header("content-type", "application/json")
            .header("x-other", "stays")
            .body("{\"a\":\"\u{e9}\\n\"}")
            .on_fetch(
                "http://api.example.com/v1/x?y=1",
                201,
                &[("content-type", "text/x")],
                "made",
            );
        let response = host.run(proxy);
        assert_eq!((response.status, response.text().as_str()), (201, "made"));
        assert_eq!(response.header("content-type"), Some("text/x"));
        let fetch = &host.fetches()[0];
        assert_eq!(fetch.method, "POST");
        assert_eq!(fetch.headers.len(), 2);
        assert_eq!(fetch.header("authorization"), Some("Bearer t"));
        assert_eq!(fetch.body.as_deref(), Some("{\"a\":\"\u{e9}\\n\"}"));
    }

    #[test]
    fn an_unreachable_api_is_a_502() {
        let host = Host::new();
        let response = host.run(proxy);
        assert_eq!(response.status, 502);
        assert_eq!(response.header("access-control-allow-origin"), Some("*"));
    }

    #[test]
    fn a_body_of_125_kilobytes_passes_both_ways() {
        let host = host("POST");
        let body = "z".repeat(125_000);
        host.body(&body)
            .on_fetch("http://api.example.com/v1/x?y=1", 200, &[], &body);
        let response = host.run(proxy);
        assert_eq!(response.status, 200);
        assert_eq!(response.text(), body);
        assert_eq!(host.fetches()[0].body.as_ref(), Some(&body));
    }
}
