//! Finds and builds the flares: those in `examples/`, and the same made with the published SDK.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use wasmtime::error::Context as _;
use wasmtime::{Result, bail, ensure};

/// The target that flares are built for.
const TARGET: &str = "wasm32-unknown-unknown";

/// The other SDK.
pub const PUBLISHED: &str = "flaron-sdk 1.1.0";

/// The root of the repository.
pub fn root() -> &'static Path {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    root.expect("the package is in a folder of the repository")
}

/// The names of the flares in `examples/`, in the order of the alphabet.
///
/// # Errors
///
/// When the folder cannot be read.
pub fn names() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(root().join("examples"))? {
        let path = entry?.path();
        if path.join("Cargo.toml").is_file()
            && let Some(name) = path.file_name().and_then(|name| name.to_str())
        {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Builds an example flare as `cargo build --release` does.
///
/// # Errors
///
/// When it cannot be built.
pub fn ours(name: &str) -> Result<Vec<u8>> {
    build(root(), name, &target_dir()?, &[])
}

/// Builds the same flare with the published SDK, as its README says: its release profile, and no
/// flags. (An empty variable takes the place of the flags in our `.cargo/config.toml`, which is
/// above that folder.)
///
/// # Errors
///
/// When it cannot be built: the first time needs the registry.
pub fn published(name: &str) -> Result<Vec<u8>> {
    let target_dir = target_dir()?.join("published");
    let env = [("CARGO_ENCODED_RUSTFLAGS", "")];
    build(&root().join("size-report/peers"), name, &target_dir, &env)
}

fn build(workspace: &Path, name: &str, dir: &Path, env: &[(&str, &str)]) -> Result<Vec<u8>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .current_dir(workspace)
        .args([
            "build",
            "--quiet",
            "--release",
            "--locked",
            "--target",
            TARGET,
        ])
        .args(["--package", name, "--target-dir"])
        .arg(dir)
        .stdin(Stdio::null());
    for (variable, _) in std::env::vars_os() {
        if is_for_native_code(&variable) {
            command.env_remove(variable);
        }
    }
    let status = command
        .envs(env.iter().copied())
        .status()
        .context("cannot run cargo")?;
    ensure!(
        status.success(),
        "{name} could not be built; cargo says why above"
    );
    let file = dir
        .join(TARGET)
        .join("release")
        .join(format!("{}.wasm", name.replace('-', "_")));
    fs::read(&file).with_context(|| format!("cannot read {}", file.display()))
}

/// What a CI sets for native code (`-D warnings`, coverage): it would take the place of the flags
/// that flares are built with.
fn is_for_native_code(variable: &OsString) -> bool {
    let name = variable.to_string_lossy();
    name.ends_with("RUSTFLAGS")
        || name.ends_with("RUSTC_WRAPPER")
        || name.starts_with("CARGO_PROFILE_")
}

/// Where the flares are built: a folder in the target folder of this program, which the tests of
/// the repository use as well.
///
/// # Errors
///
/// When this program is not in such a folder.
pub(crate) fn target_dir() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let target = program
        .ancestors()
        .find(|folder| folder.join("CACHEDIR.TAG").is_file());
    match target {
        Some(target) => Ok(target.join("flares")),
        None => bail!("{} is not in a target folder of cargo", program.display()),
    }
}

/// `rustc --version`, of the compiler that builds the flares.
///
/// # Errors
///
/// When it does not run.
pub fn rustc_version() -> Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .arg("--version")
        .current_dir(root())
        .output()
        .context("cannot run rustc")?;
    ensure!(output.status.success(), "rustc --version failed");
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// The version of the engine, from `Cargo.lock`.
///
/// # Errors
///
/// When it is not there.
pub fn wasmtime_version() -> Result<String> {
    let lock = fs::read_to_string(root().join("Cargo.lock"))?;
    let mut lines = lock.lines();
    lines.find(|line| *line == "name = \"wasmtime\"");
    let version = lines
        .next()
        .and_then(|line| line.strip_prefix("version = "));
    let version = version.context("Cargo.lock has no wasmtime")?;
    Ok(version.trim_matches('"').to_owned())
}
