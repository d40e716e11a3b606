//! The arena's bytes and its bookkeeping, on native targets: one arena for each thread, because tests
//! run in parallel. `storage.rs` says what the words mean.

#![cfg_attr(
    any(test, feature = "testing"),
    allow(unsafe_code, reason = "the in-memory host writes into the arena")
)]

use core::cell::Cell;
use core::sync::atomic::AtomicPtr;
use std::boxed::Box;
use std::sync::{Mutex, PoisonError};
use std::vec::Vec;
use std::{thread_local, vec};

#[cfg(any(asks, test))]
use crate::arena::block;
use crate::arena::size::SIZE;

/// Every thread's arena, for ever: a lease may have been leaked, and borrowed as `&'static`, so
/// its bytes have to outlive the thread. Nobody looks into an arena through this list: it keeps
/// them reachable, so that leak checkers do not report them.
static ALL: Mutex<Vec<AtomicPtr<u8>>> = Mutex::new(Vec::new());

thread_local! {
    /// The first byte of the thread's arena. It is zeroed where it lies, on the heap: it may be
    /// larger than a thread's stack, and what is never touched then takes no memory.
    static RAW_BYTES: *mut u8 = {
        // Large words, because the arena begins at a multiple of 8. (`u64` would do, but that 32-bit x86 aligns it to 4.)
        const WORD: usize = size_of::<u128>();
        const { assert!(align_of::<u128>() % 8 == 0) };
        let words = vec![0_u128; (SIZE as usize).div_ceil(WORD)].into_boxed_slice();
        let memory = Box::into_raw(words).cast();
        ALL.lock().unwrap_or_else(PoisonError::into_inner).push(AtomicPtr::new(memory));
        memory
    };
    pub(super) static LEASED: Cell<u32> = const { Cell::new(0) };
    pub(super) static PENDING: Cell<u32> = const { Cell::new(0) };
    pub(super) static SCRATCH: Cell<u32> = const { Cell::new(0) };
    pub(super) static LIVE: Cell<u64> = const { Cell::new(0) };
    pub(super) static TEXTS: Cell<u32> = const { Cell::new(0) };
    pub(super) static REFUSED: Cell<u32> = const { Cell::new(0) };
    pub(super) static WAS_REFUSED: Cell<u32> = const { Cell::new(0) };
    #[cfg(any(asks, test))]
    static ANSWER: Cell<i64> = const { Cell::new(0) };
}

#[cfg(any(asks, test))]
pub(super) fn keep_answer(returned: i64) {
    ANSWER.set(returned);
}

#[cfg(any(asks, test))]
pub(super) fn answer_len() -> u32 {
    block::length(ANSWER.get())
}

#[cfg(any(asks, test))]
pub(super) fn answer_address() -> u32 {
    block::address(ANSWER.get())
}

pub(super) fn memory() -> *mut u8 {
    RAW_BYTES.with(|memory| *memory)
}

/// Native addresses do not fit into 32 bits, so the arena has the address here that it has in
/// a Wasm module whose stack is 4,096 bytes.
const ORIGIN: u32 = 4096;

#[cfg(not(test))]
pub(super) fn origin() -> u32 {
    ORIGIN
}

/// A test may move the arena: to the end of memory, for one.
#[cfg(test)]
pub(super) fn origin() -> u32 {
    MOVED_TO.get()
}

#[cfg(test)]
thread_local! {
    pub(super) static MOVED_TO: Cell<u32> = const { Cell::new(ORIGIN) };
}

/// Writes into a block that `guest_alloc` gave, as the host does: for the in-memory host.
///
/// # Panics
///
/// When any of it is not in such a block, or the block has been leased or given up since.
#[cfg(any(test, feature = "testing"))]
pub(crate) fn host_write(address: i32, bytes: &[u8]) {
    let start = (address as u32).wrapping_sub(origin()) as usize;
    let leased = LEASED.get() as usize;
    let end = leased + PENDING.get() as usize;
    assert!(
        start >= leased && start <= end && bytes.len() <= end - start,
        "the host writes only into what it has just allocated"
    );
    // SAFETY: the bytes lie behind all leases and below the scratch (`guest_alloc` sees to it), in
    // this thread's arena: no reference leads there, and `bytes` is none of the arena's.
    unsafe { core::ptr::copy(bytes.as_ptr(), memory().add(start), bytes.len()) }
}
