//! Headers that have an inner structure.

use crate::arena_refused;
use crate::request::{basic_credentials, cookie, credentials, first_of, matches_etag};
use crate::testing::{Host, arena_is_free, leave_free};

#[test]
fn a_cookie_is_found_by_its_whole_name() {
    let host = Host::new();
    host.requires_raw_auth(true).header(
        "Cookie",
        "xab=0; ab=1;abc=2;  q=\"a b\" ;e=; flag; t=a=b; ab=3",
    );
    for (name, value) in [
        ("ab", Some("1")),
        ("xab", Some("0")),
        ("abc", Some("2")),
        ("q", Some("\"a b\"")),
        ("e", Some("")),
        ("t", Some("a=b")),
        ("b", None),
        ("flag", None),
        ("AB", None),
        ("", None),
    ] {
        assert_eq!(cookie(name).as_deref(), value, "{name:?}");
    }
    assert!(arena_is_free());
    host.requires_raw_auth(false);
    assert!(cookie("ab").is_none(), "the host withholds it");
}

#[test]
fn credentials_have_their_scheme_in_any_case() {
    let host = Host::new();
    host.requires_raw_auth(true);
    for (header, token) in [
        ("Bearer abc", Some("abc")),
        ("bEARER   abc", Some("abc")),
        ("Bearer a b", Some("a b")),
        ("Bearer ", Some("")),
        ("Bearer", None),
        ("Bearerabc", None),
        ("Basic abc", None),
        ("Beare abc", None),
        ("", None),
    ] {
        host.header("authorization", header);
        assert_eq!(credentials("Bearer").as_deref(), token, "{header:?}");
    }
    assert!(arena_is_free());
}

#[test]
fn basic_credentials_are_decoded() {
    let host = Host::new();
    host.requires_raw_auth(true)
        .header("authorization", "basic YWRtaW46aHVudGVyMg==");
    assert_eq!(basic_credentials().unwrap(), b"admin:hunter2");
    for bad in ["Basic !!!", "Bearer YWRtaW4=", "Basic YWRtaW4"] {
        host.header("authorization", bad);
        assert!(basic_credentials().is_none(), "{bad}");
    }
    assert!(arena_is_free());
}

#[test]
fn the_first_of_a_list_is_taken_without_space() {
    let host = Host::new();
    for (header, first) in [
        ("203.0.113.9, 10.0.0.1", Some("203.0.113.9")),
        ("2001:db8::1", Some("2001:db8::1")),
        ("a \t, b", Some("a")),
        (", b", None),
        ("", None),
    ] {
        host.header("x-forwarded-for", header);
        assert_eq!(first_of("X-Forwarded-For").as_deref(), first, "{header:?}");
    }
    assert!(first_of("none").is_none());
    assert!(arena_is_free());
}

#[test]
fn entity_tags_are_compared_weakly() {
    let host = Host::new();
    assert!(!matches_etag("\"a\""), "there is no such header");
    for (header, matches) in [
        ("\"a\"", true),
        ("W/\"a\"", true),
        ("\"x\", W/\"a\",\"y\"", true),
        ("*", true),
        ("\"x\"", false),
        ("\"ab\", \"ba\"", false),
        ("\"a*\"", false),
        ("a", false),
        ("\"a", false),
        ("", false),
    ] {
        host.header("if-none-match", header);
        assert_eq!(matches_etag("\"a\""), matches, "{header:?}");
        assert_eq!(matches_etag("W/\"a\""), matches, "{header:?}");
    }
    assert!(arena_is_free());
}

#[test]
fn what_does_not_fit_is_refused_and_takes_no_space() {
    let host = Host::new();
    host.requires_raw_auth(true)
        .header("cookie", "a=1; b=2; c=3");
    let full = leave_free(8);
    assert!(cookie("a").is_none() && arena_refused());
    drop(full);
    // What is behind the part is free while it lives.
    let first = cookie("a").unwrap();
    let full = crate::text::build("more");
    assert_eq!(first, "1");
    drop((first, full));
    assert!(arena_is_free());
}
