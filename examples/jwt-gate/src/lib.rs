//! Forwards requests with a valid HS256 token to the origin.
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

#[cfg(test)]
mod tests {
    extern crate std;

    use std::string::String;

    use super::*;
    use flaron_sdk::testing::Host;

    /// `{"alg":"HS256"}`, `{"exp":1775560334,"sub":"zoe"}` (a second after the in-memory host's time), 32 zeros.
    const TOKEN: &str = "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjE3NzU1NjAzMzQsInN1YiI6InpvZSJ9.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    fn host(authorization: &str) -> Host {
        let host = Host::new();
        host.requires_raw_auth(true)
            .header("authorization", authorization)
            .returns("crypto_hmac", "0".repeat(64));
        host
    }

    #[test]
    fn a_valid_token_is_admitted() {
        let host = host(&(String::from("bearer ") + TOKEN));
        let response = host.run(gate);
        assert_eq!(response.action, FlareAction::Transform);
        assert_eq!(response.header("x-user"), Some("zoe"));
        host.advance_secs(1);
        assert_eq!(host.run(gate).status, 401, "it has expired");
    }

    #[test]
    fn anything_else_is_a_401() {
        for authorization in ["", "Basic abc", "Bearer a.b.c", &String::from(TOKEN)] {
            let response = host(authorization).run(gate);
            assert_eq!(
                (response.action, response.status),
                (FlareAction::Respond, 401)
            );
            assert!(
                response
                    .header("www-authenticate")
                    .unwrap()
                    .starts_with("Bearer")
            );
        }
        let host = host(&(String::from("Bearer ") + TOKEN));
        host.returns("crypto_hmac", "1".repeat(64));
        assert_eq!(host.run(gate).status, 401, "the signature is another one");
    }
}
