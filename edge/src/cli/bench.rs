//! `flaron-edge bench`: measures what a flare's requests cost, and whether that grew.

use std::path::{Path, PathBuf};
use std::time::Duration;

use flaron_build::table::{Format, Table};
use flaron_edge::{Bench, Error, RecordedRequest, Result, Subject, read_recording};

use crate::cli::args::BenchArgs;
use crate::cli::describe::bytes;
use crate::cli::output::{out, outln};

/// The file beside a flare with its recorded requests.
const REQUESTS: &str = "flare.requests.jsonl";
/// The file beside a flare with the accepted measurements.
const BASELINE: &str = "flare.bench.json";

/// Measures, prints a table, and compares.
pub(crate) fn bench(args: &BenchArgs) -> Result<()> {
    let folder = match args.flare.is_dir() {
        true => args.flare.as_path(),
        false => args.flare.parent().unwrap_or(Path::new("")),
    };
    let recorded = args.requests.clone().or_else(|| {
        let file = folder.join(REQUESTS);
        file.is_file().then_some(file)
    });
    let requests = match &recorded {
        Some(file) => read_recording(file)?
            .into_iter()
            .map(|recorded| recorded.request)
            .collect(),
        None => vec![RecordedRequest::get("/")],
    };
    if requests.is_empty() {
        return Err(Error::new("the file contains no requests"));
    }
    let bench = Subject::at(&args.flare)?
        .secrets(args.secrets.clone())
        .measure(&requests, args.rounds)?;
    let format = match args.markdown {
        true => Format::Markdown,
        false => Format::Text,
    };
    out!("{}", table(&bench, format));
    if cfg!(debug_assertions) {
        outln!(
            "\nThis is a debug build of flaron-edge: the times of an optimised one are shorter."
        );
    }
    let file = args
        .baseline
        .clone()
        .unwrap_or_else(|| folder.join(BASELINE));
    if args.save {
        return save(&file, &bench);
    }
    if !file.is_file() {
        if args.baseline.is_some() {
            return Err(Error::new(format!("there is no {}", file.display())));
        }
        outln!("\nTo fail on growth from now on: flaron-edge bench --save");
        return Ok(());
    }
    compare(&bench, &file, args.tolerance)
}

fn save(file: &PathBuf, bench: &Bench) -> Result<()> {
    let text =
        serde_json::to_string_pretty(bench).map_err(|error| Error::new(error.to_string()))?;
    std::fs::write(file, text + "\n")
        .map_err(|error| Error::new(format!("cannot write {}: {error}", file.display())))?;
    outln!("\nSaved as {}", file.display());
    Ok(())
}

fn compare(bench: &Bench, file: &Path, tolerance: f64) -> Result<()> {
    let failed = |error: &dyn std::fmt::Display| Error::new(format!("{}: {error}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| failed(&error))?;
    let then: Bench = serde_json::from_str(&text).map_err(|error| failed(&error))?;
    let grown = bench
        .grown_since(&then, tolerance / 100.0)
        .map_err(|error| failed(&error))?;
    if grown.is_empty() {
        outln!("\nNothing grew since {}", file.display());
        return Ok(());
    }
    Err(Error::new(format!(
        "requests cost more than in {}; to accept that: flaron-edge bench --save\n  {}",
        file.display(),
        grown.join("\n  ")
    )))
}

/// The cost of each request, and below them the size and the start-up time.
fn table(bench: &Bench, format: Format) -> String {
    let mut table = Table::new(&["request", "status", "instructions", "memory", "time"]);
    for cost in &bench.requests {
        let instructions = match cost.most - cost.instructions {
            0 => cost.instructions.to_string(),
            _ => format!("{} to {}", cost.instructions, cost.most),
        };
        table.row(vec![
            cost.request.clone(),
            cost.status.to_string(),
            instructions,
            bytes(cost.memory),
            time(cost.time),
        ]);
    }
    format!(
        "{}\n{}; ready to serve {} after reading the file\n",
        table.render(format),
        bytes(bench.size),
        time(bench.start)
    )
}

fn time(time: Duration) -> String {
    let micros = time.as_secs_f64() * 1e6;
    match micros {
        0.0..1000.0 => format!("{micros:.0} µs"),
        _ => format!("{:.1} ms", micros / 1000.0),
    }
}
