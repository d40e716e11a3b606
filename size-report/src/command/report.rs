//! `cargo size` itself: what the example flares weigh, beside their budgets and the baseline.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::chart;
use crate::flares;
use crate::gate::{self, baseline, budget};
use crate::output::{print, print_line, write_file};
use crate::project::Project;
use crate::report::{self, Report};
use crate::wasm::wasm_opt::{self, WasmOpt};
use flaron_build::table::Format;

/// What to measure, and what to do with it.
#[derive(Debug)]
pub struct Options {
    /// Check the flares against their budgets and the baseline.
    pub check: bool,
    /// Accept the sizes as they are.
    pub bless: bool,
    /// These flares, or all if none is named.
    pub flares: Vec<String>,
    /// Fail if there is no `wasm-opt`.
    pub require_opt: bool,
    pub json: bool,
    pub format: Format,
    /// Where to write a chart.
    pub svg: Option<PathBuf>,
}

/// Builds, measures, prints, and checks or blesses. `false` if the gate fails.
pub fn run(project: &Project, options: &Options) -> Result<bool> {
    let wasm_opt = WasmOpt::find(Some(&project.root))?;
    if wasm_opt.is_none() {
        if options.require_opt {
            bail!("{}", wasm_opt::MISSING);
        }
        eprintln!("note: {}", wasm_opt::MISSING);
    }
    let budgets = budget::read_budgets(&project.file("budgets.toml"))?;
    let baseline_path = project.file("baseline.toml");
    let accepted = baseline::read_baseline(&baseline_path)?;
    let settings = project.settings(wasm_opt.as_ref())?;
    let all = options.flares.is_empty();
    // The gate has no limits for what slim makes of them.
    let and_slim = !options.check;
    let measured = flares::measure(project, &options.flares, wasm_opt.as_ref(), and_slim)?;

    // When blessing, the table shows the change from the baseline that is being replaced.
    let verdict = gate::gate(&measured, &budgets, accepted.as_ref(), &settings, all);
    let shown = options.check.then_some(&verdict);
    let report = Report::new(
        "Sizes of the example flares",
        &measured,
        &budgets,
        accepted.as_ref(),
        &settings,
        shown,
    );
    if let Some(path) = &options.svg {
        let made_with = format!(
            "{}; {}",
            settings.rustc,
            settings.wasm_opt.as_deref().unwrap_or("no wasm-opt")
        );
        write_file(path, &chart::sizes(&report.flares, &made_with))?;
    }
    if options.json {
        print_line(report.json()?)?;
    } else {
        print(report.render(options.format))?;
    }
    if options.bless {
        let new = baseline::bless(accepted.as_ref(), &measured, settings, all)?;
        baseline::write_baseline(&baseline_path, &new, "cargo size --bless")?;
        eprintln!("accepted: {}", baseline_path.display());
        for finding in &verdict.findings {
            if matches!(
                finding,
                gate::Finding::OverBudget { .. } | gate::Finding::NoBudget { .. }
            ) {
                eprintln!(
                    "warning: {finding}: blessing does not change budgets, and --check will fail"
                );
            }
        }
        return Ok(true);
    }
    if !options.check {
        return Ok(true);
    }
    eprint!("{}", report::verdict(&verdict, HELP));
    if verdict.passed() {
        eprintln!("ok: every flare is within its limits");
    }
    Ok(verdict.passed())
}

const HELP: &str = "
What to do:
  cargo size why FLARE        what the bytes are, function by function
  cargo size diff HEAD FLARE  what grew since the last commit (or since any other revision)
  cargo size --bless          accept the sizes as they are; commit size-report/baseline.toml
A budget is a promise to flare authors. If it has to be broken, change size-report/budgets.toml
by hand, and say why in the commit. (A flare that is not in it yet needs an entry.)
";
