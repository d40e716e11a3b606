//! What the SDK's own tests share.

use core::sync::atomic::AtomicPtr;
use std::boxed::Box;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::string::ToString;
use std::sync::{Mutex, PoisonError};
use std::vec::Vec;

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

/// Leaks a value on purpose, and borrows it for ever. Miri, which ends with an error if anything is leaked, finds it in
/// a list.
pub(crate) fn leak<T: 'static>(value: T) -> &'static T {
    static ALL: Mutex<Vec<AtomicPtr<()>>> = Mutex::new(Vec::new());
    let leaked: &'static T = Box::leak(Box::new(value));
    let address = core::ptr::from_ref(leaked).cast_mut().cast();
    let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
    all.push(AtomicPtr::new(address));
    leaked
}
