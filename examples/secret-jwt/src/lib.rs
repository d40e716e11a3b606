//! Signs a token with a secret that the flare never sees.
#![no_std]

use flaron_sdk::{FlareAction, crypto, json, response};

flaron_sdk::handle_request!(sign);
flaron_sdk::panic_handler!();

/// All of it is known now, so the compiler writes the JSON.
const ARGUMENTS: &str = json!({
    "algorithm": "HS256",
    "secret_key": "jwt-key",
    "claims": { "sub": "demo-user", "iss": "flaron" },
});

fn sign() -> FlareAction {
    match crypto::sign_jwt_json(ARGUMENTS) {
        Some(token) => {
            response::set_header("content-type", "application/jwt");
            response::set_body(&token.into_bytes());
        }
        None => {
            response::set_status(500);
            response::set_header("content-type", "text/plain");
            response::set_body_str("jwt sign failed");
        }
    }
    FlareAction::Respond
}
