//! What the SDK does with plain slices of bytes: UTF-8, numbers, splitting, Base64url, slices in one register,
//! blocks.
//!
//! Slices in, slices out. Nothing here knows the arena, the host or the flare.

pub(crate) mod base64url;
#[cfg(all(
    target_family = "wasm",
    target_feature = "simd128",
    any(
        reads_json,
        feature = "json",
        feature = "beam",
        feature = "request",
        lists_keys
    )
))]
pub(crate) mod blocks;
#[cfg(any(feature = "crypto", feature = "secrets"))]
pub(crate) mod equal;
#[cfg(any(feature = "json", feature = "beam", feature = "request", lists_keys))]
#[cfg_attr(
    not(all(
        feature = "request",
        any(feature = "json", feature = "beam", lists_keys)
    )),
    allow(dead_code, reason = "a query needs some of it, and JSON the rest")
)]
pub(crate) mod in_place;
pub(crate) mod number;
#[cfg(any(
    feature = "beam",
    feature = "crypto",
    feature = "request",
    feature = "json",
    lists_keys,
    writes_json,
    reads_json,
    test
))]
pub(crate) mod packed;
#[cfg(any(writes_json, reads_json, test))]
pub(crate) mod quote;
pub(crate) mod split;
pub(crate) mod utf8;

#[cfg(test)]
mod tests;
