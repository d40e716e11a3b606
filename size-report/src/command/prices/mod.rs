//! `cargo size prices`: what each public SDK function costs a flare that calls nothing else.
//!
//! For each entry in `probes.toml` a tiny flare is generated, built in release mode like any flare, and
//! compared with an empty one. The result is `PRICES.md`, which `--write` updates and `--check` verifies.

mod api;
mod generate;
mod markdown;
pub(in crate::command) mod measure;
pub(in crate::command) mod probes;

use std::fs;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::command::prices::measure::measure;
use crate::output::{print_line, write_file};
use crate::project::Project;

/// What to do with the prices.
#[derive(Debug, Default)]
pub struct Options {
    /// Write them to `PRICES.md`.
    pub write: bool,
    /// Compare them with `PRICES.md`.
    pub check: bool,
    /// Print JSON.
    pub json: bool,
}

/// Measures, then prints, writes or checks. `false` if `PRICES.md` is out of date.
pub fn run(project: &Project, options: &Options) -> Result<bool> {
    let missing = api::without_price(project)?;
    for function in &missing {
        eprintln!("{function}: has no probe in size-report/probes.toml");
    }
    let prices = measure(project)?;
    for name in &prices.failed {
        eprintln!("{name}: its probe could not be built, so it has no price");
    }
    let path = project.file("PRICES.md");
    if options.write {
        write_file(&path, &prices.markdown())?;
        return Ok(prices.failed.is_empty() && missing.is_empty());
    }
    if !options.check {
        print_line(if options.json {
            prices.json()?
        } else {
            prices.markdown()
        })?;
        return Ok(true);
    }
    let written = fs::read_to_string(&path).with_context(|| {
        format!(
            "could not read {}; cargo size prices --write creates it",
            path.display()
        )
    })?;
    let (differences, notes) = prices
        .compare(&written)
        .with_context(|| format!("{}", path.display()))?;
    for note in notes {
        eprintln!("note: {note}");
    }
    for difference in &differences {
        eprintln!("error: {difference}");
    }
    if !differences.is_empty() {
        eprintln!("\nPRICES.md is out of date: run cargo size prices --write, and commit it");
    }
    if !missing.is_empty() {
        eprintln!(
            "\nEvery public function needs a price: add the probes named above, or list the function under [unpriced] with the reason"
        );
    }
    let current = differences.is_empty() && missing.is_empty();
    if current {
        eprintln!("ok: PRICES.md is up to date");
    }
    Ok(current)
}

/// A probe with its price. Prices may be negative in theory: they are differences.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Price {
    pub group: String,
    pub name: String,
    pub raw: i64,
    pub opt: Option<i64>,
}

/// All prices, and what they were measured with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Prices {
    pub rustc: String,
    pub wasm_opt: Option<String>,
    /// The whole empty flare.
    pub empty: Price,
    pub prices: Vec<Price>,
    /// Probes that could not be built, and so have no price.
    pub failed: Vec<String>,
}
