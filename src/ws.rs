//! WebSockets: the connection that the current event belongs to.
//!
//! A connection has one instance of the flare for its whole life, so statics last from event to
//! event. What is in the arena does not: each event starts with the whole arena free, except for leases that are
//! still alive.

use crate::abi;
use crate::arena::claim::{claim_or_trap, claim_unless_empty, claim_unless_refused};
use crate::arena::{ArenaBytes, ArenaStr};
use crate::error::{Error, claim_or_error};
use crate::text::ask::Ask;
use crate::text::{Pieces, send};

/// Sends a message to the client.
///
/// # Errors
///
/// Whatever the host answers: see [`WsSendError`].
pub fn send(data: &[u8]) -> Result<(), WsSendError> {
    WsSendError::check(abi::ws_send(data))
}

/// Sends text to the client.
///
/// # Errors
///
/// Like [`send`].
pub fn send_text(text: &str) -> Result<(), WsSendError> {
    send(text.as_bytes())
}

/// Sends a message built from [pieces](crate::text).
///
/// A single lease, such as the one that [`message`] returns, goes to the host without a copy, and its space is
/// free again before the call: that takes less code than `send(&lease)`.
///
/// # Errors
///
/// Like [`send`], and [`WsSendError::ArenaFull`] when the message does not fit into the free part of
/// the arena.
pub fn send_pieces(message: impl Pieces) -> Result<(), WsSendError> {
    WsSendError::sent(send::send(message, abi::ws_send))
}

/// Closes the connection with a status code of RFC 6455: 1000 for a normal closure, 1008 for a policy
/// violation, 1011 for a server error.
pub fn close(code: u16) {
    abi::ws_close_conn(code.into());
}

/// The connection's ID, which stays the same for the life of the connection.
///
/// # Traps
///
/// If there is none, because the flare is not handling a WebSocket event, or if it does not fit into the
/// arena; [`try_conn_id`] returns an error instead.
pub fn conn_id() -> ArenaStr {
    claim_or_trap(abi::ws_conn_id()).into_text()
}

/// [`conn_id`], or why there is none.
///
/// # Errors
///
/// [`Error`]: the host returns none, or it does not fit into the arena.
pub fn try_conn_id() -> Result<ArenaStr, Error> {
    claim_or_error(abi::ws_conn_id()).map(ArenaBytes::into_text)
}

/// [`conn_id`], as a [piece](crate::text#pieces-that-ask-the-host) of text.
pub fn conn_id_piece() -> impl Pieces {
    Ask(abi::ws_conn_id)
}

/// The kind of event: `open`, `message` or `close`.
///
/// # Traps
///
/// If there is none, because the flare is not handling a WebSocket event, or if it does not fit into the
/// arena; [`try_event_type`] returns an error instead.
pub fn event_type() -> ArenaStr {
    claim_or_trap(abi::ws_event_type()).into_text()
}

/// [`event_type`], or why there is none.
///
/// # Errors
///
/// [`Error`]: the host returns none, or it does not fit into the arena.
pub fn try_event_type() -> Result<ArenaStr, Error> {
    claim_or_error(abi::ws_event_type()).map(ArenaBytes::into_text)
}

/// [`event_type`], as a [piece](crate::text#pieces-that-ask-the-host) of text.
pub fn event_type_piece() -> impl Pieces {
    Ask(abi::ws_event_type)
}

/// The data of a message; empty in `open` and `close`.
///
/// # Traps
///
/// If it does not fit into the arena; [`try_event_data`] returns an error instead.
pub fn event_data() -> ArenaBytes {
    claim_unless_refused(abi::ws_event_data())
}

/// [`event_data`], or why there is none.
///
/// # Errors
///
/// [`Error`]: the event is not a message, or its data does not fit into the arena.
pub fn try_event_data() -> Result<ArenaBytes, Error> {
    claim_or_error(abi::ws_event_data())
}

/// [`event_data`], as a [piece](crate::text#pieces-that-ask-the-host) of text.
pub fn event_data_piece() -> impl Pieces {
    Ask(abi::ws_event_data)
}

/// The message, if the event is one and is not empty.
///
/// `None` in `open` and `close`; for an empty message; and if the message does not fit into the arena, in which
/// case [`arena_refused`](crate::arena_refused) is true. It is a lease: [`send_pieces`] sends it back without a
/// copy. A flare that only needs the message is smaller with this than with [`event_data`].
#[inline] // size: inline-small
pub fn message() -> Option<ArenaBytes> {
    claim_unless_empty(abi::ws_event_data())
}

/// The data of a message as text, in which bytes that are not UTF-8 become `?`. Otherwise like [`event_data`].
///
/// # Traps
///
/// If it does not fit into the arena; [`try_event_data`] returns an error instead.
pub fn event_text() -> ArenaStr {
    event_data().into_text()
}

/// The status code with which the client closed the connection; 0 outside the `close` handler.
pub fn close_code() -> u16 {
    abi::ws_close_code() as u16
}

crate::error::codes! {
    /// Why a message was not sent.
    pub enum WsSendError or WsUnknown {
        /// This event has no sends left.
        1 => SendLimitReached: WsSendLimitReached,
        /// The message is larger than the host allows.
        2 => MessageTooLarge: WsMessageTooLarge,
        /// The host could not send it: the connection is closed, or closing.
        3 => SendError: WsSendError,
    }
}

#[cfg(test)]
mod tests;
