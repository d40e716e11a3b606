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
//! Each module is a cargo feature of the same name; `default` enables all of them, plus `json` and `alloc`. A
//! flare that counts bytes sets `default-features = false` and lists the modules it uses: the imports of the
//! others then cannot appear in its Wasm, and nobody can call them by mistake. A flare without a heap has to do
//! the same, because `alloc` is for flares that have one, from `std` or their own: it turns borrowed values into
//! a `String`, a `Vec` or a `Cow`.
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
//! `?` converts every error of these modules into an [`Error`]; a handler may return that, or a [`Status`].
//! State that has to last from one event of a WebSocket to the next goes into a [`state!`].
//!
//! Besides these there are [`text`], which is always there, and behind features of their own `json`, `heap`
//! (features `dlmalloc` and `arena-alloc`) and, on native targets, `testing`. `panic-message` logs
//! the message of a panic. It is meant for development: `flaron-edge run` enables it in the build that it
//! serves (`panic-message-std` for flares with `std`).
//!
//! # Memory
//!
//! The host writes what it returns into the *arena*: a static array of 256 KiB (see [`ARENA_BYTES`], which
//! also says how to change its size). The SDK hands it out in place, as a *lease*: [`ArenaStr`] derefs to
//! `str`, [`ArenaBytes`] to `[u8]`. Nothing is copied, and nothing borrowed from a lease can outlive it.
//!
//! - Dropping the topmost lease frees its space at once; dropping the last lease frees the whole arena.
//!   So one invocation can read far more than the arena holds, one thing after another.
//! - A value that only becomes part of a text needs no lease: the functions that end in `_piece` let the host
//!   write it right where the text is being built (see [`text`]).
//! - Each invocation starts with the whole arena free, except for leases that are still alive. A lease that
//!   was forgotten, or kept in a static, costs its space for the life of the instance, and nothing more.
//! - An answer that does not fit is refused, never cut short. Functions that return a `Result` have an error
//!   for it; after a `None`, [`arena_refused`] tells the two cases apart; functions that return a bare value
//!   trap, and each has a `try_…` counterpart that returns the error.
//! - A trap (a panic, or an error returned from a handler) runs no destructors. The host must not
//!   enter an instance again that has trapped; the CDN and the local edge discard it.
//!
//! # Targets
//!
//! Flares are built for `wasm32-unknown-unknown`, `wasm32v1-none` or (with `std`) `wasm32-wasip1`: modules
//! with one thread and 32-bit addresses. The SDK refuses to compile for any other Wasm target, including
//! `wasm32-wasip1-threads`, `wasm64-unknown-unknown` and `wasm32-unknown-emscripten`, and with the target
//! feature `atomics` or `--shared-memory`, because the arena belongs to one thread. On native targets flares
//! are checked and tested; there, each thread has an arena of its own.
//!
//! # Coming from the published crate
//!
//! The names are the same; owned strings, vectors and maps have become borrowed ones. [`migrating`] lists
//! what changed, function by function.
#![no_std]
// Documentation built with nightly Rust shows which feature each item needs.
#![cfg_attr(docsrs, feature(doc_cfg))]
// With only some of the features, the documentation links to items that are not there.
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
        reason = "the published documentation has all features, and there every link must resolve"
    )
)]
#![warn(missing_docs)]
#![deny(unsafe_op_in_unsafe_fn)]
// The files that need `unsafe` allow it in their first lines, and say why.
#![deny(unsafe_code)]

#[cfg(heap)]
extern crate alloc;
// On Wasm only for `panic-message-std`, which is for flares that link `std` anyway; `wasm32v1-none` has none.
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
// cargo-mutants, which looks at no `cfg`, has its changes from the line above.
#[cfg(all(not(feature = "json"), any(reads_json, writes_json, test)))]
#[cfg_attr(mutants, mutants::skip)]
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
