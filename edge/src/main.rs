//! The command line of the local edge.

// They panic when nobody reads any more; `cli::output` does not.
#![deny(clippy::print_stdout, clippy::print_stderr)]

use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;
use flaron_edge::{Result, Sdk};

use crate::cli::args::{Cli, Command};
use crate::cli::output::{errln, has_failed, outln};

mod cli;

fn main() -> ExitCode {
    if let Some(code) = cli::compiler::stand_in() {
        return code;
    }
    let command = Cli::try_parse().unwrap_or_else(not_parsed).command;
    // Without a command it is `run` without arguments.
    let command = command.unwrap_or_else(|| {
        Cli::parse_from(["flaron-edge", "run"])
            .command
            .expect("`run` is a command")
    });
    let done = |()| ExitCode::SUCCESS;
    let outcome = match command {
        Command::Run(run) => cli::run::run(*run).map(done),
        Command::Inspect { file } => cli::describe::inspect(&file).map(done),
        Command::New {
            name,
            sdk,
            template,
        } => new(&name, sdk.as_deref(), &template).map(done),
        Command::Test { flare, arguments } => cli::tools::test(&flare, &arguments),
        Command::Bench(args) => cli::bench::bench(&args).map(done),
        Command::Size { flare, arguments } => cli::tools::size(&flare, &arguments),
        Command::Slim {
            flare,
            output,
            arguments,
        } => cli::tools::slim(&flare, output, &arguments),
        Command::Doctor { flare } => cli::doctor::doctor(&flare).map(done),
        Command::Replay(args) => cli::replay::replay(&args).map(done),
        Command::Kv(args) => cli::kv::kv(&args).map(done),
        Command::Tail(args) => cli::tail::tail(&args).map(done),
        Command::Schema => {
            outln!("{}", flaron_edge::schema().trim_end());
            Ok(ExitCode::SUCCESS)
        }
        Command::Completions { shell } => {
            cli::tools::completions(shell);
            Ok(ExitCode::SUCCESS)
        }
        Command::Man { folder } => cli::tools::man(&folder).map(done),
        Command::NewKey => cli::store::new_key().map(done),
        Command::Store {
            action,
            folder,
            store,
        } => cli::store::store(action, &folder, store).map(done),
    };
    let outcome = match outcome {
        Ok(_) if has_failed() => Ok(ExitCode::FAILURE),
        outcome => outcome,
    };
    outcome.unwrap_or_else(|error| {
        errln!("error: {error}");
        ExitCode::FAILURE
    })
}

/// Ends the program with clap's message. Where a flare's path, an option of `run` or another tool's command stands
/// in a command's place, it also says what to write.
fn not_parsed(error: clap::Error) -> Cli {
    use clap::error::ErrorKind::{InvalidSubcommand, UnknownArgument};

    let first = std::env::args_os().nth(1).unwrap_or_default();
    let is_option = first.to_string_lossy().starts_with('-');
    let tip = match (error.kind(), first.to_str()) {
        (InvalidSubcommand, Some("build")) => {
            "`flaron-edge run` builds what it serves; `flaron-edge slim` makes the file to deploy"
                .to_owned()
        }
        (InvalidSubcommand, Some("deploy" | "publish")) => {
            "this is a local node; flares are deployed with flaronctl or on Flaron's dashboard"
                .to_owned()
        }
        (InvalidSubcommand, _) if Path::new(&first).exists() => {
            format!("to serve it: flaron-edge run {}", first.display())
        }
        (UnknownArgument, _) if is_option => {
            "options belong to a command: flaron-edge run --help".to_owned()
        }
        _ => error.exit(),
    };
    let _ = error.print();
    errln!("\n  tip: {tip}");
    std::process::exit(2)
}

/// How to call this program: by its name, if that finds it in PATH.
fn program() -> String {
    const NAME: &str = "flaron-edge";
    let Ok(program) = std::env::current_exe() else {
        return NAME.to_owned();
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let real = program.canonicalize().ok();
    let found = std::env::split_paths(&path)
        .map(|folder| {
            folder
                .join(NAME)
                .with_extension(std::env::consts::EXE_EXTENSION)
        })
        .find(|file| file.is_file());
    match found.and_then(|file| file.canonicalize().ok()) == real {
        true => NAME.to_owned(),
        false => program.display().to_string(),
    }
}

fn new(folder: &Path, sdk: Option<&str>, template: &str) -> Result<()> {
    let template = template.parse()?;
    let sdk = sdk.map_or_else(Sdk::of_this_edge, Sdk::parse)?;
    flaron_edge::new(folder, &sdk, template)?;
    let program = program();
    let folder = folder.display();
    outln!("Created the flare {folder}; it builds.\n");
    outln!("  test     (cd {folder} && cargo test)");
    outln!("  serve    {program} run {folder} --watch");
    outln!("  measure  (cd {folder} && {program} size --bless && {program} bench --save)");
    outln!("  publish  (cd {folder} && {program} slim) makes the file to deploy");
    outln!("  gate     {folder}/.github/workflows/size.yml checks its size on GitHub");
    Ok(())
}
