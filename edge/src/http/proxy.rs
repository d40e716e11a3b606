//! The client that sends requests on to their origin.

use std::fmt;
use std::net::IpAddr;
use std::sync::OnceLock;
use std::time::Duration;

use http::{Request, Response, StatusCode, header};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::http::body::Body;
use crate::http::client::{causes, tls_config};
use crate::http::headers::{add_forwarded, strip_connection_headers};
use crate::http::origin::Origin;

/// How long the origin may take to begin its response.
const TIMEOUT: Duration = Duration::from_secs(30);

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
    pub(crate) fn status(&self) -> StatusCode {
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
    connector.set_connect_timeout(Some(Duration::from_secs(5)));
    connector.enforce_http(false);
    connector
}

fn client<C: Connect + Clone>(connector: C) -> Client<C, Body> {
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .build(connector)
}

impl OriginClient {
    pub(crate) fn new() -> Self {
        OriginClient {
            plain: client(connector()),
            tls: OnceLock::new(),
        }
    }

    fn tls(&self) -> &Client<HttpsConnector<HttpConnector>, Body> {
        self.tls.get_or_init(|| {
            let mut roots = rustls::RootCertStore::empty();
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            let mut config = tls_config(roots);
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
    pub(crate) async fn forward(
        &self,
        origin: &Origin,
        mut request: Request<Body>,
        client: Option<IpAddr>,
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
        add_forwarded(headers, host, client);
        let response = match origin.is_https() {
            true => self.tls().request(request),
            false => self.plain.request(request),
        };
        let response = tokio::time::timeout(TIMEOUT, response)
            .await
            .map_err(|_| OriginError::Timeout)?
            .map_err(|error| OriginError::Unreachable(causes(&error)))?;
        let mut response = response.map(Body::Incoming);
        strip_connection_headers(response.headers_mut());
        Ok(response)
    }
}
