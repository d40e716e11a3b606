//! The claims of a token: a JSON object, read as it is.

use crate::arena::ArenaBytes;
use crate::bytes::packed::PackedSlice;
use crate::bytes::split::{find, same};
use crate::bytes::utf8;
#[cfg(feature = "json")]
use crate::json::{Document, JsonError};

/// The claims of a token that [`verify_jwt`](crate::crypto::verify_jwt) found valid: a lease on them, decoded in
/// place.
///
/// Its methods find a member without the JSON reader. [`into_document`](Self::into_document) gives full access to
/// the claims.
#[derive(Debug)]
pub struct Claims(
    /// The whole token. Before the claims there are spaces, and behind them [`END`]s.
    // size: claims-in-place
    ArenaBytes,
);

/// What the rest of the token becomes, behind the claims: it is in no JSON.
pub(super) const END: u8 = 0xff;

impl Claims {
    /// The claims in a token that has been decoded.
    pub(super) fn new(token: ArenaBytes) -> Claims {
        Claims(token)
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

    /// A claim that is an unsigned integer of less than 2^64 - 1. `None` if there is no such claim, or if it is of
    /// another type.
    pub fn number(&self, name: &str) -> Option<u64> {
        match number(member(&self.0, name)?.get()) {
            NO_NUMBER => None,
            number => Some(number),
        }
    }

    /// The claims as a JSON document.
    ///
    /// # Errors
    ///
    /// [`JsonError`] when they are not JSON, because the token's issuer signed something else.
    #[cfg(feature = "json")]
    pub fn into_document(self) -> Result<Document, JsonError> {
        let len = find(&self.0, END);
        Document::parse(self.0.truncate(len as u32))
    }
}

/// Everything that follows the name of a member of the outermost object: its value and the rest. A name that
/// contains escapes could be this one, so the search ends at it, with an empty value.
#[inline(never)] // size: one-copy
pub(super) fn member<'a>(json: &'a [u8], name: &str) -> Option<PackedSlice<'a>> {
    let mut rest = json.iter();
    let mut open = 0_u32;
    // 1 after the name, and 2 after the colon that follows it; and 1 if the last name has escapes. (A `bool` costs a
    // mask each time.)
    let (mut state, mut is_escaped) = (0_u32, 0_u32);
    loop {
        let mut value = rest.as_slice();
        let Some(&byte) = rest.next() else {
            return if state == 2 {
                Some(PackedSlice::new(b""))
            } else {
                None
            };
        };
        if byte <= b' ' {
            continue;
        }
        if state == 2 {
            if is_escaped != 0 {
                value = b"";
            }
            return Some(PackedSlice::new(value));
        }
        state &= u32::from(byte == b':');
        state += state;
        // A bracket and a brace differ in one bit.
        open = open.wrapping_add(u32::from(byte | 0x20 == b'{'));
        open = open.wrapping_sub(u32::from(byte | 0x20 == b'}'));
        if byte == b'"' {
            let behind = rest.as_slice();
            is_escaped = 0;
            loop {
                let byte = *rest.next()?;
                if byte == b'"' {
                    break;
                }
                if byte == b'\\' {
                    is_escaped = 1;
                    rest.next()?;
                }
            }
            let found = behind.get(..behind.len() - rest.len() - 1)?;
            let is_found = is_escaped != 0 || same(found, name.as_bytes());
            state = u32::from(open == 1 && is_found);
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

/// What [`number`] returns where there is none.
pub(super) const NO_NUMBER: u64 = u64::MAX;

/// The number at the beginning, if it is an unsigned integer.
// size: in-a-register
#[inline(never)] // size: one-copy
pub(super) fn number(value: &[u8]) -> u64 {
    let (mut number, mut at) = (0_u64, 0);
    loop {
        let byte = value.get(at).copied().unwrap_or(b' ');
        let digit = u64::from(byte).wrapping_sub(b'0'.into());
        if digit > 9 {
            // Next must be another member, the end, or white space, but no point or exponent.
            let ends = matches!(byte, b',' | b'}' | 0..=b' ');
            return if ends && at != 0 { number } else { NO_NUMBER };
        }
        let longer = number.wrapping_mul(10).wrapping_add(digit);
        // As in `parse_u64`.
        if longer / 10 != number {
            return NO_NUMBER;
        }
        number = longer;
        at += 1;
    }
}
