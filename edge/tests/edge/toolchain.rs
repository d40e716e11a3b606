//! What is run to build a flare's crate, with a toolchain that exists only in these tests: if the
//! Wasm target is missing, it is installed through rustup.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::guest::{RESPOND, http_guest};
use crate::process::{PROGRAM, Process};

const TARGET: &str = "wasm32-unknown-unknown";

/// A crate, and a PATH that contains only what a test puts there.
struct Toolchain {
    folder: TempDir,
}

impl Toolchain {
    /// A Rust installation without the target: rustc names the folder where it would be, and cargo
    /// fails as long as that does not exist.
    fn without_target() -> Toolchain {
        let toolchain = Toolchain {
            folder: tempfile::tempdir().unwrap(),
        };
        let libdir = toolchain.libdir();
        let libdir = libdir.display();
        toolchain.program(
            "rustc",
            &format!(
                "[ \"$*\" = '--print target-libdir --target {TARGET}' ] || exit 1\n\
                 echo '{libdir}'\n"
            ),
        );
        let krate = toolchain.path("flare");
        fs::create_dir_all(toolchain.path("bin")).unwrap();
        fs::create_dir_all(krate.join("src")).unwrap();
        fs::write(krate.join("Cargo.toml"), "# Read by nobody.\n").unwrap();
        let wasm = toolchain.path("hello.wasm");
        let hello = http_guest(|g| {
            let text = g.text("hello");
            format!("(call $resp_body_set {text}) {RESPOND}")
        });
        fs::write(&wasm, hello.wasm()).unwrap();
        let message = serde_json::json!({
            "reason": "compiler-artifact",
            "package_id": "path+file:///flare#hello@0.0.0",
            "manifest_path": krate.join("Cargo.toml").canonicalize().unwrap(),
            "target": {
                "name": "hello", "kind": ["cdylib"], "crate_types": ["cdylib"], "src_path": "/x.rs",
                "edition": "2024", "doc": true, "doctest": false, "test": true,
            },
            "profile": {
                "opt_level": "z", "debuginfo": 0, "debug_assertions": false,
                "overflow_checks": false, "test": false,
            },
            "features": [],
            "filenames": [wasm],
            "executable": null,
            "fresh": false,
        });
        toolchain.program(
            "cargo",
            &format!(
                "[ -d '{libdir}' ] || {{ echo \"error[E0463]: can't find crate for core\" >&2; exit 101; }}\n\
                 echo '{message}'\n"
            ),
        );
        toolchain
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn libdir(&self) -> PathBuf {
        self.path("sysroot/lib/rustlib").join(TARGET).join("lib")
    }

    /// Puts a shell script on the PATH, which records how it was called.
    fn program(&self, name: &str, script: &str) {
        let bin = self.path("bin");
        fs::create_dir_all(&bin).unwrap();
        let file = bin.join(name);
        let calls = self.path("calls");
        let calls = calls.display();
        let text = format!("#!/bin/sh\necho \"{name} $*\" in \"$PWD\" >> '{calls}'\n{script}");
        fs::write(&file, text).unwrap();
        fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// The edge with the crate, using this toolchain's PATH.
    fn edge(&self) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(["run", "--listen", "127.0.0.1:0"]);
        command.arg(self.path("flare"));
        command.env("PATH", self.path("bin"));
        // The cargo that runs these tests sets variables that name itself.
        command.env_remove("CARGO").env_remove("RUSTC");
        command
    }

    /// The edge's message when it does not start.
    fn error(&self) -> String {
        let output = self.edge().output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// How the programs were called, without the folder, which is always the crate's.
    fn calls(&self) -> Vec<String> {
        let krate = self.path("flare").canonicalize().unwrap();
        let within = format!(" in {}", krate.display());
        let calls = fs::read_to_string(self.path("calls")).unwrap();
        let call = |line: &str| line.strip_suffix(&within).unwrap_or(line).to_owned();
        // It also asks cargo for the manifest, to find out which features of the SDK it can enable.
        let calls = calls.lines().map(call);
        calls
            .filter(|call| !call.starts_with("cargo metadata "))
            .collect()
    }
}

const ASKED: &str = "rustc --print target-libdir --target wasm32-unknown-unknown";
const ADDED: &str = "rustup target add wasm32-unknown-unknown";
const BUILT: &str = "cargo build --message-format=json-render-diagnostics --release \
                     --target wasm32-unknown-unknown";

#[test]
fn a_missing_target_is_installed_through_rustup_and_the_flare_served() {
    let toolchain = Toolchain::without_target();
    let libdir = toolchain.libdir();
    toolchain.program("rustup", &format!("/bin/mkdir -p '{}'\n", libdir.display()));
    let said = toolchain.path("said");
    let mut command = toolchain.edge();
    command.stderr(fs::File::create(&said).unwrap());
    let process = Process::of(command);
    assert_eq!(process.get("/"), "hello");
    let said = fs::read_to_string(said).unwrap();
    assert!(
        said.contains("The Rust target wasm32-unknown-unknown is missing; installing it: rustup"),
        "{said}"
    );
    assert_eq!(toolchain.calls(), [ASKED, ADDED, ASKED, BUILT]);
}

#[test]
fn a_target_that_is_there_is_not_installed() {
    let toolchain = Toolchain::without_target();
    fs::create_dir_all(toolchain.libdir()).unwrap();
    toolchain.program("rustup", "exit 1\n");
    let process = Process::of(toolchain.edge());
    assert_eq!(process.get("/"), "hello");
    assert_eq!(toolchain.calls(), [ASKED, BUILT]);
}

/// The node does not wait for a running cargo.
#[test]
fn ctrl_c_ends_it_while_it_builds_again() {
    let toolchain = Toolchain::without_target();
    fs::create_dir_all(toolchain.libdir()).unwrap();
    let mut command = toolchain.edge();
    command.arg("--watch");
    let mut process = Process::of(command);
    assert_eq!(process.get("/"), "hello");
    let builds = toolchain.path("builds");
    // All programs on the test's PATH are the test's own.
    let script = format!("echo $$ > '{}'\nexec /bin/sleep 60\n", builds.display());
    toolchain.program("cargo", &script);
    fs::write(toolchain.path("flare/src/lib.rs"), "// Changed.\n").unwrap();
    let until = Instant::now() + Duration::from_secs(30);
    while !fs::read_to_string(&builds).is_ok_and(|text| text.ends_with('\n')) {
        assert!(Instant::now() < until, "it does not build again");
        std::thread::sleep(Duration::from_millis(10));
    }
    let asked = Instant::now();
    process.signal("-INT");
    assert!(process.ends_well());
    let took = asked.elapsed();
    // In a terminal cargo gets the signal, too. Here it did not.
    let cargo = fs::read_to_string(&builds).unwrap();
    let _ = Command::new("kill").arg(cargo.trim()).status();
    assert!(took < Duration::from_secs(20), "{took:?}");
}

#[test]
fn without_rustup_it_tells_other_ways() {
    let toolchain = Toolchain::without_target();
    let error = toolchain.error();
    for part in [
        "the Rust target wasm32-unknown-unknown is missing",
        "rustup cannot be run",
        "https://rustup.rs",
        "libstd-rust-dev-wasm32",
        ".wasm file",
    ] {
        assert!(error.contains(part), "{part} is not in: {error}");
    }
    assert_eq!(toolchain.calls(), [ASKED], "nothing is built without it");
}

#[test]
fn a_rustup_that_fails_has_the_word() {
    let toolchain = Toolchain::without_target();
    toolchain.program("rustup", "echo 'error: no network' >&2; exit 1\n");
    let error = toolchain.error();
    let why = error.find("error: no network").expect(&error);
    let then = error
        .find("rustup could not install the target wasm32-unknown-unknown; see above")
        .expect(&error);
    assert!(why < then, "{error}");
    assert_eq!(toolchain.calls(), [ASKED, ADDED]);
}

/// rustup has installed the target for its own Rust, but another one is used.
#[test]
fn a_rust_that_is_not_rustups_is_told() {
    let toolchain = Toolchain::without_target();
    toolchain.program("rustup", "");
    let error = toolchain.error();
    assert!(error.contains("`rustc` is not rustup's"), "{error}");
    assert!(error.contains("PATH"), "{error}");
    assert_eq!(toolchain.calls(), [ASKED, ADDED, ASKED]);
}

#[test]
fn without_rust_it_tells_where_to_get_it() {
    let toolchain = Toolchain::without_target();
    fs::remove_file(toolchain.path("bin/rustc")).unwrap();
    let error = toolchain.error();
    assert!(error.contains("cannot run rustc"), "{error}");
    assert!(error.contains("https://rustup.rs"), "{error}");
}
