//! Forwarding the client's request.

use crate::abi;
use crate::arena::ForwardWriter;
use crate::beam::{BeamError, FetchResponse, fetch_pieces};
use crate::text::Pieces;
use crate::text::ask::AsksTheHost;
use crate::text::piece::{Piece, Sealed, Sink};

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
    fetch_pieces(url, Forwarded(headers))
}

/// The options that forward the client's request, with these headers.
struct Forwarded<'a>(&'a [&'a str]);

impl Piece for Forwarded<'_> {
    type Backward = AsksTheHost;

    #[inline(always)] // size: inline-step
    fn backward(_: Sealed) -> Option<AsksTheHost> {
        None
    }

    fn prepend_to<S: Sink>(self, _: S, proof: AsksTheHost) -> S {
        match proof {}
    }

    fn append_to(self, text: ForwardWriter) -> ForwardWriter {
        let mut text = text.bytes(b"{\"headers\":{");
        let start = text.mark();
        for name in self.0 {
            let end = text.mark();
            if end != start {
                text = text.bytes(b",");
            }
            text = text.quoted(name.as_bytes()).bytes(b":");
            text = text.ask_quoted(end, || abi::req_header_get(name.as_bytes()));
        }
        // If the host has no answer, the text goes back to `end`, so that the member's name is left out, too.
        let end = text.mark().wrapping_add(1);
        let text = text.bytes(b"},\"method\":");
        let text = text.ask_quoted(end, abi::req_method);
        let end = text.mark();
        let text = text.bytes(b",\"body\":");
        text.ask_quoted(end, abi::req_body).bytes(b"}")
    }
}
