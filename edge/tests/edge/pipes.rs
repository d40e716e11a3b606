//! Commands whose output is not read to the end, as in `flaron-edge inspect FILE | head -1`.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use crate::guest::{RESPOND, http_guest};
use crate::process::{PROGRAM, Process, flare, free_address};

/// Runs a command whose standard output (and, with `both`, standard error) is closed already.
fn unread(folder: &Path, args: &[&str], both: bool) -> Output {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(PROGRAM);
    command.args(args).current_dir(folder).stdin(Stdio::null());
    if both {
        command.stderr(writer.try_clone().unwrap());
    } else {
        command.stderr(Stdio::piped());
    }
    command.stdout(writer);
    command.spawn().unwrap().wait_with_output().unwrap()
}

#[test]
fn a_command_that_nobody_reads_does_what_it_does() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let flare = http_guest(|_| RESPOND.to_owned()).wasm();
    std::fs::write(folder.join("flare.wasm"), flare).unwrap();
    let request = r#"{"request": {"target": "/a"}}"#;
    std::fs::write(folder.join("requests.jsonl"), request).unwrap();
    let ok = ["replay", "requests.jsonl", "flare.wasm", "--unit-test"];
    for (args, code) in [
        (&["inspect", "flare.wasm"][..], 0),
        (&["schema"], 0),
        (&["completions", "bash"], 0),
        (&["completions", "zsh"], 0),
        (&["new-key"], 0),
        (&["--help"], 0),
        (&["bench", "flare.wasm", "--rounds", "1", "--save"], 0),
        (&ok, 0),
        (&["kv", "list"], 0),
        (&["kv", "put", "spark", "a", "b", "--site", "s"], 0),
        (&["kv", "get", "spark", "a", "--site", "s"], 0),
        (&["kv", "export"], 0),
        (&["store", "check", ".flaron"], 0),
        (&["store", "export", ".flaron"], 0),
        // A failure stays a failure, even if nobody has read about it.
        (&["doctor"], 1),
        (&["kv", "get", "spark", "b", "--site", "s"], 1),
        (&["inspect", "requests.jsonl"], 1),
    ] {
        if args == ["kv", "list"] {
            std::fs::create_dir_all(folder.join(".flaron")).unwrap();
        }
        let output = unread(folder, args, false);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!said.contains("panicked"), "{args:?}: {said}");
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert_eq!(
            unread(folder, args, true).status.code(),
            Some(code),
            "{args:?}"
        );
    }
    assert!(folder.join("flare.bench.json").is_file());
}

/// A node keeps running if its log is no longer read.
#[test]
fn a_node_that_nobody_reads_serves() {
    let folder = tempfile::tempdir().unwrap();
    let flare = flare(folder.path(), &http_guest(|_| RESPOND.to_owned()), "");
    let addr: SocketAddr = free_address().parse().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut node = Command::new(PROGRAM)
        .args(["run", "--listen", &addr.to_string()])
        .arg(&flare)
        .stdout(writer)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    for _ in 0..600 {
        if std::net::TcpStream::connect(addr).is_ok() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    for _ in 0..3 {
        assert_eq!(crate::process::get(addr, "/"), "");
    }
    node.kill().unwrap();
    let output = node.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

/// A command that never ends on its own ends when its output is closed.
#[test]
fn a_tail_that_nobody_reads_ends() {
    let folder = tempfile::tempdir().unwrap();
    let flare = flare(folder.path(), &http_guest(|_| RESPOND.to_owned()), "");
    let node = Process::start(&[&flare]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut tail = Command::new(PROGRAM)
        .args(["tail", "--node", &node.addr().to_string()])
        .stdout(writer)
        .spawn()
        .unwrap();
    for _ in 0..600 {
        node.get("/");
        if let Some(status) = tail.try_wait().unwrap() {
            assert!(status.success());
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let _ = tail.kill();
    panic!("it goes on");
}
