//! The request's URL in parts: path and query.

use crate::abi;
use crate::arena::claim::claim_or_trap;
use crate::arena::{ArenaBytes, ArenaStr};
use crate::bytes::split::find;
use crate::request::query::Query;

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
/// Nothing is decoded, so a `%2F` in a segment is no separator. To take the path apart, look at its
/// bytes ([`ArenaStr::into_bytes`]): that links no UTF-8 check.
///
/// # Traps
///
/// As [`url`](crate::request::url).
pub fn path() -> ArenaStr {
    let target = target();
    let len = target.path as u32;
    target.bytes.truncate(len).into_text()
}

/// Path and query of the URL, without scheme, host and fragment.
///
/// # Traps
///
/// As [`url`](crate::request::url).
pub fn target() -> Target {
    let mut url = claim_or_trap(abi::req_url());
    let Bounds { start, path, end } = bounds(url.as_mut());
    Target {
        bytes: url.skip(start as u32).truncate((end - start) as u32),
        path: path - start,
    }
}

/// The query of the URL, decoded by the rules of forms. Empty if there is none.
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
/// # }
/// ```
///
/// # Traps
///
/// As [`url`](crate::request::url).
pub fn query() -> Query {
    let target = target();
    let behind = target.path as u32 + 1;
    Query::new(target.bytes.skip(behind))
}

/// Path and query of the request's URL: see [`target`]. A lease on the URL that the host wrote.
///
/// As a piece of text it is path and query, as they were sent.
#[derive(Debug)]
pub struct Target {
    /// Path and query.
    bytes: ArenaBytes,
    /// How long the path is.
    path: usize,
}

impl Target {
    /// The path: see [`path`].
    pub fn path(&self) -> &[u8] {
        self.bytes.get(..self.path).unwrap_or_default()
    }

    /// The query as it was sent, without the question mark; empty if there is none.
    pub fn query(&self) -> &[u8] {
        self.bytes.get(self.path + 1..).unwrap_or_default()
    }

    /// The query as it was sent, with the question mark; empty if there is none. To be put behind
    /// another path.
    pub fn search(&self) -> &[u8] {
        self.bytes.get(self.path..).unwrap_or_default()
    }

    /// Path and query, as they were sent.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Path and query, as a bare lease.
    pub fn into_bytes(self) -> ArenaBytes {
        self.bytes
    }
}

/// Where in a URL the path begins and ends, and where the query ends.
struct Bounds {
    start: usize,
    path: usize,
    end: usize,
}

/// Finds them. A URL without a path gets one: `/`, in place of the byte before, which is the authority's
/// last. So nothing of the authority is ever in the path.
#[inline] // size: inline-shared
fn bounds(url: &mut [u8]) -> Bounds {
    let mut start = 0;
    // A URL of a path alone has no authority, even if it begins with two slashes.
    if url.first() != Some(&b'/') {
        // What the authority has of these is percent-encoded.
        let ends_authority = |byte: &u8| matches!(byte, b'/' | b'?' | b'#');
        let authority = url.len().min(find(url, b'/') + 2);
        let rest = url.get(authority..).unwrap_or_default();
        start = authority + rest.iter().position(ends_authority).unwrap_or(rest.len());
        if url.get(start) != Some(&b'/') {
            start = start.saturating_sub(1);
            if let Some(byte) = url.get_mut(start) {
                *byte = b'/';
            }
        }
    }
    let end = start + find(url.get(start..).unwrap_or_default(), b'#');
    let path = start + find(url.get(start..end).unwrap_or_default(), b'?');
    Bounds { start, path, end }
}
