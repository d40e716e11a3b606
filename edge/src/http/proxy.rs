//! Forwards requests to their origin, and its responses back.

use std::fmt;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::uri::Scheme;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version, header};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use tokio::time::{Sleep, sleep, timeout};

use crate::http::body::{Body, BodyError, DRAIN};
use crate::http::budget::Budget;
use crate::http::client::reason;
use crate::http::connection::{Connections, Idle, Sender};
use crate::http::headers::{add_forwarded, is_plainly_coded, strip_connection_headers, via};
use crate::http::meter::Meter;
use crate::http::origin::Origin;
use crate::http::reply;
use crate::http::transfer::{Upload, UploadHandle};

/// What an origin's `x-flaron-error` is called here.
const ORIGIN_ERROR: HeaderName = HeaderName::from_static("x-flaron-origin-error");
/// How long the origin may take to begin its response once it has the request, and how long a client
/// may pause within its body.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How long the origin may pause within its response. One that sends events with long pauses sends
/// a comment now and then.
const PAUSE: Duration = Duration::from_secs(60);
/// How long a connection may take to be ready for the next request after a response was read.
const READY: Duration = Duration::from_secs(1);

/// hyper reports both with the same error.
const TOO_LARGE: &str = "its head has more than 100 fields, or more than 64 KiB";

/// Why the origin did not respond.
#[derive(Debug)]
pub(crate) enum OriginError {
    /// It cannot be reached.
    Unreachable(String),
    /// It was reached, but broke off.
    BrokeOff(String),
    /// It took too long.
    Timeout,
    /// Its answer is not a valid response.
    Senseless(String),
    /// The client did not send all of its body.
    Client(String),
    /// The client stopped sending its body.
    ClientTimeout,
    /// The request has passed through this node before.
    Loop,
}

impl OriginError {
    /// The status for the client.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            OriginError::Unreachable(_) | OriginError::BrokeOff(_) | OriginError::Senseless(_) => {
                StatusCode::BAD_GATEWAY
            }
            OriginError::Timeout => StatusCode::GATEWAY_TIMEOUT,
            OriginError::Client(_) => StatusCode::BAD_REQUEST,
            OriginError::ClientTimeout => StatusCode::REQUEST_TIMEOUT,
            OriginError::Loop => StatusCode::LOOP_DETECTED,
        }
    }

    /// Whether the client failed, and not the origin.
    pub(crate) fn is_clients(&self) -> bool {
        matches!(self, OriginError::Client(_) | OriginError::ClientTimeout)
    }
}

impl fmt::Display for OriginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OriginError::Unreachable(why) => write!(f, "the origin cannot be reached: {why}"),
            OriginError::BrokeOff(why) => write!(f, "the origin broke off: {why}"),
            OriginError::Timeout => write!(f, "the origin took longer than {TIMEOUT:?}"),
            OriginError::Senseless(what) => write!(f, "the origin's answer is not valid HTTP: {what}"),
            OriginError::Client(why) => write!(f, "the client's body did not arrive completely: {why}"),
            OriginError::ClientTimeout => f.write_str("the client stopped sending its body"),
            OriginError::Loop => f.write_str(
                "the origin leads back to this node, which has forwarded the request before: give the \
                 flare another origin",
            ),
        }
    }
}

/// The client of all origins.
pub(crate) struct OriginClient {
    connections: Connections,
    budget: Arc<Budget>,
    /// This node's name in `Via`. It is random at each start: a node must recognise itself, and
    /// nobody else needs to.
    name: String,
}

/// Called with the reason if a response that has begun does not end properly.
pub(crate) type Report = Box<dyn FnOnce(&BodyError) + Send>;

impl OriginClient {
    /// Data in transit to and from origins is charged to the budget.
    pub(crate) fn new(budget: Arc<Budget>) -> Self {
        OriginClient {
            connections: Connections::new(),
            budget,
            // Without random bytes the name may not be unique.
            name: format!("flaron-{:08x}", getrandom::u32().unwrap_or_default()),
        }
    }

    /// Forwards a request to the origin: the same method, path, query, headers and body.
    /// Connection-specific fields are the edge's own, `Host` is the origin's, `X-Forwarded-*`
    /// describes the client, and `Via` names this node.
    ///
    /// # Errors
    ///
    /// When there is no response.
    pub(crate) async fn forward(
        &self,
        origin: &Origin,
        mut request: Request<Body>,
        scheme: &Scheme,
        client: Option<IpAddr>,
        report: Report,
    ) -> Result<Response<Body>, OriginError> {
        if let Some(last) = last_hop(&mut request) {
            request.into_body().drain(DRAIN);
            return Ok(last);
        }
        if via::has(request.headers(), &self.name) {
            request.into_body().drain(DRAIN);
            return Err(OriginError::Loop);
        }
        let answered = self.answer(origin, request, scheme, client).await?;
        Ok(answered.map(|mut body| {
            body.report = Some(report);
            Body::Stream(UnsyncBoxBody::new(body))
        }))
    }

    async fn answer(
        &self,
        origin: &Origin,
        mut request: Request<Body>,
        scheme: &Scheme,
        client: Option<IpAddr>,
    ) -> Result<Response<OriginBody>, OriginError> {
        *request.uri_mut() = origin.path(request.uri());
        let received = std::mem::replace(request.version_mut(), Version::HTTP_11);
        strip_connection_headers(request.headers_mut());
        say_that_there_is_no_body(&mut request);
        let headers = request.headers_mut();
        via::add(headers, received, &self.name);
        let host = headers.insert(header::HOST, origin.host_header());
        add_forwarded(headers, host, scheme, client);

        // An origin can close a connection at the moment a request is sent on it, and then nobody
        // knows whether it has seen the request. So a used connection only gets requests that are
        // safe to repeat, which are sent once more over a new connection if that fails (RFC 9110,
        // section 9.2.2). Anything else gets a new connection.
        let repeatable = request.method().is_idempotent() && request.body().is_end_stream();
        if repeatable && let Some(sender) = self.connections.reuse(origin) {
            let mut first = Request::new(Body::Empty);
            *first.method_mut() = request.method().clone();
            *first.uri_mut() = request.uri().clone();
            *first.headers_mut() = request.headers().clone();
            match self.exchange(origin, sender, first).await {
                Err(OriginError::BrokeOff(_)) => {}
                outcome => return outcome,
            }
        }
        let sender = match self.connections.connect(origin).await {
            Ok(sender) => sender,
            Err(why) => {
                request.into_body().drain(DRAIN);
                return Err(OriginError::Unreachable(why));
            }
        };
        self.exchange(origin, sender, request).await
    }

    /// Sends a request over a connection, and waits for the head of the response.
    async fn exchange(
        &self,
        origin: &Origin,
        mut sender: Sender,
        request: Request<Body>,
    ) -> Result<Response<OriginBody>, OriginError> {
        let (parts, body) = request.into_parts();
        let (upload, handle) = Upload::new(body, self.budget.clone());
        let response = sender.send_request(Request::from_parts(parts, upload));
        let mut response = std::pin::pin!(response);
        let mut sender = Some(sender);
        let response = loop {
            let left = TIMEOUT.saturating_sub(handle.progress().elapsed());
            tokio::select! {
                biased;
                response = &mut response => break response,
                // A request handed over at the moment the connection ends can remain in the channel
                // between the two, unanswered, for as long as the sender exists.
                () = closed(&mut sender) => sender = None,
                () = tokio::time::sleep(left) => {
                    if handle.progress().elapsed() < TIMEOUT {
                        continue;
                    }
                    return Err(match handle.waits_for_client() {
                        true => OriginError::ClientTimeout,
                        false => OriginError::Timeout,
                    });
                }
            }
        };
        let response = match (response, handle.client_error()) {
            (Ok(response), _) => response,
            (Err(_), Some(why)) => return Err(OriginError::Client(why)),
            (Err(error), None) if error.is_parse_too_large() => {
                return Err(OriginError::Senseless(TOO_LARGE.to_owned()));
            }
            (Err(error), None) if error.is_parse() => {
                return Err(OriginError::Senseless(error.to_string()));
            }
            (Err(error), None) => return Err(OriginError::BrokeOff(why(&error))),
        };
        if response.status().is_informational() {
            handle.cancel();
            let what = "it switched protocols without being asked";
            return Err(OriginError::Senseless(what.to_owned()));
        }
        if !is_plainly_coded(response.headers()) {
            handle.cancel();
            let what = "its body has a transfer coding that was not requested";
            return Err(OriginError::Senseless(what.to_owned()));
        }
        if response.status().is_client_error() || response.status().is_server_error() {
            // The origin has decided, and may never read the rest.
            handle.detach();
        }
        let lease = Lease {
            sender,
            ended: false,
            origin: origin.key(),
            idle: self.connections.idle(),
            upload: handle,
        };
        let (mut parts, incoming) = response.into_parts();
        parts.version = Version::HTTP_11;
        strip_connection_headers(&mut parts.headers);
        // The origin may be a node like this one, and what it says of itself is not said of this one.
        if let Some(word) = parts.headers.remove(reply::ERROR) {
            parts.headers.insert(ORIGIN_ERROR, word);
        }
        let body = OriginBody {
            incoming,
            lease,
            meter: Meter::new(self.budget.clone()),
            pause: None,
            report: None,
        };
        Ok(Response::from_parts(parts, body))
    }
}

/// The response to a request that may go no further: `Max-Forwards`, which only `OPTIONS` and
/// `TRACE` have, is decremented, and the node that receives it at zero answers as the origin would
/// (RFC 9110, section 7.6.2).
fn last_hop(request: &mut Request<Body>) -> Option<Response<Body>> {
    let counted = request.method() == Method::OPTIONS || request.method() == Method::TRACE;
    let field = request.headers().get(header::MAX_FORWARDS)?;
    let left: u32 = field.to_str().ok()?.parse().ok()?;
    if !counted {
        return None;
    }
    if let Some(left) = left.checked_sub(1) {
        let field = HeaderValue::from(left);
        request.headers_mut().insert(header::MAX_FORWARDS, field);
        return None;
    }
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = match request.method() == Method::TRACE {
        // It would reveal fields that a page's script must not see.
        true => StatusCode::NOT_IMPLEMENTED,
        false => StatusCode::NO_CONTENT,
    };
    Some(response)
}

/// Sets a length of 0 on a request whose method has a body, but which has none: some origins answer 411 if
/// there is neither a length nor a coding (RFC 9110, section 8.6). The client may have expressed it with a
/// coding, which belongs to its connection, or with HTTP/2.
fn say_that_there_is_no_body(request: &mut Request<Body>) {
    let expected = matches!(
        *request.method(),
        Method::POST | Method::PUT | Method::PATCH
    );
    if expected && request.body().is_end_stream() {
        let none = HeaderValue::from(0);
        request.headers_mut().insert(header::CONTENT_LENGTH, none);
    }
}

/// Waits until the connection is closed; forever if it stays open, or is known to be closed.
async fn closed(sender: &mut Option<Sender>) {
    if let Some(sender) = sender
        && sender.ready().await.is_err()
    {
        return;
    }
    std::future::pending().await
}

/// Why an exchange failed.
fn why(error: &hyper::Error) -> String {
    if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        return "it closed the connection without a response".to_owned();
    }
    reason(error)
}

/// The connection that a response is being read from.
struct Lease {
    /// `None` once the connection is closed.
    sender: Option<Sender>,
    origin: String,
    idle: Arc<Idle>,
    upload: UploadHandle,
    /// The response was read to its end.
    ended: bool,
}

impl Lease {
    /// The response was read to its end: the connection can serve the next request, unless the
    /// origin has not read all of this one.
    fn end(&mut self) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        if !self.upload.is_finished() {
            self.upload.cancel();
            return;
        }
        let Some(mut sender) = self.sender.take() else {
            return;
        };
        let (origin, idle) = (std::mem::take(&mut self.origin), self.idle.clone());
        if sender.is_ready() {
            idle.put(origin, sender);
            return;
        }
        tokio::spawn(async move {
            if let Ok(Ok(())) = timeout(READY, sender.ready()).await {
                idle.put(origin, sender);
            }
        });
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // If a response is not read to its end, its connection is closed.
        if !self.ended {
            self.upload.cancel();
        }
    }
}

/// A response's body, with the connection it comes from.
struct OriginBody {
    incoming: Incoming,
    lease: Lease,
    meter: Meter,
    /// Runs while the origin sends nothing.
    pause: Option<Pin<Box<Sleep>>>,
    report: Option<Report>,
}

impl OriginBody {
    /// What the origin sends next, unless it pauses for too long.
    fn poll_origin(
        incoming: &mut Incoming,
        pause: &mut Option<Pin<Box<Sleep>>>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Poll::Ready(frame) = Pin::new(incoming).poll_frame(cx) {
            *pause = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(BodyError::Broken)));
        }
        ready!(
            pause
                .get_or_insert_with(|| Box::pin(sleep(PAUSE)))
                .as_mut()
                .poll(cx)
        );
        Poll::Ready(Some(Err(BodyError::Idle(PAUSE))))
    }
}

impl Drop for OriginBody {
    fn drop(&mut self) {
        // An empty body is never polled.
        if self.incoming.is_end_stream() {
            self.lease.end();
        }
    }
}

impl http_body::Body for OriginBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let frame = this.meter.poll_frame(cx, |cx| {
            Self::poll_origin(&mut this.incoming, &mut this.pause, cx)
        });
        if matches!(frame, Poll::Ready(None)) || this.incoming.is_end_stream() {
            this.lease.end();
        }
        if let Poll::Ready(Some(Err(error))) = &frame
            && let Some(report) = this.report.take()
        {
            report(error);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.meter.waiting() == 0 && self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        // The length is asked for before anything is read, when no part is waiting.
        self.incoming.size_hint()
    }
}
