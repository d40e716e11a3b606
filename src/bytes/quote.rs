//! Escapes in JSON strings.

/// The escape of the byte 0, as [`escape`] returns it.
const NUL: u64 = u64::from_be_bytes(*b"\0\0\\u0000");

/// How many characters are between the digits and the letters of hexadecimal.
const LETTERS: u32 = (b'a' - b'9') as u32 - 1;

/// What stands for a byte in a JSON string: up to six characters, the last one in the lowest bits, and 0 above them.
#[inline(always)] // size: json-steps
pub(crate) fn escape(byte: u8) -> u64 {
    // size: json-escaped
    let mut escape = u64::from(byte);
    if byte < b' ' {
        // `\u0000`, to whose last two digits the byte's are added. Letters come 39 places behind `9`.
        let low = u32::from(byte & 15);
        let digits = (u32::from(byte & 16) << 4) + low + LETTERS * u32::from(low > 9);
        escape = NUL + u64::from(digits);
    } else if byte == b'"' || byte == b'\\' {
        escape |= u64::from(b'\\') << 8;
    }
    escape
}
