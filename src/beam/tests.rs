use super::*;
use crate::ARENA_BYTES;
use crate::json;
use crate::testing::{ARENA_FULL, Host, arena_is_free, assert_error, leave_free};
use std::format;
use std::string::String;
use std::vec::Vec;

const URL: &str = "https://api.example.com/";

fn sent(options: &FetchOptions<'_>) -> String {
    let host = Host::new();
    assert_eq!(
        fetch(URL, Some(options)).unwrap_err(),
        BeamError::NoResponse
    );
    let call = &host.calls_of("beam_fetch")[0];
    assert_eq!(call.text(0), URL);
    call.text(1)
}

fn answered(json: &str) -> Result<FetchResponse, BeamError> {
    let host = Host::new();
    host.returns("beam_fetch", json);
    fetch(URL, None)
}

#[test]
fn options_have_only_the_members_that_were_set() {
    let new = FetchOptions::new;
    let m = || new().with_method("PUT");
    let h = || new().with_header("a", "1");
    let b = || new().with_body("");
    for (options, json) in [
        (new(), "{}"),
        (FetchOptions::default(), "{}"),
        (m(), r#"{"method":"PUT"}"#),
        (h(), r#"{"headers":{"a":"1"}}"#),
        (b(), r#"{"body":""}"#),
        (
            m().with_header("a", "1"),
            r#"{"method":"PUT","headers":{"a":"1"}}"#,
        ),
        (m().with_body("x"), r#"{"method":"PUT","body":"x"}"#),
        (h().with_body("x"), r#"{"headers":{"a":"1"},"body":"x"}"#),
        (
            m().with_header("a", "1").with_body("x"),
            r#"{"method":"PUT","headers":{"a":"1"},"body":"x"}"#,
        ),
        (
            new()
                .with_headers(&[("a", "1"), ("b", "2")])
                .with_header("c", "3"),
            r#"{"headers":{"a":"1","b":"2","c":"3"}}"#,
        ),
        (new().with_headers(&[]), "{}"),
        (
            new()
                .with_method("\"")
                .with_header("\\", "\n")
                .with_body("\u{e9}\u{1}"),
            "{\"method\":\"\\\"\",\"headers\":{\"\\\\\":\"\\u000a\"},\"body\":\"\u{e9}\\u0001\"}",
        ),
    ] {
        assert_eq!(sent(&options), json);
    }
    assert!(arena_is_free());
}

#[test]
fn a_header_with_the_same_name_replaces() {
    let options = FetchOptions::new()
        .with_header("a", "1")
        .with_header("ab", "2")
        .with_header("a", "3")
        .with_header("A", "4");
    assert_eq!(sent(&options), r#"{"headers":{"a":"3","ab":"2","A":"4"}}"#);
}

#[test]
fn more_headers_than_it_takes_are_an_error() {
    let host = Host::new();
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
    let mut options = FetchOptions::new();
    for (i, name) in names.iter().enumerate() {
        assert_eq!(
            fetch(URL, Some(&options)).unwrap_err(),
            if i <= MAX_HEADERS {
                BeamError::NoResponse
            } else {
                BeamError::SerializeFailed
            }
        );
        options = options.with_header(name, "");
    }
    // Replacing one does not make it fewer.
    options = options.with_header("a", "1");
    assert_eq!(
        fetch_raw(URL, Some(&options)).unwrap_err(),
        BeamError::SerializeFailed
    );
    assert_eq!(host.fetches().len(), MAX_HEADERS + 1);
    let count = if cfg!(miri) { 20 } else { 100 };
    let many: Vec<_> = (0..count).map(|i| format!("x-{i}")).collect();
    let many: Vec<_> = many.iter().map(|name| (name.as_str(), "v")).collect();
    let _ = fetch(URL, Some(&FetchOptions::new().with_headers(&many)));
    let sent = host.fetches().pop().unwrap();
    assert_eq!(sent.headers.len(), count);
    assert_eq!(sent.header(&format!("X-{}", count - 1)), Some("v"));
}

#[test]
fn a_response_has_status_headers_and_body() {
    let host = Host::new();
    host.on_fetch(
        URL,
        404,
        &[
            ("Content-Type", "text/html"),
            ("x-quote", "a\"\\\u{e9}\n"),
            ("x-empty", ""),
        ],
        "line 1\nline \"2\" \u{1f600}\u{7}",
    );
    let options = FetchOptions::new().with_method("POST").with_body("hi");
    let response = fetch(URL, Some(&options)).unwrap();
    assert_eq!(response.status, 404);
    assert_eq!(response.header("content-type"), Some("text/html"));
    assert_eq!(response.header("CONTENT-TYPE"), Some("text/html"));
    assert_eq!(response.header("x-quote"), Some("a\"\\\u{e9}\n"));
    assert_eq!(response.header_bytes("X-Empty"), Some(&b""[..]));
    assert_eq!(
        (response.header("content"), response.header("")),
        (None, None)
    );
    let headers: Vec<_> = response.headers().collect();
    assert_eq!(
        headers,
        [
            ("content-type", "text/html"),
            ("x-quote", "a\"\\\u{e9}\n"),
            ("x-empty", "")
        ]
    );
    assert_eq!(response.body(), "line 1\nline \"2\" \u{1f600}\u{7}");
    assert_eq!(response.body_bytes(), response.body().as_bytes());
    let fetch = &host.fetches()[0];
    assert_eq!(
        (fetch.method.as_str(), fetch.body.as_deref()),
        ("POST", Some("hi"))
    );
    drop(response);
    assert!(arena_is_free());
}

#[test]
fn members_come_in_any_order_and_unknown_ones_do_not_matter() {
    let response = answered(
        " {\"x\" : {\"status\":1,\"body\":\"no\"}, \"body\":\"yes\",\n\"headers\" : { \"b\" : \"2\", \
         \"a\":{\"date\":\"no\"}, \"c\" : \"3\" } , \"y\":[{\"status\":2}], \"status\" :\t201 } ",
    )
    .unwrap();
    assert_eq!((response.status, response.body()), (201, "yes"));
    assert_eq!(
        (response.header("b"), response.header("C")),
        (Some("2"), Some("3"))
    );
    assert_eq!(
        (response.header("a"), response.header("date")),
        (None, None)
    );
    assert_eq!(response.headers().count(), 2);
    assert_eq!(
        format!("{response:?}"),
        "FetchResponse { status: 201, body: \"yes\", .. }"
    );
}

#[test]
fn of_equal_members_the_first_counts() {
    let response = answered(
        r#"{"status":200,"status":300,"headers":{"a":"1","a":"2"},"headers":{},"body":"x","body":"y"}"#,
    )
    .unwrap();
    assert_eq!(
        (response.status, response.header("a"), response.body()),
        (200, Some("1"), "x")
    );
}

#[test]
fn what_is_missing_or_of_another_kind_is_empty() {
    for json in [
        r#"{"status":200}"#,
        r#"{"status":200,"headers":5,"body":6}"#,
        r#"{"status":200,"headers":[{"a":"1"}],"body":["x"]}"#,
        r#"{"status":200,"headers":"a","body":{"a":"1"}}"#,
        r#"{"status":200,"headers":{},"other":{"a":"1"}}"#,
        r#"{"headers":null,"body":null,"status":200}"#,
    ] {
        let response = answered(json).unwrap();
        assert_eq!(
            (response.header("a"), response.body()),
            (None, ""),
            "{json}"
        );
        assert_eq!(response.headers().count(), 0, "{json}");
    }
}

#[test]
fn an_answer_that_is_not_as_the_abi_says_is_an_error() {
    for json in [
        "",
        "{}",
        "[]",
        "200",
        "null",
        "{\"status\":200",
        r#"{"status":"200"}"#,
        r#"{"status":20}"#,
        r#"{"status":099}"#,
        r#"{"status":1000}"#,
        r#"{"status":-200}"#,
        r#"{"status":200.0}"#,
        r#"{"status":2e2}"#,
        r#"{"status":null}"#,
        r#"{"Status":200}"#,
        r#"[{"status":200}]"#,
        r#"{"x":{"status":200}}"#,
        r#"{"status":{"status":200}}"#,
    ] {
        assert_eq!(
            answered(json).unwrap_err(),
            BeamError::DeserializeFailed,
            "{json}"
        );
        assert!(arena_is_free());
    }
}

/// All short texts as the status, of which most are not JSON: where one is, it is read as JSON has it, and
/// where it is not, there is none, or one of three digits all the same.
#[test]
fn a_status_is_three_digits_and_nothing_else() {
    const BYTES: &[u8] = b"09.eE-\"[],:";
    let longest = if cfg!(miri) { 1 } else { 5 };
    let mut accepted = 0;
    for len in 0..=longest {
        for number in 0..BYTES.len().pow(len) {
            let status = (0..len)
                .map(|at| BYTES[number / BYTES.len().pow(at) % BYTES.len()])
                .collect();
            let status = String::from_utf8(status).unwrap();
            let code = status.parse().ok();
            let code = code.filter(|code| (100_u16..1000).contains(code) && status.len() == 3);
            for behind in ["", ",\"x\":1"] {
                let json = format!("{{\"status\":{status}{behind}}}");
                let answered = answered(&json).ok().map(|response| response.status);
                if serde_json::from_str::<serde_json::Value>(&json).is_ok() {
                    assert_eq!(answered, code, "{json}");
                }
                assert!(
                    answered.is_none_or(|code| (100..1000).contains(&code)),
                    "{json}"
                );
                accepted += usize::from(answered.is_some());
            }
        }
    }
    // 900, 909, 990 and 999, each last and not; and what is no JSON.
    assert!(accepted >= if cfg!(miri) { 0 } else { 8 });
}

#[test]
fn what_is_not_utf8_is_no_text() {
    let host = Host::new();
    host.returns(
        "beam_fetch",
        b"{\"status\":200,\"headers\":{\"a\":\"\xc3\",\"\xc3\":\"b\"},\"body\":\"\xc3\"}",
    );
    let response = fetch(URL, None).unwrap();
    assert_eq!(
        (response.header("a"), response.header_bytes("a")),
        (None, Some(&b"\xc3"[..]))
    );
    assert_eq!((response.body(), response.body_bytes()), ("", &b"\xc3"[..]));
    assert_eq!(response.headers().count(), 0);
}

#[test]
fn ready_made_options_and_raw_answers_go_as_they_are() {
    let host = Host::new();
    host.returns("beam_fetch", "{\"status\" : 200}");
    assert_eq!(fetch_raw(URL, None).unwrap(), b"{\"status\" : 200}");
    assert_eq!(
        fetch_raw(URL, Some(&FetchOptions::new().with_method("A")))
            .unwrap()
            .len(),
        16
    );
    assert_eq!(
        fetch_raw_json(URL, "{\"body\": 1}").unwrap(),
        b"{\"status\" : 200}"
    );
    assert_eq!(fetch_json(URL, "{\"x\": 1}").unwrap().status, 200);
    let options: Vec<_> = host
        .calls_of("beam_fetch")
        .iter()
        .map(|call| call.text(1))
        .collect();
    assert_eq!(
        options,
        ["{}", "{\"method\":\"A\"}", "{\"body\": 1}", "{\"x\": 1}"]
    );
    assert!(arena_is_free());
}

#[test]
fn sixteen_fetches_are_allowed() {
    let host = Host::new();
    host.on_fetch(URL, 200, &[], "");
    for _ in 0..16 {
        assert!(fetch(URL, None).is_ok());
    }
    assert_eq!(fetch(URL, None).unwrap_err(), BeamError::NoResponse);
    assert_eq!(host.fetches().len(), 16);
    host.run(|| {
        assert!(fetch(URL, None).is_ok());
        crate::FlareAction::Respond
    });
}

#[test]
fn a_body_that_is_sent_may_take_nearly_all_of_the_arena() {
    let host = Host::new();
    // Miri has a small part of the arena: by the rules of Tree Borrows the time grows with the square of the length.
    let share = if cfg!(miri) { 500 } else { 1 };
    let _rest = cfg!(miri).then(|| leave_free((ARENA_BYTES / share) & !7));
    host.on_fetch(URL, 200, &[], "y".repeat(200_000 / share));
    let long = "x".repeat(200_000 / share) + &"\"".repeat(20_000 / share);
    let options = FetchOptions::new().with_body(long.as_str());
    let response = fetch(URL, Some(&options)).unwrap();
    // The host has read the one by the time it writes the other.
    assert_eq!(response.body().len(), 200_000 / share);
    let sent = host.calls_of("beam_fetch")[0].text(1);
    assert!(sent.contains(&long.replace('"', "\\\"")));
}

#[test]
fn what_does_not_fit_is_an_error_of_its_own() {
    let host = Host::new();
    host.on_fetch(URL, 200, &[], "a body that is longer than what is free");
    let full = leave_free(40);
    let long = "x".repeat(40);
    let options = FetchOptions::new().with_body(long.as_str());
    assert_eq!(
        fetch(URL, Some(&options)).unwrap_err(),
        BeamError::ArenaFull
    );
    assert!(host.calls().is_empty());
    assert_eq!(fetch(URL, None).unwrap_err(), BeamError::ArenaFull);
    assert_eq!(fetch_raw_json(URL, "{}").unwrap_err(), BeamError::ArenaFull);
    assert_eq!(
        fetch("https://other/", None).unwrap_err(),
        BeamError::NoResponse
    );
    drop(full);
    assert!(fetch(URL, None).is_ok());
}

#[test]
fn errors_say_what_they_are() {
    assert_error(
        BeamError::NoResponse,
        "beam: no response from host: the limit of fetches, a timeout, or no way there",
    );
    assert_error(
        BeamError::SerializeFailed,
        "beam: serialise options: more than 8 headers; with_headers takes any number",
    );
    assert_error(
        BeamError::DeserializeFailed,
        "beam: deserialise response: it is not what the ABI says",
    );
    assert_error(BeamError::ArenaFull, ARENA_FULL);
}

/// What a proxy sends of a request.
#[cfg(feature = "request")]
fn forwarded(host: &Host) -> serde_json::Value {
    assert_eq!(
        forward(URL, &["accept", "X-\"", "absent"]).unwrap_err(),
        BeamError::NoResponse
    );
    let call = &host.calls_of("beam_fetch")[0];
    assert_eq!(call.text(0), URL);
    assert!(arena_is_free());
    serde_json::from_str(&call.text(1)).expect("the options are JSON")
}

#[test]
#[cfg(feature = "request")]
fn what_the_host_has_of_a_request_is_forwarded() {
    let host = Host::new();
    host.method("PUT")
        .header("accept", "a/\"b\"")
        .header("x-\"", "\u{1}")
        .requires_body(true)
        .body("\\ \u{e9}");
    assert_eq!(
        forwarded(&host),
        serde_json::json!({
            "method": "PUT",
            "headers": { "accept": "a/\"b\"", "X-\"": "\u{1}" },
            "body": "\\ \u{e9}",
        })
    );
}

#[test]
#[cfg(feature = "request")]
fn what_the_host_does_not_have_is_left_out() {
    for method in [None, Some("")] {
        let host = Host::new();
        let method = method.map(Vec::from);
        host.on("req_method", move |_| method.clone());
        assert_eq!(forwarded(&host), serde_json::json!({ "headers": {} }));
    }
    let host = Host::new();
    host.on("req_method", |_| None).header("x-\"", "1");
    assert_eq!(
        forwarded(&host),
        serde_json::json!({ "headers": { "X-\"": "1" } })
    );
}

#[test]
#[cfg(feature = "request")]
fn url_and_options_of_pieces_are_sent() {
    let host = Host::new();
    let body = json::Str("a\"b");
    let sent = fetch_pieces((URL, 7_u8), ("{\"body\":", body, "}"));
    assert_eq!(sent.unwrap_err(), BeamError::NoResponse);
    let call = &host.calls_of("beam_fetch")[0];
    assert_eq!(
        (call.text(0), call.text(1)),
        (
            "https://api.example.com/7".into(),
            "{\"body\":\"a\\\"b\"}".into()
        )
    );
    let full = leave_free(16);
    let sent = fetch_pieces("12345678", "123456789");
    assert_eq!(sent.unwrap_err(), BeamError::ArenaFull);
    drop(full);
    assert!(arena_is_free());
}
