//! Base64, hexadecimal and URL coding, done by the host.
//!
//! The host gets the bytes as they are and answers with the bytes as they are: nothing is copied on
//! the flare's side.

use crate::abi;
use crate::arena::{ArenaBytes, ArenaStr, lease, lease_or_empty};

/// Standard Base64 with padding.
///
/// Empty if the result does not fit into the arena ([`arena_refused`](crate::arena_refused) tells).
pub fn base64_encode(data: &[u8]) -> ArenaStr {
    lease_or_empty(abi::encoding_base64_encode(data)).into_text()
}

/// Decodes standard Base64 with padding.
///
/// `None` if it is none, or if the result does not fit into the arena.
pub fn base64_decode(input: &str) -> Option<ArenaBytes> {
    lease(abi::encoding_base64_decode(input.as_bytes()))
}

/// Lowercase hexadecimal.
///
/// Empty if the result does not fit into the arena.
pub fn hex_encode(data: &[u8]) -> ArenaStr {
    lease_or_empty(abi::encoding_hex_encode(data)).into_text()
}

/// Decodes hexadecimal.
///
/// `None` if it is none, or if the result does not fit into the arena.
pub fn hex_decode(input: &str) -> Option<ArenaBytes> {
    lease(abi::encoding_hex_decode(input.as_bytes()))
}

/// Codes text for a URL, by the rules of forms: a space becomes `+`.
///
/// Empty if the result does not fit into the arena.
pub fn url_encode(input: &str) -> ArenaStr {
    lease_or_empty(abi::encoding_url_encode(input.as_bytes())).into_text()
}

/// Decodes text from a URL, by the rules of forms: `+` becomes a space.
///
/// `None` if a `%` is not followed by two hexadecimal digits, or if the result does not fit into
/// the arena.
pub fn url_decode(input: &str) -> Option<ArenaStr> {
    lease(abi::encoding_url_decode(input.as_bytes())).map(ArenaBytes::into_text)
}
