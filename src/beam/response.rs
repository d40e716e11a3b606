//! The parts of a response, as fields: views of the host's answer, which is decoded in place.

use core::fmt;
use core::ops::Deref;

use crate::beam::FetchResponse;
use crate::json;
use crate::json::answer::{Answer, Cursor, INNER, OUTER};
use crate::text;

/// The headers of a [`FetchResponse`]: names in lower case, and values.
///
/// It is a lease on the whole answer, so once it is moved out of a response, the response has no body any more.
pub struct ResponseHeaders {
    /// The answer, which also contains the body.
    pub(super) answer: ResponseAnswer,
}

/// The answer that a [`FetchResponse`] is made from. The response derefs to it, which gives it the field `body`.
pub struct ResponseAnswer {
    /// The body, as text.
    pub body: ResponseBody,
}

/// The body of a [`FetchResponse`], which derefs to `str`: see [`FetchResponse::body`].
pub struct ResponseBody(Answer);

impl ResponseHeaders {
    /// The headers of a decoded answer.
    #[inline(always)] // size: inline-step
    pub(super) fn new(answer: Answer) -> ResponseHeaders {
        ResponseHeaders {
            answer: ResponseAnswer {
                body: ResponseBody(answer),
            },
        }
    }

    /// The value of a header. The case of `name` does not matter. Like [`FetchResponse::header`].
    pub fn get(&self, name: &str) -> Option<&str> {
        text::from_utf8(self.get_bytes(name)?)
    }

    /// Like [`get`](Self::get), but as bytes: this does not link the UTF-8 check.
    #[inline(always)] // size: inline-step
    pub fn get_bytes(&self, name: &str) -> Option<&[u8]> {
        let headers = self.answer.headers()?;
        Some(headers.string_member(INNER, name)?.get())
    }

    /// Whether there is such a header. The case of `name` does not matter.
    pub fn contains_key(&self, name: &str) -> bool {
        self.get_bytes(name).is_some()
    }

    /// Names (in lower case) and values, in the order in which the host sent them.
    pub fn iter(&self) -> ResponseHeaderIter<'_> {
        ResponseHeaderIter(self.answer.body.0.members(self.answer.headers()))
    }
}

impl ResponseAnswer {
    /// Where the headers begin.
    #[inline(always)] // size: inline-step
    fn headers(&self) -> Option<Cursor<'_>> {
        self.body.0.root().member(OUTER, "headers")
    }
}

/// An iterator over [`ResponseHeaders`].
#[derive(Debug, Clone)]
pub struct ResponseHeaderIter<'a>(json::Members<'a>);

impl<'a> Iterator for ResponseHeaderIter<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<(&'a str, &'a str)> {
        // Anything that is not text is skipped: a host that keeps to the ABI never sends it.
        self.0
            .find_map(|(name, value)| Some((text::from_utf8(name)?, value.as_str()?)))
    }
}

impl<'a> IntoIterator for &'a ResponseHeaders {
    type Item = (&'a str, &'a str);
    type IntoIter = ResponseHeaderIter<'a>;

    fn into_iter(self) -> ResponseHeaderIter<'a> {
        self.iter()
    }
}

impl Deref for ResponseBody {
    type Target = str;

    fn deref(&self) -> &str {
        text::from_utf8(self.as_raw()).unwrap_or_default()
    }
}

impl ResponseBody {
    /// The bytes: this does not link the UTF-8 check.
    #[inline(always)] // size: inline-step
    pub(super) fn as_raw(&self) -> &[u8] {
        match self.0.root().string_member(OUTER, "body") {
            Some(body) => body.get(),
            None => b"",
        }
    }
}

impl AsRef<str> for ResponseBody {
    fn as_ref(&self) -> &str {
        self
    }
}

impl AsRef<[u8]> for ResponseBody {
    fn as_ref(&self) -> &[u8] {
        self.as_raw()
    }
}

impl<T: AsRef<str> + ?Sized> PartialEq<T> for ResponseBody {
    fn eq(&self, other: &T) -> bool {
        **self == *other.as_ref()
    }
}

impl fmt::Display for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}

impl fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// Shows names and values.
impl fmt::Debug for ResponseHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl fmt::Debug for ResponseAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseAnswer")
            .field("body", &self.body)
            .finish()
    }
}

/// So that `response.body` works like a field.
impl Deref for FetchResponse {
    type Target = ResponseAnswer;

    #[inline(always)] // size: inline-step
    fn deref(&self) -> &ResponseAnswer {
        &self.headers.answer
    }
}

#[cfg(all(test, feature = "response"))]
mod tests;
