//! HTTP/2: several concurrent requests on one connection, with the same limits as HTTP/1
//! connections.
//!
//! hyper does not close HTTP/2 connections that are idle, or whose client does not read. So each
//! connection is checked every few seconds.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::http::body::{Body, BodyError};
use crate::http::budget::{Budget, Held};
use crate::server::respond::over_budget;
use crate::shutdown::stopped;
use crate::sync::lock;

/// How many requests of a connection are handled at once; further ones wait.
const MAX_STREAMS: u32 = 100;
/// How much of a connection's bodies a client can send before anybody reads them, in bytes. It is the
/// minimum that HTTP/2 allows.
const WINDOW: u32 = 65_535;
/// The largest head, in bytes, as HTTP/2 counts them. For a larger one the client gets 431.
const MAX_HEAD: u32 = 64 << 10;
/// How much of a head is not charged to the budget, in bytes.
const FREE_HEAD: usize = 8 << 10;
/// How much of a response is buffered for a client that does not read it yet, in addition to what is in
/// memory anyway.
const SEND_BUFFER: usize = 16 << 10;

/// How long a client may be silent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// Without a request in progress.
    pub(super) idle: Duration,
    /// While it does not read a response.
    pub(super) unread: Duration,
    /// After its last response was produced: for reading it, in all.
    pub(super) end: Duration,
    /// How often the connection is checked.
    pub(super) look: Duration,
}

/// Serves a connection to its end. `written` returns how many bytes were sent on it.
pub(super) async fn serve<I, F>(
    io: I,
    answer: impl Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    written: impl Fn() -> u64,
    budget: Arc<Budget>,
    patience: Patience,
    mut stop: watch::Receiver<bool>,
) where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let streams = Arc::new(Streams::new());
    let service = {
        let streams = streams.clone();
        service_fn(move |request: Request<Incoming>| {
            let (answer, budget) = (answer.clone(), budget.clone());
            let open = streams.open();
            async move {
                let head = match hold_head(&request, &budget).await {
                    Ok(head) => head,
                    Err(response) => return Ok(open.answer(response, None)),
                };
                let response = answer(request).await;
                Ok::<_, std::convert::Infallible>(open.answer(response, head))
            }
        })
    };
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_header_list_size(MAX_HEAD)
        .max_send_buf_size(SEND_BUFFER)
        .serve_connection(TokioIo::new(io), service);
    let mut connection = std::pin::pin!(connection);
    let mut look = tokio::time::interval(patience.look);
    let mut ending: Option<Instant> = None;
    let mut progress = (written(), Instant::now());
    loop {
        let is_asked_to_end = tokio::select! {
            // An error is the client's doing, and there is nobody left to report it to.
            _ = connection.as_mut() => return,
            () = stopped(&mut stop), if ending.is_none() => true,
            _ = look.tick() => false,
        };
        let now = written();
        if now != progress.0 {
            progress = (now, Instant::now());
        }
        if streams.is_unread(patience.unread) {
            return;
        }
        match ending {
            None if is_asked_to_end || streams.is_idle(patience.idle) => {
                // Otherwise this would wait for a client that has not even begun.
                if !streams.were_any.load(Ordering::Relaxed) {
                    return;
                }
                connection.as_mut().graceful_shutdown();
                ending = Some(Instant::now());
            }
            // Only responses that were produced and wait to be read are left.
            Some(since)
                if streams.is_idle(Duration::ZERO)
                    && (progress.1.elapsed() > patience.unread
                        || since.elapsed() > patience.end) =>
            {
                return;
            }
            _ => {}
        }
    }
}

/// Reserves room for a large head.
async fn hold_head<B>(
    request: &Request<B>,
    budget: &Budget,
) -> Result<Option<Held>, Response<Body>> {
    let fields = request.headers().iter();
    let fields: usize = fields
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    let uri = request.uri();
    let size = fields + uri.path().len() + uri.query().map_or(0, str::len);
    if size <= FREE_HEAD {
        return Ok(None);
    }
    budget.hold(size).await.map(Some).map_err(|_| over_budget())
}

/// The requests of a connection that are in progress.
struct Streams {
    open: AtomicUsize,
    were_any: AtomicBool,
    /// When the last of them ended.
    quiet_since: Mutex<Instant>,
    answers: Mutex<Vec<Weak<Given>>>,
}

/// When the client was given a part of a response, if it has not asked for more since.
type Given = Mutex<Option<Instant>>;

impl Streams {
    fn new() -> Self {
        Streams {
            open: AtomicUsize::new(0),
            were_any: AtomicBool::new(false),
            quiet_since: Mutex::new(Instant::now()),
            answers: Mutex::default(),
        }
    }

    fn open(self: &Arc<Self>) -> Open {
        self.open.fetch_add(1, Ordering::Relaxed);
        self.were_any.store(true, Ordering::Relaxed);
        Open {
            streams: self.clone(),
        }
    }

    /// Whether there has been no request for this long.
    fn is_idle(&self, patience: Duration) -> bool {
        self.open.load(Ordering::Relaxed) == 0 && lock(&self.quiet_since).elapsed() >= patience
    }

    /// Whether the client has stopped reading some response for this long.
    fn is_unread(&self, patience: Duration) -> bool {
        let mut answers = lock(&self.answers);
        answers.retain(|answer| answer.strong_count() > 0);
        let mut answers = answers.iter().filter_map(Weak::upgrade);
        answers.any(|given| lock(&given).is_some_and(|since| since.elapsed() > patience))
    }
}

/// A request, until its response was handed over.
struct Open {
    streams: Arc<Streams>,
}

impl Open {
    fn answer(self, response: Response<Body>, head: Option<Held>) -> Response<Answer> {
        // A client may begin by allowing nothing to be sent.
        let given = Arc::new(Mutex::new(Some(Instant::now())));
        lock(&self.streams.answers).push(Arc::downgrade(&given));
        response.map(|body| Answer {
            body,
            given,
            _open: self,
            _head: head,
        })
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        *lock(&self.streams.quiet_since) = Instant::now();
        self.streams.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The body of a response, which is polled when the client has room for more.
struct Answer {
    body: Body,
    given: Arc<Given>,
    _open: Open,
    _head: Option<Held>,
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        // While the body itself is being waited for, the client is not to blame.
        *lock(&self.given) = frame.is_ready().then(Instant::now);
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests;
