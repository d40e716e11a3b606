//! The time, by the edge node's clock.
//!
//! Functions that end in `_piece` give it as a [piece](crate::text#pieces-that-ask-the-host) of
//! text.

use crate::arena::ArenaStr;
use crate::arena::claim::{claim_or_empty, claim_with};
use crate::bytes::number::parse_u64;
use crate::text::ask::Ask;
use crate::text::{Pieces, send};
use crate::{abi, json};

/// The formats that [`now`] takes.
pub mod format {
    /// Seconds since 1970-01-01T00:00:00Z, in decimal.
    pub const UNIX: &str = "unix";
    /// Milliseconds since then, in decimal.
    pub const MILLIS: &str = "ms";
    /// Nanoseconds since then, in decimal.
    pub const NANOS: &str = "ns";
    /// RFC 3339: `2026-04-07T11:12:13Z`.
    pub const RFC3339: &str = "rfc3339";
    /// The date of an HTTP header: `Tue, 07 Apr 2026 11:12:13 GMT`.
    pub const HTTP: &str = "http";
    /// ISO 8601.
    pub const ISO8601: &str = "iso8601";
}

const MILLIS: &[u8] = b"{\"format\":\"ms\"}";
const UNIX: &[u8] = b"{\"format\":\"unix\"}";
const RFC3339: &[u8] = b"{\"format\":\"rfc3339\"}";
const HTTP: &[u8] = b"{\"format\":\"http\"}";

/// The time as text, in one of the formats of [`format`](mod@format); any other means RFC 3339.
///
/// Empty if something does not fit into the arena ([`arena_refused`](crate::arena_refused) tells).
///
/// For a fixed format the functions below are smaller: they link no JSON writer.
pub fn now(format: &str) -> ArenaStr {
    let time = send::call(("{\"format\":", json::Str(format), "}"), abi::timestamp);
    time.unwrap_or_default().into_text()
}

/// Milliseconds since 1970-01-01T00:00:00Z; 0 if the host's answer is no number.
pub fn now_ms() -> u64 {
    number(abi::timestamp(MILLIS))
}

/// Milliseconds since then in decimal, as a piece of text.
pub fn now_ms_piece() -> impl Pieces {
    Ask(|| abi::timestamp(MILLIS))
}

/// Seconds since 1970-01-01T00:00:00Z; 0 if the host's answer is no number.
pub fn now_unix() -> u64 {
    number(abi::timestamp(UNIX))
}

/// Seconds since then in decimal, as a piece of text.
pub fn now_unix_piece() -> impl Pieces {
    Ask(|| abi::timestamp(UNIX))
}

/// The time in RFC 3339; empty if it does not fit into the arena.
pub fn now_rfc3339() -> ArenaStr {
    claim_or_empty(abi::timestamp(RFC3339)).into_text()
}

/// [`now_rfc3339`], as a piece of text.
pub fn now_rfc3339_piece() -> impl Pieces {
    Ask(|| abi::timestamp(RFC3339))
}

/// The time as the date of an HTTP header; empty if it does not fit into the arena.
pub fn now_http() -> ArenaStr {
    claim_or_empty(abi::timestamp(HTTP)).into_text()
}

/// [`now_http`], as a piece of text.
pub fn now_http_piece() -> impl Pieces {
    Ask(|| abi::timestamp(HTTP))
}

fn number(returned: i64) -> u64 {
    claim_with(returned, parse_u64).unwrap_or_default()
}

#[cfg(test)]
mod tests;
