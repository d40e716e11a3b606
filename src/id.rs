//! Unique IDs, made by the host.
//!
//! Each function gives `None` if the host makes none, or if it does not fit into the arena
//! ([`arena_refused`](crate::arena_refused) tells).

use crate::abi;
use crate::arena::{ArenaBytes, ArenaStr, lease};

/// A random UUID (version 4), 36 characters.
pub fn uuid_v4() -> Option<ArenaStr> {
    id(abi::id_uuid(&b"{\"version\":\"v4\"}"[..]))
}

/// A UUID that sorts by time (version 7), 36 characters.
pub fn uuid_v7() -> Option<ArenaStr> {
    id(abi::id_uuid(&b"{\"version\":\"v7\"}"[..]))
}

/// A ULID: 26 characters of Crockford's Base32 that sort by time.
pub fn ulid() -> Option<ArenaStr> {
    id(abi::id_ulid())
}

/// A Nano ID of `length` characters; 0 means 21.
pub fn nanoid(length: u32) -> Option<ArenaStr> {
    id(abi::id_nanoid(length as i32))
}

/// A KSUID: 27 characters that sort by time.
pub fn ksuid() -> Option<ArenaStr> {
    id(abi::id_ksuid())
}

/// A Snowflake ID: a 64-bit number that sorts by time, in decimal. At most 100 per invocation.
pub fn snowflake() -> Option<ArenaStr> {
    id(abi::snowflake_id())
}

fn id(returned: i64) -> Option<ArenaStr> {
    lease(returned).map(ArenaBytes::into_text)
}
