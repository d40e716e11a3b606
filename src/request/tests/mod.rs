use super::*;
use crate::error::Kind;
use crate::testing::{Host, arena_is_free, leave_free, traps};
use crate::{ArenaFull, arena_refused, text};

#[test]
fn the_request_is_read_as_the_host_has_it() {
    let host = Host::new();
    host.method("PUT")
        .url("https://flare.example/a?b=\u{e9}")
        .header("Accept", "text/html");
    assert_eq!(method(), "PUT");
    assert_eq!(url(), "https://flare.example/a?b=\u{e9}");
    assert_eq!(header("accept").as_deref(), Some("text/html"));
    assert_eq!(header("ACCEPT").as_deref(), Some("text/html"));
    assert!(header("accep").is_none());
    assert_eq!(host.calls_of("req_header_get")[0].text(0), "accept");
    assert!(!arena_refused());
}

#[test]
fn pieces_are_what_the_host_has() {
    let host = Host::new();
    host.method("PUT").url("https://flare.example/a");
    let text = text::build((method_piece(), " ", url_piece())).unwrap();
    assert_eq!(text, "PUT https://flare.example/a");
    // Asked when the text is built, in turn.
    let piece = url_piece();
    assert_eq!(host.calls_of("req_url").len(), 1);
    assert!(text::build(("a", piece)).is_ok());
    assert_eq!(host.calls_of("req_url").len(), 2);
    host.on("req_url", |_| None);
    assert_eq!(text::build(url_piece()), Err(ArenaFull));
    assert!(!arena_refused());
}

#[test]
fn an_empty_header_is_there() {
    let host = Host::new();
    host.header("x-empty", "");
    assert_eq!(header("x-empty").as_deref(), Some(""));
}

#[test]
fn the_body_is_given_only_with_the_capability() {
    let host = Host::new();
    host.body(b"\xff\x00body");
    assert_eq!(body(), b"");
    assert!(!arena_refused());
    host.requires_body(true);
    assert_eq!(body(), b"\xff\x00body");
}

#[test]
fn withheld_headers_need_the_capability() {
    let host = Host::new();
    for name in ["Authorization", "Cookie", "X-Flaron-Site"] {
        host.header(name, "value");
        assert!(header(name).is_none(), "{name}");
    }
    host.requires_raw_auth(true);
    for name in ["authorization", "COOKIE", "x-flaron-site"] {
        assert_eq!(header(name).as_deref(), Some("value"), "{name}");
    }
}

#[test]
fn what_the_host_does_not_have_is_not_made_up() {
    let host = Host::new();
    for import in ["req_method", "req_url", "req_header_get", "req_body"] {
        host.on(import, |_| None);
    }
    assert!(traps(method) && traps(url) && traps(target) && traps(path) && traps(query));
    assert!(traps(|| method_is("GET")));
    for error in [
        try_method().err(),
        try_url().err(),
        try_body().err(),
        try_target().err(),
    ] {
        assert_eq!(error, Some(Error::new(Kind::NoAnswer)));
    }
    assert_eq!(body(), b"", "it may be that there is none");
    assert!(header("accept").is_none());
    assert!(!arena_refused());
}

#[test]
fn what_does_not_fit_is_refused() {
    let host = Host::new();
    host.method("LONG-METHOD").header("a", "a long value");
    host.requires_body(true).body(b"a long body");
    let full = leave_free(8);
    assert!(traps(method) && arena_refused());
    assert!(traps(url) && arena_refused());
    for error in [
        try_method().err(),
        try_url().err(),
        try_body().err(),
        try_target().err(),
    ] {
        assert_eq!(error, Some(ArenaFull.into()));
    }
    assert!(header("none").is_none());
    assert!(
        !arena_refused(),
        "it is not there, and that is no matter of space"
    );
    assert!(header("a").is_none());
    assert!(arena_refused());
    assert!(
        traps(body) && arena_refused(),
        "it is there, and no empty one"
    );
    drop(full);
    assert_eq!(method(), "LONG-METHOD");
    assert!(!arena_refused());
    assert!(arena_is_free());
}

mod headers;
mod target;
