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
//! The host allows `max_fetch_requests` (16 by default) per invocation. It writes its answer into the arena as
//! JSON, which is decoded there, so a response larger than the arena is [`BeamError::ArenaFull`]; see
//! [`ARENA_BYTES`](crate::ARENA_BYTES).

use core::fmt;
use core::num::NonZeroU32;

use crate::abi;
use crate::arena::ArenaBytes;
use crate::arena::claim::claim;
use crate::error::no_result;
use crate::json::ROOT_END;
use crate::json::answer::{Answer, Cursor, OUTER};
use crate::text::{self, send};

#[cfg(feature = "request")]
mod forward;
mod options;
mod response;

#[cfg(feature = "request")]
pub use forward::forward;
pub use options::{FetchHeaders, FetchOptions, FetchText, MAX_HEADERS};
pub use response::{ResponseAnswer, ResponseBody, ResponseHeaderIter, ResponseHeaders};

/// Sends a request and waits for the response; `None` sends a plain `GET`.
///
/// # Errors
///
/// [`BeamError`] says why there is no response. A response with an error status is not an error.
#[inline] // size: inline-reason
pub fn fetch(url: &str, opts: Option<&FetchOptions<'_>>) -> Result<FetchResponse, BeamError> {
    FetchResponse::decode(returned(url, opts)?)
}

/// [`fetch`] with ready-made options: `{"method": …, "headers": {"name": …}, "body": …}`, in which every
/// member is optional.
///
/// [`json!`](crate::json!) (feature `json`) writes them at compile time, so that the flare links no JSON
/// writer.
///
/// # Errors
///
/// Like [`fetch`].
#[inline] // size: inline-reason
pub fn fetch_json(url: &str, options: &str) -> Result<FetchResponse, BeamError> {
    FetchResponse::decode(abi::beam_fetch(url.as_bytes(), options.as_bytes()))
}

/// Sends a request and returns the host's answer as it is: JSON,
/// `{"status": …, "headers": {…}, "body": …}`. This does not link the JSON reader.
///
/// # Errors
///
/// Like [`fetch`], except that nothing is decoded, so there is no [`BeamError::DeserializeFailed`].
#[inline(always)] // size: inline-none
pub fn fetch_raw(url: &str, opts: Option<&FetchOptions<'_>>) -> Result<ArenaBytes, BeamError> {
    claim(returned(url, opts)?).ok_or_else(BeamError::no_result)
}

/// Sends a request and returns what the host call returns.
#[inline(always)] // size: inline-none
fn returned(url: &str, opts: Option<&FetchOptions<'_>>) -> Result<i64, BeamError> {
    let Some(opts) = opts else {
        return Ok(abi::beam_fetch(url.as_bytes(), &b"{}"[..]));
    };
    if opts.has_too_many_headers() {
        return Err(BeamError::SerializeFailed);
    }
    if opts.is_full() {
        return Err(BeamError::ArenaFull);
    }
    Ok(send::returned(opts, |opts| {
        abi::beam_fetch(url.as_bytes(), opts)
    }))
}

/// [`fetch`] with URL and options built from [pieces](crate::text). The options are JSON, in the form that
/// [`fetch_json`] takes.
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
/// Like [`fetch`].
#[inline] // size: inline-reason
pub fn fetch_pieces(
    url: impl text::Pieces,
    options: impl text::Pieces,
) -> Result<FetchResponse, BeamError> {
    let (url, options) = send::pair(url, options)?;
    FetchResponse::decode(abi::beam_fetch(url, options))
}

/// [`fetch_raw`] with ready-made options, in the form that [`fetch_json`] takes.
///
/// # Errors
///
/// Like [`fetch_raw`].
#[inline] // size: inline-reason
pub fn fetch_raw_json(url: &str, options: &str) -> Result<ArenaBytes, BeamError> {
    let returned = abi::beam_fetch(url.as_bytes(), options.as_bytes());
    claim(returned).ok_or_else(BeamError::no_result)
}

/// A response: a lease on the host's answer, decoded in place.
///
/// Headers and body can be read as fields, as in the published crate, or through methods that borrow from the
/// response; those that end in `_bytes` do not link the UTF-8 check.
pub struct FetchResponse {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: ResponseHeaders,
}

impl FetchResponse {
    /// The value of a header. The case of `name` does not matter.
    ///
    /// Also `None` if the value is not UTF-8, which a host that keeps to the ABI never sends.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }

    /// The value of a header, as bytes: this does not link the UTF-8 check.
    #[inline] // size: inline-small
    pub fn header_bytes(&self, name: &str) -> Option<&[u8]> {
        self.headers.get_bytes(name)
    }

    /// The headers, name (in lower case) and value, in the order in which the host sent them.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter()
    }

    /// The body as text.
    ///
    /// The host replaces whatever is not UTF-8 in it. If a host fails to, this is empty.
    pub fn body(&self) -> &str {
        &self.body
    }

    /// The body as bytes: this does not link the UTF-8 check.
    #[inline] // size: inline-small
    pub fn body_bytes(&self) -> &[u8] {
        self.body.as_raw()
    }

    /// Decodes an answer. If a member occurs more than once, the first one counts.
    #[inline] // size: inline-once
    fn decode(returned: i64) -> Result<FetchResponse, BeamError> {
        match Answer::claim(returned, FetchResponse::status_of) {
            Some(Some((answer, status))) => Ok(FetchResponse {
                status: status.get() as u16,
                headers: ResponseHeaders::new(answer),
            }),
            Some(None) => Err(BeamError::DeserializeFailed),
            None => Err(BeamError::no_result()),
        }
    }

    /// The status code in an answer, or `None` if it is no answer of a server.
    // size: status-register
    #[inline(always)] // size: inline-step
    fn status_of(answer: Cursor<'_>) -> Option<NonZeroU32> {
        let mut answer = answer.member(OUTER, "status")?;
        let mut status = 0;
        while let Some(digit) = answer.digit() {
            status = status * 10 + digit;
            if status > 999 {
                return None;
            }
        }
        if answer.byte() & BEHIND_MASK != BEHIND_BITS || status < 100 {
            return None;
        }
        NonZeroU32::new(status)
    }
}

/// The bits that identify what follows a status code: the comma before the next member, or what flattened JSON
/// ends with.
///
/// In JSON these bits are enough: what else can follow digits is a point (0x2e) or an `e`.
const BEHIND_MASK: u8 = 0x2e; // size: status-mask
/// The values of these bits.
const BEHIND_BITS: u8 = b',';
const _: () = assert!(ROOT_END & BEHIND_MASK == BEHIND_BITS);

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
    /// The host returned none: this invocation has no fetches left, the other side did not answer in time, or it
    /// cannot be reached.
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
