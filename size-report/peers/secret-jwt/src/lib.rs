//! Answers with a JWT signed with the secret `jwt-key`.

use std::collections::HashMap;

use flaron_sdk::{crypto, response, FlareAction};

flaron_sdk::handle_request!(secret_jwt);

fn secret_jwt() -> FlareAction {
    let claims = HashMap::from([
        ("sub".to_string(), "demo-user".to_string()),
        ("iss".to_string(), "flaron".to_string()),
    ]);
    match crypto::sign_jwt("HS256", "jwt-key", &claims) {
        Some(jwt) => {
            response::set_body_str(&jwt);
            response::set_header("content-type", "application/jwt");
        }
        None => {
            response::set_status(500);
            response::set_header("content-type", "text/plain");
            response::set_body_str("jwt sign failed");
        }
    }
    FlareAction::Respond
}
