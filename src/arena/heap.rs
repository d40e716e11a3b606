//! What `heap::ArenaAlloc` is made of: blocks of the guest's heap, which are like leases.

#![allow(
    unsafe_code,
    reason = "whoever gives memory of the heap back promises that it is theirs"
)]

use crate::arena::alloc::top;
use crate::arena::block::{EMPTY, Packed, block_end, offset_of};
use crate::arena::invariants;
use crate::arena::lease::{count_lease, release};
use crate::arena::storage::{self, LEASED, PENDING};

/// Takes memory for the guest's heap, behind all leases, which it then is like one of; null if there
/// is no room.
pub(crate) fn take(size: usize, align: usize) -> *mut u8 {
    // What the host allocated and never returned is given up.
    PENDING.set(0);
    let base = storage::memory() as usize;
    let leased = LEASED.get() as usize;
    // Blocks begin at multiples of 8 in any case. An address beyond the end of memory wraps around, and
    // back when the base is taken off it: the offset is right, and too large.
    let behind = base.wrapping_add(leased).wrapping_add(align - 1);
    let start = (behind & !(align - 1)).wrapping_sub(base);
    if start > top() as usize || size > top() as usize - start {
        return core::ptr::null_mut();
    }
    LEASED.set(block_end(start as u32, size as u32));
    count_lease();
    invariants::check();
    storage::memory().wrapping_add(start)
}

/// Takes memory of the guest's heap back.
///
/// # Safety
///
/// The block came from [`take`] with this size, and is not used any more.
pub(crate) unsafe fn give_back(block: *mut u8, size: usize) {
    release(heap_block(block, size));
}

/// Makes a block of the guest's heap larger or smaller where it is, if it is the topmost and there
/// is room.
///
/// # Safety
///
/// The block came from [`take`] with the old size.
pub(crate) unsafe fn resize(block: *mut u8, old: usize, new: usize) -> bool {
    PENDING.set(0);
    let packed = heap_block(block, old);
    let start = offset_of(packed);
    if LEASED.get() != block_end(start, old as u32) || new > (top() - start) as usize {
        return false;
    }
    LEASED.set(block_end(start, new as u32));
    invariants::check();
    true
}

fn heap_block(block: *mut u8, size: usize) -> Packed {
    let address = storage::origin() + (block as usize - storage::memory() as usize) as u32;
    Packed::new(u64::from(address) << 32 | size as u64).unwrap_or(EMPTY)
}
