//! Responds with the request's method and URL.
#![no_std]
#![forbid(unsafe_code)]

use flaron_sdk::{FlareAction, request, response};

flaron_sdk::handle_request!(echo);
flaron_sdk::panic_handler!();

fn echo() -> FlareAction {
    response::set_header("content-type", "text/plain");
    match response::set_body_pieces((request::method_piece(), " ", request::url_piece())) {
        Ok(()) => FlareAction::Respond,
        // The host has no answer, or it does not fit: let the origin respond.
        Err(_) => FlareAction::PassThrough,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flaron_sdk::testing::Host;

    #[test]
    fn answers_with_method_and_url() {
        let host = Host::new();
        host.method("PUT").url("http://localhost/a?b=1");
        let response = host.run(echo);
        assert_eq!(response.action, FlareAction::Respond);
        assert_eq!(response.header("content-type"), Some("text/plain"));
        assert_eq!(response.text(), "PUT http://localhost/a?b=1");
    }

    #[test]
    fn if_the_host_refuses_the_origin_answers() {
        let host = Host::new();
        host.on("req_url", |_| None);
        assert_eq!(host.run(echo).action, FlareAction::PassThrough);
    }
}
