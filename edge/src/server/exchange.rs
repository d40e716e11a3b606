//! One request: which flare serves it, and what happens with the result.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::uri::Scheme;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri, header};
use tokio::sync::watch;

use crate::flare::Flare;
use crate::flare::slot::Slot;
use crate::host::notebook::Notebook;
use crate::host::request::RequestView;
use crate::host::{Host, Left};
use crate::http::body::{Body, DRAIN, ReadError};
use crate::http::headers::{list_has, strip_named_by_connection, strip_underscored};
use crate::http::origin::Origin;
use crate::http::proxy::{OriginError, Report};
use crate::http::reply::reply;
use crate::http::target::{Refusal, normalise};
use crate::journal::{Entry, Used};
use crate::recording::{Recorded, RecordedRequest, RecordedResponse};
use crate::runtime::run_guest;
use crate::runtime::turns::Turn;
use crate::server::respond::{fit, over_budget, respond, transform};
use crate::server::route::route;
use crate::server::{status, websocket};
use crate::state::State;
use crate::telemetry::Span;
use crate::wasm::failure::Failure;
use crate::wasm::program::Action;

/// Handles a request, whether it came through a socket or not.
pub(crate) async fn handle(
    state: &Arc<State>,
    mut request: Request<Body>,
    peer: Option<SocketAddr>,
    stop: Option<&watch::Receiver<bool>>,
) -> Response<Body> {
    let started = Instant::now();
    let method = request.method().as_str().to_owned();
    let stripped = strip_underscored(request.headers_mut());
    let normalised = normalise(&mut request, peer.is_some());
    if normalised.is_ok() && status::owns(request.uri().path()) {
        let peer = peer.map(|peer| peer.ip());
        // Rare cases are boxed, here and below: otherwise their state would be moved with each
        // request.
        return Box::pin(status::handle(state, request, peer, stop.cloned())).await;
    }
    // A refused request is logged as the client wrote it.
    let path = written(request.uri());
    let mut span = state.telemetry.request(request.headers(), request.method());
    if span.is_on() {
        span.text("url.path", request.uri().path());
        span.text(
            "url.scheme",
            normalised.as_ref().map_or("http", Scheme::as_str),
        );
    }
    let mut exchange = Exchange {
        state,
        peer: peer.map(|peer| peer.ip()),
        stop,
        slot: None,
        recorded: None,
        span,
        entry: Entry::new(state.no_flare.clone(), method, path),
    };
    exchange.entry.notes.extend(stripped);
    let response = match normalised {
        Ok(scheme) => exchange.serve(request, scheme).await,
        Err(refusal) => exchange.refuse(request, refusal),
    };
    let (mut entry, mut span) = (exchange.entry, exchange.span);
    entry.duration = started.elapsed();
    entry.status = Some(response.status().as_u16());
    if let Some(slot) = exchange.slot {
        slot.stats.record(entry.duration, entry.error.is_some());
    }
    if let (Some(recorder), Some(request)) = (&state.recorder, exchange.recorded) {
        let body = match response.body() {
            Body::Empty => Some(Bytes::new()),
            Body::Full(bytes) => Some(bytes.clone()),
            _ => None,
        };
        let status = response.status().as_u16();
        let response = RecordedResponse::of(status, response.headers(), body, &entry);
        recorder.add(&Recorded {
            request,
            response: Some(response),
        });
    }
    if span.is_on() {
        end(&mut span, &entry, &response);
    }
    state.telemetry.record(&entry);
    state.journal.record(entry);
    response
}

/// Logs the outcome of a request.
fn end(span: &mut Span, entry: &Entry, response: &Response<Body>) {
    let status = response.status();
    span.number("http.response.status_code", status.as_u16().into());
    span.text("flaron.flare", &entry.flare);
    if status.is_server_error() {
        let word = response.headers().get("x-flaron-error");
        let word = word.and_then(|word| word.to_str().ok());
        let why = entry.error.as_deref().unwrap_or_default();
        span.fail(word.unwrap_or(status.as_str()), why);
    }
}

/// One request on its way.
struct Exchange<'a> {
    state: &'a Arc<State>,
    peer: Option<IpAddr>,
    /// Signals that the listener is shutting down; a request without a socket has none.
    stop: Option<&'a watch::Receiver<bool>>,
    slot: Option<&'a Arc<Slot>>,
    entry: Entry,
    /// The request's span in a trace.
    span: Span,
    /// The request as the flare saw it, if it is being recorded.
    recorded: Option<RecordedRequest>,
}

impl Exchange<'_> {
    /// Answers an invalid request. What follows from a client that cannot write a head may be no
    /// better, so nothing of it is read.
    fn refuse(&mut self, request: Request<Body>, refusal: Refusal) -> Response<Body> {
        self.entry.notes.push(refusal.message.to_owned());
        request.into_body().drain(DRAIN);
        let mut response = reply(refusal.status, refusal.word, refusal.message);
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
        response
    }

    async fn serve(&mut self, request: Request<Body>, scheme: Scheme) -> Response<Body> {
        if request.uri() == "*" {
            // It is about the server as a whole (RFC 9110, section 9.3.7), so no flare answers it.
            request.into_body().drain(DRAIN);
            let mut response = Response::new(Body::Empty);
            *response.status_mut() = StatusCode::NO_CONTENT;
            return response;
        }
        let Some((slot, flare)) = route(&self.state.slots, request.uri().path()) else {
            self.entry.notes.push("no flare has this route".to_owned());
            request.into_body().drain(DRAIN);
            return reply(StatusCode::NOT_FOUND, "no-route", "no flare has this route");
        };
        self.slot = Some(slot);
        self.entry.flare = flare.name.clone();
        if flare.kind.websocket() && websocket::is_upgrade(&request) {
            return self.websocket(slot, flare, request, scheme);
        }
        if !flare.kind.http() {
            request.into_body().drain(DRAIN);
            let mut response = reply(
                StatusCode::UPGRADE_REQUIRED,
                "websocket-only",
                "this flare serves WebSocket connections",
            );
            let headers = response.headers_mut();
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            return response;
        }
        self.http(flare, request, scheme).await
    }

    /// Runs an HTTP flare and does what it decides.
    async fn http(
        &mut self,
        flare: Arc<Flare>,
        request: Request<Body>,
        scheme: Scheme,
    ) -> Response<Body> {
        let expects_continue = list_has(request.headers(), &header::EXPECT, "100-continue");
        let (mut parts, mut body) = request.into_parts();
        // They end here: a flare must not rely on a field that the origin does not get.
        strip_named_by_connection(&mut parts.headers);
        let version = parts.version;
        let records = self.state.recorder.is_some();
        self.recorded = records.then(|| RecordedRequest::of(&parts, Bytes::new()));
        let mut view = RequestView {
            method: parts.method,
            scheme,
            uri: parts.uri,
            headers: parts.headers,
            body: None,
        };
        let requires_body = flare.env.config.requires_body;
        if requires_body || records {
            let limit = flare.env.config.limits.max_body_bytes;
            match Box::pin(body.read_prefix(limit, &self.state.node.budget)).await {
                Ok((bytes, more)) => {
                    if more && requires_body {
                        self.entry.notes.push(format!(
                            "the body was cut to {limit} bytes for the flare (limits.max_body_bytes)"
                        ));
                    }
                    if let Some(recorded) = &mut self.recorded {
                        recorded.body.0 = bytes.clone();
                    }
                    view.body = requires_body.then_some(bytes);
                }
                Err(error) => return self.no_body(error),
            }
        }
        let span = self.flare_span(&flare.name, &mut view.headers);
        let outcome = run(flare.clone(), view, span).await;
        let Left {
            request: view,
            response: draft,
            notebook,
            mut span,
        } = outcome.left;
        self.say(notebook);
        self.entry.used = outcome.used;
        let action = match outcome.action {
            Ok(action) => action,
            Err(failure) => {
                span.fail(failure.word(), &failure.to_string());
                body.drain(DRAIN);
                return self.failed(&failure);
            }
        };
        span.end();
        if action == Action::Respond {
            // A client that waits for permission to send its body is not asked to unnecessarily.
            if !expects_continue {
                body.drain(DRAIN);
            }
            return fit(&view.method, respond(draft));
        }
        let method = view.method.clone();
        let Some(origin) = &flare.origin else {
            body.drain(DRAIN);
            self.entry.error = Some(format!(
                "the flare wants the request sent to the origin ({action:?}), but there is none: \
                 start with `--origin URL`, or put `origin = \"URL\"` into flare.toml"
            ));
            return reply(
                StatusCode::BAD_GATEWAY,
                "no-origin",
                "no origin is configured",
            );
        };
        let mut request = Request::new(body);
        *request.method_mut() = view.method;
        *request.uri_mut() = view.uri;
        *request.version_mut() = version;
        *request.headers_mut() = view.headers;
        let client = &self.state.origin;
        let report = self.report(&request, origin);
        let mut span = self.span.outward("origin");
        span.inject(request.headers_mut());
        if span.is_on() {
            span.text("http.request.method", request.method().as_str());
            span.text("server.address", &origin.to_string());
            span.text("url.path", request.uri().path());
        }
        let forwarded = client.forward(origin, request, &view.scheme, self.peer, report);
        let answer = Box::pin(forwarded).await;
        match &answer {
            Ok(response) => {
                span.number(
                    "http.response.status_code",
                    response.status().as_u16().into(),
                );
            }
            Err(error) => span.fail("origin", &error.to_string()),
        }
        span.end();
        match answer {
            Ok(response) if action == Action::Transform => fit(&method, transform(response, draft)),
            Ok(response) => fit(&method, response),
            Err(error) if error.is_clients() => {
                self.entry.notes.push(error.to_string());
                reply(error.status(), "body-broken", "the body did not arrive")
            }
            Err(OriginError::Loop) => {
                self.entry.error = Some(format!("{} ({origin})", OriginError::Loop));
                let message = "the request came back to a node that it had passed before";
                reply(OriginError::Loop.status(), "loop", message)
            }
            Err(error) => {
                self.entry.error = Some(format!("{error} ({origin})"));
                reply(error.status(), "origin", "the origin did not respond")
            }
        }
    }

    /// The span of the flare's run; the flare finds it in its request's headers, in place of the
    /// client's.
    fn flare_span(&self, name: &str, headers: &mut HeaderMap) -> Span {
        let mut span = self.span.inside("flare");
        span.text("flaron.flare", name);
        span.inject(headers);
        span
    }

    /// Reports, if it happens, that the origin's response broke off after it had begun.
    fn report(&self, request: &Request<Body>, origin: &Origin) -> Report {
        let (state, flare) = (self.state.clone(), self.entry.flare.clone());
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let (origin, started) = (origin.clone(), Instant::now());
        Box::new(move |error| {
            let mut entry = Entry::new(flare, method.to_string(), uri.to_string());
            entry.duration = started.elapsed();
            entry.error = Some(format!(
                "the origin's response broke off: {error} ({origin})"
            ));
            state.journal.record(entry);
        })
    }

    /// Turns the connection into a WebSocket.
    fn websocket(
        &mut self,
        slot: &Arc<Slot>,
        flare: Arc<Flare>,
        request: Request<Body>,
        scheme: Scheme,
    ) -> Response<Body> {
        let stop = self
            .stop
            .cloned()
            .unwrap_or_else(|| watch::channel(false).1);
        let mut request = request;
        let span = self.span.inside("websocket");
        span.inject(request.headers_mut());
        match websocket::upgrade(self.state, slot, flare, request, scheme, stop, span) {
            Ok((response, note)) => {
                self.entry.notes.extend(note);
                response
            }
            Err(failed) => {
                let (host, failure) = *failed;
                self.say(host.notebook);
                self.failed(&failure)
            }
        }
    }

    /// Adds what was recorded about the invocation.
    fn say(&mut self, notebook: Notebook) {
        let said = notebook.finish();
        self.entry.lines = said.lines;
        self.entry.notes.extend(said.notes);
        self.entry.calls = said.calls;
    }

    /// The response if the flare failed.
    fn failed(&mut self, failure: &Failure) -> Response<Body> {
        self.entry.error = Some(failure.to_string());
        reply(
            failure.status(),
            failure.word(),
            "the flare failed; the edge's log says why",
        )
    }

    /// The response to a client that did not send its body.
    fn no_body(&mut self, error: ReadError) -> Response<Body> {
        match error {
            ReadError::Slow => {
                self.entry
                    .notes
                    .push("the client stopped sending its body".to_owned());
                reply(
                    StatusCode::REQUEST_TIMEOUT,
                    "body-timeout",
                    "the body did not arrive",
                )
            }
            ReadError::OverBudget => {
                self.entry.notes.push(
                    "there was no room for the body (the node's --memory is in use)".to_owned(),
                );
                over_budget()
            }
            ReadError::Broken(error) => {
                self.entry
                    .notes
                    .push(OriginError::Client(error.to_string()).to_string());
                reply(
                    StatusCode::BAD_REQUEST,
                    "body-broken",
                    "the body did not arrive",
                )
            }
        }
    }
}

/// The outcome of an invocation.
struct Outcome {
    action: Result<Action, Failure>,
    used: Option<Used>,
    left: Left,
}

/// A target in its written form: usually a path, which only has to be copied.
fn written(uri: &Uri) -> String {
    match (uri.authority(), uri.path_and_query()) {
        (None, Some(path)) => path.as_str().to_owned(),
        _ => uri.to_string(),
    }
}

/// Runs a flare for a request.
async fn run(flare: Arc<Flare>, view: RequestView, span: Span) -> Outcome {
    let takes_long = flare.env.effort.is_long();
    let invoke = move |turn: Option<Turn>| {
        let mut host = Host::new(flare.env.clone(), view);
        host.span = span;
        if let Some(turn) = turn {
            host.clock.start_with(turn);
        }
        match flare.program.instantiate(host) {
            Ok(mut instance) => {
                let action = instance.handle_request();
                Outcome {
                    action,
                    used: instance.used(),
                    left: instance.end(),
                }
            }
            Err(failed) => {
                let (mut host, failure) = *failed;
                Outcome {
                    action: Err(failure),
                    used: None,
                    left: host.leave(),
                }
            }
        }
    };
    run_guest(takes_long, invoke).await
}
