//! JSON that is known at compile time is written at compile time: [`json!`](crate::json!).

use crate::json::writer::hex_digit;

/// Writes JSON at compile time: the result is a `&'static str`.
///
/// Members and elements are string, number and `true`/`false` literals, `null`, and objects and
/// arrays of these.
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
    (@part null) => { $crate::json::Part::raw("null") };
    (@part { $($inside:tt)* }) => { $crate::json::Part::raw($crate::json!({ $($inside)* })) };
    (@part [ $($inside:tt)* ]) => { $crate::json::Part::raw($crate::json!([ $($inside)* ])) };
    (@part $value:literal) => { $crate::json::Part::literal(concat!($value), stringify!($value)) };
    (@build $open:literal, $close:literal, [$($item:expr,)*]) => {{
        const ITEMS: &[[$crate::json::Part; 3]] = &[$($item,)*];
        const LEN: usize = $crate::json::literal_len(ITEMS);
        const BYTES: [u8; LEN] = $crate::json::literal($open, ITEMS, $close);
        const TEXT: &str = match ::core::str::from_utf8(&BYTES) {
            Ok(text) => text,
            Err(_) => unreachable!(),
        };
        TEXT
    }};
}

/// A part of a literal.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct Part {
    text: &'static str,
    quoted: bool,
}

#[doc(hidden)]
impl Part {
    pub const fn raw(text: &'static str) -> Part {
        Part {
            text,
            quoted: false,
        }
    }

    pub const fn string(text: &'static str) -> Part {
        Part { text, quoted: true }
    }

    /// A literal, as its value and as its source: `"`, or `r` for a raw string, tells a string.
    pub const fn literal(value: &'static str, source: &'static str) -> Part {
        let first = source.as_bytes()[0];
        Part {
            text: value,
            quoted: first == b'"' || first == b'r',
        }
    }

    const fn write<const N: usize>(self, into: &mut [u8; N], mut at: usize) -> usize {
        let text = self.text.as_bytes();
        if self.quoted {
            at = put_literal(into, at, b'"');
        }
        let mut i = 0;
        while i < text.len() {
            let byte = text[i];
            if self.quoted && byte < b' ' {
                at = put_literal(into, at, b'\\');
                at = put_literal(into, at, b'u');
                at = put_literal(into, at, b'0');
                at = put_literal(into, at, b'0');
                at = put_literal(into, at, b'0' + (byte >> 4));
                at = put_literal(into, at, hex_digit(byte & 15));
            } else {
                if self.quoted && (byte == b'"' || byte == b'\\') {
                    at = put_literal(into, at, b'\\');
                }
                at = put_literal(into, at, byte);
            }
            i += 1;
        }
        if self.quoted {
            at = put_literal(into, at, b'"');
        }
        at
    }
}

/// Puts a byte if it is within the array, and counts it in any case.
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
