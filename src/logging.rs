//! Log lines, which go to the edge node's log stream.
//!
//! The host takes at most 100 lines per invocation and cuts each at 4 KiB.

use crate::abi;
use crate::arena::{ArenaFull, Draft};
use crate::text::Pieces;

/// Logs a line for the record.
pub fn info(msg: &str) {
    abi::log_info(msg.as_bytes());
}

/// Logs a line about something that may need a look.
pub fn warn(msg: &str) {
    abi::log_warn(msg.as_bytes());
}

/// Logs a line about something that failed.
pub fn error(msg: &str) {
    abi::log_error(msg.as_bytes());
}

/// As [`info`], with a line built of [pieces](crate::text).
///
/// ```
/// use flaron_sdk::logging;
///
/// logging::info_pieces(("served ", 3_u32, " items"))?;
/// # Ok::<(), flaron_sdk::ArenaFull>(())
/// ```
///
/// # Errors
///
/// [`ArenaFull`] when the line does not fit into the free part of the arena; nothing is logged.
pub fn info_pieces(msg: impl Pieces) -> Result<(), ArenaFull> {
    Draft::send(msg, abi::log_info)
}

/// As [`warn`], with a line built of [pieces](crate::text).
///
/// # Errors
///
/// [`ArenaFull`] when the line does not fit into the free part of the arena; nothing is logged.
pub fn warn_pieces(msg: impl Pieces) -> Result<(), ArenaFull> {
    Draft::send(msg, abi::log_warn)
}

/// As [`error`], with a line built of [pieces](crate::text).
///
/// # Errors
///
/// [`ArenaFull`] when the line does not fit into the free part of the arena; nothing is logged.
pub fn error_pieces(msg: impl Pieces) -> Result<(), ArenaFull> {
    Draft::send(msg, abi::log_error)
}
