//! What can be written on the command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use flaron_edge::{Error, Result};

/// A local edge node: runs Flaron flares for real.
#[derive(Parser)]
#[command(name = "flaron-edge", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
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
pub(crate) struct Run {
    /// Flares: crates' folders (built in release mode) or .wasm files.
    #[arg(value_name = "PATH")]
    pub(crate) flares: Vec<PathBuf>,
    /// Serve a flare below a path prefix; may be given several times.
    #[arg(long, value_name = "/PREFIX=PATH")]
    pub(crate) route: Vec<String>,
    /// The address to serve on, or a port of 127.0.0.1.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8787")]
    pub(crate) listen: String,
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
