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

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use flaron_sdk::testing::Host;

    fn answer(authorization: &str) -> (FlareAction, u16) {
        let host = Host::new();
        host.requires_raw_auth(true)
            .secret("basic-auth", "admin:hunter2")
            .header("authorization", authorization);
        let response = host.run(auth);
        (response.action, response.status)
    }

    #[test]
    fn the_right_password_is_admitted() {
        assert_eq!(
            answer("Basic YWRtaW46aHVudGVyMg=="),
            (FlareAction::PassThrough, 200)
        );
        for bad in [
            "",
            "Basic YWRtaW46aHVudGVyMw==",
            "Basic !!!",
            "Basic ",
            "Bearer YWRtaW46aHVudGVyMg==",
        ] {
            assert_eq!(answer(bad), (FlareAction::Respond, 401), "{bad}");
        }
    }

    #[test]
    fn without_a_secret_nobody_is_admitted() {
        let host = Host::new();
        assert_eq!(host.run(auth).status, 500);
    }
}
