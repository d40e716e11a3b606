//! The URL in parts.

use std::string::String;
use std::vec::Vec;

use proptest::prelude::*;

use crate::arena::tests::cases;
use crate::request::{method_is, path, query, target};
#[cfg(feature = "response")]
use crate::response;
use crate::testing::{Host, arena_is_free};
use crate::text;

/// Path, query with its question mark, and both.
fn parts(url: &str) -> (String, String, String) {
    let host = Host::new();
    host.url(url);
    let whole = target();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    assert_eq!(path(), text(whole.path()));
    assert_eq!(text::build(&whole).unwrap(), whole.as_bytes());
    let expected = if whole.path().is_empty() {
        b"/"
    } else {
        whole.path()
    };
    assert_eq!(query().path(), expected);
    assert_eq!(target().into_query().path(), expected);
    let search = text(whole.search());
    assert_eq!(
        whole.query(),
        search.strip_prefix('?').unwrap_or_default().as_bytes()
    );
    let parts = (text(whole.path()), search, text(whole.as_bytes()));
    assert_eq!(whole.into_bytes(), parts.2.as_bytes());
    assert!(arena_is_free());
    parts
}

#[test]
fn a_url_has_a_path_and_a_query_whatever_it_is() {
    for (url, path, search) in [
        ("https://flare.example/a/b?c=d", "/a/b", "?c=d"),
        ("https://flare.example", "/", ""),
        ("https://flare.example/", "/", ""),
        ("https://flare.example?a", "/", "?a"),
        ("https://flare.example#a/b?c", "/", ""),
        ("https://flare.example//a", "//a", ""),
        ("https://flare.example/a?b?c=/d", "/a", "?b?c=/d"),
        (
            "https://flare.example/a?u=https://b/c",
            "/a",
            "?u=https://b/c",
        ),
        ("https://flare.example/a#b?c", "/a", ""),
        ("https://flare.example/a?b#c?d", "/a", "?b"),
        ("https://flare.example/a%2Fb%3Fc", "/a%2Fb%3Fc", ""),
        ("http://[::1]:8787/a", "/a", ""),
        ("http://[::1]", "/", ""),
        ("https://user:pass@flare.example:1/a", "/a", ""),
        ("https://user@flare.example?a", "/", "?a"),
        ("https://flare.example/?", "/", "?"),
        ("https://h/a/b", "/a/b", ""),
        ("http://h/a/b/c?d", "/a/b/c", "?d"),
        ("/a?b", "/a", "?b"),
        ("//a/b?c", "//a/b", "?c"),
        ("/", "/", ""),
    ] {
        let (found, query, both) = parts(url);
        assert_eq!((&*found, &*query), (path, search), "{url}");
        assert_eq!(both, String::from(path) + search);
    }
}

#[test]
fn nothing_of_the_authority_is_in_the_path() {
    for url in [
        "a",
        "ab",
        "https:",
        "https:/",
        "https://",
        "secret@host",
        "https://secret@host",
    ] {
        assert_eq!(parts(url).0, "/", "{url}");
    }
    let host = Host::new();
    for url in ["", "?a", "#a"] {
        host.url(url);
        assert_eq!(path(), "", "there is no byte that could be the slash");
        assert_eq!(query().path(), b"/");
    }
}

#[test]
fn the_query_is_decoded_by_the_rules_of_forms() {
    let host = Host::new();
    host.url(
        "https://a/b?q=caf%C3%A9+%22x%22&page=3&flag&=v&q=2&a%3Db=%26&e=&x=%&y=%4&z=%zz&&t=a=b",
    );
    let query = query();
    assert_eq!(query.get("q"), Some("caf\u{e9} \"x\""));
    assert_eq!(query.get_bytes("page"), Some(&b"3"[..]));
    for (name, value) in [
        ("flag", Some("")),
        ("e", Some("")),
        ("", Some("v")),
        ("a=b", Some("&")),
        ("x", Some("%")),
        ("y", Some("%4")),
        ("z", Some("%zz")),
        ("t", Some("a=b")),
        ("pag", None),
        ("pages", None),
        ("a", None),
    ] {
        assert_eq!(query.get(name), value, "{name:?}");
    }
    assert_eq!(query.pairs().filter(|(name, _)| *name == b"q").count(), 2);
    assert_eq!(
        query.pairs().count(),
        11,
        "nothing between two & is no pair"
    );
    let decoded = target().into_query();
    assert_eq!(decoded.pairs().count(), 11);
    assert!(decoded.pairs().eq(query.pairs()));
    drop(decoded);
    // Nothing between two & is no value of no name, either.
    host.url("/?&&a=1&&");
    assert_eq!(crate::request::query().get(""), None);
    drop(query);
    assert!(arena_is_free());
}

#[test]
fn a_query_leaves_the_path_and_the_fragment_alone() {
    let host = Host::new();
    host.url("https://a/%41+b?c=%41+b&d=%#e=%41?f=1&g=2");
    let query = query();
    assert_eq!(query.path(), b"/%41+b");
    assert!(query.pairs().eq([(&b"c"[..], &b"A b"[..]), (b"d", b"%")]));
    for url in ["https://a/b#?c=d", "https://a#/b?c=d", "https://a/b?#c=d"] {
        host.url(url);
        assert_eq!(crate::request::query().pairs().count(), 0, "{url}");
    }
}

#[test]
fn a_query_that_is_no_text_is_told_from_one_that_is() {
    let host = Host::new();
    host.url("https://a/?bad=%C3%28&marks=%fe%ff%fd&good=1");
    let query = query();
    assert_eq!(query.get("bad"), None);
    assert_eq!(query.get_bytes("bad"), Some(&b"\xc3("[..]));
    assert_eq!(
        query.get("marks"),
        Some("???"),
        "they end names and values inside"
    );
    assert_eq!(query.get("good"), Some("1"));
    host.url("https://a/");
    assert_eq!(crate::request::query().pairs().count(), 0);
}

#[test]
fn the_method_is_compared_as_it_is() {
    let host = Host::new();
    host.method("GET");
    assert!(method_is("GET") && !method_is("get") && !method_is("GE") && !method_is("GETS"));
}

#[test]
#[cfg(feature = "response")]
fn a_target_is_a_piece() {
    let host = Host::new();
    let response = host.run(|| {
        response::set_body_pieces(&target()).unwrap();
        crate::FlareAction::Respond
    });
    assert_eq!(response.text(), "/");
}

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn what_was_coded_is_decoded(pairs in prop::collection::vec((".{0,6}", ".{0,6}"), 0..6)) {
        let coded: Vec<String> = pairs
            .iter()
            .map(|(name, value)| {
                let code = |text: &str| -> String {
                    text.bytes().map(|byte| std::format!("%{byte:02X}")).collect()
                };
                code(name) + "=" + &code(value)
            })
            .collect();
        let host = Host::new();
        host.url(&(String::from("https://a/?") + &coded.join("&")));
        let query = query();
        let found: Vec<_> = query.pairs().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
        let expected: Vec<_> = pairs
            .iter()
            .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
            .collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn any_url_has_a_path_that_begins_with_a_slash(url in "[a:/@%.][a:/?#@%.]{0,12}") {
        let (path, search, both) = parts(&url);
        prop_assert!(path.starts_with('/') && !path.contains('?') && !both.contains('#'));
        prop_assert!(search.is_empty() || search.starts_with('?'));
    }
}

#[test]
fn a_path_has_its_segments() {
    let of = |path: &'static str| {
        let parts = text::segments(path.as_bytes()).map(|one| core::str::from_utf8(one).unwrap());
        parts.collect::<Vec<_>>()
    };
    assert_eq!(of("/"), [""]);
    assert_eq!(of("/users/42"), ["users", "42"]);
    assert_eq!(of("/users/42/"), ["users", "42", ""]);
    assert_eq!(of("//a%2Fb//c"), ["", "a%2Fb", "", "c"]);
    assert_eq!(of("a/b"), ["a", "b"]);
    assert_eq!(of(""), [""]);
}
