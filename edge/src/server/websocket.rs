//! WebSockets: one instance for each connection, which sees its events one after the other.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

use crate::flare::Flare;
use crate::flare::slot::Slot;
use crate::host::Host;
use crate::host::request::RequestView;
use crate::host::socket::close_code::{
    ABNORMAL, GOING_AWAY, INTERNAL_ERROR, INVALID_DATA, NO_STATUS, PROTOCOL_ERROR, TOO_BIG,
};
use crate::host::socket::{Socket, WsEvent};
use crate::http::body::Body;
use crate::http::reply::reply;
use crate::journal::Entry;
use crate::runtime::run_blocking;
use crate::shutdown::stopped;
use crate::state::State;
use crate::wasm::failure::Failure;
use crate::wasm::program::Instance;

/// How long the other side may take to answer a close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// Whether a request wants to become a WebSocket connection.
pub(super) fn is_upgrade(request: &Request<Body>) -> bool {
    request
        .headers()
        .get(header::UPGRADE)
        .is_some_and(|upgrade| upgrade.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Answers such a request, and serves the connection in the background once it is upgraded.
///
/// # Errors
///
/// The failure, when the flare could not be instantiated.
pub(super) fn upgrade(
    state: &Arc<State>,
    slot: &Arc<Slot>,
    flare: Arc<Flare>,
    mut request: Request<Body>,
    stop: watch::Receiver<bool>,
) -> Result<Response<Body>, Box<(Host, Failure)>> {
    let mut response = match create_response_with_body(&request, || Body::Empty) {
        Ok(response) => response,
        Err(_) => {
            let mut response = reply(
                StatusCode::BAD_REQUEST,
                "bad-upgrade",
                "not a proper WebSocket upgrade: GET, HTTP/1.1, Connection, Sec-WebSocket-Key and \
                 Sec-WebSocket-Version: 13 are needed",
            );
            let version = HeaderValue::from_static("13");
            let headers = response.headers_mut();
            headers.insert(header::SEC_WEBSOCKET_VERSION, version);
            return Ok(response);
        }
    };
    let Some(upgrade) = request.extensions_mut().remove::<OnUpgrade>() else {
        return Ok(reply(
            StatusCode::NOT_IMPLEMENTED,
            "no-socket",
            "only a request that came through a socket can be upgraded",
        ));
    };
    // The server's own error is not needed on the way to a 101.
    response.headers_mut().remove(header::CONTENT_LENGTH);
    let (parts, _) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let view = RequestView {
        method: parts.method,
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
    };
    tokio::spawn(async move {
        // An error means that the client hung up before it was upgraded.
        if let Ok(upgraded) = upgrade.await {
            connection.slot.stats.socket_opened();
            let slot = connection.slot.clone();
            connection.serve(upgraded, stop).await;
            slot.stats.socket_closed();
        }
    });
    Ok(response)
}

type Stream = WebSocketStream<TokioIo<Upgraded>>;

/// One connection with its instance.
struct Connection {
    state: Arc<State>,
    slot: Arc<Slot>,
    flare: Arc<Flare>,
    path: String,
    id: String,
    /// Gone once an event has failed.
    instance: Option<Instance>,
}

/// How a connection came to its end.
enum End {
    /// The other side closed it, with this code ([`NO_STATUS`] if it named none).
    Closed(u16),
    /// It broke.
    Broken,
    /// This side closes it, with this code.
    Close(u16),
}

impl Connection {
    async fn serve(mut self, upgraded: Upgraded, stop: watch::Receiver<bool>) {
        let limit = self.flare.env.config.limits.max_ws_message_bytes;
        let config = WebSocketConfig::default()
            .max_message_size(Some(limit))
            .max_frame_size(Some(limit))
            .read_buffer_size(8 << 10)
            .write_buffer_size(8 << 10);
        let io = TokioIo::new(upgraded);
        let mut stream = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
        let code = match self.converse(&mut stream, stop).await {
            End::Closed(code) => {
                // Reading on sends the answer to the other side's close.
                let _ = timeout(CLOSE_TIMEOUT, end(&mut stream)).await;
                code
            }
            End::Broken => ABNORMAL,
            End::Close(code) => {
                close(&mut stream, code).await;
                code
            }
        };
        drop(stream);
        // After a failed event there is no instance left to tell.
        if self.instance.is_some() {
            let _ = self.event(WsEvent::Close, Bytes::new(), code).await;
        }
    }

    /// Everything between the upgrade and the end.
    async fn converse(&mut self, stream: &mut Stream, mut stop: watch::Receiver<bool>) -> End {
        let idle = Duration::from_secs(self.flare.env.config.limits.ws_idle_secs.max(1));
        if let Err(end) = self
            .exchange(stream, WsEvent::Open, Bytes::new(), idle)
            .await
        {
            return end;
        }
        let mut heard = Instant::now();
        let mut ping = tokio::time::interval_at((heard + idle / 2).into(), idle / 2);
        loop {
            let message = tokio::select! {
                message = stream.next() => message,
                _ = ping.tick() => {
                    if heard.elapsed() >= idle {
                        self.say(format!("silent for {} s: closed", idle.as_secs()));
                        return End::Close(GOING_AWAY);
                    }
                    let sent = timeout(idle, stream.send(Message::Ping(Bytes::new()))).await;
                    match sent {
                        Ok(Ok(())) => continue,
                        _ => return End::Broken,
                    }
                }
                () = stopped(&mut stop) => return End::Close(GOING_AWAY),
            };
            heard = Instant::now();
            let data = match message {
                Some(Ok(Message::Text(text))) => Bytes::from(text),
                Some(Ok(Message::Binary(bytes))) => bytes,
                Some(Ok(Message::Close(frame))) => {
                    return End::Closed(frame.map_or(NO_STATUS, |frame| frame.code.into()));
                }
                // Pings are answered by the library.
                Some(Ok(_)) => continue,
                Some(Err(WsError::Capacity(_))) => {
                    self.say(format!(
                        "a message was larger than {} bytes (limits.max_ws_message_bytes): closed",
                        self.flare.env.config.limits.max_ws_message_bytes
                    ));
                    return End::Close(TOO_BIG);
                }
                Some(Err(WsError::Utf8(_))) => return End::Close(INVALID_DATA),
                Some(Err(WsError::Protocol(error))) if !is_hang_up(&error) => {
                    self.say(format!("the client broke the protocol: {error}"));
                    return End::Close(PROTOCOL_ERROR);
                }
                Some(Err(_)) | None => return End::Broken,
            };
            if let Err(end) = self.exchange(stream, WsEvent::Message, data, idle).await {
                return end;
            }
        }
    }

    /// Lets the flare handle an event, and sends what it wants sent.
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
                stream.feed(message).await?;
            }
            stream.flush().await
        };
        match timeout(idle, send).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(End::Broken),
            Err(_) => {
                self.say("the client does not take what is sent: cut off".to_owned());
                return Err(End::Broken);
            }
        }
        match closing {
            Some(code) => Err(End::Close(code)),
            None => Ok(()),
        }
    }

    /// Runs an event in the instance; what it queued to send, and whether it closes. `None` if it
    /// failed.
    async fn event(
        &mut self,
        event: WsEvent,
        data: Bytes,
        code: u16,
    ) -> Option<(Vec<Message>, Option<u16>)> {
        let mut instance = self.instance.take()?;
        let started = Instant::now();
        let (mut instance, outcome) = run_blocking(move || {
            let host = instance.host();
            host.begin();
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
        let what = match event {
            WsEvent::Open => "open".to_owned(),
            WsEvent::Message => "message".to_owned(),
            WsEvent::Close => format!("close {code}"),
        };
        let (lines, notes) = notebook.finish();
        let failed = outcome.is_err();
        self.slot.stats.record(duration, failed);
        self.state.journal.record(Entry {
            lines,
            notes,
            error: outcome.err().map(|failure| failure.to_string()),
            ..self.entry(&what, duration)
        });
        if failed {
            return None;
        }
        self.instance = Some(instance);
        actions
    }

    /// Says something about the connection that is no event.
    fn say(&self, note: String) {
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

/// Whether a protocol error is only the other side's sudden end.
fn is_hang_up(error: &tokio_tungstenite::tungstenite::error::ProtocolError) -> bool {
    use tokio_tungstenite::tungstenite::error::ProtocolError;
    matches!(error, ProtocolError::ResetWithoutClosingHandshake)
}

/// Closes a connection: sends the close, and waits for the answer.
async fn close(stream: &mut Stream, code: u16) {
    let frame = CloseFrame {
        code: CloseCode::from(code),
        reason: "".into(),
    };
    let handshake = async {
        stream.close(Some(frame)).await?;
        end(stream).await
    };
    // Whatever becomes of it, the connection ends here.
    let _ = timeout(CLOSE_TIMEOUT, handshake).await;
}

/// Reads what is left, to the end of the connection.
async fn end(stream: &mut Stream) -> Result<(), WsError> {
    while let Some(message) = stream.next().await {
        message?;
    }
    Ok(())
}
