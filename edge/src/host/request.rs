//! The request as a flare sees it.

use bytes::Bytes;
use http::uri::Scheme;
use http::{HeaderMap, HeaderName, Method, Uri, header};

/// The request as the flare sees it.
#[derive(Debug, Clone)]
pub(crate) struct RequestView {
    /// The method.
    pub(crate) method: Method,
    /// `http`, unless a request made in this process says `https`.
    pub(crate) scheme: Scheme,
    /// The target: a path with its query, normalised by [`target::normalise`](crate::http::target).
    pub(crate) uri: Uri,
    /// All headers, with one `Host`; whether one is withheld is decided on each read.
    pub(crate) headers: HeaderMap,
    /// The body, already cut to the limit; `None` unless the flare requires it.
    pub(crate) body: Option<Bytes>,
}

impl Default for RequestView {
    /// No request.
    fn default() -> Self {
        RequestView {
            method: Method::default(),
            scheme: Scheme::HTTP,
            uri: Uri::default(),
            headers: HeaderMap::new(),
            body: None,
        }
    }
}

impl RequestView {
    /// The full URL: scheme, host, path and query.
    pub(crate) fn url(&self) -> String {
        let host = self.headers.get(header::HOST);
        let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        format!("{}://{host}{path}", self.scheme)
    }
}

/// Whether a header is withheld from flares that do not require raw authentication.
pub(crate) fn is_withheld(name: &HeaderName) -> bool {
    *name == header::AUTHORIZATION
        || *name == header::COOKIE
        || name.as_str().starts_with("x-flaron-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_is_full() {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, "h:80".parse().unwrap());
        let view = RequestView {
            method: Method::GET,
            scheme: Scheme::HTTP,
            uri: "/a?b=1".parse().unwrap(),
            headers,
            body: None,
        };
        assert_eq!(view.url(), "http://h:80/a?b=1");
    }

    #[test]
    fn auth_headers_are_withheld() {
        for name in [
            "authorization",
            "cookie",
            "x-flaron-site",
            "X-Flaron-Anything",
        ] {
            assert!(
                is_withheld(&HeaderName::from_bytes(name.as_bytes()).unwrap()),
                "{name}"
            );
        }
        for name in ["accept", "x-flaro", "set-cookie", "proxy-authorization"] {
            assert!(
                !is_withheld(&HeaderName::from_bytes(name.as_bytes()).unwrap()),
                "{name}"
            );
        }
    }
}
