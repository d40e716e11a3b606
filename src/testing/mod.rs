//! An in-memory host: for testing a flare with plain `cargo test`.
//!
//! It needs the feature `testing`, as a dev-dependency, so that no flare ever carries it:
//!
//! ```toml
//! [dev-dependencies]
//! flaron-sdk = { version = "0.1", features = ["testing"] }
//! ```
//!
//! A [`Host`] is set up with what the flare shall find, runs a handler, and tells what came of it:
//!
//! ```
//! # #[cfg(all(feature = "request", feature = "response", feature = "spark"))] {
//! use flaron_sdk::testing::Host;
//! use flaron_sdk::{FlareAction, request, response, spark};
//!
//! /// The handler of a flare that counts the visits of each user.
//! fn visits() -> FlareAction {
//!     let Some(user) = request::header("x-user") else {
//!         response::set_status(400);
//!         return FlareAction::Respond;
//!     };
//!     let visits = spark::get_u64(&user).unwrap_or(0) + 1;
//!     if spark::set_pieces(&user, visits, 3600).is_err() {
//!         response::set_status(500);
//!         return FlareAction::Respond;
//!     }
//!     response::set_header("content-type", "text/plain");
//!     let _ = response::set_body_pieces(("visits: ", visits));
//!     FlareAction::Respond
//! }
//!
//! let host = Host::new();
//! host.writes_spark_kv(true)
//!     .header("X-User", "zoe")
//!     .put_spark("zoe", b"41", 0);
//!
//! let response = host.run(visits);
//! assert_eq!(response.action, FlareAction::Respond);
//! assert_eq!(response.status, 200);
//! assert_eq!(response.header("content-type"), Some("text/plain"));
//! assert_eq!(response.text(), "visits: 42");
//! assert_eq!(host.spark("zoe").as_deref(), Some(&b"42"[..]));
//! assert_eq!(host.spark_ttl("zoe"), Some(3600));
//!
//! // What the flare does when the host's disk is full.
//! host.fails_with("spark_set", 4);
//! assert_eq!(host.run(visits).status, 500);
//! # }
//! ```
//!
//! # What it does
//!
//! - It keeps to the ABI: status codes, key rules, limits, capabilities, withheld headers. As on a
//!   real edge, every capability is off until the test grants it ([`Host::writes_spark_kv`] and its
//!   like), so a test says what the flare's configuration must have. The limits are those of
//!   [`Limits`]; they count anew in each invocation.
//! - Nothing is left to chance: the clock stands still ([`Host::time_ms`], [`Host::advance_secs`]),
//!   random bytes and IDs are the same in each run.
//! - It has no cryptography: [`Host::returns`] and [`Host::on`] say what `crypto_hash` and its like
//!   shall answer. Without that they answer "no result".
//! - Fetches get the answers that [`Host::on_fetch`] has for their URLs; others get none.
//! - Any import can be made to answer something else, also what no host should
//!   ([`Host::fails_with`], [`Host::on_raw`]), and [`Host::calls`] lists everything that was called.
//! - To find the error that the flare does not handle, [`Host::refuse_nth`] refuses one call after the other,
//!   and [`Host::arbitrary`] lets a fuzzer decide what the host answers; [`Host::catch_trap`] tells a trap
//!   from a panic.
//!
//! The host belongs to its thread, as the arena does, so tests may run in parallel. A handler that
//! returns an `Err` panics in [`Host::run`], where the real one traps; to look at the error, call
//! the handler itself.

use core::fmt;
use core::marker::PhantomData;

use crate::abi;
use crate::arena;
use state::{State, with};

mod answer;
mod dispatch;
mod encoding;
mod faults;
mod http;
mod ids;
mod inspect;
mod limits;
mod record;
mod run;
mod setup;
mod state;
mod stores;
#[cfg(test)]
mod support;

pub use limits::Limits;
pub use record::{Call, Fetch, Level, LogLine, Response};
pub use state::DEFAULT_TIME_MS;

#[cfg(test)]
pub(crate) use support::{ARENA_FULL, arena_is_free, assert_error, leak, leave_free, traps};

/// The in-memory host of this thread: see the [module's documentation](self).
///
/// Its functions take `&self`, so a test can change it at any time. Those that set something up
/// return it, to be chained.
pub struct Host {
    /// The host is the thread's.
    not_send: PhantomData<*mut u8>,
}

impl Default for Host {
    fn default() -> Host {
        Host::new()
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Host")
    }
}

impl Host {
    /// A new host; this thread's last one is forgotten, with all that it had.
    ///
    /// The request is a `GET` of `https://example.com/` without headers, the stores are empty, no
    /// capability is granted.
    pub fn new() -> Host {
        drop(with(core::mem::take));
        abi::native::install(dispatch::call);
        arena::reset_arena();
        Host {
            not_send: PhantomData,
        }
    }

    pub(crate) fn set(&self, change: impl FnOnce(&mut State)) -> &Host {
        with(change);
        self
    }
}

#[cfg(all(test, feature = "default"))]
mod hostile;
#[cfg(test)]
mod tests;
