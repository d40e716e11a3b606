//! What a host call returned is claimed: it becomes a lease, or is read and given back at once. Here
//! is the one place where the host's addresses and lengths are checked.

#![allow(
    unsafe_code,
    reason = "what the check lets through is an address in the arena"
)]

#[cfg(any(bare, test))]
use crate::abi;
#[cfg(any(feature = "request", feature = "ws", test))]
use crate::arena::alloc::arena_refused;
use crate::arena::alloc::note_refusal;
use crate::arena::block::{self, Packed, block_end, is_behind};
#[cfg(any(feature = "request", test))]
use crate::arena::excerpt::Excerpt;
use crate::arena::invariants;
use crate::arena::lease::{ArenaBytes, count_lease};
#[cfg(any(feature = "request", test))]
use crate::arena::payload::Payload;
use crate::arena::storage::{self, LEASED, PENDING};

/// Takes what a host call returned as a lease, if it is one.
#[inline(always)] // size: inline-step
pub(crate) fn claim(returned: i64) -> Option<ArenaBytes> {
    let packed = Packed::new(check(returned) as u64)?;
    Some(ArenaBytes::new(packed))
}

/// [`claim`] for generic functions. They are compiled in the flare's crate, where each would get a copy of the check.
#[cfg(any(feature = "spark", feature = "plasma"))]
// size: shared-take
pub(crate) fn claim_shared(returned: i64) -> Option<ArenaBytes> {
    claim(returned)
}

/// Takes what a host call returned as a lease, and traps if it is none: for functions that have no way
/// to say so.
#[cfg(bare)]
#[inline(always)] // size: inline-step
pub(crate) fn claim_or_trap(returned: i64) -> ArenaBytes {
    match claim(returned) {
        Some(lease) => lease,
        None => abi::trap("the host gave no answer, or one that does not fit"),
    }
}

/// Takes what a host call returned as a lease; an empty one if it is none, and a trap if what there was
/// did not fit: for what may be missing, and must not be taken for missing.
#[cfg(any(feature = "request", feature = "ws", test))]
#[inline(always)] // size: inline-step
pub(crate) fn claim_unless_refused(returned: i64) -> ArenaBytes {
    match claim(returned) {
        Some(lease) => lease,
        None if arena_refused() => abi::trap("what the host has does not fit into the arena"),
        None => ArenaBytes::unanswered(),
    }
}

/// Takes what a host call returned as a lease, if it is one and not empty.
#[cfg(any(feature = "ws", test))]
#[inline(always)] // size: inline-step
pub(crate) fn claim_unless_empty(returned: i64) -> Option<ArenaBytes> {
    if block::length(returned) == 0 {
        // It may have been refused.
        note_refusal();
        None
    } else {
        claim(returned)
    }
}

/// Reads what a host call returned and gives it back at once, if it is anything: without a lease,
/// for what is copied or turned into a number.
///
/// `read` must call neither the host nor the flare.
#[cfg(any(takes, test))]
#[inline(always)] // size: inline-step
pub(crate) fn claim_with<T>(returned: i64, read: impl FnOnce(&[u8]) -> Option<T>) -> Option<T> {
    let packed = Packed::new(take(returned) as u64)?;
    // SAFETY: the block is one that the host allocated, behind all leases (`is_pending`). It is free space
    // by now (I7), and nothing that could write there runs before the borrow ends with `read`.
    read(unsafe { block::bytes_of(packed) })
}

/// The same for what becomes part of a text: while `read` writes the text, the answer is not free space.
///
/// `read` must call neither the host nor the flare.
#[cfg(all(feature = "beam", feature = "request"))]
#[inline(always)] // size: inline-step
pub(crate) fn claim_while<T>(returned: i64, read: impl FnOnce(&[u8]) -> T) -> Option<T> {
    let packed = Packed::new(take(returned) as u64)?;
    let leased = LEASED.get();
    LEASED.set(block_end(block::offset_of(packed), block::len_of(packed)));
    // SAFETY: as in `claim_with`; and what writes there, a writer, begins to where the leases end.
    let result = read(unsafe { block::bytes_of(packed) });
    LEASED.set(leased);
    Some(result)
}

/// Takes what a host call returned as a lease, if it is anything, and if `decode` makes something of it
/// where it lies. `None` if it is nothing, and the error if `decode` has one: then there was no lease,
/// and none is given back.
///
/// `decode` must call neither the host nor the flare.
#[cfg(any(feature = "beam", test))]
#[inline(always)] // size: inline-step
pub(crate) fn claim_decoded<T, E>(
    returned: i64,
    decode: impl FnOnce(&mut [u8]) -> Result<T, E>,
) -> Option<Result<(ArenaBytes, T), E>> {
    let packed = Packed::new(take(returned) as u64)?;
    // SAFETY: as in `claim_with`, and nothing else looks at it either.
    let decoded = decode(unsafe { block::bytes_of_mut(packed) });
    Some(decoded.map(|decoded| {
        LEASED.set(block_end(block::offset_of(packed), block::len_of(packed)));
        count_lease();
        invariants::check();
        (ArenaBytes::new(packed), decoded)
    }))
}

/// Takes a part of what a host call returned as a lease, if it is anything, and if `find` finds a part
/// in it, which it may have changed. What is behind the part is free; what is before it is kept with it.
///
/// `find` must call neither the host nor the flare.
#[cfg(any(feature = "request", test))]
#[inline(always)] // size: inline-step
pub(crate) fn claim_part(
    returned: i64,
    find: impl for<'a> FnOnce(Excerpt<'a>) -> Option<Excerpt<'a>>,
) -> Option<ArenaBytes> {
    let packed = Packed::new(take(returned) as u64)?;
    let (start, len) = part_of(packed, find)?;
    Some(ArenaBytes::new(lease_part(packed, start, len)))
}

/// The same for a part that goes to the host at once, in a call that returns data: no lease is made, and what
/// the host returns may lie where the part is. (It has read the part by then.)
///
/// `find` must call neither the host nor the flare.
#[cfg(any(feature = "request", test))]
#[inline(always)] // size: inline-step
pub(crate) fn part_for_call(
    returned: i64,
    find: impl for<'a> FnOnce(Excerpt<'a>) -> Option<Excerpt<'a>>,
) -> Option<Payload> {
    let packed = Packed::new(take(returned) as u64)?;
    let (start, len) = part_of(packed, find)?;
    let start = block::address_of(packed) + start;
    Some(Payload::new(start, start + len))
}

/// Where in a block that has just been taken the part begins that `find` finds in it, and its length.
#[cfg(any(feature = "request", test))]
#[inline(always)] // size: inline-step
fn part_of(
    packed: Packed,
    find: impl for<'a> FnOnce(Excerpt<'a>) -> Option<Excerpt<'a>>,
) -> Option<(u32, u32)> {
    // SAFETY: the block is one that the host allocated, behind all leases (`is_pending`). It is free space
    // by now (I7), its bytes are initialised (I8), and nothing else looks at it before the borrow ends with
    // `find`.
    let block = unsafe { block::bytes_of_mut(packed) };
    let block_start = block.as_ptr().addr();
    let part = find(Excerpt::of_block(block))?;
    let start = part.as_ptr().addr() - block_start;
    Some((start as u32, part.len() as u32))
}

/// Answers a packed block with itself, if it is the host's to return; otherwise with 0.
// size: shared-take
fn take(returned: i64) -> i64 {
    if !take_allocated(returned) {
        return 0;
    }
    // SAFETY: its address lies in the arena or just behind it (`is_pending`, I2), and there is no address 0:
    // not at the beginning, where statics lie, nor at the end, where a word follows.
    unsafe { core::hint::assert_unchecked(returned != 0) };
    returned
}

/// Leases a part of a block that lies behind all leases: an [`Excerpt`] of it, so it lies in the block.
#[cfg(any(feature = "request", test))]
#[inline(always)] // size: inline-step
fn lease_part(packed: Packed, start: u32, len: u32) -> Packed {
    debug_assert!(u64::from(start) + u64::from(len) <= u64::from(block::len_of(packed)));
    count_topmost(block::offset_of(packed) + start, len);
    invariants::check();
    let address = block::address_of(packed) + start;
    // SAFETY: as in `take`: there is no address 0 in the arena or just behind it.
    unsafe { Packed::new_unchecked(u64::from(address) << 32 | u64::from(len)) }
}

/// Answers a packed block with itself, counted as a lease, if the block is the host's to return; otherwise
/// with 0.
#[inline] // size: inline-shared
fn check(returned: i64) -> i64 {
    let packed = take(returned);
    if packed != 0 {
        count_topmost(block::offset(packed), block::length(packed));
    }
    invariants::check();
    packed
}

/// Counts a lease that ends where all leases end from now on.
#[inline(always)] // size: inline-step
fn count_topmost(offset: u32, len: u32) {
    let end = block_end(offset, len);
    LEASED.set(end);
    // SAFETY: rounding up to a multiple of 8 adds less than 8. (It is what `release` asks: a
    // lease that is given back at once is then known to be the topmost.)
    unsafe { core::hint::assert_unchecked(is_behind(end, offset, len)) }; // size: known-topmost
    count_lease();
}

/// Whether a block, which has this address and length, lies behind an offset and in what the host has
/// allocated since the last lease: the one place where the host's pointers are checked.
///
/// `behind` is where the leases end, or the text that grows there. If the host has called the flare
/// meanwhile, that text may end below a lease, and where nothing is allocated.
#[inline(always)] // size: inline-step
pub(super) fn is_pending(
    (address, len): (u32, u32),
    behind: u32,
    leased: u32,
    pending: u32,
) -> bool {
    // An address before `behind`, that of 0 ("no result") among them, wraps around and is too large.
    // In 64 bits the sum cannot overflow.
    let gap = address.wrapping_sub(storage::origin()).wrapping_sub(behind);
    let room = (leased + pending).wrapping_sub(behind) as i32;
    behind >= leased && i64::from(gap) + i64::from(len) <= i64::from(room) // size: one-comparison
}

/// Whether a packed block is the host's to return. If it is, all that was allocated is free from now on;
/// if not, it stays the host's.
#[inline(always)] // size: inline-step
fn take_allocated(returned: i64) -> bool {
    note_refusal();
    let (leased, pending) = (LEASED.get(), PENDING.get());
    let block = (block::address(returned), block::length(returned));
    if !is_pending(block, leased, leased, pending) {
        return false; // size: keep-pending
    }
    PENDING.set(0);
    true
}
