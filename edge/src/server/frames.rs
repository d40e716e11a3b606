//! WebSocket messages over a byte stream: RFC 6455, sections 5 and 7.
//!
//! tungstenite reads and writes the frames' headers. Messages are assembled here, because its
//! message layer cannot be made to reserve the room for a message before reading it, to reject
//! invalid UTF-8 before the message is complete, to pass on the close code 1014, or to leave the
//! connection readable after a message that was too large.

use std::io::Cursor;
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use crate::host::socket::close_code;
use crate::http::budget::{Budget, FIRST, Held, OverBudget, Pace, UNCOUNTED};

/// How much is read at once, in bytes.
const READ: usize = 8 << 10;
/// How much is read before other tasks get their turn, in bytes.
const SLICE: usize = 16 << 10;
/// Payloads of up to this size are copied behind their header, so that both are sent in one write.
const COPIED: usize = 16 << 10;
/// The largest payload of a control frame.
const MAX_CONTROL: u64 = 125;

/// What the other side sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// A whole message.
    Message(Bytes),
    /// It expects a pong with the same payload.
    Ping(Bytes),
    /// It is alive.
    Pong,
    /// It closes the connection, with this code if it gave one.
    Close(Option<u16>),
}

/// Why nothing more can be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ReadError {
    /// The connection broke or ended.
    Broken,
    /// A message exceeds the limit.
    TooBig,
    /// A text is not UTF-8.
    NotUtf8,
    /// The node has no room for a message.
    OverBudget,
    /// A message takes too long to arrive.
    Slow,
    /// It violates the protocol.
    Protocol(&'static str),
}

/// A message that is being assembled.
struct Partial {
    text: bool,
    bytes: BytesMut,
    held: Option<Held>,
    /// How large the message may become with the room it has.
    room: usize,
    pace: Pace,
    /// How much of a text has been checked to be UTF-8.
    checked: usize,
}

/// The frame that is being read.
struct Current {
    head: FrameHeader,
    /// How much of its payload is still to come.
    left: usize,
    /// How much of it has been read.
    read: usize,
}

/// The server's side of a connection.
pub(super) struct Frames<S> {
    io: S,
    buffer: BytesMut,
    current: Option<Current>,
    control: BytesMut,
    /// A message whose first frame has arrived, but not its last.
    partial: Option<Partial>,
    limit: usize,
    budget: Arc<Budget>,
    /// When the other side last sent something.
    heard: Instant,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Frames<S> {
    /// Messages have at most `limit` bytes, and are charged to the budget.
    pub(super) fn new(io: S, limit: usize, budget: Arc<Budget>) -> Self {
        Frames {
            io,
            buffer: BytesMut::new(),
            current: None,
            control: BytesMut::new(),
            partial: None,
            limit,
            budget,
            heard: Instant::now(),
        }
    }

    /// When the other side last sent something, even if only a part of a message.
    pub(super) fn heard(&self) -> Instant {
        self.heard
    }

    /// The next thing that the other side sends. The call is cancel safe.
    ///
    /// # Errors
    ///
    /// When nothing more can be read; the connection must then be closed.
    pub(super) async fn next(&mut self) -> Result<Received, ReadError> {
        let mut read = 0;
        loop {
            if let Some(received) = self.parse()? {
                return Ok(received);
            }
            if self.lacks_room() {
                self.reserve().await?;
                continue;
            }
            // Clients that send large messages must not keep others from being served.
            if read >= SLICE {
                read = 0;
                tokio::task::yield_now().await;
            }
            self.buffer.reserve(READ);
            let more = self.io.read_buf(&mut self.buffer);
            let more = match &mut self.partial {
                // A message that never ends must not keep its room forever.
                Some(partial) => {
                    let left = partial.pace.left(self.budget.patience());
                    let more = timeout(left, more).await.map_err(|_| ReadError::Slow)?;
                    partial.pace.received(*more.as_ref().unwrap_or(&0));
                    more
                }
                None => more.await,
            };
            match more {
                Ok(0) | Err(_) => return Err(ReadError::Broken),
                Ok(more) => read += more,
            }
            self.heard = Instant::now();
        }
    }

    /// Whether the frame that is being read needs more room than its message has.
    fn lacks_room(&self) -> bool {
        match (&self.current, &self.partial) {
            (Some(current), Some(partial)) if !current.is_control() => {
                partial.bytes.len() + current.left > partial.room
            }
            _ => false,
        }
    }

    /// Reserves room for the message of the frame that is being read. The message is counted as a whole,
    /// because parts that are small individually may be large together. A fragmented message, whose length
    /// is unknown, gets some room first, and then everything it may need.
    async fn reserve(&mut self) -> Result<(), ReadError> {
        let (Some(current), Some(partial)) = (&self.current, &mut self.partial) else {
            return Ok(());
        };
        let needed = partial.bytes.len() + current.left;
        let whole = current.head.is_final && partial.bytes.is_empty();
        let room = match () {
            () if whole => needed,
            () if needed <= FIRST => FIRST.min(self.limit),
            () => self.limit,
        };
        // What was free so far is counted, too.
        let budget = &self.budget;
        let reserved = match &mut partial.held {
            Some(held) => budget.grow(held, room).await,
            none if room == self.limit || whole => {
                budget.hold(room).await.map(|held| *none = Some(held))
            }
            none => budget.hold_first(room).await.map(|held| *none = Some(held)),
        };
        reserved.map_err(|OverBudget| ReadError::OverBudget)?;
        partial.room = room;
        // Memory that was not written to uses no physical pages, until everything is there.
        partial.bytes.reserve(room - partial.bytes.len());
        Ok(())
    }

    /// What the bytes received so far amount to.
    fn parse(&mut self) -> Result<Option<Received>, ReadError> {
        loop {
            if self.lacks_room() {
                return Ok(None);
            }
            let Some(current) = &mut self.current else {
                let mut cursor = Cursor::new(&self.buffer[..]);
                let parsed = FrameHeader::parse(&mut cursor);
                let Some((head, length)) =
                    parsed.map_err(|_| ReadError::Protocol("the frame's opcode is reserved"))?
                else {
                    return Ok(None);
                };
                let size = usize::try_from(cursor.position()).unwrap_or(usize::MAX);
                self.buffer.advance(size);
                self.begin(head, length)?;
                continue;
            };
            let take = current.left.min(self.buffer.len());
            let mut part = self.buffer.split_to(take);
            unmask(
                &mut part,
                current.head.mask.unwrap_or_default(),
                current.read,
            );
            current.left -= take;
            current.read += take;
            let (done, last, opcode) = (
                current.left == 0,
                current.head.is_final,
                current.head.opcode,
            );
            match opcode {
                OpCode::Control(_) => self.control.extend_from_slice(&part),
                OpCode::Data(_) => {
                    let partial = self.partial.get_or_insert_default();
                    partial.bytes.extend_from_slice(&part);
                    partial.check(done && last)?;
                }
            }
            if !done {
                return Ok(None);
            }
            self.current = None;
            match opcode {
                OpCode::Control(control) => {
                    let payload = self.control.split().freeze();
                    return received(control, payload).map(Some);
                }
                OpCode::Data(_) if last => {
                    let partial = self.partial.take().unwrap_or_default();
                    let bytes = partial.bytes.freeze();
                    return Ok(Some(Received::Message(match partial.held {
                        Some(held) => held.keep(bytes),
                        None => bytes,
                    })));
                }
                OpCode::Data(_) => {}
            }
        }
    }

    /// Checks whether a frame may begin here.
    fn begin(&mut self, head: FrameHeader, length: u64) -> Result<(), ReadError> {
        let wrong = |what| Err(ReadError::Protocol(what));
        if head.rsv1 || head.rsv2 || head.rsv3 {
            return wrong("a reserved bit of a frame is set");
        }
        if head.mask.is_none() {
            return wrong("a frame is not masked");
        }
        match head.opcode {
            OpCode::Control(_) => {
                if !head.is_final || length > MAX_CONTROL {
                    return wrong("a control frame is fragmented, or longer than 125 bytes");
                }
            }
            OpCode::Data(Data::Continue) if self.partial.is_none() => {
                return wrong("a continuation frame without a first frame");
            }
            OpCode::Data(Data::Continue) => {}
            OpCode::Data(kind) => {
                if self.partial.is_some() {
                    return wrong("a new message inside a fragmented one");
                }
                self.partial = Some(Partial {
                    text: kind == Data::Text,
                    ..Partial::default()
                });
            }
        }
        let before = self
            .partial
            .as_ref()
            .map_or(0, |partial| partial.bytes.len());
        let left = usize::try_from(length).unwrap_or(usize::MAX);
        let current = Current {
            head,
            left,
            read: 0,
        };
        if !current.is_control() && before.saturating_add(left) > self.limit {
            return Err(ReadError::TooBig);
        }
        self.current = Some(current);
        Ok(())
    }

    /// Sends a message: as text if it is UTF-8, otherwise as binary.
    pub(super) async fn send_message(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let kind = match std::str::from_utf8(bytes) {
            Ok(_) => Data::Text,
            Err(_) => Data::Binary,
        };
        self.send(OpCode::Data(kind), bytes).await
    }

    /// Sends a ping or a pong.
    pub(super) async fn send_control(
        &mut self,
        control: Control,
        payload: &[u8],
    ) -> std::io::Result<()> {
        self.send(OpCode::Control(control), payload).await
    }

    /// Sends a close frame, with this code if there is one.
    pub(super) async fn send_close(&mut self, code: Option<u16>) -> std::io::Result<()> {
        let payload = code.map(u16::to_be_bytes);
        let payload = payload.as_ref().map_or(&[][..], |code| code);
        self.send_control(Control::Close, payload).await
    }

    async fn send(&mut self, opcode: OpCode, payload: &[u8]) -> std::io::Result<()> {
        let head = FrameHeader {
            is_final: true,
            rsv1: false,
            rsv2: false,
            rsv3: false,
            opcode,
            mask: None,
        };
        let mut bytes = Vec::with_capacity(16);
        head.format(payload.len() as u64, &mut bytes)
            .map_err(std::io::Error::other)?;
        if payload.len() <= COPIED {
            bytes.extend_from_slice(payload);
            self.io.write_all(&bytes).await?;
        } else {
            self.io.write_all(&bytes).await?;
            self.io.write_all(payload).await?;
        }
        self.io.flush().await
    }
}

impl Current {
    fn is_control(&self) -> bool {
        matches!(self.head.opcode, OpCode::Control(_))
    }
}

impl Default for Partial {
    fn default() -> Self {
        Partial {
            text: false,
            bytes: BytesMut::new(),
            held: None,
            room: UNCOUNTED,
            pace: Pace::new(),
            checked: 0,
        }
    }
}

impl Partial {
    /// Rejects a text at the first byte that cannot be UTF-8.
    fn check(&mut self, complete: bool) -> Result<(), ReadError> {
        if !self.text {
            return Ok(());
        }
        match std::str::from_utf8(&self.bytes[self.checked..]) {
            Ok(_) => {
                self.checked = self.bytes.len();
                Ok(())
            }
            Err(error) if error.error_len().is_none() && !complete => {
                self.checked += error.valid_up_to();
                Ok(())
            }
            Err(_) => Err(ReadError::NotUtf8),
        }
    }
}

/// What a control frame means.
fn received(control: Control, payload: Bytes) -> Result<Received, ReadError> {
    match control {
        Control::Ping => Ok(Received::Ping(payload)),
        Control::Pong => Ok(Received::Pong),
        Control::Close => match *payload {
            [] => Ok(Received::Close(None)),
            [high, low, ref reason @ ..] => {
                let code = u16::from_be_bytes([high, low]);
                if !close_code::may_be_sent(code) {
                    return Err(ReadError::Protocol(
                        "endpoints must not send this close code",
                    ));
                }
                match std::str::from_utf8(reason) {
                    Ok(_) => Ok(Received::Close(Some(code))),
                    Err(_) => Err(ReadError::NotUtf8),
                }
            }
            _ => Err(ReadError::Protocol("a close code has two bytes")),
        },
        Control::Reserved(_) => Err(ReadError::Protocol("the frame's opcode is reserved")),
    }
}

/// Removes the mask from the part of a payload that begins at `at`.
fn unmask(part: &mut [u8], mut mask: [u8; 4], at: usize) {
    mask.rotate_left(at % 4);
    let (chunks, rest) = part.as_chunks_mut::<4>();
    let word = u32::from_ne_bytes(mask);
    for chunk in chunks {
        *chunk = (u32::from_ne_bytes(*chunk) ^ word).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask) {
        *byte ^= mask;
    }
}

#[cfg(test)]
mod tests;
