//! Assigns each visitor a variant, kept in a cookie.
#![no_std]
#![forbid(unsafe_code)]

use flaron_sdk::{Error, FlareAction, crypto, request, response};

flaron_sdk::handle_request!(assign);
flaron_sdk::panic_handler!();

const COOKIE: &str = "ab-variant";

fn assign() -> Result<FlareAction, Error> {
    let variant = match kept() {
        Some(variant) => variant,
        None => draw()?,
    };
    response::set_header("x-variant", variant);
    response::set_header("vary", "cookie");
    Ok(FlareAction::Transform)
}

/// The variant that the visitor's cookie names.
fn kept() -> Option<&'static str> {
    let cookie = request::cookie(COOKIE)?.into_bytes();
    match &*cookie {
        b"a" => Some("a"),
        b"b" => Some("b"),
        _ => None,
    }
}

/// Picks a variant at random and sets a cookie that keeps it for 30 days.
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

#[cfg(test)]
mod tests {
    extern crate std;

    use std::collections::BTreeSet;
    use std::string::String;

    use super::*;
    use flaron_sdk::testing::Host;

    fn variant(cookie: &str, seed: u64) -> (String, bool) {
        let host = Host::new();
        host.requires_raw_auth(true)
            .header("cookie", cookie)
            .random_seed(seed);
        let response = host.run(assign);
        assert_eq!(response.action, FlareAction::Transform);
        let variant = String::from(response.header("x-variant").unwrap());
        let set = response.header("set-cookie");
        if let Some(set) = set {
            assert_eq!(
                set,
                String::from("ab-variant=")
                    + &variant
                    + "; Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax"
            );
        }
        (variant, set.is_some())
    }

    #[test]
    fn each_client_keeps_its_variant() {
        assert_eq!(variant("x=1; ab-variant=b; y=2", 0), ("b".into(), false));
        assert_eq!(variant("ab-variant=a", 0), ("a".into(), false));
        for cookie in ["", "xab-variant=b", "ab-variant=z", "ab-variant"] {
            assert!(variant(cookie, 0).1, "{cookie}");
        }
        let drawn: BTreeSet<String> = (0..20).map(|seed| variant("", seed).0).collect();
        assert_eq!(drawn.len(), 2);
    }
}
