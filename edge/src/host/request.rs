//! What a flare sees of the request it handles.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, Uri, header};

/// The request as the flare is shown it.
#[derive(Debug, Clone)]
pub(crate) struct RequestView {
    /// The method.
    pub(crate) method: Method,
    /// The target: a path with its query, or a full URL.
    pub(crate) uri: Uri,
    /// The headers, all of them; what is withheld is decided on each read.
    pub(crate) headers: HeaderMap,
    /// The body, already cut to the limit; `None` unless the flare requires it.
    pub(crate) body: Option<Bytes>,
}

impl RequestView {
    /// The full URL: scheme, host, path and query.
    pub(crate) fn url(&self) -> String {
        if self.uri.scheme().is_some() {
            return self.uri.to_string();
        }
        let host = self
            .headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok())
            .unwrap_or("localhost");
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        format!("http://{host}{path}")
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

    fn view(uri: &str, host: Option<&str>) -> RequestView {
        let mut headers = HeaderMap::new();
        if let Some(host) = host {
            headers.insert(header::HOST, host.parse().unwrap());
        }
        RequestView {
            method: Method::GET,
            uri: uri.parse().unwrap(),
            headers,
            body: None,
        }
    }

    #[test]
    fn url_is_full() {
        assert_eq!(view("/a?b=1", Some("h:80")).url(), "http://h:80/a?b=1");
        assert_eq!(view("/", None).url(), "http://localhost/");
        assert_eq!(
            view("http://other/x?y", Some("h")).url(),
            "http://other/x?y"
        );
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
