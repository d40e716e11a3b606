//! Bodies as the server handles them: in memory, or still arriving.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use tokio::sync::mpsc;

use crate::http::budget::{Budget, FIRST, OverBudget, Pace};
use crate::http::client::reason;

/// A request's or response's body.
#[derive(Debug, Default)]
pub(crate) enum Body {
    /// No body, or nothing left of it.
    #[default]
    Empty,
    /// The whole body, in memory.
    Full(Bytes),
    /// Arriving from a socket.
    Incoming(Incoming),
    /// A part that was read, and the rest, which is arriving from a socket.
    Partly(Bytes, Incoming),
    /// Generated while it is sent.
    Channel(mpsc::Receiver<Bytes>),
    /// Arriving from the origin.
    Stream(UnsyncBoxBody<Bytes, BodyError>),
}

/// Why a body ends early.
#[derive(Debug)]
pub(crate) enum BodyError {
    /// Its connection broke.
    Broken(hyper::Error),
    /// Its sender paused for this long.
    Idle(Duration),
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BodyError::Broken(error) => f.write_str(&reason(error)),
            BodyError::Idle(pause) => write!(f, "nothing arrived for {pause:?}"),
        }
    }
}

impl Error for BodyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            BodyError::Broken(error) => error.source(),
            BodyError::Idle(_) => None,
        }
    }
}

/// How much of an unread body is still taken off the socket after the response, in bytes.
pub(crate) const DRAIN: usize = 64 << 20;

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
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Body::Incoming(incoming) = &mut *self {
            let frame = Pin::new(incoming).poll_frame(cx);
            return frame.map_err(BodyError::Broken);
        }
        if let Body::Stream(stream) = &mut *self {
            return Pin::new(stream).poll_frame(cx);
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
            Body::Stream(stream) => stream.is_end_stream(),
            _ => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Body::Empty => SizeHint::with_exact(0),
            Body::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Body::Incoming(incoming) => incoming.size_hint(),
            Body::Stream(stream) => stream.size_hint(),
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

/// Why a body could not be read.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// The client paused for too long, or sends too slowly.
    Slow,
    /// The connection ended or broke, or the body is malformed.
    Broken(BodyError),
    /// The node held as much data as it may, and no room became free in time.
    OverBudget,
}

impl From<OverBudget> for ReadError {
    fn from(_: OverBudget) -> ReadError {
        ReadError::OverBudget
    }
}

/// How long the sender of an unread body may pause.
const PAUSE: Duration = Duration::from_secs(10);

impl Body {
    /// Reads the first `limit` bytes, or all of a shorter body. `self` remains the whole body, to
    /// be forwarded. The result also says whether there is more.
    ///
    /// # Errors
    ///
    /// When the client stops sending, or the node has no room for the body.
    pub(crate) async fn read_prefix(
        &mut self,
        limit: usize,
        budget: &Budget,
    ) -> Result<(Bytes, bool), ReadError> {
        let mut incoming = match std::mem::take(self) {
            Body::Empty => return Ok((Bytes::new(), false)),
            Body::Full(bytes) => {
                let prefix = bytes.slice(..bytes.len().min(limit));
                let more = bytes.len() > limit;
                *self = Body::Full(bytes);
                return Ok((prefix, more));
            }
            Body::Incoming(incoming) => incoming,
            // Requests have no such bodies.
            Body::Channel(_) | Body::Stream(_) => return Ok((Bytes::new(), false)),
            Body::Partly(read, rest) => {
                // Nothing is read twice today; if it were, only this part would be visible.
                let prefix = read.slice(..read.len().min(limit));
                *self = Body::Partly(read, rest);
                return Ok((prefix, true));
            }
        };
        // A body of known length gets all its room now; others get theirs once they have proved not
        // to be small.
        let most = limit + 1;
        let stated = incoming.size_hint().exact();
        let first = match stated {
            Some(length) => usize::try_from(length).unwrap_or(most).min(most),
            None => FIRST.min(most),
        };
        let mut held = match stated {
            Some(_) => budget.hold(first).await?,
            None => budget.hold_first(first).await?,
        };
        let mut read = BytesMut::with_capacity(first);
        let mut pace = Pace::new();
        while read.len() <= limit {
            let left = pace.left(budget.patience());
            let frame = tokio::time::timeout(left, incoming.frame())
                .await
                .map_err(|_| ReadError::Slow)?;
            match frame {
                Some(Ok(frame)) => {
                    let Ok(data) = frame.into_data() else {
                        continue;
                    };
                    pace.received(data.len());
                    if stated.is_none() && read.len() <= FIRST && read.len() + data.len() > FIRST {
                        budget.grow(&mut held, most).await?;
                        read.reserve(most - read.len());
                    }
                    read.extend_from_slice(&data);
                }
                Some(Err(error)) => return Err(ReadError::Broken(BodyError::Broken(error))),
                None => {
                    let read = held.keep(read.freeze());
                    let prefix = read.slice(..read.len().min(limit));
                    let more = read.len() > limit;
                    *self = Body::from(read);
                    return Ok((prefix, more));
                }
            }
        }
        let read = held.keep(read.freeze());
        *self = Body::Partly(read.clone(), incoming);
        Ok((read.slice(..limit), true))
    }

    /// Takes the rest of the body off the socket in the background, up to `limit` bytes, so that a
    /// client that is still sending can read the response it already has.
    pub(crate) fn drain(self, limit: usize) {
        let (Body::Incoming(mut incoming) | Body::Partly(_, mut incoming)) = self else {
            return;
        };
        if incoming.is_end_stream() {
            return;
        }
        tokio::spawn(async move {
            let mut seen = 0;
            let mut pace = Pace::new();
            while seen <= limit
                && let Ok(Some(Ok(frame))) =
                    tokio::time::timeout(pace.left(PAUSE), incoming.frame()).await
            {
                let data = frame.data_ref().map_or(0, Bytes::len);
                pace.received(data);
                seen += data;
            }
        });
    }
}
