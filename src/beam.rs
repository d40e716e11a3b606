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
use crate::text::{self, send};
use crate::{abi, json};

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
///
/// Its headers and its body are fields, and functions that read them without a check.
pub struct FetchResponse {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: ResponseHeaders,
}

impl FetchResponse {
    /// The value of a header; `name` in any case.
    ///
    /// `None` too if it is not UTF-8, which a host that keeps to the ABI does not send.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }

    /// The value of a header as bytes: links no UTF-8 check.
    #[inline] // size: inline-small
    pub fn header_bytes(&self, name: &str) -> Option<&[u8]> {
        self.headers.get_bytes(name)
    }

    /// The headers, name (in lower case) and value, in the order in which the host gave them.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter()
    }

    /// The body as text.
    ///
    /// The host replaces what is not UTF-8 in it. Empty if it did not.
    pub fn body(&self) -> &str {
        &self.body
    }

    /// The body as bytes: links no UTF-8 check.
    #[inline] // size: inline-small
    pub fn body_bytes(&self) -> &[u8] {
        self.body.as_raw()
    }

    /// Decodes an answer; of equal members the first counts.
    #[inline] // size: inline-once
    fn decode(returned: i64) -> Result<FetchResponse, BeamError> {
        match claim_decoded(returned, FetchResponse::status_of) {
            Some(decoded) => decoded.map(|(answer, status)| FetchResponse {
                status,
                headers: ResponseHeaders::new(answer),
            }),
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
