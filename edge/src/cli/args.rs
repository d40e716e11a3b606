//! The arguments of the command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use flaron_edge::{Error, Result, StoreName};

/// A local edge node that runs Flaron flares.
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
    // The aliases are what other platforms' tools call it; they are hidden.
    /// Build and serve flares.
    #[command(aliases = ["serve", "dev", "start", "up"])]
    Run(Box<Run>),
    /// Show a .wasm file's imports, exports and memory.
    Inspect {
        /// The module.
        file: PathBuf,
    },
    /// Create a flare crate that builds, runs and has a passing test.
    #[command(aliases = ["init", "create"])]
    New {
        /// The new folder; its last part is the crate's name.
        name: PathBuf,
        /// The SDK: a folder, a git URL (URL#TAG-OR-COMMIT), or a version with its registry
        /// (VERSION@REGISTRY) [default: the one this edge was built or released with].
        #[arg(long, value_name = "PATH|URL|VERSION")]
        sdk: Option<String>,
        /// The template: http, json, kv, gate, proxy, websocket, both (HTTP and WebSockets), std (with the
        /// standard library) or chat.
        #[arg(long, value_name = "NAME", default_value = "http")]
        template: String,
    },
    /// Run a flare's unit tests (cargo test).
    Test {
        /// The flare's folder.
        #[arg(long, value_name = "PATH", default_value = ".")]
        flare: PathBuf,
        /// Further arguments for cargo test.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Measure what a flare's requests cost (instructions, memory, time); fail if that grew.
    Bench(BenchArgs),
    /// Measure a flare's size (flaron-size check), and compare it with flare.size.toml if there is one.
    Size {
        /// The flare's folder.
        #[arg(long, value_name = "PATH", default_value = ".")]
        flare: PathBuf,
        /// Further arguments for flaron-size check, such as --budget 2KiB, or --bless to accept the sizes.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Make the file to deploy: build the flare and make it smaller (flaron-size slim).
    Slim {
        /// The flare's folder.
        #[arg(long, value_name = "PATH", default_value = ".")]
        flare: PathBuf,
        /// Where to write it [default: beside cargo's .wasm, as NAME.slim.wasm].
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Further arguments for flaron-size slim.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Check that everything a flare needs is installed and set up, and show how to fix what is not.
    Doctor {
        /// The flare's folder.
        #[arg(value_name = "PATH", default_value = ".")]
        flare: PathBuf,
    },
    /// Send recorded requests to a flare again, and show what differs.
    Replay(ReplayArgs),
    /// Read and change Spark and Plasma, whether the node is running or not.
    Kv(Kv),
    /// Follow the log of a running node.
    #[command(alias = "logs")]
    Tail(TailArgs),
    /// Print the JSON schema of flare.toml, for editors.
    Schema,
    /// Print the completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Write the man pages into a folder.
    Man {
        /// The folder.
        folder: PathBuf,
    },
    /// Print a new key for the nodes of a cluster to share.
    NewKey,
    /// Check a node's data folder, export its entries, or move damaged files aside.
    Store {
        /// What to do.
        action: StoreAction,
        /// The node's --data folder.
        folder: PathBuf,
        /// With reset: rename this store, damaged or not [default: what is damaged].
        #[arg(long, value_name = "NAME")]
        store: Option<StoreName>,
    },
}

/// What `flaron-edge store` does.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum StoreAction {
    /// Report how many entries can be read, and what is damaged.
    Check,
    /// Print every readable entry as a line of JSON.
    Export,
    /// Rename damaged files, or those of --store, so that the node starts with new ones.
    Reset,
}

#[derive(Args)]
pub(crate) struct BenchArgs {
    /// The flare: its crate's folder, or a .wasm file.
    #[arg(value_name = "PATH", default_value = ".")]
    pub(crate) flare: PathBuf,
    /// Recorded requests, from `run --record` [default: flare.requests.jsonl beside the flare, or else
    /// GET /].
    #[arg(long, value_name = "FILE")]
    pub(crate) requests: Option<PathBuf>,
    /// Secrets to use instead of the flare.secrets.toml next to the flare.
    #[arg(long, value_name = "FILE")]
    pub(crate) secrets: Option<PathBuf>,
    /// The accepted measurements [default: flare.bench.json beside the flare].
    #[arg(long, value_name = "FILE")]
    pub(crate) baseline: Option<PathBuf>,
    /// Accept the new measurements: write the baseline.
    #[arg(long)]
    pub(crate) save: bool,
    /// How many percent more instructions are tolerated.
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0)]
    pub(crate) tolerance: f64,
    /// How many times each request is timed.
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub(crate) rounds: usize,
    /// Print the table as Markdown, for a pull request.
    #[arg(long)]
    pub(crate) markdown: bool,
}

#[derive(Args)]
pub(crate) struct ReplayArgs {
    /// Recorded requests, from `run --record`.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The flare: its crate's folder, or a .wasm file.
    #[arg(value_name = "PATH", default_value = ".")]
    pub(crate) flare: PathBuf,
    /// Secrets to use instead of the flare.secrets.toml next to the flare.
    #[arg(long, value_name = "FILE")]
    pub(crate) secrets: Option<PathBuf>,
    /// Differences to ignore, separated by commas.
    #[arg(long, value_name = "WHAT", value_delimiter = ',')]
    pub(crate) ignore: Vec<Ignore>,
    /// Send nothing; print a unit test to start from for each request.
    #[arg(long)]
    pub(crate) unit_test: bool,
}

#[derive(Args)]
pub(crate) struct TailArgs {
    /// The node's data folder.
    #[arg(long, value_name = "DIR", default_value = ".flaron")]
    pub(crate) data: PathBuf,
    /// The address of the node, instead of looking it up in the data folder.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) node: Option<String>,
    /// Show only this flare.
    #[arg(long, value_name = "NAME")]
    pub(crate) flare: Option<String>,
    /// Show only responses with this status or class of statuses: 404, 5xx.
    #[arg(long, value_name = "STATUS")]
    pub(crate) status: Option<String>,
    /// Show only failures.
    #[arg(long)]
    pub(crate) failed: bool,
    /// For people, or as JSON, one object a line.
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
    /// The site whose keys to use [default: that of the flare in the current folder; list and export
    /// default to all sites].
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
    /// Print a value, byte for byte.
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
        /// The value; @FILE reads it from a file, - from standard input.
        #[arg(allow_hyphen_values = true)]
        value: String,
        /// Let it expire after this many seconds (Spark).
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
    /// Print all entries as JSON, one a line.
    Export {
        /// spark or plasma [default: both].
        store: Option<StoreName>,
    },
    /// Store the entries of an exported file, overwriting existing keys.
    Import {
        /// The file; - is standard input.
        file: PathBuf,
    },
}

#[derive(Args)]
pub(crate) struct Run {
    /// Flares: crate folders (built in release mode) or .wasm files [default: the current folder].
    #[arg(value_name = "PATH")]
    pub(crate) flares: Vec<PathBuf>,
    /// Serve a flare under a path prefix; may be repeated.
    #[arg(long, value_name = "/PREFIX=PATH")]
    pub(crate) route: Vec<String>,
    /// The address to serve on, or a port of 127.0.0.1.
    #[arg(long, aliases = ["port", "addr"], value_name = "ADDR", default_value = "127.0.0.1:8787")]
    pub(crate) listen: String,
    /// Serve HTTPS and HTTP/2, with a self-signed certificate for this machine that is created once and kept
    /// in the data folder. Needs a flaron-edge built with the feature tls.
    #[arg(long)]
    pub(crate) tls: bool,
    /// Serve HTTPS with this certificate chain (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The private key of the certificate (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// The origin that Transform and PassThrough forward requests to.
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
    /// Share Plasma with other nodes, through this TCP address. Beyond this machine that needs the
    /// cluster's key: FLARON_CLUSTER_KEY in the environment, or --cluster-key-file.
    #[arg(long, value_name = "ADDR", requires = "node_id", value_parser = node_address)]
    pub(crate) gossip: Option<SocketAddr>,
    /// The gossip address of another node to contact first; may be repeated.
    #[arg(long, value_name = "ADDR", requires = "gossip")]
    pub(crate) seed: Vec<String>,
    /// The address at which other nodes reach this one, if it is not the gossip address.
    #[arg(long, value_name = "ADDR", requires = "gossip", value_parser = node_address)]
    pub(crate) advertise: Option<SocketAddr>,
    /// A file with the cluster's key, as `flaron-edge new-key` prints it, or with two keys while one
    /// replaces the other.
    #[arg(long, value_name = "FILE")]
    pub(crate) cluster_key_file: Option<PathBuf>,
    /// Gossip on a network without a key: anyone who can reach the address can read and change everything in
    /// Plasma.
    #[arg(long, requires = "gossip")]
    pub(crate) insecure_gossip: bool,
    /// How much Plasma may store, in MiB [default: 64].
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) plasma_limit: Option<u32>,
    /// A node that flares can pull Spark keys from; may be repeated. The token that the nodes share is read
    /// from the environment: FLARON_PEER_TOKEN.
    #[arg(long, value_name = "NAME=URL")]
    pub(crate) peer: Vec<String>,
    /// How much client data the node holds at once, in MiB: bodies, WebSocket messages, responses waiting to
    /// be read. Beyond that, clients wait or get 503.
    #[arg(long, value_name = "MIB", default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) memory: u32,
    /// Serve crates exactly as they are deployed, without function names, line numbers and panic messages.
    #[arg(long)]
    pub(crate) release: bool,
    /// Append each request and its response to a file, for `replay`, `bench` and tests. The file holds all
    /// headers, credentials included.
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// How requests are printed: for people, or as JSON, one object a line.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) log: Format,
    /// Print each host call below its request: arguments, result, time.
    #[arg(long)]
    pub(crate) trace: bool,
    /// Send traces and metrics to an OpenTelemetry collector (OTLP over HTTP). Needs a flaron-edge
    /// built with the feature otlp.
    #[arg(long, value_name = "URL")]
    pub(crate) otlp: Option<String>,
    /// Rebuild and reload a flare when its files change.
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

/// The address of a node, for other nodes. It is no name: what a name stands for may change.
fn node_address(text: &str) -> Result<SocketAddr, &'static str> {
    let wrong = "it must be an IP address and a port, like 10.0.0.1:7946";
    text.parse().map_err(|_| wrong)
}
