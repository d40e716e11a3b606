//! Signs a token with a secret that the flare never sees.
#![no_std]
#![forbid(unsafe_code)]

use flaron_sdk::{ArenaFull, FlareAction, crypto, json, response};

flaron_sdk::handle_request!(sign);
flaron_sdk::panic_handler!();

/// Known at compile time, so the JSON is a constant.
const ARGUMENTS: &str = json!({
    "algorithm": "HS256",
    "secret_key": "jwt-key",
    "claims": { "sub": "demo-user", "iss": "flaron" },
});

fn sign() -> Result<FlareAction, ArenaFull> {
    match crypto::sign_jwt_json(ARGUMENTS) {
        Some(token) => {
            response::set_body_pieces(token)?;
            response::set_header("content-type", "application/jwt");
        }
        None => {
            response::set_status(500);
            response::set_header("content-type", "text/plain");
            response::set_body_str("jwt sign failed");
        }
    }
    Ok(FlareAction::Respond)
}
