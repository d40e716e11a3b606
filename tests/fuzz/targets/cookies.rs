//! Cookies, and the first element of a list: against `cookie`, and against what the header was made of.
#![no_main]

use cookie::Cookie;
use flaron_sdk::request;
use flaron_sdk::testing::Host;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let [how, rest @ ..] = data else { return };
    // Half of the headers are mapped to characters that occur in cookies.
    let header: Vec<u8> = if how & 1 == 0 {
        let bytes = b"aab;;==  \t\"c1,\xc3\xa9";
        rest.iter().map(|byte| bytes[usize::from(*byte) % bytes.len()]).collect()
    } else {
        rest.to_vec()
    };
    let host = Host::new();
    host.returns("req_header_get", &header);

    // The expected first element of a list. Control characters end it, as spaces do (a header contains none but
    // the tab).
    let first = header.split(|byte| *byte == b',').next().unwrap();
    let len = first.iter().rposition(|byte| *byte > b' ').map_or(0, |last| last + 1);
    let found = request::first_of("x-forwarded-for").map(|found| found.into_bytes().to_vec());
    assert_eq!(found, (len > 0).then(|| first[..len].to_vec()));

    // The expected cookies, computed in the simplest way: the first one with each name.
    let pairs: Vec<(&[u8], &[u8])> = header
        .split(|byte| *byte == b';')
        .filter_map(|pair| {
            let pair = trim(pair);
            let at = pair.iter().position(|byte| *byte == b'=')?;
            Some((&pair[..at], &pair[at + 1..]))
        })
        .collect();
    let mut names: Vec<&str> = vec!["a", "b", "aa", "", "c1", "\""];
    names.extend(pairs.iter().filter_map(|(name, _)| std::str::from_utf8(name).ok()));
    for name in &names {
        let expected = pairs.iter().find(|(other, _)| *other == name.as_bytes());
        let found = request::cookie(name).map(|found| found.into_bytes().to_vec());
        assert_eq!(found.as_deref(), expected.map(|(_, value)| *value), "{name:?}");
    }

    // As `cookie` parses them. (It trims more kinds of white space than a header may have.)
    let spaces = |text: &str| text.contains([' ', '\t']) || text.contains(char::is_control);
    if let Ok(text) = std::str::from_utf8(&header) {
        let cookies: Vec<_> = Cookie::split_parse(text).filter_map(Result::ok).collect();
        for name in names {
            let theirs = cookies.iter().find(|cookie| cookie.name() == name);
            let ours = request::cookie(name).map(|ours| ours.to_string());
            let strange = pairs.iter().any(|(name, value)| {
                [name, value].iter().any(|part| std::str::from_utf8(part).is_ok_and(spaces))
            });
            let strange = strange
                || name.is_empty()
                || text.chars().any(|c| (c.is_whitespace() || c.is_control()) && c != ' ' && c != '\t');
            assert!(strange || ours.as_deref() == theirs.map(|cookie| cookie.value()), "{name:?}");
        }
    }
    assert_ne!(flaron_sdk::guest_alloc(flaron_sdk::ARENA_BYTES as i32), 0, "everything is free again");
    flaron_sdk::reset_arena();
});

/// Trimmed of spaces and control characters, as above.
fn trim(mut text: &[u8]) -> &[u8] {
    while let [0..=b' ', rest @ ..] | [rest @ .., 0..=b' '] = text {
        text = rest;
    }
    text
}
