//! A small HTTP client, and small servers for flares to fetch from.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

/// Sends a request to an address over a connection of its own.
///
/// # Errors
///
/// When nothing listens there, or the response is not HTTP.
pub async fn try_send(
    addr: SocketAddr,
    mut request: Request<Bytes>,
) -> Result<Response<Bytes>, Box<dyn std::error::Error + Send + Sync>> {
    let stream = TcpStream::connect(addr).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    if !request.headers().contains_key(http::header::HOST) {
        let host = addr.to_string().parse()?;
        request.headers_mut().insert(http::header::HOST, host);
    }
    let response = sender.send_request(request.map(Full::new)).await?;
    let (parts, body) = response.into_parts();
    Ok(Response::from_parts(
        parts,
        body.collect().await?.to_bytes(),
    ))
}

/// Sends a request to an address over a connection of its own.
pub async fn send(addr: SocketAddr, method: &str, path: &str, body: &str) -> Answer {
    ask(addr, method, path, &[], body).await
}

/// The same, with headers, and any bytes as the body.
pub async fn ask(
    addr: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: impl AsRef<[u8]>,
) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Bytes::copy_from_slice(body.as_ref())).unwrap();
    Answer(try_send(addr, request).await.unwrap())
}

/// `GET /`.
pub async fn get(addr: SocketAddr) -> Answer {
    send(addr, "GET", "/", "").await
}

/// A response as a client got it.
#[derive(Debug)]
pub struct Answer(pub Response<Bytes>);

impl Answer {
    /// The status code.
    pub fn status(&self) -> u16 {
        self.0.status().as_u16()
    }

    /// A header's value, if there is exactly one header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.0.headers().get_all(name).iter();
        let value = values.next()?.to_str().unwrap();
        assert!(values.next().is_none(), "{name} is there twice");
        Some(value)
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(self.0.body()).unwrap()
    }

    /// Checks a flare's whole response.
    #[track_caller]
    pub fn is(&self, status: u16, content_type: &str, body: &str) {
        assert_eq!(self.text(), body, "{self:?}");
        assert_eq!(self.status(), status, "{self:?}");
        assert_eq!(self.header("content-type"), Some(content_type), "{self:?}");
        assert_eq!(self.header("x-flaron-error"), None, "{self:?}");
    }

    /// Checks a flare's response to a failure: the body is plain text, whether or not the flare sets the
    /// content type.
    #[track_caller]
    pub fn is_failure(&self, status: u16, body: &str) {
        assert_eq!(self.text(), body, "{self:?}");
        assert_eq!(self.status(), status, "{self:?}");
        let content_type = self.header("content-type").unwrap_or("text/plain");
        assert_eq!(content_type, "text/plain", "{self:?}");
        assert_eq!(self.header("x-flaron-error"), None, "{self:?}");
    }
}

/// A server that sends every request the same response, and records the requests.
pub struct Upstream {
    /// Where it listens.
    pub addr: SocketAddr,
    seen: Arc<Mutex<Vec<Request<Bytes>>>>,
}

impl Upstream {
    /// Starts one on this machine.
    pub async fn start(answer: Response<impl Into<Bytes>>) -> Upstream {
        let answer = answer.map(Into::into);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let requests = seen.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, requests) = (answer.clone(), requests.clone());
                let service = service_fn(move |request: Request<hyper::body::Incoming>| {
                    let (answer, requests) = (answer.clone(), requests.clone());
                    async move {
                        let (parts, body) = request.into_parts();
                        let body = body.collect().await?.to_bytes();
                        let request = Request::from_parts(parts, body);
                        requests.lock().unwrap().push(request);
                        Ok::<_, hyper::Error>(answer.map(Full::new))
                    }
                });
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service);
                tokio::spawn(connection);
            }
        });
        Upstream { addr, seen }
    }

    /// The recorded requests, in order.
    pub fn requests(&self) -> Vec<Request<Bytes>> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }

    /// The one recorded request.
    pub fn request(&self) -> Request<Bytes> {
        let mut seen = self.seen.lock().unwrap();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen.remove(0)
    }
}

/// A local address where nothing listens.
pub async fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}
