//! Pieces that write JSON: escaped completely, from the last byte to the first.

use crate::text::piece::{Backward, Sink};

/// A piece: the text as a JSON string, quoted and escaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Str<'a>(pub &'a str);

impl Backward for Str<'_> {
    #[inline(always)] // size: json-str
    fn prepend_to<S: Sink>(self, sink: S) -> S {
        quoted(self.0.as_bytes(), sink)
    }
}

/// A piece: bytes as a JSON string, quoted and escaped.
///
/// They are text that has not been checked: what is not UTF-8 stays as it is, and then the whole is not
/// JSON, which readers refuse. It links no UTF-8 check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bytes<'a>(pub &'a [u8]);

impl Backward for Bytes<'_> {
    #[inline(always)] // size: json-str
    fn prepend_to<S: Sink>(self, sink: S) -> S {
        quoted(self.0, sink)
    }
}

/// A piece: pairs of strings as a JSON object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Object<'a>(pub &'a [(&'a str, &'a str)]);

impl Backward for Object<'_> {
    fn prepend_to<S: Sink>(self, sink: S) -> S {
        let mut sink = sink.byte(b'}');
        for (i, (name, value)) in self.0.iter().enumerate().rev() {
            sink = quoted(value.as_bytes(), sink);
            sink = quoted(name.as_bytes(), sink.byte(b':'));
            if i != 0 {
                sink = sink.byte(b',');
            }
        }
        sink.byte(b'{')
    }
}

/// A piece: strings as a JSON array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Array<'a>(pub &'a [&'a str]);

impl Backward for Array<'_> {
    fn prepend_to<S: Sink>(self, sink: S) -> S {
        let mut sink = sink.byte(b']');
        for (i, item) in self.0.iter().enumerate().rev() {
            sink = quoted(item.as_bytes(), sink);
            if i != 0 {
                sink = sink.byte(b',');
            }
        }
        sink.byte(b'[')
    }
}

/// Writes a string from its closing quote to its opening one.
#[inline] // size: json-quoted
fn quoted<S: Sink>(text: &[u8], sink: S) -> S {
    let mut sink = sink.byte(b'"');
    for &byte in text.iter().rev() {
        sink = escaped(byte, sink);
    }
    sink.byte(b'"')
}

/// Writes a byte of a string.
#[inline(always)] // size: json-steps
pub(crate) fn escaped<S: Sink>(byte: u8, sink: S) -> S {
    if byte < b' ' {
        let sink = sink.byte(hex_digit(byte & 15));
        let sink = sink.byte(b'0' + (byte >> 4));
        return sink.bytes(b"\\u00");
    }
    let sink = sink.byte(byte);
    if byte == b'"' || byte == b'\\' {
        sink.byte(b'\\')
    } else {
        sink
    }
}

/// A digit of 4 bits, in lowercase.
pub(crate) const fn hex_digit(value: u8) -> u8 {
    if value < 10 {
        b'0' + value
    } else {
        b'a' - 10 + value
    }
}
