//! Unique IDs, made by the host.
//!
//! Each function gives `None` if the host makes none, or if it does not fit into the arena
//! ([`arena_refused`](crate::arena_refused) tells). Those that end in `_piece` give the ID as a
//! [piece](crate::text#pieces-that-ask-the-host) of text.

use crate::abi;
use crate::arena::claim::claim;
use crate::arena::{ArenaBytes, ArenaStr};
use crate::text::Pieces;
use crate::text::ask::Ask;

const V4: &[u8] = b"{\"version\":\"v4\"}";
const V7: &[u8] = b"{\"version\":\"v7\"}";

/// A random UUID (version 4), 36 characters.
pub fn uuid_v4() -> Option<ArenaStr> {
    id(abi::id_uuid(V4))
}

/// [`uuid_v4`], as a piece of text.
pub fn uuid_v4_piece() -> impl Pieces {
    Ask(|| abi::id_uuid(V4))
}

/// A UUID that sorts by time (version 7), 36 characters.
pub fn uuid_v7() -> Option<ArenaStr> {
    id(abi::id_uuid(V7))
}

/// [`uuid_v7`], as a piece of text.
pub fn uuid_v7_piece() -> impl Pieces {
    Ask(|| abi::id_uuid(V7))
}

/// A ULID: 26 characters of Crockford's Base32 that sort by time.
pub fn ulid() -> Option<ArenaStr> {
    id(abi::id_ulid())
}

/// [`ulid`], as a piece of text.
pub fn ulid_piece() -> impl Pieces {
    Ask(abi::id_ulid)
}

/// A Nano ID of `length` characters; 0 means 21.
pub fn nanoid(length: u32) -> Option<ArenaStr> {
    id(abi::id_nanoid(length as i32))
}

/// [`nanoid`], as a piece of text.
pub fn nanoid_piece(length: u32) -> impl Pieces {
    Ask(move || abi::id_nanoid(length as i32))
}

/// A KSUID: 27 characters that sort by time.
pub fn ksuid() -> Option<ArenaStr> {
    id(abi::id_ksuid())
}

/// [`ksuid`], as a piece of text.
pub fn ksuid_piece() -> impl Pieces {
    Ask(abi::id_ksuid)
}

/// A Snowflake ID: a 64-bit number that sorts by time, in decimal. At most 100 per invocation, however many
/// of [`snowflake_unmetered`].
pub fn snowflake() -> Option<ArenaStr> {
    id(abi::snowflake_id())
}

/// [`snowflake`], as a piece of text.
pub fn snowflake_piece() -> impl Pieces {
    Ask(abi::snowflake_id)
}

/// A Snowflake ID that does not count towards the 100 of [`snowflake`].
pub fn snowflake_unmetered() -> Option<ArenaStr> {
    id(abi::id_snowflake())
}

/// [`snowflake_unmetered`], as a piece of text.
pub fn snowflake_unmetered_piece() -> impl Pieces {
    Ask(abi::id_snowflake)
}

fn id(returned: i64) -> Option<ArenaStr> {
    claim(returned).map(ArenaBytes::into_text)
}

#[cfg(test)]
mod tests;
