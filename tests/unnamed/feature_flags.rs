//! Feature flags: `PUT /flags/NAME` sets for how many per cent of the users a feature is on, and
//! `GET /flags/NAME?user=USER` answers `{"on":true}` or `{"on":false}`, for one user always the same.
#![no_std]
#![forbid(unsafe_code)]

use flaron_sdk::{FlareAction, Status, plasma, request, response, text};

flaron_sdk::handle_request!(serve => Status);
flaron_sdk::panic_handler!();

fn serve() -> Result<FlareAction, Status> {
    let query = request::query();
    let name = text::strip_prefix(query.path(), b"/flags/").ok_or(Status(404))?;
    if request::method_is("PUT") {
        let percent = request::body();
        if text::parse_u32(&percent).is_none_or(|percent| percent > 100) {
            return Err(Status(400));
        }
        plasma::set_keyed(("flag:", name), percent)?;
        response::set_status(204);
        return Ok(FlareAction::Respond);
    }
    let user = query.get_bytes("user").ok_or(Status(400))?;
    let percent = plasma::get_pieces(("flag:", name)).ok_or(Status(404))?;
    let percent = text::parse_u32(&percent).unwrap_or(0);
    response::set_header("content-type", "application/json");
    response::set_body_pieces(("{\"on\":", bucket(name, user) < percent, "}"))?;
    Ok(FlareAction::Respond)
}

/// A number below 100 for each user, which is another one for each feature.
fn bucket(name: &[u8], user: &[u8]) -> u32 {
    hash(hash(0x811c_9dc5, name), user) % 100
}

/// FNV-1a.
fn hash(start: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(start, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}
