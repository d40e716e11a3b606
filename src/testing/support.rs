//! What the SDK's own tests share.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::string::ToString;

use crate::arena::{self, ArenaBytes, claim};

/// Fills the arena, which must be empty, but for so many bytes; until the lease is dropped.
pub(crate) fn leave_free(bytes: usize) -> ArenaBytes {
    let len = (arena::ARENA_BYTES - bytes) as i32;
    let address = arena::guest_alloc(len);
    assert_ne!(address, 0, "the arena was not empty");
    claim::claim(i64::from(address) << 32 | i64::from(len)).unwrap()
}

/// Whether nothing at all is leased.
pub(crate) fn arena_is_free() -> bool {
    let all = arena::guest_alloc(arena::ARENA_BYTES as i32);
    arena::reset_arena();
    all != 0
}

/// Asserts that an error is an `Error` and `Copy`, and what it says.
pub(crate) fn assert_error(error: impl core::error::Error + Copy, says: &str) {
    let copy = error;
    assert_eq!(
        (error.to_string().as_str(), copy.to_string().as_str()),
        (says, says)
    );
}

/// What every error that means "did not fit" says.
pub(crate) const ARENA_FULL: &str =
    "the arena is full: drop leases, or set a larger FLARON_ARENA_BYTES";

/// Whether it traps.
pub(crate) fn traps<T>(what: impl FnOnce() -> T) -> bool {
    catch_unwind(AssertUnwindSafe(what)).is_err()
}
