use super::ArenaAlloc;
use crate::testing::{arena_is_free, leave_free};
use core::alloc::{GlobalAlloc, Layout};
use proptest::prelude::*;
use std::vec;
use std::vec::Vec;

/// A block of the heap, as `Box` and its like have it, with a byte that fills it.
struct Block {
    start: *mut u8,
    layout: Layout,
    fill: u8,
}

impl Block {
    fn new(size: usize, align: usize, fill: u8) -> Option<Block> {
        let layout = Layout::from_size_align(size, align).unwrap();
        // SAFETY: the size is not 0.
        let start = unsafe { ArenaAlloc.alloc(layout) };
        if start.is_null() {
            return None;
        }
        assert_eq!(start.addr() % align, 0);
        // SAFETY: the block has that size.
        unsafe { start.write_bytes(fill, size) };
        Some(Block {
            start,
            layout,
            fill,
        })
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: the block is alive, and was filled.
        unsafe { core::slice::from_raw_parts(self.start, self.layout.size()) }
    }

    fn is_whole(&self) -> bool {
        // Compared at once: one byte after the other takes Miri minutes.
        self.bytes() == vec![self.fill; self.layout.size()]
    }

    /// Whether there was room for it.
    fn resize(&mut self, size: usize) -> bool {
        let kept = self.layout.size().min(size);
        // SAFETY: the block came from `alloc` with this layout; the size is not 0.
        let start = unsafe { ArenaAlloc.realloc(self.start, self.layout, size) };
        if start.is_null() {
            return false;
        }
        self.start = start;
        self.layout = Layout::from_size_align(size, self.layout.align()).unwrap();
        // SAFETY: the block has that size now.
        unsafe { start.add(kept).write_bytes(self.fill, size - kept) };
        true
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: the block came from `alloc` with this layout and is not used any more.
        unsafe { ArenaAlloc.dealloc(self.start, self.layout) }
    }
}

#[test]
fn blocks_are_aligned_and_their_space_comes_back() {
    for align in [1, 2, 8, 16, 64, 4096] {
        let blocks: Vec<_> = (1..5)
            .map(|n| Block::new(n * 7, align, n as u8).unwrap())
            .collect();
        assert!(blocks.iter().all(Block::is_whole));
        drop(blocks);
        assert!(arena_is_free(), "{align}");
    }
}

#[test]
fn the_topmost_block_grows_and_shrinks_where_it_is() {
    let first = Block::new(8, 8, 1).unwrap();
    let mut top = Block::new(8, 8, 2).unwrap();
    let start = top.start;
    for size in [9, 1000, 3, 100_000, 1] {
        assert!(top.resize(size) && top.start == start && top.is_whole());
    }
    let mut first = first;
    assert!(
        first.resize(100) && first.start != start && first.is_whole(),
        "it has moved"
    );
    assert!(top.is_whole());
}

#[test]
fn what_does_not_fit_is_refused_and_keeps_what_there_is() {
    let full = leave_free(16);
    assert!(Block::new(17, 1, 0).is_none() && Block::new(usize::MAX / 2, 1, 0).is_none());
    assert!(Block::new(1, 1 << 20, 0).is_none() || crate::ARENA_BYTES > 1 << 20);
    let mut block = Block::new(8, 8, 7).unwrap();
    let other = Block::new(8, 8, 8).unwrap();
    assert!(!block.resize(9) && block.is_whole());
    drop(other);
    assert!(block.resize(16) && !block.resize(17) && block.is_whole());
    drop((block, full));
    assert!(arena_is_free());
}

proptest! {
    #![proptest_config(crate::arena::tests::cases(300))]

    #[test]
    fn blocks_keep_their_bytes_whatever_happens(
        steps in prop::collection::vec((0..5, 0..8_usize, 1..3000_usize, 0..6_u32), 1..60)
    ) {
        let mut blocks: Vec<Block> = Vec::new();
        let mut leases = Vec::new();
        for (n, (step, i, size, align)) in steps.into_iter().enumerate() {
            match step {
                0 | 1 => blocks.extend(Block::new(size, 1 << align, n as u8)),
                2 if i < blocks.len() => drop(blocks.swap_remove(i)),
                3 if i < blocks.len() => {
                    blocks[i].resize(size);
                }
                // The host and the flare's texts take from the same space.
                4 if leases.len() < 3 => {
                    let text = crate::text::build((n as u64, "text")).unwrap();
                    let address = i64::from(crate::guest_alloc(8));
                    leases.push((crate::arena::claim::claim(address << 32 | 8), text));
                }
                _ => drop(leases.pop()),
            }
            prop_assert!(blocks.iter().all(Block::is_whole));
            let mut spans: Vec<_> =
                blocks.iter().map(|block| block.bytes().as_ptr_range()).collect();
            let taken = leases.iter().flat_map(|(lease, text)| {
                [lease.as_ref().map(|lease| lease.as_ptr_range()), Some(text.as_ptr_range())]
            });
            spans.extend(taken.flatten());
            spans.sort_unstable_by_key(|span| span.start);
            prop_assert!(spans.windows(2).all(|pair| pair[0].end <= pair[1].start));
        }
        drop((blocks, leases));
        prop_assert!(arena_is_free());
    }
}

#[test]
fn blocks_do_not_reach_into_texts() {
    let _full = leave_free(32);
    let text = crate::text::build("a text").unwrap();
    assert!(Block::new(25, 1, 0).is_none());
    let mut block = Block::new(16, 1, 7).unwrap();
    assert!(!block.resize(25) && block.is_whole());
    assert!(block.resize(24) && block.is_whole());
    assert_eq!(text, "a text");
}

#[test]
fn what_the_host_has_allocated_is_given_up_for_a_block() {
    let address = crate::guest_alloc(16);
    let block = Block::new(16, 1, 7).unwrap();
    assert!(crate::arena::claim::claim(i64::from(address) << 32 | 16).is_none());
    drop(block);
    // What would lie behind the block, too.
    let address = crate::guest_alloc(64);
    let block = Block::new(16, 1, 7).unwrap();
    let behind = i64::from(address + 16) << 32 | 16;
    assert!(crate::arena::claim::claim(behind).is_none() && block.is_whole());
    drop(block);
    // Making one larger takes it, too.
    let mut block = Block::new(8, 1, 8).unwrap();
    let address = crate::guest_alloc(16);
    assert!(block.resize(24) && block.is_whole());
    assert!(crate::arena::claim::claim(i64::from(address) << 32 | 16).is_none());
    // And one that cannot be made larger leaves nothing behind that could be leased.
    let address = crate::guest_alloc(16);
    // SAFETY: the block has that size, and stays as it is.
    assert!(!unsafe { crate::arena::heap::resize(block.start, 24, crate::ARENA_BYTES + 1) });
    assert!(crate::arena::claim::claim(i64::from(address) << 32 | 16).is_none());
    drop(block);
    assert!(arena_is_free());
}
