use super::*;
use crate::arena::tests::leased;
use crate::beam::{BeamError, fetch, fetch_raw};
use crate::testing::{Host, arena_is_free, leave_free};
use std::borrow::{Cow, ToOwned};
use std::format;
use std::string::String;

const URL: &str = "https://api.example.com/";

fn sent(options: &FetchOptions<'_>) -> String {
    let host = Host::new();
    assert_eq!(
        fetch(URL, Some(options)).unwrap_err(),
        BeamError::NoResponse
    );
    host.calls_of("beam_fetch")[0].text(1)
}

#[test]
fn fields_are_set_as_the_builders_set_them() {
    let mut options = FetchOptions {
        method: "PUT".into(),
        body: Some("x".into()),
        ..Default::default()
    };
    options.headers.insert("a", "1");
    options.headers.insert("b", "2");
    options.headers.insert("a", "3");
    let json = r#"{"method":"PUT","headers":{"a":"3","b":"2"},"body":"x"}"#;
    assert_eq!(sent(&options), json);
    assert!(options.method == "PUT" && options.body.as_deref() == Some("x"));
    assert_eq!(
        format!("{options:?}"),
        r#"FetchOptions { method: "PUT", headers: {"a": "3", "b": "2"}, body: Some("x") }"#
    );
    options.method = "GET".into();
    options.body = None;
    assert_eq!(
        sent(&options),
        r#"{"method":"GET","headers":{"a":"3","b":"2"}}"#
    );
}

#[test]
fn leases_are_kept_alive_as_long_as_the_options() {
    let outer = leased(b"outer");
    let options = {
        let name = leased(b"x-name").into_text();
        FetchOptions::new()
            .with_method(leased(b"P\xffT").into_text())
            .with_header(name, leased(b"1").into_text())
            .with_header("x-name", leased(b"2").into_text())
            .with_body(leased(b"").into_text())
    };
    // Others come and go meanwhile.
    drop(outer);
    for _ in 0..3 {
        let other = leased(&[7; 100]);
        assert_eq!(
            sent(&options),
            r#"{"method":"P?T","headers":{"x-name":"2"},"body":""}"#
        );
        assert_eq!(other, [7; 100]);
    }
    assert!(!arena_is_free());
    drop(options);
    assert!(arena_is_free());
}

#[test]
fn owned_texts_are_copied_into_the_arena() {
    let string = "by reference".to_owned();
    let options = FetchOptions::new()
        .with_method(format!("PO{}", "ST"))
        .with_header("cow".to_owned(), Cow::Owned(format!("{}", 1)))
        .with_header(&string, Cow::Borrowed("2"))
        .with_body(string.clone());
    assert_eq!(
        sent(&options),
        r#"{"method":"POST","headers":{"cow":"1","by reference":"2"},"body":"by reference"}"#
    );
    let copy = options.clone();
    drop(options);
    assert_eq!(&*copy.method, "POST");
    drop(copy);
    assert!(arena_is_free());
}

#[test]
fn what_is_borrowed_need_not_outlive_the_options() {
    let mut options = FetchOptions::new().with_method(leased(b"PUT").into_text());
    let body = format!("{}", 1);
    options = options.with_body(&body);
    assert_eq!(sent(&options), r#"{"method":"PUT","body":"1"}"#);
}

#[test]
fn options_that_do_not_fit_are_not_sent() {
    let host = Host::new();
    let full = leave_free(64);
    let long = "x".repeat(65);
    for options in [
        FetchOptions::new().with_method(long.clone()),
        FetchOptions::new().with_header(long.clone(), "1"),
        FetchOptions::new().with_header("a", long.clone()),
        FetchOptions::new().with_body(long.clone()),
    ] {
        assert_eq!(
            fetch_raw(URL, Some(&options)).unwrap_err(),
            BeamError::ArenaFull
        );
        let copy = options.clone();
        assert_eq!(fetch(URL, Some(&copy)).unwrap_err(), BeamError::ArenaFull);
    }
    assert!(host.fetches().is_empty());
    drop(full);
    assert!(arena_is_free());
}

#[test]
fn a_text_is_what_it_was_made_of() {
    for text in [
        FetchText::from("PUT"),
        FetchText::from(leased(b"PUT").into_text()),
    ] {
        assert_eq!(AsRef::<str>::as_ref(&text), "PUT");
        assert!(text == "PUT" && text != "PUS" && text != "PU");
        let nothing = "";
        assert!(text != nothing);
    }
}
