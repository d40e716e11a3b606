//! A hash, an ID and the time, all made by the host.
#![no_std]
#![forbid(unsafe_code)]

use flaron_sdk::{FlareAction, crypto, id, json, response, time};

flaron_sdk::handle_request!(report);
flaron_sdk::panic_handler!();

/// All of it is known now, so the compiler writes the JSON.
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
        // The host has no answer to one of them: let the origin answer.
        Err(_) => FlareAction::PassThrough,
    }
}
