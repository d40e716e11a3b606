//! One `cargo build`, and the files it produced, according to cargo's JSON messages.

use std::env;
use std::fs;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cargo_metadata::{Artifact, Message, TargetKind};

use crate::environment;
use crate::error::{Error, Result};
use crate::toolchain::WASM_TARGET;

/// The profile of a flare with names and lines.
const LINES: &str = "flaron-lines";

/// A `cargo build` to run. Cargo's progress and messages go to standard error.
#[derive(Debug)]
pub struct Build {
    command: Command,
}

impl Build {
    /// A build in `folder` with the environment unchanged: for a user's own flare, whose settings
    /// may be deliberate.
    pub fn new(folder: &Path) -> Self {
        Self::with(environment::cargo(folder))
    }

    /// A build in `folder` that depends only on the manifests and configuration files, and not on
    /// the environment ([`environment::isolated_cargo`]).
    pub fn isolated(folder: &Path) -> Self {
        Self::with(environment::isolated_cargo(folder))
    }

    /// The same for a workspace inside this repository that does not belong to it: run from a folder
    /// outside, so that its own manifest applies and not the `.cargo/config.toml` of this repository.
    pub fn isolated_from_repository(manifest: &Path) -> Self {
        let mut build = Self::isolated(&env::temp_dir());
        build.command.arg("--manifest-path").arg(manifest);
        build
    }

    fn with(mut command: Command) -> Self {
        command.args(["build", "--message-format=json-render-diagnostics"]);
        command.stdin(Stdio::null());
        Self { command }
    }

    /// In release mode, for Wasm: as a flare is deployed.
    #[must_use]
    pub fn flare(self) -> Self {
        self.release_for(WASM_TARGET)
    }

    /// In release mode, for a target.
    #[must_use]
    pub fn release_for(self, target: &str) -> Self {
        self.args(["--release", "--target", target])
    }

    /// For Wasm, compiled as in release mode but with function names and line numbers, for finding out
    /// what a flare does. It has a folder of its own, separate from the release build.
    ///
    /// The linker refuses `--compress-relocations` together with line numbers, and cargo cannot remove
    /// a flag: the caller has to run the compiler through a program that does
    /// (`RUSTC_WORKSPACE_WRAPPER`).
    #[must_use]
    pub fn flare_with_lines(self) -> Self {
        self.args([
            "--target",
            WASM_TARGET,
            "--profile",
            LINES,
            "--config",
            "profile.flaron-lines.inherits=\"release\"",
            "--config",
            "profile.flaron-lines.strip=\"none\"",
            "--config",
            "profile.flaron-lines.debug=\"line-tables-only\"",
        ])
    }

    /// Adds a package to build.
    #[must_use]
    pub fn package(self, name: &str) -> Self {
        self.args(["--package", name])
    }

    /// Builds into this target folder instead of the workspace's own.
    #[must_use]
    pub fn target_dir(mut self, folder: &Path) -> Self {
        self.command.arg("--target-dir").arg(folder);
        self
    }

    /// Uses these compiler flags and no others, not even those in configuration files. The list may
    /// be empty.
    #[must_use]
    pub fn rustflags(mut self, flags: &[String]) -> Self {
        // The way of setting flags that has the highest precedence. The separator is cargo's.
        self.command
            .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
        self
    }

    /// Sets a variable in cargo's environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Further arguments of `cargo build`.
    #[must_use]
    pub fn args<'a>(mut self, arguments: impl IntoIterator<Item = &'a str>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Runs the build.
    ///
    /// # Errors
    ///
    /// When cargo cannot be run, or the build fails; in that case cargo has reported why on
    /// standard error.
    pub fn run(mut self) -> Result<Artifacts> {
        let mut child = self
            .command
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| {
                Error::new(format!(
                    "cannot run cargo: {error}; building a flare needs Rust (https://rustup.rs)"
                ))
            })?;
        let stdout = child.stdout.take().expect("standard output is piped");
        let read = Artifacts::read(BufReader::new(stdout));
        let status = child
            .wait()
            .map_err(|error| Error::new(format!("cannot wait for cargo: {error}")))?;
        if !status.success() {
            return Err(Error::new("the build failed; see cargo's output above"));
        }
        read
    }
}

/// The files that a build produced.
#[derive(Debug, Default)]
pub struct Artifacts(Vec<Artifact>);

/// A `.wasm` that a build produced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WasmFile {
    /// The name of its target: for a library the package's name, with underscores.
    pub target: String,
    /// Its path.
    pub path: PathBuf,
}

impl WasmFile {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn read(&self) -> Result<Vec<u8>> {
        fs::read(&self.path)
            .map_err(|error| Error::new(format!("cannot read {}: {error}", self.path.display())))
    }
}

impl Artifacts {
    /// Reads cargo's messages, one per line. Other lines are someone's output (a build script's,
    /// for example) and are skipped.
    fn read(messages: impl std::io::BufRead) -> Result<Self> {
        let mut artifacts = Vec::new();
        for message in Message::parse_stream(messages) {
            let message =
                message.map_err(|error| Error::new(format!("cannot read from cargo: {error}")))?;
            if let Message::CompilerArtifact(artifact) = message {
                artifacts.push(artifact);
            }
        }
        Ok(Self(artifacts))
    }

    /// All `.wasm` files.
    pub fn wasm_files(&self) -> impl Iterator<Item = WasmFile> {
        self.0.iter().filter_map(wasm_file)
    }

    /// The `.wasm` of a package, by the package's name.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn wasm_of_package(&self, name: &str) -> Result<WasmFile> {
        // A library is named like its package, with `_` for `-`, unless the manifest gives it a
        // name.
        let target = name.replace('-', "_");
        self.wasm_files()
            .find(|file| file.target == target)
            .ok_or_else(|| {
                Error::new(format!(
                    "building {name} made no {target}.wasm; is its crate-type \"cdylib\", and its \
                     library called as the package?"
                ))
            })
    }

    /// The `.wasm` of the `cdylib` in the package with this manifest, whatever its name is.
    pub fn wasm_of_manifest(&self, manifest: &Path) -> Option<WasmFile> {
        self.0
            .iter()
            .filter(|artifact| artifact.manifest_path.as_std_path() == manifest)
            .filter(|artifact| artifact.target.kind.contains(&TargetKind::CDyLib))
            .find_map(wasm_file)
    }

    /// The program built from a binary target.
    pub fn executable(&self, target: &str) -> Option<PathBuf> {
        self.0.iter().find_map(|artifact| {
            let file = artifact.executable.as_ref()?;
            (artifact.target.name == target).then(|| file.clone().into_std_path_buf())
        })
    }
}

fn wasm_file(artifact: &Artifact) -> Option<WasmFile> {
    let path = artifact
        .filenames
        .iter()
        .find(|file| file.extension() == Some("wasm"))?;
    Some(WasmFile {
        target: artifact.target.name.clone(),
        path: path.clone().into_std_path_buf(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line as cargo prints it, with the fields that matter here.
    fn message(manifest: &str, target: &str, kind: &str, files: &[&str]) -> String {
        let files: Vec<String> = files.iter().map(|file| format!("{file:?}")).collect();
        let package = Path::new(manifest).parent().unwrap().display();
        format!(
            "{{\"reason\":\"compiler-artifact\",\"package_id\":\"path+file://{package}#0.0.0\",\
             \"manifest_path\":{manifest:?},\
             \"target\":{{\"kind\":[{kind}],\"crate_types\":[],\"name\":{target:?},\
             \"src_path\":\"/x.rs\",\"edition\":\"2024\",\"doc\":true,\"doctest\":false,\"test\":true}},\
             \"profile\":{{\"opt_level\":\"z\",\"debuginfo\":0,\"debug_assertions\":false,\
             \"overflow_checks\":false,\"test\":false}},\
             \"features\":[],\"filenames\":[{}],\"executable\":null,\"fresh\":true}}\n",
            files.join(",")
        )
    }

    fn artifacts() -> Artifacts {
        let messages = [
            message("/dep/Cargo.toml", "dep", "\"cdylib\"", &["/t/dep.wasm"]),
            "what a build script prints\n".to_owned(),
            message(
                "/f/Cargo.toml",
                "build-script-build",
                "\"custom-build\"",
                &["/t/b"],
            ),
            message(
                "/f/Cargo.toml",
                "my_flare",
                "\"cdylib\",\"rlib\"",
                &["/t/libmy_flare.rlib", "/t/my_flare.wasm"],
            ),
            "{\"reason\":\"build-finished\",\"success\":true}\n".to_owned(),
        ];
        Artifacts::read(messages.concat().as_bytes()).unwrap()
    }

    #[test]
    fn a_flare_is_found_by_its_manifest() {
        let wasm = artifacts().wasm_of_manifest(Path::new("/f/Cargo.toml"));
        let expected = WasmFile {
            target: "my_flare".to_owned(),
            path: "/t/my_flare.wasm".into(),
        };
        assert_eq!(wasm, Some(expected));
        assert_eq!(
            artifacts().wasm_of_manifest(Path::new("/g/Cargo.toml")),
            None
        );
    }

    #[test]
    fn a_flare_is_found_by_its_packages_name() {
        let wasm = artifacts().wasm_of_package("my-flare").unwrap();
        assert_eq!(wasm.path, Path::new("/t/my_flare.wasm"));
        let error = artifacts().wasm_of_package("other").unwrap_err();
        assert!(error.to_string().contains("cdylib"), "{error}");
    }

    #[test]
    fn a_build_that_fails_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let error = Build::isolated(folder.path()).flare().run().unwrap_err();
        assert!(
            error.to_string().contains("see cargo's output above"),
            "{error}"
        );
    }
}
