//! The response that the flare builds.
//!
//! With [`Respond`](crate::FlareAction::Respond) it is what the client gets; with
//! [`Transform`](crate::FlareAction::Transform) what was set here is applied to the origin's
//! response. The host copies every argument while the call lasts.

use crate::abi;
use crate::arena::ArenaFull;
use crate::entry::FlareAction;
use crate::error::Error;
use crate::text::{Pieces, send};

/// Sets the status code; 200 if it is never set.
#[inline(always)] // size: set-status
pub fn set_status(code: u16) {
    abi::resp_set_status(code.into());
}

/// Sets a header. The same name again overwrites: there is no way to append.
pub fn set_header(name: &str, value: &str) {
    abi::resp_header_set(name.as_bytes(), value.as_bytes());
}

/// Sets a header to a value of bytes, such as a header's of an upstream's response.
pub fn set_header_bytes(name: &str, value: &[u8]) {
    abi::resp_header_set(name.as_bytes(), value);
}

/// Sets a header to a value built of [pieces](crate::text).
///
/// # Errors
///
/// [`ArenaFull`] when the value does not fit into the free part of the arena; nothing is set then.
pub fn set_header_pieces(name: &str, value: impl Pieces) -> Result<(), ArenaFull> {
    send::send(value, |value| abi::resp_header_set(name.as_bytes(), value))
}

/// Sets the body to these bytes; again replaces it.
pub fn set_body(body: &[u8]) {
    abi::resp_body_set(body);
}

/// Sets the body to this text; again replaces it.
pub fn set_body_str(body: &str) {
    set_body(body.as_bytes());
}

/// Sets the body to text built of [pieces](crate::text), without a buffer of the flare's.
///
/// A lease by itself, such as [`beam::fetch_raw`](crate::beam::fetch_raw) gives, is not copied, and its
/// space is free again before the call: that is smaller than `set_body(&lease)`.
///
/// ```
/// use flaron_sdk::response;
///
/// response::set_body_pieces(("hits: ", 42_u64))?;
/// # Ok::<(), flaron_sdk::ArenaFull>(())
/// ```
///
/// # Errors
///
/// [`ArenaFull`] when the text does not fit into the free part of the arena; nothing is set then.
pub fn set_body_pieces(body: impl Pieces) -> Result<(), ArenaFull> {
    send::send(body, abi::resp_body_set)
}

/// A status code, as the answer to an error: a response with this status and an empty body.
///
/// It is what a handler may fail with if the client shall get an answer of the flare's:
/// `handle_request!(serve => Status)` takes a handler that returns `Result<FlareAction, E>`, where `E` is
/// a `Status` or becomes one. Each [`Error`] of the SDK becomes a 500 by `?`.
///
/// ```
/// # #[cfg(all(feature = "request", feature = "spark"))]
/// # mod flare {
/// use flaron_sdk::{FlareAction, Status, request, response, spark};
///
/// flaron_sdk::handle_request!(show => Status);
///
/// fn show() -> Result<FlareAction, Status> {
///     let name = request::header("x-name").ok_or(Status(400))?;
///     let entry = spark::get(&name).ok_or(Status(404))?;
///     response::set_body_pieces(("found: ", entry.value))?;
///     Ok(FlareAction::Respond)
/// }
/// # }
/// # fn main() {}
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status(pub u16);

impl Status {
    /// Answers with this status and an empty body. Headers that have been set stay set.
    pub fn respond(self) -> FlareAction {
        set_status(self.0);
        set_body(b"");
        FlareAction::Respond
    }

    /// Answers with the status of an error, if there is one: what `handle_request!(serve => Status)`
    /// does.
    pub fn or_respond(outcome: Result<FlareAction, impl Into<Status>>) -> FlareAction {
        match outcome {
            Ok(action) => action,
            Err(error) => error.into().respond(),
        }
    }
}

/// 500: what the flare could not help.
impl<E: Into<Error>> From<E> for Status {
    fn from(_: E) -> Status {
        Status(500)
    }
}

#[cfg(test)]
mod tests;
