//! A page with an ETag.
#![no_std]
#![forbid(unsafe_code)]

use flaron_sdk::{FlareAction, request, response};

flaron_sdk::handle_request!(serve);
flaron_sdk::panic_handler!();

const PAGE: &str = include_str!("page.html");

/// The FNV-1a hash of the page in hexadecimal, in quotes.
const ETAG_BYTES: [u8; 18] = {
    let page = PAGE.as_bytes();
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut i = 0;
    while i < page.len() {
        hash = (hash ^ page[i] as u64).wrapping_mul(0x0100_0000_01b3);
        i += 1;
    }
    let mut etag = [b'"'; 18];
    let mut i = 0;
    while i < 16 {
        etag[1 + i] = b"0123456789abcdef"[(hash >> (60 - 4 * i)) as usize & 15];
        i += 1;
    }
    etag
};
const ETAG: &str = match core::str::from_utf8(&ETAG_BYTES) {
    Ok(etag) => etag,
    Err(_) => unreachable!(),
};

fn serve() -> FlareAction {
    if !request::method_is("GET") && !request::method_is("HEAD") {
        response::set_status(405);
        response::set_header("allow", "GET, HEAD");
        return FlareAction::Respond;
    }
    response::set_header("etag", ETAG);
    response::set_header("cache-control", "public, max-age=300");
    response::set_header("content-security-policy", "default-src 'self'");
    response::set_header(
        "strict-transport-security",
        "max-age=63072000; includeSubDomains",
    );
    response::set_header("x-content-type-options", "nosniff");
    response::set_header("x-frame-options", "DENY");
    response::set_header("referrer-policy", "no-referrer");
    if request::matches_etag(ETAG) {
        response::set_status(304);
        return FlareAction::Respond;
    }
    response::set_header("content-type", "text/html; charset=utf-8");
    response::set_body_str(PAGE);
    FlareAction::Respond
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::string::String;

    use super::*;
    use flaron_sdk::testing::Host;

    fn answer(method: &str, tags: &str) -> (u16, usize) {
        let host = Host::new();
        host.method(method);
        if !tags.is_empty() {
            host.header("if-none-match", tags);
        }
        let response = host.run(serve);
        if response.status != 405 {
            assert_eq!(response.header("etag"), Some(ETAG));
            assert_eq!(response.header("x-frame-options"), Some("DENY"));
        }
        (response.status, response.body.len())
    }

    #[test]
    fn a_matching_tag_gets_304() {
        assert_eq!(answer("GET", ""), (200, PAGE.len()));
        assert_eq!(answer("GET", ETAG), (304, 0));
        assert_eq!(answer("GET", &(String::from("\"x\", W/") + ETAG)), (304, 0));
        assert_eq!(answer("GET", "*"), (304, 0));
        assert_eq!(answer("GET", "\"x\""), (200, PAGE.len()));
        assert_eq!(answer("POST", "").0, 405);
    }

    #[test]
    fn the_tag_is_a_quoted_hash() {
        assert_eq!(ETAG.len(), 18);
        assert!(
            ETAG.trim_matches('"')
                .bytes()
                .all(|byte| byte.is_ascii_hexdigit())
        );
    }
}
