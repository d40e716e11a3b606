//! The response that a flare builds.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

/// How many headers a flare may set; further ones are refused.
pub(crate) const MAX_HEADERS: usize = 256;
/// How many bytes of header names and values a flare may set; further ones are refused.
pub(crate) const MAX_HEADER_BYTES: usize = 64 << 10;

/// What the flare has set so far.
#[derive(Debug, Default)]
pub(crate) struct ResponseDraft {
    /// The status, if it was set.
    pub(crate) status: Option<StatusCode>,
    /// The headers that were set.
    pub(crate) headers: HeaderMap,
    /// The body, if it was set.
    pub(crate) body: Option<Bytes>,
    /// Whether the node had no room for a body that was set.
    pub(crate) over_budget: bool,
    /// The size of the headers so far.
    header_bytes: usize,
}

impl ResponseDraft {
    /// Sets a header, replacing an earlier one of the same name. Returns `false` if there is no
    /// room for it.
    pub(crate) fn set_header(&mut self, name: HeaderName, value: HeaderValue) -> bool {
        let bytes = name.as_str().len() + value.len();
        let replaced = self.headers.get(&name).map(HeaderValue::len);
        let total = self.header_bytes - replaced.map_or(0, |len| name.as_str().len() + len);
        if total + bytes > MAX_HEADER_BYTES
            || (replaced.is_none() && self.headers.len() >= MAX_HEADERS)
        {
            return false;
        }
        self.header_bytes = total + bytes;
        self.headers.insert(name, value);
        true
    }
}
