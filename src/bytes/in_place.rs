//! Text that is rewritten where it lies.

#![allow(
    unsafe_code,
    reason = "it reads and writes one text through two pointers"
)]

use core::marker::PhantomData;

/// A text that is read from front to back, and in whose place another one is written, which is never
/// ahead of what has been read.
///
/// In the order of the fields, none of the pointers is behind the next one, and all of them point into the
/// text, or just behind it.
pub(crate) struct InPlace<'a> {
    start: *mut u8,
    /// How far it has been written.
    output: *mut u8,
    /// From here up to `input` lies what [`put_back`](Self::put_back) has put there.
    kept: *mut u8,
    /// How far it has been read.
    input: *mut u8,
    end: *mut u8,
    text: PhantomData<&'a mut [u8]>,
}

impl<'a> InPlace<'a> {
    #[inline(always)] // size: inline-step
    pub(crate) fn new(text: &'a mut [u8]) -> InPlace<'a> {
        let text = text.as_mut_ptr_range();
        InPlace {
            start: text.start,
            output: text.start,
            kept: text.start,
            input: text.start,
            end: text.end,
            text: PhantomData,
        }
    }

    /// Reads a byte; `None` at the end. What was put back is given up.
    #[inline(always)] // size: inline-step
    pub(crate) fn next(&mut self) -> Option<u8> {
        if self.input == self.end {
            return None;
        }
        // SAFETY: the text has a byte there, and is borrowed mutably.
        let byte = unsafe { *self.input };
        // SAFETY: up to the end of the text, at most.
        self.input = unsafe { self.input.add(1) };
        self.kept = self.input;
        Some(byte)
    }

    /// Puts a byte in front of what has not been read, in place of one that has: to be written by
    /// [`move_kept`](Self::move_kept). `None` if there is none that has not been written over.
    #[inline(always)] // size: inline-step
    pub(crate) fn put_back(&mut self, byte: u8) -> Option<()> {
        if self.output == self.kept {
            return None;
        }
        // SAFETY: down to `output`, at most.
        self.kept = unsafe { self.kept.sub(1) };
        // SAFETY: it is before `input`, so the text has a byte there, and is borrowed mutably.
        unsafe { *self.kept = byte }
        Some(())
    }

    /// Reads what is before the first of two bytes, and puts it back. Of the last three bytes of the text it
    /// leaves some, if neither of the two is among them.
    #[inline(always)] // size: json-run
    pub(crate) fn keep_until(&mut self, stops: [u8; 2]) {
        while self.end.addr() - self.input.addr() >= 4 {
            // SAFETY: so many bytes are there; any bytes are a number.
            let word = u32::from_le(unsafe { self.input.cast::<u32>().read_unaligned() });
            let stop = find_in_word(word, stops);
            // SAFETY: `stop` is at most 4.
            self.input = unsafe { self.input.add(stop) };
            if stop < 4 {
                break;
            }
        }
    }

    /// Writes what was put back.
    #[inline(always)] // size: json-run
    pub(crate) fn move_kept(&mut self) {
        let len = self.input.addr() - self.kept.addr();
        // SAFETY: so many bytes are there from `kept` on, which is not behind `input`. `output` is not behind
        // `kept`, so there are as many behind it. The text is borrowed mutably.
        unsafe {
            core::ptr::copy(self.kept, self.output, len);
            self.output = self.output.add(len);
        }
        self.kept = self.input;
    }

    /// How much has been written.
    #[inline(always)] // size: inline-step
    pub(crate) fn written(&self) -> usize {
        // size: json-written
        self.output.addr() - self.start.addr()
    }
}

/// The index of the first byte of a word, from the lowest bits on, that is one of two, which are ASCII; 4 if
/// there is none.
#[inline(always)] // size: inline-step
fn find_in_word(word: u32, stops: [u8; 2]) -> usize {
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
                        let stop = find_in_word(u32::from_le_bytes(word), STOPS);
                        assert_eq!(stop, found.unwrap_or(4), "{word:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_run_is_moved_to_where_the_text_has_got_to() {
        for skipped in 0..6 {
            for len in skipped..20 {
                let mut bytes = std::vec![b'x'; len];
                bytes.extend(b"\\yz\"abc");
                let mut text = InPlace::new(&mut bytes);
                for _ in 0..skipped {
                    text.next();
                }
                text.keep_until(STOPS);
                text.move_kept();
                assert_eq!(text.next(), Some(b'\\'));
                assert_eq!(text.written(), len - skipped);
                assert_eq!(text.next(), Some(b'y'));
                text.put_back(b'!').unwrap();
                text.keep_until(STOPS);
                text.move_kept();
                assert_eq!(text.next(), Some(b'"'));
                text.put_back(b'.').unwrap();
                text.keep_until(STOPS);
                text.move_kept();
                let written = text.written();
                // Of the last three bytes some may be left.
                let rest: std::vec::Vec<u8> = core::iter::from_fn(|| text.next()).collect();
                assert!(b"abc".ends_with(&rest), "{rest:?}");
                let expected = "x".repeat(len - skipped) + "!z.abc";
                let left = expected.len() - rest.len();
                assert_eq!(bytes[..written], expected.as_bytes()[..left]);
            }
        }
    }

    #[test]
    fn what_is_written_never_overtakes_what_is_read() {
        let mut bytes = *b"ab";
        let mut text = InPlace::new(&mut bytes);
        assert!(text.put_back(1).is_none());
        assert_eq!(text.next(), Some(b'a'));
        assert!(text.put_back(2).is_some() && text.put_back(3).is_none());
        text.move_kept();
        assert!(text.put_back(4).is_none());
        assert_eq!(text.next(), Some(b'b'));
        assert!(text.put_back(5).is_some() && text.put_back(6).is_none());
        text.move_kept();
        assert!(text.next().is_none() && text.put_back(7).is_none());
        assert_eq!(text.written(), 2);
        assert_eq!(bytes, [2, 5]);
    }
}
