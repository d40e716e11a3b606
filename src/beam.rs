//! Beam: HTTP requests from the edge to anywhere.
//!
//! ```
//! use flaron_sdk::beam::{self, FetchOptions};
//!
//! let options = FetchOptions::new()
//!     .with_method("POST")
//!     .with_header("content-type", "application/json")
//!     .with_body("{}");
//! match beam::fetch("https://api.example.com/orders", Some(&options)) {
//!     Ok(response) => assert!(response.status >= 100 && response.header("date").is_some()),
//!     Err(error) => assert_eq!(error, beam::BeamError::NoResponse),
//! }
//! ```
//!
//! The host allows `max_fetch_requests` (16 by default) per invocation. Its answer comes as JSON
//! into the arena and is decoded there, so a response that is larger than the arena is
//! [`BeamError::ArenaFull`]; see [`ARENA_BYTES`](crate::ARENA_BYTES).

use core::fmt;

use crate::arena::{ArenaBytes, Draft, PackedSlice, arena_refused, lease, lease_decoded};
use crate::text::{self, Piece, Sink};
use crate::{abi, json};

/// How many headers [`FetchOptions::with_header`] takes.
pub const MAX_HEADERS: usize = 8;

/// What to send: method, headers and body, all borrowed. Without any it is a plain `GET`.
#[derive(Debug, Clone, Copy, Default)]
pub struct FetchOptions<'a> {
    method: &'a str,
    headers: &'a [(&'a str, &'a str)],
    /// What `with_header` added, and how many.
    added: [(&'a str, &'a str); MAX_HEADERS],
    count: usize,
    body: Option<&'a str>,
}

impl<'a> FetchOptions<'a> {
    /// A plain `GET`.
    pub const fn new() -> FetchOptions<'a> {
        FetchOptions {
            method: "",
            headers: &[],
            added: [("", ""); MAX_HEADERS],
            count: 0,
            body: None,
        }
    }

    /// Sets the method.
    pub const fn with_method(mut self, method: &'a str) -> FetchOptions<'a> {
        self.method = method;
        self
    }

    /// Adds a header, or replaces the one that was added with exactly this name.
    ///
    /// Takes [`MAX_HEADERS`] of them; with more, [`fetch`] answers
    /// [`BeamError::SerializeFailed`]. For more than that, and for headers at hand in a slice,
    /// there is [`with_headers`](Self::with_headers).
    pub const fn with_header(mut self, name: &'a str, value: &'a str) -> FetchOptions<'a> {
        let mut place = 0;
        while place < self.count && place < MAX_HEADERS && !same(self.added[place].0, name) {
            place += 1;
        }
        if place < MAX_HEADERS {
            self.added[place] = (name, value);
        }
        if place >= self.count {
            self.count = place + 1;
        }
        self
    }

    /// Sets headers from a slice of names and values, which go before those of
    /// [`with_header`](Self::with_header).
    pub const fn with_headers(mut self, headers: &'a [(&'a str, &'a str)]) -> FetchOptions<'a> {
        self.headers = headers;
        self
    }

    /// Sets the body. It is text: for anything else, agree on Base64 with the other side.
    pub const fn with_body(mut self, body: &'a str) -> FetchOptions<'a> {
        self.body = Some(body);
        self
    }
}

/// Whether two names are the same; `==` is no `const fn`.
const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut i = 0;
    while i < a.len() && i < b.len() && a[i] == b[i] {
        i += 1;
    }
    i == a.len() && i == b.len()
}

/// The options as the host takes them: `{"method"?, "headers"?, "body"?}`.
impl Piece for &FetchOptions<'_> {
    fn prepend_to<S: Sink>(self, sink: S) -> S {
        let mut sink = sink.byte(b'}');
        // From the last member to the first; each but the first begins with a comma.
        let has_method = !self.method.is_empty();
        let has_headers = !self.headers.is_empty() || self.count != 0;
        if let Some(body) = self.body {
            sink = ("\"body\":", json::Str(body)).prepend_to(sink);
            if has_headers || has_method {
                sink = sink.byte(b',');
            }
        }
        if has_headers {
            sink = sink.byte(b'}');
            let mut comma = false;
            let added = self.added.get(..self.count).unwrap_or_default();
            for (name, value) in self.headers.iter().chain(added).rev() {
                if comma {
                    sink = sink.byte(b',');
                }
                comma = true;
                sink = (json::Str(name), ":", json::Str(value)).prepend_to(sink);
            }
            sink = sink.bytes(b"\"headers\":{");
            if has_method {
                sink = sink.byte(b',');
            }
        }
        if has_method {
            sink = ("\"method\":", json::Str(self.method)).prepend_to(sink);
        }
        sink.byte(b'{')
    }
}

/// Sends a request and waits for the response; `None` sends a plain `GET`.
///
/// # Errors
///
/// [`BeamError`] tells why there is no response. A response with an error status is a response.
#[inline]
pub fn fetch(url: &str, opts: Option<&FetchOptions<'_>>) -> Result<FetchResponse, BeamError> {
    FetchResponse::decode(returned(url, opts)?)
}

/// [`fetch`] with ready-made options: `{"method": …, "headers": {"name": …}, "body": …}`, of which
/// each may be missing.
///
/// With [`json!`](crate::json!) (feature `json`) they are written at compile time, and the flare
/// links no JSON writer.
///
/// # Errors
///
/// As [`fetch`].
#[inline]
pub fn fetch_json(url: &str, options: &str) -> Result<FetchResponse, BeamError> {
    FetchResponse::decode(abi::beam_fetch(url.as_bytes(), options.as_bytes()))
}

/// Sends a request and gives the host's answer as it came: JSON,
/// `{"status": …, "headers": {…}, "body": …}`. Links no JSON reader.
///
/// # Errors
///
/// As [`fetch`], but for what goes wrong in decoding.
#[inline(always)] // `None` then links no JSON writer
pub fn fetch_raw(url: &str, opts: Option<&FetchOptions<'_>>) -> Result<ArenaBytes, BeamError> {
    lease(returned(url, opts)?).ok_or_else(BeamError::of_none)
}

/// Sends a request; what the host returns.
#[inline(always)] // as `fetch_raw`
fn returned(url: &str, opts: Option<&FetchOptions<'_>>) -> Result<i64, BeamError> {
    let Some(opts) = opts else {
        return Ok(abi::beam_fetch(url.as_bytes(), &b"{}"[..]));
    };
    if opts.count > MAX_HEADERS {
        return Err(BeamError::SerializeFailed);
    }
    Ok(Draft::returned(opts, |opts| {
        abi::beam_fetch(url.as_bytes(), opts)
    }))
}

/// [`fetch_raw`] with ready-made options, as [`fetch_json`] takes them.
///
/// # Errors
///
/// As [`fetch_raw`].
#[inline] // the reason is then computed only where it is looked at
pub fn fetch_raw_json(url: &str, options: &str) -> Result<ArenaBytes, BeamError> {
    let returned = abi::beam_fetch(url.as_bytes(), options.as_bytes());
    lease(returned).ok_or_else(BeamError::of_none)
}

/// A response: a lease on the host's answer, decoded where it lies.
pub struct FetchResponse {
    /// The status code.
    pub status: u16,
    /// Flattened JSON, whose members are at depth 1 and whose headers are at depth 2.
    answer: ArenaBytes,
}

impl FetchResponse {
    /// The value of a header; `name` in any case.
    ///
    /// `None` too if it is not UTF-8, which a host that keeps to the ABI does not send.
    pub fn header(&self, name: &str) -> Option<&str> {
        text::from_utf8(self.header_bytes(name)?)
    }

    /// The value of a header as bytes: links no UTF-8 check.
    #[inline]
    pub fn header_bytes(&self, name: &str) -> Option<&[u8]> {
        let headers = self.member("headers");
        Some(json::string_member(headers, json::INNER, name)?.get())
    }

    /// The headers, name (in lower case) and value, in the order in which the host gave them.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let headers = json::first_members(self.member("headers").get());
        headers.filter_map(|(name, value)| Some((text::from_utf8(name)?, value.as_str()?)))
    }

    /// The body as text.
    ///
    /// The host replaces what is not UTF-8 in it. Empty if it did not.
    pub fn body(&self) -> &str {
        text::from_utf8(self.body_bytes()).unwrap_or_default()
    }

    /// The body as bytes: links no UTF-8 check.
    #[inline]
    pub fn body_bytes(&self) -> &[u8] {
        let answer = PackedSlice::new(&self.answer);
        match json::string_member(answer, json::OUTER, "body") {
            Some(body) => body.get(),
            None => b"",
        }
    }

    #[inline(always)]
    fn member(&self, name: &str) -> PackedSlice<'_> {
        json::member(PackedSlice::new(&self.answer), json::OUTER, name)
    }

    /// Decodes an answer; of equal members the first counts.
    #[inline]
    fn decode(returned: i64) -> Result<FetchResponse, BeamError> {
        match lease_decoded(returned, FetchResponse::status_of) {
            Some(decoded) => decoded.map(|(answer, status)| FetchResponse { status, answer }),
            None => Err(BeamError::of_none()),
        }
    }

    #[inline(always)]
    fn status_of(answer: &mut [u8]) -> Result<u16, BeamError> {
        json::flatten(answer).ok_or(BeamError::DeserializeFailed)?;
        let status = json::member(PackedSlice::new(answer), json::OUTER, "status").get();
        // (Signed: unsigned, the compiler makes a mask of 64 bits of it, which takes 11 bytes more.)
        let digits = if status.len() as isize >= 4 {
            status.first_chunk()
        } else {
            None
        };
        if let Some(digits) = digits {
            // Three digits, as every status code has, and then the next member or the end. It is
            // checked JSON, so that less of a test will do, which saves 25 bytes: of the bytes that
            // may be here only digits are from 0x30 to 0x3f, and of those that may follow digits
            // only a comma and a brace have these bits.
            let digits = u32::from_le_bytes(*digits);
            if digits & 0xaef0_f0f0 == 0x2c30_3030 {
                let digit = |at: u32| digits >> at & 15;
                return Ok(((digit(0) * 10 + digit(8)) * 10 + digit(16)) as u16);
            }
        }
        Err(BeamError::DeserializeFailed)
    }
}

impl fmt::Debug for FetchResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FetchResponse")
            .field("status", &self.status)
            .field("body", &self.body())
            .finish_non_exhaustive()
    }
}

/// Why there is no response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BeamError {
    /// The host gave none: this invocation may fetch no more, or the other side did not answer in
    /// time, or there is no way to it.
    NoResponse,
    /// The options have more than [`MAX_HEADERS`] headers; nothing was sent.
    SerializeFailed,
    /// The host's answer is not what the ABI says.
    DeserializeFailed,
    /// The options or the answer do not fit into the free part of the arena.
    ArenaFull,
}

impl BeamError {
    #[inline(always)]
    fn of_none() -> BeamError {
        if arena_refused() {
            BeamError::ArenaFull
        } else {
            BeamError::NoResponse
        }
    }
}

impl fmt::Display for BeamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BeamError::NoResponse => f.write_str("beam: no response from the host"),
            BeamError::SerializeFailed => f.write_str("beam: more than 8 headers in the options"),
            BeamError::DeserializeFailed => f.write_str("beam: the host's answer is malformed"),
            BeamError::ArenaFull => fmt::Display::fmt(&crate::ArenaFull, f),
        }
    }
}

impl core::error::Error for BeamError {}

#[cfg(test)]
mod tests {
    use super::*;
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
        let (m, h, b) = (
            new().with_method("PUT"),
            new().with_header("a", "1"),
            new().with_body(""),
        );
        for (options, json) in [
            (new(), "{}"),
            (FetchOptions::default(), "{}"),
            (m, r#"{"method":"PUT"}"#),
            (h, r#"{"headers":{"a":"1"}}"#),
            (b, r#"{"body":""}"#),
            (
                m.with_header("a", "1"),
                r#"{"method":"PUT","headers":{"a":"1"}}"#,
            ),
            (m.with_body("x"), r#"{"method":"PUT","body":"x"}"#),
            (h.with_body("x"), r#"{"headers":{"a":"1"},"body":"x"}"#),
            (
                m.with_header("a", "1").with_body("x"),
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
        let many: Vec<_> = (0..100).map(|i| format!("x-{i}")).collect();
        let many: Vec<_> = many.iter().map(|name| (name.as_str(), "v")).collect();
        let _ = fetch(URL, Some(&FetchOptions::new().with_headers(&many)));
        assert_eq!(host.fetches().last().unwrap().headers.len(), 100);
        assert_eq!(host.fetches().last().unwrap().header("X-99"), Some("v"));
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
            "{\"status\":200}x",
            "{\"status\":200,}",
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

    /// All short texts as the status, of which most are not JSON.
    #[test]
    fn a_status_is_three_digits_and_nothing_else() {
        const BYTES: &[u8] = b"09.eE-\"[],";
        let longest = if cfg!(miri) { 2 } else { 5 };
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
                    assert_eq!(answered, code, "{json}");
                    accepted += usize::from(answered.is_some());
                }
            }
        }
        // 900, 909, 990 and 999, each last and not.
        assert_eq!(accepted, if cfg!(miri) { 0 } else { 8 });
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
    fn what_does_not_fit_is_an_error_of_its_own() {
        let host = Host::new();
        host.on_fetch(URL, 200, &[], "a body that is longer than what is free");
        let full = leave_free(40);
        let long = "x".repeat(40);
        let options = FetchOptions::new().with_body(&long);
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
        assert_error(BeamError::NoResponse, "beam: no response from the host");
        assert_error(
            BeamError::SerializeFailed,
            "beam: more than 8 headers in the options",
        );
        assert_error(
            BeamError::DeserializeFailed,
            "beam: the host's answer is malformed",
        );
        assert_error(BeamError::ArenaFull, ARENA_FULL);
    }
}
