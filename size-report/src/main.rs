//! The command line. Exit code 0: all is well; 1: a check failed; 2: it could not be run.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Args, Parser, Subcommand};

use flaron_size::binaryen::{self, WasmOpt};
use flaron_size::budget::{self, Sizes, parse_bytes};
use flaron_size::output::{print, print_line};
use flaron_size::project::Project;
use flaron_size::report::{self, Format, Report};
use flaron_size::{chart, check, diff, flares, peers, prices, why};

/// What a flare's bytes are made of, and whether it grew.
///
/// Without a command: builds every example flare in release, with only the features it asks
/// for, and prints what it weighs beside its budget and the accepted baseline.
#[derive(Parser)]
#[command(
    name = "flaron-size",
    bin_name = "cargo size",
    version,
    args_conflicts_with_subcommands = true
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    report: ReportArgs,
    /// The checkout of the repository, if not the one around the current directory
    #[arg(long, global = true, value_name = "DIR")]
    root: Option<PathBuf>,
}

#[derive(Args)]
struct ReportArgs {
    /// Fail if a flare is over its budget, or differs from the baseline under the same rustc
    #[arg(long, conflicts_with = "bless")]
    check: bool,
    /// Accept the sizes as they are: write size-report/baseline.toml
    #[arg(long)]
    bless: bool,
    /// Only this flare (may be given again)
    #[arg(long = "flare", value_name = "NAME")]
    flares: Vec<String>,
    /// Fail if wasm-opt is not here, so that CI cannot pass without it by accident
    #[arg(long)]
    require_opt: bool,
    #[command(flatten)]
    output: Output,
    /// Write a chart of the sizes
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

#[derive(Args)]
struct Output {
    /// Print JSON, for programs
    #[arg(long, conflicts_with = "markdown")]
    json: bool,
    /// Print Markdown, for a pull request
    #[arg(long)]
    markdown: bool,
}

impl Output {
    fn format(&self) -> Format {
        if self.markdown {
            Format::Markdown
        } else {
            Format::Text
        }
    }
}

#[derive(Subcommand)]
enum Command {
    /// What a flare's bytes are: functions by size, data, imports, exports
    Why {
        /// An example flare, or a .wasm file
        subject: String,
        /// Of the flare after wasm-opt
        #[arg(long)]
        opt: bool,
    },
    /// What grew, function by function
    #[command(
        override_usage = "cargo size diff A.wasm B.wasm\n       cargo size diff REV [FLARE]..."
    )]
    Diff {
        /// A .wasm file, or a git revision to build the example flares of
        before: String,
        /// Another .wasm file, or the flares to compare (all, if none is named)
        after: Vec<String>,
    },
    /// What each public function of the SDK costs a flare that calls only it
    Prices {
        /// Write size-report/PRICES.md
        #[arg(long, conflicts_with = "check")]
        write: bool,
        /// Fail if size-report/PRICES.md is not current
        #[arg(long)]
        check: bool,
        /// Print JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// Hold any .wasm to a budget, to a baseline, or to both
    Check {
        /// The .wasm; several may be given
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Bytes the file may have: 2048, 2KiB, 2kB
        #[arg(long, value_name = "BYTES", value_parser = parse_bytes)]
        budget: Option<u64>,
        /// Bytes it may have after wasm-opt -Oz
        #[arg(long, value_name = "BYTES", value_parser = parse_bytes)]
        opt_budget: Option<u64>,
        /// Pages of 64 KiB its initial memory may have
        #[arg(long, value_name = "PAGES")]
        max_pages: Option<u64>,
        /// Measure after wasm-opt -Oz too
        #[arg(long)]
        opt: bool,
        /// The sizes accepted last; a size that differs fails, under the same rustc
        #[arg(long, value_name = "FILE")]
        baseline: Option<PathBuf>,
        /// Accept the sizes as they are: write the baseline
        #[arg(long, requires = "baseline")]
        bless: bool,
        #[command(flatten)]
        output: Output,
    },
    /// Our flares beside the same flares made with the other SDKs
    Peers {
        #[command(flatten)]
        output: Output,
        /// Write a chart of the comparison
        #[arg(long, value_name = "FILE")]
        svg: Option<PathBuf>,
    },
    /// Fetch Binaryen's wasm-opt through npm, into size-report/node_modules
    Setup,
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// `false` if a check failed.
fn run(cli: Cli) -> Result<bool> {
    let project = || Project::find(cli.root.as_deref());
    match cli.command {
        None => report(&project()?, &cli.report),
        Some(Command::Why { subject, opt }) => {
            if why::is_file(&subject) {
                if opt {
                    bail!("--opt is for example flares; run wasm-opt -Oz -g on the file yourself");
                }
                print(why::file(subject.as_ref())?)?;
            } else {
                print(why::flare(&project()?, &subject, opt)?)?;
            }
            Ok(true)
        }
        Some(Command::Diff { before, after }) => {
            if why::is_file(&before) {
                let [after] = &after[..] else {
                    bail!("two files are needed: cargo size diff A.wasm B.wasm");
                };
                print(diff::files(before.as_ref(), after.as_ref())?)?;
            } else {
                print(diff::revision(&project()?, &before, &after)?)?;
            }
            Ok(true)
        }
        Some(Command::Prices { write, check, json }) => run_prices(&project()?, write, check, json),
        Some(Command::Check {
            files,
            budget,
            opt_budget,
            max_pages,
            opt,
            baseline,
            bless,
            output,
        }) => {
            let limits = Sizes {
                raw: budget,
                opt: opt_budget,
                memory_pages: max_pages,
            };
            check::run(&check::Options {
                files,
                limits,
                opt,
                baseline,
                bless,
                json: output.json,
                markdown: output.markdown,
            })
        }
        Some(Command::Peers { output, svg }) => {
            let comparison = peers::measure(&project()?)?;
            if let Some(path) = svg {
                write_file(&path, &comparison.svg())?;
            }
            if output.json {
                print_line(comparison.json()?)?;
            } else {
                print(comparison.render(output.format()))?;
            }
            Ok(true)
        }
        Some(Command::Setup) => binaryen::setup(&project()?.root).map(|()| true),
    }
}

/// `cargo size` itself.
fn report(project: &Project, args: &ReportArgs) -> Result<bool> {
    let wasm_opt = WasmOpt::find(Some(&project.root))?;
    if wasm_opt.is_none() {
        if args.require_opt {
            bail!("{}", binaryen::MISSING);
        }
        eprintln!("note: {}", binaryen::MISSING);
    }
    let budgets = budget::read_budgets(&project.file("budgets.toml"))?;
    let baseline_path = project.file("baseline.toml");
    let baseline = budget::read_baseline(&baseline_path)?;
    let settings = project.settings(wasm_opt.as_ref())?;
    let all = args.flares.is_empty();
    let measured = flares::measure(project, &args.flares, wasm_opt.as_ref())?;

    // The table of a blessing shows the change from the baseline that is replaced.
    let verdict = budget::gate(&measured, &budgets, baseline.as_ref(), &settings, all);
    let shown = args.check.then_some(&verdict);
    let report = Report::new(&measured, &budgets, baseline.as_ref(), &settings, shown);
    if let Some(path) = &args.svg {
        let made_with = format!(
            "{}; {}",
            settings.rustc,
            settings.wasm_opt.as_deref().unwrap_or("no wasm-opt")
        );
        write_file(path, &chart::sizes(&report.flares, &made_with))?;
    }
    if args.output.json {
        print_line(report.json()?)?;
    } else {
        print(report.render(args.output.format()))?;
    }
    if args.bless {
        let new = budget::bless(baseline.as_ref(), &measured, settings, all)?;
        budget::write_baseline(&baseline_path, &new, "cargo size --bless")?;
        eprintln!("accepted: {}", baseline_path.display());
        for finding in &verdict.findings {
            if matches!(
                finding,
                budget::Finding::OverBudget { .. } | budget::Finding::NoBudget { .. }
            ) {
                eprintln!(
                    "warning: {finding}: blessing does not change budgets, and --check will fail"
                );
            }
        }
        return Ok(true);
    }
    if !args.check {
        return Ok(true);
    }
    eprint!("{}", report::verdict(&verdict, CHECK_HELP));
    if verdict.passed() {
        eprintln!("ok: every flare is within its limits");
    }
    Ok(verdict.passed())
}

const CHECK_HELP: &str = "
What to do:
  cargo size why FLARE        what the bytes are, function by function
  cargo size diff HEAD FLARE  what grew since the last commit (or since any other revision)
  cargo size --bless          accept the sizes as they are; commit size-report/baseline.toml
A budget is a promise to flare authors. If it has to be broken, change size-report/budgets.toml
by hand, and say why in the commit. (A flare that is not in it yet needs an entry.)
";

fn run_prices(project: &Project, write: bool, check: bool, json: bool) -> Result<bool> {
    let missing = prices::without_price(project)?;
    for function in &missing {
        eprintln!("{function}: has no probe in size-report/probes.toml");
    }
    let prices = prices::measure(project)?;
    for name in &prices.failed {
        eprintln!("{name}: its probe could not be built, so it has no price");
    }
    let path = project.file("PRICES.md");
    if write {
        write_file(&path, &prices.markdown())?;
        return Ok(prices.failed.is_empty() && missing.is_empty());
    }
    if !check {
        print_line(if json {
            prices.json()?
        } else {
            prices.markdown()
        })?;
        return Ok(true);
    }
    let written = fs::read_to_string(&path).with_context(|| {
        format!(
            "could not read {}; cargo size prices --write makes it",
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
        eprintln!("\nPRICES.md is not current: cargo size prices --write, and commit it");
    }
    if !missing.is_empty() {
        eprintln!(
            "\nEvery public function has its price: add the probes named above, or list the function under [unpriced] with the reason"
        );
    }
    let current = differences.is_empty() && missing.is_empty();
    if current {
        eprintln!("ok: PRICES.md is current");
    }
    Ok(current)
}

fn write_file(path: &std::path::Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("could not write {}", path.display()))?;
    eprintln!("written: {}", path.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
