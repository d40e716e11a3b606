//! A flare's crate in development: failures are reported with function, file, line and message, and the
//! deployed build contains none of that.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use tempfile::TempDir;

use crate::process::Process;

/// A flare's crate as an author has it, with this repository's SDK.
pub fn flare_crate(name: &str, features: &str, source: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let sdk = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let config = fs::read_to_string(sdk.join(".cargo/config.toml")).unwrap();
    let write = |file: &str, text: &str| {
        let path = folder.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write(
        "Cargo.toml",
        &format!(
            "[package]\nname = {name:?}\nedition = \"2024\"\n[lib]\ncrate-type = [\"cdylib\"]\n[workspace]\n\
             [dependencies.flaron-sdk]\npath = {sdk:?}\ndefault-features = false\n\
             features = [{features}]\n"
        ),
    );
    // The linker flags of flares, including `--compress-relocations`, and their profile.
    let config = config.replace("edge = \"run --package flaron-edge -- run\"", "");
    write(".cargo/config.toml", &config);
    write("src/lib.rs", source);
    folder
}

/// The status of GET `path`, and the line that says why the flare failed.
fn failure(node: &Process, path: &str) -> String {
    let mut stream = TcpStream::connect(node.addr()).unwrap();
    let host = node.addr();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 502"), "{answer}");
    node.line_with("FAILED")
}

/// Asserts that the deployed `.wasm` does not contain this word.
fn assert_not_deployed(krate: &TempDir, name: &str, word: &str) {
    let release = krate.path().join("target/wasm32-unknown-unknown/release");
    let deployed = fs::read(release.join(name).with_extension("wasm")).unwrap();
    let mut parts = deployed.windows(word.len());
    let there = parts.any(|part| part == word.as_bytes());
    assert!(!there, "{word} is in the .wasm that is deployed");
}

const FLARE: &str = r#"#![no_std]
use core::hint::black_box;
use flaron_sdk::{ArenaFull, FlareAction, request, response};
flaron_sdk::handle_request!(first);
flaron_sdk::panic_handler!();

fn first() -> Result<FlareAction, ArenaFull> {
    let url = request::url();
    let way = url.as_bytes().last().copied().unwrap_or(0);
    match way {
        b'p' => second(url.len()),
        b's' => response::set_status(deep(7) as u16),
        b'a' => response::set_body_pieces((long(), "!"))?,
        _ => {}
    }
    Ok(FlareAction::Respond)
}

fn second(length: usize) {
    response::set_status(third(length));
}

fn third(length: usize) -> u16 {
    let table = [200_u16, 201, 202];
    table[length]
}

#[inline(never)]
fn deep(n: u32) -> u32 {
    let room = black_box([n; 400]);
    if n == 0 { room[3] } else { deep(n - 1) + room[n as usize] }
}

/// More than the arena holds.
fn long() -> &'static str {
    static TEXT: [u8; 300_000] = [b'x'; 300_000];
    core::str::from_utf8(&TEXT).unwrap_or_default()
}
"#;

#[test]
fn a_trap_names_function_file_line_and_message() {
    let krate = flare_crate("trapper", "\"request\", \"response\"", FLARE);
    let node = Process::start(&[krate.path().to_str().unwrap()]);

    let said = failure(&node, "/p");
    assert!(
        said.contains(
            "panicked at src/lib.rs:25:5: index out of bounds: the len is 3 but the index is"
        ),
        "{said}"
    );
    let frames = "in third (src/lib.rs:25:5) < second (src/lib.rs:20:26) < first (src/lib.rs:11";
    assert!(said.contains(frames), "{said}");

    let said = failure(&node, "/s");
    assert!(said.contains("stack overflowed: it is too small"), "{said}");
    assert!(said.contains("deep (src/lib.rs:"), "{said}");

    let said = failure(&node, "/a");
    assert!(said.contains("the handler returned an error: "), "{said}");
    assert!(said.contains("ArenaFull"), "{said}");

    // The deployed build contains neither messages nor names.
    for word in ["panicked", "out of bounds", "lib.rs", "third"] {
        assert_not_deployed(&krate, "trapper", word);
    }
}

/// A flare that needs no stack of its own is linked without one, and its panics need one to say something.
#[test]
fn a_panic_without_a_stack_has_its_message_and_a_flare_that_uses_one_is_told() {
    const FLARE: &str = r#"#![no_std]
use flaron_sdk::{FlareAction, request, response};
flaron_sdk::handle_request!(answer);
flaron_sdk::panic_handler!();

fn answer() -> FlareAction {
    static STATUSES: [u16; 3] = [200, 201, 202];
    let length = request::url().len();
    response::set_status(STATUSES[length]);
    FlareAction::Respond
}
"#;
    let start = |source: &str| {
        let krate = flare_crate("stackless", "\"request\", \"response\"", source);
        let config = krate.path().join(".cargo/config.toml");
        let flags = fs::read_to_string(&config).unwrap();
        fs::write(
            &config,
            flags.replace("-zstack-size=4096", "-zstack-size=16"),
        )
        .unwrap();
        let mut command = std::process::Command::new(crate::process::PROGRAM);
        command
            .args(["run", krate.path().to_str().unwrap(), "--listen", "0"])
            .env_remove("CARGO_TARGET_DIR")
            .stdout(std::process::Stdio::piped());
        (Process::spawn(command), krate)
    };
    let (mut node, _krate) = start(FLARE);
    let started = node.find_addr();
    assert!(!started.contains("uses a stack"), "{started}");
    let said = failure(&node, "/");
    assert!(
        said.contains("panicked at src/lib.rs:9:26: index out of bounds"),
        "{said}"
    );

    // In development it fails as it will when it is deployed.
    let uses = FLARE.replace(
        "STATUSES[",
        "core::hint::black_box(&STATUSES.map(|n| n + 1))[",
    );
    let (mut node, _krate) = start(&uses);
    let started = node.find_addr();
    assert!(
        started.contains("stackless uses a stack and is linked without one"),
        "{started}"
    );
    let said = failure(&node, "/");
    assert!(
        said.contains("says \"-Clink-arg=-zstack-size=16\", write 4096"),
        "{said}"
    );
}

#[test]
fn a_release_is_served_as_it_is() {
    let krate = flare_crate("trapper", "\"request\", \"response\"", FLARE);
    let node = Process::start(&["--release", krate.path().to_str().unwrap()]);
    let said = failure(&node, "/p");
    assert!(said.contains("in function "), "{said}");
}

const WITH_STD: &str = r#"use flaron_sdk::{FlareAction, logging, request};
flaron_sdk::handle_request!(answer);

fn answer() -> FlareAction {
    let url = request::url();
    if url.as_str().ends_with('h') {
        std::panic::set_hook(Box::new(|_| logging::error("a hook of its own")));
    }
    first(url.len())
}

#[inline(never)]
fn first(length: usize) -> FlareAction {
    let table = vec![200_u16, 201];
    logging::info(&table[length].to_string());
    FlareAction::Respond
}
"#;

/// The standard library writes a panic's message to standard error, which Wasm does not have.
#[test]
fn a_flare_with_std_tells_the_same() {
    let features = "\"request\", \"response\", \"logging\"";
    let folder = flare_crate("with-std", features, WITH_STD);
    let node = Process::start(&[folder.path().to_str().unwrap()]);
    let said = failure(&node, "/x");
    assert!(
        said.contains(
            "panicked at src/lib.rs:15:25: index out of bounds: the len is 2 but the index is"
        ),
        "{said}"
    );
    let frames = "in first (src/lib.rs:15:25) < answer (src/lib.rs:9:5)";
    assert!(said.contains(frames), "{said}");

    // A flare's own hook is not replaced.
    let said = failure(&node, "/h");
    assert!(!said.contains("out of bounds"), "{said}");
    assert!(said.contains(frames), "{said}");

    assert_not_deployed(&folder, "with_std", "panicked at ");
}
