//! An origin's address: where Transform and PassThrough send requests.

use std::fmt;

use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Uri};

use crate::error::{Error, Result};

/// An origin's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    scheme: Scheme,
    authority: Authority,
    /// The path that is put before the request's, without a trailing slash.
    base: String,
}

impl Origin {
    /// Parses `http://host:port/base`.
    ///
    /// # Errors
    ///
    /// When it is not a full HTTP URL.
    pub(crate) fn parse(text: &str) -> Result<Origin> {
        let wrong = |why: &str| {
            Error::new(format!(
                "origin {text:?} {why}; it must be like \"http://localhost:3000\""
            ))
        };
        let uri: Uri = text.parse().map_err(|_| wrong("is not a URL"))?;
        let parts = uri.into_parts();
        let scheme = parts
            .scheme
            .filter(|scheme| *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS)
            .ok_or_else(|| wrong("has no scheme http or https"))?;
        let authority = parts.authority.ok_or_else(|| wrong("has no host"))?;
        let base = match &parts.path_and_query {
            Some(path) if path.query().is_some() => return Err(wrong("has a query")),
            Some(path) => path.path().trim_end_matches('/').to_owned(),
            None => String::new(),
        };
        Ok(Origin {
            scheme,
            authority,
            base,
        })
    }

    /// Whether connections to it are encrypted.
    pub(crate) fn is_https(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }

    /// Its name or address, without the brackets of IPv6.
    pub(crate) fn host(&self) -> &str {
        let host = self.authority.host();
        host.trim_start_matches('[').trim_end_matches(']')
    }

    /// Its port.
    pub(crate) fn port(&self) -> u16 {
        let default = if self.is_https() { 443 } else { 80 };
        self.authority.port_u16().unwrap_or(default)
    }

    /// What connections to it are kept under.
    pub(crate) fn key(&self) -> String {
        format!("{}://{}", self.scheme, self.authority)
    }

    /// The `Host` of requests to it.
    pub(crate) fn host_header(&self) -> HeaderValue {
        HeaderValue::try_from(self.authority.as_str())
            .unwrap_or_else(|_| HeaderValue::from_static(""))
    }

    /// The target of a request for `uri`, whose path is appended to the base.
    pub(crate) fn path(&self, uri: &Uri) -> Uri {
        let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
        if self.base.is_empty() && path.starts_with('/') {
            return uri.clone();
        }
        let path = if path.starts_with('/') { path } else { "/" };
        // A base parsed from a URL and the path of a request always form a valid path.
        let joined = PathAndQuery::try_from(format!("{}{path}", self.base));
        joined.map_or_else(|_| Uri::from_static("/"), Uri::from)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority, self.base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_full_urls() {
        for (text, shown) in [
            ("http://localhost:3000", "http://localhost:3000"),
            ("http://localhost:3000/", "http://localhost:3000"),
            ("https://example.com/base/", "https://example.com/base"),
        ] {
            assert_eq!(Origin::parse(text).unwrap().to_string(), shown);
        }
        for text in [
            "",
            "localhost",
            "localhost:3000",
            "/a",
            "ftp://a",
            "http://",
            "http://a?b",
        ] {
            let message = Origin::parse(text).unwrap_err().to_string();
            assert!(message.contains("http://localhost:3000"), "{message}");
        }
    }

    #[test]
    fn targets_keep_path_and_query() {
        let origin = Origin::parse("http://o:1/base").unwrap();
        for (uri, target) in [
            ("/a/b?c=d", "/base/a/b?c=d"),
            ("/", "/base/"),
            ("*", "/base/"),
        ] {
            let uri: Uri = uri.parse().unwrap();
            assert_eq!(origin.path(&uri).to_string(), target);
        }
    }
}
