//! A Rust SDK for ultra-small *flares*: the Wasm functions that run on the Flaron CDN edge.
//!
//! A flare gets an HTTP request, or the events of a WebSocket, at the edge node nearest to the
//! client, and answers it there. With this SDK a whole flare is a few hundred bytes of Wasm, and
//! still plain, safe Rust: no heap, no `core::fmt`, no dependency, and nothing linked that is not
//! called.
//!
//! ```
//! # mod flare {
//! use flaron_sdk::{ArenaFull, FlareAction, request, response};
//!
//! flaron_sdk::handle_request!(echo);
//!
//! fn echo() -> Result<FlareAction, ArenaFull> {
//!     response::set_header("content-type", "text/plain");
//!     response::set_body_pieces((request::method_piece(), " ", request::url_piece()))?;
//!     Ok(FlareAction::Respond)
//! }
//! # }
//! # fn main() {}
//! ```
//!
//! # Modules
//!
//! Each module is a cargo feature of the same name; `default` has them all, `json` and `alloc`. A flare that
//! counts bytes says `default-features = false` and names its own. The imports of the others can then not
//! appear in its Wasm, and nobody can call them by mistake. So does one without a heap: `alloc` is for flares
//! that have one, of `std` or of their own, and turns what borrows into a `String`, a `Vec` or a `Cow`.
//!
//! | module | what it does | capability of the flare's configuration |
//! |---|---|---|
//! | [`request`] | read the request: method, URL, headers, body | `requires_body`, `requires_raw_auth` |
//! | [`response`] | build the response: status, headers, body | |
//! | [`beam`] | HTTP requests to anywhere | `max_fetch_requests` |
//! | [`spark`] | the site's key-value store, with expiry, on the node's disk | `writes_spark_kv` |
//! | [`plasma`] | the key-value store and counters that all nodes share | `writes_plasma_kv` |
//! | [`secrets`] | read secrets | `allowed_secrets` |
//! | [`crypto`] | hashes, HMAC, JWT, AES-GCM, random bytes | `allowed_secrets` |
//! | [`encoding`] | Base64, hexadecimal, URL coding | |
//! | [`id`] | UUID, ULID, KSUID, Nano ID, Snowflake | |
//! | [`time`] | the time, in several formats | |
//! | [`logging`] | lines for the node's log | |
//! | [`ws`] | WebSockets: events, messages, closing | |
//!
//! Every error of theirs becomes an [`Error`] by `?`; a handler may return it, or a [`Status`]. What lasts
//! from one event of a WebSocket to the next is a [`state!`].
//!
//! Besides the host's modules there are [`text`] (always there), and behind features of their own
//! `json`, `heap` (features `dlmalloc` and `arena-alloc`) and, on native targets, `testing`. The feature
//! `fast-json` has JSON strings read a word at a time, which is for flares that read long texts;
//! `panic-message` logs what a panic says, which is for development: `flaron-edge run` turns it on in the
//! build that it serves (`panic-message-std` for flares with `std`).
//!
//! # Memory
//!
//! What the host returns it writes into the *arena*: a static array of 256 KiB
//! ([`ARENA_BYTES`] tells, and how to change it). The SDK hands it out where it lies, as a *lease*:
//! [`ArenaStr`] derefs to `str`, [`ArenaBytes`] to `[u8]`. Nothing is copied, and nothing borrowed
//! from a lease can outlive it.
//!
//! - Dropping the topmost lease gives its space back at once, dropping the last one gives back all.
//!   So one invocation can read far more than the arena holds, one thing after the other.
//! - What only becomes part of a text needs no lease: functions that end in `_piece` have the host
//!   write it where the text is ([`text`] tells).
//! - Each invocation begins with all of the arena free that no lease holds. A lease that was
//!   forgotten or kept in a static costs its space for the life of the instance, never more.
//! - What does not fit is refused, never cut off. Functions that return a `Result` have an error for
//!   it; after a `None`, [`arena_refused`] tells; functions that return a bare value trap, and a `try_…`
//!   beside each has the error.
//! - A trap (a panic, or an error returned from a handler) runs no destructors. The host must not
//!   enter an instance again that has trapped; the CDN and the local edge discard it.
//!
//! # Targets
//!
//! A flare is built for `wasm32-unknown-unknown`, `wasm32v1-none` or (with `std`) `wasm32-wasip1`: modules
//! of one thread with 32-bit addresses. Everything else that is Wasm is refused when the SDK is compiled,
//! `wasm32-wasip1-threads`, `wasm64-unknown-unknown` and `wasm32-unknown-emscripten` among it, and so are the
//! target feature `atomics` and `--shared-memory`: the arena belongs to one thread. On native targets flares
//! are checked and tested; each thread has an arena of its own there.
//!
//! # Coming from the published crate
//!
//! The names are the same; owned strings, vectors and maps have become borrowed ones. The module
//! [`migrating`] tells, function by function, what changed.
#![no_std]
// The feature that an item needs, beside it, where the documentation is built with nightly Rust.
#![cfg_attr(docsrs, feature(doc_cfg))]
// The documentation of a part has links to what is not in it.
#![cfg_attr(
    not(all(
        feature = "request",
        feature = "response",
        feature = "beam",
        feature = "spark",
        feature = "plasma",
        feature = "secrets",
        feature = "crypto",
        feature = "encoding",
        feature = "id",
        feature = "time",
        feature = "logging",
        feature = "ws",
        feature = "json",
        feature = "testing",
        not(target_family = "wasm")
    )),
    allow(
        rustdoc::broken_intra_doc_links,
        reason = "what is whole is documented with all features, where every link must lead somewhere"
    )
)]
#![warn(missing_docs)]
#![deny(unsafe_op_in_unsafe_fn)]
// The files that need it allow it at their head, and say why.
#![deny(unsafe_code)]

#[cfg(heap)]
extern crate alloc;
// On Wasm for the one feature that is for flares which link it anyway; `wasm32v1-none` has none.
#[cfg(any(
    not(target_family = "wasm"),
    all(feature = "panic-message-std", not(target_os = "none"))
))]
extern crate std;

mod abi;
mod arena;
mod bytes;
#[doc(hidden)]
pub mod entry;
mod error;
#[cfg(any(feature = "dlmalloc", feature = "arena-alloc"))]
pub mod heap;
#[cfg(feature = "json")]
pub mod json;
#[cfg(all(not(feature = "json"), any(reads_json, writes_json)))]
mod json;
#[cfg(lists_keys)]
mod keys;
#[cfg(feature = "panic-message")]
mod panic_message;
mod state;
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

#[doc = include_str!("../MIGRATING.md")]
pub mod migrating {}

pub use arena::{
    ARENA_BYTES, ArenaBytes, ArenaBytesIter, ArenaFull, ArenaStr, arena_refused, guest_alloc,
    reset_arena,
};
#[cfg(lists_keys)]
pub use arena::{Key, Keys};
#[cfg(feature = "beam")]
pub use beam::{BeamError, FetchOptions, FetchResponse};
#[cfg(feature = "crypto")]
pub use crypto::{CryptoError, RandomBytesError};
pub use entry::{FlareAction, Outcome};
pub use error::Error;
#[cfg(feature = "plasma")]
pub use plasma::PlasmaError;
#[cfg(feature = "response")]
pub use response::Status;
#[cfg(feature = "spark")]
pub use spark::{SparkEntry, SparkError, SparkPullError};
#[cfg(not(target_family = "wasm"))]
#[doc(hidden)]
pub use state::__thread_local;
pub use state::State;
#[cfg(feature = "ws")]
pub use ws::WsSendError;
