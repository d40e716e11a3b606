use super::*;
use crate::testing::{Host, arena_is_free};
use crate::{beam, response};
use std::borrow::ToOwned;
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

fn answered(json: &str) -> FetchResponse {
    let host = Host::new();
    host.returns("beam_fetch", json);
    beam::fetch("https://a.example/", None).unwrap()
}

const ANSWER: &str = r#"{"status":201,"headers":{"content-type":"a/b","x":"1"},"body":"h\u00e9"}"#;

#[test]
fn headers_and_body_are_fields() {
    let answer = answered(ANSWER);
    assert_eq!(answer.status, 201);
    assert_eq!(answer.headers.get("content-type"), Some("a/b"));
    assert_eq!(answer.headers.get("Content-Type"), Some("a/b"));
    assert!(answer.headers.contains_key("x") && !answer.headers.contains_key("y"));
    let mut seen = Vec::new();
    for (name, value) in &answer.headers {
        seen.push(format!("{name}={value}"));
    }
    assert_eq!(seen, ["content-type=a/b", "x=1"]);
    assert_eq!(answer.headers.iter().count(), 2);

    let text: &str = &answer.body;
    assert_eq!(text, "h\u{e9}");
    assert_eq!(answer.body, "h\u{e9}");
    assert_eq!(AsRef::<str>::as_ref(&answer.body), "h\u{e9}");
    assert!(answer.body != "h\u{e8}" && answer.body != "h");
    let nothing = "";
    assert!(answer.body != nothing);
    assert_eq!(answer.body.to_string() + &answer.body, "h\u{e9}h\u{e9}");
    assert_eq!(
        (answer.body.len(), answer.body.as_bytes()),
        (3, "h\u{e9}".as_bytes())
    );
    assert_eq!(
        format!("{:?} {:?}", answer.headers, answer.body),
        r#"{"content-type": "a/b", "x": "1"} "hé""#
    );
    let owned: String = answer.body.to_owned();
    drop(answer);
    assert_eq!(owned, "h\u{e9}");
    assert!(arena_is_free());
}

#[test]
fn the_headers_can_outlive_the_response() {
    let headers = answered(ANSWER).headers;
    assert_eq!(headers.get("x"), Some("1"));
    drop(headers);
    assert!(arena_is_free());
}

#[test]
fn the_body_goes_into_a_response_as_it_is() {
    let answer = answered(ANSWER);
    let host = Host::new();
    response::set_body_str(&answer.body);
    response::set_body(answer.body.as_bytes());
    assert_eq!(host.calls_of("resp_body_set").len(), 2);
}
