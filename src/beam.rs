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

use crate::arena::ArenaBytes;
use crate::arena::claim::{claim, claim_decoded};
use crate::bytes::packed::PackedSlice;
use crate::error::no_result;
use crate::text::piece::{Backward, Sink};
use crate::text::{self, send};
use crate::{abi, json};

#[cfg(feature = "request")]
mod forward;

#[cfg(feature = "request")]
pub use forward::forward;

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
impl Backward for &FetchOptions<'_> {
    fn prepend_to<S: Sink>(self, sink: S) -> S {
        let mut sink = sink.byte(b'}');
        // From the last member to the first; each but the first begins with a comma.
        let has_method = !self.method.is_empty();
        let has_headers = !self.headers.is_empty() || self.count != 0;
        if let Some(body) = self.body {
            sink = json::Str(body).prepend_to(sink).bytes(b"\"body\":");
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
                sink = json::Str(value).prepend_to(sink).bytes(b":");
                sink = json::Str(name).prepend_to(sink);
            }
            sink = sink.bytes(b"\"headers\":{");
            if has_method {
                sink = sink.byte(b',');
            }
        }
        if has_method {
            sink = json::Str(self.method)
                .prepend_to(sink)
                .bytes(b"\"method\":");
        }
        sink.byte(b'{')
    }
}

/// Sends a request and waits for the response; `None` sends a plain `GET`.
///
/// # Errors
///
/// [`BeamError`] tells why there is no response. A response with an error status is a response.
#[inline] // size: inline-reason
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
#[inline] // size: inline-reason
pub fn fetch_json(url: &str, options: &str) -> Result<FetchResponse, BeamError> {
    FetchResponse::decode(abi::beam_fetch(url.as_bytes(), options.as_bytes()))
}

/// Sends a request and gives the host's answer as it came: JSON,
/// `{"status": …, "headers": {…}, "body": …}`. Links no JSON reader.
///
/// # Errors
///
/// As [`fetch`], but for what goes wrong in decoding.
#[inline(always)] // size: inline-none
pub fn fetch_raw(url: &str, opts: Option<&FetchOptions<'_>>) -> Result<ArenaBytes, BeamError> {
    claim(returned(url, opts)?).ok_or_else(BeamError::no_result)
}

/// Sends a request; what the host returns.
#[inline(always)] // size: inline-none
fn returned(url: &str, opts: Option<&FetchOptions<'_>>) -> Result<i64, BeamError> {
    let Some(opts) = opts else {
        return Ok(abi::beam_fetch(url.as_bytes(), &b"{}"[..]));
    };
    if opts.count > MAX_HEADERS {
        return Err(BeamError::SerializeFailed);
    }
    Ok(send::returned(opts, |opts| {
        abi::beam_fetch(url.as_bytes(), opts)
    }))
}

/// [`fetch`] with URL and options built of [pieces](crate::text). The options are JSON, as
/// [`fetch_json`] takes them.
///
/// ```
/// use flaron_sdk::{beam, json};
///
/// let response = beam::fetch_pieces(
///     ("https://api.example.com/orders/", 42_u32),
///     ("{\"method\":\"PUT\",\"body\":", json::Str("{\"paid\":true}"), "}"),
/// );
/// ```
///
/// # Errors
///
/// As [`fetch`].
#[inline] // size: inline-reason
pub fn fetch_pieces(
    url: impl text::Pieces,
    options: impl text::Pieces,
) -> Result<FetchResponse, BeamError> {
    let (url, options) = send::pair(url, options)?;
    FetchResponse::decode(abi::beam_fetch(url, options))
}

/// [`fetch_raw`] with ready-made options, as [`fetch_json`] takes them.
///
/// # Errors
///
/// As [`fetch_raw`].
#[inline] // size: inline-reason
pub fn fetch_raw_json(url: &str, options: &str) -> Result<ArenaBytes, BeamError> {
    let returned = abi::beam_fetch(url.as_bytes(), options.as_bytes());
    claim(returned).ok_or_else(BeamError::no_result)
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
    #[inline] // size: inline-small
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
    #[inline] // size: inline-small
    pub fn body_bytes(&self) -> &[u8] {
        let answer = PackedSlice::new(&self.answer);
        match json::string_member(answer, json::OUTER, "body") {
            Some(body) => body.get(),
            None => b"",
        }
    }

    #[inline(always)] // size: inline-step
    fn member(&self, name: &str) -> PackedSlice<'_> {
        json::member(PackedSlice::new(&self.answer), json::OUTER, name)
    }

    /// Decodes an answer; of equal members the first counts.
    #[inline] // size: inline-once
    fn decode(returned: i64) -> Result<FetchResponse, BeamError> {
        match claim_decoded(returned, FetchResponse::status_of) {
            Some(decoded) => decoded.map(|(answer, status)| FetchResponse { status, answer }),
            None => Err(BeamError::no_result()),
        }
    }

    #[inline(always)] // size: inline-step
    fn status_of(answer: &mut [u8]) -> Result<u16, BeamError> {
        json::unescape(answer).ok_or(BeamError::DeserializeFailed)?;
        let status = json::member(PackedSlice::new(answer), json::OUTER, "status").get();
        let digits = if status.len() as isize >= 4 {
            // size: signed-length
            status.first_chunk()
        } else {
            None
        };
        if let Some(digits) = digits {
            let digits = u32::from_le_bytes(*digits);
            if digits & STATUS_MASK == STATUS_BITS {
                let digit = |at: u32| digits >> at & 15;
                let status = (digit(0) * 10 + digit(8)) * 10 + digit(16);
                // Less, or more, is no status code, whatever it is written with.
                if (100..1000).contains(&status) {
                    return Ok(status as u16);
                }
            }
        }
        Err(BeamError::DeserializeFailed)
    }
}

/// The bits by which the four bytes at a status code are told: three digits, as every status code has,
/// and behind them the next member or the end.
///
/// In JSON less of a test will do: of the bytes that may be here only digits are from 0x30 to 0x3f, and of
/// those that may follow digits only a comma (0x2c) and a closing brace (0x7d) have the bits of 0x2c under
/// the mask 0xae.
const STATUS_MASK: u32 = u32::from_le_bytes([0xf0, 0xf0, 0xf0, 0xae]); // size: status-mask
/// What these bits are.
const STATUS_BITS: u32 = u32::from_le_bytes([0x30, 0x30, 0x30, b',']);

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
    #[inline(always)] // size: inline-step
    fn no_result() -> BeamError {
        no_result(BeamError::ArenaFull, BeamError::NoResponse)
    }
}

crate::error::messages! {
    BeamError {
        NoResponse: BeamNoResponse,
        SerializeFailed: BeamSerializeFailed,
        DeserializeFailed: BeamDeserializeFailed,
    }
}

#[cfg(test)]
mod tests;
