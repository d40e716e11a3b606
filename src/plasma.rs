//! Plasma: the key-value store that all edge nodes share.
//!
//! A key holds either a value, of which the last write wins, or a counter, to which every node adds
//! its own part. Other nodes see a change a moment later. Keys and values are held to the same
//! limits as Spark's; writing needs the capability `writes_plasma_kv`.

use crate::abi;
use crate::arena::claim::{claim, claim_or_empty, claim_with};
use crate::arena::{ArenaBytes, ArenaStr, Keys};
use crate::text::{self, send};

/// Reads a value.
///
/// `None` if there is no such key, if the host refuses to read, or if the value does not fit into
/// the arena ([`arena_refused`](crate::arena_refused) tells).
pub fn get(key: &str) -> Option<ArenaBytes> {
    claim(abi::plasma_get(key.as_bytes()))
}

/// Reads a value as text: otherwise as [`get`].
pub fn get_string(key: &str) -> Option<ArenaStr> {
    get(key).map(ArenaBytes::into_text)
}

/// Writes a value: the last write of all nodes wins.
///
/// # Errors
///
/// What the host answers: see [`PlasmaError`].
pub fn set(key: &str, value: &[u8]) -> Result<(), PlasmaError> {
    PlasmaError::check(abi::plasma_set(key.as_bytes(), value))
}

/// Writes a value built of [pieces](crate::text): otherwise as [`set`].
///
/// # Errors
///
/// What the host answers, and [`PlasmaError::ArenaFull`] when the value does not fit into the free
/// part of the arena.
pub fn set_pieces(key: &str, value: impl text::Pieces) -> Result<(), PlasmaError> {
    PlasmaError::sent(send::send(value, |value| {
        abi::plasma_set(key.as_bytes(), value)
    }))
}

/// Deletes a key.
///
/// # Errors
///
/// What the host answers: see [`PlasmaError`].
pub fn delete(key: &str) -> Result<(), PlasmaError> {
    PlasmaError::check(abi::plasma_delete(key.as_bytes()))
}

/// Adds `delta` to a counter and returns its new value, as far as this node knows it.
///
/// `None` if the host refuses; it does not say why.
pub fn increment(key: &str, delta: i64) -> Option<i64> {
    counter(abi::plasma_increment(key.as_bytes(), delta))
}

/// Subtracts `delta` from a counter and returns its new value, as far as this node knows it.
///
/// `None` if the host refuses; it does not say why.
pub fn decrement(key: &str, delta: i64) -> Option<i64> {
    counter(abi::plasma_decrement(key.as_bytes(), delta))
}

/// The ABI: a counter is 8 bytes, little-endian.
#[inline(always)] // size: inline-step
fn counter(returned: i64) -> Option<i64> {
    claim_with(returned, |bytes| {
        Some(i64::from_le_bytes(bytes.try_into().ok()?))
    })
}

/// The keys of this site.
///
/// Nothing if there are none, if the host refuses, or if the list does not fit into the arena.
pub fn list() -> Keys {
    Keys::new(claim_or_empty(abi::plasma_list()))
}

crate::error::codes! {
    /// Why a write was refused.
    pub enum PlasmaError {
        /// This node has no Plasma.
        1 => NotAvailable: "plasma: not available on this node",
        /// This invocation may write no more.
        2 => WriteLimit: "plasma: this invocation may write no more",
        /// The value is larger than `max_kv_value_bytes` (64 KiB by default).
        3 => TooLarge: "plasma: the value is larger than max_kv_value_bytes",
        /// The key is not valid.
        4 => BadKey: "plasma: the key is not valid",
        /// The flare's configuration does not have `writes_plasma_kv`.
        5 => NoCapability: "plasma: the flare's configuration does not have writes_plasma_kv",
        /// The host failed; its logs say why.
        6 => Internal: "plasma: internal error of the host",
    }
}

#[cfg(test)]
mod tests;
