//! Text that is rewritten where it lies.

#![allow(
    unsafe_code,
    reason = "it reads and writes one text through two pointers"
)]

use core::marker::PhantomData;

/// The bytes that are looked at at once, and the index of the first of them that is one of two, which are ASCII; if
/// there is none, how many they are.
#[cfg(all(target_family = "wasm", target_feature = "simd128"))]
use crate::bytes::blocks::{Block as Group, find};
#[cfg(not(all(target_family = "wasm", target_feature = "simd128")))]
use {find_in_word as find, u32 as Group};

/// A text that is read from front to back, and in whose place another one is written, which is never
/// ahead of what has been read.
///
/// In the order of the fields, none of the pointers is behind the next one, and all of them point into the
/// text, or just behind it.
pub(crate) struct InPlace<'a> {
    /// How far it has been written.
    output: *mut u8,
    /// From here up to `input` lies what has been read and is to be written as it is.
    kept: *mut u8,
    /// How far it has been read.
    input: *mut u8,
    end: *mut u8,
    text: PhantomData<&'a mut [u8]>,
}

/// A text of which a byte has been read that is not written over, so that there is room for one: `output` is
/// before `kept`.
pub(crate) struct WithRoom<'a>(InPlace<'a>);

/// The bytes that have not been read.
pub(crate) struct Ahead<'a> {
    input: *mut u8,
    end: *mut u8,
    text: PhantomData<&'a [u8]>,
}

impl Iterator for Ahead<'_> {
    type Item = u8;

    #[inline(always)] // size: inline-step
    fn next(&mut self) -> Option<u8> {
        if self.input == self.end {
            return None;
        }
        // SAFETY: the text has a byte there, which nobody writes meanwhile.
        let byte = unsafe { *self.input };
        // SAFETY: up to the end of the text, at most.
        self.input = unsafe { self.input.add(1) };
        Some(byte)
    }
}

impl<'a> InPlace<'a> {
    #[inline(always)] // size: inline-step
    pub(crate) fn new(text: &'a mut [u8]) -> InPlace<'a> {
        let text = text.as_mut_ptr_range();
        InPlace {
            output: text.start,
            kept: text.start,
            input: text.start,
            end: text.end,
            text: PhantomData,
        }
    }

    /// Reads a byte; `None` at the end. What was kept is given up.
    #[inline(always)] // size: inline-step
    pub(crate) fn next(mut self) -> Option<(u8, WithRoom<'a>)> {
        if self.input == self.end {
            return None;
        }
        // SAFETY: the text has a byte there, and is borrowed mutably.
        let byte = unsafe { *self.input };
        // SAFETY: up to the end of the text, at most.
        self.input = unsafe { self.input.add(1) };
        // `output` was not behind `input`.
        self.kept = self.input;
        Some((byte, WithRoom(self)))
    }

    /// Reads what is before the first of two bytes, and keeps it. Of the last bytes of the text, less than a
    /// [`Group`], it leaves some, if neither of the two is among them.
    #[inline(always)] // size: json-run
    pub(crate) fn keep_until(&mut self, stops: [u8; 2]) {
        while self.end.addr() - self.input.addr() >= size_of::<Group>() {
            // SAFETY: so many bytes are there; any bytes are a group.
            let group = unsafe { self.input.cast::<Group>().read_unaligned() };
            let stop = find(group, stops);
            // SAFETY: `stop` is at most the group's length.
            self.input = unsafe { self.input.add(stop) };
            if stop < size_of::<Group>() {
                break;
            }
        }
    }

    /// Writes what is kept.
    #[inline(always)] // size: json-run
    pub(crate) fn write_kept(&mut self) {
        let len = self.input.addr() - self.kept.addr();
        // SAFETY: so many bytes are there from `kept` on, which is not behind `input`. `output` is not behind
        // `kept`, so there are as many behind it. The text is borrowed mutably.
        unsafe {
            core::ptr::copy(self.kept, self.output, len);
            self.output = self.output.add(len);
        }
        self.kept = self.input;
    }

    /// Whether all has been read.
    #[inline(always)] // size: inline-step
    pub(crate) fn is_at_end(&self) -> bool {
        self.input == self.end
    }

    /// What has not been written over, to its end.
    #[inline(always)] // size: inline-step
    pub(crate) fn into_rest(self) -> &'a mut [u8] {
        let len = self.end.addr() - self.output.addr();
        // SAFETY: `output` is in the text, and so are the bytes from there to its end. It is borrowed mutably for
        // `'a`, and nothing else looks at it: `self` is gone.
        unsafe { core::slice::from_raw_parts_mut(self.output, len) }
    }

    /// The address up to which it has been written.
    #[inline(always)] // size: inline-step
    pub(crate) fn written_to(&self) -> usize {
        self.output.addr()
    }
}

impl<'a> WithRoom<'a> {
    /// Writes a byte.
    #[inline(always)] // size: inline-step
    pub(crate) fn write(self, byte: u8) -> InPlace<'a> {
        let mut text = self.0;
        // SAFETY: it is before `kept`, so the text has a byte there, and is borrowed mutably.
        unsafe { *text.output = byte }
        // SAFETY: up to `kept`, at most.
        text.output = unsafe { text.output.add(1) };
        text
    }

    /// Puts a byte in front of what is kept; `None` if there is no more room then.
    #[inline(always)] // size: inline-step
    pub(crate) fn keep(self, byte: u8) -> Option<WithRoom<'a>> {
        let mut text = self.0;
        // SAFETY: down to `output`, at most.
        text.kept = unsafe { text.kept.sub(1) };
        // SAFETY: it is before `input`, so the text has a byte there, and is borrowed mutably.
        unsafe { *text.kept = byte }
        (text.kept != text.output).then_some(WithRoom(text))
    }

    /// Reads another byte, as [`InPlace::next`] does.
    #[inline(always)] // size: inline-step
    pub(crate) fn next(self) -> Option<(u8, WithRoom<'a>)> {
        self.0.next()
    }

    /// Reads more bytes if `read` makes something of them: what it has taken from the iterator is read then.
    #[inline(always)] // size: inline-step
    pub(crate) fn read_if<T>(
        self,
        read: impl FnOnce(&mut Ahead<'_>) -> Option<T>,
    ) -> (Option<T>, WithRoom<'a>) {
        let mut text = self.0;
        let mut ahead = Ahead {
            input: text.input,
            end: text.end,
            text: PhantomData,
        };
        let result = read(&mut ahead);
        if result.is_some() {
            text.input = ahead.input;
            text.kept = ahead.input;
        }
        (result, WithRoom(text))
    }

    /// Writes nothing.
    #[inline(always)] // size: inline-step
    pub(crate) fn skip(self) -> InPlace<'a> {
        self.0
    }
}

/// The index of the first byte of a word in memory that is one of two, which are ASCII; 4 if there is none.
#[cfg(not(all(target_family = "wasm", target_feature = "simd128")))]
#[inline(always)] // size: inline-step
fn find_in_word(word: u32, stops: [u8; 2]) -> usize {
    let word = u32::from_le(word);
    const ONES: u32 = 0x0101_0101;
    const HIGHEST_BITS: u32 = ONES * 0x80;
    // A byte that is 0 has its highest bit set once 1 is taken off it, and so has one that had it before, which is
    // no ASCII. What it borrows may set it in those above, but only above the first that is 0.
    let without_one = |stop: u8| (word ^ (ONES * u32::from(stop))).wrapping_sub(ONES);
    let found = (without_one(stops[0]) | without_one(stops[1])) & !word & HIGHEST_BITS;
    (found.trailing_zeros() / 8) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    const STOPS: [u8; 2] = *b"\"\\";

    #[test]
    fn the_first_stop_is_found_wherever_it_is() {
        let bytes = b"\"\\#!\xa2][\0\x01\x80\xdc\xffa";
        // Miri takes minutes for all of them, and has nothing to find in them.
        let bytes = &bytes[..if cfg!(miri) { 5 } else { bytes.len() }];
        for &a in bytes {
            for &b in bytes {
                for &c in bytes {
                    for &d in bytes {
                        let word = [a, b, c, d];
                        let found = word.iter().position(|byte| STOPS.contains(byte));
                        let stop = find_in_word(u32::from_ne_bytes(word), STOPS);
                        assert_eq!(stop, found.unwrap_or(4), "{word:?}");
                    }
                }
            }
        }
    }

    /// Reads a byte, which there is.
    fn next<'a>(text: InPlace<'a>, expected: u8) -> WithRoom<'a> {
        let (byte, text) = text.next().unwrap();
        assert_eq!(byte, expected);
        text
    }

    #[test]
    fn a_run_is_moved_to_where_the_text_has_got_to() {
        for skipped in 0..6 {
            for len in skipped..20 {
                let mut bytes = std::vec![b'x'; len];
                bytes.extend(b"\\yz\"abc");
                let start = bytes.as_ptr().addr();
                let mut text = InPlace::new(&mut bytes);
                for _ in 0..skipped {
                    text = next(text, b'x').skip();
                }
                text.keep_until(STOPS);
                text.write_kept();
                text = next(text, b'\\').skip();
                assert_eq!(text.written_to() - start, len - skipped);
                text = next(text, b'y').keep(b'!').unwrap().skip();
                text.keep_until(STOPS);
                text.write_kept();
                text = next(text, b'"').write(b'.');
                text.keep_until(STOPS);
                text.write_kept();
                let written = text.written_to() - start;
                // Of the last three bytes some may be left.
                let mut rest = std::vec::Vec::new();
                while let Some((byte, behind)) = text.next() {
                    rest.push(byte);
                    text = behind.skip();
                }
                assert!(b"abc".ends_with(&rest), "{rest:?}");
                let expected = "x".repeat(len - skipped) + "!z.abc";
                let left = expected.len() - rest.len();
                assert_eq!(bytes[..written], expected.as_bytes()[..left]);
            }
        }
    }

    #[test]
    fn what_is_written_never_overtakes_what_is_read() {
        let mut bytes = *b"abcd";
        // There is room for one byte, and so it stays, whatever is kept.
        assert!(next(InPlace::new(&mut bytes), b'a').keep(1).is_none());
        let mut bytes = *b"abcd";
        let start = bytes.as_ptr().addr();
        let mut text = next(InPlace::new(&mut bytes), b'a').write(2);
        text = next(text, b'b').skip();
        let with_room = next(text, b'c').keep(3).unwrap();
        text = with_room.write(4);
        text.write_kept();
        assert_eq!(text.written_to() - start, 3);
        text = next(text, b'd').write(5);
        assert_eq!(text.written_to() - start, 4);
        assert!(text.next().is_none());
        assert_eq!(bytes, [2, 4, 3, 5]);
    }
}
