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
#[cfg(all(feature = "beam", feature = "request"))]
use crate::arena::{alloc::top, storage::REFUSED};
#[cfg(all(feature = "beam", feature = "request"))]
use crate::{
    abi::Bytes, arena::backward::BackwardWriter, arena::forward::append, bytes::quote::escape,
};

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

    /// Asks the host and appends what it answers as a JSON string; goes back to where the text once ended
    /// if there is no answer, or an empty one. One that does not fit makes the text fail, as in
    /// [`ask`](Self::ask).
    #[cfg(all(feature = "beam", feature = "request"))]
    pub(crate) fn ask_quoted(self, otherwise: u32, ask: impl FnOnce() -> i64) -> ForwardWriter {
        if self.end == FULL {
            return self;
        }
        PENDING.set(self.end - LEASED.get());
        // SAFETY: `end` is the text's, and not `FULL`.
        let end = unsafe { quote_answer(self.end, otherwise, ask()) };
        ForwardWriter { end, fresh: false }
    }

    /// Appends bytes as a JSON string.
    #[cfg(all(feature = "beam", feature = "request"))]
    pub(crate) fn quoted(self, bytes: &[u8]) -> ForwardWriter {
        let start = self.end;
        let text = self.bytes(bytes);
        // SAFETY: the bytes were appended there, and nobody was asked since.
        let end = unsafe { quote(start, text.end) };
        ForwardWriter { end, fresh: false }
    }
}

/// Takes an answer as the rest of a growing text, as a JSON string; the new end, or `FULL` if it does not
/// fit. If it is nothing, the text goes back to where it once ended.
///
/// # Safety
///
/// `end` is that of a [`ForwardWriter`] and not `FULL`.
#[cfg(all(feature = "beam", feature = "request"))]
#[inline(never)] // size: one-copy
unsafe fn quote_answer(end: u32, otherwise: u32, answer: i64) -> u32 {
    // Only "no result" can be for want of space: an empty answer has an address, whatever was refused before.
    if answer as u32 == 0 && (answer != 0 || REFUSED.get() == 0) {
        note_refusal();
        PENDING.set(0);
        // A host that called the flare meanwhile may have had a lease made there, or a text.
        let is_free = otherwise >= LEASED.get() && otherwise <= end.min(top());
        return if is_free { otherwise } else { FULL };
    }
    storage::keep_answer(answer);
    // SAFETY: the caller's promise.
    let answered = unsafe { append_answer(end) };
    // SAFETY: the answer was appended there, behind all leases.
    unsafe { quote(end, answered) }
}

/// Makes a JSON string of what was appended to a growing text between `start` and `end`; the new end, or
/// `FULL` if it does not fit, or if `end` is.
///
/// The string is written backward, down from the top, and moved to where it belongs. What it writes over before
/// that has been read was in the way: then it reaches down to `start`, and does not fit behind it.
///
/// # Safety
///
/// `start` is where the text ended before it was appended, and at least where the leases end by now.
// size: quoted-backward
#[cfg(all(feature = "beam", feature = "request"))]
#[inline(never)] // size: one-copy
unsafe fn quote(start: u32, end: u32) -> u32 {
    if end == FULL {
        return FULL;
    }
    let string = BackwardWriter::build(|mut string| {
        let (mut at, mut characters) = (end, u64::from(b'"'));
        loop {
            while characters != 0 {
                string = string.byte(characters as u8);
                characters >>= 8;
            }
            if at <= start {
                break;
            }
            at -= 1;
            // SAFETY: it is in what was appended, so in the arena, all of which is initialised (I8), and there is no
            // reference to it.
            characters = escape(unsafe { *at_offset(at) });
        }
        string.byte(b'"')
    });
    match string {
        // SAFETY: the writer has written the bytes, and `start` is the text's.
        Some(string) => unsafe { append(start, string.raw()) },
        None => FULL,
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
