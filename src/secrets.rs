//! Reading the domain's secrets.
//!
//! The host gives a flare only the secrets whose names are in `allowed_secrets` in its configuration. To sign
//! or encrypt with a secret, use [`crate::crypto`], which takes its name, so that the flare never holds it.

use core::fmt;
use core::ops::Deref;

use crate::abi;
use crate::arena::claim::claim;
#[cfg(heap)]
use crate::arena::owned::{bytes_into_owned, text_into_owned};
use crate::arena::traits::like_borrowed;
use crate::arena::{ArenaBytes, ArenaStr};
use crate::bytes::equal::equal;

/// Reads a secret as text.
///
/// `None` if there is no such secret; if the flare is not allowed to read it; or if it does not fit
/// into the arena, in which case [`arena_refused`](crate::arena_refused) is true.
pub fn get(name: &str) -> Option<Secret> {
    claim(abi::secret_get(name.as_bytes())).map(|lease| Secret(lease.into_text()))
}

/// Reads a secret as bytes; otherwise like [`get`].
pub fn get_bytes(name: &str) -> Option<SecretBytes> {
    claim(abi::secret_get(name.as_bytes())).map(SecretBytes)
}

/// A secret as text: a lease whose bytes are overwritten with zeros when it is dropped.
///
/// Derefs to `str`; like an [`ArenaStr`], it is valid UTF-8. `Debug` does not show it.
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

/// An empty text.
impl Default for Secret {
    fn default() -> Secret {
        Secret(ArenaStr::default())
    }
}

/// The clone is a copy in the arena, which is overwritten with zeros, too. Traps when there is no room for it.
impl Clone for Secret {
    fn clone(&self) -> Secret {
        Secret(self.0.clone())
    }
}

impl AsRef<str> for Secret {
    fn as_ref(&self) -> &str {
        self
    }
}

impl AsRef<[u8]> for Secret {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

/// Takes the same time wherever the two texts differ, like `crypto::equal`.
impl<T: AsRef<str> + ?Sized> PartialEq<T> for Secret {
    fn eq(&self, other: &T) -> bool {
        let other = other.as_ref().as_bytes();
        equal(self.0.raw(), other)
    }
}

impl Eq for Secret {}

/// Formats the secret itself, unlike `Debug`.
impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}

like_borrowed!(Secret, str);
#[cfg(heap)]
text_into_owned!(Secret);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// A secret as bytes: a lease whose bytes are overwritten with zeros when it is dropped.
///
/// Derefs to `[u8]`. `Debug` does not show it.
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

/// No bytes.
impl Default for SecretBytes {
    fn default() -> SecretBytes {
        SecretBytes(ArenaBytes::default())
    }
}

/// The clone is a copy in the arena, which is overwritten with zeros, too. Traps when there is no room for it.
impl Clone for SecretBytes {
    fn clone(&self) -> SecretBytes {
        SecretBytes(self.0.clone())
    }
}

impl AsRef<[u8]> for SecretBytes {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

/// Takes the same time wherever the two differ, like `crypto::equal`.
impl<T: AsRef<[u8]> + ?Sized> PartialEq<T> for SecretBytes {
    fn eq(&self, other: &T) -> bool {
        equal(self, other.as_ref())
    }
}

impl Eq for SecretBytes {}

like_borrowed!(SecretBytes, [u8]);
#[cfg(heap)]
bytes_into_owned!(SecretBytes);

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
    #[allow(
        clippy::nonminimal_bool,
        reason = "both directions of the comparison are tested"
    )]
    fn they_are_compared_formatted_and_copied() {
        let host = Host::new();
        host.secret("key", "hunter2");
        let (secret, bytes) = (get("key").unwrap(), get_bytes("key").unwrap());
        assert!(secret == "hunter2" && "hunter2" == secret && secret == get("key").unwrap());
        assert!(secret != "hunter3" && secret != "hunter");
        assert!(bytes != b"hunter3" && bytes != b"hunter" && bytes != b"");
        assert!(bytes == b"hunter2" && *b"hunter2" == *bytes && bytes == get_bytes("key").unwrap());
        assert_eq!(format!("Bearer {secret}"), "Bearer hunter2");
        assert_eq!(secret.clone(), secret);
        assert_eq!(bytes.clone(), bytes);
        assert!(get("none").unwrap_or_default().is_empty());
        assert!(get_bytes("none").unwrap_or_default().is_empty());
        drop((secret, bytes));
        assert!(arena_is_free());
    }

    #[cfg(heap)]
    #[test]
    fn they_become_what_owns_them() {
        let host = Host::new();
        host.secret("key", "hunter2");
        let owned = std::string::String::from(get("key").unwrap());
        assert!(owned == get("key").unwrap() && get("key").unwrap() == owned);
        assert_eq!(std::vec::Vec::from(get_bytes("key").unwrap()), b"hunter2");
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
