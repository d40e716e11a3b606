//! Lets a request through whose URL is signed: `/PATH?expires=SECONDS&sig=MAC`, where MAC is the HMAC-SHA256 of
//! `/PATH:SECONDS` in hexadecimal.
#![no_std]
#![forbid(unsafe_code)]

use flaron_sdk::{FlareAction, Status, crypto, request, text, time};

flaron_sdk::handle_request!(check => Status);
flaron_sdk::panic_handler!();

fn check() -> Result<FlareAction, Status> {
    let query = request::query();
    let expires = query.get_bytes("expires").ok_or(Status(403))?;
    let mac = query.get_bytes("sig").ok_or(Status(403))?;
    crypto::verify_hmac_pieces("url-key", (query.path(), ":", expires), mac).map_err(|_| Status(403))?;
    match text::parse_u64(expires) {
        Some(expires) if time::now_unix() < expires => Ok(FlareAction::PassThrough),
        _ => Err(Status(410)),
    }
}
