//! The reader of the host's own JSON: it flattens as [`flatten`](crate::json::flatten) does, without a
//! look at the grammar.
//!
//! What is valid JSON it reads as any reader does. Of what is not it makes an error or some value: a host
//! that writes such a text could write any value as well. What it makes is bytes, and whoever takes them for
//! text checks them.

use crate::bytes::in_place::{InPlace, WithRoom};
use crate::json::flatten::{END, mark};

const QUOTE: u8 = b'"';
const BACKSLASH: u8 = b'\\';

/// Where the reader stops.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// At the end of the text.
    End,
    /// Where the array or the object ends that the text is. In place of its bracket [`ROOT_END`] is written, so that
    /// who looks for something in it need not count how much is left. What is behind that is not read.
    #[cfg(feature = "beam")]
    RootEnd,
}

/// What ends an array or an object that was read [`Until::RootEnd`]: in it, this is no [`mark`] and no [`END`], and
/// no UTF-8 has it.
pub(crate) const ROOT_END: u8 = mark(0) as u8;

/// Flattens JSON; the length of what it has become. `None` if a string, an array or an object is open at
/// the end.
///
/// Outside of strings, what is no ASCII is left out like white space: so each [`mark`] begins a string,
/// which has an [`END`]. (Inside of strings, a host that sends no UTF-8 can put any bytes.)
// size: json-host
#[inline]
pub(crate) fn unescape(text: &mut [u8], until: Until) -> Option<usize> {
    let start = text.as_ptr().addr();
    let mut text = InPlace::new(text);
    // How many arrays and objects are open.
    let mut depth = 0_u32;
    let text = loop {
        let address = text.written_to();
        let Some((byte, mut room)) = text.next() else {
            if until != Until::End || depth != 0 {
                return None;
            }
            break address;
        };
        let mut char = u32::from(byte);
        if byte == QUOTE {
            char = mark(depth);
            loop {
                text = room.write(char as u8);
                text.keep_until([QUOTE, BACKSLASH]);
                text.write_kept();
                let (byte, behind) = text.next()?;
                char = byte.into();
                room = behind;
                if byte == QUOTE {
                    break;
                }
                if byte == BACKSLASH {
                    (char, room) = unescape_char(room)?;
                }
            }
            char = END.into();
        } else if byte as i8 <= b' ' as i8 {
            text = room.skip();
            continue;
        } else {
            // A bracket and a brace differ in one bit.
            depth = depth.wrapping_add(u32::from(byte | 0x20 == b'{'));
            depth = depth.wrapping_sub(u32::from(byte | 0x20 == b'}'));
            if until != Until::End && depth == 0 {
                break room.write(ROOT_END).written_to();
            }
        }
        text = room.write(char as u8);
    };
    // size: json-written
    Some(text - start)
}

/// Reads what follows a backslash: the character's first byte in UTF-8, to be written; the others are kept.
#[inline(always)] // size: json-steps
fn unescape_char(text: WithRoom<'_>) -> Option<(u32, WithRoom<'_>)> {
    let (byte, mut text) = text.next()?;
    let mut char = u32::from(byte);
    if byte == b'u' {
        // A leading 1, and four bits for each digit.
        let mut code = 1_u64; // size: json-digits
        loop {
            let (byte, behind) = text.next()?;
            text = behind;
            let digit = u64::from(byte);
            code = (code << 4) + (digit & 15) + (digit >> 6) * 9;
            if code >> 16 == 1 && code >> 10 != 0x1_d800 >> 10 {
                char = code as u32 & 0xffff;
                break;
            }
            // Behind the first half of a pair come the digits of the second, and before them a `\u`, which is taken
            // for two digits. (Of 21 and 14, so that the first half becomes one more.)
            if code >> 40 != 0 {
                let first = (code >> 24) as u32 & 0x7ff;
                char = (first + 0x3f) << 10 | code as u32 & 0x3ff;
                break;
            }
        }
        // What the first byte says of how many there are, and the first number that has no room beside it.
        let (mut head, mut limit) = (0x80_u32, 0x40_u32);
        if char >= 0x80 {
            loop {
                text = text.keep((0x80 | char & 0x3f) as u8)?;
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
        // b, f, n, r and t stand for control characters: 8, and three bits each here: none for b, and r and t share
        // one.
        const CONTROLS: u32 = 4 << 6 | 2 << 14 | 5 << 18 | 1 << 20;
        char = 8 | CONTROLS >> (char & 31) & 7;
    }
    Some((char, text))
}
