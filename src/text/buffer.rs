//! Text in a buffer that the caller provides.

use core::fmt;

use crate::arena::ArenaFull;
use crate::bytes::utf8;
use crate::error::{Error, Kind};
use crate::text::piece::{self, Pieces, Sink};
use crate::text::send;

/// The error of a [`TextBuf`]: the rest of the buffer is too small for what was to be appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextFull;

impl fmt::Display for TextFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Error::from(*self).message())
    }
}

impl core::error::Error for TextFull {}

impl From<TextFull> for Error {
    fn from(_: TextFull) -> Error {
        Error::new(Kind::TextFull)
    }
}

impl From<ArenaFull> for TextFull {
    fn from(_: ArenaFull) -> TextFull {
        TextFull
    }
}

/// Text in a buffer that the caller provides, written from front to back.
///
/// ```
/// use flaron_sdk::text::TextBuf;
///
/// let mut buffer = [0; 32];
/// let mut text = TextBuf::new(&mut buffer);
/// for hits in [7_u32, 11] {
///     text.push((hits, "\n"))?;
/// }
/// assert_eq!(text.as_bytes(), b"7\n11\n");
/// # Ok::<(), flaron_sdk::text::TextFull>(())
/// ```
///
/// It implements [`core::fmt::Write`], so `write!` works, at the cost of linking `core::fmt`.
pub struct TextBuf<'a> {
    buffer: &'a mut [u8],
    len: usize,
}

/// Shows the text written so far.
impl fmt::Debug for TextBuf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_str() {
            Some(text) => fmt::Debug::fmt(text, f),
            None => fmt::Debug::fmt(self.as_bytes(), f),
        }
    }
}

impl<'a> TextBuf<'a> {
    /// Empty text in `buffer`.
    pub fn new(buffer: &'a mut [u8]) -> TextBuf<'a> {
        TextBuf { buffer, len: 0 }
    }

    /// Appends pieces: all of them, or nothing and an error.
    ///
    /// # Errors
    ///
    /// [`TextFull`] when the rest of the buffer is too small. Pieces that ask the host also fail with it when the
    /// host has no answer, or when the answer does not fit into the arena.
    pub fn push(&mut self, pieces: impl Pieces) -> Result<(), TextFull> {
        let Some(proof) = piece::backward(&pieces) else {
            let text = send::keep(pieces).map_err(|ArenaFull| TextFull)?;
            return self.push(&text);
        };
        let rest = self.buffer.get_mut(self.len..).unwrap_or_default();
        // The pieces are written backward, from the end of the buffer, and then moved up to the text.
        let Some(free) = pieces.prepend_to(Tail(Some(rest)), proof).0 else {
            return Err(TextFull);
        };
        let free = free.len();
        self.buffer.copy_within(self.len + free.., self.len);
        self.len = self.buffer.len() - free;
        Ok(())
    }

    /// The text written so far, as bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.buffer.get(..self.len).unwrap_or_default()
    }

    /// The text written so far, or `None` when it is not UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        utf8::from_utf8(self.as_bytes())
    }
}

impl fmt::Write for TextBuf<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text).map_err(|_| fmt::Error)
    }
}

/// The part of the buffer that is still free; text is put at its end. `None` once something did not fit.
struct Tail<'a>(Option<&'a mut [u8]>);

impl Sink for Tail<'_> {
    #[inline] // size: inline-shared
    fn bytes(self, bytes: &[u8]) -> Self {
        let fit = self.0.and_then(|space| {
            let rest = space.len().checked_sub(bytes.len())?;
            let (rest, tail) = space.split_at_mut_checked(rest)?;
            tail.copy_from_slice(bytes);
            Some(rest)
        });
        Tail(fit)
    }
}
