//! Finds, builds and measures the example flares.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use cargo_metadata::TargetKind;
use flaron_build::{Build, WASM_TARGET};
use serde::Serialize;

use crate::project::{self, Project};
use crate::wasm::measure::Measure;
use crate::wasm::slim::{Steps, slim};
use crate::wasm::wasm_opt::WasmOpt;

/// Keeps the symbols but no debug information: the linker refuses to shorten
/// relocations while there is some.
const WITH_NAMES: &str = "profile.release.strip=\"debuginfo\"";

/// A flare and its numbers, as built and after `wasm-opt`.
#[derive(Debug, Clone, Serialize)]
pub struct Measured {
    pub name: String,
    pub raw: Measure,
    pub opt: Option<Measure>,
    /// The bytes after `cargo size slim`, of an example flare.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slim: Option<u64>,
}

impl Measured {
    pub fn of(name: &str, wasm: &[u8], wasm_opt: Option<&WasmOpt>) -> Result<Self> {
        let opt = match wasm_opt {
            Some(wasm_opt) => Some(Measure::of(&wasm_opt.optimise(wasm)?)?),
            None => None,
        };
        Ok(Self {
            name: name.to_string(),
            raw: Measure::of(wasm)?,
            opt,
            slim: None,
        })
    }
}

/// Whether an argument of the command line means a `.wasm` file and not an example flare.
pub fn is_file(argument: &str) -> bool {
    argument.ends_with(".wasm")
}

/// The names of the flares in `examples/` of the workspace in `root`: one package per directory,
/// with a `cdylib`.
pub fn list(root: &Path) -> Result<Vec<String>> {
    let examples = root.canonicalize()?.join("examples");
    let mut names: Vec<String> = project::metadata(root)?
        .packages
        .iter()
        .filter(|package| {
            let dir = package.manifest_path.parent().and_then(|dir| dir.parent());
            dir.is_some_and(|dir| dir.as_std_path() == examples)
                && package
                    .targets
                    .iter()
                    .any(|t| t.kind.contains(&TargetKind::CDyLib))
        })
        .map(|package| package.name.to_string())
        .collect();
    names.sort();
    Ok(names)
}

/// `wanted`, or all flares if none is wanted by name.
pub fn select(root: &Path, wanted: &[String]) -> Result<Vec<String>> {
    let names = list(root)?;
    if names.is_empty() {
        bail!("there are no flares in {}/examples", root.display());
    }
    for name in wanted {
        if !names.contains(name) {
            bail!(
                "there is no flare called {name}; there are: {}",
                names.join(", ")
            );
        }
    }
    Ok(if wanted.is_empty() {
        names
    } else {
        wanted.to_vec()
    })
}

/// Builds one flare exactly as `cargo build --release` does, in the workspace's target folder or in
/// one of its own.
pub fn build(root: &Path, name: &str, target_dir: Option<&Path>) -> Result<Vec<u8>> {
    Ok(flaron_build::flares::example(root, name, target_dir)?.read()?)
}

/// Builds one flare with its function names.
pub fn build_with_names(root: &Path, name: &str, target_dir: &Path) -> Result<Vec<u8>> {
    let build = Build::isolated(root)
        .flare()
        .args(["--quiet", "--config", WITH_NAMES])
        .package(name)
        .target_dir(target_dir);
    Ok(build.run()?.wasm_of_package(name)?.read()?)
}

/// Where flares with symbols are built, apart from the real ones.
pub fn names_dir(project: &Project) -> Result<PathBuf> {
    Ok(project.scratch()?.join("with-names"))
}

/// Builds and measures flares, and reports progress on stderr. What `cargo size slim` makes of them is measured if
/// `and_slim`, and if there is a `wasm-opt`; it takes as long as all the rest.
pub fn measure(
    project: &Project,
    wanted: &[String],
    wasm_opt: Option<&WasmOpt>,
    and_slim: bool,
) -> Result<Vec<Measured>> {
    flaron_build::ensure_target(&project.root, WASM_TARGET)?;
    let names = select(&project.root, wanted)?;
    let mut measured = Vec::new();
    for (done, name) in names.iter().enumerate() {
        eprintln!("[{}/{}] {name}", done + 1, names.len());
        let wasm = build(&project.root, name, None)?;
        let mut of_flare = Measured::of(name, &wasm, wasm_opt)?;
        if and_slim && wasm_opt.is_some() {
            let steps = Steps {
                words: true,
                wasm_opt,
            };
            let slim = slim(&wasm, steps).with_context(|| name.clone())?;
            of_flare.slim = Some(slim.wasm.len() as u64);
        }
        measured.push(of_flare);
    }
    Ok(measured)
}
