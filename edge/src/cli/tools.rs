//! Commands that other programs carry out (`flaron-edge test`, `size` and `slim`), shell completions and man pages.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::CommandFactory as _;
use flaron_edge::{Error, Result, Subject};

use crate::cli::args::Cli;
use crate::cli::doctor::flare_above;
use crate::cli::output::{Output, errln};

/// Runs the flare's unit tests.
pub(crate) fn test(flare: &Path, arguments: &[String]) -> Result<ExitCode> {
    if !flare.join("Cargo.toml").is_file() {
        return Err(Error::new(format!(
            "there is no flare crate in {}: it has no Cargo.toml (--flare PATH selects another folder, and \
             `flaron-edge new NAME` creates a flare){}",
            full(flare).display(),
            flare_above(flare)
        )));
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.arg("test").args(arguments).current_dir(flare);
    run(command, "cargo", "it comes with Rust (https://rustup.rs)")
}

/// Measures the flare, and compares it with its baseline if there is one.
pub(crate) fn size(flare: &Path, arguments: &[String]) -> Result<ExitCode> {
    let subject = subject(flare)?;
    let mut command = Command::new(size_tool());
    command.arg("check").arg(subject.wasm());
    let baseline = flare.join("flare.size.toml");
    let names_one = arguments
        .iter()
        .any(|argument| argument.starts_with("--baseline"));
    let blesses = arguments.iter().any(|argument| argument == "--bless");
    if !names_one && (blesses || baseline.is_file()) {
        command.arg("--baseline").arg(&baseline);
    }
    let has_limits =
        names_one || baseline.is_file() || arguments.iter().any(|argument| is_limit(argument));
    let only_shows = !has_limits && !blesses;
    if only_shows {
        command.arg("--measure");
    }
    command.args(arguments);
    let code = run(command, "flaron-size", HOW_TO_GET_SIZE)?;
    if only_shows && code == ExitCode::SUCCESS {
        errln!(
            "      `flaron-edge size --bless` accepts them: it writes {}, which later sizes are compared with",
            baseline.display()
        );
    }
    Ok(code)
}

/// Whether this argument of `flaron-size check` gives it something to check.
fn is_limit(argument: &str) -> bool {
    ["--budget", "--opt-budget", "--max-pages"]
        .iter()
        .any(|limit| argument.starts_with(limit))
}

/// Makes the file to deploy. It is not cargo's, which cargo would take for up to date, and whose size is the one that
/// is compared with the baseline.
pub(crate) fn slim(
    flare: &Path,
    output: Option<PathBuf>,
    arguments: &[String],
) -> Result<ExitCode> {
    let subject = subject(flare)?;
    let output = output.unwrap_or_else(|| subject.wasm().with_extension("slim.wasm"));
    let mut command = Command::new(size_tool());
    command
        .arg("slim")
        .arg(subject.wasm())
        .arg("--output")
        .arg(output)
        .args(arguments);
    run(command, "flaron-size", HOW_TO_GET_SIZE)
}

const HOW_TO_GET_SIZE: &str =
    "install it as you installed this program: cargo install --locked --path size-report";

/// The flare in a folder, built.
fn subject(flare: &Path) -> Result<Subject> {
    Subject::at(flare).map_err(|error| match flare.join("Cargo.toml").exists() {
        true => error,
        false => Error::new(format!("{error}{}", flare_above(flare))),
    })
}

/// Prints the completions for a shell.
pub(crate) fn completions(shell: clap_complete::Shell) {
    let mut command = Cli::command();
    clap_complete::generate(shell, &mut command, "flaron-edge", &mut Output);
}

/// Writes a man page for the program, and one for each of its commands.
pub(crate) fn man(folder: &Path) -> Result<()> {
    let written = std::fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), folder));
    written.map_err(|error| Error::new(format!("cannot write to {}: {error}", folder.display())))
}

/// The size tool beside this program, or the one in PATH.
fn size_tool() -> PathBuf {
    let name = format!("flaron-size{}", std::env::consts::EXE_SUFFIX);
    let beside = std::env::current_exe()
        .ok()
        .map(|program| program.with_file_name(&name));
    beside
        .filter(|file| file.is_file())
        .unwrap_or_else(|| name.into())
}

/// A folder's absolute path, for messages: `.` does not say where one is.
pub(crate) fn full(folder: &Path) -> PathBuf {
    std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned())
}

/// Runs a program, and says what to do if it is missing.
fn run(mut command: Command, name: &str, how: &str) -> Result<ExitCode> {
    let status = command
        .status()
        .map_err(|error| Error::new(format!("cannot run {name}: {error}; {how}")))?;
    Ok(ExitCode::from(status.code().map_or(1, |code| code as u8)))
}
