//! A client's body on its way to the origin, from which either side can withdraw.
//!
//! An origin may respond before it has read the body (413, 401, …) and read no more. The client may
//! well send all of its body before it reads. So the body is never left to the connection to the
//! origin alone: once it is not wanted there, it is taken off the client's socket and dropped.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};

use crate::http::body::{Body, DRAIN};
use crate::http::budget::Budget;
use crate::http::meter::Meter;
use crate::sync::lock;

/// A body that is being sent to the origin.
pub(crate) struct Upload {
    shared: Arc<Mutex<Shared>>,
    size: SizeHint,
    meter: Meter,
}

/// What the sender of a body knows about its progress.
#[derive(Debug, Clone)]
pub(crate) struct UploadHandle {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug)]
struct Shared {
    body: Option<Body>,
    /// All of it was handed over.
    finished: bool,
    /// The client has not sent the next part yet.
    waits_for_client: bool,
    /// There is no room for the next part yet.
    waits_for_room: bool,
    /// The connection is to be abandoned.
    cancelled: bool,
    /// Why the client's side failed.
    client_error: Option<String>,
    /// When a part was last handed over.
    progress: Instant,
    waker: Option<Waker>,
}

impl Shared {
    fn is_finished(&self) -> bool {
        if self.waits_for_room {
            return false;
        }
        // After the last part nobody polls for the end.
        self.finished || self.body.as_ref().is_some_and(Body::is_end_stream)
    }
}

/// The body is not sent any further.
#[derive(Debug)]
pub(crate) struct UploadEnded;

impl fmt::Display for UploadEnded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request's body ended early")
    }
}

impl Error for UploadEnded {}

impl Upload {
    /// A body to send; parts that were sent but not yet taken are charged to the budget.
    pub(crate) fn new(body: Body, budget: Arc<Budget>) -> (Upload, UploadHandle) {
        let size = body.size_hint();
        let shared = Arc::new(Mutex::new(Shared {
            finished: body.is_end_stream(),
            body: Some(body),
            waits_for_client: false,
            waits_for_room: false,
            cancelled: false,
            client_error: None,
            progress: Instant::now(),
            waker: None,
        }));
        let handle = UploadHandle {
            shared: shared.clone(),
        };
        let meter = Meter::new(budget);
        let upload = Upload {
            shared,
            size,
            meter,
        };
        (upload, handle)
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        UploadHandle {
            shared: self.shared.clone(),
        }
        .detach();
    }
}

impl UploadHandle {
    /// Whether all of the body has been handed to the connection.
    pub(crate) fn is_finished(&self) -> bool {
        lock(&self.shared).is_finished()
    }

    /// Whether the next part of the body is awaited from the client.
    pub(crate) fn waits_for_client(&self) -> bool {
        lock(&self.shared).waits_for_client
    }

    /// When a part of the body was last handed over. Waiting for room is nobody's fault.
    pub(crate) fn progress(&self) -> Instant {
        let mut shared = lock(&self.shared);
        if shared.waits_for_room {
            shared.progress = Instant::now();
        }
        shared.progress
    }

    /// Why the client's side failed, if it did.
    pub(crate) fn client_error(&self) -> Option<String> {
        lock(&self.shared).client_error.clone()
    }

    /// Sends no more of the body, and takes the rest off the client's socket. The connection to the
    /// origin stays open, waiting for the rest, so that the response can still be read from it.
    pub(crate) fn detach(&self) {
        let body = {
            let mut shared = lock(&self.shared);
            shared.finished = shared.is_finished();
            shared.body.take()
        };
        if let Some(body) = body {
            body.drain(DRAIN);
        }
    }

    /// Abandons the connection to the origin.
    pub(crate) fn cancel(&self) {
        self.detach();
        let waker = {
            let mut shared = lock(&self.shared);
            shared.cancelled = true;
            shared.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl http_body::Body for Upload {
    type Data = Bytes;
    type Error = UploadEnded;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadEnded>>> {
        let Upload { shared, meter, .. } = self.get_mut();
        let mut shared = lock(shared);
        if shared.cancelled {
            return Poll::Ready(Some(Err(UploadEnded)));
        }
        let finished = shared.finished;
        let polled = match &mut shared.body {
            Some(body) => meter.poll_frame(cx, |cx| Pin::new(body).poll_frame(cx)),
            None if finished => return Poll::Ready(None),
            None => Poll::Pending,
        };
        shared.waits_for_room = shared.body.is_some() && meter.waiting() > 0;
        let Poll::Ready(frame) = polled else {
            shared.waker = Some(cx.waker().clone());
            shared.waits_for_client = shared.body.is_some() && !shared.waits_for_room;
            return Poll::Pending;
        };
        shared.waits_for_client = false;
        shared.progress = Instant::now();
        match frame {
            Some(Ok(frame)) => Poll::Ready(Some(Ok(frame))),
            Some(Err(error)) => {
                shared.client_error = Some(error.to_string());
                shared.body = None;
                Poll::Ready(Some(Err(UploadEnded)))
            }
            None => {
                shared.finished = true;
                shared.body = None;
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        lock(&self.shared).is_finished()
    }

    fn size_hint(&self) -> SizeHint {
        self.size
    }
}
