//! Allows each client 100 requests per minute.
#![no_std]
#![forbid(unsafe_code)]

use flaron_sdk::{Error, FlareAction, plasma, request, response, time};

flaron_sdk::handle_request!(limit);
flaron_sdk::panic_handler!();

const LIMIT: i64 = 100;
const WINDOW_SECS: u32 = 60;

fn limit() -> Result<FlareAction, Error> {
    // Seconds fit into 32 bits until 2106 and then wrap around; they take less code than 64 bits.
    let now = time::now_unix() as u32;
    let window = now / WINDOW_SECS;
    let until_next = WINDOW_SECS - now % WINDOW_SECS;
    let client = request::first_of("x-forwarded-for");
    // What cannot be counted (an address that is not a valid key, a store that is down) is allowed.
    let Some(count) = plasma::increment_pieces(("rate:", client, ":", window), 1) else {
        return Ok(FlareAction::PassThrough);
    };
    let remaining = (LIMIT - count).max(0) as u32;
    response::set_header_pieces("x-ratelimit-limit", LIMIT as u32)?;
    response::set_header_pieces("x-ratelimit-remaining", remaining)?;
    if count <= LIMIT {
        return Ok(FlareAction::Transform);
    }
    response::set_status(429);
    response::set_header_pieces("retry-after", until_next)?;
    response::set_header("content-type", "text/plain");
    response::set_body_str("too many requests\n");
    Ok(FlareAction::Respond)
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::string::ToString;

    use super::*;
    use flaron_sdk::testing::Host;

    #[test]
    fn a_client_has_100_requests_a_minute() {
        let host = Host::new();
        host.writes_plasma_kv(true)
            .header("x-forwarded-for", "203.0.113.9, 10.0.0.1");
        for left in (0..100).rev() {
            let response = host.run(limit);
            assert_eq!(response.action, FlareAction::Transform);
            assert_eq!(
                response.header("x-ratelimit-remaining"),
                Some(&*left.to_string())
            );
        }
        let response = host.run(limit);
        assert_eq!(
            (response.action, response.status),
            (FlareAction::Respond, 429)
        );
        // The in-memory host's time is 13 seconds past a minute.
        assert_eq!(response.header("retry-after"), Some("47"));
        host.header("x-forwarded-for", "2001:db8::1");
        assert_eq!(host.run(limit).header("x-ratelimit-remaining"), Some("99"));
        host.header("x-forwarded-for", "203.0.113.9")
            .advance_secs(47);
        assert_eq!(host.run(limit).header("x-ratelimit-remaining"), Some("99"));
    }

    #[test]
    fn uncounted_requests_are_admitted() {
        let host = Host::new();
        assert_eq!(host.run(limit).action, FlareAction::PassThrough);
        host.writes_plasma_kv(true)
            .header("x-forwarded-for", "no key/../");
        assert_eq!(host.run(limit).action, FlareAction::PassThrough);
    }
}
