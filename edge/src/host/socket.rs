//! A flare's WebSocket connection as it sees it, and what it wants done with it.

use bytes::Bytes;

/// How many bytes an event may queue for sending; beyond that, `ws_send` returns
/// [`SEND_LIMIT_REACHED`].
pub(crate) const MAX_QUEUED: usize = 16 << 20;

/// `ws_send`: this event may not send any more.
pub(crate) const SEND_LIMIT_REACHED: i32 = 1;
/// `ws_send`: the message is too large.
pub(crate) const MESSAGE_TOO_LARGE: i32 = 2;
/// `ws_send`: there is no open connection to send on.
pub(crate) const SEND_ERROR: i32 = 3;

/// The close codes of RFC 6455, section 7.4.1, that the edge uses.
pub(crate) mod close_code {
    /// The connection has served its purpose.
    pub(crate) const NORMAL: u16 = 1000;
    /// The node is stopping, or the client has been silent for too long.
    pub(crate) const GOING_AWAY: u16 = 1001;
    /// A frame that violates the protocol.
    pub(crate) const PROTOCOL_ERROR: u16 = 1002;
    /// The other side gave no code. Never sent.
    pub(crate) const NO_STATUS: u16 = 1005;
    /// The connection broke without a close. Never sent.
    pub(crate) const ABNORMAL: u16 = 1006;
    /// Text that is not UTF-8.
    pub(crate) const INVALID_DATA: u16 = 1007;
    /// A message that is too large.
    pub(crate) const TOO_BIG: u16 = 1009;
    /// The flare failed.
    pub(crate) const INTERNAL_ERROR: u16 = 1011;
    /// The node has no room for the message.
    pub(crate) const TRY_AGAIN_LATER: u16 = 1013;

    /// Whether an endpoint may send a code: the registered ones, except for the three that stand
    /// for the absence of a code, and those of frameworks and applications.
    pub(crate) fn may_be_sent(code: u16) -> bool {
        matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }
}

/// A WebSocket event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WsEvent {
    Open,
    Message,
    Close,
}

impl WsEvent {
    /// Its name in the ABI: `open`, `message` or `close`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            WsEvent::Open => "open",
            WsEvent::Message => "message",
            WsEvent::Close => "close",
        }
    }
}

/// The connection as an event sees it.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) id: String,
    pub(crate) event: WsEvent,
    pub(crate) data: Bytes,
    /// The code that the connection was closed with; 0 while it is open.
    pub(crate) close_code: u16,
    /// Whether messages can still be sent.
    pub(crate) open: bool,
    pub(crate) sends: u32,
    /// The messages to send.
    pub(crate) queue: Vec<Bytes>,
    /// Their total length, in bytes.
    pub(crate) queued: usize,
    /// The code with which the flare wants to close the connection.
    pub(crate) closing: Option<u16>,
}

impl Socket {
    /// A connection with this identifier.
    pub(crate) fn new(id: String) -> Self {
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

    /// Begins an event.
    pub(crate) fn begin(&mut self, event: WsEvent, data: Bytes, close_code: u16) {
        self.event = event;
        self.data = data;
        self.close_code = close_code;
        self.open &= event != WsEvent::Close;
        self.sends = 0;
        self.queued = 0;
    }

    /// Ends an event: returns what it sent, and the code with which it closes the connection.
    pub(crate) fn take_actions(&mut self) -> (Vec<Bytes>, Option<u16>) {
        self.data = Bytes::new();
        (std::mem::take(&mut self.queue), self.closing.take())
    }
}
