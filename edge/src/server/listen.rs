//! The listener and its connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response, header};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::http::body::Body;
use crate::http::client::reason;
use crate::http::target::Encrypted;
use crate::journal::Entry;
use crate::server::crowd::Crowd;
use crate::server::exchange::handle;
use crate::server::head_room::MAX_HEAD;
use crate::server::io::ClientSocket;
#[cfg(feature = "tls")]
use crate::server::io::{HEAD_TIMEOUT, UNREAD};
use crate::shutdown::stopped;
use crate::state::State;

/// How long a client may continue sending after it was answered, once the node stops.
const LINGER_WHEN_STOPPING: Duration = Duration::from_millis(300);
/// How long an HTTP/2 client may be silent, for the same reasons.
#[cfg(feature = "tls")]
const PATIENCE: crate::server::http2::Patience = crate::server::http2::Patience {
    idle: HEAD_TIMEOUT,
    unread: UNREAD,
    end: Duration::from_secs(600),
    look: Duration::from_secs(5),
};
/// How long the log stays silent about further connections that cannot be accepted.
const SAID: Duration = Duration::from_secs(60);

/// The keys for encrypting connections.
#[cfg(feature = "tls")]
pub(crate) type Tls = tokio_rustls::TlsAcceptor;
/// Without the feature there are none.
#[cfg(not(feature = "tls"))]
#[derive(Clone)]
pub(crate) enum Tls {}

/// Accepts connections until the node shuts down.
pub(crate) async fn accept(
    state: Arc<State>,
    listener: TcpListener,
    tls: Option<Tls>,
    mut stop: watch::Receiver<bool>,
) {
    let mut crowd = Crowd::new();
    let mut said: Option<Instant> = None;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopped(&mut stop) => return,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Usually "too many open files", which passes when connections close.
                if said.is_none_or(|said| said.elapsed() >= SAID) {
                    tracing::warn!("cannot accept connections: {error}");
                    said = Some(Instant::now());
                }
                crowd.make_room();
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        // Without this, a small response would wait for the client's acknowledgement of the one
        // before.
        let _ = stream.set_nodelay(true);
        let socket = ClientSocket::new(stream, state.node.budget.clone());
        let place = tokio::select! {
            place = crowd.place(&socket) => place,
            () = stopped(&mut stop) => return,
        };
        let client = Client {
            socket,
            state: state.clone(),
            peer,
            encrypted: tls.is_some(),
            stop: stop.clone(),
        };
        let tls = tls.clone();
        tokio::spawn(async move {
            match tls {
                None => client.plain().await,
                Some(tls) => client.encrypted(tls).await,
            }
            drop(place);
        });
    }
}

/// A client's connection, and what its requests have in common.
#[derive(Clone)]
struct Client {
    state: Arc<State>,
    socket: ClientSocket,
    peer: SocketAddr,
    encrypted: bool,
    stop: watch::Receiver<bool>,
}

impl Client {
    /// Serves an unencrypted connection.
    async fn plain(self) {
        let ended = self.http1(self.socket.io()).await;
        let socket = &self.socket;
        if let Err(error) = ended
            && !socket.is_upgraded()
        {
            self.say(&error);
            if let Some(answer) = last_answer(&error, socket) {
                // The client made a mistake, and may not even be listening.
                let _ = socket.io().write_all(answer).await;
            }
        }
        self.linger().await;
    }

    /// Negotiates keys and a protocol with the client, and serves the connection.
    #[cfg(feature = "tls")]
    async fn encrypted(mut self, tls: Tls) {
        let io = tokio::select! {
            agreed = tokio::time::timeout(HEAD_TIMEOUT, tls.accept(self.socket.io())) => agreed,
            () = stopped(&mut self.stop) => return,
        };
        let Ok(Ok(io)) = io else {
            // The client has received an alert, is silent, or does not speak TLS.
            return;
        };
        if io.get_ref().1.alpn_protocol() != Some(b"h2") {
            // Here an invalid head, too, ends the connection without a response from this node.
            if let Err(error) = self.http1(io).await {
                self.say(&error);
            }
            return self.linger().await;
        }
        // HTTP/2 does its own accounting.
        self.socket.set_upgraded();
        let (client, socket) = (Arc::new(self.clone()), self.socket.clone());
        let answer = move |request| {
            let client = client.clone();
            async move { client.answer(request).await }
        };
        let budget = self.state.node.budget.clone();
        let written = move || socket.traffic().1;
        crate::server::http2::serve(io, answer, written, budget, PATIENCE, self.stop.clone()).await;
        self.end().await;
    }

    #[cfg(not(feature = "tls"))]
    async fn encrypted(self, tls: Tls) {
        match tls {}
    }

    /// Serves HTTP/1 until the connection ends.
    async fn http1<I>(&self, io: I) -> hyper::Result<()>
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let client = Arc::new(self.clone());
        let service = service_fn(move |request: Request<hyper::body::Incoming>| {
            let client = client.clone();
            async move {
                client.socket.request_began();
                let response = client.answer(request).await;
                let socket = &client.socket;
                Ok::<_, std::convert::Infallible>(response.map(|body| socket.answer(body)))
            }
        });
        // hyper's `pipeline_flush` stays off: with it, nothing is sent, and everything is kept, for as
        // long as there is unprocessed data from the client. hyper gets no timer: the socket itself
        // enforces the time limit for a head, with one timer for the whole connection instead of one
        // for each request.
        let connection = http1::Builder::new()
            .max_buf_size(MAX_HEAD)
            .half_close(true)
            .serve_connection(TokioIo::new(io), service)
            .with_upgrades();
        let mut connection = std::pin::pin!(connection);
        let mut stop = self.stop.clone();
        tokio::select! {
            ended = &mut connection => ended,
            () = stopped(&mut stop) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        }
    }

    /// Answers one request.
    async fn answer(&self, request: Request<hyper::body::Incoming>) -> Response<Body> {
        let mut request = request.map(Body::Incoming);
        if request.headers().contains_key(header::UPGRADE) {
            request.extensions_mut().insert(self.socket.clone());
        }
        if self.encrypted {
            request.extensions_mut().insert(Encrypted);
        }
        handle(&self.state, request, Some(self.peer), Some(&self.stop)).await
    }

    /// Logs an invalid request, which was refused before any flare saw it.
    fn say(&self, error: &hyper::Error) {
        let why = if self.socket.is_refused() {
            "there was no room for the request's head (the node's --memory is in use)".to_owned()
        } else if error.is_parse() {
            format!("the client sent no HTTP/1.1 request: {}", reason(error))
        } else {
            return; // A client may hang up, or be silent, at any time.
        };
        let state = &self.state;
        let from = format!("from {}", self.peer);
        let mut entry = Entry::new(state.no_flare.clone(), "(no request)".to_owned(), from);
        entry.notes.push(why);
        state.journal.record(entry);
    }

    /// Lets the client read what it was sent, unless the connection was upgraded to one that does
    /// this itself.
    async fn linger(self) {
        if !self.socket.is_upgraded() {
            self.end().await;
        }
    }

    async fn end(mut self) {
        tokio::select! {
            () = self.socket.linger() => {}
            () = async {
                stopped(&mut self.stop).await;
                tokio::time::sleep(LINGER_WHEN_STOPPING).await;
            } => {}
        }
    }
}

/// The response when hyper ends a connection without one.
fn last_answer(error: &hyper::Error, socket: &ClientSocket) -> Option<&'static [u8]> {
    let (read, written) = socket.traffic();
    if socket.is_refused() && written == 0 {
        return Some(
            b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nx-flaron-error: over-budget\r\n\
              connection: close\r\ncontent-length: 0\r\n\r\n",
        );
    }
    if written > 0 || read == 0 {
        // After a response anything may be wrong, and silence needs no response.
        return None;
    }
    if socket.is_late() {
        return Some(
            b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
        );
    }
    // HTTP/2, which this port does not speak.
    error.is_parse().then_some(
        b"HTTP/1.1 505 HTTP Version Not Supported\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
    )
}
