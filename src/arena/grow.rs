//! Leases that grow, and copies of them: what a flare writes behind what the host wrote.
//!
//! The topmost lease grows where it is. Any other is moved to the top first; its old place stays taken
//! until no lease is alive.

#![allow(
    unsafe_code,
    reason = "it writes into the arena's free space, which then is the lease's"
)]

use core::ops::{Add, AddAssign};

use crate::abi;
use crate::arena::alloc::{ArenaFull, top};
use crate::arena::block::{Packed, at_offset, block_end, bytes_of, is_behind, len_of, offset_of};
use crate::arena::invariants;
use crate::arena::lease::ArenaBytes;
use crate::arena::storage::{self, LEASED, PENDING};
use crate::arena::str::ArenaStr;

impl ArenaBytes {
    /// Appends bytes.
    ///
    /// # Errors
    ///
    /// [`ArenaFull`] when there is no room for them; then nothing has changed.
    pub fn try_extend_from_slice(&mut self, more: &[u8]) -> Result<(), ArenaFull> {
        if more.is_empty() {
            return Ok(());
        }
        // What the host allocated and never returned is given up.
        PENDING.set(0);
        let (leased, old) = (LEASED.get(), self.packed());
        let len = len_of(old);
        let is_topmost = len != 0 && is_behind(leased, offset_of(old), len);
        let start = if is_topmost { offset_of(old) } else { leased };
        let grown = u64::from(len) + more.len() as u64;
        if u64::from(start) + grown > u64::from(top()) {
            return Err(ArenaFull);
        }
        let address = u64::from(storage::origin() + start);
        let Some(block) = Packed::new(address << 32 | grown) else {
            return Err(ArenaFull); // There is no address 0 in the arena.
        };
        // SAFETY: from where the leases end (for the topmost: from its own end on) up to `top()` there is free
        // space, to which no reference leads (I2, I3, I4, I7): what is read lies elsewhere, in a lease, in a
        // text that is kept, or outside the arena. All of it fits below `top()`. `&mut self` means that
        // nobody looks at the old bytes either, which are the lease's and initialised (I8).
        unsafe {
            if !is_topmost {
                let old = bytes_of(old);
                core::ptr::copy_nonoverlapping(old.as_ptr(), at_offset(start), old.len());
            }
            core::ptr::copy_nonoverlapping(more.as_ptr(), at_offset(start + len), more.len());
        }
        // As `top()` is a multiple of 8 (I1), the end of the block is no further than that (I2). One lease has
        // become another: as many are alive.
        LEASED.set(block_end(start, grown as u32));
        self.move_to(block);
        invariants::check();
        Ok(())
    }

    /// Appends bytes, as a `Vec` does.
    ///
    /// # Traps
    ///
    /// When there is no room for them in the arena; [`try_extend_from_slice`](Self::try_extend_from_slice)
    /// tells instead.
    pub fn extend_from_slice(&mut self, more: &[u8]) {
        if self.try_extend_from_slice(more).is_err() {
            abi::trap("what was appended to a lease does not fit into the arena");
        }
    }
}

impl ArenaStr {
    /// Appends text, as a `String` does.
    ///
    /// # Traps
    ///
    /// When there is no room for it in the arena; [`try_push_str`](Self::try_push_str) tells instead.
    pub fn push_str(&mut self, text: &str) {
        self.as_lease().extend_from_slice(text.as_bytes());
    }

    /// Appends a character, as a `String` does.
    ///
    /// # Traps
    ///
    /// As [`push_str`](Self::push_str).
    pub fn push(&mut self, character: char) {
        self.push_str(character.encode_utf8(&mut [0; 4]));
    }

    /// Appends text.
    ///
    /// # Errors
    ///
    /// [`ArenaFull`] when there is no room for it; then nothing has changed.
    pub fn try_push_str(&mut self, text: &str) -> Result<(), ArenaFull> {
        self.as_lease().try_extend_from_slice(text.as_bytes())
    }
}

/// A copy in the arena. Traps when there is no room for it.
impl Clone for ArenaBytes {
    fn clone(&self) -> ArenaBytes {
        let mut copy = ArenaBytes::default();
        copy.extend_from_slice(self);
        copy
    }
}

/// A copy in the arena. Traps when there is no room for it.
impl Clone for ArenaStr {
    fn clone(&self) -> ArenaStr {
        // Bytes that are not text are copied as they are, and repaired when somebody looks at the copy.
        let mut copy = ArenaBytes::default();
        copy.extend_from_slice(self.raw());
        copy.into_text()
    }
}

/// A copy in the arena. Traps when there is no room for it.
impl From<&str> for ArenaStr {
    fn from(text: &str) -> ArenaStr {
        let mut copy = ArenaStr::default();
        copy.push_str(text);
        copy
    }
}

/// A copy in the arena. Traps when there is no room for it.
impl From<&[u8]> for ArenaBytes {
    fn from(bytes: &[u8]) -> ArenaBytes {
        let mut copy = ArenaBytes::default();
        copy.extend_from_slice(bytes);
        copy
    }
}

/// As [`push_str`](ArenaStr::push_str).
impl AddAssign<&str> for ArenaStr {
    fn add_assign(&mut self, text: &str) {
        self.push_str(text);
    }
}

/// The text with another behind it, in the same lease. Traps when there is no room for it.
impl Add<&str> for ArenaStr {
    type Output = ArenaStr;

    fn add(mut self, text: &str) -> ArenaStr {
        self.push_str(text);
        self
    }
}

impl Extend<char> for ArenaStr {
    fn extend<T: IntoIterator<Item = char>>(&mut self, characters: T) {
        characters.into_iter().for_each(|one| self.push(one));
    }
}

impl<'a> Extend<&'a str> for ArenaStr {
    fn extend<T: IntoIterator<Item = &'a str>>(&mut self, texts: T) {
        texts.into_iter().for_each(|text| self.push_str(text));
    }
}

/// What does not fit is an error, and no part of it is appended.
impl core::fmt::Write for ArenaStr {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        self.try_push_str(text)
            .map_err(|ArenaFull| core::fmt::Error)
    }
}
