//! The parts of the request's URL: path and query.

use crate::abi;
use crate::arena::claim::{claim_or_trap, claim_part};
use crate::arena::{ArenaBytes, ArenaStr};
use crate::bytes::split::find;
use crate::error::{Error, Kind, no_result};
use crate::request::query::Query;
use crate::text::piece::{Backward, Sink};

/// The path of the URL, as it was sent: percent-encoded, without the query. It begins with `/`.
///
/// ```
/// # #[cfg(feature = "testing")] {
/// use flaron_sdk::request;
/// # let host = flaron_sdk::testing::Host::new();
/// # host.url("https://flare.example/users/42?page=2");
///
/// let path = request::path();
/// assert_eq!(path, "/users/42");
/// let user = path.into_bytes().strip_prefix(b"/users/").map(<[u8]>::to_vec);
/// assert_eq!(user.as_deref(), Some(&b"42"[..]));
/// # }
/// ```
///
/// Nothing is decoded, so a `%2F` in a segment is not a separator. To take the path apart, work on its
/// bytes ([`ArenaStr::into_bytes`]): that does not link the UTF-8 check.
///
/// # Traps
///
/// Like [`url`](crate::request::url); [`try_target`] returns an error instead.
pub fn path() -> ArenaStr {
    match claim_url(Part::Path) {
        Some(path) => path.into_text(),
        None => abi::trap("the host gave no URL, or one that does not fit"),
    }
}

/// Path and query of the URL, without scheme, host and fragment.
///
/// # Traps
///
/// Like [`url`](crate::request::url); [`try_target`] returns an error instead.
pub fn target() -> Target {
    match claim_url(Part::Target) {
        Some(target) => Target(target),
        None => abi::trap("the host gave no URL, or one that does not fit"),
    }
}

/// [`target`], or why there is none.
///
/// # Errors
///
/// [`Error`]: the host has no URL, or it does not fit into the arena.
pub fn try_target() -> Result<Target, Error> {
    match claim_url(Part::Target) {
        Some(target) => Ok(Target(target)),
        None => Err(no_result(
            Error::new(Kind::ArenaFull),
            Error::new(Kind::NoAnswer),
        )),
    }
}

/// The query of the URL, form-decoded. Empty if there is none.
///
/// ```
/// # #[cfg(feature = "testing")] {
/// use flaron_sdk::request;
/// # let host = flaron_sdk::testing::Host::new();
/// # host.url("https://flare.example/search?q=caf%C3%A9+au+lait&page=2");
///
/// let query = request::query();
/// assert_eq!(query.get("q"), Some("café au lait"));
/// assert_eq!(query.get_bytes("page"), Some(&b"2"[..]));
/// assert_eq!(query.path(), b"/search");
/// # }
/// ```
///
/// A flare that needs the path, too, takes it from here ([`Query::path`]): it asks the host once.
///
/// # Traps
///
/// Like [`url`](crate::request::url); [`try_target`] returns an error instead, and has the query
/// ([`Target::into_query`]).
pub fn query() -> Query {
    let url = claim_or_trap(abi::req_url());
    let end = find(&url, b'#');
    Query::decode(url, end)
}

/// Path and query of the request's URL: see [`target`]. It is a lease on the URL that the host wrote.
///
/// `&Target` is a [piece](crate::text) of text: path and query as they were sent.
#[derive(Debug)]
pub struct Target(ArenaBytes);

impl Target {
    /// The path: see [`path`].
    pub fn path(&self) -> &[u8] {
        self.0.get(..self.path_len()).unwrap_or_default()
    }

    /// The query as it was sent, without the question mark; empty if there is none.
    pub fn query(&self) -> &[u8] {
        self.0.get(self.path_len() + 1..).unwrap_or_default()
    }

    /// The query as it was sent, with the question mark, ready to be appended to another path; empty if
    /// there is none.
    pub fn search(&self) -> &[u8] {
        self.0.get(self.path_len()..).unwrap_or_default()
    }

    /// Path and query, as they were sent.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The query, form-decoded: see [`query`](crate::request::query).
    pub fn into_query(self) -> Query {
        let end = self.0.len();
        Query::decode(self.0, end)
    }

    /// Path and query, as a bare lease.
    pub fn into_bytes(self) -> ArenaBytes {
        self.0
    }

    /// A path has no question mark.
    #[inline(always)] // size: inline-small
    fn path_len(&self) -> usize {
        find(&self.0, b'?')
    }
}

impl Backward for &Target {
    #[inline(always)] // size: inline-step
    fn prepend_to<S: Sink>(self, sink: S) -> S {
        sink.bytes(&self.0)
    }
}

/// The part of a URL that is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Path,
    /// Path and query.
    Target,
}

/// A lease on a part of the URL. A URL without a path gets `/` for one: it overwrites the byte before, which is
/// the authority's last. So no part of the authority ever ends up in the path.
#[inline] // size: one-url
fn claim_url(part: Part) -> Option<ArenaBytes> {
    claim_part(abi::req_url(), |url| {
        let end = find(&url, b'#');
        let url = url.part(..end)?;
        let path_end = find(&url, b'?');
        // Two slashes come before the authority, which contains none, and the third one starts the path. A URL
        // that is only a path has no authority, even if it starts with two slashes.
        // size: path-start
        let slash = find(&url, b'/');
        let mut url = url.part(..if part == Part::Path { path_end } else { end })?;
        if slash != 0 && path_end != 0 {
            let authority = url.len().min(slash + 2);
            // Where no slash follows, the authority's last byte becomes one.
            let start = (path_end - 1).min(authority + find(url.get(authority..)?, b'/'));
            url = url.part(start..)?;
            *url.first_mut()? = b'/';
        }
        Some(url)
    })
}
