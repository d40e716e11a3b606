//! How many writes of Spark a node acknowledges a second, beside a flare that stores nothing. An
//! acknowledged write is on disk, so the disk says most of it; what the node adds is how many writes
//! share a sync.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use wasmtime::{Result, ensure};

use crate::load::peers::edge_program;
use crate::load::round::{Round, load};
use crate::load::server::Server;
use crate::load::table::median;
use crate::load::{Settings, wrk};
use crate::{flares, report};

/// How many ask at once.
const CLIENTS: [u32; 3] = [1, 16, 64];

/// Measures, and prints a table.
pub(super) fn measure(settings: &Settings) -> Result<()> {
    let wrk = wrk()?;
    eprintln!("building the edge and its flares");
    let edge = edge_program()?;
    let folder = flares::target_dir()?.join("spark");
    fs::create_dir_all(&folder)?;
    let machine = report::machine();
    let start = |name: &'static str, flare: &str| {
        // A data folder from before would have another quota used up, and another file's layout.
        let data = folder.join(format!("{flare}-data"));
        if data.exists() {
            fs::remove_dir_all(&data)?;
        }
        let wasm = folder.join(format!("{flare}.wasm"));
        fs::write(&wasm, flares::ours(flare)?)?;
        let config = flares::root()
            .join("examples")
            .join(flare)
            .join("flare.toml");
        let mut command = Command::new(&edge);
        command.arg("run").arg(&wasm);
        command.args(["--listen", "127.0.0.1:0", "--quiet", "--data"]);
        command.arg(data);
        if config.exists() {
            command.arg("--config").arg(config);
        }
        Server::start(name, command)
    };
    let idle = start("a flare that stores nothing", "hello")?;
    let writes = start("a flare that writes", "spark-counter")?;
    let mut text = String::from(
        "| clients | acknowledged writes a second | p50 | p99 | a flare that stores nothing, in the same round |\n\
         |--:|--:|--:|--:|--:|\n",
    );
    for clients in CLIENTS {
        let settings = Settings {
            connections: clients,
            threads: 1,
            ..settings.clone()
        };
        let (mut stored, mut asked) = (Vec::new(), Vec::new());
        for n in 1..=settings.rounds {
            for (server, rounds) in [(&writes, &mut stored), (&idle, &mut asked)] {
                let round = load(&wrk.path, server, &settings, settings.seconds)?;
                ensure!(round.errors == 0, "{} requests failed", round.errors);
                eprintln!(
                    "{clients} clients, round {n} of {}: {} answered {:.0} requests per second",
                    settings.rounds,
                    server.name(),
                    round.per_second().unwrap_or_default()
                );
                rounds.push(round);
            }
        }
        let middle = |of: &dyn Fn(&Round) -> Option<f64>, rounds: &[Round]| {
            median(rounds.iter().filter_map(of)).unwrap_or(f64::NAN)
        };
        let _ = writeln!(
            text,
            "| {clients} | {:.0} | {:.1} ms | {:.1} ms | {:.0} |",
            middle(&|round| round.per_second(), &stored),
            middle(&|round| Some(round.p50_micros()? / 1000.0), &stored),
            middle(&|round| Some(round.p99_micros()? / 1000.0), &stored),
            middle(&|round| round.per_second(), &asked),
        );
    }
    println!(
        "{text}\nMedians of {} rounds of {} s each in turns. {}. Machine: {machine}.",
        settings.rounds, settings.seconds, wrk.version,
    );
    Ok(())
}
