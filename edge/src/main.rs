//! The command line of the local edge.

use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;
use flaron_edge::{Result, Sdk};

use crate::cli::args::{Cli, Command};

mod cli;

fn main() -> ExitCode {
    if let Some(code) = cli::compiler::stand_in() {
        return code;
    }
    let outcome = match Cli::parse().command {
        Command::Run(run) => cli::run::run(*run),
        Command::Inspect { file } => cli::describe::inspect(&file),
        Command::New { name, sdk } => new(&name, sdk.as_deref()),
        Command::NewKey => cli::store::new_key(),
        Command::Store { action, folder } => cli::store::store(action, &folder),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn new(folder: &Path, sdk: Option<&str>) -> Result<()> {
    let sdk = sdk.map_or_else(Sdk::of_this_edge, Sdk::parse)?;
    flaron_edge::new(folder, &sdk)?;
    let program = std::env::current_exe().map_or_else(
        |_| "flaron-edge".to_owned(),
        |program| program.display().to_string(),
    );
    let folder = folder.display();
    println!("Made the flare {folder}; it builds.\n");
    println!("  test it   (cd {folder} && cargo test)");
    println!("  serve it  {program} run {folder} --watch");
    Ok(())
}
