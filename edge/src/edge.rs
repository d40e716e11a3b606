//! The handle of a node: sending it requests in-process, serving a listener, and observing it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use tokio::net::TcpListener;
use tokio::sync::{broadcast, watch as signal};

use crate::capability::plasma::Plasma;
use crate::capability::spark::Spark;
use crate::contract::Kind;
use crate::error::{Error, Result};
use crate::flare::stats::StatsSnapshot;
use crate::http::body::Body;
use crate::journal::{Entry, LogLine, Printing};
use crate::runtime::run_apart;
use crate::server::exchange::handle;
use crate::server::listen::{Tls, accept};
#[cfg(feature = "tls")]
use crate::server::tls::Certificate;
use crate::state::{Reload, State};
use crate::wasm::info::FlareInfo;
use crate::watch::{self, Watch};

/// A node with its flares. Clones are the same node.
#[derive(Clone)]
pub struct Edge {
    state: Arc<State>,
}

impl Edge {
    pub(crate) fn new(state: State) -> Edge {
        let state = Arc::new(state);
        #[cfg(feature = "otlp")]
        crate::server::metrics::tell(&state);
        Edge { state }
    }

    /// Handles a request in this process, without a socket. It must be called within a Tokio
    /// runtime (of either kind, with I/O and time enabled).
    ///
    /// The response is what a client would get: failures of the flare are responses with a 5xx
    /// status and the header `x-flaron-error`. If the origin's body breaks off, it is truncated
    /// there.
    pub async fn request<B: Into<Bytes>>(&self, request: Request<B>) -> Response<Bytes> {
        let request = request.map(|body| Body::from(body.into()));
        let response = handle(&self.state, request, None, None).await;
        let (parts, mut body) = response.into_parts();
        let mut bytes = Vec::new();
        while let Some(Ok(frame)) = body.frame().await {
            if let Some(data) = frame.data_ref() {
                bytes.extend_from_slice(data);
            }
        }
        Response::from_parts(parts, bytes.into())
    }

    /// Serves HTTP and WebSockets on a listener, until the returned [`Server`] is shut down or
    /// dropped. It must be called within a multi-threaded Tokio runtime to serve requests in
    /// parallel.
    ///
    /// # Errors
    ///
    /// When the listener has no local address.
    pub fn serve(&self, listener: TcpListener) -> Result<Server> {
        self.serve_with(listener, None)
    }

    /// Serves the same over TLS: HTTP/2 or HTTP/1.1, as the client negotiates, and WebSockets over the latter.
    ///
    /// # Errors
    ///
    /// As [`serve`](Self::serve).
    #[cfg(feature = "tls")]
    pub fn serve_tls(&self, listener: TcpListener, certificate: &Certificate) -> Result<Server> {
        self.serve_with(listener, Some(certificate.acceptor()))
    }

    fn serve_with(&self, listener: TcpListener, tls: Option<Tls>) -> Result<Server> {
        let addr = listener
            .local_addr()
            .map_err(|error| Error::new(format!("the listener has no address: {error}")))?;
        self.state.node.add_own_address(addr);
        for slot in &self.state.slots {
            slot.current().env.beam.add_own_address(addr);
        }
        let (stop, stopped) = signal::channel(false);
        tokio::spawn(accept(self.state.clone(), listener, tls, stopped));
        Ok(Server { addr, stop })
    }

    /// The flares of this node, in the order they were added.
    pub fn flares(&self) -> Vec<FlareStatus> {
        self.state
            .slots
            .iter()
            .map(|slot| {
                let flare = slot.current();
                FlareStatus {
                    name: flare.name.to_string(),
                    file: flare.file.clone(),
                    has_lines: flare.has_lines,
                    kind: flare.kind,
                    routes: flare.routes.clone(),
                    info: flare.program.info.clone(),
                    stats: slot.stats.snapshot(),
                }
            })
            .collect()
    }

    /// The latest invocations (up to 1000), oldest first.
    pub fn entries(&self) -> Vec<Arc<Entry>> {
        self.state.journal.recent()
    }

    /// The lines that flares logged recently, oldest first.
    pub fn logs(&self) -> Vec<LogLine> {
        let entries = self.entries();
        entries
            .iter()
            .flat_map(|entry| entry.lines.clone())
            .collect()
    }

    /// A stream of all invocations from now on, each as it ends.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Entry>> {
        self.state.journal.subscribe()
    }

    /// Changes how invocations are printed from now on ([`EdgeBuilder::prints`](crate::EdgeBuilder::prints)).
    /// Host calls can be printed only if they are traced.
    pub fn set_prints(&self, prints: Printing) {
        self.state.journal.set_prints(prints);
    }

    /// The node's Plasma: its keys, and the other nodes.
    pub fn plasma(&self) -> &Arc<Plasma> {
        &self.state.node.plasma
    }

    /// The node's Spark: its keys and how much room they take.
    pub fn spark(&self) -> &Arc<Spark> {
        &self.state.node.spark
    }

    /// Says goodbye to the other nodes, and sends the collector what is left. Call it before the process ends.
    pub async fn leave(&self) {
        let state = self.state.clone();
        run_apart(move || state.telemetry.end()).await;
        let plasma = self.state.node.plasma.clone();
        let left = self
            .state
            .node
            .network
            .handle()
            .spawn(async move { plasma.leave().await });
        // An error means that the node's own thread is gone, and the gossip with it.
        let _ = left.await;
    }

    /// Reloads every flare: builds, compiles, checks. New requests go to the new flares; running requests and
    /// open WebSocket connections keep the old ones. This blocks.
    ///
    /// # Errors
    ///
    /// When a flare cannot be loaded; the old one stays, and those after it are not reloaded.
    pub fn reload(&self) -> Result<()> {
        for slot in &self.state.slots {
            self.state.reload(slot).outcome?;
        }
        Ok(())
    }

    /// Reloads every flare like [`reload`](Self::reload), even if others fail. This blocks. `report` is called
    /// with the outcome of each.
    pub fn reload_each(&self, mut report: impl FnMut(Reload)) {
        for slot in &self.state.slots {
            report(self.state.reload(slot));
        }
    }

    /// Reloads each flare when one of its files changes: its sources (including those of other crates that it
    /// uses), its `.wasm`, its `flare.toml` and secrets. `report` is called with the outcome. This continues
    /// until the returned [`Watch`] is dropped.
    ///
    /// # Errors
    ///
    /// When the system cannot watch files.
    pub fn watch(&self, report: impl Fn(Reload) + Send + 'static) -> Result<Watch> {
        watch::watch(&self.state, report)
    }
}

/// A flare of a node, at one moment.
#[derive(Debug, Clone)]
pub struct FlareStatus {
    /// Its name.
    pub name: String,
    /// The `.wasm` it was read from, if it was a file.
    pub file: Option<PathBuf>,
    /// Whether a second build of it is served, which has function names and line numbers
    /// ([`EdgeBuilder::development`](crate::EdgeBuilder::development)).
    pub has_lines: bool,
    /// What it serves.
    pub kind: Kind,
    /// The path prefixes it serves.
    pub routes: Vec<String>,
    /// Its size, imports, exports and memory.
    pub info: FlareInfo,
    /// What was counted.
    pub stats: StatsSnapshot,
}

/// A node's listener, and the connections that came through it.
#[derive(Debug)]
pub struct Server {
    addr: SocketAddr,
    stop: signal::Sender<bool>,
}

impl Server {
    /// The address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Stops: accepts no new connections, lets running requests finish, and closes WebSockets with 1001.
    /// Returns when everything has ended (`true`) or when `grace` has passed (`false`).
    pub async fn shutdown(self, grace: Duration) -> bool {
        // An error means that nobody listens any longer, which is the goal.
        let _ = self.stop.send(true);
        tokio::time::timeout(grace, self.stop.closed())
            .await
            .is_ok()
    }
}

#[cfg(test)]
mod tests;
