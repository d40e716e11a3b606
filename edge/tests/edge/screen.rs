//! What a developer reads: messages, the log, and the status page's data; and which files are
//! watched.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use flaron_edge::Edge;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::guest::{Guest, RESPOND, get, http_guest, said};
use crate::process::PROGRAM;
use crate::socket::{LONG, connect, hello, serve};

/// A flare that answers with this text.
fn saying(text: &str) -> Vec<u8> {
    http_guest(|g| {
        let body = g.text(text);
        format!("(call $resp_body_set {body}) {RESPOND}")
    })
    .wasm()
}

/// The message of `flaron-edge` when it refuses these arguments.
fn refused(args: &[&str]) -> String {
    let output = Command::new(PROGRAM).args(args).output().unwrap();
    assert!(!output.status.success(), "{args:?} was accepted");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn wrong_options_are_named_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let flare = folder.path().join("f.wasm");
    std::fs::write(&flare, saying("x")).unwrap();
    let flare = flare.to_str().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    for (args, wanted) in [
        (
            &["--peer", "foo=bar"][..],
            "it must be like http://HOST:PORT",
        ),
        (
            &["--data", file.to_str().unwrap()],
            "is a file; name a folder",
        ),
        // Not even root can create a folder there. This is reported once, before the engine misses
        // its cache.
        #[cfg(target_os = "linux")]
        (
            &["--data", "/proc/none"],
            "error: cannot write to the data folder /proc/none: No such file or directory (os error 2); \
             name another (--data)",
        ),
        (
            &[
                "--node-id",
                "a",
                "--gossip",
                "127.0.0.1:0",
                "--seed",
                "nonsense",
            ],
            "the seed \"nonsense\" is not an address",
        ),
        (
            &[
                "--node-id",
                "a",
                "--gossip",
                "127.0.0.1:0",
                "--advertise",
                "nonsense",
            ],
            "an IP address and a port, like 10.0.0.1:7946",
        ),
        (&["--listen", "nonsense"], "HOST:PORT, or a port"),
        (&["--memory", "0"], "0 is not in"),
        (&["--plasma-limit", "0"], "0 is not in"),
    ] {
        let mut all = vec!["run", flare];
        all.extend(args);
        let said = refused(&all);
        assert!(said.contains(wanted), "{args:?}: {said}");
    }
}

#[test]
fn a_node_that_cannot_start_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let crate_less = folder.join("empty");
    std::fs::create_dir(&crate_less).unwrap();
    std::fs::write(folder.join("text.wasm"), "no module").unwrap();
    std::fs::write(folder.join("f.wasm"), saying("x")).unwrap();
    std::fs::write(folder.join("bad.toml"), "rotues = []").unwrap();
    let listed = |folder: &Path| {
        let entries = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = listed(folder);
    for args in [
        &["nofolder"][..],
        &["nofile.wasm"],
        &["empty"],
        &["text.wasm"],
        &["f.wasm", "--config", "bad.toml"],
        &["f.wasm", "--secrets", "none.toml"],
        &["f.wasm", "--origin", "nonsense"],
        &["f.wasm", "--route", "/=f.wasm"],
        &[
            "f.wasm",
            "--seed",
            "nonsense",
            "--gossip",
            "127.0.0.1:0",
            "--node-id",
            "a",
        ],
        &["nofolder", "--record", "requests.jsonl"],
        &["nofolder", "--data", "a/b/c"],
        #[cfg(feature = "tls")]
        &["nofolder", "--tls"],
    ] {
        let mut command = Command::new(PROGRAM);
        command.current_dir(folder).args(["run", "--listen", "0"]);
        let output = command.args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{args:?} was accepted");
        assert_eq!(listed(folder), before, "{args:?}");
        assert_eq!(listed(&crate_less).len(), 0, "{args:?}");
    }
}

/// Cargo has nothing to build here, and would report that.
#[test]
fn a_wrong_flare_toml_is_reported_before_the_crate_is_built() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("Cargo.toml"), "no manifest").unwrap();
    std::fs::write(folder.path().join("flare.toml"), "rotues = []").unwrap();
    let said = refused(&["run", folder.path().to_str().unwrap(), "--listen", "0"]);
    assert!(said.contains("did you mean `routes`?"), "{said}");
}

#[test]
fn a_path_in_the_place_of_a_command_is_answered_with_the_command() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().to_str().unwrap();
    let said = refused(&[folder]);
    assert!(
        said.contains(&format!("to serve it: flaron-edge run {folder}")),
        "{said}"
    );
    assert!(!refused(&["no-such-command"]).contains("to serve it"));
    assert!(refused(&["--listen", "0"]).contains("flaron-edge run --help"));
}

#[test]
fn a_port_alone_can_be_listened_on() {
    let folder = tempfile::tempdir().unwrap();
    let flare = folder.path().join("f.wasm");
    std::fs::write(&flare, saying("x")).unwrap();
    let mut command = Command::new(PROGRAM);
    command.args(["run", flare.to_str().unwrap(), "--listen", "0"]);
    let process = crate::process::Process::of(command);
    assert_eq!(process.get("/"), "x");
    assert!(process.addr().ip().is_loopback());
}

#[test]
fn a_component_is_told_from_a_module() {
    let component = wat::parse_str("(component)").unwrap();
    let error = Edge::builder().flare(component).build().err().unwrap();
    let said = error.to_string();
    assert!(said.contains("component"), "{said}");
    assert!(said.contains("wasm32-unknown-unknown"), "{said}");
    assert!(!said.contains("feature"), "{said}");
}

#[tokio::test]
async fn a_start_function_that_fails_is_found_on_load() {
    let module = |start: &str| {
        wat::parse_str(format!(
            r#"(module (memory (export "memory") 1)
                 (func $start {start}) (start $start)
                 (func (export "handle_request") (result i64) {RESPOND}))"#
        ))
        .unwrap()
    };
    let edge = Edge::builder().flare(module("(unreachable)")).build();
    let said = edge.err().expect("it was accepted").to_string();
    assert!(said.contains("its start function fails"), "{said}");
    // A slow flare, on a runtime with one thread.
    let busy = "(local $i i32) (loop $on
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $on (i32.lt_u (local.get $i) (i32.const 20000000))))";
    let edge = Edge::builder().flare(module(busy)).build().unwrap();
    assert_eq!(get(&edge, "/").await.status(), 200);
}

#[tokio::test]
async fn a_small_stack_that_overflows_is_told_as_the_stack() {
    // The stack pointer is at 16, and the function needs 64 bytes below it.
    for size in [64, 5000] {
        let module = format!(
            r#"(module (memory (export "memory") 1)
                 (func (export "handle_request") (result i64)
                   (i32.store (i32.sub (i32.const 16) (i32.const {size})) (i32.const 1))
                   {RESPOND}))"#
        );
        let edge = Edge::builder()
            .flare(wat::parse_str(&module).unwrap())
            .build()
            .unwrap();
        let response = get(&edge, "/").await;
        assert_eq!(response.status(), 502);
        assert_eq!(response.headers()["x-flaron-error"], "stack");
        let said = said(&edge);
        assert!(said.contains("-zstack-size="), "{said}");
    }
    // An access elsewhere is not a stack overflow.
    let edge = Guest::new()
        .http(&format!(
            "(i32.store (i32.const 0x40000000) (i32.const 1)) {RESPOND}"
        ))
        .edge();
    assert_eq!(get(&edge, "/").await.headers()["x-flaron-error"], "trap");
}

#[tokio::test]
async fn a_fetch_from_the_edge_itself_gets_no_advice_that_does_not_help() {
    let mut guest = Guest::new();
    let options = guest.text("{}");
    let edge = guest
        .http(&format!(
            "(local.set $p (call $req_url))
             (call $reply (call $beam_fetch (call $ptr (local.get $p)) (call $len (local.get $p)) {options}))
             {RESPOND}"
        ))
        .edge_with("[beam]\nallow_private = true");
    let server = serve(&edge).await;
    let addr = server.addr();
    let request = http::Request::get("/").header("host", addr.to_string());
    edge.request(request.body("").unwrap()).await;
    let said = said(&edge);
    assert!(said.contains("this edge itself listens"), "{said}");
    assert!(!said.contains("allow_private"), "{said}");
}

#[tokio::test]
async fn a_secret_that_no_shell_can_set_is_asked_for_in_the_file() {
    let mut guest = Guest::new();
    let (dashed, plain) = (guest.text("jwt-key"), guest.text("JWT_KEY"));
    let edge = guest
        .http(&format!("(drop (call $secret_get {dashed})) {RESPOND}"))
        .edge_with("allowed_secrets = [\"jwt-key\", \"JWT_KEY\"]");
    get(&edge, "/").await;
    let said_once = said(&edge);
    assert!(said_once.contains("flare.secrets.toml"), "{said_once}");
    assert!(!said_once.contains("FLARON_SECRET_jwt"), "{said_once}");
    drop(plain);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_does_not_flood_the_page() {
    let edge = hello();
    let server = serve(&edge).await;
    let mut events = connect(&server).await;
    let request = format!(
        "GET /_edge/events HTTP/1.1\r\nHost: {}\r\n\r\n",
        server.addr()
    );
    events.write_all(request.as_bytes()).await.unwrap();
    let mut seen = String::new();
    let mut buffer = vec![0; 1 << 16];
    while !seen.contains(": here") {
        let read = timeout(LONG, events.read(&mut buffer))
            .await
            .unwrap()
            .unwrap();
        seen += &String::from_utf8_lossy(&buffer[..read]);
    }
    let started = Instant::now();
    for _ in 0..2000 {
        get(&edge, "/").await;
    }
    let windows = started.elapsed().as_millis() / 250 + 2;
    // What was left out is counted, and the total is right.
    let total = |seen: &str| {
        let missed: usize = seen
            .split("event: missed\ndata: ")
            .skip(1)
            .map(|rest| {
                rest.split('\n')
                    .next()
                    .unwrap()
                    .parse::<usize>()
                    .unwrap_or(0)
            })
            .sum();
        (seen.matches("data: {").count(), missed)
    };
    let all = async {
        while let (shown, missed) = total(&seen)
            && shown + missed < 2000
        {
            let read = events.read(&mut buffer).await.unwrap();
            seen += &String::from_utf8_lossy(&buffer[..read]);
        }
    };
    let _ = timeout(LONG, all).await;
    let (shown, missed) = total(&seen);
    assert_eq!(shown + missed, 2000, "{shown} shown, {missed} missed");
    assert!(
        shown as u128 <= 50 * windows,
        "{shown} in {windows} windows"
    );
    assert!(missed > 0);
}

#[tokio::test]
async fn counters_are_exact_on_the_page() {
    let mut guest = Guest::new();
    let key = guest.text("big");
    let edge = guest
        .http(&format!(
            "(drop (call $plasma_increment {key} (i64.const 9007199254740993))) {RESPOND}"
        ))
        .edge_with("writes_plasma_kv = true");
    get(&edge, "/").await;
    let status = get(&edge, "/_edge/status.json").await;
    let status = String::from_utf8_lossy(status.body()).into_owned();
    assert!(
        status.contains("\"exact\":\"9007199254740993\""),
        "{status}"
    );
}

/// Waits until the flare answers with this text.
fn until_says(edge: &Edge, runtime: &tokio::runtime::Runtime, text: &str) {
    let until = Instant::now() + LONG;
    loop {
        let body = runtime.block_on(get(edge, "/")).into_body();
        if body == text {
            return;
        }
        assert!(Instant::now() < until, "it still says {body:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[cfg(unix)]
#[test]
fn a_link_that_is_pointed_elsewhere_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for name in ["one", "two", "three"] {
        std::fs::create_dir(path(name)).unwrap();
        std::fs::write(path(name).join("flare.wasm"), saying(name)).unwrap();
    }
    let point = |link: &Path, target: &str| {
        let new = folder.path().join("new-link");
        std::os::unix::fs::symlink(target, &new).unwrap();
        std::fs::rename(&new, link).unwrap();
    };
    // A link to a folder, as in deployments, and a link to the file in it.
    point(&path("current"), "one");
    point(&path("flare.wasm"), "current/flare.wasm");
    let edge = Edge::builder().flare(path("flare.wasm")).build().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _watch = edge.watch(|_| {}).unwrap();
    until_says(&edge, &runtime, "one");
    point(&path("current"), "two");
    until_says(&edge, &runtime, "two");
    point(&path("flare.wasm"), "three/flare.wasm");
    until_says(&edge, &runtime, "three");
    // And the new target file itself.
    std::fs::write(path("three/flare.wasm"), saying("four")).unwrap();
    until_says(&edge, &runtime, "four");
}
