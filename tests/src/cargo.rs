//! Building flares, and the edge, with cargo.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, Once, PoisonError};

use serde_json::Value;

pub use flaron_edge::build_flare::TARGET as WASM;

/// The root of the repository.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Cargo's target folder that this test was built in.
pub fn target_dir() -> PathBuf {
    // target/debug/deps/test-0123456789abcdef
    let test = std::env::current_exe().unwrap();
    let target = test.ancestors().nth(3).unwrap().to_owned();
    assert!(target.join("CACHEDIR.TAG").is_file(), "{target:?}");
    target
}

/// The target folder for everything that the tests build themselves. One of its own, so that
/// nothing of it waits for the cargo that runs the tests.
pub fn flares_dir() -> PathBuf {
    target_dir().join("flares")
}

/// Cargo, in a folder: it decides which `.cargo/config.toml` counts.
pub fn cargo(folder: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(folder);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        // What a CI sets for native code (`-D warnings`, coverage) would replace the flags that
        // flares are linked with, and their build everything anew. So would what cargo told this
        // test of its own package: there are build scripts that run again when it changes.
        if text.ends_with("RUSTFLAGS")
            || text.starts_with("CARGO_PKG_")
            || text.starts_with("CARGO_MANIFEST_")
            || text.ends_with("RUSTC_WRAPPER")
            || text.ends_with("RUSTC_WORKSPACE_WRAPPER")
            || text.starts_with("CARGO_PROFILE_")
            || text.starts_with("FLARON_")
        {
            command.env_remove(name);
        }
    }
    command
}

/// Runs cargo and gives what it printed to standard output.
///
/// # Panics
///
/// If it fails; the message has its standard error.
pub fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(
        output.status.success(),
        "{command:?} failed:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// The messages of a build with `--message-format=json`.
pub fn messages(stdout: &str) -> impl Iterator<Item = Value> {
    let lines = stdout.lines().filter(|line| line.starts_with('{'));
    lines.map(|line| serde_json::from_str(line).unwrap())
}

/// The files with an extension that a build made, by the names of their targets.
pub fn artifacts(stdout: &str, extension: &str) -> HashMap<String, PathBuf> {
    let mut found = HashMap::new();
    for message in messages(stdout) {
        if message["reason"] != "compiler-artifact" {
            continue;
        }
        let mut files = message["filenames"].as_array().into_iter().flatten();
        let file = files.find_map(|file| {
            let file = PathBuf::from(file.as_str()?);
            (file.extension()? == extension).then_some(file)
        });
        if let Some(file) = file {
            let name = message["target"]["name"].as_str().unwrap();
            found.insert(name.to_owned(), file);
        }
    }
    found
}

/// Installs the Wasm target through rustup if it is missing.
pub fn ensure_wasm_target() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| flaron_edge::build_flare::ensure_target(workspace(), WASM).unwrap());
}

/// Builds something once per test process, whichever test comes first.
fn once(key: String, build: impl FnOnce() -> PathBuf) -> PathBuf {
    static BUILT: Mutex<Option<HashMap<String, PathBuf>>> = Mutex::new(None);
    // A build that failed has poisoned it, and the next test shall say so for itself.
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    let built = built.get_or_insert_with(HashMap::new);
    if let Some(file) = built.get(&key) {
        return file.clone();
    }
    let file = build();
    built.insert(key, file.clone());
    file
}

/// The `.wasm` of an example flare, as `cargo build --release` makes it.
pub fn example(name: &str) -> PathBuf {
    once(format!("examples/{name}"), || {
        ensure_wasm_target();
        let out = run(cargo(workspace())
            .args([
                "build",
                "--quiet",
                "--release",
                "--message-format=json-render-diagnostics",
            ])
            .args(["--target", WASM, "--package", name, "--target-dir"])
            .arg(flares_dir()));
        artifacts(&out, "wasm").remove(&crate_name(name)).unwrap()
    })
}

/// The `.wasm` of the same flare with the published crate `flaron-sdk` 1.1.0, from the registry.
pub fn published(name: &str) -> PathBuf {
    once(format!("size-report/peers/{name}"), || {
        ensure_wasm_target();
        // From a folder outside of the workspace: its linker flags are for flares without a heap
        // and with a small stack, and the users of that crate do not have them.
        let nowhere = tempfile::tempdir().unwrap();
        let manifest = workspace().join("size-report/peers/Cargo.toml");
        let out = run(cargo(nowhere.path())
            .args([
                "build",
                "--quiet",
                "--release",
                "--message-format=json-render-diagnostics",
            ])
            .args(["--locked", "--target", WASM, "--package", name])
            .arg("--manifest-path")
            .arg(manifest)
            .arg("--target-dir")
            .arg(flares_dir().join("published")));
        artifacts(&out, "wasm").remove(&crate_name(name)).unwrap()
    })
}

/// The edge's binary.
pub fn edge_binary() -> PathBuf {
    once("edge".to_owned(), || {
        let out = run(cargo(workspace())
            .args(["build", "--quiet", "--package", "flaron-edge"])
            .args(["--message-format=json-render-diagnostics", "--target-dir"])
            .arg(target_dir()));
        let edge = messages(&out).find_map(|message| {
            let name = &message["target"]["name"];
            let file = message["executable"].as_str()?;
            (name == "flaron-edge").then(|| PathBuf::from(file))
        });
        edge.unwrap()
    })
}

fn crate_name(package: &str) -> String {
    package.replace('-', "_")
}

/// A crate that a test writes, outside of every workspace, with this repository's SDK.
pub struct Crate {
    folder: PathBuf,
    manifest: String,
    config: String,
    /// Compiler flags that replace those of all configurations.
    link_args: Option<Vec<String>>,
    targets: Vec<String>,
}

impl Crate {
    /// Begins one; `features` are the SDK's, without the default ones.
    pub fn new(name: &str, features: &[&str]) -> Crate {
        let sdk = workspace();
        let manifest = format!(
            "[package]\n\
             name = {name:?}\n\
             version = \"0.0.0\"\n\
             edition = \"2024\"\n\
             autoexamples = false\n\
             [dependencies.flaron-sdk]\n\
             path = {sdk:?}\n\
             default-features = false\n\
             features = {features:?}\n\
             [profile.release]\n\
             opt-level = \"z\"\n\
             lto = \"fat\"\n\
             codegen-units = 1\n\
             panic = \"abort\"\n\
             strip = true\n\
             [workspace]\n"
        );
        let folder = flares_dir().join("crates").join(name);
        write(&folder.join("src/lib.rs"), "#![no_std]\n");
        // The linker flags of this repository, as the README has them for a flare of one's own.
        let config = fs::read_to_string(sdk.join(".cargo/config.toml")).unwrap();
        Crate {
            folder,
            manifest,
            config,
            link_args: None,
            targets: Vec::new(),
        }
    }

    /// Adds a source file as a target of its own.
    pub fn add(&mut self, name: &str, source: &str) {
        write(
            &self.folder.join("examples").join(format!("{name}.rs")),
            source,
        );
        self.manifest.push_str(&format!(
            "[[example]]\nname = {name:?}\ncrate-type = [\"cdylib\"]\n"
        ));
        self.targets.push(name.to_owned());
    }

    /// Adds something to the crate's `.cargo/config.toml`.
    pub fn add_config(&mut self, text: &str) {
        self.config.push_str(text);
    }

    /// Links with these arguments and no others, those of this repository included (whose
    /// configuration may be in force where the crate lies).
    pub fn set_link_args(&mut self, args: &[&str]) {
        self.link_args = Some(args.iter().map(|arg| format!("-Clink-arg={arg}")).collect());
    }

    /// Cargo, to do something with the crate.
    pub fn cargo(&self) -> Command {
        write(&self.folder.join("Cargo.toml"), &self.manifest);
        write(&self.folder.join(".cargo/config.toml"), &self.config);
        let lock = self.folder.join("Cargo.lock");
        if !lock.exists() {
            // The versions that the workspace has; what the crate does not need is ignored.
            fs::copy(workspace().join("Cargo.lock"), lock).unwrap();
        }
        let mut command = cargo(&self.folder);
        command.env("CARGO_TARGET_DIR", flares_dir());
        if let Some(args) = &self.link_args {
            command.env("RUSTFLAGS", args.join(" "));
        }
        command
    }

    /// Builds every target to Wasm, by name.
    pub fn build(&self) -> HashMap<String, PathBuf> {
        ensure_wasm_target();
        let out = run(self
            .cargo()
            .args(["build", "--quiet", "--release", "--examples"])
            .args(["--message-format=json-render-diagnostics", "--target", WASM]));
        let built = artifacts(&out, "wasm");
        assert_eq!(built.len(), self.targets.len());
        built
    }
}

/// Writes a file, but leaves it as old as it is when it has the text already.
fn write(file: &Path, text: &str) {
    if fs::read_to_string(file).is_ok_and(|old| old == text) {
        return;
    }
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, text).unwrap();
}
