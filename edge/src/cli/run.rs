//! `flaron-edge run`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use flaron_edge::cluster::ClusterKeys;
use flaron_edge::plasma::GossipConfig;
use flaron_edge::{Edge, EdgeBuilder, Error, Reload, Result};

use crate::cli::args::{Format, Run, pair};
use crate::cli::describe::{bytes, describe};
use crate::cli::doctor;
use crate::cli::keys::Keys;
use crate::cli::kv::Running;
use crate::cli::listening::Address;
use crate::cli::log::{Detail, Log, say};
use crate::cli::terminal::Terminal;

/// Builds and serves flares until Ctrl-C.
pub(crate) fn run(mut run: Run) -> Result<()> {
    if run.flares.is_empty() && run.route.is_empty() && doctor::makes_wasm(Path::new(".")) {
        run.flares.push(PathBuf::from("."));
    }
    let traced = traces(&run);
    let detail = match (run.quiet, run.trace) {
        (true, _) => Detail::Failures,
        (false, true) => Detail::Calls,
        (false, false) => Detail::Requests,
    };
    let log = Log::begin(run.log, detail, traced);
    raise_descriptors();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::new(format!("cannot start the runtime: {error}")))?;
    runtime.block_on(serve(run, log))
}

/// Raises the limit on open descriptors as far as this process may: the usual soft limit of 1024 (256 on macOS) is
/// there for programs that use `select`. If raising it fails, there are fewer connections.
#[cfg(unix)]
fn raise_descriptors() {
    use rustix::process::{Resource, getrlimit, setrlimit};

    /// What macOS allows if it states no maximum.
    const OPEN_MAX: u64 = 10_240;
    let mut limit = getrlimit(Resource::Nofile);
    for most in [limit.maximum, Some(OPEN_MAX)] {
        limit.current = most;
        if setrlimit(Resource::Nofile, limit).is_ok() {
            return;
        }
    }
}

#[cfg(not(unix))]
fn raise_descriptors() {}

async fn serve(run: Run, log: Log) -> Result<()> {
    let (builder, data) = builder(&run, &log)?;
    let format = run.log;
    let say = |text: &str| say(format, text);
    let address = Address::take(&run, &data).await?;
    let edge = tokio::task::block_in_place(|| builder.build())?;
    let server = address.serve(&edge).await?;
    let url = server.url.clone();
    let node_id = run.node_id.as_deref().unwrap_or("local");
    let _running = Running::new(&data, node_id, &server.url_for_tools);
    for flare in edge.flares() {
        say(&describe(&flare, &url));
    }
    if let Some(gossip) = edge.plasma().status().gossip {
        say(&format!("\nGossip on {gossip}\n"));
    }
    let _watch = match run.watch {
        true => Some(edge.watch(move |reload| print_reload(&reload, format))?),
        false => None,
    };
    say(&format!("\nServing on {url} (Ctrl-C stops)\n"));
    say(&server.about);
    if !run.no_status {
        say(&format!("Status page: {url}/_edge\n"));
    }
    let mut stop = Stop::new()?;
    let terminal = Terminal::claim();
    if terminal.is_some() {
        say("Keys: h lists them\n");
    }
    say("\n");

    let keys = Keys {
        edge: edge.clone(),
        status_page: (!run.no_status).then(|| format!("{url}/_edge")),
        log,
    };
    tokio::select! {
        () = stop.asked() => {}
        () = keys.serve(terminal, move |reload| print_reload(&reload, format)) => {}
    }
    say("Stopping: waiting for running requests (press Ctrl-C again to stop at once)\n");
    tokio::select! {
        done = server.shutdown(Duration::from_secs(10)) => {
            if !done {
                say("Some connections were still open after 10 s and were closed\n");
            }
            edge.leave().await;
        }
        () = stop.asked() => {}
    }
    Ok(())
}

/// The node that the command line describes, and its data folder.
fn builder(run: &Run, log: &Log) -> Result<(EdgeBuilder, PathBuf)> {
    let mut builder = Edge::builder().status_page(!run.no_status);
    if !run.release
        && let Ok(program) = std::env::current_exe()
    {
        builder = builder.development(program);
    }
    builder = builder.prints(log.prints()).trace(log.traced());
    if let Some(file) = &run.record {
        builder = builder.record(file);
    }
    let settings = |mut builder: EdgeBuilder| {
        if let Some(file) = &run.config {
            builder = builder.config_file(file);
        }
        if let Some(file) = &run.secrets {
            builder = builder.secrets_file(file);
        }
        builder
    };
    let mut first = None;
    for path in &run.flares {
        first.get_or_insert_with(|| path.clone());
        builder = settings(builder.flare(path.clone()));
    }
    for route in &run.route {
        let (prefix, path) = pair(route, "--route", "/prefix=PATH")?;
        first.get_or_insert_with(|| path.into());
        builder = settings(builder.flare(path)).route(prefix);
    }
    let Some(first) = first else {
        return Err(Error::new(format!(
            "no flare was given, and the current folder is not a flare crate: flaron-edge run PATH, where PATH \
             is a flare crate's folder or a .wasm file (`flaron-edge new NAME` creates a flare){}",
            doctor::flare_above(Path::new("."))
        )));
    };
    let beside = if first.is_dir() {
        first.as_path()
    } else {
        first.parent().unwrap_or(Path::new(""))
    };
    let data = run.data.clone().unwrap_or_else(|| beside.join(".flaron"));
    builder = builder.data(&data);
    builder = builder.memory((run.memory as usize) << 20);
    if let Some(origin) = &run.origin {
        builder = builder.origin(origin);
    }
    if let Some(id) = &run.node_id {
        builder = builder.node_id(id);
    }
    if let Some(listen) = run.gossip {
        let mut gossip = GossipConfig::new(listen);
        gossip.seeds.clone_from(&run.seed);
        gossip.advertise = run.advertise;
        gossip.insecure = run.insecure_gossip;
        builder = builder.gossip(gossip);
    }
    if let Some(keys) = cluster_keys(run.cluster_key_file.as_deref())? {
        builder = builder.cluster_keys(keys);
    }
    if let Some(mib) = run.plasma_limit {
        builder = builder.plasma_limit((mib as usize).saturating_mul(1024 * 1024));
    }
    for peer in &run.peer {
        let (name, url) = pair(peer, "--peer", "NAME=http://HOST:PORT")?;
        builder = builder.peer(name, url);
    }
    if let Ok(token) = std::env::var("FLARON_PEER_TOKEN") {
        builder = builder.peer_token(token);
    }
    if let Some(collector) = &run.otlp {
        builder = told(builder, collector)?;
    }
    Ok((builder, data))
}

/// Sends traces and metrics to a collector.
#[cfg(feature = "otlp")]
#[allow(clippy::unnecessary_wraps, reason = "without the feature it fails")]
fn told(builder: EdgeBuilder, collector: &str) -> Result<EdgeBuilder> {
    Ok(builder.otlp(collector))
}

#[cfg(not(feature = "otlp"))]
fn told(_: EdgeBuilder, _: &str) -> Result<EdgeBuilder> {
    Err(Error::new(
        "this flaron-edge was built without OpenTelemetry; build it with: cargo install --locked --path edge \
         --features otlp",
    ))
}

/// Whether host calls are recorded: for a crate in development the status page shows them.
fn traces(run: &Run) -> bool {
    let routed = run.route.iter().filter_map(|route| route.split_once('='));
    let mut paths = run
        .flares
        .iter()
        .map(PathBuf::as_path)
        .chain(routed.map(|(_, path)| Path::new(path)));
    let has_crate = paths.any(Path::is_dir);
    (has_crate && !run.release) || run.trace || run.record.is_some()
}

/// The cluster's key, from the file or the environment.
fn cluster_keys(file: Option<&Path>) -> Result<Option<ClusterKeys>> {
    let text = match file {
        Some(file) => std::fs::read_to_string(file)
            .map_err(|error| Error::new(format!("cannot read {}: {error}", file.display())))?,
        None => match std::env::var("FLARON_CLUSTER_KEY") {
            Ok(text) => text,
            Err(_) => return Ok(None),
        },
    };
    let keys = ClusterKeys::parse(&text).map_err(|error| Error::new(error.to_string()))?;
    Ok(Some(keys))
}

/// Prints the outcome of a reload.
fn print_reload(reload: &Reload, log: Format) {
    let took = reload.duration.as_secs_f64();
    let text = match &reload.outcome {
        Ok(size) => format!(
            "\nReloaded {}: {}, in {took:.1} s\n\n",
            reload.flare,
            bytes(*size as u64)
        ),
        Err(error) => format!(
            "\nNot reloaded; the old {} keeps running: {error}\n\n",
            reload.flare
        ),
    };
    say(log, &text);
}

/// The signals that ask the node to stop: Ctrl-C and SIGTERM. While this exists, neither ends the process by
/// itself, which would leave the terminal in the mode that the keys need.
struct Stop {
    #[cfg(unix)]
    signals: [tokio::signal::unix::Signal; 2],
}

impl Stop {
    #[cfg(unix)]
    fn new() -> Result<Stop> {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| {
            signal(kind).map_err(|error| Error::new(format!("cannot listen for signals: {error}")))
        };
        let signals = [
            listen(SignalKind::interrupt())?,
            listen(SignalKind::terminate())?,
        ];
        Ok(Stop { signals })
    }

    #[cfg(not(unix))]
    fn new() -> Result<Stop> {
        Ok(Stop {})
    }

    /// Waits for the next such signal.
    async fn asked(&mut self) {
        #[cfg(unix)]
        {
            let [interrupt, terminate] = &mut self.signals;
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        }
        #[cfg(not(unix))]
        let _ = tokio::signal::ctrl_c().await;
    }
}
