//! The UTF-8 check.

#![allow(unsafe_code, reason = "it makes `str` of bytes that it has checked")]

/// The bytes as text, if they are UTF-8: answers what `core::str::from_utf8` does, in a fraction of
/// its size.
pub fn from_utf8(bytes: &[u8]) -> Option<&str> {
    if valid_up_to(bytes, 0) < bytes.len() {
        return None;
    }
    // SAFETY: `valid_up_to` found no byte that begins no character.
    Some(unsafe { valid_str(bytes) })
}

/// The bytes as text.
///
/// # Safety
///
/// [`valid_up_to`] has found all of them valid.
pub(crate) unsafe fn valid_str(bytes: &[u8]) -> &str {
    debug_assert!(core::str::from_utf8(bytes).is_ok());
    // SAFETY: `valid_up_to` lets whole characters through and nothing else: as many bytes as the first
    // one announces, in the shortest form, up to U+10FFFF and no surrogate. That it did is the caller's
    // promise.
    unsafe { core::str::from_utf8_unchecked(bytes) }
}

/// How far the bytes are valid UTF-8: the index of the first byte, from `start` on, that begins no
/// character; the length if there is none.
///
/// Overlong sequences, surrogates and what lies beyond U+10FFFF are not valid.
#[inline] // size: inline-shared
pub(crate) fn valid_up_to(bytes: &[u8], start: usize) -> usize {
    let mut rest = bytes.get(start..).unwrap_or_default().iter();
    loop {
        let at = bytes.len() - rest.len();
        let Some(&first) = rest.next() else {
            return at;
        };
        if first >= 0x80 && decode_char(first, || rest.next().copied()).is_none() {
            return at;
        }
    }
}

/// Decodes a character of UTF-8 whose first byte is `first` and whose others are what `next` gives;
/// `None` if they make no character.
#[inline(always)] // size: inline-step
fn decode_char(first: u8, mut next: impl FnMut() -> Option<u8>) -> Option<u32> {
    // The smallest number that needs as many bytes as `first` announces, and how many follow.
    let (smallest, more, mut code) = match first {
        0..0x80 => return Some(first.into()),
        0xc0..0xe0 => (0x80, 1, u32::from(first) & 0x1f),
        0xe0..0xf0 => (0x800, 2, u32::from(first) & 0xf),
        0xf0..0xf8 => (0x1_0000, 3, u32::from(first) & 7),
        _ => return None,
    };
    for _ in 0..more {
        let byte = next()?;
        if byte & 0xc0 != 0x80 {
            return None;
        }
        code = code << 6 | u32::from(byte) & 0x3f;
    }
    (code >= smallest && char::from_u32(code).is_some()).then_some(code)
}
