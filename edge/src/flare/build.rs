//! Building a flare's crate with cargo.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use crate::error::{Error, Result};

/// The target that flares are built for.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// A flare that cargo built.
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
/// crate is no `cdylib`.
pub fn build(folder: &Path) -> Result<Built> {
    let manifest = folder.join("Cargo.toml");
    if !manifest.is_file() {
        return Err(Error::new(format!(
            "{} is no flare: a flare is a .wasm file, or a crate's folder with a Cargo.toml \
             (make one with `flaron-edge new NAME`)",
            folder.display()
        )));
    }
    ensure_target(folder, TARGET)?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args([
            "build",
            "--release",
            "--target",
            TARGET,
            "--message-format=json-render-diagnostics",
        ])
        .current_dir(folder)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| Error::new(format!("cannot run cargo: {error}")))?;
    if !output.status.success() {
        return Err(Error::new(format!(
            "building the flare in {} failed; cargo says why above",
            folder.display()
        )));
    }
    let manifest = manifest
        .canonicalize()
        .map_err(|error| Error::new(format!("{}: {error}", manifest.display())))?;
    artifact(&output.stdout, &manifest).ok_or_else(|| {
        Error::new(format!(
            "the crate in {} makes no .wasm; its Cargo.toml needs\n\n    [lib]\n    crate-type = \
             [\"cdylib\"]\n",
            folder.display()
        ))
    })
}

/// The line of cargo's JSON that tells of the flare's `.wasm`.
fn artifact(messages: &[u8], manifest: &Path) -> Option<Built> {
    #[derive(Deserialize)]
    struct Message {
        reason: String,
        manifest_path: Option<PathBuf>,
        target: Option<Target>,
        #[serde(default)]
        filenames: Vec<PathBuf>,
    }
    #[derive(Deserialize)]
    struct Target {
        name: String,
        kind: Vec<String>,
    }
    messages
        .split(|&byte| byte == b'\n')
        .filter_map(|line| serde_json::from_slice::<Message>(line).ok())
        .filter(|message| message.reason == "compiler-artifact")
        .filter(|message| message.manifest_path.as_deref() == Some(manifest))
        .find_map(|message| {
            let target = message.target?;
            if !target.kind.iter().any(|kind| kind == "cdylib") {
                return None;
            }
            let wasm = message
                .filenames
                .into_iter()
                .find(|file| file.extension().is_some_and(|ext| ext == "wasm"))?;
            Some(Built {
                name: target.name,
                wasm,
            })
        })
}

/// Installs a Rust target through rustup for the toolchain that is used in `folder`, if it is not
/// there.
///
/// # Errors
///
/// When rustc or rustup cannot be run, or rustup cannot install the target.
pub fn ensure_target(folder: &Path, target: &str) -> Result<()> {
    if has_target(folder, target)? {
        return Ok(());
    }
    eprintln!("The Rust target {target} is missing; installing it: rustup target add {target}");
    let added = Command::new("rustup")
        .args(["target", "add", target])
        .current_dir(folder)
        .status();
    match added {
        // There may be two Rusts, and the one that is used is not rustup's.
        Ok(status) if status.success() && has_target(folder, target)? => Ok(()),
        Ok(status) if status.success() => Err(Error::new(format!(
            "rustup installed the target {target}, but `{}` is not rustup's and does not have it; \
             put rustup's (~/.cargo/bin) before it in PATH, or install the target the way that \
             Rust was installed",
            rustc().to_string_lossy()
        ))),
        Ok(_) => Err(Error::new(format!(
            "rustup could not install the target {target}; it says why above"
        ))),
        Err(error) => Err(Error::new(format!(
            "the Rust target {target} is missing, and rustup cannot be run to install it \
             ({error}); install Rust through rustup (https://rustup.rs), or the target the way \
             this Rust was installed (Debian: the package libstd-rust-dev-wasm32), or give a \
             .wasm file that was built elsewhere"
        ))),
    }
}

/// Whether the toolchain that is used in `folder` has a target.
fn has_target(folder: &Path, target: &str) -> Result<bool> {
    let rustc = rustc();
    let libdir = Command::new(&rustc)
        .args(["--print", "target-libdir", "--target", target])
        .current_dir(folder)
        .output()
        .map_err(|error| {
            Error::new(format!(
                "cannot run {}: {error}; building a flare needs Rust (https://rustup.rs)",
                rustc.to_string_lossy()
            ))
        })?;
    // It tells the folder whether it is there or not.
    let libdir = String::from_utf8_lossy(&libdir.stdout).trim().to_owned();
    Ok(!libdir.is_empty() && Path::new(&libdir).is_dir())
}

fn rustc() -> std::ffi::OsString {
    std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_artifact_is_the_crates_own_cdylib() {
        let messages = br#"
{"reason":"compiler-artifact","manifest_path":"/dep/Cargo.toml","target":{"name":"dep","kind":["cdylib"]},"filenames":["/t/dep.wasm"]}
not json
{"reason":"compiler-artifact","manifest_path":"/f/Cargo.toml","target":{"name":"build-script-build","kind":["custom-build"]},"filenames":["/t/b"]}
{"reason":"compiler-artifact","manifest_path":"/f/Cargo.toml","target":{"name":"my_flare","kind":["cdylib","rlib"]},"filenames":["/t/libmy_flare.rlib","/t/my_flare.wasm"]}
{"reason":"build-finished","success":true}
"#;
        let built = artifact(messages, Path::new("/f/Cargo.toml")).unwrap();
        assert_eq!(built.name, "my_flare");
        assert_eq!(built.wasm, Path::new("/t/my_flare.wasm"));
        assert_eq!(artifact(messages, Path::new("/g/Cargo.toml")), None);
    }

    #[test]
    fn a_folder_without_a_crate_is_refused_kindly() {
        let folder = tempfile::tempdir().unwrap();
        let message = build(folder.path()).unwrap_err().to_string();
        assert!(message.contains("flaron-edge new"), "{message}");
    }
}
