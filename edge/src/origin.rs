//! The origin: where Transform and PassThrough send requests.

use std::fmt;
use std::sync::OnceLock;

use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri, header};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::body::Body;
use crate::error::{Error, Result};
use crate::response::{ResponseDraft, is_connection_header};

/// How long the origin may take until its response begins.
const TIMEOUT: std::time::Duration = std::time::Duration::from_secs(30);

/// An origin's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    scheme: Scheme,
    authority: Authority,
    /// The path that goes before the request's, without a slash at its end.
    base: String,
}

impl Origin {
    /// Reads `http://host:port/base`.
    ///
    /// # Errors
    ///
    /// When it is not a full HTTP URL.
    pub fn parse(text: &str) -> Result<Origin> {
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

    /// Where a request for `uri` goes.
    fn target(&self, uri: &Uri) -> Option<Uri> {
        let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
        let path = if path.starts_with('/') { path } else { "/" };
        Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(format!("{}{path}", self.base))
            .build()
            .ok()
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority, self.base)
    }
}

/// Why the origin gave no response.
#[derive(Debug)]
pub(crate) enum OriginError {
    /// It cannot be reached, or broke off.
    Unreachable(String),
    /// It took too long.
    Timeout,
}

impl OriginError {
    /// The status that the client gets.
    pub fn status(&self) -> StatusCode {
        match self {
            OriginError::Unreachable(_) => StatusCode::BAD_GATEWAY,
            OriginError::Timeout => StatusCode::GATEWAY_TIMEOUT,
        }
    }
}

impl fmt::Display for OriginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OriginError::Unreachable(why) => write!(f, "the origin cannot be reached: {why}"),
            OriginError::Timeout => write!(f, "the origin took longer than {TIMEOUT:?}"),
        }
    }
}

/// The connections to all origins.
pub(crate) struct OriginClient {
    plain: Client<HttpConnector, Body>,
    /// Made when the first `https://` origin is asked, because reading the system's certificates
    /// takes a while.
    tls: OnceLock<Client<HttpsConnector<HttpConnector>, Body>>,
}

fn connector() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(std::time::Duration::from_secs(5)));
    connector.enforce_http(false);
    connector
}

fn client<C: Connect + Clone>(connector: C) -> Client<C, Body> {
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .build(connector)
}

impl OriginClient {
    pub fn new() -> Self {
        OriginClient {
            plain: client(connector()),
            tls: OnceLock::new(),
        }
    }

    fn tls(&self) -> &Client<HttpsConnector<HttpConnector>, Body> {
        self.tls.get_or_init(|| {
            let mut roots = rustls::RootCertStore::empty();
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            let mut config = crate::beam::client::tls_config(roots);
            // The connector names the protocols itself.
            config.alpn_protocols.clear();
            let https = HttpsConnectorBuilder::new()
                .with_tls_config(config)
                .https_only()
                .enable_http1()
                .wrap_connector(connector());
            client(https)
        })
    }

    /// Sends a request on to the origin: the same method, path, query, headers and body. What
    /// belongs to the connection is the edge's own, `Host` is the origin's, and `X-Forwarded-*`
    /// tells of the client.
    ///
    /// # Errors
    ///
    /// When there is no response.
    pub async fn forward(
        &self,
        origin: &Origin,
        mut request: Request<Body>,
        client: Option<std::net::IpAddr>,
    ) -> Result<Response<Body>, OriginError> {
        let Some(target) = origin.target(request.uri()) else {
            return Err(OriginError::Unreachable(
                "the request's target makes no URL".to_owned(),
            ));
        };
        *request.uri_mut() = target;
        *request.version_mut() = http::Version::HTTP_11;
        let headers = request.headers_mut();
        let host = headers.remove(header::HOST);
        strip_connection_headers(headers);
        forwarded(headers, "x-forwarded-host", host);
        forwarded(
            headers,
            "x-forwarded-proto",
            Some(HeaderValue::from_static("http")),
        );
        if let Some(client) = client {
            let mut chain = String::new();
            for before in headers.get_all("x-forwarded-for") {
                if let Ok(before) = before.to_str() {
                    chain.push_str(before);
                    chain.push_str(", ");
                }
            }
            chain.push_str(&client.to_string());
            forwarded(
                headers,
                "x-forwarded-for",
                HeaderValue::try_from(chain).ok(),
            );
        }
        let response = match origin.scheme == Scheme::HTTPS {
            true => self.tls().request(request),
            false => self.plain.request(request),
        };
        let response = tokio::time::timeout(TIMEOUT, response)
            .await
            .map_err(|_| OriginError::Timeout)?
            .map_err(|error| OriginError::Unreachable(chain_of(&error)))?;
        let mut response = response.map(Body::Incoming);
        strip_connection_headers(response.headers_mut());
        Ok(response)
    }
}

fn forwarded(headers: &mut HeaderMap, name: &'static str, value: Option<HeaderValue>) {
    if let Some(value) = value {
        headers.insert(name, value);
    }
}

/// An error with its causes.
fn chain_of(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Takes out what belongs to one connection: the headers that HTTP names, and those that
/// `Connection` names. The body's length is kept by the body itself.
fn strip_connection_headers(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| HeaderName::try_from(name.trim()).ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    let own: Vec<HeaderName> = headers
        .keys()
        .filter(|name| is_connection_header(name) && **name != header::CONTENT_LENGTH)
        .cloned()
        .collect();
    for name in own {
        headers.remove(name);
    }
}

/// Applies what the flare set to the origin's response: Transform.
pub(crate) fn transform(mut response: Response<Body>, draft: ResponseDraft) -> Response<Body> {
    if let Some(status) = draft.status {
        *response.status_mut() = status;
    }
    if let Some(body) = draft.body {
        // These tell of the body that is replaced.
        for name in [
            header::CONTENT_LENGTH,
            header::CONTENT_ENCODING,
            header::CONTENT_RANGE,
            header::ETAG,
        ] {
            response.headers_mut().remove(name);
        }
        *response.body_mut() = body.into();
    }
    for (name, value) in draft.headers {
        if let Some(name) = name {
            response.headers_mut().insert(name, value);
        }
    }
    response
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
            ("/a/../b?c=d", "http://o:1/base/a/../b?c=d"),
            ("/", "http://o:1/base/"),
            ("http://elsewhere/x", "http://o:1/base/x"),
            ("*", "http://o:1/base/"),
        ] {
            let uri: Uri = uri.parse().unwrap();
            assert_eq!(origin.target(&uri).unwrap().to_string(), target);
        }
    }

    #[test]
    fn connection_headers_are_stripped() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, X-Mine"),
            ("x-mine", "1"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("keep-alive", "1"),
            ("accept", "a"),
        ] {
            headers.append(name, value.parse().unwrap());
        }
        strip_connection_headers(&mut headers);
        let left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(left, ["accept"]);
    }
}
