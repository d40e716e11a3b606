//! A client's socket: shared by what serves it and what closes it, with a time limit for clients
//! that do not read.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{BufMut as _, Bytes};
use http_body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use crate::http::body::{Body, BodyError};
use crate::http::budget::Budget;
use crate::server::head_room::{HeadRoom, Waiting};
use crate::sync::lock;

/// How long a client may take to send a request's head, or to begin the next one.
pub(super) const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a client may leave the edge unable to send it anything.
pub(super) const UNREAD: Duration = Duration::from_secs(60);
/// How long a client may continue sending after it was answered: in one pause, and in all.
const LINGER_PAUSE: Duration = Duration::from_secs(2);
const LINGER: Duration = Duration::from_secs(30);
/// How much of that is read, in bytes.
const LINGER_BYTES: usize = 64 << 20;

/// The socket, for code that observes its connection or ends it.
#[derive(Debug, Clone)]
pub(crate) struct ClientSocket {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    // Tokio's halves and not the stream with its `try_` functions: a read that does not fill its
    // buffer tells the halves that there is no more, whereas `try_read` would ask the system again.
    reader: Mutex<OwnedReadHalf>,
    writer: Mutex<OwnedWriteHalf>,
    read: AtomicU64,
    written: AtomicU64,
    room: HeadRoom,
}

impl ClientSocket {
    /// A client's socket. Large heads are charged to the budget.
    pub(crate) fn new(stream: TcpStream, budget: Arc<Budget>) -> Self {
        let (reader, writer) = stream.into_split();
        ClientSocket {
            shared: Arc::new(Shared {
                reader: Mutex::new(reader),
                writer: Mutex::new(writer),
                read: AtomicU64::new(0),
                written: AtomicU64::new(0),
                room: HeadRoom::new(budget),
            }),
        }
    }

    /// The socket for reading and writing, for one user at a time.
    pub(crate) fn io(&self) -> ClientIo {
        ClientIo {
            shared: self.shared.clone(),
            unread: None,
            waiting: None,
            late: None,
        }
    }

    /// How many bytes the client has sent, and how many were sent to it.
    pub(crate) fn traffic(&self) -> (u64, u64) {
        (
            self.shared.read.load(Ordering::Relaxed),
            self.shared.written.load(Ordering::Relaxed),
        )
    }

    /// Records that the connection now speaks another protocol, which ends it on its own.
    pub(crate) fn set_upgraded(&self) {
        self.shared.room.set_upgraded();
    }

    /// Whether it does.
    pub(crate) fn is_upgraded(&self) -> bool {
        self.shared.room.is_upgraded()
    }

    /// Records that a head is complete, and its request is being handled until the response's body
    /// has been sent.
    pub(crate) fn request_began(&self) {
        self.shared.room.request_began();
    }

    /// The body of the response to that request.
    pub(crate) fn answer(&self, body: Body) -> Answer {
        Answer {
            body,
            broken: None,
            socket: self.clone(),
        }
    }

    /// Since when the client has had time to send a head; `None` while none is expected.
    pub(crate) fn head_began(&self) -> Option<Instant> {
        self.shared.room.head_began()
    }

    /// Ends a connection that is waiting for a head, as if it had timed out.
    pub(crate) fn hang_up(&self) {
        self.shared.room.set_late();
        // Reads from it then find its end. An error means that it is closed already.
        let reader = lock(&self.shared.reader);
        let _ = socket2::SockRef::from((*reader).as_ref()).shutdown(Shutdown::Read);
    }

    /// Whether the client took too long to send a head.
    pub(crate) fn is_late(&self) -> bool {
        self.shared.room.is_late()
    }

    /// Whether there was no room for what the client sent as a head.
    pub(crate) fn is_refused(&self) -> bool {
        self.shared.room.is_refused()
    }

    /// Closes the connection so that the client can still read what it was sent. Closing a socket
    /// with unread data resets the connection, and a client that has not read the response yet
    /// loses it. So only this side is closed, and what the client still sends is read and dropped
    /// until it closes its side, too (RFC 9112, section 9.6).
    pub(crate) async fn linger(&self) {
        let Shared { reader, writer, .. } = &*self.shared;
        let closed = poll_fn(|cx| Pin::new(&mut *lock(writer)).poll_shutdown(cx)).await;
        if closed.is_err() {
            return; // It is closed already.
        }
        let read = async {
            let mut taken = 0;
            let mut buffer = vec![0; 8 << 10];
            while taken < LINGER_BYTES {
                let read = poll_fn(|cx| {
                    let mut buffer = ReadBuf::new(&mut buffer);
                    let read = ready!(Pin::new(&mut *lock(reader)).poll_read(cx, &mut buffer));
                    Poll::Ready(read.map(|()| buffer.filled().len()))
                });
                match timeout(LINGER_PAUSE, read).await {
                    Ok(Ok(read)) if read > 0 => taken += read,
                    _ => return,
                }
            }
        };
        // The client has had its time.
        let _ = timeout(LINGER, read).await;
    }
}

/// The body of a response. When it ends, the client's next request begins.
pub(crate) struct Answer {
    body: Body,
    /// Why it ends early, until the client was sent what came before that.
    broken: Option<BodyError>,
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
        if let Some(error) = self.broken.take() {
            return Poll::Ready(Some(Err(error)));
        }
        match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            Some(Err(error)) => {
                // hyper drops what it has not written yet together with the connection. Without this
                // turn a client would get nothing at all if the origin's body is broken from the
                // start.
                self.broken = Some(error);
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            frame => Poll::Ready(frame),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.broken.is_none() && self.body.is_end_stream()
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
    /// Expires when a head may have taken too long. It is created once for all heads, and reset
    /// only when it has expired.
    late: Option<Pin<Box<Sleep>>>,
}

impl ClientIo {
    /// Records what was written, and abandons the connection if the client has not read anything
    /// for too long.
    fn written(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match written {
            Poll::Pending => {
                let unread = self
                    .unread
                    .get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + UNREAD)));
                ready!(unread.as_mut().poll(cx));
                Poll::Ready(Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "the client does not read what it is sent",
                )))
            }
            Poll::Ready(result) => {
                if let Ok(written) = &result {
                    self.unread = None;
                    let written = *written as u64;
                    self.shared.written.fetch_add(written, Ordering::Relaxed);
                }
                Poll::Ready(result)
            }
        }
    }

    /// Called while nothing arrives: abandons the connection if a head has taken too long.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let Some(began) = self.shared.room.head_began() else {
                return Poll::Pending;
            };
            let until = began + HEAD_TIMEOUT;
            let late = self
                .late
                .get_or_insert_with(|| Box::pin(sleep_until(until)));
            ready!(late.as_mut().poll(cx));
            if Instant::now() >= until {
                self.shared.room.set_late();
                return Poll::Ready(Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "the request's head did not arrive",
                )));
            }
            // It was set for an earlier head.
            late.as_mut().reset(until);
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
        let most = ready!(this.shared.room.poll_room(&mut this.waiting, cx))?;
        let mut buf = buf.limit(most);
        let polled = {
            let mut reader = lock(&this.shared.reader);
            pin!(reader.read_buf(&mut buf)).poll(cx)
        };
        let Poll::Ready(read) = polled else {
            return this.poll_late(cx);
        };
        let read = read?;
        this.shared.read.fetch_add(read as u64, Ordering::Relaxed);
        this.shared.room.received(read);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ClientIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut *lock(&self.shared.writer)).poll_write(cx, buf);
        self.written(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut *lock(&self.shared.writer)).poll_write_vectored(cx, bufs);
        self.written(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A socket has no buffer in this process.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *lock(&self.shared.writer)).poll_shutdown(cx)
    }
}
