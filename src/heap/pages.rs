//! The heap of the feature `dlmalloc`: that crate's allocator, on pages obtained by growing the module's memory.
//!
//! The crate's own source of memory starts with what the linker leaves after the statics, from `__heap_base` on.
//! A flare that is linked as the README says has no such symbol, and what is left is less than a page.

use core::alloc::{GlobalAlloc, Layout};
use core::arch::wasm32::memory_grow;
use core::cell::UnsafeCell;
use core::ptr::null_mut;

use dlmalloc::{Allocator, Dlmalloc};

/// A page of Wasm, in bytes.
const PAGE: usize = 64 << 10;
/// What `memory.grow` returns when there is no more memory.
const NO_MEMORY: usize = usize::MAX;

/// The global allocator.
pub(super) struct Heap(UnsafeCell<Dlmalloc<Pages>>);

impl Heap {
    pub(super) const fn new() -> Heap {
        Heap(UnsafeCell::new(Dlmalloc::new_with_allocator(Pages)))
    }
}

// SAFETY: a flare has one thread: targets with more are refused when the SDK is compiled (`build.rs`).
unsafe impl Sync for Heap {}

// SAFETY: it is dlmalloc, whose functions have the same contracts as these. There is one thread, and dlmalloc
// calls nothing that could allocate (`Pages` does not), so the reference that each of them makes is the only one.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        unsafe { (*self.0.get()).malloc(layout.size(), layout.align()) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        unsafe { (*self.0.get()).calloc(layout.size(), layout.align()) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above, and the caller promises that the block is one of this layout.
        unsafe { (*self.0.get()).free(block, layout.size(), layout.align()) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: as in `dealloc`.
        unsafe { (*self.0.get()).realloc(block, layout.size(), layout.align(), new_size) }
    }
}

/// Memory for dlmalloc: whole pages, never given back, because Wasm has no way to.
struct Pages;

// SAFETY: pages that the memory has just grown by are zeroed, and nothing else uses them.
unsafe impl Allocator for Pages {
    fn alloc(&self, size: usize) -> (*mut u8, usize, u32) {
        let pages = size.div_ceil(PAGE);
        let first = memory_grow(0, pages);
        if first == NO_MEMORY {
            return (null_mut(), 0, 0);
        }
        let (start, size) = (first * PAGE, pages * PAGE);
        // No block may end at 4 GiB, which as an address is 0.
        let spare = if start.wrapping_add(size) == 0 { 16 } else { 0 };
        (start as *mut u8, size - spare, 0)
    }

    fn remap(&self, _: *mut u8, _: usize, _: usize, _: bool) -> *mut u8 {
        null_mut()
    }

    fn free_part(&self, _: *mut u8, _: usize, _: usize) -> bool {
        false
    }

    fn free(&self, _: *mut u8, _: usize) -> bool {
        false
    }

    fn can_release_part(&self, _: u32) -> bool {
        false
    }

    fn allocates_zeros(&self) -> bool {
        true
    }

    fn page_size(&self) -> usize {
        PAGE
    }
}
