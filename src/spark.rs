//! Spark: the site's key-value store with expiry, on the disk of the edge node.
//!
//! Keys are 1 to 256 characters of `a-z A-Z 0-9 : . _ -` and must not begin with `__flaron:` or
//! `__sys:`. Values are bytes, up to the `max_kv_value_bytes` in the flare's configuration (64 KiB by
//! default). Writing needs the capability `writes_spark_kv`.

use crate::arena::claim::{claim_or_trap, claim_shared, claim_with};
use crate::arena::{ArenaBytes, ArenaFull, ArenaStr, Keys};
use crate::bytes::number::parse_u64;
use crate::error::{Error, claim_or_error};
use crate::text::ask::Ask;
use crate::text::{self, send};
use crate::{abi, json};

/// A value, and how long it will live.
#[derive(Debug, Clone)]
pub struct SparkEntry {
    /// The value: a lease on what the host wrote into the arena.
    pub value: ArenaBytes,
    /// Seconds until it expires, rounded by the host; 0 if it never does.
    pub ttl_secs: u32,
}

/// Reads a value.
///
/// `None` if there is no such key, or it has expired; if the host refuses to read; or if the value does not
/// fit into the arena, in which case [`arena_refused`](crate::arena_refused) is true.
#[inline(always)] // size: inline-register
pub fn get(key: &str) -> Option<SparkEntry> {
    entry(abi::spark_get(key.as_bytes()))
}

/// The entry that `spark_get` returned.
#[inline(always)] // size: inline-register
fn entry(returned: i64) -> Option<SparkEntry> {
    // The ABI: 4 bytes of time to live, little-endian, then the value.
    let (ttl_secs, value) = claim_shared(returned)?.split_first()?;
    Some(SparkEntry {
        value,
        ttl_secs: u32::from_le_bytes(ttl_secs),
    })
}

/// Reads a value as text: like [`get`], without the time to live.
///
/// Also `None` if the value is not UTF-8; [`get`] returns its bytes.
pub fn get_string(key: &str) -> Option<ArenaStr> {
    ArenaStr::whole(get(key)?.value)
}

/// Reads a value that is an unsigned decimal integer: digits and nothing else.
///
/// `None` if there is no such key, or it has expired; if the host refuses to read; or if the value is
/// anything else. This is the smallest way to read a counter: it takes no lease.
#[inline] // size: inline-small
pub fn get_u64(key: &str) -> Option<u64> {
    claim_with(abi::spark_get(key.as_bytes()), |entry| {
        parse_u64(entry.get(4..)?)
    })
}

/// Writes a value. It expires after `ttl_secs` seconds; 0 means never.
///
/// # Errors
///
/// Whatever the host answers: see [`SparkError`].
pub fn set(key: &str, value: &[u8], ttl_secs: u32) -> Result<(), SparkError> {
    SparkError::check(abi::spark_set(key.as_bytes(), value, ttl_secs as i32))
}

/// Writes a value built from [pieces](crate::text); otherwise like [`set`].
///
/// # Errors
///
/// Whatever the host answers, and [`SparkError::ArenaFull`] when the value does not fit into the free
/// part of the arena.
pub fn set_pieces(key: &str, value: impl text::Pieces, ttl_secs: u32) -> Result<(), SparkError> {
    SparkError::sent(send::send(value, |value| {
        abi::spark_set(key.as_bytes(), value, ttl_secs as i32)
    }))
}

/// [`get`] with a key built from [pieces](crate::text): `spark::get_pieces(("user:", id))`.
///
/// Also `None` if the key does not fit into the arena.
#[inline] // size: inline-reason
pub fn get_pieces(key: impl text::Pieces) -> Option<SparkEntry> {
    entry(send::send(key, abi::spark_get).ok()?)
}

/// [`set_pieces`] with a key that is built from [pieces](crate::text), too.
///
/// # Errors
///
/// Whatever the host answers, and [`SparkError::ArenaFull`] when the key or the value does not fit into the
/// free part of the arena, or when the host has no answer for one of the pieces.
pub fn set_keyed(
    key: impl text::Pieces,
    value: impl text::Pieces,
    ttl_secs: u32,
) -> Result<(), SparkError> {
    let (key, value) = send::pair(key, value)?;
    SparkError::check(abi::spark_set(key, value, ttl_secs as i32))
}

/// [`delete`] with a key built from [pieces](crate::text).
///
/// # Errors
///
/// [`ArenaFull`] when the key does not fit into the free part of the arena; nothing is deleted then.
pub fn delete_pieces(key: impl text::Pieces) -> Result<(), ArenaFull> {
    send::send(key, abi::spark_delete)
}

/// The site's keys as the host returns them, a JSON array of strings: a
/// [piece](crate::text#pieces-that-ask-the-host) of text.
pub fn list_piece() -> impl text::Pieces {
    Ask(abi::spark_list)
}

/// Deletes a key, if it exists. The host does not report errors.
pub fn delete(key: &str) {
    abi::spark_delete(key.as_bytes());
}

/// The site's keys; an empty list if there are none.
///
/// # Traps
///
/// If the host refuses, or if the list does not fit into the arena; [`try_list`] returns an error instead.
pub fn list() -> Keys {
    Keys::new(claim_or_trap(abi::spark_list()))
}

/// [`list`], or why there is none.
///
/// # Errors
///
/// [`Error`]: the host refuses, or the list does not fit into the arena.
pub fn try_list() -> Result<Keys, Error> {
    claim_or_error(abi::spark_list()).map(Keys::new)
}

/// Copies keys from another edge node, whose ID is `origin_node`, into this node's store, and returns how
/// many were copied. Each invocation may pull once.
///
/// # Errors
///
/// Whatever the host answers, and [`SparkPullError::ArenaFull`] when the list of keys does not fit into
/// the free part of the arena.
pub fn pull(origin_node: &str, keys: &[&str]) -> Result<u32, SparkPullError> {
    match send::send(json::Array(keys), |keys| {
        abi::spark_pull(origin_node.as_bytes(), keys)
    }) {
        Ok(code) if code < 0 => Err(SparkPullError::from_code(code.wrapping_neg())),
        Ok(count) => Ok(count as u32),
        Err(_) => Err(SparkPullError::ArenaFull),
    }
}

crate::error::codes! {
    /// Why a write was refused.
    pub enum SparkError or SparkUnknown {
        /// The time to live is out of range.
        1 => InvalidTtl: SparkInvalidTtl,
        /// The value is larger than `max_kv_value_bytes` (64 KiB by default).
        2 => TooLarge: SparkTooLarge,
        /// This invocation has no writes left.
        3 => WriteLimit: SparkWriteLimit,
        /// The site's disk quota is used up.
        4 => QuotaExceeded: SparkQuotaExceeded,
        /// This node has no Spark.
        5 => NotAvailable: SparkNotAvailable,
        /// The host failed; its log says why.
        6 => Internal: SparkInternal,
        /// This invocation has no reads left.
        7 => ReadLimit: SparkReadLimit,
        /// The key is not 1 to 256 of `a-z A-Z 0-9 : . _ -`, or has a reserved prefix.
        8 => BadKey: SparkBadKey,
        /// The flare's configuration does not set `writes_spark_kv`.
        9 => NoCapability: SparkNoCapability,
    }
}

crate::error::codes! {
    /// Why a [`pull`] was refused.
    pub enum SparkPullError or SparkPullUnknown {
        /// This invocation has pulled already.
        3 => WriteLimit: SparkPullWriteLimit,
        /// This node has no Spark, or does not know the other nodes.
        5 => NotAvailable: SparkPullNotAvailable,
        /// The host failed; its log says why.
        6 => Internal: SparkPullInternal,
        /// A key or the node's ID is not valid.
        8 => BadKey: SparkPullBadKey,
        /// The flare's configuration does not set `writes_spark_kv`.
        9 => NoCapability: SparkPullNoCapability,
    }
}

#[cfg(test)]
mod tests;
