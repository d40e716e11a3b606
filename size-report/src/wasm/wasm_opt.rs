//! Finds and runs Binaryen's `wasm-opt`.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::output::print_line;
use crate::wasm::slim;

/// What `wasm-opt` is asked for. The features are those rustc's `wasm32-unknown-unknown` uses by
/// itself; they are named because a stripped module does not say which it uses, and so that
/// `wasm-opt` brings in no others. (Of bulk memory only `memory.copy` and `memory.fill`, which are
/// what compilers make: with the rest `wasm-opt` adds a section of 3 bytes that nothing needs.)
pub const FLAGS: &[&str] = &[
    "-Oz",
    "--converge",
    "--enable-bulk-memory-opt",
    "--enable-multivalue",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-sign-ext",
];

/// The version `cargo size setup` installs, and the one our budgets were set with.
pub const NPM_PACKAGE: &str = "binaryen@132";

/// A `wasm-opt` that answers.
#[derive(Debug, Clone)]
pub struct WasmOpt {
    path: PathBuf,
    /// As `wasm-opt --version` prints it.
    pub version: String,
}

impl WasmOpt {
    /// Looks at `$WASM_OPT`, then in `PATH`, then in what `cargo size setup` installed under
    /// `root`. `None` if there is none; an error if `$WASM_OPT` names one that does not run.
    pub fn find(root: Option<&Path>) -> Result<Option<Self>> {
        if let Some(path) = env::var_os("WASM_OPT").filter(|path| !path.is_empty()) {
            let path = PathBuf::from(path);
            return match Self::at(&path) {
                Some(found) => Ok(Some(found)),
                None => bail!(
                    "$WASM_OPT is {}, which does not run as wasm-opt",
                    path.display()
                ),
            };
        }
        let installed = root.map(|root| root.join("size-report/node_modules/.bin/wasm-opt"));
        let candidates = [Some(PathBuf::from("wasm-opt")), installed];
        Ok(candidates
            .into_iter()
            .flatten()
            .find_map(|path| Self::at(&path)))
    }

    fn at(path: &Path) -> Option<Self> {
        let output = Command::new(path).arg("--version").output().ok()?;
        let version = String::from_utf8(output.stdout).ok()?.trim().to_string();
        (output.status.success() && version.starts_with("wasm-opt")).then(|| Self {
            path: path.to_path_buf(),
            version,
        })
    }

    /// `wasm`, slimmed and optimised for size: what a careful flare author deploys.
    pub fn optimise(&self, wasm: &[u8]) -> Result<Vec<u8>> {
        self.run(&slim::slim(wasm)?, &[])
    }

    /// The same with the function names kept, for `cargo size why --opt`.
    pub fn optimise_keeping_names(&self, wasm: &[u8]) -> Result<Vec<u8>> {
        self.run(&slim::slim_keeping_names(wasm)?, &["--debuginfo"])
    }

    fn run(&self, wasm: &[u8], more: &[&str]) -> Result<Vec<u8>> {
        let dir = tempfile::tempdir()?;
        let (from, to) = (dir.path().join("in.wasm"), dir.path().join("out.wasm"));
        std::fs::write(&from, wasm)?;
        let optimise = |all_of_bulk_memory: &[&str]| {
            Command::new(&self.path)
                .args(FLAGS)
                .args(all_of_bulk_memory)
                .args(more)
                .arg(&from)
                .arg("-o")
                .arg(&to)
                .output()
                .with_context(|| format!("could not start {}", self.path.display()))
        };
        let mut output = optimise(&[])?;
        if !output.status.success() {
            // Somebody's module may use the rest of bulk memory.
            output = optimise(&["--enable-bulk-memory"])?;
        }
        if !output.status.success() {
            bail!(
                "{} failed:\n{}",
                self.path.display(),
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(std::fs::read(&to)?)
    }
}

/// `cargo size setup`: fetches Binaryen through npm into `size-report/node_modules`.
pub fn setup(root: &Path) -> Result<()> {
    if let Some(found) = WasmOpt::find(Some(root))? {
        print_line(format_args!(
            "{} is there already ({}).",
            found.version,
            found.path.display()
        ))?;
        return Ok(());
    }
    let dir = root.join("size-report");
    eprintln!("installing {NPM_PACKAGE} into {} with npm …", dir.display());
    let status = Command::new("npm")
        .args(["install", "--no-audit", "--no-fund", "--no-save", "--prefix"])
        .arg(&dir)
        .arg(NPM_PACKAGE)
        .status()
        .context("could not start npm; install Node.js, or Binaryen in another way (any wasm-opt in PATH or $WASM_OPT will do)")?;
    if !status.success() {
        bail!("npm could not install {NPM_PACKAGE}; see above");
    }
    match WasmOpt::find(Some(root))? {
        Some(found) => print_line(format_args!("{} installed.", found.version))?,
        None => bail!("npm said it installed {NPM_PACKAGE}, but its wasm-opt does not run"),
    }
    Ok(())
}

/// What to say where there is no `wasm-opt`.
pub const MISSING: &str = "wasm-opt is not here, so the sizes after it are not measured and not \
     checked. To get it: cargo size setup (npm), or put Binaryen's wasm-opt into PATH or $WASM_OPT.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_not_wasm_opt_is_not_taken_for_it() {
        assert!(WasmOpt::at(Path::new("/nonexistent/wasm-opt")).is_none());
        assert!(WasmOpt::at(Path::new("true")).is_none());
    }
}
