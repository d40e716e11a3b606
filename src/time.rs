//! The time, by the edge node's clock.

use crate::arena::{ArenaStr, lease_or_empty, read};
use crate::{abi, json, text};

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

/// The time as text, in one of the formats of [`format`](mod@format); any other means RFC 3339.
///
/// Empty if something does not fit into the arena ([`arena_refused`](crate::arena_refused) tells).
///
/// For a fixed format the functions below are smaller: they link no JSON writer.
pub fn now(format: &str) -> ArenaStr {
    let time = crate::arena::Draft::call(("{\"format\":", json::Str(format), "}"), abi::timestamp);
    time.unwrap_or_default().into_text()
}

/// Milliseconds since 1970-01-01T00:00:00Z; 0 if the host's answer is no number.
pub fn now_ms() -> u64 {
    number(abi::timestamp(&b"{\"format\":\"ms\"}"[..]))
}

/// Seconds since 1970-01-01T00:00:00Z; 0 if the host's answer is no number.
pub fn now_unix() -> u64 {
    number(abi::timestamp(&b"{\"format\":\"unix\"}"[..]))
}

/// The time in RFC 3339; empty if it does not fit into the arena.
pub fn now_rfc3339() -> ArenaStr {
    lease_or_empty(abi::timestamp(&b"{\"format\":\"rfc3339\"}"[..])).into_text()
}

/// The time as the date of an HTTP header; empty if it does not fit into the arena.
pub fn now_http() -> ArenaStr {
    lease_or_empty(abi::timestamp(&b"{\"format\":\"http\"}"[..])).into_text()
}

fn number(returned: i64) -> u64 {
    read(returned, text::parse_u64).unwrap_or_default()
}
