//! The edge under load, compared with two other runtimes and with a server that runs no guest code. All
//! send the same response; the edge and `wasmtime serve` create a fresh instance for each request.

use std::fmt::Write as _;
use std::fs;

use wasmtime::error::Context as _;
use wasmtime::{Result, bail, ensure};

use crate::load::peers::{Contestant, program};
use crate::load::round::{Round, load};
use crate::{flares, report};

mod bare;
mod peers;
mod round;
mod server;
mod spark;
mod table;

/// How long each server is warmed up before it is measured.
const WARM_UP_SECONDS: u32 = 1;

/// The command's options.
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
    /// When an option is unknown, or its number is missing.
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
        // wrk refuses it, too, but its message is less clear.
        ensure!(
            settings.connections >= settings.threads,
            "--connections must be at least as many as --threads"
        );
        Ok(settings)
    }
}

/// Runs the command: the comparison, or (as a process of its own) the server that is compared with.
///
/// # Errors
///
/// When something it needs is not there (the message says how to get it), a server does not answer
/// as it should, or a request failed.
pub fn run(args: &[&str]) -> Result<()> {
    match args {
        [peers::BARE] => bare::serve(),
        _ => compare(&Settings::parse(args)?),
    }
}

/// Measures Spark's writes and prints them.
///
/// # Errors
///
/// When something it needs is not there (the message says how to get it), the node does not start, or
/// a request failed.
pub fn spark(args: &[&str]) -> Result<()> {
    spark::measure(&Settings::parse(args)?)
}

/// The load generator.
fn wrk() -> Result<peers::Program> {
    program(
        "WRK",
        "wrk",
        "-v",
        "install it (Debian: `apt install wrk`, macOS: `brew install wrk`)",
    )
}

/// Runs the comparison and prints it.
fn compare(settings: &Settings) -> Result<()> {
    let wrk = wrk()?;
    eprintln!("building the edge, its flare and the peers' (minutes the first time)");
    let folder = flares::target_dir()?.join("load");
    fs::create_dir_all(&folder)?;
    let mut contestants = vec![peers::edge(&folder)?, peers::wasmtime()?];
    let mut skipped = String::new();
    match peers::workerd(&folder) {
        Ok(workerd) => contestants.push(workerd),
        // npm may be missing; then the table says so.
        Err(error) => {
            skipped = format!("**workerd was skipped**: {error:#}");
            eprintln!("SKIPPED: workerd: {error:#}");
        }
    }
    contestants.push(peers::bare()?);
    let machine = report::machine();

    let count = contestants.len();
    let seconds = (settings.rounds * settings.seconds + WARM_UP_SECONDS) as usize * count;
    eprintln!("loading {count} servers, which takes {seconds} s");
    for Contestant { server, .. } in &contestants {
        server.check()?;
        load(&wrk.path, server, settings, WARM_UP_SECONDS)?;
    }
    let mut measured: Vec<(&str, Vec<Round>)> = contestants
        .iter()
        .map(|contestant| (contestant.server.name(), Vec::new()))
        .collect();
    for n in 0..settings.rounds as usize {
        // The order rotates, so that changes in the machine's load affect all servers alike.
        for which in (0..count).map(|place| (n + place) % count) {
            let (name, rounds) = &mut measured[which];
            let server = &contestants[which].server;
            let round = load(&wrk.path, server, settings, settings.seconds)?;
            eprintln!(
                "round {} of {}: {name} {:.0} requests per second, p99 {} µs",
                n + 1,
                settings.rounds,
                round.per_second().unwrap_or_default(),
                round.p99
            );
            rounds.push(round);
        }
    }
    for Contestant { server, .. } in &contestants {
        server.check()?;
    }

    let mut text = table::table(&measured);
    let abouts: Vec<&str> = contestants.iter().map(|c| c.about.as_str()).collect();
    let _ = write!(
        text,
        "\n{} rounds of {} s each in turns, {} connections kept open, `wrk -t{} -c{}` ({}); medians, \
         and the median of the ratios of each round's pair. {}. Machine: {machine}.\n",
        settings.rounds,
        settings.seconds,
        settings.connections,
        settings.threads,
        settings.connections,
        wrk.version,
        abouts.join("; "),
    );
    if !skipped.is_empty() {
        let _ = write!(text, "\n{skipped}\n");
    }
    println!("{text}");
    let rounds = measured.iter().flat_map(|(_, rounds)| rounds);
    let errors: u64 = rounds.map(|round| round.errors).sum();
    ensure!(errors == 0, "{errors} requests failed: nothing is written");
    if settings.write {
        let file = flares::root().join(table::RESULTS);
        let old = fs::read_to_string(&file)?;
        fs::write(&file, table::put(&old, &text)?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
