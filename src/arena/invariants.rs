//! What holds between any two operations on the arena: the list is in the [arena's documentation](crate::arena).

use crate::arena::alloc::top;
use crate::arena::block::block_end;
use crate::arena::size::SIZE;
use crate::arena::storage::{LEASED, LIVE, PENDING, SCRATCH, TEXTS};

/// Asserts, in debug builds, what of the invariants the words can tell: called at the end of each operation.
/// (What lies where, the tests' models assert: they know all that is held.)
#[inline(always)] // size: inline-debug
pub(super) fn check() {
    if cfg!(debug_assertions) {
        let (leased, pending, scratch) = (LEASED.get(), PENDING.get(), SCRATCH.get());
        assert!(leased % 8 == 0 && scratch % 8 == 0, "I1");
        assert!(scratch <= SIZE && leased <= top(), "I2");
        assert!(block_end(pending, 0) <= top() - leased, "I2");
        assert!(LIVE.get() != 0 || leased == 0, "I5");
        assert!((TEXTS.get() == 0) == (scratch == 0), "I6");
    }
}
