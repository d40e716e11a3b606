//! What the flare of the exhaustive model holds.

use crate::arena::heap::give_back;
use crate::arena::kept::KeptTexts;
use crate::arena::tests::*;
use crate::arena::{Key, Keys};

/// What the flare holds.
pub(super) enum Held {
    Bytes(ArenaBytes),
    Str(ArenaStr),
    Text(Text),
    Kept(KeptTexts<'static, 1>),
    Key(Key),
    /// Its bytes are its own matter.
    #[allow(dead_code, reason = "it is there to be dropped")]
    Keys(Keys),
    Heap(Heap),
}

/// A block of the heap.
pub(super) struct Heap {
    pub(super) start: *mut u8,
    pub(super) size: usize,
}

impl core::ops::Drop for Heap {
    fn drop(&mut self) {
        // SAFETY: it came from `take` with this size, and is not used any more.
        unsafe { give_back(self.start, self.size) }
    }
}

impl Held {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Held::Bytes(lease) => lease,
            Held::Str(text) => text.raw(),
            Held::Text(text) => text,
            Held::Kept(text) => text.get(0).as_bytes(),
            Held::Key(key) => key.as_bytes(),
            Held::Keys(_) => b"",
            // SAFETY: the block is alive, and was filled.
            Held::Heap(block) => unsafe { core::slice::from_raw_parts(block.start, block.size) },
        }
    }
}
