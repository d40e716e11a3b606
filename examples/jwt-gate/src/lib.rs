//! Lets requests with a valid HS256 token through to the origin.
#![no_std]
#![forbid(unsafe_code)]

use flaron_sdk::{FlareAction, crypto, request, response};

flaron_sdk::handle_request!(gate);
flaron_sdk::panic_handler!();

/// The name of the secret.
const KEY: &str = "jwt-key";

fn gate() -> FlareAction {
    let Some(token) = request::credentials("Bearer") else {
        return refuse("Bearer realm=\"api\"");
    };
    let Ok(claims) = crypto::verify_jwt(KEY, token) else {
        return refuse("Bearer realm=\"api\", error=\"invalid_token\"");
    };
    if let Some(user) = claims.text_bytes("sub") {
        response::set_header_bytes("x-user", user);
    }
    FlareAction::Transform
}

fn refuse(challenge: &str) -> FlareAction {
    response::set_status(401);
    response::set_header("www-authenticate", challenge);
    response::set_header("content-type", "text/plain");
    response::set_body_str("a valid token is needed\n");
    FlareAction::Respond
}
