//! Reads the command line and runs the command. Exit code 0: success; 1: a check failed; 2: it could not run.

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use flaron_size::cli::{Cli, Command};
use flaron_size::command::{check, diff, floors, idioms, peers, prices, report, slim, why};
use flaron_size::gate::Sizes;
use flaron_size::output::print;
use flaron_size::project::Project;
use flaron_size::wasm::wasm_opt;

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
    let elsewhere = cli.command.as_ref().map_or(REPORT_ELSEWHERE, elsewhere);
    let project = || Project::find(cli.root.as_deref(), elsewhere);
    let Some(command) = cli.command else {
        let args = cli.report;
        let options = report::Options {
            check: args.check,
            bless: args.bless,
            flares: args.flares,
            require_opt: args.require_opt,
            json: args.output.json,
            format: args.output.format(),
            svg: args.svg,
        };
        return report::run(&project()?, &options);
    };
    match command {
        Command::Why { subject, opt } => {
            print(why::run(project, &subject, opt)?)?;
            Ok(true)
        }
        Command::Diff { before, after } => {
            print(diff::run(project, &before, &after)?)?;
            Ok(true)
        }
        Command::Idioms { write, check } => idioms::run(&project()?, write, check),
        Command::Prices { write, check, json } => {
            prices::run(&project()?, &prices::Options { write, check, json })
        }
        Command::Check {
            files,
            budget,
            opt_budget,
            max_pages,
            opt,
            baseline,
            bless,
            measure,
            output,
        } => {
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
                measure,
                json: output.json,
                format: output.format(),
            })
        }
        Command::Slim {
            files,
            output,
            keep_words,
            require_opt,
        } => {
            let options = slim::Options {
                files,
                output,
                keep_words,
                require_opt,
            };
            slim::run(cli.root.as_deref(), &options)
        }
        Command::Floors { check, output } => {
            floors::run(&project()?, check, output.json, output.format())
        }
        Command::Peers { output, svg } => {
            peers::run(&project()?, output.json, output.format(), svg.as_deref())
        }
        Command::Setup => wasm_opt::setup(&project()?.root).map(|()| true),
    }
}

const REPORT_ELSEWHERE: &str = "; for your own .wasm: flaron-size check FILE.wasm --budget 2KiB";

/// What to run outside this repository instead of a command that is for this repository.
fn elsewhere(command: &Command) -> &'static str {
    match command {
        Command::Why { .. } => "; for your own .wasm: flaron-size why FILE.wasm",
        Command::Diff { .. } => "; for your own files: flaron-size diff A.wasm B.wasm",
        Command::Setup => {
            "; to install wasm-opt for all folders: npm install --global binaryen@132, or any other way that \
             puts Binaryen into PATH"
        }
        Command::Prices { .. }
        | Command::Idioms { .. }
        | Command::Check { .. }
        | Command::Floors { .. }
        | Command::Slim { .. }
        | Command::Peers { .. } => "",
    }
}
