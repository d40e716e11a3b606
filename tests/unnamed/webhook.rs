//! Takes a webhook: checks its signature, and keeps its body in Spark for a day.
#![no_std]
#![forbid(unsafe_code)]

use flaron_sdk::{FlareAction, Status, crypto, request, response, spark};

flaron_sdk::handle_request!(receive => Status);
flaron_sdk::panic_handler!();

const DAY_SECS: u32 = 86_400;

fn receive() -> Result<FlareAction, Status> {
    let body = request::body();
    let signature = request::header("x-hub-signature-256").map(|value| value.into_bytes());
    let mac = signature.as_deref().and_then(|value| value.strip_prefix(b"sha256="));
    crypto::verify_hmac("webhook-key", &body, mac.unwrap_or_default()).map_err(|_| Status(401))?;
    let delivery = request::header("x-delivery").ok_or(Status(400))?;
    spark::set_keyed(("delivery:", delivery), body, DAY_SECS)?;
    response::set_status(202);
    Ok(FlareAction::Respond)
}
