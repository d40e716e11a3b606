//! Writing text from its first byte to its last, behind the leases: for texts that ask the host for some
//! of their pieces.
//!
//! Between two questions (`ask.rs`) nothing but pieces of text run, as in a text that is written backward.
//! So there is no lease, and nothing to count.

#![allow(unsafe_code, reason = "it writes into the arena's free space")]

use crate::abi::Bytes;
use crate::arena::alloc::top;
use crate::arena::block::at_offset;
use crate::arena::lease::ArenaBytes;
use crate::arena::payload::Payload;
use crate::arena::storage::{self, LEASED};

/// A text that grows upwards from where the leases end.
pub struct ForwardWriter {
    /// The offset at which the text ends; `FULL` once something did not fit, or was not answered.
    pub(super) end: u32,
    /// Whether the text is empty and `PENDING` need not count it. (Known at compile time.)
    #[cfg_attr(
        not(any(asks, test)),
        allow(dead_code, reason = "only a piece that asks needs to know")
    )]
    pub(super) fresh: bool,
}

/// The end of a text that failed. No arena has an offset like that.
pub(super) const FULL: u32 = u32::MAX;

impl ForwardWriter {
    /// Builds a text for a host call that follows at once. But for its questions, `write` calls neither
    /// the host nor the flare.
    #[inline(always)] // size: inline-step
    pub(crate) fn build(write: impl FnOnce(ForwardWriter) -> ForwardWriter) -> Option<Payload> {
        let start = LEASED.get();
        // SAFETY: no arena has an offset like `FULL` (I2).
        // size: not-full
        unsafe { core::hint::assert_unchecked(start != FULL) };
        let text = write(ForwardWriter {
            end: start,
            fresh: true,
        });
        // What a host that called the flare had leased in the text meanwhile, the text may hold; but a block of
        // the heap its owner may change, so it is nobody's to read.
        if cfg!(any(feature = "arena-alloc", test)) && LEASED.get() > start {
            return None;
        }
        match text.end {
            FULL => None,
            end => Some(Payload::new(
                storage::origin() + start,
                storage::origin() + end,
            )),
        }
    }

    /// Where the text ends so far: an address. (If it failed, any.)
    #[cfg(any(feature = "spark", feature = "plasma", feature = "beam"))]
    #[inline(always)] // size: inline-step
    pub(crate) fn mark(&self) -> u32 {
        storage::origin().wrapping_add(self.end)
    }

    /// Appends bytes.
    #[inline(always)] // size: inline-step
    pub(crate) fn bytes(self, bytes: &[u8]) -> ForwardWriter {
        // SAFETY: a reference points to initialised bytes.
        unsafe { self.raw(bytes) }
    }

    /// Appends the bytes of a lease, and gives it back.
    #[inline(always)] // size: inline-step
    pub(crate) fn lease(self, lease: ArenaBytes) -> ForwardWriter {
        self.payload(Some(Payload::from(lease)))
    }

    /// Appends what has been built and is read at once: a lease that was given back, or what was
    /// written backward, which is moved. Such a text, if it reaches down into this one, does not fit
    /// behind it.
    #[inline(always)] // size: inline-step
    pub(crate) fn payload(self, payload: Option<Payload>) -> ForwardWriter {
        match payload {
            // SAFETY: the host or a writer has written the bytes. They are free space by now, but nothing
            // is written there before they are read: this text lies above all leases.
            Some(payload) => unsafe { self.raw(payload.raw()) },
            None => ForwardWriter {
                end: FULL,
                fresh: false,
            },
        }
    }

    /// # Safety
    ///
    /// The bytes are initialised and can be read.
    #[inline(always)] // size: inline-step
    unsafe fn raw(self, bytes: *const [u8]) -> ForwardWriter {
        ForwardWriter {
            // SAFETY: the caller's promise, and `end` is the text's.
            end: unsafe { append(self.end, bytes) },
            fresh: false,
        }
    }
}

/// Writes bytes behind `end`, if there is room; the new end, or `FULL` if there is not.
///
/// # Safety
///
/// The bytes are initialised and can be read. `end` is that of a [`ForwardWriter`].
#[inline] // size: inline-shared
pub(super) unsafe fn append(end: u32, bytes: *const [u8]) -> u32 {
    // In 64 bits nothing overflows, not even from `FULL` on.
    if u64::from(end) + bytes.len() as u64 > u64::from(top()) {
        return FULL;
    }
    // SAFETY: the text began at `LEASED`, which can only have come down since it last was looked at,
    // and it ends below `top()`: behind it is free space, in which no lease and no text lies and into
    // which no reference leads (I3, I4, I7). The bytes may lie there themselves (those that were written backward do).
    unsafe { core::ptr::copy(bytes.cast::<u8>(), at_offset(end), bytes.len()) }
    let end = end + bytes.len() as u32;
    // SAFETY: it is at most `top()`, which is no offset like `FULL` (I2).
    // size: not-full
    unsafe { core::hint::assert_unchecked(end != FULL) };
    end
}
