//! What to send: method, headers and body, borrowed where they can be.

use core::fmt;
use core::ops::Deref;

use crate::arena::ArenaStr;
#[cfg(lists_keys)]
use crate::arena::Key;
use crate::arena::kept::KeptTexts;
use crate::bytes::split::same;
use crate::json;
use crate::text::piece::{Backward, Sink};

/// How many headers [`FetchOptions::with_header`] takes.
pub const MAX_HEADERS: usize = 8;

/// What to send: method, headers and body. Without any it is a plain `GET`.
///
/// ```
/// use flaron_sdk::FetchOptions;
///
/// let options = FetchOptions::new()
///     .with_method("PUT")
///     .with_header("content-type", "text/plain")
///     .with_body("hello");
/// // The same, by its fields.
/// let options = FetchOptions { method: "PUT".into(), body: Some("hello".into()), ..options };
/// ```
#[derive(Debug, Clone, Default)]
pub struct FetchOptions<'a> {
    /// The method. Empty means `GET`.
    pub method: FetchText<'a>,
    /// The headers.
    pub headers: FetchHeaders<'a>,
    /// The body. It is text: for anything else, agree on Base64 with the other side.
    pub body: Option<FetchText<'a>>,
}

impl<'a> FetchOptions<'a> {
    /// A plain `GET`.
    pub const fn new() -> FetchOptions<'a> {
        FetchOptions {
            method: FetchText(KeptTexts::new()),
            headers: FetchHeaders {
                slice: &[],
                added: KeptTexts::new(),
                count: 0,
            },
            body: None,
        }
    }

    /// Sets the method.
    pub fn with_method(mut self, method: impl Into<FetchText<'a>>) -> FetchOptions<'a> {
        self.method = method.into();
        self
    }

    /// Adds a header, or replaces the one that was added with exactly this name.
    ///
    /// Takes [`MAX_HEADERS`] of them; with more, [`fetch`](crate::beam::fetch) answers
    /// [`BeamError::SerializeFailed`](crate::BeamError::SerializeFailed). For more than that, and for
    /// headers at hand in a slice, there is [`with_headers`](Self::with_headers).
    pub fn with_header(
        mut self,
        name: impl Into<FetchText<'a>>,
        value: impl Into<FetchText<'a>>,
    ) -> FetchOptions<'a> {
        self.headers.insert(name, value);
        self
    }

    /// Sets headers from a slice of names and values, which go before those of
    /// [`with_header`](Self::with_header).
    pub fn with_headers(mut self, headers: &'a [(&'a str, &'a str)]) -> FetchOptions<'a> {
        self.headers.slice = headers;
        self
    }

    /// Sets the body. It is text: for anything else, agree on Base64 with the other side.
    pub fn with_body(mut self, body: impl Into<FetchText<'a>>) -> FetchOptions<'a> {
        self.body = Some(body.into());
        self
    }

    /// Whether there are more headers than can be sent.
    pub(super) fn has_too_many_headers(&self) -> bool {
        self.headers.count > MAX_HEADERS
    }

    /// Whether something of it did not fit into the arena.
    pub(super) fn is_full(&self) -> bool {
        let body = self.body.as_ref();
        self.method.0.is_full()
            || self.headers.added.is_full()
            || body.is_some_and(|body| body.0.is_full())
    }
}

/// The options as the host takes them: `{"method"?, "headers"?, "body"?}`.
impl Backward for &FetchOptions<'_> {
    fn prepend_to<S: Sink>(self, sink: S) -> S {
        let mut sink = sink.bytes(b"}");
        // From the last member to the first; each but the first begins with a comma.
        let has_method = !self.method.is_empty();
        let has_headers = !self.headers.slice.is_empty() || self.headers.count != 0;
        if let Some(body) = &self.body {
            sink = json::Str(body).prepend_to(sink).bytes(b"\"body\":");
            if has_headers || has_method {
                sink = sink.bytes(b",");
            }
        }
        if has_headers {
            sink = sink.bytes(b"}");
            let mut comma = false;
            for (name, value) in self.headers.iter().rev() {
                if comma {
                    sink = sink.bytes(b",");
                }
                comma = true;
                sink = json::Str(value).prepend_to(sink).bytes(b":");
                sink = json::Str(name).prepend_to(sink);
            }
            sink = sink.bytes(b"\"headers\":{");
            if has_method {
                sink = sink.bytes(b",");
            }
        }
        if has_method {
            sink = json::Str(&self.method)
                .prepend_to(sink)
                .bytes(b"\"method\":");
        }
        sink.bytes(b"{")
    }
}

/// The headers of [`FetchOptions`].
#[derive(Clone, Default)]
pub struct FetchHeaders<'a> {
    slice: &'a [(&'a str, &'a str)],
    /// What was added: names and values in turn.
    added: KeptTexts<'a, { 2 * MAX_HEADERS }>,
    /// How many were added. More than `MAX_HEADERS` were not kept.
    count: usize,
}

impl<'a> FetchHeaders<'a> {
    /// Adds a header, as [`FetchOptions::with_header`] does.
    pub fn insert(&mut self, name: impl Into<FetchText<'a>>, value: impl Into<FetchText<'a>>) {
        let (name, value) = (name.into(), value.into());
        let mut place = 0;
        while place < self.count.min(MAX_HEADERS)
            && !same(self.added.get(2 * place).as_bytes(), name.as_bytes())
        {
            place += 1;
        }
        self.added.put(2 * place, name.0);
        self.added.put(2 * place + 1, value.0);
        self.count = self.count.max(place + 1);
    }

    /// Names and values, in the order in which they are sent.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&str, &str)> {
        let added = (0..self.count.min(MAX_HEADERS))
            .map(|at| (self.added.get(2 * at), self.added.get(2 * at + 1)));
        self.slice.iter().copied().chain(added)
    }
}

/// Shows names and values.
impl fmt::Debug for FetchHeaders<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// A text in [`FetchOptions`]: made by `into()` of what a text can be.
///
/// A `&str` is borrowed, and so is a reference to a lease or a `String` (and `&*secret`). A lease is kept alive. A `String`
/// that is given away is copied into the arena: `&string` saves that. If there is no room for it,
/// [`fetch`](crate::beam::fetch) answers [`BeamError::ArenaFull`](crate::BeamError::ArenaFull).
///
/// Derefs to `str`.
#[derive(Clone, Default)]
pub struct FetchText<'a>(KeptTexts<'a, 1>);

impl Deref for FetchText<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        self.0.get(0)
    }
}

impl AsRef<str> for FetchText<'_> {
    fn as_ref(&self) -> &str {
        self
    }
}

impl fmt::Debug for FetchText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<T: AsRef<str> + ?Sized> PartialEq<T> for FetchText<'_> {
    fn eq(&self, other: &T) -> bool {
        same(self.as_bytes(), other.as_ref().as_bytes())
    }
}

impl<'a> From<&'a str> for FetchText<'a> {
    fn from(text: &'a str) -> FetchText<'a> {
        FetchText(KeptTexts::borrowed(text))
    }
}

impl From<ArenaStr> for FetchText<'_> {
    fn from(lease: ArenaStr) -> Self {
        FetchText(KeptTexts::leased(lease))
    }
}

/// What derefs to `str` and is borrowed.
macro_rules! borrowed {
    ($($type:ty),*) => {$(
        impl<'a> From<&'a $type> for FetchText<'a> {
            fn from(text: &'a $type) -> FetchText<'a> {
                FetchText(KeptTexts::borrowed(text))
            }
        }
    )*};
}

/// What derefs to `str` and is given away.
#[cfg(any(heap, lists_keys))]
macro_rules! copied {
    ($($type:ty),*) => {$(
        impl From<$type> for FetchText<'_> {
            fn from(text: $type) -> Self {
                FetchText(KeptTexts::copied(&text))
            }
        }
    )*};
}

borrowed!(&str, ArenaStr);
#[cfg(lists_keys)]
borrowed!(Key);
#[cfg(lists_keys)]
copied!(Key);
#[cfg(heap)]
borrowed!(alloc::string::String);
#[cfg(heap)]
copied!(alloc::string::String);

#[cfg(heap)]
impl<'a> From<alloc::borrow::Cow<'a, str>> for FetchText<'a> {
    fn from(text: alloc::borrow::Cow<'a, str>) -> FetchText<'a> {
        match text {
            alloc::borrow::Cow::Borrowed(text) => text.into(),
            alloc::borrow::Cow::Owned(text) => text.into(),
        }
    }
}

#[cfg(all(test, heap))]
mod tests;
