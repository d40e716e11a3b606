//! What the targets share: an oracle for JSON made of `serde_json` and of the simplest code there is.

pub mod query;

use flaron_sdk::json::{MAX_DEPTH, Value};

/// JSON's white space.
pub const SPACES: [char; 4] = [' ', '\t', '\n', '\r'];

/// Whether `json::parse` has to accept this.
///
/// By `serde_json`, which here checks the grammar and neither UTF-8 nor surrogates nor the range of
/// numbers. Known differences: deeper nesting than [`MAX_DEPTH`] is refused, and so are lone surrogates
/// and bytes that are in no UTF-8 (0xf5 and up). Other broken UTF-8 is refused when the string is read
/// as `str`.
pub fn acceptable(json: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(json).is_ok()
        && depth(json) <= MAX_DEPTH
        && json.iter().all(|byte| *byte < 0xf5)
        && surrogates_are_paired(json)
}

/// Whether each half of a surrogate pair is beside its other half; of JSON.
fn surrogates_are_paired(json: &[u8]) -> bool {
    let mut rest = json;
    // The high half that was escaped just before.
    let mut high = false;
    while let [first, behind @ ..] = rest {
        let unit = match rest {
            [b'\\', b'u', digits @ ..] => {
                let digits = str::from_utf8(&digits[..4]).expect("hexadecimal digits");
                Some(u16::from_str_radix(digits, 16).expect("hexadecimal digits"))
            }
            _ => None,
        };
        let low = matches!(unit, Some(0xdc00..=0xdfff));
        if low != high {
            return false;
        }
        high = matches!(unit, Some(0xd800..=0xdbff));
        rest = match (unit, first) {
            (Some(_), _) => &rest[6..],
            (None, b'\\') => &rest[2..],
            (None, _) => behind,
        };
    }
    true
}

/// How deep arrays and objects nest in JSON.
fn depth(json: &[u8]) -> usize {
    let (mut deepest, mut depth) = (0_usize, 0_usize);
    outside_strings(json, |_, byte| match byte {
        b'[' | b'{' => {
            depth += 1;
            deepest = deepest.max(depth);
        }
        b']' | b'}' => depth -= 1,
        _ => {}
    });
    deepest
}

/// Calls with each byte that is outside of strings, and where it is.
fn outside_strings(json: &[u8], mut see: impl FnMut(usize, u8)) {
    let (mut in_string, mut escaped) = (false, false);
    for (at, byte) in json.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if !in_string => see(at, *byte),
            _ => {}
        }
    }
}

/// Splits the inside of an array or an object at its own commas, and members at the colon.
fn parts(json: &str, separator: u8) -> Vec<&str> {
    let mut cuts = vec![];
    let mut depth = 0;
    outside_strings(json.as_bytes(), |at, byte| match byte {
        b'[' | b'{' => depth += 1,
        b']' | b'}' => depth -= 1,
        byte if byte == separator && depth == 0 => cuts.push(at),
        _ => {}
    });
    let mut parts = vec![];
    let mut start = 0;
    for cut in cuts {
        parts.push(json[start..cut].trim_matches(SPACES));
        start = cut + 1;
    }
    parts.push(json[start..].trim_matches(SPACES));
    if parts == [""] { vec![] } else { parts }
}

/// Elements of an array, or members of an object with their names un-escaped; both as they are written.
pub fn elements(json: &str) -> Vec<&str> {
    parts(&json[1..json.len() - 1], b',')
}

pub fn members(json: &str) -> Vec<(String, &str)> {
    let members = elements(json).into_iter().map(|member| {
        let parts = parts(member, b':');
        (unescape(parts[0]), parts[1])
    });
    members.collect()
}

/// The text of a JSON string. Held against `serde_json`.
pub fn unescape(json: &str) -> String {
    let mut units = vec![];
    let mut chars = json[1..json.len() - 1].chars();
    while let Some(char) = chars.next() {
        if char != '\\' {
            units.extend(char.encode_utf16(&mut [0; 2]).iter().copied());
            continue;
        }
        units.push(match chars.next().unwrap() {
            'b' => 8,
            'f' => 12,
            'n' => 10,
            'r' => 13,
            't' => 9,
            'u' => {
                let digits: String = chars.by_ref().take(4).collect();
                u16::from_str_radix(&digits, 16).unwrap()
            }
            other => other as u16,
        });
    }
    let text = String::from_utf16(&units).expect("no lone surrogate was accepted");
    let other = serde_json::from_str::<String>(json).ok();
    assert_eq!(Some(&text), other.as_ref(), "the oracles differ");
    text
}

/// Asserts that a value is what is written in `json`, all the way down.
pub fn assert_same(value: Value<'_>, json: &str) {
    let first = json.as_bytes()[0];
    assert_eq!(value.is_null(), first == b'n');
    assert_eq!(
        value.as_bool(),
        match first {
            b't' => Some(true),
            b'f' => Some(false),
            _ => None,
        }
    );

    let number = matches!(first, b'-' | b'0'..=b'9').then_some(json);
    assert_eq!(value.as_number(), number);
    let float = number.filter(|number| number.contains(['.', 'e', 'E']));
    // "-0" is no `i64` to some parsers; to this one and to `str::parse` it is 0.
    let whole = number.filter(|_| float.is_none());
    assert_eq!(value.as_i64(), whole.and_then(|digits| digits.parse().ok()));
    let unsigned = whole.filter(|digits| !digits.starts_with('-'));
    assert_eq!(value.as_u64(), unsigned.and_then(|digits| digits.parse().ok()));

    let string = (first == b'"').then(|| unescape(json));
    assert_eq!(value.as_str(), string.as_deref());
    assert_eq!(value.as_bytes(), string.as_deref().map(str::as_bytes));

    let written = if first == b'[' { elements(json) } else { vec![] };
    let found: Vec<_> = value.elements().collect();
    assert_eq!(found.len(), written.len());
    for (found, written) in found.into_iter().zip(written) {
        assert_same(found, written);
    }

    let written = if first == b'{' { members(json) } else { vec![] };
    let found: Vec<_> = value.members().collect();
    assert_eq!(found.len(), written.len());
    for ((found_name, found), (name, written_value)) in found.into_iter().zip(&written) {
        assert_eq!(found_name, name.as_bytes());
        assert_same(found, written_value);
        // Of equal names the first counts.
        let (_, first) = written.iter().find(|(other, _)| other == name).unwrap();
        assert_same_shallow(value.get(name), first);
    }
    if !written.iter().any(|(name, _)| name.is_empty()) {
        assert!(value.get("").is_none());
    }
}

fn assert_same_shallow(value: Option<Value<'_>>, json: &str) {
    let value = value.expect("the member is there");
    let first = json.as_bytes()[0];
    assert_eq!(value.is_null(), first == b'n');
    assert_eq!(value.as_number().is_some(), matches!(first, b'-' | b'0'..=b'9'));
    assert_eq!(value.as_str(), (first == b'"').then(|| unescape(json)).as_deref());
}

/// Looks at everything in a value, for those without an oracle.
pub fn walk(value: Value<'_>) {
    if let (Some(bytes), text) = (value.as_bytes(), value.as_str()) {
        assert_eq!(text, std::str::from_utf8(bytes).ok());
    }
    let _ = (value.as_i64(), value.as_u64(), value.as_number());
    let _ = (value.is_null(), value.as_bool(), value.get("a"));
    value.elements().for_each(walk);
    value.members().for_each(|(_, value)| walk(value));
}
