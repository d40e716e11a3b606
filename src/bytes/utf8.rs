//! The UTF-8 check.

#![allow(unsafe_code, reason = "it makes `str` of bytes that it has checked")]

/// The bytes as text, if they are UTF-8: like `core::str::from_utf8`, in a fraction of its size.
#[inline(always)] // size: inline-register
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
/// [`valid_up_to`] must have found all of them valid.
pub(crate) unsafe fn valid_str(bytes: &[u8]) -> &str {
    debug_assert!(core::str::from_utf8(bytes).is_ok());
    // SAFETY: the caller promises that `valid_up_to` accepted the bytes, and it accepts whole characters and
    // nothing else: each has as many bytes as its first one announces, in the shortest form, and is neither beyond
    // U+10FFFF nor a surrogate.
    unsafe { core::str::from_utf8_unchecked(bytes) }
}

/// How far the bytes are valid UTF-8: the index of the first byte, from `start` on, that does not begin a valid
/// character; the length if there is none.
///
/// Overlong sequences, surrogates and anything beyond U+10FFFF are invalid.
// size: utf8
#[inline]
pub(crate) fn valid_up_to(bytes: &[u8], start: usize) -> usize {
    let mut at = start;
    loop {
        let Some(&first) = bytes.get(at) else {
            return at;
        };
        // As a number with a sign, which is negative if the byte is not ASCII.
        let first = i32::from(first as i8);
        let mut next = at + 1;
        if first < 0 {
            // How many bytes the character has, as the first one announces.
            let size = (!first).leading_zeros().wrapping_sub(24);
            if !(2..=4).contains(&size) {
                return at;
            }
            let mut code = first as u32 & 0x7f >> size;
            let end = at + size as usize;
            let Some(more) = bytes.get(next..end) else {
                return at;
            };
            for &byte in more {
                let byte = u32::from(byte).wrapping_sub(0x80);
                if byte > 0x3f {
                    return at;
                }
                code = code << 6 | byte;
            }
            next = end;
            // A character of no more than 7, 11 or 16 bits needs fewer bytes. Surrogates become the smallest numbers
            // here, which wrap around.
            let is_char = (code ^ 0xd800).wrapping_sub(0x800) < 0x11_0000 - 0x800;
            if code >> ((size * 9 - 4) >> 1) == 0 || !is_char {
                return at;
            }
        }
        at = next;
    }
}
