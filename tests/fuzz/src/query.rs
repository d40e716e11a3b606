//! What a decoded query must be.

use flaron_sdk::request;

/// Holds the decoded query of this target, which is the current request's, against what reads it in the simplest
/// way, and against `form_urlencoded`.
pub fn query(target: request::Target) {
    let raw = target.query().to_vec();
    let query = request::query();
    let path = if target.path().is_empty() { b"/" } else { target.path() };
    assert_eq!(query.path(), path);
    let pairs: Vec<_> = query.pairs().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
    let decoded = target.into_query();
    assert!(decoded.pairs().eq(query.pairs()));
    assert_eq!(decoded.path(), query.path());

    // By bytes, in the simplest way.
    let expected: Vec<_> = raw
        .split(|byte| *byte == b'&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let at = pair.iter().position(|byte| *byte == b'=');
            let (name, value) = at.map_or((pair, &b""[..]), |at| (&pair[..at], &pair[at + 1..]));
            (decode(name), decode(value))
        })
        .collect();
    assert_eq!(pairs, expected);
    // By `form_urlencoded`, which answers in text.
    let forms: Vec<_> = form_urlencoded::parse(&raw).into_owned().collect();
    assert_eq!(forms.len(), pairs.len());
    for ((name, value), (form_name, form_value)) in pairs.iter().zip(&forms) {
        for (bytes, form) in [(name, form_name), (value, form_value)] {
            if let Ok(text) = std::str::from_utf8(bytes)
                && !form.contains('\u{fffd}')
            {
                assert_eq!(text, form);
            }
        }
        if let Ok(name) = std::str::from_utf8(name) {
            let (_, first) = pairs.iter().find(|(other, _)| other == name.as_bytes()).unwrap();
            assert_eq!(query.get_bytes(name), Some(&first[..]));
            assert_eq!(query.get(name), std::str::from_utf8(first).ok());
        }
    }
    for name in ["", "a", "aa", "?"] {
        let there = pairs.iter().any(|(other, _)| other == name.as_bytes());
        assert_eq!(query.get_bytes(name).is_some(), there);
    }
}

/// Percent-decoded; bytes that are in no UTF-8 are `?`.
fn decode(text: &[u8]) -> Vec<u8> {
    let spaced: Vec<u8> = text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    let decoded = percent_encoding::percent_decode(&spaced);
    decoded.map(|byte| if byte >= 0xf8 { b'?' } else { byte }).collect()
}
