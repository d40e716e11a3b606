//! The response that the flare builds.
//!
//! With [`Respond`](crate::FlareAction::Respond) it is what the client gets; with
//! [`Transform`](crate::FlareAction::Transform) what was set here is applied to the origin's
//! response. The host copies every argument while the call lasts.

use crate::abi;
use crate::arena::{ArenaFull, Draft};
use crate::text::Pieces;

/// Sets the status code; 200 if it is never set.
pub fn set_status(code: u16) {
    abi::resp_set_status(code.into());
}

/// Sets a header. The same name again overwrites: there is no way to append.
pub fn set_header(name: &str, value: &str) {
    abi::resp_header_set(name.as_bytes(), value.as_bytes());
}

/// Sets a header to a value built of [pieces](crate::text).
///
/// # Errors
///
/// [`ArenaFull`] when the value does not fit into the free part of the arena; nothing is set then.
pub fn set_header_pieces(name: &str, value: impl Pieces) -> Result<(), ArenaFull> {
    Draft::send(value, |value| abi::resp_header_set(name.as_bytes(), value))
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
    Draft::send(body, abi::resp_body_set)
}
