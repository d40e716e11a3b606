//! The response that a flare builds.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::host::Host;

/// How many headers a flare may set; more are refused.
const MAX_HEADERS: usize = 256;
/// How many bytes of header names and values a flare may set; more are refused.
const MAX_HEADER_BYTES: usize = 64 << 10;

/// What the flare has set so far.
#[derive(Debug, Default)]
pub(crate) struct ResponseDraft {
    /// The status, if it was set.
    pub status: Option<StatusCode>,
    /// The headers that were set.
    pub headers: HeaderMap,
    /// The body, if it was set.
    pub body: Option<Bytes>,
    /// The size of the headers so far.
    header_bytes: usize,
}

/// Headers that belong to the connection, which the server itself keeps true.
pub(crate) fn is_connection_header(name: &HeaderName) -> bool {
    [
        header::CONNECTION,
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        header::TE,
        header::TRAILER,
    ]
    .contains(name)
        || name == "keep-alive"
        || name == "proxy-connection"
}

impl Host {
    /// `resp_set_status`
    pub(crate) fn resp_set_status(&mut self, status: i32) {
        match u16::try_from(status) {
            Ok(code @ 200..=999) => self.response.status = StatusCode::from_u16(code).ok(),
            _ => self.note("bad status", || {
                format!("the status {status} was ignored; a response has one from 200 to 999")
            }),
        }
    }

    /// `resp_header_set`
    pub(crate) fn resp_header_set(&mut self, name: &[u8], value: &[u8]) {
        let Ok(name) = HeaderName::from_bytes(name) else {
            let name = String::from_utf8_lossy(name).into_owned();
            return self.note("bad header name", || {
                format!("the header name {name:?} is not valid; the header was left out")
            });
        };
        // Refuses CR, LF and other control bytes: a value can never become a header of its own.
        let Ok(value) = HeaderValue::from_bytes(value) else {
            return self.note("bad header value", || {
                format!(
                    "the value for {name} has bytes that no header may have (a line break?); \
                     the header was left out"
                )
            });
        };
        if is_connection_header(&name) {
            return self.note("connection header", || {
                format!("{name} was left out: the edge itself sets what belongs to the connection")
            });
        }
        let bytes = name.as_str().len() + value.len();
        let draft = &mut self.response;
        let replaced = draft.headers.get(&name).map(HeaderValue::len);
        let total = draft.header_bytes - replaced.map_or(0, |len| name.as_str().len() + len);
        if total + bytes > MAX_HEADER_BYTES
            || (replaced.is_none() && draft.headers.len() >= MAX_HEADERS)
        {
            return self.note("too many headers", || {
                format!(
                    "{name} was left out: at most {MAX_HEADERS} headers of {MAX_HEADER_BYTES} bytes \
                     in all"
                )
            });
        }
        draft.header_bytes = total + bytes;
        draft.headers.insert(name, value);
    }

    /// `resp_body_set`
    pub(crate) fn resp_body_set(&mut self, body: &[u8]) {
        self.response.body = Some(Bytes::copy_from_slice(body));
    }
}
