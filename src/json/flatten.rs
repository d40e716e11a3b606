//! The first of two steps of reading: a text is checked and turned, in place, into something simpler.
//!
//! *Flattened* JSON is the same JSON without white space, its strings un-escaped, their quotes replaced
//! by bytes that are in no UTF-8: a [`mark`] before each and [`END`] behind it. None of that makes
//! anything longer. [`Value`](crate::json::Value) and its like walk over it without any further checks.

use core::cell::Cell;
use core::slice;

use crate::arena::ArenaBytes;
use crate::bytes::number;
use crate::json::grammar::{
    COMPLETE, ESCAPED, IN_STRING, LAST, LAST_COMPLETE, LAST_SPACED, NEXT_NAME, NOWHERE, SPACE,
    STEPS, VALUE, in_string,
};

/// How deep arrays and objects may nest in what is read.
pub const MAX_DEPTH: usize = 31;

/// Ends a string in flattened JSON.
pub(crate) const END: u8 = 0xff;
/// The least of the bytes that begin a string; see [`mark`].
pub(crate) const FIRST_MARK: u8 = 0xf5;

/// What begins a string. It tells where: `depth` is how many arrays and objects are around it.
///
/// So the members of the two outermost objects can be told from those of the objects inside of them
/// without counting brackets.
pub(crate) const fn mark(depth: u32) -> u32 {
    FIRST_MARK as u32 + 8 - if depth < 8 { depth } else { 8 }
}

// The bytes that the code names. Bytes are numbers of 32 bits here.
// size: json-wide-bytes
const QUOTE: u32 = b'"' as u32;
const BACKSLASH: u32 = b'\\' as u32;
const SMALL_U: u32 = b'u' as u32;
/// What opens an object. With [`BRACE`] in it, what opens an array is the same.
const OPENING: u32 = b'{' as u32;
/// What closes an object. With [`BRACE`] in it, what closes an array is the same.
const CLOSING: u32 = b'}' as u32;
/// The bit that tells a brace from a bracket.
const BRACE: u32 = 1 << BRACE_BIT;
const BRACE_BIT: u32 = 5;
const _: () = assert!(b'[' as u32 | BRACE == OPENING && b']' as u32 | BRACE == CLOSING);

/// What `open` is when nothing is: the leading 1.
const NOTHING_OPEN: u32 = 1;

// Four digits behind `\u` are read into a word. It begins as a 1, which each digit pushes up by four
// bits: with the fourth it becomes the sign, and what is below are the digits' 16 bits.
const NO_DIGITS: i32 = 0x8000;
const FOUR_DIGITS: u32 = (NO_DIGITS as u32) << 16;
// A character beyond U+FFFF is escaped as a pair of surrogates, with ten of its bits each.
const HIGH_SURROGATE: u32 = 0xd800;
const LOW_SURROGATE: u32 = 0xdc00;
/// Without these, all surrogates are the same.
const SURROGATE_SHIFT: u32 = 11;
/// A 1 that tells, above the ten bits of the high surrogate, that it came before the low one.
const HAS_HIGH: u32 = 0x400;
/// What to take off a high surrogate with its [`FOUR_DIGITS`], so that the low one's digits can follow:
/// what is left is the leading 1, [`HAS_HIGH`] and the ten bits.
const BEFORE_LOW: u32 = FOUR_DIGITS + HIGH_SURROGATE - HAS_HIGH - NO_DIGITS as u32;
/// What is the same in each pair, once the leading 1 is gone: in the high half and in the low half.
const PAIR: u32 = HAS_HIGH << 16 | LOW_SURROGATE;
const PAIR_MASK: u32 = 0xfc00_fc00;

/// The character of a surrogate pair: the high half of the word is [`HAS_HIGH`] and ten bits, the low
/// half the low surrogate.
#[inline(always)] // size: json-steps
const fn char_of_pair(pair: u32) -> u32 {
    // Makes ten bits of the sixteen that the high half is shifted by.
    let joined = pair - (pair >> 16) * ((1 << 16) - (1 << 10));
    joined - ((HAS_HIGH << 10) + LOW_SURROGATE - 0x1_0000)
}

/// The UTF-8 of a character that is not ASCII: its first byte in the lowest bits, the others above it.
// size: json-utf8
#[inline(always)]
pub(crate) const fn utf8(char: u32) -> u32 {
    // Six bits for each byte.
    const SIX_BITS: u32 = 0x3f_003f;
    const FOUR_BYTES: u32 = u32::from_le_bytes([0xf0, 0x80, 0x80, 0x80]);
    // What makes the first two of four bytes the first of three, and of three the first of two.
    const THREE_FOR_FOUR: u32 = 0xe0 - 0x80;
    const TWO_FOR_THREE: u32 = 0xc0 - 0x80;
    // As if it took four bytes: the six bits 18 and 12 to the left are in the low half of a word, those 6
    // and 0 to the left in the high half. What is too many is shifted out.
    let halves = char >> 12 | char << 16;
    let mut bytes = ((halves & SIX_BITS) << 8 | halves >> 6 & SIX_BITS) + FOUR_BYTES;
    if char < 0x1_0000 {
        bytes = (bytes >> 8) + THREE_FOR_FOUR;
    }
    if char < 0x800 {
        bytes = (bytes >> 8) + TWO_FOR_THREE;
    }
    bytes
}

/// Checks a text and flattens it; the length of what it has become, or `None` if it is not JSON.
///
/// It goes by the grammar, a step for each byte outside of strings and for each that is escaped.
/// [`write`](Pass::write) writes what that has come to, and goes on in a string up to the next backslash
/// or the end.
// size: json-flatten
#[inline]
pub(crate) fn flatten(text: &mut [u8]) -> Option<usize> {
    let cells = Cell::from_mut(text).as_slice_of_cells();
    let mut pass = Pass {
        input: cells.iter(),
        output: cells.iter(),
        state: VALUE,
        open: NOTHING_OPEN,
        digits: 0,
    };
    // White space, which changes nothing here: so that one place reads all bytes of the text.
    let mut byte = u32::from(b' ');
    loop {
        if let Step::Write(bytes) = pass.step(byte)? {
            pass.write(bytes)?;
        }
        match pass.input.next() {
            Some(cell) => byte = cell.get().into(),
            None => break,
        }
    }
    if pass.open != NOTHING_OPEN || pass.state > LAST_COMPLETE {
        return None;
    }
    // size: json-written
    Some(pass.output.as_slice().as_ptr().addr() - cells.as_ptr().addr())
}

/// Checks the text in a lease and flattens it.
pub(crate) fn flatten_lease(mut lease: ArenaBytes) -> Option<ArenaBytes> {
    let len = flatten(lease.as_mut())?;
    Some(lease.truncate(len as u32))
}

/// One pass over a text. It reads and writes the same bytes, and never writes more than it has read.
struct Pass<'a> {
    input: slice::Iter<'a, Cell<u8>>,
    output: slice::Iter<'a, Cell<u8>>,
    /// What may come next: an offset in the [grammar](crate::json::grammar).
    state: u32,
    /// One bit for each open array (0) or object (1), below a leading 1.
    open: u32,
    /// Above 0 behind `\u`: a leading 1, and the digits so far.
    digits: i32,
}

/// What a byte comes to.
enum Step {
    /// Bytes to be written: up to four, from the lowest bits on. The first is written even if it is 0.
    Write(u32),
    /// Nothing yet, or nothing at all.
    Nothing,
}

impl Pass<'_> {
    /// Takes a byte that is outside of strings, or escaped.
    #[inline(always)] // size: json-steps
    fn step(&mut self, byte: u32) -> Option<Step> {
        if self.digits > 0 {
            return self.digit(byte);
        }
        let mut from = self.state;
        if in_string(self.state) {
            if byte == SMALL_U {
                self.digits = NO_DIGITS;
                return Some(Step::Nothing);
            }
            from = ESCAPED;
        }
        let next = self.next(byte, from)?;
        if in_string(self.state) {
            return Some(Step::Write(next));
        }
        if next == NOWHERE {
            // A number ends here.
            if self.state <= LAST_COMPLETE {
                self.state = COMPLETE;
            }
            return Some(Step::Nothing);
        }
        self.state = next;
        Some(Step::Write(self.open_or_close(byte)?))
    }

    /// Looks a byte up in the steps that begin at an offset: what it leads to.
    // size: json-next
    #[inline(always)]
    fn next(&self, byte: u32, mut from: u32) -> Option<u32> {
        let is_2_to_9 = byte.wrapping_sub(b'2'.into()) < 8;
        let sought = if is_2_to_9 { b'1'.into() } else { byte };
        loop {
            let here = (from & 126) as usize;
            let (taken_with, next) = (STEPS[here], STEPS[here + 1]);
            if sought == u32::from(taken_with) {
                return Some(u32::from(next & !LAST));
            }
            from += 2;
            if next & LAST != 0 {
                // White space, at most.
                if self.state > LAST_SPACED || from > SPACE {
                    return None;
                }
                from = SPACE;
            }
        }
    }

    /// Keeps account of what is open, once a byte outside of strings has led to a state; what is to be
    /// written for the byte.
    #[inline(always)] // size: json-steps
    fn open_or_close(&mut self, byte: u32) -> Option<u32> {
        if byte == QUOTE {
            return Some(mark(31 - self.open.leading_zeros()));
        }
        if byte | BRACE == OPENING {
            if self.open >> MAX_DEPTH != 0 {
                return None;
            }
            self.open = self.open << 1 | u32::from(byte == OPENING);
        } else if self.state == NEXT_NAME {
            // A comma: what follows depends on where it is.
            if self.open <= NOTHING_OPEN {
                return None;
            }
            if self.open & 1 == 0 {
                self.state = VALUE;
            }
        } else if byte | BRACE == CLOSING {
            // After one too many there is no 1 in `open`, and nothing but more of them is accepted.
            if (self.open ^ byte >> BRACE_BIT) & 1 != 0 {
                return None;
            }
            self.open >>= 1;
        }
        Some(byte)
    }

    /// Takes a digit behind `\u`: with the fourth there is a character, or half of one.
    #[inline(always)] // size: json-steps
    fn digit(&mut self, byte: u32) -> Option<Step> {
        self.digits = self.digits << 4 | number::hex_value(byte)? as i32;
        if self.digits >= 0 {
            return Some(Step::Nothing);
        }
        let mut char = self.digits as u32;
        if char >> SURROGATE_SHIFT == (FOUR_DIGITS | HIGH_SURROGATE) >> SURROGATE_SHIFT {
            // The digits of the other half follow, behind another `\u`.
            // size: json-pair
            let [a, b] = self.input.as_slice().first_chunk()?;
            if u16::from_le_bytes([a.get(), b.get()]) != u16::from_le_bytes(*b"\\u") {
                return None;
            }
            self.input.nth(1)?;
            self.digits = (char - BEFORE_LOW) as i32;
            return Some(Step::Nothing);
        }
        char -= FOUR_DIGITS;
        if char > 0xffff {
            if char & PAIR_MASK != PAIR {
                return None;
            }
            char = char_of_pair(char);
        }
        if char >= 0x80 {
            char = utf8(char);
        }
        Some(Step::Write(char))
    }

    /// Writes bytes, and in a string what follows: up to the next backslash, or with the string's end.
    // size: json-write
    #[inline(always)]
    fn write(&mut self, mut bytes: u32) -> Option<()> {
        loop {
            // There is always a place to write to, because nothing gets longer.
            self.output.as_slice().first()?.set(bytes as u8);
            if FAST {
                self.output.next();
            }
            bytes >>= 8;
            // (Otherwise it is the next byte of a character that was escaped.)
            if bytes == 0 {
                if !in_string(self.state) {
                    break;
                }
                self.move_run();
                bytes = self.input.next()?.get().into();
                if bytes == BACKSLASH {
                    break;
                }
                if bytes == QUOTE {
                    self.state -= IN_STRING;
                    bytes = END.into();
                } else if !(u32::from(b' ')..FIRST_MARK.into()).contains(&bytes) {
                    // Control characters have to be escaped; the marks are in no UTF-8.
                    return None;
                }
            }
            if !FAST {
                self.output.next();
            }
        }
        if !FAST {
            self.output.next();
        }
        Some(())
    }

    /// Moves what a string has as it is, as long as it is whole blocks.
    #[cfg(all(target_family = "wasm", target_feature = "simd128"))]
    #[inline(always)] // size: json-steps
    fn move_run(&mut self) {
        crate::bytes::blocks::move_run(
            &mut self.input,
            &mut self.output,
            [QUOTE as u8, BACKSLASH as u8],
            b' ',
            FIRST_MARK,
        );
    }

    #[cfg(not(all(target_family = "wasm", target_feature = "simd128")))]
    #[inline(always)] // size: json-steps
    fn move_run(&mut self) {}
}

/// Whether strings are read a block at a time. Then the next place to write to is always known; without,
/// it is looked for at the end of a round, so that each loop has one way back.
// size: json-write
const FAST: bool = cfg!(all(target_family = "wasm", target_feature = "simd128"));
