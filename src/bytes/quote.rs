//! Escapes in JSON strings.

use crate::bytes::number::hex_digit;

/// What stands for a byte in a JSON string: up to six characters, the last one in the lowest bits, and 0 above them.
#[inline(always)] // size: json-steps
pub(crate) fn escape(byte: u8) -> u64 {
    // size: json-escaped
    let mut escape = u64::from(byte);
    if byte < b' ' {
        let digits = [hex_digit(byte & 15), b'0' + (byte >> 4)];
        escape = u64::from(u16::from_le_bytes(digits));
        escape |= u64::from(u32::from_le_bytes(*b"00u\\")) << 16;
    } else if byte == b'"' || byte == b'\\' {
        escape |= u64::from(b'\\') << 8;
    }
    escape
}
