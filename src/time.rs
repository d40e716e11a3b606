//! The time, by the edge node's clock.
//!
//! Functions that end in `_piece` give it as a [piece](crate::text#pieces-that-ask-the-host) of
//! text.

use crate::arena::{ArenaStr, lease_or_empty, read};
use crate::text::{Ask, Pieces};
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
    let time = crate::arena::Draft::call(("{\"format\":", json::Str(format), "}"), abi::timestamp);
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
    lease_or_empty(abi::timestamp(RFC3339)).into_text()
}

/// [`now_rfc3339`], as a piece of text.
pub fn now_rfc3339_piece() -> impl Pieces {
    Ask(|| abi::timestamp(RFC3339))
}

/// The time as the date of an HTTP header; empty if it does not fit into the arena.
pub fn now_http() -> ArenaStr {
    lease_or_empty(abi::timestamp(HTTP)).into_text()
}

/// [`now_http`], as a piece of text.
pub fn now_http_piece() -> impl Pieces {
    Ask(|| abi::timestamp(HTTP))
}

fn number(returned: i64) -> u64 {
    read(returned, text::parse_u64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arena_refused;
    use crate::testing::{Host, arena_is_free, leave_free};

    #[test]
    fn every_format_is_the_hosts() {
        // The moment of RFC 9110, section 5.6.7.
        let host = Host::new();
        host.time_ms(784_111_777_042);
        for (name, expected) in [
            (format::UNIX, "784111777"),
            (format::MILLIS, "784111777042"),
            (format::NANOS, "784111777042000000"),
            (format::RFC3339, "1994-11-06T08:49:37Z"),
            (format::HTTP, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (format::ISO8601, "1994-11-06T08:49:37Z"),
            ("anything", "1994-11-06T08:49:37Z"),
        ] {
            assert_eq!(now(name), expected, "{name}");
        }
        assert_eq!(now_unix(), 784_111_777);
        assert_eq!(now_ms(), 784_111_777_042);
        assert_eq!(now_rfc3339(), "1994-11-06T08:49:37Z");
        assert_eq!(now_http(), "Sun, 06 Nov 1994 08:49:37 GMT");
        let numbers = (now_unix_piece(), " ", now_ms_piece());
        assert_eq!(text::build(numbers).unwrap(), "784111777 784111777042");
        let texts = (now_rfc3339_piece(), " ", now_http_piece());
        assert_eq!(
            text::build(texts).unwrap(),
            "1994-11-06T08:49:37Z Sun, 06 Nov 1994 08:49:37 GMT"
        );
        assert!(arena_is_free());
    }

    #[test]
    fn the_host_knows_the_calendar() {
        let host = Host::new();
        for (ms, expected) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (951_782_399_000, "Mon, 28 Feb 2000 23:59:59 GMT"),
            (951_782_400_000, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (1_735_689_599_999, "Tue, 31 Dec 2024 23:59:59 GMT"),
            (4_107_542_400_000, "Mon, 01 Mar 2100 00:00:00 GMT"),
            (
                crate::testing::DEFAULT_TIME_MS,
                "Tue, 07 Apr 2026 11:12:13 GMT",
            ),
        ] {
            host.time_ms(ms);
            assert_eq!(now_http(), expected);
        }
    }

    #[test]
    fn arguments_are_those_of_the_abi() {
        let host = Host::new();
        let _ = (now("a\"b"), now_ms(), now_unix(), now_rfc3339(), now_http());
        let calls: std::vec::Vec<_> = host.calls().iter().map(|call| call.text(0)).collect();
        assert_eq!(
            calls,
            [
                r#"{"format":"a\"b"}"#,
                r#"{"format":"ms"}"#,
                r#"{"format":"unix"}"#,
                r#"{"format":"rfc3339"}"#,
                r#"{"format":"http"}"#,
            ]
        );
    }

    #[test]
    fn what_is_no_number_is_0() {
        let host = Host::new();
        for answer in ["", "-1", "1.5", "now", "18446744073709551616"] {
            host.returns("timestamp", answer);
            assert_eq!((now_ms(), now_unix()), (0, 0), "{answer:?}");
        }
        host.on("timestamp", |_| None);
        assert_eq!((now_ms(), now_unix()), (0, 0));
        assert_eq!(now(format::HTTP), "");
        assert_eq!(now_rfc3339(), "");
        assert!(!arena_refused());
    }

    #[test]
    fn what_does_not_fit_is_empty_and_refused() {
        let host = Host::new();
        let full = leave_free(24);
        assert_eq!(now("a format that leaves no room"), "");
        assert!(
            arena_refused() && host.calls().is_empty(),
            "nothing was sent"
        );
        assert_eq!(now(format::RFC3339), "");
        assert!(
            arena_refused() && host.calls().len() == 1,
            "the answer did not fit"
        );
        assert_eq!(now_rfc3339(), "2026-04-07T11:12:13Z");
        assert!(!arena_refused());
        assert_eq!(now_http(), "");
        assert!(arena_refused());
        drop(full);
        let _full = leave_free(8);
        assert_eq!((now_ms(), now_unix()), (0, 0));
        assert!(arena_refused());
    }
}
