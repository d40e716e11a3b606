//! Base64url without padding (RFC 4648, section 5): the coding of tokens.

use core::cell::Cell;

/// The six bits of a digit.
fn value(digit: u8) -> Option<u32> {
    Some(
        match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        }
        .into(),
    )
}

/// Decodes Base64url where it lies: the bytes move to the front. Tells how many they are, or `None` if
/// it is no such text. There is exactly one for any bytes: no padding, and no bits that are left over.
pub(crate) fn decode(text: &mut [u8]) -> Option<usize> {
    let cells = Cell::from_mut(text).as_slice_of_cells();
    let mut output = cells.iter();
    // The bits that are not written yet, below a leading 1.
    let mut bits = 1;
    for digit in cells {
        bits = bits << 6 | value(digit.get())?;
        // Fewer than 8 are never written; there are up to 6 of the digit before.
        let count = 31 - u32::leading_zeros(bits);
        if count >= 8 {
            let rest = count - 8;
            output.next()?.set((bits >> rest) as u8);
            bits = 1 << rest | bits & ((1 << rest) - 1);
        }
    }
    // 1: nothing is left; 0b100 and 0b1_0000: two or four bits, all of them 0.
    if matches!(bits, 1 | 0b100 | 0b1_0000) {
        Some(cells.len() - output.len())
    } else {
        None
    }
}
