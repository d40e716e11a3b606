//! The SDK.
#![no_std]

#[cfg(not(target_family = "wasm"))]
extern crate std;

mod abi;
mod arena;
#[doc(hidden)]
pub mod entry;
#[cfg(feature = "request")]
pub mod request;
#[cfg(feature = "response")]
pub mod response;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod text;

pub use arena::{
    ARENA_BYTES, ArenaBytes, ArenaFull, ArenaStr, arena_refused, guest_alloc, reset_arena,
};
pub use entry::{FlareAction, Outcome};
