//! What can be written on the command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use flaron_edge::{Error, Result, StoreName};

/// A local edge node: runs Flaron flares for real.
///
/// Without a command, in a flare's folder: builds and serves that flare, as `run` does.
#[derive(Parser)]
#[command(name = "flaron-edge", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Build and serve flares.
    Run(Box<Run>),
    /// Show what a .wasm imports, exports and needs.
    Inspect {
        /// The module.
        file: PathBuf,
    },
    /// Make a flare crate that builds, has a test, and runs.
    New {
        /// The new folder; its last part is the crate's name.
        name: PathBuf,
        /// The SDK: a folder, a git URL (URL#TAG-OR-COMMIT), or a version with its registry
        /// (VERSION@REGISTRY) [default: that of the repository this edge was built from].
        #[arg(long, value_name = "PATH|URL|VERSION")]
        sdk: Option<String>,
        /// What it begins as: http, json, kv, gate, proxy, websocket, both (HTTP and WebSockets), std (with
        /// the standard library) or chat.
        #[arg(long, value_name = "NAME", default_value = "http")]
        template: String,
    },
    /// Run a flare's unit tests (cargo test).
    Test {
        /// The flare's folder.
        #[arg(long, value_name = "PATH", default_value = ".")]
        flare: PathBuf,
        /// Further arguments of cargo test.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Measure a flare's requests: instructions, memory, time; fail if they grew.
    Bench(BenchArgs),
    /// Measure a flare's bytes (flaron-size check), and hold them to flare.size.toml if that is there.
    Size {
        /// The flare's folder.
        #[arg(long, value_name = "PATH", default_value = ".")]
        flare: PathBuf,
        /// Further arguments of flaron-size check, such as --budget 2KiB, or --bless to accept the sizes.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Look whether all is there that a flare needs, and say what to type if not.
    Doctor {
        /// The flare's folder.
        #[arg(value_name = "PATH", default_value = ".")]
        flare: PathBuf,
    },
    /// Send recorded requests to a flare again, and show what came out differently.
    Replay(ReplayArgs),
    /// Look into Spark and Plasma and change them, while the node runs or not.
    Kv(Kv),
    /// Print what a running node does, as it does it.
    Tail(TailArgs),
    /// Print the JSON schema of flare.toml, for editors.
    Schema,
    /// Print completions for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Write the manual's pages into a folder.
    Man {
        /// The folder.
        folder: PathBuf,
    },
    /// Print a new key for a cluster's nodes to share.
    NewKey,
    /// Look into a node's data folder, save what is in it, or put damaged files aside.
    Store {
        /// What to do.
        action: StoreAction,
        /// The node's --data folder.
        folder: PathBuf,
    },
}

/// What `flaron-edge store` does.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum StoreAction {
    /// Say how many entries can be read, and what is damaged.
    Check,
    /// Print every entry that can be read, a line of JSON each.
    Export,
    /// Rename files that are damaged, so that the node begins with new ones.
    Reset,
}

#[derive(Args)]
pub(crate) struct BenchArgs {
    /// The flare: its crate's folder, or a .wasm file.
    #[arg(value_name = "PATH", default_value = ".")]
    pub(crate) flare: PathBuf,
    /// Requests, as `run --record` keeps them [default: flare.requests.jsonl beside the flare, and
    /// without one GET /].
    #[arg(long, value_name = "FILE")]
    pub(crate) requests: Option<PathBuf>,
    /// Secrets to use instead of the flare.secrets.toml next to the flare.
    #[arg(long, value_name = "FILE")]
    pub(crate) secrets: Option<PathBuf>,
    /// What was accepted [default: flare.bench.json beside the flare].
    #[arg(long, value_name = "FILE")]
    pub(crate) baseline: Option<PathBuf>,
    /// Accept what is measured now: write the baseline.
    #[arg(long)]
    pub(crate) save: bool,
    /// By how many percent instructions may grow.
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0)]
    pub(crate) tolerance: f64,
    /// How often each request is timed.
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub(crate) rounds: usize,
}

#[derive(Args)]
pub(crate) struct ReplayArgs {
    /// Requests, as `run --record` keeps them.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The flare: its crate's folder, or a .wasm file.
    #[arg(value_name = "PATH", default_value = ".")]
    pub(crate) flare: PathBuf,
    /// Secrets to use instead of the flare.secrets.toml next to the flare.
    #[arg(long, value_name = "FILE")]
    pub(crate) secrets: Option<PathBuf>,
    /// What may differ; several with commas between.
    #[arg(long, value_name = "WHAT", value_delimiter = ',')]
    pub(crate) ignore: Vec<Ignore>,
    /// Send nothing; print each request as a unit test to begin with.
    #[arg(long)]
    pub(crate) unit_test: bool,
}

#[derive(Args)]
pub(crate) struct TailArgs {
    /// The node's data folder.
    #[arg(long, value_name = "DIR", default_value = ".flaron")]
    pub(crate) data: PathBuf,
    /// Where the node serves, instead of the node of the data folder.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) node: Option<String>,
    /// Only this flare's.
    #[arg(long, value_name = "NAME")]
    pub(crate) flare: Option<String>,
    /// Only answers with this status, or a beginning of it: 404, 5xx.
    #[arg(long, value_name = "STATUS")]
    pub(crate) status: Option<String>,
    /// Only what failed.
    #[arg(long)]
    pub(crate) failed: bool,
    /// For people, or a line of JSON each.
    #[arg(long, default_value = "text")]
    pub(crate) format: Format,
}

/// How something is printed.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
}

/// What may differ when a request is sent again.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Ignore {
    Headers,
    Body,
    Log,
    Calls,
}

#[derive(Args)]
pub(crate) struct Kv {
    #[command(subcommand)]
    pub(crate) action: KvAction,
    /// The node's data folder.
    #[arg(long, value_name = "DIR", default_value = ".flaron", global = true)]
    pub(crate) data: PathBuf,
    /// Whose keys [default: those of the flare in the current folder; for list and export all].
    #[arg(long, value_name = "SITE", global = true)]
    pub(crate) site: Option<String>,
}

#[derive(Subcommand)]
pub(crate) enum KvAction {
    /// List keys.
    List {
        /// spark or plasma [default: both].
        store: Option<StoreName>,
    },
    /// Print a value as it is.
    Get {
        /// spark or plasma.
        store: StoreName,
        /// The key.
        key: String,
    },
    /// Store a value.
    Put {
        /// spark or plasma.
        store: StoreName,
        /// The key.
        key: String,
        /// The value; @FILE takes a file's, - standard input's.
        #[arg(allow_hyphen_values = true)]
        value: String,
        /// Let it expire after so many seconds (Spark).
        #[arg(long, value_name = "SECONDS")]
        ttl: Option<u64>,
        /// Set a counter to this number (Plasma).
        #[arg(long)]
        counter: bool,
    },
    /// Delete a key.
    Delete {
        /// spark or plasma.
        store: StoreName,
        /// The key.
        key: String,
    },
    /// Print all entries, a line of JSON each.
    Export {
        /// spark or plasma [default: both].
        store: Option<StoreName>,
    },
    /// Store the entries of a file, as export prints them; what is there already is overwritten.
    Import {
        /// The file; - is standard input.
        file: PathBuf,
    },
}

#[derive(Args)]
pub(crate) struct Run {
    /// Flares: crates' folders (built in release mode) or .wasm files [default: the current folder].
    #[arg(value_name = "PATH")]
    pub(crate) flares: Vec<PathBuf>,
    /// Serve a flare below a path prefix; may be given several times.
    #[arg(long, value_name = "/PREFIX=PATH")]
    pub(crate) route: Vec<String>,
    /// The address to serve on, or a port of 127.0.0.1.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8787")]
    pub(crate) listen: String,
    /// Serve HTTPS, with HTTP/2: by a certificate for this machine that is made once and kept in the
    /// data folder. Needs a flaron-edge that was built with the feature tls.
    #[arg(long)]
    pub(crate) tls: bool,
    /// Serve HTTPS by this certificate and those that follow it (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The certificate's key (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Where Transform and PassThrough go.
    #[arg(long, value_name = "URL")]
    pub(crate) origin: Option<String>,
    /// Settings to use instead of the flare.toml next to the flare.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Secrets to use instead of the flare.secrets.toml next to the flare.
    #[arg(long, value_name = "FILE")]
    pub(crate) secrets: Option<PathBuf>,
    /// Where Spark and Plasma keep their data [default: .flaron next to the first flare].
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// This node's name; nodes that gossip or pull need one each.
    #[arg(long, value_name = "NAME")]
    pub(crate) node_id: Option<String>,
    /// Spread Plasma to other nodes, through this TCP address. Other than on this machine it takes
    /// the cluster's key: FLARON_CLUSTER_KEY in the environment, or --cluster-key-file.
    #[arg(long, value_name = "ADDR", requires = "node_id")]
    pub(crate) gossip: Option<SocketAddr>,
    /// The gossip address of another node to contact first; may be given several times.
    #[arg(long, value_name = "ADDR", requires = "gossip")]
    pub(crate) seed: Vec<String>,
    /// The gossip address that the other nodes reach this one at, if it is another.
    #[arg(long, value_name = "ADDR", requires = "gossip")]
    pub(crate) advertise: Option<SocketAddr>,
    /// A file with the cluster's key, as `flaron-edge new-key` prints it; with two keys while one
    /// replaces the other.
    #[arg(long, value_name = "FILE")]
    pub(crate) cluster_key_file: Option<PathBuf>,
    /// Gossip on a network without a key: whoever reaches the address can read and change all that
    /// Plasma holds.
    #[arg(long, requires = "gossip")]
    pub(crate) insecure_gossip: bool,
    /// How many MiB Plasma stores [default: 64].
    #[arg(long, value_name = "MIB")]
    pub(crate) plasma_limit: Option<usize>,
    /// A node that flares can pull Spark keys from; may be given several times. The nodes' shared
    /// token is in the environment, FLARON_PEER_TOKEN.
    #[arg(long, value_name = "NAME=URL")]
    pub(crate) peer: Vec<String>,
    /// How much of its clients' data the node holds at once, in MiB: bodies, WebSocket messages,
    /// responses that wait to be read. Beyond that clients wait, or get 503.
    #[arg(long, value_name = "MIB", default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) memory: u32,
    /// Serve crates exactly as they are deployed, without names, lines and the messages of panics.
    #[arg(long)]
    pub(crate) release: bool,
    /// Add each request to a file, with what came of it, for `replay`, `bench` and tests. All headers
    /// are in it, credentials among them.
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// How requests are printed: for people, or a line of JSON each.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) log: Format,
    /// Print each call of the host below its request: arguments, result, time.
    #[arg(long)]
    pub(crate) trace: bool,
    /// Send traces and metrics to an OpenTelemetry collector (OTLP over HTTP). Needs a flaron-edge that was
    /// built with the feature otlp.
    #[arg(long, value_name = "URL")]
    pub(crate) otlp: Option<String>,
    /// Build and load a flare again when its files change.
    #[arg(long)]
    pub(crate) watch: bool,
    /// Do not serve the status page at /_edge.
    #[arg(long)]
    pub(crate) no_status: bool,
    /// Do not print a line for each request.
    #[arg(long)]
    pub(crate) quiet: bool,
}

/// The two sides of `A=B`.
pub(crate) fn pair<'a>(text: &'a str, option: &str, form: &str) -> Result<(&'a str, &'a str)> {
    text.split_once('=')
        .ok_or_else(|| Error::new(format!("{option} {text:?} must be like {form}")))
}
