//! Pieces that write JSON, fully escaped, from the last byte to the first.

use crate::bytes::quote::escape;
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
pub(crate) fn quoted<S: Sink>(text: &[u8], mut sink: S) -> S {
    // What is to be written next, the last character in the lowest bits.
    let mut characters = b'"'.into();
    let mut left = text.iter();
    loop {
        while characters != 0 {
            sink = sink.byte(characters as u8);
            characters >>= 8;
        }
        match left.next_back() {
            Some(byte) => characters = escape(*byte),
            None => return sink.bytes(b"\""),
        }
    }
}

/// Writes a byte of a string.
#[inline(always)] // size: json-steps
pub(crate) fn escaped<S: Sink>(byte: u8, mut sink: S) -> S {
    let mut escape = escape(byte);
    while escape != 0 {
        sink = sink.byte(escape as u8);
        escape >>= 8;
    }
    sink
}
