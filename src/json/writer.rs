//! Pieces that write JSON, fully escaped, from the last byte to the first.

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
/// The bytes are not checked, and the UTF-8 check is not linked: if they are not UTF-8, they stay as they are,
/// and the result is not JSON, so readers will refuse it.
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
    let mut sink = sink.bytes(b"\"");
    for &byte in text.iter().rev() {
        sink = escaped(byte, sink);
    }
    sink.bytes(b"\"")
}

/// Writes a byte of a string.
#[inline(always)] // size: json-steps
pub(crate) fn escaped<S: Sink>(byte: u8, mut sink: S) -> S {
    // Up to six characters, the last one in the lowest bits.
    // size: json-escaped
    let mut escape = u64::from(byte);
    if byte < b' ' {
        let digits = [hex_digit(byte & 15), b'0' + (byte >> 4)];
        escape = u64::from(u16::from_le_bytes(digits));
        escape |= u64::from(u32::from_le_bytes(*b"00u\\")) << 16;
    } else if byte == b'"' || byte == b'\\' {
        escape |= u64::from(b'\\') << 8;
    }
    while escape != 0 {
        sink = sink.byte(escape as u8);
        escape >>= 8;
    }
    sink
}

/// A digit of 4 bits, in lowercase.
pub(crate) const fn hex_digit(value: u8) -> u8 {
    if value < 10 {
        b'0' + value
    } else {
        b'a' - 10 + value
    }
}
