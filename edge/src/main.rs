//! The command line of the local edge.

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use flaron_edge::plasma::GossipConfig;
use flaron_edge::{Edge, EdgeBuilder, Error, FlareInfo, FlareStatus, Reload, Result, Sdk};
use tokio::net::TcpListener;

/// A local edge node: runs Flaron flares for real.
#[derive(Parser)]
#[command(name = "flaron-edge", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build and serve flares.
    Run(Box<Run>),
    /// Tell what a .wasm imports, exports and needs.
    Inspect {
        /// The module.
        file: PathBuf,
    },
    /// Make a flare crate that builds, has a test, and runs.
    New {
        /// The new folder; its last part is the crate's name.
        name: PathBuf,
        /// The SDK: a folder, or a version of flaron-sdk [default: this repository's].
        #[arg(long, value_name = "PATH|VERSION")]
        sdk: Option<String>,
    },
}

#[derive(Args)]
struct Run {
    /// Flares: crates' folders (built in release mode) or .wasm files.
    #[arg(value_name = "PATH")]
    flares: Vec<PathBuf>,
    /// A flare below a path prefix; may be given several times.
    #[arg(long, value_name = "/PREFIX=PATH")]
    route: Vec<String>,
    /// The address to serve on.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8787")]
    listen: String,
    /// Where Transform and PassThrough go.
    #[arg(long, value_name = "URL")]
    origin: Option<String>,
    /// A flare.toml elsewhere than beside the flare.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A flare.secrets.toml elsewhere than beside the flare.
    #[arg(long, value_name = "FILE")]
    secrets: Option<PathBuf>,
    /// Where Spark and Plasma keep their data [default: .flaron beside the first flare].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// This node's name; nodes that gossip or pull need one each.
    #[arg(long, value_name = "NAME")]
    node_id: Option<String>,
    /// Spread Plasma to other nodes, through this UDP address.
    #[arg(long, value_name = "ADDR", requires = "node_id")]
    gossip: Option<SocketAddr>,
    /// Another node's gossip address to begin with; may be given several times.
    #[arg(long, value_name = "ADDR", requires = "gossip")]
    seed: Vec<String>,
    /// A node that flares can pull Spark keys from; may be given several times. The nodes' shared
    /// token is in the environment, FLARON_PEER_TOKEN.
    #[arg(long, value_name = "NAME=URL")]
    peer: Vec<String>,
    /// Build and load a flare again when its files change.
    #[arg(long)]
    watch: bool,
    /// Do not serve the status page at /_edge.
    #[arg(long)]
    no_status: bool,
    /// Do not print a line for each request.
    #[arg(long)]
    quiet: bool,
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Run(run) => self::run(*run),
        Command::Inspect { file } => inspect(&file),
        Command::New { name, sdk } => new(&name, sdk.as_deref()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(run: Run) -> Result<()> {
    log_to_terminal(run.quiet);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::new(format!("cannot start the runtime: {error}")))?;
    runtime.block_on(serve(run))
}

async fn serve(run: Run) -> Result<()> {
    let builder = builder(&run)?;
    // The port first: whoever has it is told before anything is built.
    let listener = TcpListener::bind(&run.listen).await.map_err(|error| {
        Error::new(format!(
            "cannot listen on {}: {error}; another address can be given with --listen",
            run.listen
        ))
    })?;
    let edge = tokio::task::block_in_place(|| builder.build())?;
    let server = edge.serve(listener)?;
    let url = format!("http://{}", server.addr());
    for flare in edge.flares() {
        print!("{}", describe(&flare, &url));
    }
    if let Some(gossip) = edge.plasma().status().gossip {
        println!("\nGossip on {gossip}");
    }
    let _watch = match run.watch {
        true => Some(edge.watch(|reload| tell(&reload))?),
        false => None,
    };
    println!("\nServing on {url} (Ctrl-C stops)");
    if !run.no_status {
        println!("Status page: {url}/_edge");
    }
    println!();

    stop_signal().await;
    println!("Stopping: waiting for what is running (Ctrl-C again ends at once)");
    tokio::select! {
        done = server.shutdown(Duration::from_secs(10)) => {
            if !done {
                println!("Some connections did not end in 10 s and were cut");
            }
            edge.leave().await;
        }
        () = stop_signal() => {}
    }
    Ok(())
}

/// The node that the command line describes.
fn builder(run: &Run) -> Result<EdgeBuilder> {
    let mut builder = Edge::builder().status_page(!run.no_status);
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
        return Err(Error::new(
            "no flare was given: flaron-edge run PATH, where PATH is a flare crate's folder or a \
             .wasm file (`flaron-edge new NAME` makes a flare)",
        ));
    };
    let beside = if first.is_dir() {
        first.as_path()
    } else {
        first.parent().unwrap_or(Path::new(""))
    };
    builder = builder.data(run.data.clone().unwrap_or_else(|| beside.join(".flaron")));
    if let Some(origin) = &run.origin {
        builder = builder.origin(origin);
    }
    if let Some(id) = &run.node_id {
        builder = builder.node_id(id);
    }
    if let Some(listen) = run.gossip {
        let mut gossip = GossipConfig::new(listen);
        gossip.seeds.clone_from(&run.seed);
        builder = builder.gossip(gossip);
    }
    for peer in &run.peer {
        let (name, url) = pair(peer, "--peer", "NAME=http://HOST:PORT")?;
        builder = builder.peer(name, url);
    }
    if let Ok(token) = std::env::var("FLARON_PEER_TOKEN") {
        builder = builder.peer_token(token);
    }
    Ok(builder)
}

/// The two sides of `A=B`.
fn pair<'a>(text: &'a str, option: &str, form: &str) -> Result<(&'a str, &'a str)> {
    text.split_once('=')
        .ok_or_else(|| Error::new(format!("{option} {text:?} must be like {form}")))
}

/// What is said of a reload.
fn tell(reload: &Reload) {
    let took = reload.duration.as_secs_f64();
    match &reload.outcome {
        Ok(size) => println!(
            "\nReloaded {}: {}, in {took:.1} s\n",
            reload.flare,
            bytes(*size as u64)
        ),
        Err(error) => println!(
            "\nNot reloaded, {} goes on as it was: {error}\n",
            reload.flare
        ),
    }
}

/// Waits for Ctrl-C or SIGTERM.
async fn stop_signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut term) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = term.recv() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}

/// What is said of a flare on start.
fn describe(flare: &FlareStatus, url: &str) -> String {
    let mut text = format!("\n{}  {}\n", flare.name, bytes(flare.info.size as u64));
    if let Some(file) = &flare.file {
        let _ = writeln!(text, "  file     {}", file.display());
    }
    text.push_str(&describe_info(&flare.info));
    let route = flare.routes.first().map_or("/", String::as_str);
    let _ = writeln!(text, "  routes   {}", flare.routes.join(" "));
    let _ = match flare.kind.http() {
        true => writeln!(text, "  try      curl -i '{url}{route}'"),
        false => writeln!(
            text,
            "  try      websocat 'ws{}{route}'",
            url.trim_start_matches("http")
        ),
    };
    text
}

fn describe_info(info: &FlareInfo) -> String {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for import in &info.imports {
        let name = import.capability.name();
        match groups.iter_mut().find(|(group, _)| *group == name) {
            Some((_, names)) => names.push(import.name),
            None => groups.push((name, vec![import.name])),
        }
    }
    let groups: Vec<String> = groups
        .iter()
        .map(|(group, names)| format!("{group} ({})", names.join(", ")))
        .collect();
    let max = match info.max_memory {
        Some(max) => bytes(max),
        None => "no maximum of its own".to_owned(),
    };
    let imports = match groups.is_empty() {
        true => "none".to_owned(),
        false => groups.join("\n           "),
    };
    format!(
        "  imports  {imports}\n  exports  {}\n  memory   {} at the start, {max}\n",
        info.exports.join(", "),
        bytes(info.memory),
    )
}

/// A number of bytes as people read it.
fn bytes(count: u64) -> String {
    match count {
        0..10_240 => format!("{count} bytes"),
        10_240..1_048_576 => format!("{:.1} KiB", count as f64 / 1024.0),
        _ => format!("{:.1} MiB", count as f64 / 1_048_576.0),
    }
}

fn inspect(file: &Path) -> Result<()> {
    let wasm = std::fs::read(file)
        .map_err(|error| Error::new(format!("cannot read {}: {error}", file.display())))?;
    let info = flaron_edge::inspect(&wasm)
        .map_err(|error| Error::new(format!("{}: {error}", file.display())))?;
    println!("{}  {}", file.display(), bytes(info.size as u64));
    print!("{}", describe_info(&info));
    if info.problems.is_empty() {
        return Ok(());
    }
    for problem in &info.problems {
        println!("  problem  {problem}");
    }
    Err(Error::new("this module is not a flare"))
}

fn new(folder: &Path, sdk: Option<&str>) -> Result<()> {
    let sdk = sdk.map_or_else(|| Ok(Sdk::default()), Sdk::parse)?;
    flaron_edge::new(folder, &sdk)?;
    let program = std::env::current_exe().map_or_else(
        |_| "flaron-edge".to_owned(),
        |program| program.display().to_string(),
    );
    let folder = folder.display();
    println!("Made the flare {folder}.\n");
    println!("  test it   (cd {folder} && cargo test)");
    println!("  serve it  {program} run {folder} --watch");
    Ok(())
}

/// Prints what the node says: the journal's entries as they are, anything else with its level.
fn log_to_terminal(quiet: bool) {
    use tracing_subscriber::filter::LevelFilter;
    let level = if quiet {
        LevelFilter::WARN
    } else {
        LevelFilter::INFO
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_ansi(std::io::stdout().is_terminal())
        .without_time()
        .with_target(false)
        .init();
}
