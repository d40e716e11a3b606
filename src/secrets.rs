//! Secrets of the domain.
//!
//! The host gives a flare only the names in its configuration's `allowed_secrets`. To sign or
//! encrypt with a secret, use [`crate::crypto`], which names it and never sees it.

use core::fmt;
use core::ops::Deref;

use crate::abi;
use crate::arena::{ArenaBytes, ArenaStr, lease};

/// Reads a secret as text.
///
/// `None` if there is no such secret, if the flare is not allowed to read it, or if it does not fit
/// into the arena ([`arena_refused`](crate::arena_refused) tells).
pub fn get(name: &str) -> Option<Secret> {
    lease(abi::secret_get(name.as_bytes())).map(|lease| Secret(lease.into_text()))
}

/// Reads a secret as bytes: otherwise as [`get`].
pub fn get_bytes(name: &str) -> Option<SecretBytes> {
    lease(abi::secret_get(name.as_bytes())).map(SecretBytes)
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
