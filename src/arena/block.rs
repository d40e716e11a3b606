//! Blocks of the arena: address and length in one word, as the ABI packs them, and the bytes there.

#![allow(
    unsafe_code,
    reason = "it makes slices of the arena's bytes out of addresses"
)]

use core::num::NonZeroU64;

use crate::arena::storage;

/// A block of the arena as the ABI packs it: address in the high half, length in the low half.
/// The address is never 0, so `Option<Packed>` is one `i64` too.
pub(super) type Packed = NonZeroU64;

/// The block of a lease on nothing: its address is not null, and its length is 0.
pub(super) const EMPTY: Packed = Packed::new(1 << 32).unwrap();

/// Where a packed block begins, as the host sees it.
#[inline] // size: inline-small
pub(super) fn address(packed: i64) -> u32 {
    (packed as u64 >> 32) as u32
}

/// Where a packed block begins, as an offset into the arena.
#[inline] // size: inline-small
pub(super) fn offset(packed: i64) -> u32 {
    address(packed).wrapping_sub(storage::origin())
}

/// How many bytes a packed block has.
#[inline] // size: inline-small
pub(super) fn length(packed: i64) -> u32 {
    packed as u32
}

#[inline] // size: inline-small
pub(super) fn address_of(packed: Packed) -> u32 {
    address(packed.get() as i64)
}

#[inline] // size: inline-small
pub(super) fn offset_of(packed: Packed) -> u32 {
    offset(packed.get() as i64)
}

#[inline] // size: inline-small
pub(super) fn len_of(packed: Packed) -> u32 {
    length(packed.get() as i64)
}

/// Where the block of `len` bytes at `start` ends: blocks begin and end at multiples of 8.
#[inline] // size: inline-small
pub(super) fn block_end(start: u32, len: u32) -> u32 {
    start.wrapping_add(len).wrapping_add(7) & !7
}

/// Whether `end` is where the block of `len` bytes at `start` ends: that of the topmost lease is
/// `LEASED`. Blocks begin at multiples of 8, so with less than 8 bytes behind it nothing is.
#[inline] // size: inline-small
pub(super) fn is_behind(end: u32, start: u32, len: u32) -> bool {
    end.wrapping_sub(start.wrapping_add(len)) < 8 // size: is-behind
}

/// The byte at an address in the arena.
#[inline] // size: inline-small
pub(super) fn at_address(address: u32) -> *mut u8 {
    // size: at-address
    #[cfg(target_family = "wasm")]
    return core::ptr::with_exposed_provenance_mut(address as usize); // `origin` exposes it
    #[cfg(not(target_family = "wasm"))]
    storage::memory().wrapping_add(address.wrapping_sub(storage::origin()) as usize)
}

/// The byte at an offset in the arena.
///
/// # Safety
///
/// The offset is at most `SIZE`.
#[inline] // size: inline-small
pub(super) unsafe fn at_offset(offset: u32) -> *mut u8 {
    // SAFETY: it is in the arena, or just behind it.
    unsafe { storage::memory().add(offset as usize) } // size: at-offset
}

/// Where a block's bytes are.
///
/// # Safety
///
/// The block is empty or lies in the arena. (An empty one may have any address but 0.)
#[inline] // size: inline-small
unsafe fn start_of(packed: Packed) -> *mut u8 {
    let start = at_address(address_of(packed));
    // SAFETY: the caller's promise; there is no address 0 in the arena or just behind it.
    // size: not-null
    unsafe { core::hint::assert_unchecked(!start.is_null()) };
    start
}

/// The bytes of a block.
///
/// # Safety
///
/// The block is empty or lies in the arena, and nothing writes to it as long as `'a` lasts.
#[inline] // size: inline-small
pub(super) unsafe fn bytes_of<'a>(packed: Packed) -> &'a [u8] {
    // SAFETY: the arena's bytes are always initialised (I8): zeros at first, then what the host wrote or
    // what was copied from slices of bytes. (With `arena-alloc` the guest's heap writes there too,
    // padding among it; but such a block comes to light only after `guest_alloc` gave it to the host,
    // for all that Rust knows to write on it.) The rest is the caller's promise. The address of an
    // empty block is not null.
    unsafe { core::slice::from_raw_parts(start_of(packed), len_of(packed) as usize) }
}

/// The bytes of a block, to change.
///
/// # Safety
///
/// The block is empty or lies in the arena, and nothing else reads or writes it as long as `'a`
/// lasts.
#[inline] // size: inline-small
pub(super) unsafe fn bytes_of_mut<'a>(packed: Packed) -> &'a mut [u8] {
    // SAFETY: as in `bytes_of`.
    unsafe { core::slice::from_raw_parts_mut(start_of(packed), len_of(packed) as usize) }
}
