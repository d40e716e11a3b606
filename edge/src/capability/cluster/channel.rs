//! A stream between two nodes that both have the cluster's key.
//!
//! The handshake is Noise's `NNpsk0` with X25519, ChaCha20-Poly1305 and BLAKE2s, implemented by
//! [`snow`]. A stranger's first bytes do not decrypt, which ends the connection; traffic recorded
//! today cannot be read with a key that is stolen tomorrow; and no byte of one connection is of any
//! use in another. The first message begins with the number of the key it was made with, so that
//! two keys can be in use while one replaces the other.
//!
//! After that, each side sends messages: a length, then the message, cut into Noise messages of at
//! most 64 KiB. A length above what the reader expects ends the connection before anything is
//! allocated.

use std::time::Duration;

use snow::{Builder, TransportState};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::capability::cluster::ClusterKeys;

const PATTERN: &str = "Noise_NNpsk0_25519_ChaChaPoly_BLAKE2s";

/// What both sides must agree on besides the key: the version of the protocol.
const PROLOGUE: &[u8] = b"flaron-edge cluster 1";

/// The longest Noise message, and how much of ours fits into one.
const NOISE_MAX: usize = 65_535;
const CHUNK: usize = NOISE_MAX - TAG;
const TAG: usize = 16;

/// A handshake message: a public key and a tag.
const HANDSHAKE: usize = 32 + TAG;

/// The time limit for a handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a stream ended.
#[derive(Debug)]
pub(crate) enum ChannelError {
    /// A network error.
    Io(std::io::Error),
    /// The other side does not have our key, or is not a node.
    Stranger,
    /// A node that has the key broke the protocol.
    Broken(&'static str),
}

impl std::fmt::Display for ChannelError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Stranger => {
                f.write_str("it does not have this cluster's key; give both nodes the same one")
            }
            Self::Broken(what) => write!(f, "it sent {what}"),
        }
    }
}

impl From<std::io::Error> for ChannelError {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

/// An encrypted stream of messages.
pub(crate) struct Channel {
    stream: TcpStream,
    noise: TransportState,
    buffer: Vec<u8>,
}

impl Channel {
    /// Opens a stream as the caller.
    pub(crate) async fn dial(stream: TcpStream, keys: &ClusterKeys) -> Result<Self, ChannelError> {
        within(HANDSHAKE_TIMEOUT, Self::dial_now(stream, keys)).await
    }

    /// Opens a stream as the side that was called.
    pub(crate) async fn accept(
        stream: TcpStream,
        keys: &ClusterKeys,
    ) -> Result<Self, ChannelError> {
        within(HANDSHAKE_TIMEOUT, Self::accept_now(stream, keys)).await
    }

    async fn dial_now(mut stream: TcpStream, keys: &ClusterKeys) -> Result<Self, ChannelError> {
        stream.set_nodelay(true)?;
        let key = keys.current();
        let mut noise = builder(&key.secret)?
            .build_initiator()
            .map_err(|_| ChannelError::Stranger)?;
        let mut first = [0; 4 + HANDSHAKE];
        first[..4].copy_from_slice(&key.number);
        noise
            .write_message(&[], &mut first[4..])
            .map_err(|_| ChannelError::Stranger)?;
        stream.write_all(&first).await?;
        let mut second = [0; HANDSHAKE];
        // A caller without the key gets no answer; the connection is closed.
        match stream.read_exact(&mut second).await {
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                return Err(ChannelError::Stranger);
            }
            read => read?,
        };
        noise
            .read_message(&second, &mut [])
            .map_err(|_| ChannelError::Stranger)?;
        Self::new(stream, noise)
    }

    async fn accept_now(mut stream: TcpStream, keys: &ClusterKeys) -> Result<Self, ChannelError> {
        stream.set_nodelay(true)?;
        let mut first = [0; 4 + HANDSHAKE];
        stream.read_exact(&mut first).await?;
        let [a, b, c, d, handshake @ ..] = &first;
        let key = keys.find([*a, *b, *c, *d]).ok_or(ChannelError::Stranger)?;
        let mut noise = builder(&key.secret)?
            .build_responder()
            .map_err(|_| ChannelError::Stranger)?;
        noise
            .read_message(handshake, &mut [])
            .map_err(|_| ChannelError::Stranger)?;
        let mut second = [0; HANDSHAKE];
        noise
            .write_message(&[], &mut second)
            .map_err(|_| ChannelError::Stranger)?;
        stream.write_all(&second).await?;
        Self::new(stream, noise)
    }

    fn new(stream: TcpStream, noise: snow::HandshakeState) -> Result<Self, ChannelError> {
        Ok(Self {
            stream,
            noise: noise
                .into_transport_mode()
                .map_err(|_| ChannelError::Stranger)?,
            buffer: Vec::new(),
        })
    }

    /// Sends one message.
    pub(crate) async fn send(&mut self, message: &[u8]) -> Result<(), ChannelError> {
        let length =
            u32::try_from(message.len()).map_err(|_| ChannelError::Broken("too long a message"))?;
        self.buffer.clear();
        self.seal(&length.to_le_bytes())?;
        for chunk in message.chunks(CHUNK) {
            self.seal(chunk)?;
        }
        self.stream.write_all(&self.buffer).await?;
        Ok(())
    }

    fn seal(&mut self, chunk: &[u8]) -> Result<(), ChannelError> {
        let at = self.buffer.len();
        self.buffer.resize(at + chunk.len() + TAG, 0);
        self.noise
            .write_message(chunk, &mut self.buffer[at..])
            .map_err(|_| ChannelError::Broken("more than one connection may carry"))?;
        Ok(())
    }

    /// Receives one message of at most `most` bytes.
    pub(crate) async fn receive(&mut self, most: usize) -> Result<Vec<u8>, ChannelError> {
        let mut length = [0; 4];
        let mut sealed = [0; 4 + TAG];
        self.stream.read_exact(&mut sealed).await?;
        self.noise
            .read_message(&sealed, &mut length)
            .map_err(|_| ChannelError::Broken("what is not authentic"))?;
        let length = u32::from_le_bytes(length) as usize;
        if length > most {
            return Err(ChannelError::Broken("a message longer than allowed"));
        }
        let mut message = vec![0; length];
        for chunk in message.chunks_mut(CHUNK) {
            self.buffer.resize(chunk.len() + TAG, 0);
            self.stream.read_exact(&mut self.buffer).await?;
            self.noise
                .read_message(&self.buffer, chunk)
                .map_err(|_| ChannelError::Broken("what is not authentic"))?;
        }
        Ok(message)
    }
}

fn builder(secret: &[u8; 32]) -> Result<Builder<'_>, ChannelError> {
    let params = PATTERN.parse().map_err(|_| ChannelError::Stranger)?;
    Builder::new(params)
        .psk(0, secret)
        .and_then(|builder| builder.prologue(PROLOGUE))
        .map_err(|_| ChannelError::Stranger)
}

/// The result, or a timeout, as a network error.
pub(crate) async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, ChannelError>>,
) -> Result<T, ChannelError> {
    tokio::time::timeout(limit, work)
        .await
        .unwrap_or_else(|_| Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()))
}
