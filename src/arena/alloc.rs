//! What the host calls: `alloc`; and what the flare is told of it.

use core::fmt;

use crate::arena::block::block_end;
use crate::arena::invariants;
use crate::arena::size::SIZE;
use crate::arena::storage::{self, LEASED, PENDING, REFUSED, SCRATCH, WAS_REFUSED};

/// Where the scratch begins, and free space ends.
#[inline] // size: inline-small
pub(super) fn top() -> u32 {
    SIZE - SCRATCH.get()
}

/// Hands out a block of the arena to the host: what the `alloc` export is.
///
/// The block is 8-byte aligned. The result is its address, or `0` when `size` is not positive or
/// the arena has no room for it; the host then returns "no result" from the call that wanted the
/// block, and [`arena_refused`] tells so.
///
/// On native targets the address is a made-up one that only the test host understands.
pub fn guest_alloc(size: i32) -> i32 {
    // No import of these modules returns data, so no host has anything to ask for.
    // size: no-claims
    if cfg!(not(any(
        claims,
        test,
        feature = "testing",
        feature = "arena-alloc"
    ))) {
        return 0;
    }
    // Up to a multiple of 8: a growing text may end anywhere. It is no more than there is, because
    // both ends of the free space are such multiples (I1, I2).
    let pending = block_end(PENDING.get(), 0);
    let start = LEASED.get() + pending;
    // One less than 0, or than a negative size, is more than any room.
    if (size as u32).wrapping_sub(1) >= top() - start {
        REFUSED.set(1);
        return 0;
    }
    PENDING.set(pending + size as u32);
    invariants::check();
    (storage::origin() + start) as i32
}

/// Makes all of the arena free that no lease holds: for the start of an invocation.
///
/// [`handle_request!`](crate::handle_request) and its like do it for you. It is safe to call at any
/// time: what is leased stays where it is, only results that were written and never leased are
/// given up.
#[inline] // size: inline-small
pub fn reset_arena() {
    PENDING.set(0);
}

/// Whether the last result that came back empty-handed did so for want of space: the host's
/// answer did not fit into the arena, or the argument did not fit into the scratch.
///
/// Every host call that returns data sets it anew. Functions that return a `Result` say the same
/// with an error of its own; after a `None` this tells "did not fit" from "was not there":
///
/// ```
/// # #[cfg(feature = "spark")] {
/// use flaron_sdk::{arena_refused, spark};
///
/// if spark::get("profile").is_none() && arena_refused() {
///     // There is a value, but it is larger than what is left of the arena.
/// }
/// # }
/// ```
#[inline] // size: inline-small
pub fn arena_refused() -> bool {
    WAS_REFUSED.get() != 0
}

#[cfg(any(claims, test))]
/// A host call has returned: what it was refused meanwhile is what [`arena_refused`] tells from now on.
#[inline(always)] // size: inline-step
pub(super) fn note_refusal() {
    WAS_REFUSED.set(REFUSED.get());
    REFUSED.set(0);
}

/// An argument of a host call did not fit, so that there is no call: [`arena_refused`] tells once its
/// result, "no result", has been claimed.
#[cfg(any(calls, test))]
pub(crate) fn refuse_argument() {
    REFUSED.set(1);
}

/// The error for "did not fit": the arena has no room left for what was to be built in it.
///
/// Drop leases that are no longer needed, or set a larger arena (see
/// [`ARENA_BYTES`](crate::ARENA_BYTES)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArenaFull;

impl fmt::Display for ArenaFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the arena is full: drop leases, or set a larger FLARON_ARENA_BYTES")
    }
}

impl core::error::Error for ArenaFull {}
