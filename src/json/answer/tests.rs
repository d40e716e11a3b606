use super::*;
use std::string::String;
use std::vec::Vec;

/// What is found in a text, with other bytes behind it: as where it lies in the text, and how long it is.
fn found_in(text: &[u8], behind: u8) -> Option<Vec<Option<(usize, usize)>>> {
    let mut block = text.to_vec();
    let end = unescape(&mut block, Until::RootEnd)?;
    assert!(end <= text.len());
    assert_eq!(block[end - 1], ROOT_END);
    // (For Miri, nothing is behind the block.)
    block[end..].fill(behind);
    let root = Cursor::at_start(&block);
    let offset = |at: usize| at - block.as_ptr().addr();
    let string = |found: PackedSlice<'_>| {
        let found = found.get();
        let start = offset(found.as_ptr().addr());
        assert!(start + found.len() < end);
        (start, found.len())
    };
    let mut all = Vec::new();
    for name in ["a", "A", "status", "", "\u{e9}", "a\"b", "a:"] {
        let outer = root.member(OUTER, name);
        all.push(outer.map(|value| {
            let start = offset(value.place.addr().get());
            assert!(start < end);
            (start, value.clone_digits())
        }));
        all.push(root.string_member(OUTER, name).map(string));
        let inner = outer.and_then(|outer| outer.string_member(INNER, "a"));
        all.push(inner.map(string));
    }
    Some(all)
}

impl Cursor<'_> {
    fn clone_digits(mut self) -> usize {
        core::iter::from_fn(|| self.digit()).count()
    }
}

/// Nothing behind the end matters, whatever a host has written.
fn check(text: &[u8]) {
    let found = found_in(text, END);
    for behind in [b':', b'1', ROOT_END, mark(1) as u8] {
        assert_eq!(found_in(text, behind), found, "{text:x?}");
    }
}

#[test]
fn what_any_bytes_contain_is_within_them() {
    let pieces: [&[u8]; 24] = [
        b"{",
        b"}",
        b"[",
        b"\"",
        b"\"a\":",
        b"\"status\":",
        b"\"",
        b":",
        b",",
        b"1",
        b"\\",
        b"a",
        b" ",
        b"\\u",
        b"00e9",
        b"\xff",
        b"\xfe",
        b"\xfd",
        b"\xfc",
        b"\xfb",
        b"\xf5",
        b"\xc3",
        b"\xff:",
        b"\xfca\xff:",
    ];
    let mut seed = 1_u64;
    let mut any = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) as usize % below
    };
    let rounds = if cfg!(miri) { 40 } else { 20_000 };
    let mut read = 0;
    for _ in 0..rounds {
        let mut text = b"{\"a\":".to_vec();
        for _ in 0..any(12) {
            text.extend(pieces[any(pieces.len())]);
        }
        text.extend(&b"\"}}"[any(3)..]);
        read += usize::from(found_in(&text, 0).is_some());
        check(&text);
    }
    assert!(read > rounds / 10);
}

#[test]
fn a_value_that_is_missing_is_the_end() {
    for text in [
        "{\"a\":}",
        "{\"a\":{\"a\":}}",
        "{\"a\"}",
        "{\"a\":\"\"}",
        "{}",
        "[]",
        "[",
    ] {
        check(text.as_bytes());
    }
    assert_eq!(found_in(b"{\"a\":}", 0).unwrap()[..2], [Some((5, 0)), None]);
    assert_eq!(found_in(b"{\"a\":\"\"}", 0).unwrap()[1], Some((6, 0)));
    // A mark of a host's own begins no string.
    assert_eq!(found_in(b"{\xfca}", 0).unwrap()[0], None);
}

#[test]
fn it_is_flattened_as_any_json() {
    for json in [
        r#" { "a" : "caf\u00e9 \ud83d\ude00", "b": [ 1, {"a":"\"x\""} ] , "status" : 200 } "#,
        r#"{"a":{"a":"b"},"":"é"}"#,
        "[]",
    ] {
        let (mut strict, mut host) = (Vec::from(json), Vec::from(json));
        let len = crate::json::flatten(&mut strict).unwrap();
        assert_eq!(unescape(&mut host, Until::RootEnd), Some(len));
        assert_eq!(host[..len - 1], strict[..len - 1]);
        assert_eq!(host[len - 1], ROOT_END);
    }
    for json in ["", "1", "\"a\"", "{", "[{}", "{\"a", "{\"a\\u0"] {
        let found = unescape(&mut Vec::from(json), Until::RootEnd);
        // A scalar is no object, and nothing is found in it.
        assert!(
            found.is_none()
                || found_in(json.as_bytes(), 0)
                    .unwrap()
                    .iter()
                    .all(Option::is_none),
            "{json}"
        );
    }
    // What is behind it is not read.
    let mut text = String::from("{\"a\":1} {\"a").into_bytes();
    assert_eq!(unescape(&mut text, Until::RootEnd), Some(7));
}
