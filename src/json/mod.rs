//! JSON without a heap: written as [pieces](crate::text), read in place.
//!
//! Four host calls take JSON arguments and three answer in JSON. The SDK uses this module for them, and a flare
//! can use it for small JSON of its own.
//!
//! # Writing
//!
//! [`Str`], [`Object`] and [`Array`] are pieces that escape everything that must be escaped: quotes,
//! backslashes and every control character. The rest is plain text:
//!
//! ```
//! use flaron_sdk::{json, text};
//!
//! let name = "Zoë \"Z\"";
//! let text = text::build(("{\"name\":", json::Str(name), ",\"hits\":", 3_u32, "}"))?;
//! assert_eq!(text.as_str(), Some(r#"{"name":"Zoë \"Z\"","hits":3}"#));
//! # Ok::<(), flaron_sdk::ArenaFull>(())
//! ```
//!
//! [`json!`](crate::json!) writes JSON that is known at compile time, and links no writer:
//!
//! ```
//! const ARGUMENTS: &str = flaron_sdk::json!({ "format": "rfc3339", "depth": 2 });
//! assert_eq!(ARGUMENTS, r#"{"format":"rfc3339","depth":2}"#);
//! ```
//!
//! # Reading
//!
//! [`parse`] checks a whole text against the grammar of RFC 8259 and decodes it in place; [`Document`]
//! does the same in a lease. Whether a string is UTF-8 is checked when it is read: `as_str` returns `None` for
//! one that is not, and `as_bytes` returns its bytes. The results are views: nothing is allocated or copied.
//!
//! ```
//! use flaron_sdk::json;
//!
//! let mut text = *br#"{"id": 7, "items": ["caf\u00e9", "tea"]}"#;
//! let order = json::parse(&mut text)?;
//! assert_eq!(order.get("id").and_then(|id| id.as_i64()), Some(7));
//! for item in order.get("items").into_iter().flat_map(|items| items.elements()) {
//!     assert!(item == "café" || item == "tea");
//! }
//! # Ok::<(), json::JsonError>(())
//! ```
//!
//! Strings are read byte by byte, which takes the least code. A flare that is compiled with
//! `-Ctarget-feature=+simd128` reads them sixteen bytes at a time instead; not every engine accepts such a flare:
//! wasm3 and WAMR's classic interpreter refuse it.
//!
//! # Limits
//!
//! Values nest at most [`MAX_DEPTH`] deep. A lone surrogate (`\ud800` without its other half) is not a
//! character and is refused. If an object has several members of the same name, the first one counts.

// Without the feature `json` none of this is public, and a flare links only what its host modules use.
#![cfg_attr(
    not(feature = "json"),
    allow(
        dead_code,
        unreachable_pub,
        unused_imports,
        reason = "public with the feature `json`, and one list of names for both cases"
    )
)]

use core::fmt;

use crate::arena::ArenaBytes;
use crate::error::{Error, Kind};

#[cfg(feature = "beam")]
pub(crate) mod answer;
mod flatten;
mod grammar;
#[cfg(feature = "json")]
mod literal;
#[cfg(any(feature = "json", feature = "beam", lists_keys))]
mod unescape;
mod value;
mod writer;

pub use flatten::MAX_DEPTH;
#[doc(hidden)]
#[cfg(feature = "json")]
pub use literal::{Part, literal, literal_len};
pub use value::{Elements, Members, Value};
pub use writer::{Array, Bytes, Object, Str};

pub(crate) use flatten::{flatten, flatten_lease};
#[cfg(feature = "beam")]
pub(crate) use unescape::ROOT_END;
#[cfg(any(feature = "json", feature = "beam", lists_keys))]
pub(crate) use unescape::{Until, unescape};
#[cfg(lists_keys)]
pub(crate) use value::string;
#[cfg(feature = "crypto")]
pub(crate) use writer::Escaped;
#[cfg(all(feature = "beam", feature = "request"))]
pub(crate) use writer::quoted;

/// The error of [`parse`]: the text is not JSON, or nests deeper than [`MAX_DEPTH`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonError;

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Error::from(*self).message())
    }
}

impl core::error::Error for JsonError {}

impl From<JsonError> for Error {
    fn from(_: JsonError) -> Error {
        Error::new(Kind::NotJson)
    }
}

/// Checks that `text` is a single JSON value, apart from white space around it, decodes it in place and returns
/// a view of it. Takes time proportional to the length of the text.
///
/// Afterwards the text is no longer JSON, whether or not it was before.
///
/// # Errors
///
/// [`JsonError`] when the text is anything else, or nests deeper than [`MAX_DEPTH`].
pub fn parse(text: &mut [u8]) -> Result<Value<'_>, JsonError> {
    let len = flatten(text).ok_or(JsonError)?;
    Ok(Value(text.get(..len).unwrap_or_default()))
}

/// JSON that the host wrote into the arena, decoded in its lease.
///
/// ```
/// # #[cfg(feature = "request")] {
/// use flaron_sdk::{json::Document, request};
///
/// if let Ok(order) = Document::parse(request::body()) {
///     let id = order.root().get("id").and_then(|id| id.as_i64());
/// }
/// # }
/// ```
pub struct Document(ArenaBytes);

impl Document {
    /// Checks and decodes a lease, as [`parse`] does.
    ///
    /// # Errors
    ///
    /// [`JsonError`] when it is not JSON, or nests deeper than [`MAX_DEPTH`].
    pub fn parse(lease: ArenaBytes) -> Result<Document, JsonError> {
        flatten_lease(lease).map(Document).ok_or(JsonError)
    }

    /// Decodes a lease without checking the grammar, which takes some 250 bytes of code less. Use it for JSON whose
    /// strings and numbers the flare only looks up and compares.
    ///
    /// Valid JSON reads as it does with [`parse`](Self::parse). Anything else may be refused, or may read as some
    /// value: one that valid JSON could have had as well, except that its strings may contain control characters, or
    /// not be UTF-8 ([`Value::as_str`] returns `None` then).
    ///
    /// # Errors
    ///
    /// [`JsonError`] when a string, an array or an object is open at the end.
    #[cfg(feature = "json")]
    pub fn parse_loosely(mut lease: ArenaBytes) -> Result<Document, JsonError> {
        match unescape(lease.as_mut(), Until::End) {
            Some(len) => Ok(Document(lease.truncate(len as u32))),
            None => Err(JsonError),
        }
    }

    /// The document's value. It borrows from the document.
    pub fn root(&self) -> Value<'_> {
        Value(&self.0)
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.root(), f)
    }
}

#[cfg(test)]
mod tests;
