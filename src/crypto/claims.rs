//! The claims of a token: a JSON object, looked at as it lies.

use crate::arena::ArenaBytes;
use crate::bytes::number::parse_u64;
use crate::bytes::packed::PackedSlice;
use crate::bytes::split::{find, same};
use crate::bytes::utf8;
#[cfg(feature = "json")]
use crate::json::{Document, JsonError};

/// The claims of a token that [`verify_jwt`](crate::crypto::verify_jwt) found valid: a lease on them, in the
/// place where the request had them.
///
/// Its own functions look for a member without a JSON reader. With [`into_document`](Self::into_document)
/// the claims can be read in full.
#[derive(Debug)]
pub struct Claims(ArenaBytes);

impl Claims {
    /// The claims in a lease, which has been decoded.
    pub(crate) fn new(json: ArenaBytes) -> Claims {
        Claims(json)
    }

    /// A claim that is text. `None` if there is none, if it is something else, and if it is written with
    /// escapes, which names and IDs hardly are: then see [`into_document`](Self::into_document).
    pub fn text(&self, name: &str) -> Option<&str> {
        utf8::from_utf8(self.text_bytes(name)?)
    }

    /// [`text`](Self::text) as bytes: links no UTF-8 check.
    pub fn text_bytes(&self, name: &str) -> Option<&[u8]> {
        text(member(&self.0, name)?.get())
    }

    /// A claim that is a whole number without a sign. `None` if there is none, or if it is something else.
    pub fn number(&self, name: &str) -> Option<u64> {
        number(member(&self.0, name)?.get())
    }

    /// The claims as a JSON document.
    ///
    /// # Errors
    ///
    /// [`JsonError`] when they are not JSON: then who signed the token has signed something else.
    #[cfg(feature = "json")]
    pub fn into_document(self) -> Result<Document, JsonError> {
        Document::parse(self.0)
    }
}

/// What follows the name of a member of the outermost object: its value, and all behind it. A name that is
/// written with escapes has no value, whatever it is, so that none is overlooked.
#[inline(never)] // size: one-copy
pub(super) fn member<'a>(json: &'a [u8], name: &str) -> Option<PackedSlice<'a>> {
    let mut rest = json.iter();
    let mut open = 0_u32;
    loop {
        match rest.next()? {
            b'"' => {
                let string = rest.as_slice();
                let mut is_plain = true;
                let behind = loop {
                    let left = rest.len();
                    match rest.next()? {
                        b'"' => break left,
                        b'\\' => {
                            is_plain = false;
                            rest.next()?;
                        }
                        _ => {}
                    }
                };
                let found = string.get(..string.len() - behind)?;
                let [b':', value @ ..] = trim(rest.as_slice()) else {
                    continue;
                };
                if open == 1 {
                    if !is_plain {
                        return Some(PackedSlice::new(b""));
                    }
                    if same(found, name.as_bytes()) {
                        return Some(PackedSlice::new(trim(value)));
                    }
                }
            }
            b'{' | b'[' => open = open.wrapping_add(1),
            b'}' | b']' => open = open.wrapping_sub(1),
            _ => {}
        }
    }
}

/// The text at the beginning, if it is a string without escapes.
pub(super) fn text(value: &[u8]) -> Option<&[u8]> {
    let text = value.strip_prefix(b"\"")?;
    let text = text.get(..find(text, b'"'))?;
    (find(text, b'\\') == text.len()).then_some(text)
}

/// The number at the beginning, if it is a whole one without a sign.
pub(super) fn number(value: &[u8]) -> Option<u64> {
    let len = value.iter().position(|byte| !byte.is_ascii_digit())?;
    let (digits, behind) = value.split_at_checked(len)?;
    // Not a point or an exponent: the next member, the end, or white space.
    let ends = matches!(behind.first()?, b',' | b'}' | 0..=b' ');
    if ends { parse_u64(digits) } else { None }
}

/// Without the white space at the beginning.
fn trim(mut json: &[u8]) -> &[u8] {
    while let [0..=b' ', rest @ ..] = json {
        json = rest;
    }
    json
}
