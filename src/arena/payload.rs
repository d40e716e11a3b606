//! What goes to the host in one call.

#![allow(
    unsafe_code,
    reason = "the host is handed bytes of the arena to which there is no reference"
)]

use crate::abi;
use crate::arena::block::{self, Packed};
use crate::arena::lease::{ArenaBytes, release_here};

/// Bytes for one host call: what a writer has built, or a lease that was given back for it. There may
/// be no reference to them: they are free space or scratch that nobody else looks at, and a host that
/// allocates might write there.
pub struct Payload {
    start: u32,
    end: u32,
}

// SAFETY: a writer has written the bytes, or the host has; they lie in the arena, or are none.
unsafe impl abi::Bytes for Payload {
    #[inline(always)] // size: inline-step
    fn raw(self) -> *const [u8] {
        let len = self.end.wrapping_sub(self.start);
        core::ptr::slice_from_raw_parts(block::at_address(self.start), len as usize)
    }
}

/// Gives the lease back: its bytes are free space by the time the host reads them, and nothing comes
/// between that could write there.
impl From<ArenaBytes> for Payload {
    #[inline(always)] // size: inline-step
    fn from(lease: ArenaBytes) -> Payload {
        let packed = lease.into_packed();
        release_here(packed);
        Payload::of_block(packed)
    }
}

impl Payload {
    /// What has been written between two addresses.
    #[inline(always)] // size: inline-step
    pub(super) fn new(start: u32, end: u32) -> Payload {
        Payload { start, end }
    }

    /// The two parts before and behind an address at which it was being written.
    #[cfg(any(feature = "spark", feature = "plasma", feature = "beam"))]
    #[inline(always)] // size: inline-step
    pub(crate) fn split_at(self, middle: u32) -> (Payload, Payload) {
        debug_assert!(self.start <= middle && middle <= self.end);
        (
            Payload::new(self.start, middle),
            Payload::new(middle, self.end),
        )
    }

    /// A block.
    #[inline(always)] // size: inline-step
    pub(super) fn of_block(packed: Packed) -> Payload {
        let start = block::address_of(packed);
        Payload::new(start, start.wrapping_add(block::len_of(packed)))
    }
}
