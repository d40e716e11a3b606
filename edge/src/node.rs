//! What all flares of a node share.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::{Handle, Runtime};

use crate::crypto::JwtPolicy;
use crate::error::{Error, Result};
use crate::id::IdGenerator;
use crate::plasma::Plasma;
use crate::spark::{ExportPolicy, Spark, SparkPeers};

/// The shared parts behind the capabilities.
pub(crate) struct Node {
    pub ids: IdGenerator,
    pub jwt: JwtPolicy,
    pub spark: Arc<Spark>,
    pub plasma: Arc<Plasma>,
    /// The nodes that keys can be pulled from.
    pub peers: Arc<SparkPeers>,
    /// Which nodes may pull keys from here.
    pub export: ExportPolicy,
    pub network: Network,
    /// Where the node listens.
    pub own: Mutex<Vec<SocketAddr>>,
}

impl Node {
    /// The addresses that the node listens on.
    pub fn own_addresses(&self) -> Vec<SocketAddr> {
        self.own
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Remembers one more.
    pub fn add_own_address(&self, address: SocketAddr) {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        own.push(address);
    }
}

/// The node's own thread for what it does on the network by itself: fetches, pulls, gossip. So
/// they work whatever runtime the caller of a request has, and guests can wait for them.
pub(crate) struct Network {
    runtime: Option<Runtime>,
    handle: Handle,
}

impl Network {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// When the system has no thread left.
    pub fn start() -> Result<Network> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("flaron-network")
            .enable_all()
            .build()
            .map_err(|error| Error::new(format!("cannot start a thread: {error}")))?;
        let handle = runtime.handle().clone();
        Ok(Network {
            runtime: Some(runtime),
            handle,
        })
    }

    /// What runs things on it.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Runs something on it and waits for its result.
    ///
    /// # Errors
    ///
    /// When it panicked.
    pub fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T> {
        let (done, wait) = std::sync::mpsc::sync_channel(1);
        self.handle.spawn(async move {
            // An error means that nobody waits any more.
            let _ = done.send(work.await);
        });
        wait.recv()
            .map_err(|_| Error::new("a task of the node's own network thread failed"))
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // The last request may end on a thread that must not wait for another runtime.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
