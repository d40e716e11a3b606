//! Finds and runs Binaryen's `wasm-opt`.

mod worker;

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use anyhow::{Context, Result, bail};

use crate::output::print_line;
use crate::wasm::strip;
use crate::wasm::wasm_opt::worker::Pool;

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
    /// What keeps it running, if it is npm's.
    pool: Option<Arc<Pool>>,
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
            pool: Pool::of(path).map(Arc::new),
        })
    }

    /// `wasm`, stripped and optimised for size: what a careful flare author deploys.
    pub fn optimise(&self, wasm: &[u8]) -> Result<Vec<u8>> {
        self.run(&strip::strip(wasm)?, &[])
    }

    /// The same with the function names kept, for `cargo size why --opt`.
    pub fn optimise_keeping_names(&self, wasm: &[u8]) -> Result<Vec<u8>> {
        self.run(&strip::strip_keeping_names(wasm)?, &["--debuginfo"])
    }

    fn run(&self, wasm: &[u8], more: &[&str]) -> Result<Vec<u8>> {
        let dir = tempfile::tempdir()?;
        let (from, to) = (dir.path().join("in.wasm"), dir.path().join("out.wasm"));
        std::fs::write(&from, wasm)?;
        let path = |path: &Path| path.to_str().map(str::to_owned);
        let (from, to) = path(&from)
            .zip(path(&to))
            .context("the folder for temporary files has a name that is not UTF-8")?;
        let mut arguments = FLAGS.to_vec();
        arguments.extend(more);
        arguments.extend([from.as_str(), "-o", to.as_str()]);
        if !self.run_in_pool(&arguments) {
            let mut output = self.start(&arguments)?;
            if !output.status.success() {
                // Somebody's module may use the rest of bulk memory.
                arguments.push("--enable-bulk-memory");
                output = self.start(&arguments)?;
            }
            if !output.status.success() {
                bail!(
                    "{} failed:\n{}",
                    self.path.display(),
                    String::from_utf8_lossy(&output.stderr).trim()
                );
            }
        }
        Ok(std::fs::read(&to)?)
    }

    /// Whether a process that was kept running has done it. If not, it is started for this module
    /// alone, so that it can say what is wrong.
    fn run_in_pool(&self, arguments: &[&str]) -> bool {
        let pool = self.pool.as_ref();
        pool.is_some_and(|pool| pool.run(arguments).unwrap_or(false))
    }

    fn start(&self, arguments: &[&str]) -> Result<Output> {
        Command::new(&self.path)
            .args(arguments)
            .output()
            .with_context(|| format!("could not start {}", self.path.display()))
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
    eprintln!(
        "installing {NPM_PACKAGE} into {} with npm: a download of 23 MB, 104 MB on disk",
        dir.display()
    );
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
pub const MISSING: &str = "wasm-opt is not installed, so the sizes after it are not measured and not \
     checked. To get it: cargo size setup (npm), or put Binaryen's wasm-opt into PATH or $WASM_OPT.";

#[cfg(test)]
mod tests {
    use super::*;

    /// A program that is to Node what npm's `wasm-opt` is, and appends its process to what it reads. It
    /// fails when that is "fail", and its process ends when it is "end".
    #[cfg(unix)]
    const SCRIPT: &str = r#"#!/usr/bin/env node
var Module = typeof Module != "undefined" ? Module : {};
const fs = require("node:fs");
const args = Module.arguments ?? process.argv.slice(2);
const receive = () => {
  const input = args.includes("-o") && fs.readFileSync(args[args.indexOf("-o") - 1], "utf8");
  if (args[0] == "--version") console.log("wasm-opt version 0");
  else if (input == "end") process.exit(3);
  else if (input == "fail") { console.error("cannot"); process.exitCode = 1; }
  else fs.writeFileSync(args[args.indexOf("-o") + 1], input + " in " + process.pid);
  Module.postRun?.();
};
const imports = {};
if (Module.instantiateWasm) Module.instantiateWasm(imports, receive);
else WebAssembly.instantiate(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0), imports).then(receive);
"#;

    /// The same without Node.
    #[cfg(unix)]
    const SHELL: &str = r#"#!/bin/sh
[ "$1" = --version ] && echo "wasm-opt version 0" && exit
while [ "$2" != -o ]; do shift; done
echo "$(cat "$1") in $$" >"$3"
"#;

    #[cfg(unix)]
    fn program(folder: &Path, text: &str) -> WasmOpt {
        use std::os::unix::fs::PermissionsExt;
        let path = folder.join("wasm-opt");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        WasmOpt::at(&path).unwrap()
    }

    #[test]
    #[cfg(unix)]
    fn npms_program_is_kept_running_and_its_failures_are_told() {
        if Command::new("node").arg("--version").output().is_err() {
            eprintln!("SKIPPED: node is not here");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let wasm_opt = program(folder.path(), SCRIPT);
        let run = |text: &str| {
            wasm_opt
                .run(text.as_bytes(), &[])
                .map(|out| String::from_utf8(out).unwrap())
        };
        let first = run("a").unwrap();
        let process = first.strip_prefix("a").unwrap();
        assert_eq!(run("b").unwrap(), format!("b{process}"));
        let error = run("fail").unwrap_err().to_string();
        assert!(error.ends_with("cannot"), "{error}");
        assert_eq!(run("c").unwrap(), format!("c{process}"));
        assert!(run("end").is_err());
        let after = run("d").unwrap();
        assert!(after.starts_with("d in "), "{after}");
        assert_ne!(after, format!("d{process}"));
    }

    #[test]
    #[cfg(unix)]
    fn any_other_program_is_started_for_each_module() {
        let folder = tempfile::tempdir().unwrap();
        let wasm_opt = program(folder.path(), SHELL);
        let run = || wasm_opt.run(b"a", &[]).unwrap();
        let (first, second) = (run(), run());
        assert!(first.starts_with(b"a in "));
        assert_ne!(first, second);
    }

    #[test]
    fn a_program_that_is_not_wasm_opt_is_not_taken_for_it() {
        assert!(WasmOpt::at(Path::new("/nonexistent/wasm-opt")).is_none());
        assert!(WasmOpt::at(Path::new("true")).is_none());
    }
}
