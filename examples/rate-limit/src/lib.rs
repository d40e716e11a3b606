//! Lets each client make 100 requests a minute.
#![no_std]
#![forbid(unsafe_code)]

use flaron_sdk::{Error, FlareAction, plasma, request, response, time};

flaron_sdk::handle_request!(limit);
flaron_sdk::panic_handler!();

const LIMIT: i64 = 100;
const WINDOW_SECS: u64 = 60;

fn limit() -> Result<FlareAction, Error> {
    let now = time::now_unix();
    let client = request::first_of("x-forwarded-for");
    // What cannot be counted (an address that is no key, a store that is away) is let through.
    let Some(count) = plasma::increment_pieces(("rate:", client, ":", now / WINDOW_SECS), 1) else {
        return Ok(FlareAction::PassThrough);
    };
    let remaining = (LIMIT - count).max(0);
    response::set_header_pieces("x-ratelimit-limit", LIMIT)?;
    response::set_header_pieces("x-ratelimit-remaining", remaining)?;
    if count <= LIMIT {
        return Ok(FlareAction::Transform);
    }
    response::set_status(429);
    response::set_header_pieces("retry-after", WINDOW_SECS - now % WINDOW_SECS)?;
    response::set_header("content-type", "text/plain");
    response::set_body_str("too many requests\n");
    Ok(FlareAction::Respond)
}
