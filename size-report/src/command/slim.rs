//! `cargo size slim`: the steps after cargo, in one.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::format::thousands;
use crate::output::print_line;
use crate::project::Project;
use crate::wasm::slim::{Steps, slim};
use crate::wasm::wasm_opt::WasmOpt;

/// What to make smaller, and how.
#[derive(Debug)]
pub struct Options {
    pub files: Vec<PathBuf>,
    /// Where to write the result; by default the file itself is replaced.
    pub output: Option<PathBuf>,
    /// Leave words of memory where they are.
    pub keep_words: bool,
    /// Fail if there is no `wasm-opt`.
    pub require_opt: bool,
}

/// Makes each file smaller, tests that it does the same, and writes it.
pub fn run(root: Option<&Path>, options: &Options) -> Result<bool> {
    if options.output.is_some() && options.files.len() > 1 {
        bail!("--output takes only one input file; without it, each file is overwritten");
    }
    // Works anywhere; inside the repository it uses what `cargo size setup` has fetched.
    let project = Project::find(root, "").ok();
    let wasm_opt = WasmOpt::find(project.as_ref().map(|project| project.root.as_path()))?;
    if wasm_opt.is_none() {
        if options.require_opt {
            bail!("{MISSING}");
        }
        eprintln!("note: {MISSING}");
    }
    let steps = Steps {
        words: !options.keep_words,
        wasm_opt: wasm_opt.as_ref(),
    };
    for path in &options.files {
        let wasm = fs::read(path).with_context(|| format!("could not read {}", path.display()))?;
        let slim = slim(&wasm, steps).with_context(|| path.display().to_string())?;
        let output = options.output.as_ref().unwrap_or(path);
        fs::write(output, &slim.wasm)
            .with_context(|| format!("could not write {}", output.display()))?;
        print_line(format_args!(
            "{}: {} -> {} bytes; {} words in globals; the same in {} runs with {} calls",
            output.display(),
            thousands(wasm.len() as u64),
            thousands(slim.wasm.len() as u64),
            slim.words,
            slim.proof.runs,
            thousands(slim.proof.events),
        ))?;
    }
    Ok(true)
}

const MISSING: &str = "wasm-opt is not installed; the other steps are done without it. To have it: npm \
     install --global binaryen@132, or any other way that puts Binaryen into PATH or $WASM_OPT.";
