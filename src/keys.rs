//! The keys of a store: a JSON list of strings, read where it lies.

use crate::arena::{ArenaBytes, Key, Keys};
use crate::bytes::packed::PackedSlice;
use crate::bytes::utf8;
use crate::json;

impl Keys {
    /// The keys in a JSON array of strings, which is decoded where it lies; none if it is not JSON.
    pub(crate) fn new(json: ArenaBytes) -> Keys {
        let json = json::flatten_lease(json).filter(|json| json.first() == Some(&b'['));
        Keys::of_block(json.unwrap_or_default())
    }
}

impl Iterator for Keys {
    type Item = Key;

    fn next(&mut self) -> Option<Key> {
        self.next_part(|json, at| {
            // A bracket or a comma, then the key.
            let key = PackedSlice::new(json.get(at as usize + 1..)?);
            utf8::from_utf8(json::string(key)?.get())
        })
    }
}

#[cfg(test)]
mod tests;
