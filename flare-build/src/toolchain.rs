//! The Rust toolchain that builds flares: its version, and whether it can build for Wasm.

use std::env;
use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::error::{Error, Result};

/// The target that flares are built for.
pub const WASM_TARGET: &str = "wasm32-unknown-unknown";

/// `rustc --version`, of the compiler that cargo uses in `folder`.
///
/// # Errors
///
/// When rustc cannot be run, or fails.
pub fn rustc_version(folder: &Path) -> Result<String> {
    let output = run_rustc(folder, &["--version"])?;
    if !output.status.success() {
        return Err(Error::new(format!(
            "rustc --version failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        )));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Installs a Rust target through rustup, for the toolchain that is used in `folder`, unless it is
/// installed already.
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
        // Standard output is reserved for what the caller prints, such as a report in JSON.
        .stdout(Stdio::null())
        .status();
    match added {
        // There may be two Rust installations, and the one in use may not be rustup's.
        Ok(status) if status.success() && has_target(folder, target)? => Ok(()),
        Ok(status) if status.success() => Err(Error::new(format!(
            "rustup installed the target {target}, but `{}` is not rustup's and does not have it; \
             put rustup's (~/.cargo/bin) before it in PATH, or install the target the way that \
             Rust was installed",
            rustc().to_string_lossy()
        ))),
        Ok(_) => Err(Error::new(format!(
            "rustup could not install the target {target}; see above"
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
    let output = run_rustc(folder, &["--print", "target-libdir", "--target", target])?;
    // rustc names the folder whether or not it exists.
    let libdir = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Ok(!libdir.is_empty() && Path::new(&libdir).is_dir())
}

fn run_rustc(folder: &Path, arguments: &[&str]) -> Result<std::process::Output> {
    let rustc = rustc();
    Command::new(&rustc)
        .args(arguments)
        .current_dir(folder)
        .output()
        .map_err(|error| {
            Error::new(format!(
                "cannot run {}: {error}; building a flare needs Rust (https://rustup.rs)",
                rustc.to_string_lossy()
            ))
        })
}

fn rustc() -> OsString {
    env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())
}
