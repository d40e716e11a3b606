//! A local edge node: it runs Flaron flares (Wasm guests) for real, on a laptop, in tests and in
//! CI.
//!
//! The binary `flaron-edge` is a thin command line over this library. Tests use the library
//! itself, in-process and without a socket:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> flaron_edge::Result<()> {
//! let flare = br#"(module
//!     (import "flaron/v1" "resp_body_set" (func $body (param i32 i32)))
//!     (memory (export "memory") 1)
//!     (data (i32.const 8) "hello")
//!     (func (export "handle_request") (result i64)
//!         (call $body (i32.const 8) (i32.const 5))
//!         (i64.const 0x100000000)))"#;
//! let edge = flaron_edge::Edge::builder()
//!     .flare(wat::parse_bytes(flare).unwrap().into_owned())
//!     .build()?;
//! let response = edge.request(http::Request::get("/").body("").unwrap()).await;
//! assert_eq!(response.status(), 200);
//! assert_eq!(response.body(), "hello");
//! # Ok(()) }
//! ```
//!
//! # Modules
//!
//! | module | what it does |
//! |---|---|
//! | [`abi`] | the `flaron/v1` imports: names, types, memory |
//! | [`build_flare`] | building a flare's crate with cargo |

#![forbid(unsafe_code)]
#![warn(missing_docs)]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use tokio::net::TcpListener;
use tokio::sync::{broadcast, watch as signal};

pub mod abi;
pub mod build_flare;
pub mod capability;

mod body;
mod config;
mod engine;
mod error;
mod flare;
mod host;
mod logging;
mod new;
mod node;
mod origin;
mod request;
mod response;
mod server;
mod stats;
mod status;
mod sync;
mod watch;
mod ws;

pub use capability::{beam, crypto, encoding, id, plasma, secrets, spark, time};
pub use config::{BeamSettings, FILE_NAME, FlareConfig, Kind, Limits};
pub use engine::FlareInfo;
pub use error::{Error, Result};
pub use flare::{FlareSource, SECRETS_FILE_NAME};
pub use logging::{Entry, Level, LogLine};
pub use new::{Sdk, new};
pub use stats::StatsSnapshot;
pub use watch::{Reload, Watch};

use body::Body;
use crypto::JwtPolicy;
use engine::Engine;
use flare::{Flare, Slot, Spec};
use id::IdGenerator;
use logging::Journal;
use node::{Network, Node};
use origin::OriginClient;
use plasma::{GossipConfig, Plasma, PlasmaConfig};
use spark::{ExportPolicy, Spark, SparkConfig, SparkPeers, SparkPeersConfig};

/// A node with its flares. Clones are the same node.
#[derive(Clone)]
pub struct Edge {
    inner: Arc<Inner>,
}

/// What all requests share.
pub(crate) struct Inner {
    engine: Engine,
    slots: Vec<Arc<Slot>>,
    node: Arc<Node>,
    journal: Journal,
    origin: OriginClient,
    /// The flare's name where there is none.
    nobody: Arc<str>,
    status_page: bool,
    started: Instant,
}

/// Says what a node runs, and makes it.
#[derive(Default)]
pub struct EdgeBuilder {
    specs: Vec<Spec>,
    origin: Option<String>,
    node_id: Option<String>,
    data: Option<PathBuf>,
    peers: BTreeMap<String, String>,
    peer_token: Option<String>,
    gossip: Option<GossipConfig>,
    no_status_page: bool,
}

impl EdgeBuilder {
    /// Adds a flare: a crate's folder (which is built in release mode when the node is), a `.wasm`
    /// file, or a module's bytes. Settings come from the `flare.toml` beside it, if there is one.
    #[must_use]
    pub fn flare(mut self, source: impl Into<FlareSource>) -> Self {
        self.specs.push(Spec::new(source.into()));
        self
    }

    /// Settings for the flare that was added last, instead of those of its `flare.toml`.
    ///
    /// # Panics
    ///
    /// If no flare was added yet.
    #[must_use]
    pub fn config(mut self, config: FlareConfig) -> Self {
        self.last().config = Some(config);
        self
    }

    /// A file with the settings for the flare that was added last, instead of the `flare.toml`
    /// beside it.
    ///
    /// # Panics
    ///
    /// If no flare was added yet.
    #[must_use]
    pub fn config_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.last().config_file = Some(file.into());
        self
    }

    /// A path prefix for the flare that was added last, instead of the routes of its settings. It
    /// may be called several times.
    ///
    /// # Panics
    ///
    /// If no flare was added yet.
    #[must_use]
    pub fn route(mut self, route: impl Into<String>) -> Self {
        self.last().routes.push(route.into());
        self
    }

    /// A file with the secrets of the flare that was added last, instead of the
    /// `flare.secrets.toml` beside it: a TOML table of `NAME = "value"`. The environment's
    /// `FLARON_SECRET_<NAME>` go before it.
    ///
    /// # Panics
    ///
    /// If no flare was added yet.
    #[must_use]
    pub fn secrets_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.last().secrets_file = Some(file.into());
        self
    }

    /// A secret for the flare that was added last, before those of its file and the environment.
    /// It still has to be in the flare's `allowed_secrets`.
    ///
    /// # Panics
    ///
    /// If no flare was added yet.
    #[must_use]
    pub fn secret(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.last().secrets.push((name.into(), value.into()));
        self
    }

    fn last(&mut self) -> &mut Spec {
        self.specs.last_mut().expect("call .flare(…) first")
    }

    /// Where Transform and PassThrough of every flare go, before the `origin` of its settings.
    #[must_use]
    pub fn origin(mut self, url: impl Into<String>) -> Self {
        self.origin = Some(url.into());
        self
    }

    /// The node's name, from which its part of snowflakes comes and by which other nodes know it.
    /// Nodes that gossip need one each. Default: `local`.
    #[must_use]
    pub fn node_id(mut self, id: impl Into<String>) -> Self {
        self.node_id = Some(id.into());
        self
    }

    /// The folder in which Spark and Plasma keep what they have, and compiled flares are kept.
    /// Default: none, and it is all in memory. Whoever can write to it can make this process run
    /// code.
    #[must_use]
    pub fn data(mut self, folder: impl Into<PathBuf>) -> Self {
        self.data = Some(folder.into());
        self
    }

    /// A node that `spark_pull` can copy keys from: the name that flares use, and its
    /// `http://host:port`.
    #[must_use]
    pub fn peer(mut self, name: impl Into<String>, url: impl Into<String>) -> Self {
        self.peers.insert(name.into(), url.into());
        self
    }

    /// What all nodes that pull from each other know. Default: none, and only nodes of the same
    /// machine can pull.
    #[must_use]
    pub fn peer_token(mut self, token: impl Into<String>) -> Self {
        self.peer_token = Some(token.into());
        self
    }

    /// Whether this machine's users get the status page at `/_edge`. Default: true.
    #[must_use]
    pub fn status_page(mut self, served: bool) -> Self {
        self.no_status_page = !served;
        self
    }

    /// Lets Plasma spread to other nodes.
    #[must_use]
    pub fn gossip(mut self, gossip: GossipConfig) -> Self {
        self.gossip = Some(gossip);
        self
    }

    /// Makes the node: builds, compiles and checks every flare. This blocks, for as long as cargo
    /// takes if a flare is a crate.
    ///
    /// # Errors
    ///
    /// When a flare cannot be loaded, two have the same route, or there is none.
    pub fn build(self) -> Result<Edge> {
        if self.specs.is_empty() {
            return Err(Error::new("there is no flare to run"));
        }
        let cache = self.data.as_ref().map(|data| data.join("compiled"));
        let engine = Engine::new(cache.as_deref())?;
        let node = Arc::new(self.node()?);
        let mut slots: Vec<Arc<Slot>> = Vec::new();
        for mut spec in self.specs {
            if let Some(origin) = &self.origin {
                spec.origin = Some(origin.clone());
            }
            for route in &spec.routes {
                config::check_route(route)?;
            }
            let flare = Flare::load(&engine, &node, &spec)?;
            for slot in &slots {
                let other = slot.current();
                if let Some(route) = flare.routes.iter().find(|r| other.routes.contains(r)) {
                    return Err(Error::new(format!(
                        "the flares `{}` and `{}` have the same route {route:?}; give each its own \
                         (`routes` in flare.toml, or `--route /path=FLARE`)",
                        other.name, flare.name
                    )));
                }
            }
            slots.push(Arc::new(Slot::new(spec, flare)));
        }
        Ok(Edge {
            inner: Arc::new(Inner {
                engine,
                slots,
                node,
                journal: Journal::new(),
                origin: OriginClient::new(),
                nobody: "".into(),
                status_page: !self.no_status_page,
                started: Instant::now(),
            }),
        })
    }
}

impl EdgeBuilder {
    /// Opens what the flares share.
    fn node(&self) -> Result<Node> {
        let told = |error: &dyn std::fmt::Display| Error::new(error.to_string());
        let mut quota = 0;
        for spec in &self.specs {
            quota = quota.max(spec.config()?.limits.max_spark_bytes);
        }
        let spark = Spark::open(SparkConfig {
            path: self.data.as_ref().map(|data| data.join("spark.redb")),
            quota_bytes: quota,
            ..SparkConfig::default()
        })
        .map_err(|error| told(&error))?;
        let network = Network::start()?;
        let peers = SparkPeers::new(
            SparkPeersConfig {
                peers: self.peers.clone(),
                token: self.peer_token.clone(),
                ..SparkPeersConfig::default()
            },
            network.handle(),
        )
        .map_err(|error| told(&error))?;
        let export = ExportPolicy {
            token: self.peer_token.clone(),
        };
        let node_id = self.node_id.as_deref().unwrap_or("local");
        let plasma = Plasma::open(PlasmaConfig {
            path: self.data.as_ref().map(|data| data.join("plasma.redb")),
            ..PlasmaConfig::new(node_id)
        })
        .map_err(|error| told(&error))?;
        if let Some(gossip) = self.gossip.clone() {
            let plasma = plasma.clone();
            network
                .run(async move { plasma.join(gossip).await })?
                .map_err(|error| told(&error))?;
        }
        Ok(Node {
            ids: IdGenerator::for_node_name(node_id),
            jwt: JwtPolicy::default(),
            spark,
            plasma,
            peers,
            export,
            network,
            own: Mutex::default(),
        })
    }
}

impl Edge {
    /// Begins to describe a node.
    pub fn builder() -> EdgeBuilder {
        EdgeBuilder::default()
    }

    /// Handles a request in this process, without a socket. It must be called within a Tokio
    /// runtime (of either kind, with I/O and time enabled).
    ///
    /// The answer is what a client would get: failures of the flare are responses with a 5xx
    /// status and the header `x-flaron-error`. A body that breaks off on its way from the origin
    /// is cut where it broke.
    pub async fn request<B: Into<Bytes>>(&self, request: Request<B>) -> Response<Bytes> {
        let request = request.map(|body| Body::from(body.into()));
        let response = server::handle(&self.inner, request, None, None).await;
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
        let addr = listener
            .local_addr()
            .map_err(|error| Error::new(format!("the listener has no address: {error}")))?;
        self.inner.node.add_own_address(addr);
        for slot in &self.inner.slots {
            slot.current().beam.add_own_address(addr);
        }
        let (stop, stopped) = signal::channel(false);
        tokio::spawn(server::accept(self.inner.clone(), listener, stopped));
        Ok(Server { addr, stop })
    }

    /// The flares of this node, in the order they were added.
    pub fn flares(&self) -> Vec<FlareStatus> {
        self.inner
            .slots
            .iter()
            .map(|slot| {
                let flare = slot.current();
                FlareStatus {
                    name: flare.name.to_string(),
                    file: flare.file.clone(),
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
        self.inner.journal.recent()
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
        self.inner.journal.subscribe()
    }

    /// The node's Plasma: its keys, and the other nodes.
    pub fn plasma(&self) -> &Arc<Plasma> {
        &self.inner.node.plasma
    }

    /// The node's Spark: its keys and how much room they take.
    pub fn spark(&self) -> &Arc<Spark> {
        &self.inner.node.spark
    }

    /// Tells the other nodes goodbye. For when the process is about to end.
    pub async fn leave(&self) {
        let plasma = self.inner.node.plasma.clone();
        let left = self
            .inner
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
    /// When a flare cannot be loaded; it goes on as it was.
    pub fn reload(&self) -> Result<()> {
        for slot in &self.inner.slots {
            slot.reload(&self.inner.engine, &self.inner.node)?;
        }
        Ok(())
    }
}

impl Edge {
    /// Loads each flare again when one of its files changes: its sources (of the crates beside it
    /// too), its `.wasm`, its `flare.toml` and secrets. `told` hears what came of it. It goes on
    /// until the returned [`Watch`] is dropped.
    ///
    /// # Errors
    ///
    /// When the system cannot watch files.
    pub fn watch(&self, told: impl Fn(Reload) + Send + 'static) -> Result<Watch> {
        watch::watch(&self.inner, told)
    }
}

/// A flare of a node, at one moment.
#[derive(Debug, Clone)]
pub struct FlareStatus {
    /// Its name.
    pub name: String,
    /// The `.wasm` it was read from, if it was a file.
    pub file: Option<PathBuf>,
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

/// What a module is: imports, exports, memory, and what keeps it from being a flare.
///
/// # Errors
///
/// When it is not valid Wasm, or the engine cannot be started.
pub fn inspect(wasm: &[u8]) -> Result<FlareInfo> {
    Engine::new(None)?.inspect(wasm)
}
