//! A client's socket: shared by what serves it and what closes it, and impatient with a client that
//! does not read.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{BufMut as _, Bytes};
use http_body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use crate::http::body::{Body, BodyError};
use crate::http::budget::Budget;
use crate::server::head_room::{HeadRoom, Waiting};

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
    room: HeadRoom,
}

impl ClientSocket {
    /// The socket of a client, whose heads come out of the budget if they are large.
    pub(crate) fn new(stream: TcpStream, budget: Arc<Budget>) -> Self {
        ClientSocket {
            shared: Arc::new(Shared {
                stream,
                read: AtomicU64::new(0),
                written: AtomicU64::new(0),
                room: HeadRoom::new(budget),
            }),
        }
    }

    /// The socket as something to read from and write to; it is for one user at a time.
    pub(crate) fn io(&self) -> ClientIo {
        ClientIo {
            shared: self.shared.clone(),
            unread: None,
            waiting: None,
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
        self.shared.room.set_upgraded();
    }

    /// Whether it does.
    pub(crate) fn is_upgraded(&self) -> bool {
        self.shared.room.is_upgraded()
    }

    /// Says that a head is complete: its request is under way until the answer's body was sent.
    pub(crate) fn request_began(&self) {
        self.shared.room.request_began();
    }

    /// The body of the answer to that request.
    pub(crate) fn answer(&self, body: Body) -> Answer {
        Answer {
            body,
            socket: self.clone(),
        }
    }

    /// Whether there was no room for what the client sent as a head.
    pub(crate) fn is_refused(&self) -> bool {
        self.shared.room.is_refused()
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
            let mut buffer = vec![0; 8 << 10];
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

/// The body of an answer. With its end the client's next request begins.
pub(crate) struct Answer {
    body: Body,
    socket: ClientSocket,
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.socket.shared.room.request_ended();
    }
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// See [`ClientSocket::io`].
pub(crate) struct ClientIo {
    shared: Arc<Shared>,
    /// Waits while there is no room for more of a head.
    waiting: Option<Waiting>,
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
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            ready!(this.shared.stream.poll_read_ready(cx))?;
            let most = ready!(this.shared.room.poll_room(&mut this.waiting, cx))?;
            match this.shared.stream.try_read_buf(&mut buf.limit(most)) {
                Ok(read) => {
                    this.shared.read.fetch_add(read as u64, Ordering::Relaxed);
                    this.shared.room.received(read);
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
