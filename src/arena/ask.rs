//! Asking the host in the middle of a text that is written forward.
//!
//! While the host is asked, the text counts as `PENDING`, so that the host's answer comes to lie behind
//! it. Blocks begin at multiples of 8, so the answer is then moved down by less than 8 bytes (by more if
//! the host allocated something else before it).

#![allow(
    unsafe_code,
    reason = "it moves the host's answer down to where the text ends"
)]

use crate::arena::alloc::note_refusal;
use crate::arena::block::{at_address, at_offset};
use crate::arena::claim::is_pending;
use crate::arena::forward::{FULL, ForwardWriter};
use crate::arena::storage::{self, LEASED, PENDING};

impl ForwardWriter {
    /// Asks the host and appends what it answers. `ask` calls it, once, and does nothing else.
    #[inline(always)] // size: inline-step
    pub(crate) fn ask(self, ask: impl FnOnce() -> i64) -> ForwardWriter {
        if self.end == FULL {
            return self;
        }
        if !self.fresh {
            PENDING.set(self.end - LEASED.get());
        }
        storage::keep_answer(ask());
        ForwardWriter {
            // SAFETY: `end` is the text's, and not `FULL`.
            end: unsafe { append_answer(self.end) },
            fresh: false,
        }
    }
}

/// Takes the answer that was kept as the rest of a growing text; the new end, or `FULL` if it is
/// nothing, or nothing that the host may return.
///
/// # Safety
///
/// `end` is that of a [`ForwardWriter`] and not `FULL`.
#[inline] // size: answer-in-memory
unsafe fn append_answer(end: u32) -> u32 {
    note_refusal();
    // Whatever comes of it, the question is over: no space is taken any more.
    let (leased, pending) = (LEASED.get(), PENDING.get());
    PENDING.set(0);
    let (address, len) = (storage::answer_address(), storage::answer_len());
    if !is_pending((address, len), end, leased, pending) {
        return FULL;
    }
    // SAFETY: by `is_pending` the text does not end below `leased`, and the answer lies behind it and in
    // what is pending. So all of it is free space, in which no lease and no text lies and into which no
    // reference leads (I2, I3, I4, I7). The answer is moved down in it.
    unsafe { core::ptr::copy(at_address(address), at_offset(end), len as usize) }
    end + len
}
