//! Where an in-memory host plugs in on native targets. This module knows no host: one installs itself.

use core::cell::Cell;

/// Answers a call of an import: its name, the arguments that are bytes, and those that are numbers.
/// What an import returns as `i32` is the low half of the result; of one that returns nothing the
/// result is dropped.
pub(crate) type Handler = fn(&'static str, &[&[u8]], &[i64]) -> i64;

std::thread_local! {
    /// The host of this thread. Each thread has its own, as it has its own arena.
    static HANDLER: Cell<Option<Handler>> = const { Cell::new(None) };
    /// Why the flare trapped last on this thread: so that its panic is told from any other.
    static TRAP: Cell<Option<&'static str>> = const { Cell::new(None) };
}

/// Makes `handler` this thread's host.
#[cfg(any(test, feature = "testing"))]
pub(crate) fn install(handler: Handler) {
    HANDLER.set(Some(handler));
}

/// Notes that the flare traps.
pub(super) fn set_trap(reason: &'static str) {
    TRAP.set(Some(reason));
}

/// Why the flare trapped, if it did since this was asked last.
#[cfg(any(test, feature = "testing"))]
pub(crate) fn take_trap() -> Option<&'static str> {
    TRAP.take()
}

/// What this thread's host answers; 0, "no result", if there is none.
pub(super) fn ask(import: &'static str, bytes: &[&[u8]], numbers: &[i64]) -> i64 {
    match HANDLER.get() {
        Some(handler) => handler(import, bytes, numbers),
        None => 0,
    }
}

/// What an import returns, made of a handler's answer.
pub(super) trait Answer {
    fn from_i64(answer: i64) -> Self;
}

impl Answer for i64 {
    fn from_i64(answer: i64) -> i64 {
        answer
    }
}

impl Answer for i32 {
    fn from_i64(answer: i64) -> i32 {
        answer as i32
    }
}

impl Answer for () {
    fn from_i64(_: i64) {}
}
