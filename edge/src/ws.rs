//! WebSockets: one instance for each connection, which sees its events one after the other.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

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

use crate::Inner;
use crate::body::Body;
use crate::engine::{Failure, Instance, WsEvent};
use crate::flare::{Flare, Slot};
use crate::host::Host;
use crate::logging::Entry;
use crate::request::RequestView;
use crate::server::{answer, on_a_thread, stopped};

/// How many bytes one event may queue for sending; beyond, `ws_send` answers "send limit".
const MAX_QUEUED: usize = 16 << 20;
/// How long the other side may take to answer a close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// The codes of `ws_send`.
const SEND_LIMIT: i32 = 1;
const TOO_LARGE: i32 = 2;
pub(crate) const SEND_FAILED: i32 = 3;

/// What the flare sees of its connection, and what it wants done with it.
#[derive(Debug)]
pub(crate) struct Socket {
    id: String,
    event: WsEvent,
    data: Bytes,
    /// The code that the connection was closed with; 0 while it is open.
    close_code: u16,
    /// Whether messages can still be sent.
    open: bool,
    sends: u32,
    queue: Vec<Message>,
    queued: usize,
    /// The code that the flare wants to close with.
    closing: Option<u16>,
}

impl Socket {
    /// A connection with this identifier.
    pub fn new(id: String) -> Self {
        Socket {
            id,
            event: WsEvent::Open,
            data: Bytes::new(),
            close_code: 0,
            open: true,
            sends: 0,
            queue: Vec::new(),
            queued: 0,
            closing: None,
        }
    }
}

impl Host {
    /// `ws_send`: bytes that are UTF-8 go out as a text message, others as a binary one.
    pub(crate) fn ws_send(&mut self, bytes: &[u8]) -> i32 {
        let limits = &self.flare.config.limits;
        let (max_sends, max_bytes) = (limits.max_ws_sends, limits.max_ws_message_bytes);
        let Some(socket) = &mut self.socket else {
            self.note("no socket", || {
                "ws_send failed: this invocation has no WebSocket connection".to_owned()
            });
            return SEND_FAILED;
        };
        if !socket.open {
            self.note("closed socket", || {
                "ws_send failed: the connection is closed".to_owned()
            });
            return SEND_FAILED;
        }
        if bytes.len() > max_bytes {
            self.note("large message", || {
                format!(
                    "ws_send refused a message of {} bytes (limits.max_ws_message_bytes is \
                     {max_bytes})",
                    bytes.len()
                )
            });
            return TOO_LARGE;
        }
        if socket.sends >= max_sends || socket.queued + bytes.len() > MAX_QUEUED {
            self.note("send limit", || {
                format!(
                    "ws_send refused: at most {max_sends} messages (limits.max_ws_sends) and \
                     {MAX_QUEUED} bytes in one event"
                )
            });
            return SEND_LIMIT;
        }
        socket.sends += 1;
        socket.queued += bytes.len();
        socket.queue.push(match std::str::from_utf8(bytes) {
            Ok(text) => Message::text(text),
            Err(_) => Message::binary(Bytes::copy_from_slice(bytes)),
        });
        0
    }

    /// `ws_close_conn`: what was sent before still goes out; the connection is closed when the
    /// event ends.
    pub(crate) fn ws_close_conn(&mut self, code: i32) {
        let valid = u16::try_from(code)
            .ok()
            .filter(|&code| CloseCode::from(code).is_allowed());
        if valid.is_none() {
            self.note("bad close code", || {
                format!(
                    "ws_close_conn({code}): no endpoint may send that code, 1000 is sent; use 1000 \
                     or one from 3000 to 4999"
                )
            });
        }
        if let Some(socket) = &mut self.socket
            && socket.open
        {
            socket.open = false;
            socket.closing = Some(valid.unwrap_or(1000));
        }
    }

    /// `ws_conn_id`
    pub(crate) fn ws_conn_id(&mut self) -> Option<Bytes> {
        let socket = self.socket.as_ref()?;
        Some(Bytes::copy_from_slice(socket.id.as_bytes()))
    }

    /// `ws_event_type`
    pub(crate) fn ws_event_type(&mut self) -> Option<Bytes> {
        let name = match self.socket.as_ref()?.event {
            WsEvent::Open => "open",
            WsEvent::Message => "message",
            WsEvent::Close => "close",
        };
        Some(Bytes::from_static(name.as_bytes()))
    }

    /// `ws_event_data`: the message; nothing in other events.
    pub(crate) fn ws_event_data(&mut self) -> Option<Bytes> {
        let socket = self.socket.as_ref()?;
        (socket.event == WsEvent::Message).then(|| socket.data.clone())
    }

    /// `ws_close_code`
    pub(crate) fn ws_close_code(&mut self) -> i32 {
        self.socket
            .as_ref()
            .map_or(0, |socket| i32::from(socket.close_code))
    }
}

/// Whether a request wants to become a WebSocket connection.
pub(crate) fn is_upgrade(request: &Request<Body>) -> bool {
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
pub(crate) fn upgrade(
    inner: &Arc<Inner>,
    slot: &Arc<Slot>,
    flare: Arc<Flare>,
    mut request: Request<Body>,
    stop: watch::Receiver<bool>,
) -> Result<Response<Body>, Box<(Host, Failure)>> {
    let mut response = match create_response_with_body(&request, || Body::Empty) {
        Ok(response) => response,
        Err(_) => {
            let mut response = answer(
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
        return Ok(answer(
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
    let id = flare.node.ids.ulid();
    let mut host = Host::new(flare.clone(), view);
    host.socket = Some(Socket::new(id.clone()));
    let instance = flare.program.instantiate(host)?;
    let connection = Connection {
        inner: inner.clone(),
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
    inner: Arc<Inner>,
    slot: Arc<Slot>,
    flare: Arc<Flare>,
    path: String,
    id: String,
    /// Gone once an event has failed.
    instance: Option<Instance>,
}

/// How a connection came to its end.
enum End {
    /// The other side closed it, with this code (1005 if it named none).
    Closed(u16),
    /// It broke.
    Broken,
    /// This side closes it, with this code.
    Close(u16),
}

impl Connection {
    async fn serve(mut self, upgraded: Upgraded, stop: watch::Receiver<bool>) {
        let limit = self.flare.config.limits.max_ws_message_bytes;
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
            End::Broken => 1006,
            End::Close(code) => {
                close(&mut stream, code).await;
                code
            }
        };
        drop(stream);
        // A failed event has no instance any more, and nothing to tell it.
        if self.instance.is_some() {
            let _ = self.event(WsEvent::Close, Bytes::new(), code).await;
        }
    }

    /// Everything between the upgrade and the end.
    async fn converse(&mut self, stream: &mut Stream, mut stop: watch::Receiver<bool>) -> End {
        let idle = Duration::from_secs(self.flare.config.limits.ws_idle_secs.max(1));
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
                        return End::Close(1001);
                    }
                    let sent = timeout(idle, stream.send(Message::Ping(Bytes::new()))).await;
                    match sent {
                        Ok(Ok(())) => continue,
                        _ => return End::Broken,
                    }
                }
                () = stopped(&mut stop) => return End::Close(1001),
            };
            heard = Instant::now();
            let data = match message {
                Some(Ok(Message::Text(text))) => Bytes::from(text),
                Some(Ok(Message::Binary(bytes))) => bytes,
                Some(Ok(Message::Close(frame))) => {
                    return End::Closed(frame.map_or(1005, |frame| frame.code.into()));
                }
                // Pings are answered by the library.
                Some(Ok(_)) => continue,
                Some(Err(WsError::Capacity(_))) => {
                    self.say(format!(
                        "a message was larger than {} bytes (limits.max_ws_message_bytes): closed",
                        self.flare.config.limits.max_ws_message_bytes
                    ));
                    return End::Close(1009);
                }
                Some(Err(WsError::Utf8(_))) => return End::Close(1007),
                Some(Err(WsError::Protocol(error))) if !is_hang_up(&error) => {
                    self.say(format!("the client broke the protocol: {error}"));
                    return End::Close(1002);
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
            return Err(End::Close(1011));
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
        let (mut instance, outcome) = on_a_thread(move || {
            let host = instance.host();
            host.begin();
            if let Some(socket) = &mut host.socket {
                socket.event = event;
                socket.data = data;
                socket.close_code = code;
                socket.open &= event != WsEvent::Close;
                socket.sends = 0;
                socket.queued = 0;
            }
            let outcome = instance.handle_event(event);
            (instance, outcome)
        })
        .await;
        let duration = started.elapsed();
        let host = instance.host();
        let notebook = std::mem::take(&mut host.notebook);
        let actions = host.socket.as_mut().map(|socket| {
            socket.data = Bytes::new();
            (std::mem::take(&mut socket.queue), socket.closing.take())
        });
        let what = match event {
            WsEvent::Open => "open".to_owned(),
            WsEvent::Message => "message".to_owned(),
            WsEvent::Close => format!("close {code}"),
        };
        let (lines, notes) = notebook.finish();
        let failed = outcome.is_err();
        self.slot.stats.record(duration, failed);
        self.inner.journal.record(Entry {
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
        self.inner.journal.record(Entry {
            notes: vec![note],
            ..self.entry("connection", Duration::ZERO)
        });
    }

    fn entry(&self, what: &str, duration: Duration) -> Entry {
        Entry {
            seq: 0,
            time: SystemTime::now(),
            flare: self.flare.name.clone(),
            method: "WS".to_owned(),
            path: format!("{} {what} [{}]", self.path, self.id),
            status: None,
            duration,
            lines: Vec::new(),
            notes: Vec::new(),
            error: None,
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
