//! The socket of the gossip.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chitchat::ChitchatEnvelope;
use chitchat::transport::{RecvOutcome, SendOutcome, Socket, Transport, UdpSocket};

use crate::sync::lock;

/// Hands Chitchat the socket that was opened before, when its port was not known yet.
pub(super) struct PreboundSocket {
    pub(super) socket: Mutex<Option<IsolatableSocket>>,
}

#[async_trait]
impl Transport for PreboundSocket {
    async fn open(&self, _: SocketAddr) -> anyhow::Result<Box<dyn Socket>> {
        let socket = lock(&self.socket)
            .take()
            .ok_or_else(|| anyhow::anyhow!("opened twice"))?;
        Ok(Box::new(socket))
    }
}

/// The socket, with a gate that tests can close.
pub(super) struct IsolatableSocket {
    pub(super) socket: UdpSocket,
    pub(super) isolated: Arc<AtomicBool>,
    pub(super) warned: bool,
}

#[async_trait]
impl Socket for IsolatableSocket {
    fn local_addr(&self) -> anyhow::Result<SocketAddr> {
        self.socket.local_addr()
    }

    async fn send(
        &mut self,
        to: SocketAddr,
        envelope: ChitchatEnvelope,
    ) -> anyhow::Result<SendOutcome> {
        if self.isolated.load(Ordering::SeqCst) {
            return Ok(SendOutcome { num_bytes_sent: 0 });
        }
        let result = self.socket.send(to, envelope).await;
        if let Err(error) = &result
            && !self.warned
        {
            self.warned = true;
            tracing::warn!(
                %to, error = format!("{error:#}"),
                "plasma: cannot send gossip. If the message is too long, as on macOS, run \
                 `sysctl -w net.inet.udp.maxdgram=65535`. This is said once"
            );
        }
        result
    }

    async fn recv(&mut self) -> anyhow::Result<RecvOutcome> {
        loop {
            let received = self.socket.recv().await?;
            if !self.isolated.load(Ordering::SeqCst) {
                return Ok(received);
            }
        }
    }
}
