//! The claims of a token: a JSON object, read as it is.

use crate::arena::ArenaBytes;
use crate::bytes::number::parse_u64;
use crate::bytes::packed::PackedSlice;
use crate::bytes::split::find;
use crate::bytes::utf8;
#[cfg(feature = "json")]
use crate::json::{Document, JsonError};

/// The claims of a token that [`verify_jwt`](crate::crypto::verify_jwt) found valid: a lease on them, decoded in
/// place.
///
/// Its methods find a member without the JSON reader. [`into_document`](Self::into_document) gives full access to
/// the claims.
#[derive(Debug)]
pub struct Claims(ArenaBytes);

impl Claims {
    /// A lease on claims that have been decoded.
    pub(crate) fn new(json: ArenaBytes) -> Claims {
        Claims(json)
    }

    /// A claim that is text. `None` if there is no such claim, if it is of another type, or if its text, its name
    /// or a name before it contains escapes, which is rare: [`into_document`](Self::into_document) reads those, too.
    pub fn text(&self, name: &str) -> Option<&str> {
        utf8::from_utf8(self.text_bytes(name)?)
    }

    /// Like [`text`](Self::text), but as bytes: this does not link the UTF-8 check.
    pub fn text_bytes(&self, name: &str) -> Option<&[u8]> {
        Some(text(&self.0, name)?.get())
    }

    /// A claim that is an unsigned integer. `None` if there is no such claim, or if it is of another type.
    pub fn number(&self, name: &str) -> Option<u64> {
        number(member(&self.0, name)?.get())
    }

    /// The claims as a JSON document.
    ///
    /// # Errors
    ///
    /// [`JsonError`] when they are not JSON, because the token's issuer signed something else.
    #[cfg(feature = "json")]
    pub fn into_document(self) -> Result<Document, JsonError> {
        Document::parse(self.0)
    }
}

/// Everything that follows the name of a member of the outermost object: its value and the rest. A name that
/// contains escapes could be this one, so the search ends at it, with an empty value.
#[inline(never)] // size: one-copy
pub(super) fn member<'a>(json: &'a [u8], name: &str) -> Option<PackedSlice<'a>> {
    let mut rest = json.iter();
    let mut open = 0_u32;
    // Whether the last token was a name, and which; and whether a colon followed it.
    let (mut is_found, mut is_escaped, mut is_value) = (false, false, false);
    loop {
        let value = rest.as_slice();
        let Some(&byte) = rest.next() else {
            return is_value.then(|| PackedSlice::new(b""));
        };
        if byte <= b' ' {
            continue;
        }
        if is_value {
            return Some(PackedSlice::new(if is_escaped { b"" } else { value }));
        }
        is_value = byte == b':' && is_found;
        is_found = false;
        // A bracket and a brace differ in one bit.
        open = open.wrapping_add(u32::from(byte | 0x20 == b'{'));
        open = open.wrapping_sub(u32::from(byte | 0x20 == b'}'));
        if byte == b'"' {
            is_escaped = false;
            let mut left = name.as_bytes().iter();
            is_found = true;
            loop {
                let byte = rest.next()?;
                if *byte == b'"' {
                    break;
                }
                if *byte == b'\\' {
                    is_escaped = true;
                    rest.next()?;
                }
                is_found &= left.next() == Some(byte);
            }
            is_found = open == 1 && (is_escaped || is_found && left.as_slice().is_empty());
        }
    }
}

/// A member of the outermost object, if it is a string without escapes: its text.
#[inline] // size: packed-slice
pub(super) fn text<'a>(json: &'a [u8], name: &str) -> Option<PackedSlice<'a>> {
    let [b'"', text @ ..] = member(json, name)?.get() else {
        return None;
    };
    let text = text.get(..find(text, b'"'))?;
    if find(text, b'\\') == text.len() {
        Some(PackedSlice::new(text))
    } else {
        None
    }
}

/// The number at the beginning, if it is an unsigned integer.
pub(super) fn number(value: &[u8]) -> Option<u64> {
    let len = value.iter().position(|byte| !byte.is_ascii_digit())?;
    let (digits, behind) = value.split_at_checked(len)?;
    // Next must be another member, the end, or white space, but no point or exponent.
    let ends = matches!(behind.first()?, b',' | b'}' | 0..=b' ');
    if ends { parse_u64(digits) } else { None }
}
