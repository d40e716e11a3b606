//! Assigns each visitor a variant, kept in a cookie.
#![no_std]
#![forbid(unsafe_code)]

use flaron_sdk::{Error, FlareAction, crypto, request, response};

flaron_sdk::handle_request!(assign);
flaron_sdk::panic_handler!();

const COOKIE: &str = "ab-variant";

fn assign() -> Result<FlareAction, Error> {
    let variant = match request::cookie(COOKIE) {
        Some(cookie) if cookie == "a" => "a",
        Some(cookie) if cookie == "b" => "b",
        _ => draw()?,
    };
    response::set_header("x-variant", variant);
    response::set_header("vary", "cookie");
    Ok(FlareAction::Transform)
}

/// Draws a variant and has the visitor keep it for 30 days.
fn draw() -> Result<&'static str, Error> {
    let variant = if crypto::random_u32()? % 2 == 0 {
        "a"
    } else {
        "b"
    };
    let cookie = (
        COOKIE,
        "=",
        variant,
        "; Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax",
    );
    response::set_header_pieces("set-cookie", cookie)?;
    Ok(variant)
}
