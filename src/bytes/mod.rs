//! What the SDK does with plain slices of bytes: UTF-8, numbers, slices in one register, words.
//!
//! Slices in, slices out. Nothing here knows the arena, the host or the flare.

#[cfg(any(decimal, reads_json, writes_json, feature = "crypto", test))]
pub(crate) mod number;
#[cfg(any(feature = "beam", lists_keys))]
pub(crate) mod packed;
pub(crate) mod utf8;
#[cfg(all(feature = "fast-json", any(reads_json, writes_json)))]
pub(crate) mod words;

#[cfg(test)]
mod tests;
