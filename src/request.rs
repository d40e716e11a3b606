//! The request that the flare is handling.
//!
//! Every function asks the host, which writes its answer into the arena, and returns a lease on that
//! answer. Keep it in a variable rather than asking twice.

use crate::abi;
use crate::arena::claim::{claim, claim_or_trap, claim_unless_refused, claim_with};
use crate::arena::{ArenaBytes, ArenaStr};
use crate::bytes::split::same;
use crate::error::{Error, claim_or_error};
use crate::text::Pieces;
use crate::text::ask::Ask;

mod headers;
mod query;
mod target;

pub use headers::{basic_credentials, cookie, credentials, first_of, matches_etag};
pub use query::{Pairs, Query};
pub use target::{Target, path, query, target, try_target};

/// The method: `GET`, `POST`, ….
///
/// # Traps
///
/// If the host has none, or if it does not fit into the arena; [`try_method`] returns an error instead.
pub fn method() -> ArenaStr {
    claim_or_trap(abi::req_method()).into_text()
}

/// [`method`], or why there is none.
///
/// # Errors
///
/// [`Error`]: the host has none, or it does not fit into the arena.
pub fn try_method() -> Result<ArenaStr, Error> {
    claim_or_error(abi::req_method()).map(ArenaBytes::into_text)
}

/// Whether the method is this one, compared byte for byte. It takes no lease, so a flare that needs nothing
/// else of the method is smaller with it.
///
/// # Traps
///
/// Like [`method`]; [`try_method`] returns an error instead.
pub fn method_is(method: &str) -> bool {
    let is = claim_with(abi::req_method(), |found| {
        Some(same(found, method.as_bytes()))
    });
    match is {
        Some(is) => is,
        None => abi::trap("the host gave no method, or one that does not fit"),
    }
}

/// [`method`], as a [piece](crate::text#pieces-that-ask-the-host) of text.
pub fn method_piece() -> impl Pieces {
    Ask(abi::req_method)
}

/// The full URL, with path and query.
///
/// # Traps
///
/// If the host has none, or if it does not fit into the arena; [`try_url`] returns an error instead.
pub fn url() -> ArenaStr {
    claim_or_trap(abi::req_url()).into_text()
}

/// [`url`], or why there is none.
///
/// # Errors
///
/// [`Error`]: the host has none, or it does not fit into the arena.
pub fn try_url() -> Result<ArenaStr, Error> {
    claim_or_error(abi::req_url()).map(ArenaBytes::into_text)
}

/// [`url`], as a [piece](crate::text#pieces-that-ask-the-host) of text.
pub fn url_piece() -> impl Pieces {
    Ask(abi::req_url)
}

/// The value of a header. The case of `name` does not matter.
///
/// `None` if the request has no such header, or if its value does not fit into the arena. The host
/// withholds `Authorization`, `Cookie` and every `X-Flaron-*` header from a flare whose configuration
/// does not set `requires_raw_auth`.
pub fn header(name: &str) -> Option<ArenaStr> {
    claim(abi::req_header_get(name.as_bytes())).map(ArenaBytes::into_text)
}

/// The body.
///
/// The host passes it only to a flare whose configuration sets `requires_body`, and at most the first
/// 10 MiB of it. Empty if the host passes none.
///
/// # Traps
///
/// If it does not fit into the arena, which is 256 KiB by default (see
/// [`ARENA_BYTES`](crate::ARENA_BYTES)); [`try_body`] returns an error instead.
pub fn body() -> ArenaBytes {
    claim_unless_refused(abi::req_body())
}

/// [`body`], or why there is none.
///
/// # Errors
///
/// [`Error`]: the host passes none, because the flare's configuration does not set `requires_body`, or
/// it does not fit into the arena.
pub fn try_body() -> Result<ArenaBytes, Error> {
    claim_or_error(abi::req_body())
}

/// [`body`], as a [piece](crate::text#pieces-that-ask-the-host) of text.
pub fn body_piece() -> impl Pieces {
    Ask(abi::req_body)
}

/// The value of a header, as a [piece](crate::text#pieces-that-ask-the-host) of text: see [`header`].
pub fn header_piece(name: &str) -> impl Pieces {
    Ask(move || abi::req_header_get(name.as_bytes()))
}

#[cfg(test)]
mod tests;
