//! WebSockets: each connection has an instance of its own, which handles its events one after the
//! other.

use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::uri::Scheme;
use http::{HeaderValue, Method, Request, Response, StatusCode, Version, header};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::Control;

use crate::flare::Flare;
use crate::flare::slot::Slot;
use crate::host::Host;
use crate::host::request::RequestView;
use crate::host::socket::close_code::{
    ABNORMAL, GOING_AWAY, INTERNAL_ERROR, INVALID_DATA, NO_STATUS, PROTOCOL_ERROR, TOO_BIG,
    TRY_AGAIN_LATER,
};
use crate::host::socket::{Socket, WsEvent};
use crate::http::body::Body;
use crate::http::headers::{list, list_has};
use crate::http::reply::reply;
use crate::journal::Entry;
use crate::runtime::run_guest;
use crate::server::frames::{Frames, ReadError, Received};
use crate::server::io::ClientSocket;
use crate::shutdown::stopped;
use crate::state::State;
use crate::telemetry::Span;
use crate::wasm::failure::Failure;
use crate::wasm::program::Instance;

/// How long the other side may take to answer a close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// Whether a request asks for a WebSocket connection.
pub(super) fn is_upgrade(request: &Request<Body>) -> bool {
    list_has(request.headers(), &header::UPGRADE, "websocket")
}

/// The answer to a request's `Sec-WebSocket-Key`, if the request is valid (RFC 6455, section
/// 4.2.1).
fn accept(request: &Request<Body>) -> Option<HeaderValue> {
    let headers = request.headers();
    let mut keys = headers.get_all(header::SEC_WEBSOCKET_KEY).iter();
    let (Some(key), None) = (keys.next(), keys.next()) else {
        return None;
    };
    let proper = request.method() == Method::GET
        && request.version() >= Version::HTTP_11
        && list_has(headers, &header::CONNECTION, "upgrade")
        && list_has(headers, &header::SEC_WEBSOCKET_VERSION, "13")
        && BASE64_STANDARD
            .decode(key)
            .is_ok_and(|nonce| nonce.len() == 16);
    let accept = proper.then(|| derive_accept_key(key.as_bytes()))?;
    HeaderValue::try_from(accept).ok()
}

/// The subprotocol to speak, among those that the client offers; and a note if none of those it
/// offers is supported.
fn subprotocol(request: &Request<Body>, flare: &Flare) -> (Option<HeaderValue>, Option<String>) {
    let offered: Vec<&str> = list(request.headers(), &header::SEC_WEBSOCKET_PROTOCOL).collect();
    let spoken = &flare.env.config.websocket_protocols;
    let chosen = spoken
        .iter()
        .find(|protocol| offered.contains(&protocol.as_str()))
        .and_then(|protocol| HeaderValue::try_from(protocol).ok());
    let note = (chosen.is_none() && !offered.is_empty()).then(|| {
        format!(
            "the client offers the subprotocols {}, and the flare speaks none of them; browsers close \
             such a connection (websocket_protocols in flare.toml)",
            offered.join(", ")
        )
    });
    (chosen, note)
}

/// The response to an upgrade, and a note about it if there is something to report.
pub(super) type Answer = (Response<Body>, Option<String>);

/// Answers such a request, and serves the connection in the background once it is upgraded.
///
/// # Errors
///
/// The failure, if the flare could not be instantiated.
pub(super) fn upgrade(
    state: &Arc<State>,
    slot: &Arc<Slot>,
    flare: Arc<Flare>,
    mut request: Request<Body>,
    scheme: Scheme,
    stop: watch::Receiver<bool>,
    span: Span,
) -> Result<Answer, Box<(Host, Failure)>> {
    let Some(accept) = accept(&request) else {
        let mut response = reply(
            StatusCode::BAD_REQUEST,
            "bad-upgrade",
            "not a proper WebSocket upgrade: GET, HTTP/1.1, Connection, Sec-WebSocket-Key and \
             Sec-WebSocket-Version: 13 are needed",
        );
        let version = HeaderValue::from_static("13");
        let headers = response.headers_mut();
        headers.insert(header::SEC_WEBSOCKET_VERSION, version);
        return Ok((response, None));
    };
    let extensions = request.extensions_mut();
    let (Some(upgrade), Some(socket)) = (
        extensions.remove::<OnUpgrade>(),
        extensions.remove::<ClientSocket>(),
    ) else {
        let response = reply(
            StatusCode::NOT_IMPLEMENTED,
            "no-socket",
            "only a request that came through a socket can be upgraded",
        );
        return Ok((response, None));
    };
    let (protocol, note) = subprotocol(&request, &flare);
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    if let Some(protocol) = protocol {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    let (parts, _) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let view = RequestView {
        method: parts.method,
        scheme,
        uri: parts.uri,
        headers: parts.headers,
        body: None,
    };
    let id = flare.env.node.ids.ulid();
    let mut host = Host::new(flare.env.clone(), view);
    host.socket = Some(Socket::new(id.clone()));
    let instance = flare.program.instantiate(host)?;
    let connection = Connection {
        state: state.clone(),
        slot: slot.clone(),
        flare,
        path,
        id,
        instance: Some(instance),
        span,
    };
    socket.set_upgraded();
    tokio::spawn(async move {
        // An error means that the client disconnected before it was upgraded.
        if let Ok(upgraded) = upgrade.await {
            connection.slot.stats.socket_opened();
            let slot = connection.slot.clone();
            connection.serve(upgraded, &socket, stop).await;
            slot.stats.socket_closed();
        }
    });
    Ok((response, note))
}

type Stream = Frames<TokioIo<Upgraded>>;

/// A connection with its instance.
struct Connection {
    state: Arc<State>,
    slot: Arc<Slot>,
    flare: Arc<Flare>,
    path: String,
    id: String,
    /// `None` once an event has failed.
    instance: Option<Instance>,
    /// The connection's span in a trace.
    span: Span,
}

/// How a connection ended.
enum End {
    /// The other side closed it, perhaps with a code.
    Closed(Option<u16>),
    /// It broke.
    Broken,
    /// This side closes it, with this code.
    Close(u16),
    /// This side closes it, with this code, because it can no longer understand the other side.
    Lost(u16),
}

impl Connection {
    /// Serves the connection to its end. `stop` is held until the flare has handled the last event:
    /// the server is not done as long as anyone holds it.
    async fn serve(
        mut self,
        upgraded: Upgraded,
        socket: &ClientSocket,
        mut stop: watch::Receiver<bool>,
    ) {
        let limit = self.flare.env.config.limits.max_ws_message_bytes;
        let budget = self.flare.env.node.budget.clone();
        let mut stream = Frames::new(TokioIo::new(upgraded), limit, budget);
        let end = self.converse(&mut stream, &mut stop).await;
        // Whatever happens to the close, the connection ends here.
        let code = match end {
            End::Closed(code) => {
                let _ = timeout(CLOSE_TIMEOUT, stream.send_close(code)).await;
                code.unwrap_or(NO_STATUS)
            }
            End::Broken => ABNORMAL,
            End::Close(code) => {
                let _ = timeout(CLOSE_TIMEOUT, close(&mut stream, code)).await;
                code
            }
            End::Lost(code) => {
                let _ = timeout(CLOSE_TIMEOUT, stream.send_close(Some(code))).await;
                code
            }
        };
        drop(stream);
        // After a failed event there is no instance left to notify.
        if self.instance.is_some() {
            let _ = self.event(WsEvent::Close, Bytes::new(), code).await;
        }
        // Before `stop` is released: a node that is shutting down would not send it any more.
        std::mem::take(&mut self.span).end();
        if code != ABNORMAL {
            socket.linger().await;
        }
    }

    /// Everything between the upgrade and the end.
    async fn converse(&mut self, stream: &mut Stream, stop: &mut watch::Receiver<bool>) -> End {
        let idle = Duration::from_secs(self.flare.env.config.limits.ws_idle_secs.max(1));
        if let Err(end) = self
            .exchange(stream, WsEvent::Open, Bytes::new(), idle)
            .await
        {
            return end;
        }
        let mut ping = tokio::time::interval_at(stream.heard() + idle / 2, idle / 2);
        loop {
            let received = tokio::select! {
                received = stream.next() => received,
                _ = ping.tick() => {
                    if stream.heard().elapsed() >= idle {
                        self.note(format!("silent for {} s: closed", idle.as_secs()));
                        return End::Close(GOING_AWAY);
                    }
                    match timeout(idle, stream.send_control(Control::Ping, &[])).await {
                        Ok(Ok(())) => continue,
                        _ => return End::Broken,
                    }
                }
                () = stopped(stop) => return End::Close(GOING_AWAY),
            };
            match received {
                Ok(Received::Message(data)) => {
                    if let Err(end) = self.exchange(stream, WsEvent::Message, data, idle).await {
                        return end;
                    }
                }
                Ok(Received::Ping(payload)) => {
                    let pong = stream.send_control(Control::Pong, &payload);
                    if !matches!(timeout(idle, pong).await, Ok(Ok(()))) {
                        return End::Broken;
                    }
                }
                Ok(Received::Pong) => {}
                Ok(Received::Close(code)) => return End::Closed(code),
                Err(error) => return self.lost(&error),
            }
        }
    }

    /// How a connection ends from which nothing more can be read.
    fn lost(&self, error: &ReadError) -> End {
        match error {
            ReadError::Broken => End::Broken,
            ReadError::TooBig => {
                self.note(format!(
                    "closed: a message was larger than {} bytes (limits.max_ws_message_bytes)",
                    self.flare.env.config.limits.max_ws_message_bytes
                ));
                End::Lost(TOO_BIG)
            }
            ReadError::NotUtf8 => End::Lost(INVALID_DATA),
            ReadError::Slow => {
                self.note("a message took too long to arrive: closed".to_owned());
                End::Lost(GOING_AWAY)
            }
            ReadError::OverBudget => {
                self.note(
                    "there was no room for a message (the node's --memory is in use): closed"
                        .to_owned(),
                );
                End::Lost(TRY_AGAIN_LATER)
            }
            ReadError::Protocol(what) => {
                self.note(format!("the client broke the protocol: {what}"));
                End::Lost(PROTOCOL_ERROR)
            }
        }
    }

    /// Lets the flare handle an event, and sends what it queued.
    async fn exchange(
        &mut self,
        stream: &mut Stream,
        event: WsEvent,
        data: Bytes,
        idle: Duration,
    ) -> Result<(), End> {
        let Some((queue, closing)) = self.event(event, data, 0).await else {
            return Err(End::Close(INTERNAL_ERROR));
        };
        let send = async {
            for message in queue {
                stream.send_message(&message).await?;
            }
            Ok::<_, std::io::Error>(())
        };
        match timeout(idle, send).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(End::Broken),
            Err(_) => {
                self.note("cut off: the client does not read what it is sent".to_owned());
                return Err(End::Broken);
            }
        }
        match closing {
            Some(code) => Err(End::Close(code)),
            None => Ok(()),
        }
    }

    /// Runs an event in the instance; returns what it queued to send, and whether it closes the
    /// connection. `None` if it failed.
    async fn event(
        &mut self,
        event: WsEvent,
        data: Bytes,
        code: u16,
    ) -> Option<(Vec<Bytes>, Option<u16>)> {
        let mut instance = self.instance.take()?;
        let takes_long = self.flare.env.effort.is_long();
        let started = Instant::now();
        let mut span = self.span.inside("flare");
        if span.is_on() {
            span.text("flaron.flare", &self.flare.name);
            span.text("flaron.event", event.name());
        }
        instance.host().span = span;
        let (mut instance, outcome) = run_guest(takes_long, move |turn| {
            let host = instance.host();
            host.begin();
            if let Some(turn) = turn {
                host.clock.start_with(turn);
            }
            if let Some(socket) = &mut host.socket {
                socket.begin(event, data, code);
            }
            let outcome = instance.handle_event(event);
            (instance, outcome)
        })
        .await;
        let duration = started.elapsed();
        let host = instance.host();
        let notebook = std::mem::take(&mut host.notebook);
        let actions = host.socket.as_mut().map(Socket::take_actions);
        let mut span = std::mem::take(&mut host.span);
        if let Err(failure) = &outcome {
            span.fail(failure.word(), &failure.to_string());
        }
        span.end();
        let what = match event {
            WsEvent::Close => format!("close {code}"),
            _ => event.name().to_owned(),
        };
        let said = notebook.finish();
        let failed = outcome.is_err();
        self.slot.stats.record(duration, failed);
        self.state.journal.record(Entry {
            lines: said.lines,
            notes: said.notes,
            calls: said.calls,
            error: outcome.err().map(|failure| failure.to_string()),
            ..self.entry(&what, duration)
        });
        if failed {
            return None;
        }
        self.instance = Some(instance);
        actions
    }

    /// Records something about the connection that is not an event.
    fn note(&self, note: String) {
        self.state.journal.record(Entry {
            notes: vec![note],
            ..self.entry("connection", Duration::ZERO)
        });
    }

    fn entry(&self, what: &str, duration: Duration) -> Entry {
        let path = format!("{} {what} [{}]", self.path, self.id);
        Entry {
            duration,
            ..Entry::new(self.flare.name.clone(), "WS".to_owned(), path)
        }
    }
}

/// Closes a connection: sends the close frame, and waits for the answer.
async fn close(stream: &mut Stream, code: u16) {
    if stream.send_close(Some(code)).await.is_err() {
        return;
    }
    // Messages that were in transit arrive before the answer, and are ignored.
    while !matches!(stream.next().await, Ok(Received::Close(_)) | Err(_)) {}
}
