//! Forwarding the client's request.

use crate::abi;
use crate::beam::{BeamError, FetchResponse};
use crate::json;
use crate::text::{Pieces, send};

/// Sends the client's request to a URL: its method, its body, and those of its headers that are named here.
///
/// ```
/// # mod flare {
/// use flaron_sdk::{Error, FlareAction, beam, request, response};
///
/// fn proxy() -> Result<FlareAction, Error> {
///     let target = request::target();
///     let url = ("https://api.example.com", &target);
///     let answer = beam::forward(url, &["accept", "content-type"])?;
///     response::set_status(answer.status);
///     response::set_body(answer.body_bytes());
///     Ok(FlareAction::Respond)
/// }
/// # }
/// ```
///
/// The host writes method, headers and body into the text that is sent, so the arena holds the request
/// only once: an arena of 256 KiB is enough to send a body of 125 kB and to receive an answer of the same
/// length. A body must be text, because the ABI carries it in JSON: one that is not UTF-8 is
/// [`BeamError::NoResponse`]. An empty body is left out, and so is any body if the flare's configuration does not
/// set `requires_body`.
///
/// # Errors
///
/// Like [`fetch`](crate::beam::fetch).
#[inline] // size: inline-reason
pub fn forward(url: impl Pieces, headers: &[&str]) -> Result<FetchResponse, BeamError> {
    let texts = send::behind(url, b"}}", |options| {
        for name in headers.iter().rev() {
            options.member(name, json::quoted, || abi::req_header_get(name.as_bytes()));
        }
        options.put(b"\"headers\":{");
        options.member("method", json::quoted, abi::req_method);
        options.member("body", json::quoted, abi::req_body);
        options.put(b"{");
    });
    let (options, url) = texts.ok_or(BeamError::ArenaFull)?;
    FetchResponse::decode(abi::beam_fetch(url, options))
}
