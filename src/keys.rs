//! The keys of a store: a JSON list of strings, read where it lies.

use core::fmt;

use crate::arena::{ArenaBytes, ArenaStr, Key, Keys};
use crate::bytes::packed::PackedSlice;
use crate::bytes::utf8;
use crate::json;

impl Keys {
    /// The keys in a JSON array of strings, which is decoded where it lies; none if it is nothing of the kind.
    pub(crate) fn new(mut json: ArenaBytes) -> Keys {
        let mut len = json::unescape(json.as_mut(), json::Until::End).unwrap_or_default();
        if json.first() != Some(&b'[') {
            len = 0;
        }
        Keys::of_block(json.truncate(len as u32))
    }
}

impl Keys {
    /// How many keys are left.
    ///
    /// Reads the list once: to count and to read, collect it or read it yourself.
    pub fn len(&self) -> usize {
        self.clone().count()
    }

    /// The keys that are left; the list stays as it is.
    pub fn iter(&self) -> Keys {
        self.clone()
    }

    /// Whether no key is left.
    pub fn is_empty(&self) -> bool {
        self.clone().next().is_none()
    }

    /// Whether a key is among those that are left. Reads the list up to it.
    pub fn contains(&self, key: &(impl AsRef<str> + ?Sized)) -> bool {
        self.clone().any(|own| own == *key)
    }
}

impl Keys {
    /// The keys that are left with a text between any two, as a text of its own in the arena.
    ///
    /// ```
    /// # #[cfg(feature = "spark")]
    /// let keys = flaron_sdk::spark::try_list().map(|keys| keys.join(","));
    /// ```
    ///
    /// # Traps
    ///
    /// When there is no room for it in the arena.
    pub fn join(&self, separator: &str) -> ArenaStr {
        let mut joined = ArenaStr::default();
        for (at, key) in self.clone().enumerate() {
            if at != 0 {
                joined.push_str(separator);
            }
            joined.push_str(&key);
        }
        joined
    }
}

/// The keys that are left; the list stays as it is.
impl IntoIterator for &Keys {
    type Item = Key;
    type IntoIter = Keys;

    fn into_iter(self) -> Keys {
        self.clone()
    }
}

/// Shows the keys that are left.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

impl Iterator for Keys {
    type Item = Key;

    fn next(&mut self) -> Option<Key> {
        self.next_part(|json, at| {
            // What is before a key, a bracket or a comma, is skipped.
            let key = PackedSlice::new(json.get(at as usize + 1..)?);
            utf8::from_utf8(json::string(key)?.get())
        })
    }
}

#[cfg(test)]
mod tests;
