//! A notice that all edge nodes show: `PUT /` pins it, `GET /` and a WebSocket read it.
#![no_std]
#![forbid(unsafe_code)]

use flaron_sdk::{Error, FlareAction, PlasmaError, plasma, request, response, ws};

flaron_sdk::flare! {
    request: serve,
    open: send_notice,
    message: send_notice,
    close: on_close,
}
flaron_sdk::panic_handler!();

/// The key in Plasma.
const NOTICE: &str = "notice";
/// The WebSocket close code for an internal server error.
const INTERNAL_ERROR: u16 = 1011;

fn serve() -> Result<FlareAction, Error> {
    if request::method_is("GET") {
        show()?;
    } else if request::method_is("PUT") {
        response::set_status(pin());
    } else {
        response::set_status(405);
        response::set_header("allow", "GET, PUT");
    }
    Ok(FlareAction::Respond)
}

fn show() -> Result<(), Error> {
    match plasma::get(NOTICE) {
        Some(notice) => {
            response::set_header("content-type", "text/plain; charset=utf-8");
            response::set_body_pieces(notice)?;
        }
        None => response::set_status(404),
    }
    Ok(())
}

/// Pins the request's body, and returns the status to respond with.
fn pin() -> u16 {
    match plasma::set_pieces(NOTICE, request::body_piece()) {
        Ok(()) => 204,
        Err(PlasmaError::TooLarge) => 413,
        Err(_) => 503,
    }
}

fn send_notice() {
    let sent = match plasma::get(NOTICE) {
        Some(notice) => ws::send_pieces(notice),
        None => ws::send_text("nothing is pinned"),
    };
    if sent.is_err() {
        ws::close(INTERNAL_ERROR);
    }
}

fn on_close() {}

#[cfg(test)]
mod tests {
    use super::*;
    use flaron_sdk::testing::Host;

    fn host() -> Host {
        let host = Host::new();
        host.writes_plasma_kv(true).requires_body(true);
        host
    }

    #[test]
    fn notes_are_shown_over_http_and_websockets() {
        let host = host();
        assert_eq!(host.run(serve).status, 404);
        host.open(send_notice);
        host.method("PUT").body("back at noon");
        assert_eq!(host.run(serve).status, 204);
        host.message("?", send_notice);
        assert_eq!(host.sent(), [&b"nothing is pinned"[..], b"back at noon"]);
        host.method("GET");
        let response = host.run(serve);
        assert_eq!(
            (response.status, response.text().as_str()),
            (200, "back at noon")
        );
    }

    #[test]
    fn invalid_notes_are_refused() {
        let host = host();
        host.method("PUT").body("x".repeat(70_000));
        assert_eq!(host.run(serve).status, 413);
        host.body("x").writes_plasma_kv(false);
        assert_eq!(host.run(serve).status, 503);
        host.method("DELETE");
        let response = host.run(serve);
        assert_eq!(
            (response.status, response.header("allow")),
            (405, Some("GET, PUT"))
        );
        assert_eq!(host.plasma(NOTICE), None);
    }

    #[test]
    fn a_failing_socket_is_closed() {
        let host = host();
        host.open(send_notice);
        host.fails_with("ws_send", 3).message("?", send_notice);
        assert_eq!(host.closed(), Some(INTERNAL_ERROR));
    }
}
