//! Building flares, and the edge, with cargo.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, Once, PoisonError};

use flaron_build::{Build, isolated_cargo};

pub use flaron_build::WASM_TARGET as WASM;

/// The root of the repository.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Cargo's target folder that this test was built in.
pub fn target_dir() -> PathBuf {
    // target/debug/deps/test-0123456789abcdef
    let test = std::env::current_exe().unwrap();
    let target = test.ancestors().nth(3).unwrap().to_owned();
    assert!(target.join(".rustc_info.json").is_file(), "{target:?}");
    target
}

/// The target folder for everything that the tests build themselves: a separate one, so that these
/// builds do not wait for the lock of the cargo that runs the tests.
pub fn flares_dir() -> PathBuf {
    target_dir().join("flares")
}

/// Cargo in a folder, without the environment variables that are meant for flares or the edge.
pub fn cargo(folder: &Path) -> Command {
    let mut command = isolated_cargo(folder);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("FLARON_") {
            command.env_remove(name);
        }
    }
    command
}

/// Installs the Wasm target through rustup if it is missing.
pub fn ensure_wasm_target() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| flaron_build::ensure_target(workspace(), WASM).unwrap());
}

/// Builds something once per test process, whichever test comes first. Others wait for what they need, and for nothing
/// else.
fn once(key: String, build: impl FnOnce() -> PathBuf) -> PathBuf {
    static BUILT: Mutex<BTreeMap<String, Arc<Mutex<Option<PathBuf>>>>> =
        Mutex::new(BTreeMap::new());
    let built = BUILT
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .entry(key)
        .or_default()
        .clone();
    // A failed build has poisoned the lock; the next test tries again and reports its own failure.
    let mut built = built.lock().unwrap_or_else(PoisonError::into_inner);
    built.get_or_insert_with(build).clone()
}

/// The `.wasm` of an example flare, as `cargo build --release` makes it.
pub fn example(name: &str) -> PathBuf {
    once(format!("examples/{name}"), || {
        ensure_wasm_target();
        let wasm = flaron_build::flares::example(workspace(), name, Some(&flares_dir()));
        wasm.unwrap().path
    })
}

/// The `.wasm` of the same flare with the published crate `flaron-sdk` 1.1.0, from the registry.
pub fn published(name: &str) -> PathBuf {
    once(format!("size-report/peers/{name}"), || {
        ensure_wasm_target();
        let target_dir = flares_dir().join("published");
        let wasm = flaron_build::flares::published(workspace(), name, &target_dir);
        wasm.unwrap().path
    })
}

/// The edge's binary.
pub fn edge_binary() -> PathBuf {
    once("edge".to_owned(), || {
        let artifacts = Build::isolated(workspace())
            .args(["--quiet"])
            .package("flaron-edge")
            .target_dir(&target_dir())
            .run();
        artifacts.unwrap().executable("flaron-edge").unwrap()
    })
}

/// `cargo size`, beside [`edge_binary`]. It is built as `cargo test` builds it, with the features of all packages
/// together: with `--package` its dependencies would have fewer, and be built once more.
pub fn size_binary() -> PathBuf {
    once("size".to_owned(), || {
        let artifacts = Build::isolated(workspace())
            .args(["--quiet", "--profile", "test", "--bin", "flaron-size"])
            .target_dir(&target_dir())
            .run();
        artifacts.unwrap().executable("flaron-size").unwrap()
    })
}

/// A crate written by a test, outside of any workspace, that uses this repository's SDK.
pub struct Crate {
    folder: PathBuf,
    manifest: String,
    config: String,
    /// Compiler flags that replace those of all configurations.
    link_args: Option<Vec<String>>,
    targets: Vec<String>,
}

impl Crate {
    /// A new crate; `features` are the SDK's, without the default ones.
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
        // The linker flags of this repository, as the README shows them for your own flare.
        let config = fs::read_to_string(sdk.join(".cargo/config.toml")).unwrap();
        Crate {
            folder,
            manifest,
            config,
            link_args: None,
            targets: Vec::new(),
        }
    }

    /// Has another edition of Rust.
    pub fn set_edition(&mut self, edition: &str) {
        let ours = "edition = \"2024\"";
        assert!(self.manifest.contains(ours));
        self.manifest = self
            .manifest
            .replace(ours, &format!("edition = {edition:?}"));
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

    /// Replaces the crate's `.cargo/config.toml`.
    pub fn set_config(&mut self, text: &str) {
        text.clone_into(&mut self.config);
    }

    /// Links with exactly these arguments, without those of this repository (whose configuration may apply
    /// where the crate is).
    pub fn set_link_args(&mut self, args: &[&str]) {
        self.link_args = Some(args.iter().map(|arg| format!("-Clink-arg={arg}")).collect());
    }

    /// Writes the crate and returns its folder.
    pub fn write(&self) -> &Path {
        write(&self.folder.join("Cargo.toml"), &self.manifest);
        write(&self.folder.join(".cargo/config.toml"), &self.config);
        let lock = self.folder.join("Cargo.lock");
        if !lock.exists() {
            // The workspace's locked versions; entries that the crate does not need are ignored.
            fs::copy(workspace().join("Cargo.lock"), lock).unwrap();
        }
        &self.folder
    }

    /// Builds every target to Wasm, by name.
    pub fn build(&self) -> HashMap<String, PathBuf> {
        ensure_wasm_target();
        let mut build = Build::isolated(self.write())
            .flare()
            .args(["--quiet", "--examples"])
            .target_dir(&flares_dir());
        if let Some(args) = &self.link_args {
            build = build.rustflags(args);
        }
        let artifacts = build.run().unwrap();
        let built: HashMap<_, _> = artifacts
            .wasm_files()
            .map(|file| (file.target, file.path))
            .collect();
        assert_eq!(built.len(), self.targets.len());
        built
    }
}

/// Writes a file, unless it has this content already: then its modification time stays.
fn write(file: &Path, text: &str) {
    if fs::read_to_string(file).is_ok_and(|old| old == text) {
        return;
    }
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, text).unwrap();
}
