//! A client's socket: shared by what serves it and what closes it, and impatient with a client that
//! does not read.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until, timeout};

/// How long a client may leave the edge unable to send it anything.
const UNREAD: Duration = Duration::from_secs(60);
/// How long a client that was answered may go on sending: in one pause, and in all.
const LINGER_PAUSE: Duration = Duration::from_secs(2);
const LINGER: Duration = Duration::from_secs(30);
/// How much of that is taken, in bytes.
const LINGER_BYTES: usize = 64 << 20;

/// The socket, for whoever wants to know how its connection goes, or to end it.
#[derive(Debug, Clone)]
pub(crate) struct ClientSocket {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    stream: TcpStream,
    read: AtomicU64,
    written: AtomicU64,
    upgraded: AtomicBool,
}

impl ClientSocket {
    pub(crate) fn new(stream: TcpStream) -> Self {
        ClientSocket {
            shared: Arc::new(Shared {
                stream,
                read: AtomicU64::new(0),
                written: AtomicU64::new(0),
                upgraded: AtomicBool::new(false),
            }),
        }
    }

    /// The socket as something to read from and write to; it is for one user at a time.
    pub(crate) fn io(&self) -> ClientIo {
        ClientIo {
            shared: self.shared.clone(),
            unread: None,
        }
    }

    /// How many bytes the client has sent, and been sent.
    pub(crate) fn traffic(&self) -> (u64, u64) {
        (
            self.shared.read.load(Ordering::Relaxed),
            self.shared.written.load(Ordering::Relaxed),
        )
    }

    /// Says that the connection speaks another protocol now, which ends it by itself.
    pub(crate) fn set_upgraded(&self) {
        self.shared.upgraded.store(true, Ordering::Relaxed);
    }

    /// Whether it does.
    pub(crate) fn is_upgraded(&self) -> bool {
        self.shared.upgraded.load(Ordering::Relaxed)
    }

    /// Closes in a way that the client can still read what it was sent: a socket that is closed
    /// while there is something unread in it resets the connection, and a client that has not read
    /// the answer yet loses it. So only this side is closed, and what the client still sends is
    /// taken and dropped until it closes too (RFC 9112, section 9.6).
    pub(crate) async fn linger(&self) {
        let stream = &self.shared.stream;
        if socket2::SockRef::from(stream)
            .shutdown(std::net::Shutdown::Write)
            .is_err()
        {
            return; // It is closed already.
        }
        let read = async {
            let mut taken = 0;
            let mut buffer = vec![0; 16 << 10];
            while taken < LINGER_BYTES && timeout(LINGER_PAUSE, stream.readable()).await.is_ok() {
                match stream.try_read(&mut buffer) {
                    Ok(0) => return,
                    Ok(read) => taken += read,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(_) => return,
                }
            }
        };
        // The client has had its time.
        let _ = timeout(LINGER, read).await;
    }
}

/// See [`ClientSocket::io`].
#[derive(Debug)]
pub(crate) struct ClientIo {
    shared: Arc<Shared>,
    /// Runs while the client does not read what it is sent.
    unread: Option<Pin<Box<Sleep>>>,
}

impl ClientIo {
    fn poll_write_with(
        &mut self,
        cx: &mut Context<'_>,
        write: impl Fn(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            if self.shared.stream.poll_write_ready(cx)?.is_pending() {
                let unread = self
                    .unread
                    .get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + UNREAD)));
                ready!(unread.as_mut().poll(cx));
                return Poll::Ready(Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "the client does not read what it is sent",
                )));
            }
            match write(&self.shared.stream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => {
                    if let Ok(written) = &result {
                        self.unread = None;
                        let written = *written as u64;
                        self.shared.written.fetch_add(written, Ordering::Relaxed);
                    }
                    return Poll::Ready(result);
                }
            }
        }
    }
}

impl AsyncRead for ClientIo {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.shared.stream.poll_read_ready(cx))?;
            match self.shared.stream.try_read_buf(buf) {
                Ok(read) => {
                    self.shared.read.fetch_add(read as u64, Ordering::Relaxed);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for ClientIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_with(cx, |stream| stream.try_write(buf))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_with(cx, |stream| stream.try_write_vectored(bufs))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A socket has no buffer of this process.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let socket = socket2::SockRef::from(&self.shared.stream);
        Poll::Ready(socket.shutdown(std::net::Shutdown::Write))
    }
}
