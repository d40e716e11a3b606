//! The handle of a node: asking it in-process, serving a listener, and looking at what it does.

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
    /// The answer is what a client would get: failures of the flare are responses with a 5xx
    /// status and the header `x-flaron-error`. A body that breaks off on its way from the origin
    /// is cut where it broke.
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

    /// Serves the same over TLS: HTTP/2 and HTTP/1.1, as the client likes, and WebSockets over the latter.
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

    /// The lines that flares logged lately, oldest first.
    pub fn logs(&self) -> Vec<LogLine> {
        let entries = self.entries();
        entries
            .iter()
            .flat_map(|entry| entry.lines.clone())
            .collect()
    }

    /// Every invocation from now on, as it ends.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Entry>> {
        self.state.journal.subscribe()
    }

    /// Prints invocations in another way from now on ([`EdgeBuilder::prints`](crate::EdgeBuilder::prints)).
    /// Calls of the host are there to be printed if they are traced.
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

    /// Tells the other nodes goodbye, and a collector what it does not know yet. For when the process is
    /// about to end.
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

    /// Loads every flare again: builds, compiles, checks. New requests go to what was loaded;
    /// requests that run and WebSocket connections that are open keep what they have. This blocks.
    ///
    /// # Errors
    ///
    /// When a flare cannot be loaded; it goes on as it was, and those after it are not loaded.
    pub fn reload(&self) -> Result<()> {
        for slot in &self.state.slots {
            self.state.reload(slot).outcome?;
        }
        Ok(())
    }

    /// Loads every flare again, as [`reload`](Self::reload) does, whatever becomes of the others. This
    /// blocks. `report` hears what came of each.
    pub fn reload_each(&self, mut report: impl FnMut(Reload)) {
        for slot in &self.state.slots {
            report(self.state.reload(slot));
        }
    }

    /// Loads each flare again when one of its files changes: its sources (those of other
    /// crates that it uses too), its `.wasm`, its `flare.toml` and secrets. `report` hears what came of it. It
    /// goes on until the returned [`Watch`] is dropped.
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
    /// Whether another build of it is served, which has the names of its functions and the lines of its
    /// source ([`EdgeBuilder::development`](crate::EdgeBuilder::development)).
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

    /// Stops: no new connections, running requests end, WebSockets are closed with 1001. Returns
    /// when all is done, or `grace` has passed; `true` if all was done.
    pub async fn shutdown(self, grace: Duration) -> bool {
        // An error means that nobody listens any more, which is what is wanted.
        let _ = self.stop.send(true);
        tokio::time::timeout(grace, self.stop.closed())
            .await
            .is_ok()
    }
}
