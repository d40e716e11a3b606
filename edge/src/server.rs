//! HTTP: from a request to the flare that serves it, and back.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use crate::Inner;
use crate::body::{Body, ReadError};
use crate::engine::{Action, Failure};
use crate::flare::{Flare, Slot, covers};
use crate::host::Host;
use crate::logging::Entry;
use crate::origin;
use crate::request::RequestView;
use crate::response::ResponseDraft;
use crate::{status, ws};

/// How long a client may take to send a request's head, or to begin the next one.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// The largest request head, in bytes; a larger one is answered with 431.
const MAX_HEAD: usize = 64 << 10;
/// How many connections can be open at once; more wait.
const MAX_CONNECTIONS: usize = 10_000;
/// How much of a body that nobody reads is taken off the socket after the answer, in bytes.
const DRAIN: usize = 64 << 20;

/// Accepts connections until the node shuts down.
pub(crate) async fn accept(
    inner: Arc<Inner>,
    listener: TcpListener,
    mut stop: watch::Receiver<bool>,
) {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(permit) = room.clone().acquire_owned().await else {
            return;
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopped(&mut stop) => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                let inner = inner.clone();
                let stop = stop.clone();
                tokio::spawn(async move {
                    connection(inner, stream, peer, stop).await;
                    drop(permit);
                });
            }
            Err(error) => {
                // Mostly "too many open files": it passes when connections close.
                tracing::warn!("cannot accept a connection: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Waits until the server shuts down, or is dropped.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that it was dropped.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Serves one connection to its end.
async fn connection(
    inner: Arc<Inner>,
    stream: TcpStream,
    peer: SocketAddr,
    mut stop: watch::Receiver<bool>,
) {
    // Without this, small responses wait for the client's acknowledgement of the one before.
    let _ = stream.set_nodelay(true);
    let stopping = stop.clone();
    let service = service_fn(move |request: Request<hyper::body::Incoming>| {
        let (inner, stopping) = (inner.clone(), stopping.clone());
        async move {
            let request = request.map(Body::Incoming);
            let response = handle(&inner, request, Some(peer), Some(stopping)).await;
            Ok::<_, std::convert::Infallible>(response)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD)
        .half_close(true)
        .pipeline_flush(true)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    // An error here is the client's: it hung up, was too slow, or sent what is not HTTP (which
    // hyper has answered already).
    tokio::select! {
        _ = &mut connection => return,
        () = stopped(&mut stop) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// Handles a request, whether it came through a socket or not.
pub(crate) async fn handle(
    inner: &Arc<Inner>,
    request: Request<Body>,
    peer: Option<SocketAddr>,
    stop: Option<watch::Receiver<bool>>,
) -> Response<Body> {
    if status::owns(request.uri().path()) {
        let peer = peer.map(|peer| peer.ip());
        return status::handle(inner, request, peer, stop).await;
    }
    let started = Instant::now();
    let method = request.method().to_string();
    let path = request
        .uri()
        .path_and_query()
        .map_or("/", |path| path.as_str())
        .to_owned();
    let mut exchange = Exchange {
        inner,
        peer: peer.map(|peer| peer.ip()),
        stop,
        slot: None,
        entry: Entry {
            seq: 0,
            time: SystemTime::now(),
            flare: inner.nobody.clone(),
            method,
            path,
            status: None,
            duration: Duration::ZERO,
            lines: Vec::new(),
            notes: Vec::new(),
            error: None,
        },
    };
    let response = exchange.serve(request).await;
    let mut entry = exchange.entry;
    entry.duration = started.elapsed();
    entry.status = Some(response.status().as_u16());
    if let Some(slot) = exchange.slot {
        slot.stats.record(entry.duration, entry.error.is_some());
    }
    inner.journal.record(entry);
    response
}

/// The slot whose route covers most of the path.
pub(crate) fn route<'a>(slots: &'a [Arc<Slot>], path: &str) -> Option<(&'a Arc<Slot>, Arc<Flare>)> {
    let mut best = None;
    for slot in slots {
        let flare = slot.current();
        let length = flare
            .routes
            .iter()
            .filter_map(|route| covers(route, path))
            .max();
        if let Some(length) = length
            && best
                .as_ref()
                .is_none_or(|&(longest, _, _)| length > longest)
        {
            best = Some((length, slot, flare));
        }
    }
    best.map(|(_, slot, flare)| (slot, flare))
}

/// One request on its way.
struct Exchange<'a> {
    inner: &'a Arc<Inner>,
    peer: Option<IpAddr>,
    /// Says when the listener shuts down; a request without a socket has none.
    stop: Option<watch::Receiver<bool>>,
    slot: Option<&'a Arc<Slot>>,
    entry: Entry,
}

impl Exchange<'_> {
    async fn serve(&mut self, request: Request<Body>) -> Response<Body> {
        let Some((slot, flare)) = route(&self.inner.slots, request.uri().path()) else {
            self.entry.notes.push("no flare has this route".to_owned());
            request.into_body().drain(DRAIN);
            return answer(StatusCode::NOT_FOUND, "no-route", "no flare has this route");
        };
        self.slot = Some(slot);
        self.entry.flare = flare.name.clone();
        if flare.kind.websocket() && ws::is_upgrade(&request) {
            return self.websocket(slot, flare, request);
        }
        if !flare.kind.http() {
            request.into_body().drain(DRAIN);
            let mut response = answer(
                StatusCode::UPGRADE_REQUIRED,
                "websocket-only",
                "this flare serves WebSocket connections",
            );
            let headers = response.headers_mut();
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            return response;
        }
        self.http(flare, request).await
    }

    /// Runs an HTTP flare and does what it decides.
    async fn http(&mut self, flare: Arc<Flare>, request: Request<Body>) -> Response<Body> {
        let (parts, mut body) = request.into_parts();
        let mut view = RequestView {
            method: parts.method,
            uri: parts.uri,
            headers: parts.headers,
            body: None,
        };
        if flare.config.requires_body {
            let limit = flare.config.limits.max_body_bytes;
            match body.read_prefix(limit).await {
                Ok((bytes, more)) => {
                    if more {
                        self.entry.notes.push(format!(
                            "the body was cut to {limit} bytes for the flare (limits.max_body_bytes)"
                        ));
                    }
                    view.body = Some(bytes);
                }
                Err(error) => return self.no_body(error),
            }
        }
        let origin = flare.origin.clone();
        let outcome = run(flare, view).await;
        let (lines, notes) = outcome.host.notebook.finish();
        self.entry.lines = lines;
        self.entry.notes.extend(notes);
        let action = match outcome.action {
            Ok(action) => action,
            Err(failure) => {
                body.drain(DRAIN);
                return self.failed(&failure);
            }
        };
        let draft = outcome.host.response;
        let view = outcome.host.request;
        if action == Action::Respond {
            body.drain(DRAIN);
            return respond(draft);
        }
        let Some(origin) = origin else {
            body.drain(DRAIN);
            self.entry.error = Some(format!(
                "the flare wants the request sent to the origin ({action:?}), but there is none: \
                 start with `--origin URL`, or put `origin = \"URL\"` into flare.toml"
            ));
            return answer(
                StatusCode::BAD_GATEWAY,
                "no-origin",
                "no origin is configured",
            );
        };
        let mut request = Request::new(body);
        *request.method_mut() = view.method;
        *request.uri_mut() = view.uri;
        *request.headers_mut() = view.headers;
        match self.inner.origin.forward(&origin, request, self.peer).await {
            Ok(response) if action == Action::Transform => origin::transform(response, draft),
            Ok(response) => response,
            Err(error) => {
                self.entry.error = Some(format!("{error} ({origin})"));
                answer(error.status(), "origin", "the origin gave no response")
            }
        }
    }

    /// Turns the connection into a WebSocket.
    fn websocket(
        &mut self,
        slot: &Arc<Slot>,
        flare: Arc<Flare>,
        request: Request<Body>,
    ) -> Response<Body> {
        let stop = self.stop.clone().unwrap_or_else(|| watch::channel(false).1);
        match ws::upgrade(self.inner, slot, flare, request, stop) {
            Ok(response) => response,
            Err(failed) => {
                let (host, failure) = *failed;
                let (lines, notes) = host.notebook.finish();
                self.entry.lines = lines;
                self.entry.notes.extend(notes);
                self.failed(&failure)
            }
        }
    }

    /// The answer when the flare failed.
    fn failed(&mut self, failure: &Failure) -> Response<Body> {
        self.entry.error = Some(failure.to_string());
        answer(
            failure.status(),
            failure.word(),
            "the flare failed; the edge's log says why",
        )
    }

    /// The answer to a client that did not send its body.
    fn no_body(&mut self, error: ReadError) -> Response<Body> {
        match error {
            ReadError::Slow => {
                self.entry
                    .notes
                    .push("the client stopped sending its body".to_owned());
                answer(
                    StatusCode::REQUEST_TIMEOUT,
                    "body-timeout",
                    "the body did not arrive",
                )
            }
            ReadError::Broken(error) => {
                self.entry
                    .notes
                    .push(format!("the client hung up within its body: {error}"));
                answer(
                    StatusCode::BAD_REQUEST,
                    "body-broken",
                    "the body did not arrive",
                )
            }
        }
    }
}

/// What came of an invocation.
struct Outcome {
    action: Result<Action, Failure>,
    host: Host,
}

/// Runs a flare for a request, on this thread if it can hand its other tasks over when the flare
/// takes long, and on one for blocking work if not.
async fn run(flare: Arc<Flare>, view: RequestView) -> Outcome {
    let invoke = move || {
        let program = flare.program.clone();
        match program.instantiate(Host::new(flare, view)) {
            Ok(mut instance) => {
                let action = instance.handle_request();
                Outcome {
                    action,
                    host: instance.into_host(),
                }
            }
            Err(failed) => {
                let (host, failure) = *failed;
                Outcome {
                    action: Err(failure),
                    host,
                }
            }
        }
    };
    on_a_thread(invoke).await
}

/// Runs what may take long without holding up other tasks, as [`Clock`](crate::host) tells.
pub(crate) async fn on_a_thread<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> R {
    use tokio::runtime::{Handle, RuntimeFlavor};
    if Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread {
        return work();
    }
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// The response that a flare built.
fn respond(draft: ResponseDraft) -> Response<Body> {
    let mut response = Response::new(draft.body.map_or(Body::Empty, Body::from));
    if let Some(status) = draft.status {
        *response.status_mut() = status;
    }
    *response.headers_mut() = draft.headers;
    response
}

/// The edge's own short answer, marked as such.
pub(crate) fn answer(
    status: StatusCode,
    word: &'static str,
    message: &'static str,
) -> Response<Body> {
    let mut response = Response::new(Body::Full(Bytes::from(format!("{message}\n"))));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert("x-flaron-error", HeaderValue::from_static(word));
    response
}
