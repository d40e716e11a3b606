//! Queries decoded in place, built mostly from characters with a meaning in them: against the simplest reading, and
//! `form_urlencoded`.
#![no_main]

use flaron_fuzz::query::query;
use flaron_sdk::testing::Host;
use flaron_sdk::{request, text};
use libfuzzer_sys::fuzz_target;

/// Characters with a meaning in a query, or that end one.
const MEANINGFUL: &[u8] = b"&&==%%%++#?/aafFgG0129\x00\x7f\x80\xf7\xf8\xfe\xff";

fuzz_target!(|data: &[u8]| {
    let [how, rest @ ..] = data else { return };
    let mut raw = rest.to_vec();
    if how & 1 == 1 {
        for byte in &mut raw {
            *byte = MEANINGFUL[usize::from(*byte) % MEANINGFUL.len()];
        }
    }
    // A fragment is not part of the query.
    raw.retain(|byte| *byte != b'#');

    let host = Host::new();
    host.returns("req_url", [b"https://h/?", &raw[..]].concat());
    let target = request::target();
    assert_eq!(target.query(), raw);
    // The raw query, split as an author would who decodes nothing.
    let pairs =
        text::split(&raw, b'&').map(|pair| text::split_once(pair, b'=').unwrap_or((pair, b"")));
    let expected = raw.split(|byte| *byte == b'&').map(|pair| {
        let mut parts = pair.splitn(2, |byte| *byte == b'=');
        (
            parts.next().unwrap_or_default(),
            parts.next().unwrap_or_default(),
        )
    });
    assert!(pairs.eq(expected));
    query(target);

    // Names that occur only in part, or with something appended.
    let query = request::query();
    for (name, _) in query.pairs() {
        if let Ok(name) = std::str::from_utf8(name) {
            assert!(query.get_bytes(name).is_some());
            let longer = format!("{name}\u{1}\u{1}\u{1}");
            let there = query.pairs().any(|(other, _)| other == longer.as_bytes());
            assert_eq!(query.get_bytes(&longer).is_some(), there);
        }
    }
});
