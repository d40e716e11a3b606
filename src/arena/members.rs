//! A JSON object of what the host answers, for a host call: written backward, as all other text is, and kept
//! while the host is asked for the next member.
//!
//! So an answer lies below what has been written, and is read where it lies: whether there is one is known before
//! anything of the member is written.
// size: members-backward

#![allow(
    unsafe_code,
    reason = "it reads an answer and writes in front of what has been written"
)]

use core::mem::ManuallyDrop;

use crate::arena::alloc::{note_refusal, top};
use crate::arena::backward::{BackwardWriter, prepend};
use crate::arena::block::at_address;
use crate::arena::claim::claim_while;
use crate::arena::invariants;
use crate::arena::payload::Payload;
use crate::arena::size::SIZE;
use crate::arena::storage::{self, PENDING, REFUSED, SCRATCH, TEXTS};

/// The text of an object, from its last byte up to the member that was put in front last, with another text behind
/// it: a text that is kept (I4, I6) as long as it lives.
pub(crate) struct Members {
    /// Where it begins: an address; 0 once something did not fit, or a host that called the flare had another text
    /// kept in front of it.
    start: u32,
    /// Where the object ends, and the text behind it begins.
    middle: u32,
    /// Where both end.
    end: u32,
}

impl Members {
    /// Builds an object that ends in `last`, in front of the text that `behind` writes, and keeps both. `behind` calls
    /// neither the host nor the flare, and `write` does it only to ask. `None` if `last` does not fit, or is empty.
    #[inline(always)] // size: inline-step
    pub(crate) fn build(
        behind: impl FnOnce(BackwardWriter) -> BackwardWriter,
        last: &[u8],
        write: impl FnOnce(&mut Members),
    ) -> Option<Members> {
        let end = storage::origin() + top();
        let middle = BackwardWriter::write_from(end, behind);
        let start = if last.is_empty() {
            0
        } else {
            put(middle, last)
        };
        if start == 0 {
            return None;
        }
        TEXTS.set(TEXTS.get() + 1);
        let mut members = Members { start, middle, end };
        write(&mut members);
        Some(members)
    }

    /// Puts text in front.
    #[inline(always)] // size: inline-step
    pub(crate) fn put(&mut self, text: &[u8]) {
        self.start = put(self.start, text);
        invariants::check();
    }

    /// Asks the host, and puts a member in front: a name, and the answer, both as `quote` writes a string. Nothing if
    /// there is no answer, or an empty one. `ask` calls the host, once, and does nothing else; `quote` calls nobody.
    #[inline(always)] // size: inline-step
    pub(crate) fn member(
        &mut self,
        name: &str,
        quote: impl Fn(&[u8], BackwardWriter) -> BackwardWriter,
        ask: impl FnOnce() -> i64,
    ) {
        let answer = ask();
        // SAFETY: the text's beginning, or 0.
        self.start = unsafe { member(self.start, name, quote, answer) };
        invariants::check();
    }

    /// The object, and what is behind it, for a call that follows at once; `None` if something did not fit.
    #[inline(always)] // size: inline-step
    pub(crate) fn payloads(self) -> Option<(Payload, Payload)> {
        let members = ManuallyDrop::new(self);
        let (start, middle, end) = (members.start, members.middle, members.end);
        // That it was the last that was kept has been looked at since the host was asked.
        members.release(start != 0);
        if start == 0 {
            return None;
        }
        Some((Payload::new(start, middle), Payload::new(middle, end)))
    }

    /// Keeps it no longer.
    #[inline(always)] // size: inline-step
    fn release(&self, is_last: bool) {
        let texts = TEXTS.get() - 1;
        TEXTS.set(texts);
        if texts == 0 {
            SCRATCH.set(0);
        } else if is_last {
            SCRATCH.set(SIZE - (self.end - storage::origin()));
        }
        invariants::check();
    }
}

/// Where a text is given up before it is whole: a host may have panicked, as that of a test does.
impl Drop for Members {
    fn drop(&mut self) {
        self.release(begins_scratch(self.start));
    }
}

/// Whether a text that begins at an address is the one that was kept last.
#[inline(always)] // size: inline-step
fn begins_scratch(start: u32) -> bool {
    start.wrapping_sub(storage::origin()) & !7 == top()
}

/// Puts text in front of what begins at `at`, and keeps both; the new beginning, or 0 if it does not fit.
#[inline(never)] // size: one-copy
fn put(at: u32, text: &[u8]) -> u32 {
    // What the host has allocated and never returned is given up: the text may come to lie there.
    PENDING.set(0);
    // SAFETY: a reference points to initialised bytes; `at` is a writer's.
    let start = unsafe { prepend(at, text) };
    if start != 0 {
        SCRATCH.set(SIZE - ((start - storage::origin()) & !7));
    }
    start
}

/// Puts a member in front of what begins at `at`; the new beginning, or 0.
///
/// # Safety
///
/// `at` is the beginning of a text that is kept and not empty, or 0.
#[inline(never)] // size: one-copy
unsafe fn member(
    at: u32,
    name: &str,
    quote: impl Fn(&[u8], BackwardWriter) -> BackwardWriter,
    answer: i64,
) -> u32 {
    // What a host that called the flare had kept in front of it must not be written over. (0 begins nothing.)
    if !begins_scratch(at) {
        note_refusal();
        return 0;
    }
    let is_refused = REFUSED.get() != 0;
    let start = claim_while(answer, |value| {
        if value.is_empty() {
            return at;
        }
        // SAFETY: the text is not empty, and has been written.
        let is_last = unsafe { *at_address(at) } == b'}';
        BackwardWriter::write_from(at, |text| {
            let text = if is_last { text } else { text.bytes(b",") };
            let text = quote(value, text).bytes(b":");
            quote(name.as_bytes(), text)
        })
    });
    match start {
        Some(start) => put(start, b""),
        None if is_refused => 0,
        None => at,
    }
}
