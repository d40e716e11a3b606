//! A lease on bytes, and the account of the living: what is counted, and what is given back.

#![allow(
    unsafe_code,
    reason = "a lease derefs to the arena's bytes, which the account keeps as they are"
)]

use core::fmt;
use core::marker::PhantomData;
use core::ops::Deref;

use crate::abi;
use crate::arena::block::{self, EMPTY, Packed, is_behind, len_of, offset_of};
use crate::arena::invariants;
use crate::arena::storage::{LEASED, LIVE};
use crate::arena::traits::like_bytes;

/// Bytes that the host wrote into the arena, borrowed from there.
///
/// Derefs to `[u8]`. While it lives, its bytes stay where they are; dropping it gives the space
/// back. It is neither [`Send`] nor [`Sync`], and what it derefs to cannot outlive it.
#[repr(transparent)]
pub struct ArenaBytes {
    packed: Packed,
    /// Keeps the lease on its thread: the arena's bookkeeping belongs to it.
    not_send: PhantomData<*mut u8>,
}

impl ArenaBytes {
    /// The lease on a block, which has been counted.
    #[inline(always)] // size: inline-step
    pub(super) fn new(packed: Packed) -> ArenaBytes {
        ArenaBytes {
            packed,
            not_send: PhantomData,
        }
    }

    /// A lease on nothing, in place of what the host did not return.
    #[cfg(any(feature = "request", feature = "ws", test))]
    #[inline(always)] // size: inline-step
    pub(super) fn unanswered() -> ArenaBytes {
        count_lease();
        ArenaBytes::new(EMPTY)
    }

    /// The block, which nobody gives back any more.
    #[inline(always)] // size: inline-step
    pub(super) fn into_packed(self) -> Packed {
        core::mem::ManuallyDrop::new(self).packed
    }

    /// The block.
    #[inline(always)] // size: inline-step
    pub(super) fn packed(&self) -> Packed {
        self.packed
    }

    /// Makes it a lease on another block, which has been leased in the place of its own.
    pub(super) fn move_to(&mut self, packed: Packed) {
        self.packed = packed;
    }

    /// The bytes, to be changed in place.
    #[cfg(any(
        reads_json,
        writes_json,
        feature = "request",
        feature = "crypto",
        feature = "secrets",
        test
    ))]
    pub(crate) fn as_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`; and `&mut self` means that nothing it dereferenced to is still borrowed.
        unsafe { block::bytes_of_mut(self.packed) }
    }

    /// Takes the first `N` bytes off the lease; `None` if it has fewer.
    #[cfg(any(feature = "spark", test))]
    #[inline(always)] // size: inline-register
    pub(crate) fn split_first<const N: usize>(self) -> Option<([u8; N], ArenaBytes)> {
        let first = *self.first_chunk()?;
        let n = N as u64;
        // More to the address and less to the length, at once: the end stays where it is. (There are so many.)
        // size: known-to-be-there
        let packed = self.into_packed().get() + ((n << 32) - n);
        // SAFETY: the address was not 0, and goes up to the end of the block at most, which is below 4 GiB:
        // that of the arena is, and an empty block has nothing to take off.
        let packed = unsafe {
            core::hint::assert_unchecked(packed != 0);
            Packed::new_unchecked(packed)
        };
        Some((first, ArenaBytes::new(packed)))
    }

    /// Keeps the first `n` bytes, if there are more.
    #[cfg(any(reads_json, writes_json, feature = "crypto", test))]
    pub(crate) fn truncate(self, n: u32) -> ArenaBytes {
        let packed = self.into_packed();
        let (offset, len) = (offset_of(packed), len_of(packed));
        let rest = len - n.min(len);
        // What the topmost lease gives up is free at once, so that dropping it rolls back.
        if is_behind(LEASED.get(), offset, len) {
            LEASED.set(block::block_end(offset, len - rest));
        }
        invariants::check();
        let packed = packed.get() - u64::from(rest);
        // SAFETY: `rest` is no more than the length, so the address stays as it is, which is not 0.
        ArenaBytes::new(unsafe { Packed::new_unchecked(packed) })
    }
}

/// A lease on nothing.
impl Default for ArenaBytes {
    fn default() -> ArenaBytes {
        count_unasked();
        ArenaBytes::new(EMPTY)
    }
}

impl Deref for ArenaBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the block is empty or lies below `LEASED` (I3), because `claim` takes only what lies
        // behind it, and `release` never moves it below a living lease (I5). So nothing writes there while
        // the lease lives: no other lease, no text and no writer (I3, I4, I7), nor the host, which is given
        // only what lies behind `LEASED`; and the crate's own changes in place go through `&mut self`.
        // The lease does not leave its thread.
        unsafe { block::bytes_of(self.packed) }
    }
}

impl Drop for ArenaBytes {
    fn drop(&mut self) {
        release(self.packed);
    }
}

impl fmt::Debug for ArenaBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

like_bytes!(ArenaBytes);

/// Counts one living lease more, which takes space, or for which the host was called. There is not time enough to
/// do that so often that `LIVE` would overflow.
#[inline(always)] // size: inline-step
pub(super) fn count_lease() {
    LIVE.set(LIVE.get() + 1);
}

/// How many leases may be alive when one is made that takes no space and asks nobody.
pub(super) const MOST_UNASKED: u64 = u64::MAX / 2;

/// Counts one living lease more, which takes no space and for which nobody was asked. If the flare leaks such ones in
/// a loop, the compiler makes one addition of it, whose result may be any number: 0 would free what is leased.
#[inline(always)] // size: inline-step
pub(super) fn count_unasked() {
    if LIVE.get() > MOST_UNASKED {
        abi::trap("more leases were leaked than can be counted");
    }
    count_lease();
}

/// Counts one living lease off. Without the last, everything is free again; if others live,
/// `roll_back` may make free what was behind them.
#[inline(always)] // size: inline-step
pub(super) fn uncount_lease(roll_back: impl FnOnce()) {
    let live = LIVE.get() - 1;
    LIVE.set(live);
    if live == 0 {
        LEASED.set(0);
    } else {
        roll_back();
    }
    invariants::check();
}

/// Gives a lease's block back.
#[inline] // size: inline-shared
pub(super) fn release(packed: Packed) {
    release_here(packed);
}

/// The same, for a lease that may have been made right before: where the compiler sees both, it leaves out
/// what is counted on and off.
#[inline(always)] // size: release-here
pub(super) fn release_here(packed: Packed) {
    let (offset, len) = (offset_of(packed), len_of(packed));
    uncount_lease(|| {
        if is_behind(LEASED.get(), offset, len) {
            // Back to the multiple of 8 at which the block began: a lease may begin inside of it. (An
            // empty one may have no block; then it lies at such a multiple, and nothing changes.)
            LEASED.set(offset & !7);
        }
    });
}
