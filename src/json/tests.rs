//! JSON, by hand and against `serde_json` as the oracle.

use proptest::prelude::*;
use serde_json::Value as Oracle;
use std::string::{String, ToString};
use std::vec::Vec;
use std::{format, vec};

use super::*;
use crate::arena::tests::cases;
use crate::text::{self, build};

fn parsed<R>(text: &str, check: impl FnOnce(Result<Value<'_>, JsonError>) -> R) -> R {
    let mut bytes = text.as_bytes().to_vec();
    check(parse(&mut bytes))
}

fn accepts(text: &str) -> bool {
    parsed(text, |value| value.is_ok())
}

/// What a value is, for comparing with the oracle; of equal names the last counts there.
fn seen(value: Value<'_>) -> Oracle {
    let kinds = [
        value.is_null(),
        value.as_bool().is_some(),
        value.as_number().is_some(),
        value.as_bytes().is_some(),
        !value.is_null() && value.0[0] == b'[',
        !value.is_null() && value.0[0] == b'{',
    ];
    assert_eq!(
        kinds.iter().filter(|is| **is).count(),
        1,
        "a value is of one kind"
    );
    if let Some(value) = value.as_bool() {
        return value.into();
    }
    if let Some(number) = value.as_number() {
        // What Rust's own reading says, for numbers without fraction and exponent.
        assert_eq!(value.as_i64(), number.parse().ok());
        assert_eq!(
            value.as_u64(),
            number.parse().ok().filter(|_| !number.starts_with('-'))
        );
        return serde_json::from_str(number).unwrap();
    }
    assert_eq!((value.as_i64(), value.as_u64()), (None, None));
    if let Some(text) = value.as_str() {
        assert!(value == *text && value == text);
        assert_eq!(value.as_bytes(), Some(text.as_bytes()));
        return text.into();
    }
    match value.first() {
        b'[' => {
            assert_eq!(value.members().count(), 0);
            value.elements().map(seen).collect()
        }
        b'{' => {
            assert_eq!(value.elements().count(), 0);
            let mut object = serde_json::Map::new();
            let mut names: Vec<&[u8]> = Vec::new();
            for (name, member) in value.members() {
                let text = core::str::from_utf8(name).unwrap();
                if !names.contains(&name) {
                    let first = value.get(text).expect("it is there");
                    assert_eq!(first.0.as_ptr(), member.0.as_ptr(), "the first counts");
                }
                names.push(name);
                object.insert(text.to_string(), seen(member));
            }
            assert!(value.get("no such name").is_none());
            object.into()
        }
        _ => Oracle::Null,
    }
}

/// How deep valid JSON nests. (Not the oracle's value: of equal names it has the last alone.)
fn depth(json: &str) -> usize {
    let (mut depth, mut deepest, mut in_string) = (0, 0, false);
    let mut chars = json.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => {
                chars.next();
            }
            '"' => in_string = !in_string,
            '[' | '{' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            ']' | '}' if !in_string => depth -= 1,
            _ => {}
        }
    }
    deepest
}

/// Asserts that the reader of the host's own JSON makes the same of a text as the strict one, if that takes it.
#[cfg(any(feature = "beam", lists_keys))]
fn compare_readers(json: &[u8]) {
    let (mut strict, mut host) = (json.to_vec(), json.to_vec());
    let found = unescape(&mut host, Until::End);
    assert!(found.is_none_or(|len| len <= json.len()));
    if let Some(len) = flatten(&mut strict) {
        assert_eq!(found, Some(len), "{json:?}");
        assert_eq!(host[..len], strict[..len], "{json:?}");
    }
}

/// Asserts that the text is read as `serde_json` reads it.
fn compare(json: &str) {
    #[cfg(any(feature = "beam", lists_keys))]
    compare_readers(json.as_bytes());
    let expected = serde_json::from_str::<Oracle>(json);
    parsed(json, |found| match (expected, found) {
        (Ok(expected), Ok(found)) => {
            assert!(depth(json) <= MAX_DEPTH, "too deep: {json}");
            assert_eq!(seen(found), expected, "{json}");
        }
        (Ok(_), Err(_)) => assert!(depth(json) > MAX_DEPTH, "refused: {json}"),
        // Numbers that no `f64` can hold are numbers all the same.
        (Err(error), Ok(_)) => {
            assert!(
                error.to_string().contains("number out of range"),
                "accepted: {json}: {error}"
            );
        }
        (Err(_), Err(_)) => {}
    });
}

// ------------------------------------------------------------------------------------- reading

#[test]
fn what_is_json_is_read() {
    for json in [
        "null",
        "true",
        "false",
        "0",
        "-0",
        "1",
        "-1",
        "10",
        "1.5",
        "-0.0",
        "1e5",
        "1E+5",
        "1e-05",
        "0e0",
        "123456789.123456789e10",
        "\"\"",
        "\"a\"",
        "[]",
        "{}",
        "[[]]",
        "[{}]",
        "{\"\":{}}",
        " [ 1 , \"a\" , null ] ",
        "\t{\r\n\"a\" : [ ] }\n",
        "\"\u{7f}\u{80}\u{ffff}\u{10ffff}\"",
        r#""\"\\\/\b\f\n\r\t\u0000\u001f\u00e9\uFFFF\uABcd""#,
        r#""\ud83d\ude00""#,
        r#"{"a":1,"a":2,"b":{"a":[{"a":"]}"}]}}"#,
        "[1,2,[3,[4]],{\"a\":[5]}]",
        "9223372036854775807",
        "-9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "-9223372036854775809",
        "[true,false,null,-1.5e-7]",
    ] {
        assert!(accepts(json), "{json}");
        compare(json);
    }
}

#[test]
fn what_is_no_json_is_refused() {
    for json in [
        "",
        " ",
        "nul",
        "nulll",
        "True",
        "tru e",
        "NaN",
        "Infinity",
        "-",
        "+1",
        "01",
        "-01",
        "1.",
        ".5",
        "1.e5",
        "1e",
        "1e+",
        "0x10",
        "1 2",
        "1,2",
        ",",
        ":",
        "]",
        "}",
        "[",
        "{",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[1,,2]",
        "[}",
        "{]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{,}",
        "{a:1}",
        "{1:2}",
        "{\"a\" 1}",
        "{\"a\":1 \"b\":2}",
        "{\"a\":1]",
        "[1}",
        "[]]",
        "{}}",
        "[][]",
        "\"",
        "\"a",
        "a\"",
        "'a'",
        "\"\n\"",
        "\"\t\"",
        "\"\u{0}\"",
        "\"\\",
        "\"\\\"",
        r#""\x""#,
        r#""\u""#,
        r#""\u12""#,
        r#""\u12g4""#,
        r#""\u+123""#,
        r#""\U0041""#,
        r#""\ud83d\u""#,
        r#""\ud83d\u12""#,
        r#""\ud83d\x""#,
        "\u{feff}1",
        "\u{a0}1",
        "1\u{b}",
        "/**/1",
        "null,",
        "\"a\"\"b\"",
        "-a",
        "--1",
        "1-1",
        "1ee5",
        "[1]1",
        "{\"a\":1}\"",
        "truefalse",
        "nulltrue",
        "1 2",
        "0 1",
        "1.5 5",
        "1e5 5",
        "1,\"a\":2",
        "1,2",
        "\"\\ \"",
        "\"\\\n\"",
        "{\"\\ \":1}",
        "\"\\u\"",
        "\"\\u 041\"",
        "\"\\x\"",
        "\"\\U0041\"",
        "\"\\2\"",
        "\"\\",
    ] {
        assert!(!accepts(json), "{json}");
        compare(json);
    }
}

#[test]
fn surrogates_come_in_pairs() {
    for (json, text) in [
        (r#""\ud800\udc00""#, "\u{10000}"),
        (r#""\uD83D\uDE00\udbff\udfff!""#, "\u{1f600}\u{10ffff}!"),
        (r#""\ud7ff\ue000\uffff""#, "\u{d7ff}\u{e000}\u{ffff}"),
    ] {
        parsed(json, |value| {
            assert_eq!(value.unwrap().as_str(), Some(text), "{json}")
        });
        compare(json);
    }
    for json in [
        r#""\ud800""#,
        r#""\udfff""#,
        r#""\ud800a""#,
        r#""\ud800\n""#,
        r#""\ud800\u0041""#,
        r#""\ud800\ud800""#,
        r#""\ud800\ud83d\ude00""#,
        r#""\ude00\ud83d""#,
        r#""\ude00\ude00""#,
        r#""\ud83d\ude00\ude00""#,
        r#""\ud83dx\ude00""#,
        r#""\ud83d\\ude00""#,
        r#""\ud83d\ude0""#,
        r#""\ud83d\ude0x""#,
        r#""\ud83d\"#,
        r#""\ud83d\u"#,
        r#""\ud83d"#,
        r#""\ud83dudde00""#,
        r#""\ud83d\xde00""#,
        r#""\ud83dxude00""#,
    ] {
        assert!(!accepts(json), "{json}");
        compare(json);
    }
}

#[test]
#[cfg(any(feature = "beam", lists_keys))]
fn the_host_may_nest_as_deep_as_it_likes() {
    for depth in [
        MAX_DEPTH,
        MAX_DEPTH + 1,
        300,
        if cfg!(miri) { 1_000 } else { 100_000 },
    ] {
        let mut bytes = ("[".repeat(depth) + "\"\\u00e9\"" + &"]".repeat(depth)).into_bytes();
        let len = unescape(&mut bytes, Until::End).unwrap();
        assert_eq!(len, 2 * depth + 4);
        assert_eq!(bytes[depth + 1..depth + 4], [0xc3, 0xa9, 0xff]);
    }
    let mut open = *b"[[]";
    assert!(unescape(&mut open, Until::End).is_none());
}

#[test]
#[cfg(any(feature = "beam", lists_keys))]
fn what_is_no_json_is_some_value_or_none() {
    for (json, flattened) in [
        // Half a pair takes the next digits for its other half.
        (
            &b"\"\\ud800\\u0041\""[..],
            Some(&b"\xfd\xf0\x90\x81\x81\xff"[..]),
        ),
        (b"\"\\udc00\"", Some(b"\xfd\xed\xb0\x80\xff")),
        (b"\"\\x\"", Some(b"\xfd\x08\xff")),
        // Outside of strings, what is no ASCII is left out: a mark, too.
        (b"[\xf5 \xff1\xc3]", Some(b"[1]")),
        (b"\"\\", None),
        (b"\"\\u12", None),
        (b"\"\\ud800\\", None),
        (b"\"abc", None),
        (b"\"\x01\"", Some(b"\xfd\x01\xff")),
    ] {
        let mut bytes = json.to_vec();
        let found = unescape(&mut bytes, Until::End);
        assert_eq!(found.map(|len| &bytes[..len]), flattened, "{json:?}");
    }
}

#[test]
fn every_character_can_be_escaped() {
    // (Miri takes some of them.)
    let codes = (0..=0x10_ffff).step_by(if cfg!(miri) { 4999 } else { 1 });
    let all: Vec<char> = codes.filter_map(char::from_u32).collect();
    for chars in all.chunks(20) {
        let text: String = chars.iter().collect();
        let escaped: String = text
            .encode_utf16()
            .map(|unit| format!("\\u{unit:04x}"))
            .collect();
        parsed(&format!("\"{escaped}\""), |value| {
            assert_eq!(value.unwrap().as_str(), Some(&*text))
        });
    }
}

#[test]
fn nesting_is_bounded() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("[{\"a\":", "}]")] {
        let per_round = open.matches(['[', '{']).count();
        for depth in [1, 30, 31, 32, 33, 63, 64, 65, 1000] {
            let rounds = depth / per_round;
            let json = format!("{}1{}", open.repeat(rounds), close.repeat(rounds));
            assert_eq!(
                accepts(&json),
                rounds * per_round <= MAX_DEPTH,
                "{open} {rounds}"
            );
        }
    }
    // What lies too deep to be remembered is not taken for closed.
    for depth in 29..36 {
        let inside = format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        assert!(!accepts(&format!("{{\"a\":{inside}")), "{depth}");
        assert!(!accepts(&format!("[{{\"a\":{inside}")), "{depth}");
    }
    // Closed again, it counts no more.
    assert!(accepts(&format!("[{}1]", "[[]],".repeat(100))));
    let many = if cfg!(miri) { 1_000 } else { 100_000 };
    assert!(!accepts(&"[".repeat(many)) && !accepts(&"]".repeat(100)));
}

#[test]
fn megabytes_of_space_and_huge_numbers_are_read() {
    let spaces = " \n\t\r".repeat(if cfg!(miri) { 100 } else { 250_000 });
    assert!(accepts(&format!(
        "{spaces}[{spaces}1{spaces},{spaces}2{spaces}]{spaces}"
    )));
    assert!(!accepts(&spaces));
    let digits = "1".repeat(if cfg!(miri) { 100 } else { 10_000 });
    parsed(
        &format!("[{digits},-{digits},{digits}.{digits}e{digits}]"),
        |value| {
            let numbers: Vec<_> = value.unwrap().elements().collect();
            assert_eq!(numbers[0].as_number(), Some(digits.as_str()));
            assert!(
                numbers
                    .iter()
                    .all(|number| number.as_i64().is_none() && number.as_u64().is_none())
            );
        },
    );
}

#[test]
fn bytes_that_are_no_utf8_are_no_text() {
    // Bytes that can be in UTF-8, but make none here.
    let mut json = *b"[\"a\",\"\xc3\",{\"\xc3\":1}]";
    let value = parse(&mut json).unwrap();
    let elements: Vec<_> = value.elements().collect();
    assert_eq!(
        (elements[1].as_str(), elements[1].as_bytes()),
        (None, Some(&b"\xc3"[..]))
    );
    assert_eq!(elements[2].members().next().unwrap().0, b"\xc3");
    assert_eq!(format!("{value:?}"), r#"["a", "", {"": 1}]"#);
    // Bytes that cannot.
    for byte in 0xf8..=0xff_u8 {
        for mut json in [
            vec![b'"', byte, b'"'],
            vec![byte],
            vec![byte, b'a', 0xff],
            vec![b'"', b'\\', byte, b'"'],
            vec![b'{', b'"', byte, b'"', b':', b'1', b'}'],
        ] {
            assert_eq!(parse(&mut json).unwrap_err(), JsonError, "{byte}");
        }
    }
}

/// Each byte at each place. (`tests/tests/flares/simd.rs` has the same for blocks of sixteen bytes.)
#[test]
fn strings_are_read_alike_wherever_they_lie() {
    // Under Miri not all of them.
    let step = |miri| if cfg!(miri) { miri } else { 1 };
    for special in (0..=u8::MAX).step_by(step(17)) {
        for place in (0..24).step_by(step(5)) {
            let mut json = vec![b'x'; 24];
            json[place] = special;
            json.insert(0, b'"');
            json.push(b'"');
            let expected = match special {
                0x20..=0xf4 if !matches!(special, b'"' | b'\\') => Some(&json[1..25]),
                _ => None,
            };
            for offset in (0..8).step_by(step(3)) {
                let mut bytes = vec![0; offset];
                bytes.extend(&json);
                let value = parse(&mut bytes[offset..]).ok();
                let read = value.and_then(|value| value.as_bytes());
                assert_eq!(read, expected, "{special} at {place} from {offset}");
            }
        }
    }
}

#[test]
fn asking_for_something_else_gives_nothing() {
    for json in ["null", "true", "1", "\"a\"", "[1]", "{\"a\":1}"] {
        parsed(json, |value| {
            let value = value.unwrap();
            assert_eq!(value.is_null(), json == "null");
            assert_eq!(value.as_bool(), (json == "true").then_some(true));
            assert_eq!(value.as_i64(), (json == "1").then_some(1));
            assert_eq!(value.as_u64(), (json == "1").then_some(1));
            assert_eq!(value.as_number(), (json == "1").then_some("1"));
            assert_eq!(value.as_str(), (json == "\"a\"").then_some("a"));
            assert_eq!(value.as_bytes(), (json == "\"a\"").then_some(&b"a"[..]));
            assert_eq!(value.get("a").is_some(), json.starts_with('{'));
            assert_eq!(value.elements().count(), usize::from(json.starts_with('[')));
            assert_eq!(value.members().count(), usize::from(json.starts_with('{')));
            assert_eq!(value == "a", json == "\"a\"");
        });
    }
    let nothing = Value::default();
    assert!(!nothing.is_null() && nothing.as_str().is_none() && nothing.as_number().is_none());
    assert!(nothing.get("").is_none() && nothing.elements().next().is_none());
}

#[test]
fn whole_numbers_have_their_range() {
    for (json, signed, unsigned) in [
        ("0", Some(0), Some(0)),
        ("-0", Some(0), None),
        ("-1", Some(-1), None),
        ("9223372036854775807", Some(i64::MAX), Some(i64::MAX as u64)),
        ("9223372036854775808", None, Some(1 << 63)),
        ("-9223372036854775808", Some(i64::MIN), None),
        ("-9223372036854775809", None, None),
        ("18446744073709551615", None, Some(u64::MAX)),
        ("18446744073709551616", None, None),
        ("1.0", None, None),
        ("1e0", None, None),
    ] {
        parsed(json, |value| {
            let value = value.unwrap();
            assert_eq!(
                (value.as_i64(), value.as_u64()),
                (signed, unsigned),
                "{json}"
            );
            assert_eq!(value.as_number(), Some(json));
        });
    }
}

#[test]
fn members_and_elements_come_in_order() {
    parsed(
        r#"{"b":[1,"x,]}",[],{}],"a":{"b":2},"b":3,"":4}"#,
        |value| {
            let value = value.unwrap();
            let names: Vec<_> = value.members().map(|(name, _)| name).collect();
            assert_eq!(names, [&b"b"[..], b"a", b"b", b""]);
            assert_eq!(value.get("b").unwrap().elements().count(), 4);
            assert_eq!(value.get("a").unwrap().get("b").unwrap().as_i64(), Some(2));
            assert_eq!(value.get("").unwrap().as_i64(), Some(4));
            assert!(value.get("B").is_none() && value.get("bb").is_none());
            assert_eq!(value.members().clone().count(), 4);
            assert_eq!(value.get("b").unwrap().elements().clone().count(), 4);
        },
    );
}

#[test]
fn a_value_shows_itself() {
    parsed(r#"{"a":[1,-2.5,"x\n",true,false,null],"b":{}}"#, |value| {
        let shown = format!("{:?}", value.unwrap());
        assert_eq!(
            shown,
            r#"{"a": [1, -2.5, "x\n", true, false, null], "b": {}}"#
        );
    });
    crate::testing::assert_error(JsonError, "not JSON, or nested deeper than 31 levels");
}

#[test]
#[cfg(feature = "request")]
fn a_document_decodes_a_lease_where_it_lies() {
    let host = crate::testing::Host::new();
    host.requires_body(true).body("{ \"caf\\u00e9\" : [ 7 ] }");
    let document = Document::parse(crate::request::body()).unwrap();
    let seven = document.root().get("caf\u{e9}").unwrap().elements().next();
    assert_eq!(seven.unwrap().as_i64(), Some(7));
    assert_eq!(format!("{document:?}"), "{\"caf\u{e9}\": [7]}");
    let more = crate::request::url();
    assert_eq!(more, "https://example.com/");
    drop((document, more));
    host.body("{");
    assert_eq!(
        Document::parse(crate::request::body()).unwrap_err(),
        JsonError
    );
    assert_eq!(
        Document::parse(crate::ArenaBytes::default()).unwrap_err(),
        JsonError
    );
    assert!(crate::testing::arena_is_free());
}

// ------------------------------------------------------------------------------------- writing

#[test]
#[cfg(feature = "json")]
fn literals_become_what_json_has() {
    const TEXTS: &str = crate::json!(['c', '"', '\\', '\n', 'ü', r"r\", r#"""#]);
    assert_eq!(TEXTS, r#"["c","\"","\\","\u000a","ü","r\\","\""]"#);
    const BORDERS: &str = crate::json!(["\0 \u{1f}!"]);
    assert_eq!(BORDERS, r#"["\u0000 \u001f!"]"#);
    const NUMBERS: &str = crate::json!([
        1., 1.5, 1_000, 1_0.2_5, 0xff, 1e5, 1.5e-3, 0., 00.5, 7u8, 2.5f32
    ]);
    assert_eq!(NUMBERS, "[1.0,1.5,1000,10.25,255,1e5,1.5e-3,0.0,0.5,7,2.5]");
    const NEGATIVE: &str = crate::json!([-1, null, { "a": -2.5, "b": [-3, "x"], "c": true }, -4.,]);
    assert_eq!(
        NEGATIVE,
        r#"[-1,null,{"a":-2.5,"b":[-3,"x"],"c":true},-4.0]"#
    );
    for text in [TEXTS, NUMBERS, NEGATIVE] {
        serde_json::from_str::<serde_json::Value>(text).unwrap();
    }
}

#[test]
#[cfg(feature = "json")]
fn literals_are_written_at_compile_time() {
    const NOTHING: &str = crate::json!({});
    const NONE: &str = crate::json!([]);
    const ALL: &str = crate::json!({
        "text": "a\"b\\c\n\u{1f}\u{e9}",
        "raw": r"\d",
        "numbers": [0, 2.5, 1000000],
        "words": [true, false, null],
        "deep": { "a": { "b": [[], {}] } },
        "quoted\"name": "",
    });
    assert_eq!((NOTHING, NONE), ("{}", "[]"));
    assert_eq!(
        ALL,
        "{\"text\":\"a\\\"b\\\\c\\u000a\\u001f\u{e9}\",\"raw\":\"\\\\d\",\"numbers\":[0,2.5,1000000],\
         \"words\":[true,false,null],\"deep\":{\"a\":{\"b\":[[],{}]}},\"quoted\\\"name\":\"\"}"
    );
    let oracle: Oracle = serde_json::from_str(ALL).unwrap();
    assert_eq!(oracle["text"], "a\"b\\c\n\u{1f}\u{e9}");
    assert_eq!(oracle["raw"], "\\d");
}

#[test]
#[cfg(feature = "json")]
fn literals_are_written_by_the_same_functions_at_run_time() {
    let items = [
        [
            Part::string("a\"\\\u{1f}"),
            Part::raw(":"),
            Part::literal("b", "\"b\""),
        ],
        [
            Part::string("c"),
            Part::raw(":"),
            Part::literal("1.5", "1.5"),
        ],
        [
            Part::string("d"),
            Part::raw(":"),
            Part::literal("\\", "r\"\\\""),
        ],
    ];
    let json = r#"{"a\"\\\u001f":"b","c":1.5,"d":"\\"}"#;
    assert_eq!(literal_len(&items), json.len());
    assert_eq!(literal::<36>("{", &items, "}"), *json.as_bytes());
    // What is longer than the array is counted and not written.
    assert_eq!(literal::<3>("{", &items, "}"), *b"{\"a");
}

#[test]
fn writing_escapes_what_has_to_be() {
    for (text, json) in [
        ("", "\"\""),
        ("a", "\"a\""),
        ("\"\\/", "\"\\\"\\\\/\""),
        (
            "\u{0}\u{1}\u{f}\u{10}\u{1f} ",
            "\"\\u0000\\u0001\\u000f\\u0010\\u001f \"",
        ),
        (
            "\n\r\t\u{8}\u{c}",
            "\"\\u000a\\u000d\\u0009\\u0008\\u000c\"",
        ),
        (
            "\u{7f}\u{80}\u{2028}\u{1f600}",
            "\"\u{7f}\u{80}\u{2028}\u{1f600}\"",
        ),
    ] {
        assert_eq!(build(Str(text)).unwrap(), json, "{text:?}");
    }
    assert_eq!(build((Object(&[]), Array(&[]))).unwrap(), "{}[]");
    assert_eq!(
        build(Object(&[("a", "1"), ("\"", "\n")])).unwrap(),
        r#"{"a":"1","\"":"\u000a"}"#
    );
    assert_eq!(build(Array(&["a", "", "\\"])).unwrap(), r#"["a","","\\"]"#);
}

#[test]
fn a_value_is_written_as_it_was_read_without_white_space() {
    for json in [
        "null",
        "true",
        "-12.50e+3",
        "\"\"",
        r#""a\"\\/\u0000\u001f""#,
        "\" !#[]~\u{7f}\u{e9}\u{20ac}\u{1f600}\"",
        r#"[1,[],{},"",[false,"a"]]"#,
        r#"{"":{"a":{"b":{"c":{"d":{"e":{"f":{"g":{"h":"i"}}}}}}}},"z":""}"#,
    ] {
        let spaced = format!(" \n{json}\t\r");
        parsed(&spaced, |value| {
            let value = value.unwrap();
            assert_eq!(build(value).unwrap(), json);
            let pieces = ("<", value, value.get("z"), ">");
            let z = if json.starts_with('{') { "\"\"" } else { "" };
            assert_eq!(build(pieces).unwrap(), format!("<{json}{z}>"));
        });
    }
    // What may be written in several ways is written in the shortest of them.
    parsed(r#"{ "\u0061" : ["\/\u00e9", "\n"] }"#, |value| {
        let written = build(value.unwrap()).unwrap();
        assert_eq!(written, "{\"a\":[\"/\u{e9}\",\"\\u000a\"]}");
    });
}

fn any_text() -> impl Strategy<Value = String> {
    let char = prop_oneof![
        any::<char>(),
        prop::char::range('\0', '\u{a0}'),
        prop::sample::select(vec![
            '"',
            '\\',
            '/',
            '\u{ffff}',
            '\u{10000}',
            '\u{d7ff}',
            '\u{e000}'
        ]),
    ];
    prop::collection::vec(char, 0..20).prop_map(String::from_iter)
}

// ------------------------------------------------------------------------------- against serde

fn space() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["", "", "", " ", "\n", "\t\r ", "  "])
}

fn string() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        4 => "[a-z]{1,4}",
        1 => any::<char>().prop_filter("escaped", |char| *char >= ' ' && !"\"\\".contains(*char))
            .prop_map(String::from),
        1 => prop::sample::select(vec!["\\\"", "\\\\", "\\/", "\\b", "\\f", "\\n", "\\r", "\\t"])
            .prop_map(String::from),
        1 => any::<u16>().prop_map(|unit| format!("\\u{unit:04x}")),
        1 => (0xd7f0..0xe010_u16).prop_map(|unit| format!("\\u{unit:04X}")),
        1 => any::<char>().prop_map(|char| {
            let mut units = [0; 2];
            let units = char.encode_utf16(&mut units);
            units.iter().map(|unit| format!("\\u{unit:04x}")).collect()
        }),
    ];
    prop::collection::vec(part, 0..5).prop_map(|parts| format!("\"{}\"", parts.concat()))
}

fn document() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        prop::sample::select(vec!["null", "true", "false", "[]", "{}"]).prop_map(String::from),
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,5})?([eE][+-]?[0-9]{1,3})?",
        any::<i64>().prop_map(|number| number.to_string()),
        string(),
    ];
    let nested = leaf.prop_recursive(6, 40, 5, |value| {
        let value = (space(), value, space())
            .prop_map(|(a, value, b)| format!("{a}{value}{b}"))
            .boxed();
        // Few names, so that some are there twice.
        let name = prop_oneof![string(), "\"[ab]\""];
        let member = (space(), name, space(), value.clone())
            .prop_map(|(a, name, b, value)| format!("{a}{name}{b}:{value}"));
        prop_oneof![
            prop::collection::vec(value, 0..5).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec(member, 0..5)
                .prop_map(|items| format!("{{{}}}", items.join(","))),
        ]
    });
    let around = prop_oneof![8 => Just(0), 1 => 20..40_usize];
    (space(), nested, space(), around).prop_map(|(a, value, b, around)| {
        format!("{}{a}{value}{b}{}", "[".repeat(around), "]".repeat(around))
    })
}

/// A document with a few characters changed.
fn mutated() -> impl Strategy<Value = String> {
    let change = (
        any::<prop::sample::Index>(),
        0..4,
        prop::sample::select(
            "[]{}:,\"\\ \n\u{0}\u{1f}0123-+.eEtrufalsnbd/\u{e9}\u{1f600}'"
                .chars()
                .collect::<Vec<_>>(),
        ),
    );
    (document(), prop::collection::vec(change, 1..4)).prop_map(|(json, changes)| {
        let mut chars: Vec<char> = json.chars().collect();
        for (at, kind, char) in changes {
            let at = at.index(chars.len() + 1);
            match kind {
                0 => chars.insert(at, char),
                1 if at < chars.len() => chars[at] = char,
                2 if at < chars.len() => drop(chars.remove(at)),
                3 => chars.truncate(at),
                _ => {}
            }
        }
        chars.into_iter().collect()
    })
}

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn valid_documents_are_read_as_serde_json_reads_them(json in document()) {
        compare(&json);
    }

    #[test]
    fn mutated_documents_are_read_or_refused_as_serde_json_does(json in mutated()) {
        compare(&json);
    }

    #[test]
    fn characters_of_json_in_any_order_are_read_or_refused_as_serde_json_does(
        json in "[\\[\\]{}:,\"\\\\ 019.eE+\\-tunlrafs]{0,12}"
    ) {
        compare(&json);
    }

    #[test]
    fn any_bytes_are_read_or_refused(
        mut json in prop::collection::vec(
            prop_oneof![any::<u8>(), prop::sample::select(b"[]{}:,\"\\u019 d8".to_vec())], 0..40
        )
    ) {
        #[cfg(any(feature = "beam", lists_keys))]
        compare_readers(&json);
        // Whatever comes of it can be looked at.
        #[cfg(any(feature = "json", feature = "beam", lists_keys))]
        let mut loosely = json.clone();
        #[cfg(any(feature = "json", feature = "beam", lists_keys))]
        if let Some(len) = unescape(&mut loosely, Until::End) {
            let value = Value(&loosely[..len]);
            let _ = format!("{value:?}");
            let _ = value.members().chain(value.elements().map(|value| (&b""[..], value))).count();
            prop_assert_eq!(value.get_bytes("u"), value.get("u").and_then(|u| u.as_bytes()));
        }
        if let Ok(value) = parse(&mut json) {
            let _ = format!("{value:?}");
            let _ = value.members().chain(value.elements().map(|value| (&b""[..], value))).count();
        }
    }

    #[test]
    fn what_is_written_is_read_back(
        text in any_text(),
        pairs in prop::collection::vec((any_text(), any_text()), 0..5)
    ) {
        let written = build(Str(&text)).unwrap();
        prop_assert_eq!(&serde_json::from_slice::<String>(&written).unwrap(), &text);
        parsed(written.as_str().unwrap(), |value| assert_eq!(value.unwrap().as_str(), Some(&*text)));

        let borrowed: Vec<_> = pairs.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        let written = build(Object(&borrowed)).unwrap();
        let oracle: Oracle = serde_json::from_slice(&written).unwrap();
        let expected: serde_json::Map<_, _> =
            pairs.iter().map(|(a, b)| (a.clone(), Oracle::from(b.as_str()))).collect();
        prop_assert_eq!(oracle, Oracle::Object(expected));
        parsed(written.as_str().unwrap(), |value| {
            let members = value.unwrap().members();
            let found: Vec<_> =
                members.map(|(name, value)| (text::from_utf8(name).unwrap(), value.as_str().unwrap()))
                .collect();
            assert_eq!(found, borrowed);
        });

        let items: Vec<_> = pairs.iter().map(|(a, _)| a.as_str()).collect();
        let written = build(Array(&items)).unwrap();
        prop_assert_eq!(serde_json::from_slice::<Vec<String>>(&written).unwrap(), items);
    }
}

#[test]
#[cfg(all(feature = "request", feature = "json"))]
fn a_document_is_read_loosely_as_it_is_read_strictly() {
    let host = crate::testing::Host::new();
    host.requires_body(true)
        .body(" {\"a\": \"caf\\u00e9\", \"b\": {\"a\": 1}} ");
    let document = Document::parse_loosely(crate::request::body()).unwrap();
    assert_eq!(document.root().get_bytes("a"), Some("caf\u{e9}".as_bytes()));
    assert_eq!(document.root().get_bytes("b"), None);
    drop(document);
    for (text, is_read) in [
        ("nonsense", true),
        ("[1 2]", true),
        ("{\"a\":1", false),
        ("\"a", false),
    ] {
        host.body(text);
        let document = Document::parse_loosely(crate::request::body());
        assert_eq!(document.is_ok(), is_read, "{text}");
        assert!(document.is_err() || document.unwrap().root().get_bytes("a").is_none());
    }
}

#[test]
fn what_is_left_of_a_list_can_be_shown() {
    let mut text = *br#"{"a":[1,"x"],"b":null}"#;
    let value = parse(&mut text).unwrap();
    let mut members = value.members();
    assert_eq!(std::format!("{members:?}"), r#"{"a": [1, "x"], "b": null}"#);
    let (_, list) = members.next().unwrap();
    assert_eq!(std::format!("{members:?}"), r#"{"b": null}"#);
    let mut elements = list.elements();
    elements.next();
    assert_eq!(std::format!("{elements:?}"), r#"["x"]"#);
}
