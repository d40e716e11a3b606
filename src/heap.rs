//! A heap for `no_std` flares that want `alloc`. There are two, each a feature; a flare enables one of them.
//!
//! - `dlmalloc` makes the crate of that name the global allocator: it frees and reuses memory in any order,
//!   and grows the module's memory as needed.
//! - `arena-alloc` makes `ArenaAlloc` the global allocator: it takes memory from the SDK's arena, by the
//!   arena's rules. It is much smaller, and enough for a flare that builds a few strings per invocation.
//!
//! (The feature `alloc` sets no allocator: it declares that the flare has a heap. Both of these enable it.)
//!
//! If both are enabled, `dlmalloc` is used. Flares that use `std` already have a heap and need neither. On
//! native targets neither sets an allocator.
//!
//! ```ignore
//! #![no_std]
//! extern crate alloc;
//!
//! let body = alloc::format!("hello from {}", request::url());
//! ```
//!
//! `cargo size prices` prints what each costs.

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
/// Freed memory can be used again if it was the topmost block, or once nothing in the arena is alive any more.
/// The topmost block grows in place. Statics that hold heap memory for the life of the instance take that much
/// of the arena. When an allocation does not fit, Rust ends the invocation with a trap.
///
/// It exists on Wasm only: on native targets each thread has an arena of its own, which a global allocator must
/// not depend on. (The SDK's own tests and its fuzz target call it directly, on one thread.)
#[cfg(all(feature = "arena-alloc", any(target_family = "wasm", test, fuzzing)))]
#[derive(Debug, Clone, Copy, Default)]
pub struct ArenaAlloc;

// SAFETY: `heap::take` returns memory that overlaps nothing else in the arena, has the size and alignment that
// were asked for, and stays so until it is given back.
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
