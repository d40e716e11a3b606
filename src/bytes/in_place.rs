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
    pub(crate) fn next(self) -> Option<(u8, WithRoom<'a>)> {
        self.next_or_rest().ok()
    }

    /// Reads a byte; at the end, gives the part of the text behind what has been written. What was kept is given up.
    #[inline(always)] // size: inline-step
    pub(crate) fn next_or_rest(mut self) -> Result<(u8, WithRoom<'a>), &'a mut [u8]> {
        if self.input == self.end {
            let len = self.end.addr() - self.output.addr();
            // SAFETY: the text, which is borrowed mutably for `'a`, has so many bytes from `output` on. Nothing else
            // leads there any more: this consumes the reader.
            return Err(unsafe { core::slice::from_raw_parts_mut(self.output, len) });
        }
        // SAFETY: the text has a byte there, and is borrowed mutably.
        let byte = unsafe { *self.input };
        // SAFETY: up to the end of the text, at most.
        self.input = unsafe { self.input.add(1) };
        // `output` was not behind `input`.
        self.kept = self.input;
        Ok((byte, WithRoom(self)))
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

    /// Looks at the bytes that follow. If `look` makes something of them, those that it has taken are read.
    #[inline(always)] // size: inline-step
    pub(crate) fn read_if<T>(
        self,
        look: impl FnOnce(&mut Ahead<'_>) -> Option<T>,
    ) -> (Option<T>, WithRoom<'a>) {
        let mut text = self.0;
        let mut ahead = Ahead {
            input: text.input,
            end: text.end,
            text: PhantomData,
        };
        let result = look(&mut ahead);
        if result.is_some() {
            // In the text: an `Ahead` only goes up to its end, and `look` can have put no other in its place, because
            // none lives as long as exactly this one.
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

/// The bytes that have not been read: see [`WithRoom::read_if`].
pub(crate) struct Ahead<'a> {
    /// As in [`InPlace`].
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
        // SAFETY: the text has a byte there, which nobody writes as long as this lasts.
        let byte = unsafe { *self.input };
        // SAFETY: up to the end of the text, at most.
        self.input = unsafe { self.input.add(1) };
        Some(byte)
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
mod tests;
