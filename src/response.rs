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

/// Sets the status code. It is 200 if it is never set.
#[inline(always)] // size: set-status
pub fn set_status(code: u16) {
    abi::resp_set_status(code.into());
}

/// Sets a header. Setting the same name again overwrites it: there is no way to append.
pub fn set_header(name: &str, value: &str) {
    abi::resp_header_set(name.as_bytes(), value.as_bytes());
}

/// Sets a header to a value given as bytes, such as one copied from an upstream's response.
pub fn set_header_bytes(name: &str, value: &[u8]) {
    abi::resp_header_set(name.as_bytes(), value);
}

/// Sets a header to a value built of [pieces](crate::text).
///
/// # Errors
///
/// [`ArenaFull`] when the value does not fit into the free part of the arena; the header is not set then.
pub fn set_header_pieces(name: &str, value: impl Pieces) -> Result<(), ArenaFull> {
    send::send(value, |value| abi::resp_header_set(name.as_bytes(), value))
}

/// Sets the body to these bytes, replacing any earlier one.
pub fn set_body(body: &[u8]) {
    abi::resp_body_set(body);
}

/// Sets the body to this text, replacing any earlier one.
pub fn set_body_str(body: &str) {
    set_body(body.as_bytes());
}

/// Sets the body to text built of [pieces](crate::text). The flare needs no buffer of its own.
///
/// A single lease, such as the one that [`beam::fetch_raw`](crate::beam::fetch_raw) returns, is not copied, and
/// its space is free again before the call: that takes less code than `set_body(&lease)`.
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
/// [`ArenaFull`] when the text does not fit into the free part of the arena; the body is not set then.
#[allow(
    clippy::redundant_closure,
    reason = "a function given by its name is called through one of its own"
)]
pub fn set_body_pieces(body: impl Pieces) -> Result<(), ArenaFull> {
    send::send(body, |body| abi::resp_body_set(body)) // size: closure
}

/// A status code as the answer to an error: a response with this status and an empty body.
///
/// Handlers return it as their error when the client should get a response from the flare rather than from the
/// host: `handle_request!(serve => Status)` takes a handler that returns `Result<FlareAction, E>`, where `E` is
/// a `Status` or converts into one. `?` turns every [`Error`] of the SDK into a 500.
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
    /// Answers with this status and an empty body. Headers that were set before are kept.
    pub fn respond(self) -> FlareAction {
        set_status(self.0);
        set_body(b"");
        FlareAction::Respond
    }

    /// The handler's action, or a response with the status of its error. This is what
    /// `handle_request!(serve => Status)` calls.
    pub fn or_respond(outcome: Result<FlareAction, impl Into<Status>>) -> FlareAction {
        match outcome {
            Ok(action) => action,
            Err(error) => error.into().respond(),
        }
    }
}

/// 500: the flare could not have prevented it.
impl<E: Into<Error>> From<E> for Status {
    fn from(_: E) -> Status {
        Status(500)
    }
}

#[cfg(test)]
mod tests;
