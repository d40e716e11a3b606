//! The request that the flare is handling.
//!
//! Every function asks the host, which writes its answer into the arena; what comes back is a lease
//! on it. Keep it in a variable rather than ask twice.

use crate::abi;
use crate::arena::claim::{claim, claim_or_empty};
use crate::arena::{ArenaBytes, ArenaStr};
use crate::text::Pieces;
use crate::text::ask::Ask;

/// The method: `GET`, `POST`, ….
///
/// Empty if the host has none, or if it does not fit into the arena
/// ([`arena_refused`](crate::arena_refused) tells).
pub fn method() -> ArenaStr {
    claim_or_empty(abi::req_method()).into_text()
}

/// [`method`], as a [piece](crate::text#pieces-that-ask-the-host) of text.
pub fn method_piece() -> impl Pieces {
    Ask(abi::req_method)
}

/// The full URL, with path and query.
///
/// Empty if the host has none, or if it does not fit into the arena.
pub fn url() -> ArenaStr {
    claim_or_empty(abi::req_url()).into_text()
}

/// [`url`], as a [piece](crate::text#pieces-that-ask-the-host) of text.
pub fn url_piece() -> impl Pieces {
    Ask(abi::req_url)
}

/// The value of a header; `name` in any case.
///
/// `None` if the request has no such header, or if its value does not fit into the arena. The host
/// withholds `Authorization`, `Cookie` and all `X-Flaron-*` from a flare whose configuration does
/// not have `requires_raw_auth`.
pub fn header(name: &str) -> Option<ArenaStr> {
    claim(abi::req_header_get(name.as_bytes())).map(ArenaBytes::into_text)
}

/// The body.
///
/// The host gives it only to a flare whose configuration has `requires_body`, and at most its first
/// 10 MiB. Empty if there is none, or if it does not fit into the arena, which is 256 KiB by
/// default: see [`ARENA_BYTES`](crate::ARENA_BYTES), and [`arena_refused`](crate::arena_refused) to
/// tell the two apart.
pub fn body() -> ArenaBytes {
    claim_or_empty(abi::req_body())
}

#[cfg(test)]
mod tests;
