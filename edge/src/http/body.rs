//! Bodies as the server moves them: in memory, or still arriving.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::sync::mpsc;

/// A request's or response's body.
#[derive(Debug, Default)]
pub(crate) enum Body {
    /// None, or nothing left of it.
    #[default]
    Empty,
    /// All of it, in memory.
    Full(Bytes),
    /// It arrives from a socket.
    Incoming(Incoming),
    /// A part that was read, and the rest, which arrives from a socket.
    Partly(Bytes, Incoming),
    /// It is made while it is sent.
    Channel(mpsc::Receiver<Bytes>),
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        if bytes.is_empty() {
            Body::Empty
        } else {
            Body::Full(bytes)
        }
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Body::from(Bytes::from(text))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if let Body::Incoming(incoming) = &mut *self {
            return Pin::new(incoming).poll_frame(cx);
        }
        if let Body::Channel(channel) = &mut *self {
            return channel
                .poll_recv(cx)
                .map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))));
        }
        match std::mem::take(&mut *self) {
            Body::Partly(read, rest) => {
                *self = Body::Incoming(rest);
                Poll::Ready(Some(Ok(Frame::data(read))))
            }
            Body::Full(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            _ => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Body::Empty => true,
            Body::Incoming(incoming) => incoming.is_end_stream(),
            _ => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Body::Empty => SizeHint::with_exact(0),
            Body::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Body::Incoming(incoming) => incoming.size_hint(),
            Body::Channel(_) => SizeHint::default(),
            Body::Partly(read, rest) => {
                let rest = rest.size_hint();
                let read = read.len() as u64;
                let mut hint = SizeHint::new();
                hint.set_lower(rest.lower() + read);
                if let Some(upper) = rest.upper() {
                    hint.set_upper(upper + read);
                }
                hint
            }
        }
    }
}

/// How long the sender of a body may pause.
const PAUSE: std::time::Duration = std::time::Duration::from_secs(30);

/// Why a body could not be read.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// Nothing came for [`PAUSE`].
    Slow,
    /// The connection ended or broke.
    Broken(hyper::Error),
}

impl Body {
    /// Reads the first `limit` bytes, or all if it is shorter. What is left in `self` is the whole
    /// body all the same, to be sent on. Tells also whether there was more.
    ///
    /// # Errors
    ///
    /// When the client stops sending.
    pub(crate) async fn read_prefix(&mut self, limit: usize) -> Result<(Bytes, bool), ReadError> {
        let mut incoming = match std::mem::take(self) {
            Body::Empty => return Ok((Bytes::new(), false)),
            Body::Full(bytes) => {
                let prefix = bytes.slice(..bytes.len().min(limit));
                let more = bytes.len() > limit;
                *self = Body::Full(bytes);
                return Ok((prefix, more));
            }
            Body::Incoming(incoming) => incoming,
            // No request has one.
            Body::Channel(_) => return Ok((Bytes::new(), false)),
            Body::Partly(read, rest) => {
                // Nothing is read twice today; if it were, the part would be all there is to see.
                let prefix = read.slice(..read.len().min(limit));
                *self = Body::Partly(read, rest);
                return Ok((prefix, true));
            }
        };
        let mut read = BytesMut::new();
        while read.len() <= limit {
            let frame = tokio::time::timeout(PAUSE, incoming.frame())
                .await
                .map_err(|_| ReadError::Slow)?;
            match frame {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        read.extend_from_slice(&data);
                    }
                }
                Some(Err(error)) => return Err(ReadError::Broken(error)),
                None => {
                    let read = read.freeze();
                    let prefix = read.slice(..read.len().min(limit));
                    let more = read.len() > limit;
                    *self = Body::from(read);
                    return Ok((prefix, more));
                }
            }
        }
        let read = read.freeze();
        *self = Body::Partly(read.clone(), incoming);
        Ok((read.slice(..limit), true))
    }

    /// Takes what is still arriving off the socket in the background, up to `limit` bytes, so that
    /// a client that is still sending can read the answer it already has.
    pub(crate) fn drain(self, limit: usize) {
        let (Body::Incoming(mut incoming) | Body::Partly(_, mut incoming)) = self else {
            return;
        };
        if incoming.is_end_stream() {
            return;
        }
        tokio::spawn(async move {
            let mut seen = 0;
            while seen <= limit
                && let Ok(Some(Ok(frame))) = tokio::time::timeout(PAUSE, incoming.frame()).await
            {
                seen += frame.data_ref().map_or(0, Bytes::len);
            }
        });
    }
}
