//! The command line of the local edge.

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use flaron_edge::{Edge, Error, FlareInfo, FlareStatus, Result};
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
    Run(Run),
    /// Tell what a .wasm imports, exports and needs.
    Inspect {
        /// The module.
        file: PathBuf,
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
    /// Do not print a line for each request.
    #[arg(long)]
    quiet: bool,
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Run(run) => self::run(run),
        Command::Inspect { file } => inspect(&file),
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
    let mut builder = Edge::builder();
    let with_config = |builder: flaron_edge::EdgeBuilder| match &run.config {
        Some(file) => builder.config_file(file),
        None => builder,
    };
    for path in &run.flares {
        builder = with_config(builder.flare(path.clone()));
    }
    for route in &run.route {
        let Some((prefix, path)) = route.split_once('=') else {
            return Err(Error::new(format!(
                "--route {route:?} must be like /prefix=PATH"
            )));
        };
        builder = with_config(builder.flare(path)).route(prefix);
    }
    if let Some(origin) = &run.origin {
        builder = builder.origin(origin);
    }
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
    println!("\nServing on {url} (Ctrl-C stops)\n");

    stop_signal().await;
    println!("Stopping: waiting for what is running (Ctrl-C again ends at once)");
    tokio::select! {
        done = server.shutdown(Duration::from_secs(10)) => if !done {
            println!("Some connections did not end in 10 s and were cut");
        },
        () = stop_signal() => {}
    }
    Ok(())
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

fn inspect(file: &std::path::Path) -> Result<()> {
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
