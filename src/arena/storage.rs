//! The arena's bytes and its bookkeeping, on Wasm. (`storage_native.rs` is the same for other targets.)
//!
//! All words are offsets into the arena and begin with 0, so that none needs a data segment. Each is
//! a static of its own: the linker removes what a flare never reads.

#![allow(
    unsafe_code,
    reason = "the arena and its words are statics that change, in a module of one thread"
)]

use core::cell::UnsafeCell;

#[cfg(asks)]
use crate::arena::block;
use crate::arena::size::SIZE;

// `build.rs` refuses what the compiler does not tell: other targets, and flags of stable Rust.
#[cfg(target_feature = "atomics")]
compile_error!("flaron-sdk is for single-threaded Wasm: build without the `atomics` feature");
#[cfg(not(target_pointer_width = "32"))]
compile_error!("flaron-sdk is for 32-bit Wasm");

/// A word of the arena's bookkeeping.
pub(super) struct Word<T = u32>(UnsafeCell<T>);

// SAFETY: a Wasm module of a target that `build.rs` lets through, without the `atomics` feature (refused
// there, and above), has one thread.
unsafe impl<T> Sync for Word<T> {}

impl<T: Copy> Word<T> {
    #[inline(always)] // size: inline-access
    pub(super) fn get(&self) -> T {
        // SAFETY: one thread, and no reference to the word ever leaves these two functions.
        unsafe { *self.0.get() }
    }
    #[inline(always)] // size: inline-access
    pub(super) fn set(&self, value: T) {
        // SAFETY: as in `get`.
        unsafe { *self.0.get() = value }
    }
}

/// The arena's bytes, and behind them a word that is never used: so the arena ends below 4 GiB wherever
/// the linker puts it, and no address in it or just behind it is 0, which means "no result".
#[repr(C, align(8))]
struct Memory(UnsafeCell<[u8; SIZE as usize]>, u64);

// SAFETY: as for `Word`.
unsafe impl Sync for Memory {}

const _: () = assert!(size_of::<Memory>() == SIZE as usize + 8);

/// The arena. Its name is part of the layout: with nine letters it comes to lie behind the words.
static RAW_BYTES: Memory = Memory(UnsafeCell::new([0; SIZE as usize]), 0); // size: symbol-order

/// Where the topmost lease ends.
pub(super) static LEASED: Word = Word(UnsafeCell::new(0));
/// How many bytes from there on the host has allocated since, a growing text among them.
pub(super) static PENDING: Word = Word(UnsafeCell::new(0));
/// How many bytes at the top end are scratch.
pub(super) static SCRATCH: Word = Word(UnsafeCell::new(0));
/// How many leases are alive. In 64 bits, because one that is leaked stays counted, and one on
/// nothing takes no space that would run out: 32 bits can overflow. (So can 64 where the host is not
/// called: see `lease::count_unasked`.)
pub(super) static LIVE: Word<u64> = Word(UnsafeCell::new(0));
/// How many scratch texts are alive.
pub(super) static TEXTS: Word = Word(UnsafeCell::new(0));
/// 1 if `guest_alloc` refused the host since the last result came back.
pub(super) static REFUSED: Word = Word(UnsafeCell::new(0));
/// 1 if the last result was missing because it did not fit.
pub(super) static WAS_REFUSED: Word = Word(UnsafeCell::new(0));

/// What the host answered a growing text: length and address, as they lie in a packed block.
#[cfg(asks)]
static ANSWER: [Word; 2] = [const { Word(UnsafeCell::new(0)) }; 2];

/// Keeps what the host returned for `answer_len` and `answer_address`.
#[cfg(asks)]
#[inline(always)] // size: answer-in-memory
pub(super) fn keep_answer(returned: i64) {
    ANSWER[0].set(block::length(returned));
    ANSWER[1].set(block::address(returned));
}

#[cfg(asks)]
#[inline(always)] // size: answer-in-memory
pub(super) fn answer_len() -> u32 {
    ANSWER[0].get()
}

#[cfg(asks)]
#[inline(always)] // size: answer-in-memory
pub(super) fn answer_address() -> u32 {
    ANSWER[1].get()
}

/// The first byte of the arena, with leave to access all of it.
#[inline] // size: inline-small
pub(super) fn memory() -> *mut u8 {
    RAW_BYTES.0.get().cast()
}

/// The address of the arena's first byte, as the host sees it.
#[inline] // size: inline-small
pub(super) fn origin() -> u32 {
    memory() as u32
}
