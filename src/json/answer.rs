//! An object that the host has answered, flattened in its lease; and finding one member of it, without making a
//! [`Value`](crate::json::Value) of each member before it.
//!
//! [`unescape`] ends it with [`ROOT_END`], so nothing here counts how much is left. It also leaves out what is no
//! ASCII outside of strings, so behind each mark there is an [`END`], before that.

#![allow(
    unsafe_code,
    reason = "flattened JSON is read up to the byte that ends it, not by its length"
)]

use core::marker::PhantomData;
use core::ptr::NonNull;

use crate::arena::ArenaBytes;
use crate::arena::claim::claim_decoded;
use crate::bytes::packed::PackedSlice;
use crate::json::flatten::{END, FIRST_MARK, mark};
use crate::json::unescape::{ROOT_END, Until, unescape};
use crate::json::value::{Members, take};

/// The place of a member: a [`mark`] as a signed byte, counted from the one in the outermost object.
// size: json-place
#[derive(Clone, Copy)]
pub(crate) struct Place(u32);

/// In the outermost object.
pub(crate) const OUTER: Place = Place(place_of(mark(1) as u8));
/// In an object that is a member of the outermost one.
pub(crate) const INNER: Place = Place(place_of(mark(2) as u8));

#[inline(always)] // size: inline-step
const fn place_of(byte: u8) -> u32 {
    (byte as i8 as u32).wrapping_sub(mark(1) as i8 as u32)
}

/// Behind the mark in the outermost object comes the byte that ends it, so that one comparison finds both.
const _: () = assert!(place_of(mark(1) as u8) == 0 && place_of(ROOT_END) == 1);

/// A flattened object in its lease, which ends with [`ROOT_END`]. (What is behind that is left over.)
pub(crate) struct Answer(ArenaBytes);

impl Answer {
    /// Takes what a host call returned, and flattens it where it lies; `None` if it is nothing. If it is no object or
    /// array, or if `read` makes nothing of it, it is given back, and there is nothing in the result.
    #[inline(always)] // size: inline-step
    pub(crate) fn claim<T>(
        returned: i64,
        read: impl FnOnce(Cursor<'_>) -> Option<T>,
    ) -> Option<Option<(Answer, T)>> {
        let claimed = claim_decoded(returned, |answer| {
            unescape(answer, Until::RootEnd).ok_or(())?;
            read(Cursor::at_start(answer)).ok_or(())
        });
        claimed.map(|decoded| {
            let (lease, read) = decoded.ok()?;
            Some((Answer(lease), read))
        })
    }

    /// The object's beginning.
    #[inline(always)] // size: inline-step
    pub(crate) fn root(&self) -> Cursor<'_> {
        Cursor::at_start(&self.0)
    }

    /// The members of the object that begins there; none if there is no place.
    pub(crate) fn members(&self, at: Option<Cursor<'_>>) -> Members<'_> {
        let at = at.map(|at| at.place.addr().get() - self.0.as_ptr().addr());
        let rest = at.and_then(|at| self.0.get(at..)).unwrap_or_default();
        take(&mut rest.iter()).unwrap_or_default().members()
    }
}

/// A place in an [`Answer`]: not behind the [`ROOT_END`] that the reader wrote.
#[derive(Clone, Copy)]
pub(crate) struct Cursor<'a> {
    /// (So that there may be none in the same register.)
    place: NonNull<u8>,
    answer: PhantomData<&'a [u8]>,
}

impl<'a> Cursor<'a> {
    /// The beginning of what `unescape` has flattened, up to the root's end.
    #[inline(always)] // size: inline-step
    fn at_start(answer: &'a [u8]) -> Cursor<'a> {
        Cursor::at(NonNull::from(answer).cast())
    }

    #[inline(always)] // size: inline-step
    fn at(place: NonNull<u8>) -> Cursor<'a> {
        Cursor {
            place,
            answer: PhantomData,
        }
    }

    /// The byte there.
    #[inline(always)] // size: inline-step
    pub(crate) fn byte(self) -> u8 {
        // SAFETY: the answer has a byte there, which stays as it is as long as `'a` lasts.
        unsafe { self.place.read() }
    }

    /// Takes a decimal digit, if there is one.
    #[inline(always)] // size: inline-step
    pub(crate) fn digit(&mut self) -> Option<u32> {
        let digit = u32::from(self.byte()).wrapping_sub(b'0'.into());
        if digit > 9 {
            return None;
        }
        // SAFETY: the byte there is a digit, so it is not the one that ends the answer.
        self.place = unsafe { self.place.add(1) };
        Some(digit)
    }

    /// Finds a member of an object: its value. If several have this name, it is the first.
    ///
    /// The cursor is at the root, or at the value of one of its members; `place` tells which. Capitals in `name`
    /// stand for small letters; see [`asks_for`].
    #[inline(never)] // size: json-member
    pub(crate) fn member(self, place: Place, name: &str) -> Option<Cursor<'a>> {
        let mut at = self.place;
        loop {
            // SAFETY: the byte is not behind the one that ends the answer: at that one the search ends.
            let found_at = place_of(unsafe { at.read() });
            // SAFETY: as there is a byte, there is a place behind it.
            at = unsafe { at.add(1) };
            if found_at == place.0 {
                // SAFETY: it is behind a mark.
                let same = unsafe { count_same(at, name) };
                // SAFETY: it is not behind the end of the string, so there are two bytes: behind an `END` there is
                // another, at least the one that ends the answer. As bytes, they need no alignment.
                let behind = |at: NonNull<u8>| unsafe { at.add(same).cast::<[u8; 2]>().read() };
                // size: json-member-end
                if same == name.len() && behind(at) == [END, b':'] {
                    // SAFETY: so many bytes are there.
                    at = unsafe { at.add(same) };
                    break;
                }
            } else if found_at < 2 {
                // The inner object has ended, or all.
                return None;
            }
        }
        // SAFETY: neither of these two bytes ends the answer.
        Some(Cursor::at(unsafe { at.add(2) }))
    }

    /// Finds a member as [`member`](Self::member) does, and returns its text if it is a string.
    // size: json-string-member
    #[inline(never)] // size: json-member
    pub(crate) fn string_member(self, place: Place, name: &str) -> Option<PackedSlice<'a>> {
        let value = self.member(place, name)?;
        // Signed, so that the marks are small numbers.
        if (value.byte() as i8 as u32).wrapping_sub(FIRST_MARK as i8 as u32) > 7 {
            return None;
        }
        // SAFETY: the byte there is a mark, so it is not the one that ends the answer.
        let start = unsafe { value.place.add(1) };
        let mut end = Cursor::at(start);
        while end.byte() < ROOT_END {
            // SAFETY: the byte there is not the one that ends the answer.
            end.place = unsafe { end.place.add(1) };
        }
        let len = end.place.addr().get() - start.addr().get();
        // SAFETY: so many bytes are there, which stay as they are as long as `'a` lasts.
        Some(PackedSlice::new(unsafe {
            core::slice::from_raw_parts(start.as_ptr(), len)
        }))
    }
}

/// How many bytes at the beginning of a name in the text are as they are asked for.
///
/// # Safety
///
/// The text lies in an [`Answer`], behind a mark: so there is an [`END`] behind it, where this stops at the
/// latest, because no name that is asked for has such a byte.
#[inline(always)] // size: inline-step
unsafe fn count_same(text: NonNull<u8>, name: &str) -> usize {
    let name = name.as_bytes();
    let mut same = 0; // size: json-same
    // SAFETY: the bytes before were not `END`.
    while same < name.len() && asks_for(name[same], unsafe { text.add(same).read() }) {
        same += 1;
    }
    same
}

/// Whether a byte of the wanted name stands for a byte of a name in the text: the same byte, or its small letter.
///
/// `@` and control characters stand for another character, too. No header has them in its name.
#[inline(always)] // size: json-member-case
fn asks_for(byte: u8, found: u8) -> bool {
    let byte = u32::from(byte);
    let lowercase = if byte <= b'Z'.into() {
        byte | 0x20
    } else {
        byte
    };
    u32::from(found) == lowercase
}

#[cfg(test)]
mod tests;
