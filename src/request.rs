//! The request that the flare is handling.
//!
//! Every function asks the host, which writes its answer into the arena; what comes back is a lease
//! on it. Keep it in a variable rather than ask twice.

use crate::abi;
use crate::arena::{ArenaBytes, ArenaStr, lease, lease_or_empty};

/// The method: `GET`, `POST`, ….
///
/// Empty if the host has none, or if it does not fit into the arena
/// ([`arena_refused`](crate::arena_refused) tells).
pub fn method() -> ArenaStr {
    lease_or_empty(abi::req_method()).into_text()
}

/// The full URL, with path and query.
///
/// Empty if the host has none, or if it does not fit into the arena.
pub fn url() -> ArenaStr {
    lease_or_empty(abi::req_url()).into_text()
}

/// The value of a header; `name` in any case.
///
/// `None` if the request has no such header, or if its value does not fit into the arena. The host
/// withholds `Authorization`, `Cookie` and all `X-Flaron-*` from a flare whose configuration does
/// not have `requires_raw_auth`.
pub fn header(name: &str) -> Option<ArenaStr> {
    lease(abi::req_header_get(name.as_bytes())).map(ArenaBytes::into_text)
}

/// The body.
///
/// The host gives it only to a flare whose configuration has `requires_body`, and at most its first
/// 10 MiB. Empty if there is none, or if it does not fit into the arena, which is 256 KiB by
/// default: see [`ARENA_BYTES`](crate::ARENA_BYTES), and [`arena_refused`](crate::arena_refused) to
/// tell the two apart.
pub fn body() -> ArenaBytes {
    lease_or_empty(abi::req_body())
}
