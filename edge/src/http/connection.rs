//! Connections to origins: opened, kept for the next request, and abandoned.

use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::http::client::{causes, tls_config};
use crate::http::origin::Origin;
use crate::http::transfer::Upload;
use crate::sync::lock;

/// The time limit for connecting.
const CONNECT: Duration = Duration::from_secs(5);
/// How long an unused connection is kept. Some origins close theirs after five seconds.
const IDLE: Duration = Duration::from_secs(20);
/// How many unused connections to one origin are kept.
const MAX_IDLE: usize = 64;
/// The largest head of a response, and how much of a body is read ahead, in bytes.
const BUFFER: usize = 64 << 10;

/// A connection to an origin.
pub(crate) type Sender = SendRequest<Upload>;

/// The connections to all origins.
pub(crate) struct Connections {
    idle: Arc<Idle>,
    /// Created for the first request to an `https://` origin, because reading the system's
    /// certificates takes a while.
    tls: OnceLock<TlsConnector>,
}

/// The connections that no request uses.
#[derive(Debug, Default)]
pub(crate) struct Idle {
    by_origin: Mutex<HashMap<String, Vec<(Sender, Instant)>>>,
}

impl Idle {
    /// One that the origin has not closed, as far as is known.
    fn take(&self, origin: &str) -> Option<Sender> {
        let mut all = lock(&self.by_origin);
        let kept = all.get_mut(origin)?;
        kept.retain(|(sender, since)| !sender.is_closed() && since.elapsed() < IDLE);
        // The one used most recently is the least likely to be closed at this moment.
        let at = kept.iter().rposition(|(sender, _)| sender.is_ready())?;
        Some(kept.remove(at).0)
    }

    /// Keeps one for the next request.
    pub(crate) fn put(&self, origin: String, sender: Sender) {
        let mut all = lock(&self.by_origin);
        let kept = all.entry(origin).or_default();
        kept.retain(|(sender, since)| !sender.is_closed() && since.elapsed() < IDLE);
        if kept.len() < MAX_IDLE {
            kept.push((sender, Instant::now()));
        }
    }
}

impl Connections {
    pub(crate) fn new() -> Self {
        Connections {
            idle: Arc::default(),
            tls: OnceLock::new(),
        }
    }

    /// Where unused connections are kept.
    pub(crate) fn idle(&self) -> Arc<Idle> {
        self.idle.clone()
    }

    /// A connection that has been used before.
    pub(crate) fn reuse(&self, origin: &Origin) -> Option<Sender> {
        self.idle.take(&origin.key())
    }

    /// A new connection.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub(crate) async fn connect(&self, origin: &Origin) -> Result<Sender, String> {
        let io = timeout(CONNECT, self.open(origin))
            .await
            .map_err(|_| format!("it does not accept a connection within {CONNECT:?}"))?
            .map_err(|error| error.to_string())?;
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(BUFFER)
            .handshake(TokioIo::new(io))
            .await
            .map_err(|error| causes(&error))?;
        // An error is reported to the task that waits for a response; without one there is nobody
        // to report to.
        tokio::spawn(connection);
        Ok(sender)
    }

    async fn open(&self, origin: &Origin) -> io::Result<OriginIo> {
        let tcp = TcpStream::connect((origin.host(), origin.port())).await?;
        tcp.set_nodelay(true)?;
        let stream: Box<dyn Stream> = if origin.is_https() {
            let name = ServerName::try_from(origin.host().to_owned()).map_err(io::Error::other)?;
            Box::new(self.tls().connect(name, tcp).await?)
        } else {
            Box::new(tcp)
        };
        Ok(OriginIo {
            stream,
            broken: false,
        })
    }

    fn tls(&self) -> &TlsConnector {
        self.tls.get_or_init(|| {
            let mut roots = rustls::RootCertStore::empty();
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            TlsConnector::from(Arc::new(tls_config(roots)))
        })
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection whose reading side decides how it ends.
///
/// When an origin answers early and closes, the edge's next write fails, although the response is
/// there to be read. hyper abandons a connection when a write fails, and the response would be
/// lost. So after a failed write this one discards whatever is written; then the response is read,
/// or the end of the connection, which is just as good an error.
struct OriginIo {
    stream: Box<dyn Stream>,
    broken: bool,
}

impl OriginIo {
    fn outcome(&mut self, written: Poll<io::Result<usize>>, all: usize) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Err(_)) => {
                self.broken = true;
                Poll::Ready(Ok(all))
            }
            written => written,
        }
    }
}

impl AsyncRead for OriginIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for OriginIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.broken {
            return Poll::Ready(Ok(buf.len()));
        }
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.outcome(written, buf.len())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let all = bufs.iter().map(|buf| buf.len()).sum();
        if self.broken {
            return Poll::Ready(Ok(all));
        }
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.outcome(written, all)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.broken {
            return Poll::Ready(Ok(()));
        }
        match Pin::new(&mut self.stream).poll_flush(cx) {
            Poll::Ready(Err(_)) => {
                self.broken = true;
                Poll::Ready(Ok(()))
            }
            flushed => flushed,
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
