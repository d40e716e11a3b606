//! Normalises a request once, so that its host and path are the same for the flare, the routing and
//! the origin.
//!
//! A request can name its host in two places (its target and its `Host`), and there are many ways
//! to write a path that servers read as the same one (`/public/../admin`). If the flare saw one of
//! them and the origin another, a flare that guards a path could be bypassed. So everything
//! ambiguous is refused or resolved here, before anything else looks at it.

use std::borrow::Cow;
use std::net::Ipv6Addr;

use http::uri::{PathAndQuery, Scheme, Uri};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Version, header};

use crate::http::headers::is_plainly_coded;

/// The largest head, in bytes: names and values of all fields.
const MAX_HEAD: usize = 64 << 10;

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The status for the client.
    pub(crate) status: StatusCode,
    /// The value of `x-flaron-error`.
    pub(crate) word: &'static str,
    /// What is wrong.
    pub(crate) message: &'static str,
}

const fn refusal(status: StatusCode, word: &'static str, message: &'static str) -> Refusal {
    Refusal {
        status,
        word,
        message,
    }
}

/// The host of requests that name none: HTTP/1.0, and those made in this process.
const NO_HOST: &str = "localhost";

/// Marks requests that came through TLS.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Encrypted;

/// Rewrites a request so that its target is a path (or `*`), and its only `Host` is the host it is
/// for. `from_socket` is false for requests made in this process, which may omit the host, and may
/// state that they came through TLS; their scheme is returned.
///
/// # Errors
///
/// When the request is one that a server must or should refuse (RFC 9112, sections 3 and 6.1).
pub(crate) fn normalise<B>(request: &mut Request<B>, from_socket: bool) -> Result<Scheme, Refusal> {
    use StatusCode as Status;
    if *request.method() == Method::CONNECT {
        return Err(refusal(
            Status::NOT_IMPLEMENTED,
            "no-tunnel",
            "this is not a proxy: CONNECT is not supported",
        ));
    }
    let size: usize = request
        .headers()
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    if size > MAX_HEAD {
        return Err(refusal(
            Status::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "head-too-large",
            "the request's header fields are larger than 64 KiB",
        ));
    }
    if !is_plainly_coded(request.headers()) {
        return Err(refusal(
            Status::NOT_IMPLEMENTED,
            "transfer-coding",
            "the only supported transfer coding is chunked, once",
        ));
    }
    let is_http2 = request.version() == Version::HTTP_2;
    if is_http2 {
        join_cookies(request.headers_mut());
    }
    let own = match request.extensions().get::<Encrypted>() {
        Some(Encrypted) => Scheme::HTTPS,
        None => Scheme::HTTP,
    };
    let uri = request.uri();
    // HTTP/2 has `:authority` instead, which becomes the target's.
    let is_said = is_http2 && uri.authority().is_some();
    let required = from_socket && request.version() >= Version::HTTP_11 && !is_said;
    let named = named_host(request.headers(), required)?;
    let (scheme, host) = match (uri.scheme(), uri.authority()) {
        // The target's host takes precedence over the field, which must then be ignored.
        (Some(scheme), Some(authority)) => {
            let host = host(authority.as_str()).ok_or(BAD_HOST)?;
            if from_socket && *scheme != own {
                return Err(refusal(
                    Status::MISDIRECTED_REQUEST,
                    "scheme",
                    match own == Scheme::HTTP {
                        true => "this connection is plain HTTP, and serves http:// only",
                        false => "this connection is encrypted, and serves https:// only",
                    },
                ));
            }
            // In HTTP/2 two different hosts make a request invalid (RFC 9113, section 8.3.1).
            if is_http2 && named.is_some_and(|named| named != host) {
                return Err(BAD_HOST);
            }
            (scheme.clone(), host)
        }
        (None, None) => (own, named.unwrap_or(Cow::Borrowed(NO_HOST))),
        // `host:port` alone is for CONNECT.
        _ => return Err(BAD_TARGET),
    };
    let path = match uri.path_and_query().map_or("/", PathAndQuery::as_str) {
        "*" if *request.method() == Method::OPTIONS => Cow::Borrowed("*"),
        path if path.starts_with('/') => without_dots(path),
        // An absolute target with a query but no path.
        path if path.starts_with('?') => Cow::Owned(format!("/{path}")),
        _ => return Err(BAD_TARGET),
    };
    if hides_dots(&path) {
        return Err(HIDDEN_DOTS);
    }
    // Most requests are fine as they are, and nothing is rewritten.
    let path = match (&path, uri.authority()) {
        (Cow::Borrowed(_), None) => None,
        _ => Some(PathAndQuery::try_from(&*path).map_err(|_| BAD_TARGET)?),
    };
    let said = request.headers().get(header::HOST);
    let host = match said.is_some_and(|said| said.as_bytes() == host.as_bytes()) {
        true => None,
        false => Some(HeaderValue::try_from(&*host).map_err(|_| BAD_HOST)?),
    };
    if let Some(path) = path {
        *request.uri_mut() = Uri::from(path);
    }
    if let Some(host) = host {
        request.headers_mut().insert(header::HOST, host);
    }
    Ok(scheme)
}

/// HTTP/2 may split cookies into several fields, which are one in HTTP/1 (RFC 9113, section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let mut fields = headers.get_all(header::COOKIE).iter();
    let (Some(first), Some(second)) = (fields.next(), fields.next()) else {
        return;
    };
    let mut joined = first.as_bytes().to_vec();
    for field in std::iter::once(second).chain(fields) {
        joined.extend_from_slice(b"; ");
        joined.extend_from_slice(field.as_bytes());
    }
    if let Ok(joined) = HeaderValue::from_bytes(&joined) {
        headers.insert(header::COOKIE, joined);
    }
}

const BAD_HOST: Refusal = refusal(
    StatusCode::BAD_REQUEST,
    "bad-host",
    "the request needs one Host that is a host name or an address, perhaps with a port",
);
const BAD_TARGET: Refusal = refusal(
    StatusCode::BAD_REQUEST,
    "bad-target",
    "the request's target must be a path, or an http:// URL",
);

const HIDDEN_DOTS: Refusal = refusal(
    StatusCode::BAD_REQUEST,
    "bad-target",
    "the request's path has a dot segment behind a backslash, an encoded slash or a semicolon, which \
     servers read differently",
);

/// The host that the `Host` field names.
fn named_host(headers: &HeaderMap, required: bool) -> Result<Option<Cow<'_, str>>, Refusal> {
    let mut fields = headers.get_all(header::HOST).iter();
    match (fields.next(), fields.next()) {
        (None, _) if required => Err(BAD_HOST),
        (None, _) => Ok(None),
        (Some(field), None) => {
            let text = field.to_str().map_err(|_| BAD_HOST)?;
            host(text).map(Some).ok_or(BAD_HOST)
        }
        (Some(_), Some(_)) => Err(BAD_HOST),
    }
}

/// A host with its port in small letters, or none if it is not one: RFC 3986's `host [":" port]`,
/// without user information.
fn host(text: &str) -> Option<Cow<'_, str>> {
    let allowed = |c: u8| c.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:[]".contains(&c);
    if !text.bytes().all(allowed) {
        return None;
    }
    let port = match text.strip_prefix('[') {
        // An address, but not one that is only meaningful on the sender's machine (a zone).
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            address.parse::<Ipv6Addr>().ok()?;
            port
        }
        None => {
            let (name, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            if name.is_empty() || name.contains(['[', ']']) {
                return None;
            }
            port
        }
    };
    let is_port = match port.strip_prefix(':') {
        // The port after the colon may be empty.
        Some(digits) => {
            digits.bytes().all(|c| c.is_ascii_digit())
                && (digits.is_empty() || digits.parse::<u16>().is_ok())
        }
        None => port.is_empty(),
    };
    if !is_port {
        return None;
    }
    let text = text.trim_end_matches(':');
    Some(match text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => Cow::Owned(text.to_ascii_lowercase()),
        false => Cow::Borrowed(text),
    })
}

/// A path without the segments `.` and `..`, resolved as in RFC 3986, section 5.2.4, including those
/// with percent-encoded dots: the path that a server which resolves them would see.
fn without_dots(path: &str) -> Cow<'_, str> {
    // Nearly all paths have none.
    if !path.contains("/.") && !path.contains("/%2") {
        return Cow::Borrowed(path);
    }
    let (path, query) = match path.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (path, None),
    };
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match dots(segment) {
            0 => kept.push(segment),
            dots => {
                if dots == 2 {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
        }
    }
    let mut text = String::with_capacity(path.len());
    for segment in kept {
        text.push('/');
        text.push_str(segment);
    }
    if text.is_empty() {
        text.push('/');
    }
    if let Some(query) = query {
        text.push('?');
        text.push_str(query);
    }
    Cow::Owned(text)
}

/// Whether a path without dot segments has some for a server that treats a backslash or an encoded
/// slash as a slash, or what follows a semicolon as a parameter. Nobody here can know whether the
/// origin does, so there is nothing to resolve.
fn hides_dots(path: &str) -> bool {
    let path = path.split('?').next().unwrap_or_default();
    // Nearly all paths have none of these.
    if !path.contains(['\\', '%', ';']) {
        return false;
    }
    let path = path
        .to_ascii_lowercase()
        .replace("%2f", "/")
        .replace("%5c", "/")
        .replace("%3b", ";")
        .replace('\\', "/");
    path.split('/')
        .any(|segment| dots(segment.split(';').next().unwrap_or_default()) > 0)
}

/// 1 or 2 for a segment of exactly that many dots, 0 for any other.
fn dots(segment: &str) -> usize {
    let mut rest = segment;
    let mut count = 0;
    while !rest.is_empty() {
        let dot = rest
            .strip_prefix('.')
            .or_else(|| rest.strip_prefix("%2e"))
            .or_else(|| rest.strip_prefix("%2E"));
        match dot {
            Some(after) if count < 2 => (rest, count) = (after, count + 1),
            _ => return 0,
        }
    }
    count
}

#[cfg(test)]
mod tests;
