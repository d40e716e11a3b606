//! A heap for `no_std` flares that want `alloc`: two features, of which a flare takes one.
//!
//! - `dlmalloc` sets the allocator of the crate of that name as the global one: it frees and reuses in any
//!   order, and grows the module's memory as it needs.
//! - `arena-alloc` sets `ArenaAlloc`: it takes memory from the SDK's arena, by the arena's rules.
//!   It is much smaller, and it is enough for a flare that builds a few strings per invocation.
//!
//! (The feature `alloc` sets none: it says that the flare has a heap, and both of these say so, too.)
//!
//! With both, `dlmalloc` is the one. Flares that use `std` have a heap already and need neither. On
//! native targets none is set.
//!
//! ```ignore
//! #![no_std]
//! extern crate alloc;
//!
//! let body = alloc::format!("hello from {}", request::url());
//! ```
//!
//! What each costs, `cargo size prices` tells.

#![cfg_attr(
    any(
        all(feature = "arena-alloc", any(target_family = "wasm", test, fuzzing)),
        all(feature = "dlmalloc", target_family = "wasm")
    ),
    allow(
        unsafe_code,
        reason = "it implements `GlobalAlloc`, which is an unsafe trait"
    )
)]

#[cfg(all(feature = "arena-alloc", any(target_family = "wasm", test, fuzzing)))]
use crate::arena::heap;

/// The allocator of the feature `arena-alloc`: a bump allocator on the SDK's arena.
///
/// Memory that is freed is free for use again when it was the topmost, or when nothing in the arena
/// is alive any more; growing the topmost block moves nothing. Statics that keep heap memory for the
/// instance's life keep that much of the arena. What does not fit is an allocation failure, on which
/// Rust ends the invocation with a trap.
///
/// It is for Wasm alone: native arenas belong to a thread each, which a heap must not. (Tests of the SDK's
/// own, and its fuzz target, call it by hand, on one thread.)
#[cfg(all(feature = "arena-alloc", any(target_family = "wasm", test, fuzzing)))]
#[derive(Debug, Clone, Copy, Default)]
pub struct ArenaAlloc;

// SAFETY: `arena::take` gives memory that is apart from everything else in the arena, with the size
// and the alignment that were asked for, and that stays so until it is given back.
#[cfg(all(feature = "arena-alloc", any(target_family = "wasm", test, fuzzing)))]
unsafe impl core::alloc::GlobalAlloc for ArenaAlloc {
    unsafe fn alloc(&self, layout: core::alloc::Layout) -> *mut u8 {
        heap::take(layout.size(), layout.align())
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: core::alloc::Layout) {
        // SAFETY: the caller promises that the block came from `alloc` with this layout, and is not
        // used any more.
        unsafe { heap::give_back(block, layout.size()) }
    }

    unsafe fn realloc(
        &self,
        block: *mut u8,
        layout: core::alloc::Layout,
        new_size: usize,
    ) -> *mut u8 {
        // SAFETY: the caller's promises, passed on: the block came from `alloc` with this layout.
        unsafe {
            if heap::resize(block, layout.size(), new_size) {
                return block;
            }
            let new = heap::take(new_size, layout.align());
            if !new.is_null() {
                core::ptr::copy_nonoverlapping(block, new, layout.size().min(new_size));
                heap::give_back(block, layout.size());
            }
            new
        }
    }
}

#[cfg(all(target_family = "wasm", feature = "dlmalloc"))]
mod pages;

#[cfg(all(target_family = "wasm", feature = "dlmalloc"))]
#[global_allocator]
static HEAP: pages::Heap = pages::Heap::new();

#[cfg(all(
    target_family = "wasm",
    feature = "arena-alloc",
    not(feature = "dlmalloc")
))]
#[global_allocator]
static HEAP: ArenaAlloc = ArenaAlloc;

#[cfg(all(test, feature = "arena-alloc"))]
mod tests;
