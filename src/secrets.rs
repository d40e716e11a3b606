//! Secrets of the domain.
//!
//! The host gives a flare only the names in its configuration's `allowed_secrets`. To sign or
//! encrypt with a secret, use [`crate::crypto`], which names it and never sees it.

use core::fmt;
use core::ops::Deref;

use crate::abi;
use crate::arena::claim::claim;
use crate::arena::{ArenaBytes, ArenaStr};

/// Reads a secret as text.
///
/// `None` if there is no such secret, if the flare is not allowed to read it, or if it does not fit
/// into the arena ([`arena_refused`](crate::arena_refused) tells).
pub fn get(name: &str) -> Option<Secret> {
    claim(abi::secret_get(name.as_bytes())).map(|lease| Secret(lease.into_text()))
}

/// Reads a secret as bytes: otherwise as [`get`].
pub fn get_bytes(name: &str) -> Option<SecretBytes> {
    claim(abi::secret_get(name.as_bytes())).map(SecretBytes)
}

/// A secret as text: a lease whose bytes are overwritten with zeros when it is dropped.
///
/// Derefs to `str`, valid UTF-8 as an [`ArenaStr`] is. It does not show itself in `Debug`.
pub struct Secret(ArenaStr);

impl Deref for Secret {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.as_mut().fill(0);
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// A secret as bytes: a lease whose bytes are overwritten with zeros when it is dropped.
///
/// Derefs to `[u8]`. It does not show itself in `Debug`.
pub struct SecretBytes(ArenaBytes);

impl Deref for SecretBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for SecretBytes {
    fn drop(&mut self) {
        self.0.as_mut().fill(0);
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretBytes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arena_refused;
    use crate::testing::{Host, arena_is_free, leave_free};
    use std::format;

    #[test]
    fn a_secret_is_read_as_text_or_as_bytes() {
        let host = Host::new();
        host.secret("text", "s\u{e9}cret")
            .secret("bytes", b"\xff\x01");
        assert_eq!(&*get("text").unwrap(), "s\u{e9}cret");
        assert_eq!(&*get_bytes("bytes").unwrap(), b"\xff\x01");
        assert_eq!(&*get("bytes").unwrap(), "?\u{1}");
        assert!(get("TEXT").is_none() && get_bytes("other").is_none());
        assert_eq!(host.calls_of("secret_get")[0].text(0), "text");
        assert!(!arena_refused());
        assert!(arena_is_free());
    }

    #[test]
    fn a_dropped_secret_leaves_zeros_behind() {
        let host = Host::new();
        host.secret("key", "hunter2!");
        let text = get("key").unwrap();
        assert_eq!(&*text, "hunter2!");
        drop(text);
        // The same block again, as the last user left it.
        let block = i64::from(crate::guest_alloc(8)) << 32 | 8;
        assert_eq!(crate::arena::claim::claim(block).unwrap(), [0; 8]);

        let bytes = get_bytes("key").unwrap();
        assert_eq!(&*bytes, b"hunter2!");
        drop(bytes);
        let block = i64::from(crate::guest_alloc(8)) << 32 | 8;
        assert_eq!(crate::arena::claim::claim(block).unwrap(), [0; 8]);
    }

    #[test]
    fn debug_does_not_show_it() {
        let host = Host::new();
        host.secret("key", "hunter2");
        assert_eq!(format!("{:?}", get("key").unwrap()), "Secret");
        assert_eq!(format!("{:?}", get_bytes("key").unwrap()), "SecretBytes");
    }

    #[test]
    fn a_secret_that_does_not_fit_is_refused() {
        let host = Host::new();
        host.secret("key", "nine bytes");
        let _full = leave_free(8);
        assert!(get("key").is_none() && arena_refused());
        assert!(get("none").is_none() && !arena_refused());
        assert!(get_bytes("key").is_none() && arena_refused());
    }
}
