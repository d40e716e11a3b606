//! The SDK.
#![no_std]

#[cfg(not(target_family = "wasm"))]
extern crate std;

mod abi;
mod arena;
#[doc(hidden)]
pub mod entry;
#[cfg(any(feature = "spark", feature = "plasma", feature = "ws"))]
mod error;
#[cfg(feature = "json")]
pub mod json;
#[cfg(not(feature = "json"))]
#[allow(dead_code, unused_imports, unused_macros)] // each module takes what it needs
mod json;
pub mod text;

#[cfg(feature = "beam")]
pub mod beam;
#[cfg(feature = "crypto")]
pub mod crypto;
#[cfg(feature = "encoding")]
pub mod encoding;
#[cfg(feature = "id")]
pub mod id;
#[cfg(feature = "logging")]
pub mod logging;
#[cfg(feature = "plasma")]
pub mod plasma;
#[cfg(feature = "request")]
pub mod request;
#[cfg(feature = "response")]
pub mod response;
#[cfg(feature = "secrets")]
pub mod secrets;
#[cfg(feature = "spark")]
pub mod spark;
#[cfg(feature = "time")]
pub mod time;
#[cfg(feature = "ws")]
pub mod ws;

#[cfg(all(not(target_family = "wasm"), any(test, feature = "testing")))]
pub mod testing;

pub use arena::{
    ARENA_BYTES, ArenaBytes, ArenaFull, ArenaStr, arena_refused, guest_alloc, reset_arena,
};
#[cfg(any(feature = "spark", feature = "plasma"))]
pub use arena::{Key, Keys};
#[cfg(feature = "beam")]
pub use beam::{BeamError, FetchOptions, FetchResponse};
#[cfg(feature = "crypto")]
pub use crypto::{CryptoError, RandomBytesError};
pub use entry::{FlareAction, Outcome};
#[cfg(feature = "plasma")]
pub use plasma::PlasmaError;
#[cfg(feature = "spark")]
pub use spark::{SparkEntry, SparkError, SparkPullError};
#[cfg(feature = "ws")]
pub use ws::WsSendError;
