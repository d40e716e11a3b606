//! Responds with a hash, an ID and the time, all computed by the host.
#![no_std]
#![forbid(unsafe_code)]

use flaron_sdk::{FlareAction, crypto, id, json, response, time};

flaron_sdk::handle_request!(report);
flaron_sdk::panic_handler!();

/// Known at compile time, so the JSON is a constant.
const HELLO: &str = json!({ "algorithm": "sha256", "input": "hello" });

fn report() -> FlareAction {
    response::set_header("content-type", "text/plain");
    let report = response::set_body_pieces((
        ("sha256(\"hello\") = ", crypto::hash_json_piece(HELLO)),
        ("\nuuid v7        = ", id::uuid_v7_piece()),
        ("\nedge time      = ", time::now_rfc3339_piece(), "\n"),
    ));
    match report {
        Ok(()) => FlareAction::Respond,
        // The host has no answer for one of them: let the origin respond.
        Err(_) => FlareAction::PassThrough,
    }
}
