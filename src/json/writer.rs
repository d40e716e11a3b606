//! Pieces that write JSON, fully escaped, from the last byte to the first.

use crate::bytes::quote::escape;
#[cfg(feature = "crypto")]
use crate::text::piece::{AsksNobody, Piece};
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
        let mut sink = sink.bytes(b"}");
        for (i, (name, value)) in self.0.iter().enumerate().rev() {
            sink = quoted(value.as_bytes(), sink);
            sink = quoted(name.as_bytes(), sink.bytes(b":"));
            if i != 0 {
                sink = sink.bytes(b",");
            }
        }
        sink.bytes(b"{")
    }
}

/// A piece: strings as a JSON array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Array<'a>(pub &'a [&'a str]);

impl Backward for Array<'_> {
    fn prepend_to<S: Sink>(self, sink: S) -> S {
        let mut sink = sink.bytes(b"]");
        for (i, item) in self.0.iter().enumerate().rev() {
            sink = quoted(item.as_bytes(), sink);
            if i != 0 {
                sink = sink.bytes(b",");
            }
        }
        sink.bytes(b"[")
    }
}

/// A piece: other pieces, one after another, escaped as in a JSON string, without the quotes.
#[cfg(feature = "crypto")]
pub(crate) struct Escaped<P: Piece>(pub(crate) P, pub(crate) P::Backward);

#[cfg(feature = "crypto")]
impl<P: Backward> Escaped<P> {
    /// A piece that does not ask the host, which needs no further proof.
    #[inline(always)] // size: json-str
    pub(crate) fn new(piece: P) -> Escaped<P> {
        Escaped(piece, AsksNobody::PROOF)
    }
}

#[cfg(feature = "crypto")]
impl<P: Piece> Backward for Escaped<P> {
    #[inline(always)] // size: json-str
    fn prepend_to<S: Sink>(self, sink: S) -> S {
        self.0.prepend_to(Escaping(sink), self.1).0
    }
}

/// Escapes what it is to put in front.
#[cfg(feature = "crypto")]
struct Escaping<S>(S);

#[cfg(feature = "crypto")]
impl<S: Sink> Sink for Escaping<S> {
    #[inline(always)] // size: json-steps
    fn bytes(self, bytes: &[u8]) -> Escaping<S> {
        Escaping(escape_all(bytes, self.0))
    }
}

/// Writes a string from its closing quote to its opening one.
#[inline] // size: json-quoted
pub(crate) fn quoted<S: Sink>(text: &[u8], sink: S) -> S {
    escape_all(text, sink.bytes(b"\"")).bytes(b"\"")
}

/// Writes what is between the quotes.
#[inline] // size: json-quoted
fn escape_all<S: Sink>(text: &[u8], mut sink: S) -> S {
    for &byte in text.iter().rev() {
        sink = escaped(byte, sink);
    }
    sink
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
