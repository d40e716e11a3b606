//! Building and taking apart text without `core::fmt` and without a heap.
//!
//! Text is built from *pieces*: strings, bytes, numbers, leases on what the host sent, and tuples of
//! pieces. They are copied once, straight to where they are needed:
//!
//! ```
//! use flaron_sdk::text::{self, Hex};
//!
//! let text = text::build(("order ", 42_u32, " is 0x", Hex(0x2a), "\n"))?;
//! assert_eq!(&text[..], b"order 42 is 0x2a\n");
//! # Ok::<(), flaron_sdk::ArenaFull>(())
//! ```
//!
//! [`build`] puts the text into the arena's scratch, [`TextBuf`] into a buffer of the caller, piece by piece.
//! Functions that end in `_pieces` ([`response::set_body_pieces`] and others) build the text that they send
//! and free its space at once. A single lease is not copied: the host reads it in place, and then it is freed.
//!
//! Text that does not fit is an error; it is never cut short. While it is written, a number needs room for the
//! longest number of its type, 11 bytes up to 32 bits and 21 bytes above, whatever its value; the pieces in
//! front of it may use what it leaves over.
//!
//! # Pieces that ask the host
//!
//! Functions that end in `_piece`, such as [`request::url_piece`], return as a piece what the function
//! without `_piece` returns as a lease. The host is asked when the text is built, one piece after another, and
//! writes each answer at the current end of the text:
//!
//! ```
//! # #[cfg(all(feature = "request", feature = "response"))] {
//! use flaron_sdk::{request, response};
//!
//! # #[cfg(feature = "testing")] {
//! # let _host = flaron_sdk::testing::Host::new();
//! response::set_body_pieces((request::method_piece(), " ", request::url_piece()))?;
//! # }
//! # }
//! # Ok::<(), flaron_sdk::ArenaFull>(())
//! ```
//!
//! So there is no lease to keep track of and no room to find for a copy, which takes less code than
//! `request::method()` and `request::url()` (`size-report/PRICES.md` lists both).
//!
//! If the host has no answer for a piece, that is an error, like an answer that does not fit: the text is
//! not built. [`arena_refused`] tells the two cases apart.
//!
//! [`response::set_body_pieces`]: crate::response::set_body_pieces
//! [`request::url_piece`]: crate::request::url_piece
//! [`arena_refused`]: crate::arena_refused

#[cfg(any(asks, test))]
pub(crate) mod ask;
mod base64url;
mod buffer;
mod number;
pub(crate) mod piece;
pub(crate) mod send;
#[cfg(test)]
mod tests;

use crate::arena::ArenaFull;

pub use crate::arena::Text;
pub use crate::bytes::number::{parse_i64, parse_u32, parse_u64};
pub use crate::bytes::split::{
    Split, eq, eq_ignore_case, segments, split, split_once, strip_prefix, trim, trim_end,
    trim_start,
};
pub use crate::bytes::utf8::from_utf8;
pub use base64url::{Base64Url, decode_base64url};
pub use buffer::{TextBuf, TextFull};
pub use number::Hex;
pub use piece::Pieces;

/// Builds text in the arena's scratch.
///
/// # Errors
///
/// [`ArenaFull`] when the free part of the arena is smaller than the text.
pub fn build(pieces: impl Pieces) -> Result<Text, ArenaFull> {
    send::keep(pieces)
}
