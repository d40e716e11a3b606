//! Finds and builds the flares: those in `examples/`, and the same made with the published SDK.

use std::fs;
use std::path::{Path, PathBuf};

use wasmtime::error::Context as _;
use wasmtime::{Result, bail};

/// The other SDK.
pub const PUBLISHED: &str = "flaron-sdk 1.1.0";

/// The root of the repository.
pub fn root() -> &'static Path {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    root.expect("the package is in a folder of the repository")
}

/// The names of the flares in `examples/` that also exist with the published crate, in alphabetical
/// order.
///
/// # Errors
///
/// When the folder cannot be read.
pub fn names() -> Result<Vec<String>> {
    let mut names = Vec::new();
    let peers = root().join("size-report/peers");
    for entry in fs::read_dir(root().join("examples"))? {
        let path = entry?.path();
        if path.join("Cargo.toml").is_file()
            && let Some(name) = path.file_name().and_then(|name| name.to_str())
            && peers.join(name).is_dir()
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
    let wasm = flaron_build::flares::example(root(), name, Some(&target_dir()?))?;
    Ok(wasm.read()?)
}

/// Builds the same flare with the published SDK.
///
/// # Errors
///
/// When it cannot be built; the first build needs access to the registry.
pub fn published(name: &str) -> Result<Vec<u8>> {
    let target_dir = target_dir()?.join("published");
    Ok(flaron_build::flares::published(root(), name, &target_dir)?.read()?)
}

/// Where the flares are built: a folder in this program's target folder, shared with the repository's
/// tests.
///
/// # Errors
///
/// When this program is not in a target folder.
pub(crate) fn target_dir() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let target = program
        .ancestors()
        // Cargo's other mark, `CACHEDIR.TAG`, is only there if cargo made the folder itself.
        .find(|folder| folder.join(".rustc_info.json").is_file());
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
    Ok(flaron_build::rustc_version(root())?)
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
