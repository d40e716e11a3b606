use super::*;
use crate::arena_refused;
use crate::testing::{Host, arena_is_free, leave_free, traps};
use crate::text;

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
fn what_is_no_number_is_no_time() {
    let host = Host::new();
    for answer in ["", "-1", "1.5", "now", "18446744073709551616"] {
        host.returns("timestamp", answer);
        assert!(traps(now_ms) && traps(now_unix), "{answer:?}");
        assert!(try_now_ms().is_err() && try_now_unix().is_err());
    }
    host.on("timestamp", |_| None);
    assert!(traps(now_ms) && traps(now_unix));
    assert!(traps(|| now(format::HTTP)) && traps(now_rfc3339) && traps(now_http));
    assert!(!arena_refused());
    assert_eq!(try_now_unix(), Err(Error::new(Kind::NoTime)));
    assert_eq!(try_now_rfc3339().err(), Some(Error::new(Kind::NoAnswer)));
}

#[test]
fn what_does_not_fit_is_refused() {
    let host = Host::new();
    let full = leave_free(24);
    assert!(try_now("a format that leaves no room").is_err_and(|error| error.is_arena_full()));
    assert!(
        arena_refused() && host.calls().is_empty(),
        "nothing was sent"
    );
    assert!(traps(|| now(format::HTTP)));
    assert!(
        arena_refused() && host.calls().len() == 1,
        "the answer did not fit"
    );
    // One that fits may lie where the argument was.
    assert_eq!(now(format::RFC3339), "2026-04-07T11:12:13Z");
    assert_eq!(now_rfc3339(), "2026-04-07T11:12:13Z");
    assert!(!arena_refused());
    assert!(traps(now_http) && arena_refused());
    assert!(try_now_http().is_err_and(|error| error.is_arena_full()));
    drop(full);
    let _full = leave_free(8);
    assert!(traps(now_ms) && traps(now_unix) && arena_refused());
    assert_eq!(try_now_ms(), Err(crate::ArenaFull.into()));
}
