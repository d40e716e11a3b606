//! Configures and builds a node.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use crate::capability::cluster::ClusterKeys;
use crate::capability::crypto::JwtPolicy;
use crate::capability::id::IdGenerator;
use crate::capability::plasma::{GossipConfig, Plasma, PlasmaConfig};
use crate::capability::spark::{ExportPolicy, Spark, SparkConfig, SparkPeers, SparkPeersConfig};
use crate::config::{FlareConfig, check_route};
use crate::edge::Edge;
use crate::error::{Error, Result};
use crate::flare::Flare;
use crate::flare::prepared::Prepared;
use crate::flare::slot::Slot;
use crate::flare::source::{FlareSource, Spec};
use crate::http::budget::{self, Budget};
use crate::http::proxy::OriginClient;
use crate::journal::{Journal, Printing};
use crate::node::Node;
use crate::recording::Recorder;
use crate::runtime::Network;
use crate::state::State;
use crate::telemetry::Telemetry;
use crate::wasm::engine::{Engine, Settings};

impl Edge {
    /// Starts configuring a node.
    pub fn builder() -> EdgeBuilder {
        EdgeBuilder::default()
    }
}

/// Configures and builds a node.
#[derive(Default)]
pub struct EdgeBuilder {
    specs: Vec<Spec>,
    origin: Option<String>,
    node_id: Option<String>,
    data: Option<PathBuf>,
    peers: BTreeMap<String, String>,
    peer_token: Option<String>,
    gossip: Option<GossipConfig>,
    cluster_keys: Option<ClusterKeys>,
    plasma_limit: Option<usize>,
    no_status_page: bool,
    memory: Option<usize>,
    compiler: Option<PathBuf>,
    trace: bool,
    prints: Printing,
    count: bool,
    record: Option<PathBuf>,
    #[cfg(feature = "otlp")]
    otlp: Option<String>,
}

impl EdgeBuilder {
    /// Adds a flare: a crate's folder (which is built in release mode when the node is), a `.wasm`
    /// file, or a module's bytes. Settings come from the `flare.toml` next to it, if there is one.
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
    /// next to it.
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
    /// `flare.secrets.toml` next to it: a TOML table of `NAME = "value"`. The environment's
    /// `FLARON_SECRET_<NAME>` take precedence.
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

    /// The origin for Transform and PassThrough of every flare, in place of the `origin` in its settings.
    #[must_use]
    pub fn origin(mut self, url: impl Into<String>) -> Self {
        self.origin = Some(url.into());
        self
    }

    /// The node's name, by which other nodes know it, and which determines the node's part of snowflakes.
    /// Nodes that gossip need different names. Default: `local`.
    #[must_use]
    pub fn node_id(mut self, id: impl Into<String>) -> Self {
        self.node_id = Some(id.into());
        self
    }

    /// The folder in which Spark and Plasma store their data. Default: none, and everything is in memory.
    /// Only this user should be able to write to it.
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

    /// The secret that all nodes that pull from each other share. Default: none, and only nodes on the same
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

    /// The key that all nodes of the cluster share, and nobody else: it encrypts and authenticates what they send
    /// each other, for Plasma and for `spark_pull`. It takes precedence over the keys of
    /// [`EdgeBuilder::gossip`]. Default: none, and only nodes on the same machine are trusted.
    #[must_use]
    pub fn cluster_keys(mut self, keys: ClusterKeys) -> Self {
        self.cluster_keys = Some(keys);
        self
    }

    /// How much Plasma stores here before it refuses flares' writes, in bytes: keys, values, and 128 for each
    /// entry and each actor of a counter. Writes from other nodes are accepted up to twice as much.
    /// Default: 64 MiB.
    #[must_use]
    pub fn plasma_limit(mut self, bytes: usize) -> Self {
        self.plasma_limit = Some(bytes);
        self
    }

    /// How many bytes of its clients' data the node holds at once: bodies for flares, WebSocket messages, and
    /// responses waiting to be read. Beyond that, clients wait, and get 503 after ten seconds. The flares' own
    /// memory (`max_memory_mib`) and pieces of up to 8 KiB do not count. Default: 134217728 (128 MiB).
    #[must_use]
    pub fn memory(mut self, bytes: usize) -> Self {
        self.memory = Some(bytes);
        self
    }

    /// Serves crates in a form for development: next to the `.wasm` that is deployed, a second one is built and
    /// served, which has function names and line numbers, and whose panics log their message. `compiler` is a
    /// program that cargo calls as `RUSTC_WORKSPACE_WRAPPER`, with the variable
    /// [`AS_COMPILER`](crate::AS_COMPILER) set to a number of bytes; it runs the compiler without `-C`
    /// [`NOT_WITH_LINES`](crate::NOT_WITH_LINES), and with a stack of at least that size.
    #[must_use]
    pub fn development(mut self, compiler: impl Into<PathBuf>) -> Self {
        self.compiler = Some(compiler.into());
        self
    }

    /// Records flares' host calls, for [`Entry::calls`](crate::Entry::calls) and the status page. Secrets are left
    /// out. This makes a host call a few microseconds slower. Default: false.
    #[must_use]
    pub fn trace(mut self, yes: bool) -> Self {
        self.trace = yes;
        self
    }

    /// How entries are printed, through `tracing`. [`Printing::Calls`] also turns on [tracing](Self::trace) of
    /// calls. Default: [`Printing::Text`].
    #[must_use]
    pub fn prints(mut self, prints: Printing) -> Self {
        self.prints = prints;
        self
    }

    /// Counts instructions: [`Entry::used`](crate::Entry::used). This makes flares slower. Default: false.
    #[must_use]
    pub fn count(mut self, yes: bool) -> Self {
        self.count = yes;
        self
    }

    /// Appends each request to an HTTP flare to a file, with its outcome
    /// ([`read_recording`](crate::read_recording)). This turns on [tracing](Self::trace) of calls. The file
    /// contains all headers, including credentials.
    #[must_use]
    pub fn record(mut self, file: impl Into<PathBuf>) -> Self {
        self.record = Some(file.into());
        self
    }

    /// Sends traces and metrics to an OpenTelemetry collector at this URL (`http://HOST:4318`), over HTTP in
    /// protobuf. The `OTEL_…` environment variables work as specified: headers, the sampler, the service's name.
    /// Failures are among the node's problems. [`Edge::leave`] sends what is queued.
    #[cfg(feature = "otlp")]
    #[must_use]
    pub fn otlp(mut self, collector: impl Into<String>) -> Self {
        self.otlp = Some(collector.into());
        self
    }

    /// Shares Plasma with other nodes.
    #[must_use]
    pub fn gossip(mut self, gossip: GossipConfig) -> Self {
        self.gossip = Some(gossip);
        self
    }

    /// Builds the node: builds, compiles and checks every flare, then opens the stores. This blocks, for as long as
    /// cargo takes if a flare is a crate. Mistakes in a flare are found before anything is written to the data
    /// folder.
    ///
    /// # Errors
    ///
    /// When a flare cannot be loaded, two have the same route, or there is none.
    pub fn build(mut self) -> Result<Edge> {
        if self.specs.is_empty() {
            return Err(Error::new("there is no flare to run"));
        }
        if let Some(data) = &self.data {
            check_data(data)?;
        }
        self.check_addresses()?;
        let engine = Engine::new(Settings {
            trace: self.trace || self.prints == Printing::Calls || self.record.is_some(),
            count: self.count,
        })?;
        let specs = std::mem::take(&mut self.specs);
        let flares = self.prepare(&engine, specs)?;

        let quota = flares
            .iter()
            .map(|(_, flare)| flare.config.limits.max_spark_bytes);
        let node = Arc::new(self.node(quota.max().unwrap_or(0))?);
        let recorder = self.record.as_deref().map(Recorder::open).transpose()?;
        let telemetry = self.telemetry(&node)?;
        let mut slots: Vec<Arc<Slot>> = Vec::new();
        for (spec, flare) in flares {
            slots.push(Arc::new(Slot::new(spec, Flare::new(flare, &node)?)));
        }
        let origin = OriginClient::new(node.budget.clone());
        Ok(Edge::new(State {
            engine,
            slots,
            node,
            journal: Journal::new(self.prints),
            telemetry,
            recorder,
            origin,
            no_flare: "".into(),
            status_page: !self.no_status_page,
            started: Instant::now(),
        }))
    }

    /// Builds, compiles and checks every flare, and that no two have the same route.
    fn prepare(&self, engine: &Engine, specs: Vec<Spec>) -> Result<Vec<(Spec, Prepared)>> {
        let mut flares: Vec<(Spec, Prepared)> = Vec::new();
        for mut spec in specs {
            if let Some(origin) = &self.origin {
                spec.origin = Some(origin.clone());
            }
            spec.compiler.clone_from(&self.compiler);
            for route in &spec.routes {
                check_route(route)?;
            }
            let flare = Prepared::new(engine, &spec)?;
            for (_, other) in &flares {
                if let Some(route) = flare.routes.iter().find(|r| other.routes.contains(r)) {
                    return Err(Error::new(format!(
                        "the flares `{}` and `{}` have the same route {route:?}; give each its own \
                         (`routes` in flare.toml, or `--route /path=FLARE`)",
                        other.name, flare.name
                    )));
                }
            }
            flares.push((spec, flare));
        }
        Ok(flares)
    }

    /// The connection to a collector.
    #[cfg(feature = "otlp")]
    fn telemetry(&self, node: &Node) -> Result<Telemetry> {
        match &self.otlp {
            None => Ok(Telemetry::default()),
            Some(collector) => Telemetry::to(collector, self.name(), node.network.handle()),
        }
    }

    #[cfg(not(feature = "otlp"))]
    #[allow(
        clippy::unused_self,
        clippy::unnecessary_wraps,
        reason = "as it is with the feature"
    )]
    fn telemetry(&self, _: &Node) -> Result<Telemetry> {
        Ok(Telemetry)
    }

    /// The node's name.
    fn name(&self) -> &str {
        self.node_id.as_deref().unwrap_or("local")
    }

    /// Checks the addresses of other nodes.
    fn check_addresses(&self) -> Result<()> {
        for (name, url) in &self.peers {
            let valid = url::Url::parse(url)
                .is_ok_and(|url| ["http", "https"].contains(&url.scheme()) && url.has_host());
            if !valid {
                return Err(Error::new(format!(
                    "the peer {name:?} has the address {url:?}, which is not a URL; it must be like \
                     http://HOST:PORT (--peer NAME=http://HOST:PORT)"
                )));
            }
        }
        for seed in self.gossip.iter().flat_map(|gossip| &gossip.seeds) {
            let port = seed.rsplit_once(':').filter(|(host, _)| !host.is_empty());
            if port.is_none_or(|(_, port)| port.parse::<u16>().is_err()) {
                return Err(Error::new(format!(
                    "the seed {seed:?} is not an address; it must be another node's gossip address, like \
                     HOST:PORT (--seed)"
                )));
            }
        }
        Ok(())
    }

    /// Opens what the flares share. `quota` is how many bytes Spark keeps for a site.
    fn node(&self, quota: u64) -> Result<Node> {
        let failed = |error: &dyn std::fmt::Display| Error::new(error.to_string());
        if let Some(data) = &self.data {
            let made = std::fs::create_dir_all(data);
            made.map_err(|error| cannot_write(data, &error))?;
        }
        let spark = Spark::open(SparkConfig {
            path: self.data.as_ref().map(|data| data.join("spark.redb")),
            quota_bytes: quota,
            ..SparkConfig::default()
        })
        .map_err(|error| failed(&error))?;
        let network = Network::start()?;
        let peers = SparkPeers::new(
            SparkPeersConfig {
                peers: self.peers.clone(),
                token: self.peer_token.clone(),
                keys: self.cluster_keys.clone(),
                ..SparkPeersConfig::default()
            },
            network.handle(),
        )
        .map_err(|error| failed(&error))?;
        let export = ExportPolicy {
            token: self.peer_token.clone(),
            keys: self.cluster_keys.clone(),
        };
        let node_id = self.name();
        let mut config = PlasmaConfig::new(node_id);
        config.path = self.data.as_ref().map(|data| data.join("plasma.redb"));
        if let Some(bytes) = self.plasma_limit {
            config.max_bytes = bytes;
        }
        let plasma = Plasma::open(config).map_err(|error| failed(&error))?;
        if let Some(mut gossip) = self.gossip.clone() {
            gossip.keys = self.cluster_keys.clone().or(gossip.keys);
            let plasma = plasma.clone();
            network
                .run(async move { plasma.join(gossip).await })?
                .map_err(|error| failed(&error))?;
        }
        Ok(Node {
            ids: IdGenerator::for_node_name(node_id),
            jwt: JwtPolicy::default(),
            spark,
            plasma,
            peers,
            export,
            network,
            budget: Budget::new(self.memory.unwrap_or(budget::DEFAULT_BYTES)),
            own: Mutex::default(),
        })
    }
}

/// Checks that files can be created in the data folder, or, if it does not exist yet, in the folder in which it
/// will be created. This comes before anything is built, and leaves nothing behind.
fn check_data(folder: &Path) -> Result<()> {
    let existing = folder.ancestors().find(|folder| folder.exists());
    let existing = existing.unwrap_or(Path::new("."));
    if !existing.is_dir() {
        return Err(Error::new(format!(
            "the data folder {} cannot be created: {} is a file; name a folder (--data)",
            folder.display(),
            existing.display()
        )));
    }
    let probe = existing.join(format!(".probe-{}", std::process::id()));
    let made = std::fs::write(&probe, "").and_then(|()| std::fs::remove_file(&probe));
    made.map_err(|error| cannot_write(folder, &error))
}

fn cannot_write(folder: &Path, error: &std::io::Error) -> Error {
    Error::new(format!(
        "cannot write to the data folder {}: {error}; name another (--data), or let this user write there",
        folder.display()
    ))
}
