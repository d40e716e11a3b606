//! Plasma: the key-value store that all edge nodes share.
//!
//! A key holds either a value, for which the last write wins, or a counter, to which every node adds
//! its own part. Other nodes see a change a moment later. Keys and values have the same limits as
//! Spark's; writing needs the capability `writes_plasma_kv`.

use crate::abi;
use crate::arena::claim::{claim, claim_or_trap, claim_shared, claim_with};
use crate::arena::{ArenaBytes, ArenaStr, Keys};
use crate::error::{Error, claim_or_error};
use crate::text::ask::Ask;
use crate::text::{self, send};

/// Reads a value.
///
/// `None` if there is no such key; if the host refuses to read; or if the value does not fit into
/// the arena, in which case [`arena_refused`](crate::arena_refused) is true.
pub fn get(key: &str) -> Option<ArenaBytes> {
    claim(abi::plasma_get(key.as_bytes()))
}

/// Reads a value as text; otherwise like [`get`].
///
/// Also `None` if the value is not UTF-8; [`get`] returns its bytes.
pub fn get_string(key: &str) -> Option<ArenaStr> {
    ArenaStr::whole(get(key)?)
}

/// Writes a value. The last write on any node wins.
///
/// # Errors
///
/// Whatever the host answers: see [`PlasmaError`].
pub fn set(key: &str, value: &[u8]) -> Result<(), PlasmaError> {
    PlasmaError::check(abi::plasma_set(key.as_bytes(), value))
}

/// Writes a value built from [pieces](crate::text); otherwise like [`set`].
///
/// # Errors
///
/// Whatever the host answers, and [`PlasmaError::ArenaFull`] when the value does not fit into the free
/// part of the arena.
pub fn set_pieces(key: &str, value: impl text::Pieces) -> Result<(), PlasmaError> {
    PlasmaError::sent(send::send(value, |value| {
        abi::plasma_set(key.as_bytes(), value)
    }))
}

/// [`get`] with a key built from [pieces](crate::text).
///
/// Also `None` if the key does not fit into the arena.
#[inline] // size: inline-reason
pub fn get_pieces(key: impl text::Pieces) -> Option<ArenaBytes> {
    claim_shared(send::send(key, abi::plasma_get).ok()?)
}

/// [`set_pieces`] with a key that is built from [pieces](crate::text), too.
///
/// # Errors
///
/// Whatever the host answers, and [`PlasmaError::ArenaFull`] when the key or the value does not fit into the
/// free part of the arena, or when the host has no answer for one of the pieces.
pub fn set_keyed(key: impl text::Pieces, value: impl text::Pieces) -> Result<(), PlasmaError> {
    let (key, value) = send::pair(key, value)?;
    PlasmaError::check(abi::plasma_set(key, value))
}

/// [`delete`] with a key built from [pieces](crate::text).
///
/// # Errors
///
/// Whatever the host answers, and [`PlasmaError::ArenaFull`] when the key does not fit into the free part of
/// the arena.
pub fn delete_pieces(key: impl text::Pieces) -> Result<(), PlasmaError> {
    PlasmaError::sent(send::send(key, abi::plasma_delete))
}

/// Deletes a key.
///
/// # Errors
///
/// Whatever the host answers: see [`PlasmaError`].
pub fn delete(key: &str) -> Result<(), PlasmaError> {
    PlasmaError::check(abi::plasma_delete(key.as_bytes()))
}

/// Adds `delta` to a counter and returns its new value, as far as this node knows it.
///
/// `None` if the host refuses, which it does without a reason.
pub fn increment(key: &str, delta: i64) -> Option<i64> {
    counter(abi::plasma_increment(key.as_bytes(), delta))
}

/// Subtracts `delta` from a counter and returns its new value, as far as this node knows it.
///
/// `None` if the host refuses, which it does without a reason.
pub fn decrement(key: &str, delta: i64) -> Option<i64> {
    counter(abi::plasma_decrement(key.as_bytes(), delta))
}

/// [`increment`] with a key built from [pieces](crate::text): `plasma::increment_pieces(("room:", room), 1)`.
///
/// Also `None` if the key does not fit into the arena.
#[inline] // size: inline-reason
pub fn increment_pieces(key: impl text::Pieces, delta: i64) -> Option<i64> {
    counter(send::send(key, |key| abi::plasma_increment(key, delta)).ok()?)
}

/// [`decrement`] with a key built from [pieces](crate::text).
///
/// Also `None` if the key does not fit into the arena.
#[inline] // size: inline-reason
pub fn decrement_pieces(key: impl text::Pieces, delta: i64) -> Option<i64> {
    counter(send::send(key, |key| abi::plasma_decrement(key, delta)).ok()?)
}

/// The ABI: a counter is 8 bytes, little-endian.
#[inline(always)] // size: inline-step
fn counter(returned: i64) -> Option<i64> {
    claim_with(returned, |bytes| {
        Some(i64::from_le_bytes(bytes.try_into().ok()?))
    })
}

/// The site's keys; an empty list if there are none.
///
/// # Traps
///
/// If the host refuses, or if the list does not fit into the arena; [`try_list`] returns an error instead.
pub fn list() -> Keys {
    Keys::new(claim_or_trap(abi::plasma_list()))
}

/// [`list`], or why there is none.
///
/// # Errors
///
/// [`Error`]: the host refuses, or the list does not fit into the arena.
pub fn try_list() -> Result<Keys, Error> {
    claim_or_error(abi::plasma_list()).map(Keys::new)
}

/// The site's keys as the host returns them, a JSON array of strings: a
/// [piece](crate::text#pieces-that-ask-the-host) of text.
pub fn list_piece() -> impl text::Pieces {
    Ask(abi::plasma_list)
}

crate::error::codes! {
    /// Why a write was refused.
    pub enum PlasmaError or PlasmaUnknown {
        /// This node has no Plasma.
        1 => NotAvailable: PlasmaNotAvailable,
        /// This invocation has no writes left.
        2 => WriteLimit: PlasmaWriteLimit,
        /// The value is larger than `max_kv_value_bytes` (64 KiB by default).
        3 => TooLarge: PlasmaTooLarge,
        /// The key is not valid.
        4 => BadKey: PlasmaBadKey,
        /// The flare's configuration does not set `writes_plasma_kv`.
        5 => NoCapability: PlasmaNoCapability,
        /// The host failed; its log says why.
        6 => Internal: PlasmaInternal,
    }
}

#[cfg(test)]
mod tests;
