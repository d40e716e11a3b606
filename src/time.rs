//! The time, according to the edge node's clock.
//!
//! Functions that end in `_piece` return it as a [piece](crate::text#pieces-that-ask-the-host) of text.

use crate::arena::claim::{claim_or_trap, claim_with};
use crate::arena::{ArenaBytes, ArenaStr};
use crate::bytes::number::parse_u64;
use crate::error::{Error, Kind, claim_or_error, no_result};
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
    /// The date as in HTTP headers: `Tue, 07 Apr 2026 11:12:13 GMT`.
    pub const HTTP: &str = "http";
    /// ISO 8601.
    pub const ISO8601: &str = "iso8601";
}

const MILLIS: &[u8] = b"{\"format\":\"ms\"}";
const UNIX: &[u8] = b"{\"format\":\"unix\"}";
const RFC3339: &[u8] = b"{\"format\":\"rfc3339\"}";
const HTTP: &[u8] = b"{\"format\":\"http\"}";

/// The time as text, in one of the formats in [`format`](mod@format); any other means RFC 3339.
///
/// For a fixed format the functions below take less code: they do not link the JSON writer.
///
/// # Traps
///
/// If the host returns no time, or if something does not fit into the arena; [`try_now`] returns an error instead.
pub fn now(format: &str) -> ArenaStr {
    claim_or_trap(timestamp(format)).into_text()
}

/// [`now`], or why there is no time.
///
/// # Errors
///
/// [`Error`]: the host returns none, or something does not fit into the arena.
pub fn try_now(format: &str) -> Result<ArenaStr, Error> {
    claim_or_error(timestamp(format)).map(ArenaBytes::into_text)
}

fn timestamp(format: &str) -> i64 {
    send::returned(("{\"format\":", json::Str(format), "}"), abi::timestamp)
}

/// Milliseconds since 1970-01-01T00:00:00Z.
///
/// # Traps
///
/// If the host returns no time, or something that is not a number; [`try_now_ms`] returns an error instead.
pub fn now_ms() -> u64 {
    number_or_trap(abi::timestamp(MILLIS))
}

/// [`now_ms`], or why there is no time.
///
/// # Errors
///
/// [`Error`]: the host returns none, or something that is not a number.
pub fn try_now_ms() -> Result<u64, Error> {
    number_or_error(abi::timestamp(MILLIS))
}

/// Milliseconds since then in decimal, as a piece of text.
pub fn now_ms_piece() -> impl Pieces {
    Ask(|| abi::timestamp(MILLIS))
}

/// Seconds since 1970-01-01T00:00:00Z.
///
/// # Traps
///
/// If the host returns no time, or something that is not a number; [`try_now_unix`] returns an error instead.
pub fn now_unix() -> u64 {
    number_or_trap(abi::timestamp(UNIX))
}

/// [`now_unix`], or why there is no time.
///
/// # Errors
///
/// [`Error`]: the host returns none, or something that is not a number.
pub fn try_now_unix() -> Result<u64, Error> {
    number_or_error(abi::timestamp(UNIX))
}

/// Seconds since then in decimal, as a piece of text.
pub fn now_unix_piece() -> impl Pieces {
    Ask(|| abi::timestamp(UNIX))
}

/// The time in RFC 3339.
///
/// # Traps
///
/// If the host returns no time, or if it does not fit into the arena; [`try_now_rfc3339`] returns an error instead.
pub fn now_rfc3339() -> ArenaStr {
    claim_or_trap(abi::timestamp(RFC3339)).into_text()
}

/// [`now_rfc3339`], or why there is no time.
///
/// # Errors
///
/// [`Error`]: the host returns none, or it does not fit into the arena.
pub fn try_now_rfc3339() -> Result<ArenaStr, Error> {
    claim_or_error(abi::timestamp(RFC3339)).map(ArenaBytes::into_text)
}

/// [`now_rfc3339`], as a piece of text.
pub fn now_rfc3339_piece() -> impl Pieces {
    Ask(|| abi::timestamp(RFC3339))
}

/// The time in the format of dates in HTTP headers.
///
/// # Traps
///
/// If the host returns no time, or if it does not fit into the arena; [`try_now_http`] returns an error instead.
pub fn now_http() -> ArenaStr {
    claim_or_trap(abi::timestamp(HTTP)).into_text()
}

/// [`now_http`], or why there is no time.
///
/// # Errors
///
/// [`Error`]: the host returns none, or it does not fit into the arena.
pub fn try_now_http() -> Result<ArenaStr, Error> {
    claim_or_error(abi::timestamp(HTTP)).map(ArenaBytes::into_text)
}

/// [`now_http`], as a piece of text.
pub fn now_http_piece() -> impl Pieces {
    Ask(|| abi::timestamp(HTTP))
}

#[inline(always)] // size: inline-step
fn number_or_trap(returned: i64) -> u64 {
    match claim_with(returned, parse_u64) {
        Some(number) => number,
        None => abi::trap("the host gave no time"),
    }
}

fn number_or_error(returned: i64) -> Result<u64, Error> {
    claim_with(returned, parse_u64)
        .ok_or_else(|| no_result(Error::new(Kind::ArenaFull), Error::new(Kind::NoTime)))
}

#[cfg(test)]
mod tests;
