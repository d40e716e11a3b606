//! Base64url without padding (RFC 4648, section 5): the coding of tokens.

#![allow(
    unsafe_code,
    reason = "the compiler is told that what is decoded lies in the text"
)]

use core::cell::Cell;
use core::num::NonZeroUsize;

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The digit of the six lowest bits.
#[inline] // size: inline-small
pub(crate) fn digit(bits: u32) -> u8 {
    DIGITS[bits as usize & 63]
}

/// The six bits of a digit.
// size: byte-in-32-bits
#[inline(always)] // size: inline-step
fn value(digit: u32) -> Option<u32> {
    let upper = digit.wrapping_sub(b'A'.into());
    let lower = digit.wrapping_sub(b'a'.into());
    let decimal = digit.wrapping_sub(b'0'.into());
    if upper < 26 {
        Some(upper)
    } else if lower < 26 {
        Some(lower + 26)
    } else if decimal < 10 {
        Some(decimal + 52)
    } else if digit == u32::from(b'-') {
        Some(62)
    } else if digit == u32::from(b'_') {
        Some(63)
    } else {
        None
    }
}

/// Decodes Base64url where it lies: the bytes move to the front. Gives them, or `None` if it is no such text, or an
/// empty one. There is exactly one for any bytes: no padding, and no bits that are left over.
#[inline(always)] // size: inline-register
pub(crate) fn decode(text: &mut [u8]) -> Option<&mut [u8]> {
    let len = decoded_len(text)?.get();
    // SAFETY: as many bytes as were written, of which there is a place in the text for each.
    // size: found-in-text
    unsafe { core::hint::assert_unchecked(len <= text.len()) };
    text.get_mut(..len)
}

/// Decodes it, and tells how many bytes there are.
// size: in-a-register
fn decoded_len(text: &mut [u8]) -> Option<NonZeroUsize> {
    let cells = Cell::from_mut(text).as_slice_of_cells();
    let mut output = cells.iter();
    // The digits' bits; of them the lowest `left` are not written yet.
    let (mut bits, mut left) = (0_u32, 0);
    for digit in cells {
        bits = bits << 6 | value(digit.get().into())?;
        left += 6;
        if left >= 8 {
            left -= 8;
            output.next()?.set((bits >> left) as u8);
        }
    }
    // Six bits are a digit too many, and others are 0.
    if left == 6 || bits & ((1 << left) - 1) != 0 {
        return None;
    }
    NonZeroUsize::new(cells.len() - output.len())
}
