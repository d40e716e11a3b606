//! A lease on text: UTF-8 whatever the host wrote.

#![allow(
    unsafe_code,
    reason = "it repairs the arena's bytes where they lie, and makes `str` of them"
)]

use core::ops::Deref;

use crate::arena::block;
use crate::arena::lease::ArenaBytes;
use crate::arena::storage;
use crate::arena::traits::like_str;
use crate::bytes::utf8;

/// Text that the host wrote into the arena, borrowed from there.
///
/// Derefs to `str`, which is valid UTF-8 whatever the host wrote: the first deref replaces every byte that is
/// not part of a valid character by `?`, in place. The check is linked only into flares that read the text as
/// `str`. It runs at each deref, so keep the `&str` if you need it often.
///
/// There are ways to the bytes that skip the check: `==` compares them as they are, building text from pieces
/// copies them as they are ([`crate::text`]), and [`into_bytes`] returns the bare lease.
///
/// [`into_bytes`]: ArenaStr::into_bytes
#[repr(transparent)]
pub struct ArenaStr(ArenaBytes);

impl ArenaBytes {
    /// The same lease as text; see [`ArenaStr`].
    #[inline] // size: inline-small
    pub fn into_text(self) -> ArenaStr {
        ArenaStr(self)
    }
}

impl ArenaStr {
    /// The lease as text, if all of it is UTF-8.
    #[cfg(any(feature = "spark", feature = "plasma"))]
    pub(crate) fn whole(bytes: ArenaBytes) -> Option<ArenaStr> {
        utf8::from_utf8(&bytes)?;
        Some(ArenaStr(bytes))
    }

    /// The bytes as the host wrote them, without a check.
    pub fn into_bytes(self) -> ArenaBytes {
        self.0
    }

    /// The text: an explicit deref.
    pub fn as_str(&self) -> &str {
        self
    }

    /// The bytes as they are, for the crate's own reading. They must not be handed out: the first
    /// deref changes them.
    pub(crate) fn raw(&self) -> &[u8] {
        &self.0
    }

    /// The lease, to which text may be appended.
    pub(super) fn as_lease(&mut self) -> &mut ArenaBytes {
        &mut self.0
    }

    /// The bytes, to be overwritten with text or zeros.
    #[cfg(feature = "secrets")]
    pub(crate) fn as_mut(&mut self) -> &mut [u8] {
        self.0.as_mut()
    }
}

/// An empty text.
impl Default for ArenaStr {
    fn default() -> ArenaStr {
        ArenaBytes::default().into_text()
    }
}

impl Deref for ArenaStr {
    type Target = str;

    fn deref(&self) -> &str {
        let packed = self.0.packed();
        let (offset, len) = (
            block::offset_of(packed) as usize,
            block::len_of(packed) as usize,
        );
        let mut at = 0;
        loop {
            // SAFETY: as in `ArenaBytes::deref`. The borrow ends before the write below.
            let bytes = unsafe { block::bytes_of(packed) };
            at = utf8::valid_up_to(bytes, at);
            if at == len {
                // SAFETY: all of it has been found valid, up to the last repair and from there on.
                return unsafe { utf8::valid_str(bytes) };
            }
            // SAFETY: `at < len`, so the byte is the lease's (I3). Nobody looks at it: all public ways
            // to a borrow of the bytes lead through here (`into_bytes` ends the lease), the first
            // of them repairs every byte, and from then on none is found that needs it.
            unsafe { *storage::memory().add(offset + at) = b'?' }
        }
    }
}

like_str!(ArenaStr, raw);
