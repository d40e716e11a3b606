//! Text that is kept: scratch at the top end of the arena.

#![allow(
    unsafe_code,
    reason = "a text derefs to the arena's bytes, which are its own"
)]

use core::fmt;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};

use crate::abi::Bytes;
use crate::arena::alloc::{ArenaFull, top};
use crate::arena::backward::{BackwardWriter, prepend};
use crate::arena::block::{self, EMPTY, Packed, block_end, len_of, offset_of};
use crate::arena::forward::ForwardWriter;
use crate::arena::invariants;
use crate::arena::size::SIZE;
use crate::arena::storage::{self, PENDING, SCRATCH, TEXTS};
use crate::arena::traits::like_bytes;
use crate::bytes::utf8;

/// Text that the guest built in the arena's scratch, with [`text::build`](crate::text::build).
///
/// Derefs to the bytes. While it lives they stay where they are; dropping it gives the space back.
/// Like the leases on what the host wrote it is neither [`Send`] nor [`Sync`].
#[repr(transparent)]
pub struct Text {
    packed: Packed,
    /// Keeps the text on its thread: the arena's bookkeeping belongs to it.
    not_send: PhantomData<*mut u8>,
}

impl Text {
    /// Builds a text and keeps it. `write` calls neither the host nor the flare.
    #[inline(always)] // size: inline-step
    pub(crate) fn write_backward(
        write: impl FnOnce(BackwardWriter) -> BackwardWriter,
    ) -> Result<Text, ArenaFull> {
        let end = storage::origin() + begin();
        let start = BackwardWriter::write_from(end, write);
        Text::keep(start, end)
    }

    /// Builds a text that asks the host, and keeps it. But for its questions, `write` calls neither the
    /// host nor the flare.
    #[inline(always)] // size: inline-step
    pub(crate) fn write_forward(
        write: impl FnOnce(ForwardWriter) -> ForwardWriter,
    ) -> Result<Text, ArenaFull> {
        let grown = ForwardWriter::build(write).ok_or(ArenaFull)?;
        let end = storage::origin() + begin();
        // There is room where it is, and below it too; but while it was growing, a host that called the
        // flare may have had leases made there.
        // SAFETY: the writer has written the bytes, and nobody changes what is leased among them (where the heap
        // may have a block there, the text failed); a text written backward may begin at `end`.
        let start = unsafe { prepend(end, grown.raw()) };
        Text::keep(start, end)
    }

    /// Makes scratch of what was written between two addresses. 0 means that it did not fit.
    #[inline(always)] // size: inline-step
    fn keep(start: u32, end: u32) -> Result<Text, ArenaFull> {
        if start == 0 {
            return Err(ArenaFull);
        }
        // As with leases: an empty text holds nothing, so `TEXTS` cannot overflow.
        let mut packed = EMPTY;
        if start != end {
            packed = Packed::new(u64::from(start) << 32 | u64::from(end - start)).unwrap_or(EMPTY);
            SCRATCH.set(SIZE - (offset_of(packed) & !7));
            TEXTS.set(TEXTS.get() + 1);
        }
        invariants::check();
        Ok(Text {
            packed,
            not_send: PhantomData,
        })
    }

    /// The text as `str`, or `None` when a piece of it was not UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        utf8::from_utf8(self)
    }
}

/// Where a text ends that is to become scratch. What the host has allocated and never returned
/// is given up, so that it cannot return it any more and lease the scratch.
#[inline] // size: inline-small
fn begin() -> u32 {
    PENDING.set(0);
    top()
}

impl Deref for Text {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: `keep` made the block of what a writer had written and turned it into scratch, which no
        // lease, writer or other text overlaps until `drop` (I4, I7). Nothing writes to it but `deref_mut`,
        // which borrows the text mutably.
        unsafe { block::bytes_of(self.packed) }
    }
}

impl DerefMut for Text {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`; the text is borrowed mutably.
        unsafe { block::bytes_of_mut(self.packed) }
    }
}

impl Drop for Text {
    fn drop(&mut self) {
        let (start, len) = (offset_of(self.packed), len_of(self.packed));
        if len == 0 {
            return;
        }
        let texts = TEXTS.get() - 1;
        TEXTS.set(texts);
        if texts == 0 {
            SCRATCH.set(0);
        } else if start & !7 == top() {
            SCRATCH.set(SIZE - block_end(start, len));
        }
        invariants::check();
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_str() {
            Some(text) => fmt::Debug::fmt(text, f),
            None => fmt::Debug::fmt(&**self, f),
        }
    }
}

like_bytes!(Text);
