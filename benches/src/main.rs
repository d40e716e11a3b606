//! The commands; see the README in this folder.

use std::fs;
use std::process::ExitCode;

use flaron_benches::flares;
use flaron_benches::fuel::{self, Baseline};
use flaron_benches::host::{Machine, Upstream};
use flaron_benches::load;
use flaron_benches::report::Report;
use wasmtime::error::Context as _;
use wasmtime::{Result, bail};

const USAGE: &str = "\
usage: cargo run -p flaron-benches -- COMMAND

  fuel              compare the instructions of each example flare with benches/fuel.toml
  fuel --bless      accept them
  fuel --published  print them beside those of the published SDK's flares
  fuel FILE.wasm …  print those of modules, such as example flares after `cargo size slim`
  report            measure everything and write benches/RESULTS.md and benches/results.svg
  report --quick    the same with too few samples for good numbers, printed only
  load              the edge under load beside `wasmtime serve`, `workerd` and `hyper` alone; with
                    --write into edge/README.md. Also --rounds N, --seconds N, --connections N,
                    --threads N
  spark             how many writes of Spark are acknowledged a second, with 1, 16 and 64 clients.
                    Also --rounds N, --seconds N. FLARON_EDGE names an edge that is built already";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args[..] {
        ["fuel"] => gate(),
        ["fuel", "--bless"] => bless(),
        ["fuel", "--published"] => published(),
        ["fuel", ref files @ ..] if files.iter().all(|file| file.ends_with(".wasm")) => {
            count(files)
        }
        ["report"] => Report::measure(false).and_then(|report| report.write()),
        ["report", "--quick"] => {
            Report::measure(true).map(|report| print!("{}", report.markdown()))
        }
        ["load", ref options @ ..] => load::run(options),
        ["spark", ref options @ ..] => load::spark(options),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn gate() -> Result<()> {
    let (now, committed) = (Baseline::measure()?, Baseline::committed()?);
    for (name, count) in &now.fuel {
        println!("{name:16} {count:>8}");
    }
    let changes = now.changes(&committed);
    if !now.is_comparable(&committed) {
        println!(
            "The baseline is of {}, wasmtime {}.",
            committed.rustc, committed.wasmtime
        );
    } else if !changes.is_empty() {
        bail!("{}\nTo accept: {}", changes.join("\n"), fuel::BLESS);
    }
    Ok(())
}

fn bless() -> Result<()> {
    let now = Baseline::measure()?;
    if let Ok(committed) = Baseline::committed() {
        for change in now.changes(&committed) {
            println!("{change}");
        }
    }
    now.write()
}

fn count(files: &[&str]) -> Result<()> {
    let machine = Machine::counting(Upstream::USUAL)?;
    for file in files {
        let wasm = fs::read(file).with_context(|| format!("could not read {file}"))?;
        let count = fuel::count(&machine, &wasm).with_context(|| (*file).to_owned())?;
        println!("{count:>8} {file}");
    }
    Ok(())
}

fn published() -> Result<()> {
    let machine = Machine::counting(Upstream::USUAL)?;
    println!(
        "{:16} {:>8} {:>10} {:>7}",
        "flare", "ours", "published", "ratio"
    );
    for name in flares::names()? {
        let ours = fuel::count(&machine, &flares::ours(&name)?)?;
        let theirs = fuel::count(&machine, &flares::published(&name)?)?;
        let ratio = ours as f64 / theirs as f64;
        println!("{name:16} {ours:>8} {theirs:>10} {ratio:>7.3}");
    }
    Ok(())
}
