//! Numbers read from text, decimal and hexadecimal, and the digits of the latter.

/// An unsigned decimal number: digits and nothing else. Also `None` if it is too large.
///
/// ```
/// use flaron_sdk::text;
///
/// assert_eq!(text::parse_u64(b"042"), Some(42));
/// assert_eq!(text::parse_u64(b"+1"), None);
/// ```
pub fn parse_u64(digits: &[u8]) -> Option<u64> {
    let (mut number, mut digits) = (0_u64, digits.iter());
    loop {
        let digit = u64::from(*digits.next()?).wrapping_sub(b'0'.into());
        let longer = number.wrapping_mul(10).wrapping_add(digit);
        // After an overflow the product is not ten times as much. (`checked_mul` would multiply in 128 bits.)
        if digit > 9 || longer / 10 != number {
            return None;
        }
        number = longer;
        if digits.as_slice().is_empty() {
            return Some(number);
        }
    }
}

/// [`parse_u64`] for 32-bit numbers. It takes less code if nothing else in the flare reads larger ones.
#[inline(always)] // size: number-in-a-register
pub fn parse_u32(digits: &[u8]) -> Option<u32> {
    u32::try_from(u32_or_more(digits)).ok()
}

/// The value of decimal digits; a number of more than 32 bits if it is too large, or if it is not a number.
#[inline] // size: inline-shared
fn u32_or_more(digits: &[u8]) -> u64 {
    let mut number = if digits.is_empty() { u64::MAX } else { 0 };
    for &digit in digits {
        let digit = u64::from(digit).wrapping_sub(b'0'.into());
        if digit > 9 || number >> 32 != 0 {
            return u64::MAX;
        }
        number = number * 10 + digit;
    }
    number
}

/// Like [`parse_u64`], with an optional minus sign.
pub fn parse_i64(digits: &[u8]) -> Option<i64> {
    match digits {
        [b'-', digits @ ..] => 0_i64.checked_sub_unsigned(parse_u64(digits)?),
        digits => parse_u64(digits)?.try_into().ok(),
    }
}

/// The hexadecimal digit of 4 bits, in lowercase.
pub(crate) const fn hex_digit(value: u8) -> u8 {
    if value < 10 {
        b'0' + value
    } else {
        b'a' - 10 + value
    }
}

/// The value of a hexadecimal digit in either case.
#[cfg(any(reads_json, writes_json, feature = "crypto", feature = "request", test))]
pub(crate) fn hex_value(digit: u32) -> Option<u32> {
    // size: byte-in-32-bits
    let decimal = digit.wrapping_sub(0x30);
    if decimal < 10 {
        return Some(decimal);
    }
    let letter = (digit | 0x20).wrapping_sub(0x61);
    if letter < 6 { Some(letter + 10) } else { None }
}

/// Decodes hexadecimal in place: the decoded bytes move to the front. Returns how many there are, or
/// `None` if it is not hexadecimal.
#[cfg(feature = "crypto")]
pub(crate) fn decode_hex(text: &mut [u8]) -> Option<usize> {
    let text = core::cell::Cell::from_mut(text).as_slice_of_cells();
    let mut decoded = text.iter();
    for pair in text.chunks(2) {
        let [high, low] = pair else { return None };
        let byte = hex_value(high.get().into())? << 4 | hex_value(low.get().into())?;
        decoded.next()?.set(byte as u8);
    }
    Some(text.len() / 2)
}
