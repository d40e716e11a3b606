//! JSON that is written at compile time: [`json!`](crate::json!).

use crate::bytes::number::hex_digit;

/// Writes JSON at compile time: the result is a `&'static str`.
///
/// Members and elements are literals (strings, characters, numbers, `true`, `false`), `null`, and
/// objects and arrays of these. A character becomes a string of length one; a number is written the way JSON
/// allows, for example `1.` as `1.0`.
///
/// ```
/// use flaron_sdk::json;
///
/// const CLAIMS: &str = json!({ "sub": "say \"hi\"", "admin": false, "ids": [1, 2.5, null] });
/// assert_eq!(CLAIMS, r#"{"sub":"say \"hi\"","admin":false,"ids":[1,2.5,null]}"#);
/// ```
#[macro_export]
macro_rules! json {
    ({ $($name:literal : $value:tt),* $(,)? }) => {
        $crate::json!(@build "{", "}", [$([
            $crate::json::Part::string($name), $crate::json::Part::raw(":"), $crate::json!(@part $value)
        ],)*])
    };
    ([ $($value:tt),* $(,)? ]) => {
        $crate::json!(@build "[", "]", [$([
            $crate::json::Part::raw(""), $crate::json::Part::raw(""), $crate::json!(@part $value)
        ],)*])
    };
    // A negative number is two tokens, so where there is one, members and elements are taken one by one.
    ({ $($inside:tt)* }) => { $crate::json!(@members [] $($inside)*) };
    ([ $($inside:tt)* ]) => { $crate::json!(@elements [] $($inside)*) };
    (@members [$($done:tt)*]) => { $crate::json!(@build "{", "}", [$($done)*]) };
    (@members [$($done:tt)*] $name:literal : - $value:literal $(, $($rest:tt)*)?) => {
        $crate::json!(@members [$($done)* [
            $crate::json::Part::string($name), $crate::json::Part::raw(":-"), $crate::json!(@number $value)
        ],] $($($rest)*)?)
    };
    (@members [$($done:tt)*] $name:literal : $value:tt $(, $($rest:tt)*)?) => {
        $crate::json!(@members [$($done)* [
            $crate::json::Part::string($name), $crate::json::Part::raw(":"), $crate::json!(@part $value)
        ],] $($($rest)*)?)
    };
    (@elements [$($done:tt)*]) => { $crate::json!(@build "[", "]", [$($done)*]) };
    (@elements [$($done:tt)*] - $value:literal $(, $($rest:tt)*)?) => {
        $crate::json!(@elements [$($done)* [
            $crate::json::Part::raw(""), $crate::json::Part::raw("-"), $crate::json!(@number $value)
        ],] $($($rest)*)?)
    };
    (@elements [$($done:tt)*] $value:tt $(, $($rest:tt)*)?) => {
        $crate::json!(@elements [$($done)* [
            $crate::json::Part::raw(""), $crate::json::Part::raw(""), $crate::json!(@part $value)
        ],] $($($rest)*)?)
    };
    (@part null) => { $crate::json::Part::raw("null") };
    (@part { $($inside:tt)* }) => { $crate::json::Part::raw($crate::json!({ $($inside)* })) };
    (@part [ $($inside:tt)* ]) => { $crate::json::Part::raw($crate::json!([ $($inside)* ])) };
    (@part $value:literal) => { $crate::json::Part::literal(::core::concat!($value), ::core::stringify!($value)) };
    (@number $value:literal) => { $crate::json::Part::number(::core::concat!($value), ::core::stringify!($value)) };
    (@build $open:literal, $close:literal, [$($item:expr,)*]) => {{
        const ITEMS: &[[$crate::json::Part; 3]] = &[$($item,)*];
        const LEN: usize = $crate::json::literal_len(ITEMS);
        const BYTES: [u8; LEN] = $crate::json::literal($open, ITEMS, $close);
        const TEXT: &str = match ::core::str::from_utf8(&BYTES) {
            ::core::result::Result::Ok(text) => text,
            ::core::result::Result::Err(_) => ::core::unreachable!(),
        };
        TEXT
    }};
}

/// A part of a literal.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct Part {
    text: &'static str,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    /// JSON, copied as it is.
    Raw,
    /// The inside of a string, before escaping.
    String,
    /// A number as it is written in Rust.
    Number,
}

#[doc(hidden)]
impl Part {
    pub const fn raw(text: &'static str) -> Part {
        let kind = Kind::Raw;
        Part { text, kind }
    }

    pub const fn string(text: &'static str) -> Part {
        let kind = Kind::String;
        Part { text, kind }
    }

    /// A literal, given as its value and as its source. The first character of the source tells its type: `"`,
    /// `'`, or `r` for a raw string; a digit; otherwise it is `true` or `false`.
    pub const fn literal(value: &'static str, source: &'static str) -> Part {
        let kind = match source.as_bytes()[0] {
            b'"' | b'\'' | b'r' => Kind::String,
            b'0'..=b'9' => Kind::Number,
            _ => Kind::Raw,
        };
        Part { text: value, kind }
    }

    /// A literal that follows a minus.
    pub const fn number(value: &'static str, source: &'static str) -> Part {
        let part = Part::literal(value, source);
        assert!(
            matches!(part.kind, Kind::Number),
            "json!: a minus must be followed by a number"
        );
        part
    }

    const fn write<const N: usize>(self, into: &mut [u8; N], at: usize) -> usize {
        let text = self.text.as_bytes();
        match self.kind {
            Kind::Raw => put_all(into, at, text),
            Kind::String => put_string(into, at, text),
            Kind::Number => put_number(into, at, text),
        }
    }
}

const fn put_all<const N: usize>(into: &mut [u8; N], mut at: usize, text: &[u8]) -> usize {
    let mut i = 0;
    while i < text.len() {
        at = put_literal(into, at, text[i]);
        i += 1;
    }
    at
}

const fn put_string<const N: usize>(into: &mut [u8; N], mut at: usize, text: &[u8]) -> usize {
    at = put_literal(into, at, b'"');
    let mut i = 0;
    while i < text.len() {
        let byte = text[i];
        if byte < b' ' {
            at = put_all(into, at, b"\\u00");
            at = put_literal(into, at, b'0' + (byte >> 4));
            at = put_literal(into, at, hex_digit(byte & 15));
        } else {
            if byte == b'"' || byte == b'\\' {
                at = put_literal(into, at, b'\\');
            }
            at = put_literal(into, at, byte);
        }
        i += 1;
    }
    put_literal(into, at, b'"')
}

/// Rust allows underscores in a number, leading zeros, and nothing after the point; JSON does not.
const fn put_number<const N: usize>(into: &mut [u8; N], mut at: usize, text: &[u8]) -> usize {
    let mut i = 0;
    while i + 1 < text.len() && text[i] == b'0' && matches!(text[i + 1], b'0'..=b'9' | b'_') {
        i += 1;
    }
    while i < text.len() {
        let byte = text[i];
        if byte != b'_' {
            at = put_literal(into, at, byte);
        }
        i += 1;
        let ends = i == text.len() || !text[i].is_ascii_digit();
        if byte == b'.' && ends {
            at = put_literal(into, at, b'0');
        }
    }
    at
}

/// Writes a byte if it still fits into the array, and counts it in any case.
const fn put_literal<const N: usize>(into: &mut [u8; N], at: usize, byte: u8) -> usize {
    if at < N {
        into[at] = byte;
    }
    at + 1
}

const fn write_literal<const N: usize>(
    open: &str,
    items: &[[Part; 3]],
    close: &str,
) -> ([u8; N], usize) {
    let mut bytes = [0; N];
    let mut at = put_literal(&mut bytes, 0, open.as_bytes()[0]);
    let mut i = 0;
    while i < items.len() {
        if i != 0 {
            at = put_literal(&mut bytes, at, b',');
        }
        let mut j = 0;
        while j < 3 {
            at = items[i][j].write(&mut bytes, at);
            j += 1;
        }
        i += 1;
    }
    at = put_literal(&mut bytes, at, close.as_bytes()[0]);
    (bytes, at)
}

#[doc(hidden)]
pub const fn literal_len(items: &[[Part; 3]]) -> usize {
    write_literal::<0>("{", items, "}").1
}

#[doc(hidden)]
pub const fn literal<const N: usize>(open: &str, items: &[[Part; 3]], close: &str) -> [u8; N] {
    write_literal::<N>(open, items, close).0
}
