//! Building a flare's crate with cargo.

use std::path::{Path, PathBuf};

use flaron_build::{Build, WASM_TARGET};

use crate::error::{Error, Result};

/// A flare built by cargo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The crate's library name, with underscores.
    pub name: String,
    /// The `.wasm`.
    pub wasm: PathBuf,
}

/// Builds the flare crate in `folder` in release mode for `wasm32-unknown-unknown`, and installs
/// that target through rustup if it is missing. Cargo's progress and messages go to standard error.
///
/// # Errors
///
/// When the folder has no `Cargo.toml`, the target cannot be installed, the build fails, or the
/// crate is not a `cdylib`.
pub fn build(folder: &Path) -> Result<Built> {
    let manifest = folder.join("Cargo.toml");
    if !manifest.is_file() {
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        return Err(Error::new(format!(
            "there is no flare in {}: a flare is a .wasm file, or a crate's folder with a Cargo.toml \
             (`flaron-edge new NAME` creates one)",
            folder.display()
        )));
    }
    let building = |error: flaron_build::Error| {
        Error::new(format!(
            "building the flare in {}: {error}",
            folder.display()
        ))
    };
    flaron_build::ensure_target(folder, WASM_TARGET).map_err(building)?;
    // With the environment as it is: it is the user's own flare.
    let artifacts = Build::new(folder).flare().run();
    let artifacts = artifacts.map_err(|error| match advice(folder) {
        Some(advice) => Error::new(format!("{}; {advice}", building(error))),
        None => building(error),
    })?;
    let manifest = manifest
        .canonicalize()
        .map_err(|error| Error::new(format!("{}: {error}", manifest.display())))?;
    let wasm = artifacts.wasm_of_manifest(&manifest).ok_or_else(|| {
        Error::new(format!(
            "cargo makes no .wasm of the crate in {}; its Cargo.toml needs\n\n    [lib]\n    crate-type = \
             [\"cdylib\"]\n",
            folder.display()
        ))
    })?;
    Ok(Built {
        name: wasm.target,
        wasm: wasm.path,
    })
}

/// What a crate that did not build seems to lack, where rustc's own message does not say what to write.
fn advice(folder: &Path) -> Option<&'static str> {
    flaron_build::manifest::Flare::read(folder).ok()?.lacks()
}

/// Builds the flare crate in `folder` a second time, for development: compiled as in release, but with
/// function names, line numbers, and, if its SDK supports it, panics that log their message.
///
/// `compiler` is the program that cargo calls in place of the compiler, with the compiler's path and
/// arguments: it runs the compiler without [`NOT_WITH_LINES`]. `stack` is how many bytes of stack the flare has at
/// least: a flare without one has none for writing a panic's message either.
///
/// # Errors
///
/// When the build fails.
pub(crate) fn build_with_lines(folder: &Path, compiler: &Path, stack: u32) -> Result<PathBuf> {
    let building = |error: flaron_build::Error| Error::new(error.to_string());
    let flare = flaron_build::manifest::Flare::read(folder).map_err(building)?;
    let feature = match flare.has_std() {
        true => flare.sdk_feature(PANIC_MESSAGE_STD),
        false => flare.sdk_feature(PANIC_MESSAGE),
    };
    let mut build = Build::new(folder)
        .flare_with_lines()
        .env("RUSTC_WORKSPACE_WRAPPER", compiler)
        .env(AS_COMPILER, stack.to_string())
        .args(["--quiet"]);
    if let Some(feature) = &feature {
        build = build.args(["--features", feature]);
    }
    let artifacts = build.run().map_err(building)?;
    let manifest = folder
        .join("Cargo.toml")
        .canonicalize()
        .map_err(|error| Error::new(error.to_string()))?;
    let wasm = artifacts.wasm_of_manifest(&manifest);
    wasm.map(|wasm| wasm.path)
        .ok_or_else(|| Error::new("cargo made no .wasm"))
}

/// The SDK's feature that logs panic messages, and the one for flares with `std`.
const PANIC_MESSAGE: &str = "panic-message";
const PANIC_MESSAGE_STD: &str = "panic-message-std";
/// The variable that tells this program that cargo calls it in place of the compiler. Its value is the smallest stack
/// that a flare is to be linked with, in bytes.
pub const AS_COMPILER: &str = "FLARON_EDGE_AS_COMPILER";
/// The flag that the linker refuses together with debug information.
pub const NOT_WITH_LINES: &str = "link-arg=--compress-relocations";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_a_crate_is_refused_kindly() {
        let folder = tempfile::tempdir().unwrap();
        let message = build(folder.path()).unwrap_err().to_string();
        assert!(message.contains("flaron-edge new"), "{message}");
    }
}
