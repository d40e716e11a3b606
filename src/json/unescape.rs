//! The reader of the host's own JSON: it flattens as [`flatten`](crate::json::flatten) does, without a
//! look at the grammar.
//!
//! What is valid JSON it reads as any reader does. Of what is not it makes an error or some value: a host
//! that writes such a text could write any value as well. What it makes is bytes, and whoever takes them for
//! text checks them.

use crate::bytes::in_place::InPlace;
use crate::json::flatten::{END, mark};

const QUOTE: u8 = b'"';
const BACKSLASH: u8 = b'\\';

/// Flattens JSON; the length of what it has become. `None` if a string, an array or an object is open at
/// the end.
// size: json-host
#[inline]
pub(crate) fn unescape(text: &mut [u8]) -> Option<usize> {
    let mut text = InPlace::new(text);
    // How many arrays and objects are open.
    let mut depth = 0_u32;
    // 1 in a string, and 0 outside. (A `bool` costs a mask each time.)
    let mut in_string = 0_u32;
    loop {
        if in_string != 0 {
            text.keep_until([QUOTE, BACKSLASH]);
        }
        text.move_kept();
        let Some(byte) = text.next() else { break };
        let mut char = u32::from(byte);
        if byte == QUOTE {
            in_string ^= 1;
            char = if in_string != 0 {
                mark(depth)
            } else {
                END.into()
            };
        } else if in_string != 0 {
            if byte == BACKSLASH {
                char = unescape_char(&mut text)?;
            }
        } else if byte <= b' ' {
            continue;
        } else {
            // A bracket and a brace differ in one bit.
            depth = depth.wrapping_add(u32::from(byte | 0x20 == b'{'));
            depth = depth.wrapping_sub(u32::from(byte | 0x20 == b'}'));
        }
        text.put_back(char as u8)?;
    }
    if in_string | depth != 0 {
        return None;
    }
    Some(text.written())
}

/// Puts what follows a backslash back as UTF-8.
#[inline(always)] // size: json-steps
fn unescape_char(text: &mut InPlace<'_>) -> Option<u32> {
    let mut char = u32::from(text.next()?);
    if char == u32::from(b'u') {
        // A leading 1, and four bits for each digit.
        let mut code = 1_u32;
        loop {
            let digit = u32::from(text.next()?);
            code = code << 4 | ((digit & 15) + (digit >> 6) * 9);
            if code >> 10 == 0x1_d800 >> 10 {
                // The digits of the other half follow, behind another `\u`.
                text.next()?;
                text.next()?;
            } else if code >> 16 == 1 {
                char = code - 0x1_0000;
                break;
            } else if code >> 28 == 0xd {
                char = ((code >> 16 & 0x3ff) << 10 | code & 0x3ff) + 0x1_0000;
                break;
            }
        }
        // What the first byte says of how many there are, and the first number that has no room beside it.
        let (mut head, mut limit) = (0x80_u32, 0x40_u32);
        if char >= 0x80 {
            loop {
                text.put_back((0x80 | char & 0x3f) as u8)?;
                char >>= 6;
                head |= limit;
                limit >>= 1;
                if char < limit {
                    break;
                }
            }
            char |= head;
        }
    } else if char > 0x60 {
        // b, f, n, r and t stand for control characters, of four bits each here.
        const CONTROLS: u64 = 0x8 << 4 | 0xc << 12 | 0xa << 28 | 0xd << 36 | 0x9 << 40;
        char = (CONTROLS >> (char << 1 & 60)) as u32 & 15;
    }
    Some(char)
}
