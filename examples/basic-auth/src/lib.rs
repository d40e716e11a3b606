//! Asks for a name and a password.
#![no_std]
#![forbid(unsafe_code)]

use flaron_sdk::{FlareAction, crypto, request, response, secrets};

flaron_sdk::handle_request!(auth);
flaron_sdk::panic_handler!();

fn auth() -> FlareAction {
    // The secret is `name:password`.
    let Some(expected) = secrets::get_bytes("basic-auth") else {
        response::set_status(500);
        return FlareAction::Respond;
    };
    if request::basic_credentials().is_some_and(|given| crypto::equal(&given, &expected)) {
        return FlareAction::PassThrough;
    }
    response::set_status(401);
    response::set_header(
        "www-authenticate",
        "Basic realm=\"staging\", charset=\"UTF-8\"",
    );
    response::set_header("content-type", "text/plain");
    response::set_body_str("authentication required\n");
    FlareAction::Respond
}
