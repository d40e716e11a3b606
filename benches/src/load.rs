//! The edge under load, beside `wasmtime serve` with the same flare: both make an instance for each
//! request and throw it away.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use flaron_build::Build;
use serde::Deserialize;
use wasmtime::error::Context as _;
use wasmtime::{Result, bail, ensure, format_err};

use crate::{flares, report};

/// The peer's flare is a component.
const PEER_TARGET: &str = "wasm32-wasip2";
/// What both answer.
const BODY: &str = "hello from the edge";
/// How long a server may take to listen: it compiles its flare first.
const START: Duration = Duration::from_secs(60);
/// How long each is asked before anything is measured.
const WARM_UP_SECONDS: u32 = 1;
/// The file with the results, and what is around them there.
const RESULTS: &str = "edge/README.md";
const BEGIN: &str = "<!-- load: written by `flaron-benches load --write` -->\n";
const END: &str = "<!-- load: end -->\n";

/// What the command was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    rounds: u32,
    seconds: u32,
    connections: u32,
    threads: u32,
    write: bool,
}

impl Settings {
    /// Reads the command's options.
    ///
    /// # Errors
    ///
    /// When there is an unknown one, or one without its number.
    pub fn parse(args: &[&str]) -> Result<Settings> {
        let mut settings = Settings {
            rounds: 9,
            seconds: 5,
            connections: 16,
            threads: 1,
            write: false,
        };
        let mut args = args.iter();
        while let Some(&arg) = args.next() {
            let number = match arg {
                "--rounds" => &mut settings.rounds,
                "--seconds" => &mut settings.seconds,
                "--connections" => &mut settings.connections,
                "--threads" => &mut settings.threads,
                "--write" => {
                    settings.write = true;
                    continue;
                }
                _ => bail!(
                    "load has no option {arg:?}; it has --rounds N, --seconds N, --connections N, \
                     --threads N and --write"
                ),
            };
            *number = args
                .next()
                .and_then(|text| text.parse().ok())
                .filter(|number| *number > 0)
                .with_context(|| format!("{arg} needs a number, at least 1"))?;
        }
        // wrk refuses it too, but less clearly.
        ensure!(
            settings.connections >= settings.threads,
            "--connections must be at least as many as --threads"
        );
        Ok(settings)
    }

    pub(crate) fn with_connections(&self, connections: u32) -> Settings {
        Settings {
            connections,
            threads: 1,
            ..self.clone()
        }
    }

    pub(crate) fn rounds(&self) -> u32 {
        self.rounds
    }

    pub(crate) fn seconds(&self) -> u32 {
        self.seconds
    }
}

/// What wrk says of one round, and what the system says of the server meanwhile.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Round {
    requests: u64,
    micros: u64,
    pub(crate) p50: u64,
    pub(crate) p99: u64,
    pub(crate) errors: u64,
    /// The server's computing time, where the system tells it.
    #[serde(skip)]
    cpu: Option<Duration>,
}

impl Round {
    pub(crate) fn per_second(&self) -> f64 {
        self.requests as f64 / (self.micros as f64 / 1e6)
    }

    fn cpu_micros(&self) -> Option<f64> {
        Some(self.cpu?.as_secs_f64() * 1e6 / self.requests as f64)
    }
}

/// Runs the comparison and prints it.
///
/// # Errors
///
/// When something it needs is not there (the message says how to get it), a server does not answer
/// as it should, or a request failed.
pub fn run(settings: &Settings) -> Result<()> {
    let wrk = program(WRK)?;
    let engine = flares::wasmtime_version()?;
    let peer = program(Tool {
        variable: "WASMTIME",
        name: "wasmtime",
        version: "--version",
        install: &format!(
            "install it with `cargo install wasmtime-cli --locked --version {engine}`, the edge's \
             own version of the engine"
        ),
    })?;
    eprintln!("building the edge, its flare and the peer's");
    let edge = build_edge()?;
    let folder = flares::target_dir()?.join("load");
    fs::create_dir_all(&folder)?;
    let flare = folder.join("hello.wasm");
    fs::write(&flare, flares::ours("hello")?)?;
    let component = build_component()?;

    let load_before = report::machine();
    let mut command = Command::new(edge);
    command
        .arg("run")
        .arg(&flare)
        .args(["--listen", "127.0.0.1:0", "--quiet", "--data"])
        .arg(folder.join("data"));
    let ours = Server::start("flaron-edge", command)?;
    let mut command = Command::new(&peer.path);
    command.args(PEER_ARGS).arg(&component);
    let theirs = Server::start("wasmtime serve", command)?;
    let servers = [&ours, &theirs];
    for server in servers {
        server.check()?;
        load(&wrk.path, server, settings, WARM_UP_SECONDS)?;
    }

    let mut rounds: [Vec<Round>; 2] = Default::default();
    for n in 0..settings.rounds as usize {
        // Who begins changes, so that what the machine does in between meets both.
        for which in [n % 2, 1 - n % 2] {
            let round = load(&wrk.path, servers[which], settings, settings.seconds)?;
            eprintln!(
                "round {} of {}: {} {:.0} requests per second, p99 {} µs",
                n + 1,
                settings.rounds,
                servers[which].name,
                round.per_second(),
                round.p99
            );
            rounds[which].push(round);
        }
    }
    for server in servers {
        server.check()?;
    }
    let [ours, theirs] = rounds;
    let mut text = table(&ours, &theirs);
    let _ = write!(
        text,
        "\n{} rounds of {} s each in turns, {} connections kept open, `wrk -t{} -c{}`; medians, and \
         the median of the ratios of each pair of rounds. The peer is `wasmtime {}`. {}; {}; edge: \
         profile `server`, wasmtime {engine}; flares: {}. Machine: {load_before}.\n",
        settings.rounds,
        settings.seconds,
        settings.connections,
        settings.threads,
        settings.connections,
        PEER_ARGS.join(" "),
        peer.version,
        wrk.version,
        flares::rustc_version()?,
    );
    println!("{text}");
    let errors: u64 = ours.iter().chain(&theirs).map(|round| round.errors).sum();
    ensure!(errors == 0, "{errors} requests failed: nothing is written");
    if settings.write {
        let file = flares::root().join(RESULTS);
        let old = fs::read_to_string(&file)?;
        fs::write(&file, put(&old, &text)?)?;
    }
    Ok(())
}

/// A fresh instance for each request is what it does by default with such a component; here it is
/// said. `cli` is what Rust's standard library imports, though it calls nothing of it.
const PEER_ARGS: [&str; 7] = [
    "serve",
    "--addr",
    "127.0.0.1:0",
    "--max-instance-reuse-count",
    "1",
    "-Opooling-allocator",
    "-Scli",
];

/// The text with the results between the marks.
fn put(old: &str, results: &str) -> Result<String> {
    let parts = old
        .split_once(BEGIN)
        .and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) =
        parts.with_context(|| format!("{RESULTS} has no line {BEGIN}… and {END}"))?;
    Ok(format!("{before}{BEGIN}\n{results}\n{END}{after}"))
}

/// The medians of both, and the ratios.
fn table(ours: &[Round], theirs: &[Round]) -> String {
    let mut text = String::from(
        "| | requests per second | p50 | p99 | server's CPU per request | failed |\n\
         |---|--:|--:|--:|--:|--:|\n",
    );
    let micros = |micros: Option<f64>| micros.map_or("?".to_owned(), |us| format!("{us:.0} µs"));
    for (name, rounds) in [("`flaron-edge`", ours), ("`wasmtime serve`", theirs)] {
        let _ = writeln!(
            text,
            "| {name} | {:.0} | {} | {} | {} | {} |",
            median(rounds.iter().map(Round::per_second)).unwrap_or(f64::NAN),
            micros(median(rounds.iter().map(|round| round.p50 as f64))),
            micros(median(rounds.iter().map(|round| round.p99 as f64))),
            micros(median(rounds.iter().filter_map(Round::cpu_micros))),
            rounds.iter().map(|round| round.errors).sum::<u64>(),
        );
    }
    let ratio = |of: fn(&Round) -> Option<f64>| {
        let pairs = ours.iter().zip(theirs);
        let ratios = pairs.filter_map(|(ours, theirs)| Some(of(ours)? / of(theirs)?));
        median(ratios).map_or("?".to_owned(), |ratio| format!("{ratio:.2}"))
    };
    let _ = writeln!(
        text,
        "| ratio | **{}** | {} | **{}** | {} | |",
        ratio(|round| Some(round.per_second())),
        ratio(|round| Some(round.p50 as f64)),
        ratio(|round| Some(round.p99 as f64)),
        ratio(Round::cpu_micros),
    );
    text
}

pub(crate) fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        length if length % 2 == 1 => Some(values[middle]),
        _ => Some((values[middle - 1] + values[middle]) / 2.0),
    }
}

/// A program that is not part of the repository: the variable that says where it is, if it is not on
/// the PATH, its name there, the option by which it says its version, and how to get it.
#[derive(Clone, Copy)]
pub(crate) struct Tool<'a> {
    variable: &'a str,
    name: &'a str,
    version: &'a str,
    install: &'a str,
}

/// What asks as fast as it is answered.
pub(crate) const WRK: Tool<'_> = Tool {
    variable: "WRK",
    name: "wrk",
    version: "-v",
    install: "install it (Debian: `apt install wrk`, macOS: `brew install wrk`)",
};

/// A program that was found.
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    /// The first line that it says of itself.
    pub(crate) version: String,
}

/// Finds a program: where its variable says, or on the PATH.
pub(crate) fn program(tool: Tool<'_>) -> Result<Program> {
    let Tool {
        variable,
        name,
        version,
        install,
    } = tool;
    let path = std::env::var_os(variable).map_or_else(|| name.into(), PathBuf::from);
    let output = Command::new(&path)
        .arg(version)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| {
            format_err!(
                "cannot run {}: {error}; {install}, or say where it is: {variable}=/path/to/{name}",
                path.display()
            )
        })?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().next().unwrap_or(name).trim();
    // wrk goes on with its author.
    let version = line.split(" Copyright").next().unwrap_or(line).to_owned();
    Ok(Program { path, version })
}

/// Builds the edge as its README says for load; or takes the one that `FLARON_EDGE` names.
pub(crate) fn build_edge() -> Result<PathBuf> {
    if let Some(edge) = std::env::var_os("FLARON_EDGE") {
        return Ok(edge.into());
    }
    let artifacts = Build::isolated(flares::root())
        .args(["--profile", "server", "--locked"])
        .package("flaron-edge")
        .run()?;
    let edge = artifacts.executable("flaron-edge");
    edge.context("cargo does not say where it put flaron-edge")
}

/// Builds the peer's flare, and installs its target if it is missing.
fn build_component() -> Result<PathBuf> {
    let folder = flares::root().join("benches/peers/hello");
    flaron_build::ensure_target(&folder, PEER_TARGET)?;
    let artifacts = Build::isolated_from_repository(&folder.join("Cargo.toml"))
        .release_for(PEER_TARGET)
        .args(["--quiet", "--locked"])
        .target_dir(&flares::target_dir()?.join("peers"))
        .run()?;
    let mut files = artifacts.wasm_files();
    let wasm = files.find(|file| file.target == "peer_hello");
    Ok(wasm.context("the peer's flare made no .wasm")?.path)
}

/// A server that runs; dropped, it is killed.
pub(crate) struct Server {
    name: &'static str,
    child: Child,
    addr: SocketAddr,
}

impl Server {
    /// Runs a server until it says where it listens.
    pub(crate) fn start(name: &'static str, mut command: Command) -> Result<Server> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {name}"))?;
        let (send, lines) = channel();
        follow(child.stdout.take(), send.clone());
        follow(child.stderr.take(), send);
        let mut server = Server {
            name,
            child,
            addr: ([0, 0, 0, 0], 0).into(),
        };
        let mut said = String::new();
        let until = Instant::now() + START;
        // The wait ends when the server does: then nobody sends.
        while let Ok(line) = lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
            if let Some(addr) = listens(&line) {
                server.addr = addr;
                return Ok(server);
            }
            said = said + &line + "\n";
        }
        bail!("{name} did not start to serve:\n{said}")
    }

    /// Checks that it answers as it should.
    fn check(&self) -> Result<()> {
        let mut stream = TcpStream::connect(self.addr)?;
        stream.set_read_timeout(Some(START))?;
        write!(
            stream,
            "GET / HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n",
            self.addr
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let right = answer.starts_with("HTTP/1.1 200 ")
            && answer.contains("\r\ncontent-type: text/plain\r\n")
            && answer.split_once("\r\n\r\n").map(|(_, body)| body) == Some(BODY);
        ensure!(right, "{} answers {answer:?}", self.name);
        Ok(())
    }

    /// The computing time of all its threads so far, on Linux.
    fn cpu(&self) -> Option<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).ok()?;
        cpu_of(&stat)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends each line that a server says, and reads on when nobody listens any more: it must not wait
/// for room to say more.
fn follow(from: Option<impl Read + Send + 'static>, send: Sender<String>) {
    let Some(from) = from else { return };
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            let _ = send.send(line);
        }
    });
}

/// The address in a line that says where a server serves.
fn listens(line: &str) -> Option<SocketAddr> {
    let (said, url) = line.split_once("http://")?;
    let addr = url.split(['/', ' ']).next()?;
    said.starts_with("Serving").then(|| addr.parse().ok())?
}

/// The computing time in a `/proc/PID/stat`: its 14th and 15th field (user and system), in ticks,
/// of which Linux tells programs 100 a second. The second field, a name in parentheses, may contain
/// anything.
fn cpu_of(stat: &str) -> Option<Duration> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ').skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(Duration::from_millis((user + system) * 10))
}

/// Asks a server as fast as it answers.
pub(crate) fn load(
    wrk: &Path,
    server: &Server,
    settings: &Settings,
    seconds: u32,
) -> Result<Round> {
    let before = server.cpu();
    let output = Command::new(wrk)
        .arg(format!("-t{}", settings.threads))
        .arg(format!("-c{}", settings.connections))
        .arg(format!("-d{seconds}s"))
        .arg("-s")
        .arg(flares::root().join("benches/src/load.lua"))
        .arg(format!("http://{}/", server.addr))
        .stdin(Stdio::null())
        .output()
        .context("cannot run wrk")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut round = measured(&text).with_context(|| {
        format!(
            "wrk did not say what it measured, but: {text}{}",
            String::from_utf8_lossy(&output.stderr)
        )
    })?;
    ensure!(round.requests > 0, "{} answered nothing", server.name);
    round.cpu = server
        .cpu()
        .zip(before)
        .and_then(|(after, before)| after.checked_sub(before));
    Ok(round)
}

/// The line of `load.lua`.
fn measured(output: &str) -> Option<Round> {
    let line = output.lines().find_map(|line| line.strip_prefix("LOAD "))?;
    serde_json::from_str(line).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(requests: u64, p99: u64) -> Round {
        Round {
            requests,
            micros: 2_000_000,
            p50: 100,
            p99,
            errors: 0,
            cpu: Some(Duration::from_secs(1)),
        }
    }

    #[test]
    fn options_are_read() {
        let settings = Settings::parse(&["--rounds", "3", "--write"]).unwrap();
        assert_eq!((settings.rounds, settings.write), (3, true));
        for (wrong, what) in [
            (&["--round"][..], "--rounds N"),
            (&["--rounds"], "--rounds needs a number"),
            (&["--rounds", "0"], "at least 1"),
            (&["--threads", "8", "--connections", "4"], "--connections"),
        ] {
            let error = Settings::parse(wrong).unwrap_err().to_string();
            assert!(error.contains(what), "{error}");
        }
    }

    #[test]
    fn the_table_has_medians_and_the_median_of_the_ratios() {
        let ours = [round(200, 50), round(4000, 90), round(600, 10)];
        let theirs = [round(100, 100), round(1000, 100), round(200, 100)];
        let text = table(&ours, &theirs);
        let lines: Vec<&str> = text.lines().skip(2).collect();
        assert_eq!(
            lines,
            [
                "| `flaron-edge` | 300 | 100 µs | 50 µs | 1667 µs | 0 |",
                "| `wasmtime serve` | 100 | 100 µs | 100 µs | 5000 µs | 0 |",
                // The pairs' ratios are 2, 4 and 3.
                "| ratio | **3.00** | 1.00 | **0.50** | 0.33 | |",
            ]
        );
        assert_eq!(median([4.0, 1.0].into_iter()), Some(2.5));
        assert_eq!(median([].into_iter()), None);
    }

    #[test]
    fn results_take_the_place_of_the_old_ones() {
        let text = put(&format!("a\n{BEGIN}old\n{END}b\n"), "new").unwrap();
        assert_eq!(text, format!("a\n{BEGIN}\nnew\n{END}b\n"));
        assert!(put("a\n", "new").is_err());
        let readme = fs::read_to_string(flares::root().join(RESULTS)).unwrap();
        assert!(put(&readme, "new").is_ok(), "the marks are in {RESULTS}");
    }

    #[test]
    fn what_the_servers_and_wrk_say_is_understood() {
        let addr = Some(([127, 0, 0, 1], 80).into());
        assert_eq!(listens("Serving HTTP on http://127.0.0.1:80/"), addr);
        assert_eq!(
            listens("Serving on http://127.0.0.1:80 (Ctrl-C stops)"),
            addr
        );
        assert_eq!(listens("  try      curl -i 'http://127.0.0.1:80/'"), None);
        let text =
            "Running\nLOAD {\"requests\":4,\"micros\":2000000,\"p50\":5,\"p99\":6,\"errors\":7}\n";
        let round = measured(text).unwrap();
        assert_eq!((round.per_second(), round.p50, round.p99), (2.0, 5, 6));
        assert_eq!(round.errors, 7);
        assert!(measured("unable to connect").is_none());
        let stat = "7 (a) b) S 1 7 7 0 -1 4194304 1 0 0 0 12 34 0 0 20 0";
        assert_eq!(cpu_of(stat), Some(Duration::from_millis(460)));
    }
}
