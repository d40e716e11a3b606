//! The program as users run it: its commands, several nodes, a kill.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use crate::guest::{Guest, RESPOND, http_guest};

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_flaron-edge");
const LONG: Duration = Duration::from_secs(30);
/// The time limit until a node serves: it may have to build a flare first, on a busy machine.
const START: Duration = Duration::from_secs(300);

/// A running `flaron-edge run`; killed when dropped.
pub struct Process {
    child: Child,
    lines: Receiver<String>,
    addr: SocketAddr,
}

impl Process {
    /// Starts it on a free port and waits until it serves.
    pub fn start(args: &[&str]) -> Process {
        let mut command = Command::new(PROGRAM);
        command
            .args(["run", "--listen", "127.0.0.1:0"])
            .args(args)
            .env("FLARON_PEER_TOKEN", "token-of-this-test")
            .env_remove("CARGO_TARGET_DIR");
        Process::of(command)
    }

    /// Runs a command that starts a node and prints JSON, until it serves.
    pub fn of_json(mut command: Command) -> Process {
        command.stderr(Stdio::piped());
        let mut process = Process::spawn(command);
        // Its address is reported to people, on standard error.
        let told = lines_of(process.child.stderr.take().unwrap());
        let lines = std::mem::replace(&mut process.lines, told);
        process.find_addr();
        process.lines = lines;
        process
    }

    /// Runs a command that starts a node, until it serves.
    pub fn of(command: Command) -> Process {
        let mut process = Process::spawn(command);
        process.find_addr();
        process
    }

    /// Runs a command that starts a node with TLS, until it serves. Its address is the one without
    /// TLS.
    #[cfg(feature = "tls")]
    pub fn of_tls(command: Command) -> Process {
        let mut process = Process::spawn(command);
        let line = process.line_within(START, "Without TLS, for flaron-edge kv and tail: ");
        process.addr = line.rsplit("http://").next().unwrap().parse().unwrap();
        process
    }

    /// Runs a command that starts a node; [`find_addr`](Self::find_addr) waits until it serves.
    pub fn spawn(mut command: Command) -> Process {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = lines_of(child.stdout.take().unwrap());
        Process {
            child,
            lines,
            addr: ([127, 0, 0, 1], 0).into(),
        }
    }

    /// Waits until it serves; returns what it printed before.
    pub fn find_addr(&mut self) -> String {
        let (before, line) = self.lines_until(START, "Serving on http://");
        let addr = line.split("http://").nth(1).unwrap();
        self.addr = addr.split(' ').next().unwrap().parse().unwrap();
        before
    }

    /// The next line that contains this.
    pub fn line_with(&self, what: &str) -> String {
        self.line_within(LONG, what)
    }

    fn line_within(&self, patience: Duration, what: &str) -> String {
        self.lines_until(patience, what).1
    }

    /// The next line that contains this, and those before it.
    fn lines_until(&self, patience: Duration, what: &str) -> (String, String) {
        let mut seen = String::new();
        let until = Instant::now() + patience;
        while let Ok(line) = self.lines.recv_timeout(until - Instant::now()) {
            if line.contains(what) {
                return (seen, line);
            }
            seen = seen + &line + "\n";
        }
        panic!("{what:?} was not printed:\n{seen}");
    }

    /// The address it serves at.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its process ID.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The body of GET `path`.
    pub fn get(&self, path: &str) -> String {
        get(self.addr, path)
    }

    /// Waits until it has ended; returns whether it succeeded.
    pub fn ends_well(&mut self) -> bool {
        self.child.wait().unwrap().success()
    }

    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args([name, &pid])
                .status()
                .unwrap()
                .success()
        );
    }

    /// `kill -9`.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Process {
    /// `kill -9` of a process that has yet to be dropped.
    pub fn kill_hard(&self) {
        self.signal("-9");
        // Until nothing answers there any more.
        while TcpStream::connect(self.addr).is_ok() {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Its output, line by line.
fn lines_of(output: impl Read + Send + 'static) -> Receiver<String> {
    let (send, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines() {
            let Ok(line) = line else { break };
            if send.send(line).is_err() {
                break;
            }
        }
    });
    lines
}

/// The body of GET `path`.
pub fn get(addr: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    response.split_once("\r\n\r\n").unwrap().1.to_owned()
}

/// Writes a flare and its settings into a folder; returns the path of the `.wasm`.
pub fn flare(folder: &Path, guest: &Guest, config: &str) -> String {
    let file = folder.join("flare.wasm");
    std::fs::write(&file, guest.wasm()).unwrap();
    std::fs::write(folder.join("flare.toml"), config).unwrap();
    file.to_str().unwrap().to_owned()
}

/// Increments a Spark value, and answers with its little-endian bytes.
fn spark_counter() -> Guest {
    http_guest(|g| {
        let (key, value) = (g.text("count"), g.text([0]));
        let at = value.split([' ', ')']).nth(1).unwrap().to_owned();
        format!(
            "(local.set $p (call $spark_get {key}))
             (if (i64.ne (local.get $p) (i64.const 0))
               (then (i32.store8 (i32.const {at})
                 (i32.load8_u (i32.add (call $ptr (local.get $p)) (i32.const 4))))))
             (i32.store8 (i32.const {at}) (i32.add (i32.const 1) (i32.load8_u (i32.const {at}))))
             (if (call $spark_set {key} {value} (i32.const 0)) (then (unreachable)))
             (call $reply_number (i32.load8_u (i32.const {at})))
             {RESPOND}"
        )
    })
}

#[test]
fn what_spark_answered_survives_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let flare = flare(folder.path(), &spark_counter(), "writes_spark_kv = true");
    let first = Process::start(&[&flare]);
    for n in 1..=5 {
        assert_eq!(first.get("/"), format!("000{n}"));
    }
    first.kill();
    let second = Process::start(&[&flare]);
    assert_eq!(second.get("/"), "0006");
    assert!(
        folder.path().join(".flaron").is_dir(),
        "the data is beside the flare"
    );
}

/// A TCP address whose port was free a moment ago.
pub fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

#[test]
fn three_nodes_agree_on_a_counter_through_a_kill_and_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let guest = http_guest(|g| {
        let (key, add) = (g.text("n"), g.text("x-add"));
        format!(
            // Paths that end with `+` increment.
            "(drop (i64.const 0)) (drop (call $req_header_get {add}))
             (local.set $p (call $req_url))
             (if (i32.eq (i32.const 43) (i32.load8_u (i32.sub
                   (i32.add (call $ptr (local.get $p)) (call $len (local.get $p))) (i32.const 1))))
               (then (local.set $p (call $plasma_increment {key} (i64.const 1))))
               (else (local.set $p (call $plasma_increment {key} (i64.const 0)))))
             (call $reply_number (i32.load (call $ptr (local.get $p))))
             {RESPOND}"
        )
    });
    let flare = flare(folder.path(), &guest, "writes_plasma_kv = true");
    let ports = [free_address(), free_address(), free_address()];
    let start = |n: usize| {
        let data = folder.path().join(format!("data{n}"));
        let id = format!("node{n}");
        let args = [
            flare.as_str(),
            "--data",
            data.to_str().unwrap(),
            "--node-id",
            &id,
            "--gossip",
            &ports[n],
            "--seed",
            &ports[(n + 1) % 3],
            "--seed",
            &ports[(n + 2) % 3],
        ];
        Process::start(&args)
    };
    let converge = |nodes: &[&Process], want: &str| {
        let until = Instant::now() + LONG;
        loop {
            let got: Vec<String> = nodes.iter().map(|node| node.get("/")).collect();
            if got.iter().all(|got| got == want) {
                return;
            }
            assert!(Instant::now() < until, "{got:?}, not {want}");
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    let nodes = [start(0), start(1), start(2)];
    // Concurrently.
    std::thread::scope(|scope| {
        for node in &nodes {
            let addr = node.addr;
            scope.spawn(move || {
                for _ in 0..10 {
                    get(addr, "/+");
                }
            });
        }
    });
    converge(&nodes.each_ref(), "0030");
    let [zero, one, two] = nodes;
    one.kill();
    for node in [&zero, &two] {
        node.get("/+");
    }
    converge(&[&zero, &two], "0032");
    let one = start(1);
    converge(&[&zero, &one, &two], "0032");
    one.get("/+");
    converge(&[&zero, &one, &two], "0033");
}

#[test]
fn keys_are_pulled_from_another_process() {
    let folder = tempfile::tempdir().unwrap();
    let counter = flare(
        folder.path(),
        &spark_counter(),
        "writes_spark_kv = true\nsite = \"s\"",
    );
    let source = Process::start(&[&counter, "--node-id", "source"]);
    for _ in 0..7 {
        source.get("/");
    }
    let other = tempfile::tempdir().unwrap();
    let puller = http_guest(|g| {
        let (origin, keys, key) = (
            g.text("source"),
            g.text("[\"count\",\"none\"]"),
            g.text("count"),
        );
        format!(
            "(if (i32.ne (call $spark_pull {origin} {keys}) (i32.const 1)) (then (unreachable)))
             (call $reply_number (i32.load8_u (i32.add (i32.const 4) (call $ptr (call $spark_get {key})))))
             {RESPOND}"
        )
    });
    let puller = flare(
        other.path(),
        &puller,
        "writes_spark_kv = true\nsite = \"s\"",
    );
    let peer = format!("source=http://{}", source.addr);
    let target = Process::start(&[&puller, "--node-id", "target", "--peer", &peer]);
    assert_eq!(target.get("/"), "0007");
}

#[test]
fn it_says_what_runs_and_each_request_and_ends_with_sigterm() {
    let folder = tempfile::tempdir().unwrap();
    let guest = http_guest(|g| {
        let line = g.text("a line of the flare");
        format!("(call $log_info {line}) {RESPOND}")
    });
    let flare = flare(folder.path(), &guest, "name = \"my-flare\"");
    let mut process = Process::start(&[&flare]);
    process.get("/a?b");
    let line = process.line_with("GET /a?b");
    assert!(line.contains(" 200 ") && line.contains(" ms"), "{line}");
    process.line_with("info  a line of the flare");
    process.signal("-TERM");
    process.line_with("Stopping");
    assert!(process.child.wait().unwrap().success());
}

/// Two signals, of which the second forces the exit: a client that never sends the rest of its request holds
/// up the first.
#[test]
fn a_second_ctrl_c_ends_it_while_it_waits_for_what_runs() {
    let folder = tempfile::tempdir().unwrap();
    let flare = flare(
        folder.path(),
        &http_guest(|_| RESPOND.into()),
        "requires_body = true",
    );
    let mut process = Process::start(&[&flare]);
    let mut client = TcpStream::connect(process.addr).unwrap();
    client
        .write_all(
            b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\nexpect: 100-continue\r\n\r\n",
        )
        .unwrap();
    // It is now reading the body.
    let mut going_on = [0; 12];
    client.read_exact(&mut going_on).unwrap();
    assert_eq!(&going_on, b"HTTP/1.1 100");
    process.signal("-INT");
    process.line_with("Stopping");
    std::thread::sleep(Duration::from_millis(500));
    assert!(process.child.try_wait().unwrap().is_none(), "it waits");
    let asked = Instant::now();
    process.signal("-INT");
    assert!(process.child.wait().unwrap().success());
    assert!(asked.elapsed() < Duration::from_secs(5), "{asked:?}");
}

#[test]
fn on_start_it_tells_all_about_the_flare() {
    let folder = tempfile::tempdir().unwrap();
    let wasm = wat::parse_str(
        r#"(module
             (import "flaron/v1" "req_url" (func (result i64)))
             (memory (export "memory") 2)
             (func (export "alloc") (param i32) (result i32) (i32.const 0))
             (func (export "handle_request") (result i64) (i64.const 0x100000000)))"#,
    )
    .unwrap();
    let file = folder.path().join("told.wasm");
    std::fs::write(&file, &wasm).unwrap();
    let mut child = Command::new(PROGRAM)
        .args(["run", "--listen", "127.0.0.1:0", file.to_str().unwrap()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut text = String::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        text = text + &line.unwrap() + "\n";
        if text.contains("Serving on") {
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    for what in [
        &format!("told  {} bytes", wasm.len()),
        "request (req_url)",
        "memory, alloc, handle_request",
        "128.0 KiB at the start",
        "curl -i 'http://127.0.0.1:",
    ] {
        assert!(text.contains(what), "{what} is not in:\n{text}");
    }
}

/// Exit code, standard output and standard error of a command that ends.
fn output(args: &[&str]) -> (i32, String, String) {
    let output = Command::new(PROGRAM).args(args).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn errors_say_what_to_do() {
    for (args, what) in [
        (&["run"][..], "no flare was given"),
        (&["run", "/no/such"], "there is no /no/such"),
        (&["run", "--route", "x"], "/prefix=PATH"),
        (
            &["run", "--listen", "nonsense", "x"],
            "cannot listen on nonsense",
        ),
        (&["run", "--gossip", "127.0.0.1:1", "x"], "--node-id"),
        (&["runn"], "'run'"),
        (&["build"], "flaron-edge slim"),
        (&["deploy", "."], "flaronctl"),
        (&["inspect", "/no/such"], "cannot read /no/such"),
    ] {
        let (code, _, error) = output(args);
        assert_ne!(code, 0);
        assert!(error.contains(what), "{args:?}: {error}");
    }
}

#[test]
fn a_port_that_is_taken_is_told() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let (code, _, error) = output(&["run", "--listen", &addr, "x"]);
    assert_eq!(code, 1);
    assert!(
        error.contains(&addr) && error.contains("--listen"),
        "{error}"
    );
}

/// What other tools call it.
#[test]
fn other_words_for_run_and_new_are_understood() {
    let folder = tempfile::tempdir().unwrap();
    let path = flare(folder.path(), &http_guest(|_| RESPOND.to_owned()), "");
    for word in ["serve", "dev", "start", "up"] {
        let mut command = Command::new(PROGRAM);
        command.args([word, &path, "--port", "0"]);
        assert_eq!(Process::of(command).get("/"), "", "{word}");
    }
    for word in ["init", "create"] {
        let new = folder.path().join(word);
        let (code, _, error) = output(&[word, new.to_str().unwrap()]);
        assert_eq!(code, 0, "{word}: {error}");
        assert!(new.join("src/lib.rs").is_file(), "{word}");
    }
}

/// `0.0.0.0` is no address to connect to.
#[test]
fn a_node_on_all_addresses_is_told_as_localhost() {
    let folder = tempfile::tempdir().unwrap();
    let path = flare(folder.path(), &http_guest(|_| RESPOND.to_owned()), "");
    for listen in ["0.0.0.0:0", "[::]:0"] {
        // A machine may have no IPv6.
        if TcpListener::bind(listen).is_err() {
            eprintln!("SKIPPED: {listen}, which this machine cannot listen on");
            continue;
        }
        let mut command = Command::new(PROGRAM);
        command.args(["run", &path, "--listen", listen]);
        let mut process = Process::spawn(command);
        let tried = process.line_within(START, "curl -i '");
        let serves = process.line_with("Serving on ");
        let port = serves
            .strip_prefix("Serving on http://localhost:")
            .and_then(|rest| rest.strip_suffix(" (Ctrl-C stops)"))
            .unwrap_or_else(|| panic!("{serves}"));
        assert!(
            tried.contains(&format!("'http://localhost:{port}/'")),
            "{tried}"
        );
        // With a network, what comes next is its address there.
        let page = process.line_with("Status page: ");
        assert_eq!(page, format!("Status page: http://localhost:{port}/_edge"));

        let data = folder.path().join(".flaron");
        let kv = ["kv", "list", "--data", data.to_str().unwrap()];
        assert_eq!(output(&kv).0, 0, "{}", output(&kv).2);
        process.addr = format!("{}:{port}", listen.trim_end_matches(":0"))
            .replace("0.0.0.0", "127.0.0.1")
            .replace("[::]", "[::1]")
            .parse()
            .unwrap();
        let status = process.get("/_edge/status.json");
        assert!(status.contains("\"flares\""), "{status}");
    }
}

#[test]
fn inspect_tells_problems_too() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.wasm");
    let path = file.to_str().unwrap();
    std::fs::write(&file, Guest::new().http(RESPOND).wasm()).unwrap();
    let (code, text, _) = output(&["inspect", path]);
    assert_eq!(code, 0);
    assert!(text.contains("spark (spark_get, spark_set"), "{text}");

    let stack =
        r#"(module (global $sp (mut i32) (i32.const 16)) (func (global.set $sp (i32.const 0))))"#;
    std::fs::write(&file, wat::parse_str(stack).unwrap()).unwrap();
    let (_, text, _) = output(&["inspect", path]);
    assert!(
        text.contains("it uses a stack and is linked without one"),
        "{text}"
    );

    let wasm = wat::parse_str(r#"(module (import "env" "f" (func)))"#).unwrap();
    std::fs::write(&file, wasm).unwrap();
    let (code, text, error) = output(&["inspect", path]);
    assert_eq!(code, 1);
    assert!(text.contains("problem  it imports `env.f`"), "{text}");
    assert!(error.contains("not a flare"), "{error}");
}

/// What the message about a wrong clock says to type.
#[test]
fn a_store_that_is_not_damaged_is_put_aside_if_it_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    for store in ["spark", "plasma"] {
        let put = ["kv", "put", store, "k", "v", "--site", "s", "--data", data];
        assert_eq!(output(&put).0, 0, "{put:?}: {}", output(&put).2);
    }
    let (code, text, _) = output(&["store", "reset", data]);
    assert_eq!(code, 0);
    assert!(
        text.contains("nothing was renamed") && text.contains("--store"),
        "{text}"
    );
    let (code, _, error) = output(&["store", "check", data, "--store", "plasma"]);
    assert!(code != 0 && error.contains("goes with"), "{error}");
    let (code, text, error) = output(&["store", "reset", data, "--store", "plasma"]);
    assert_eq!(code, 0, "{error}");
    assert!(text.contains("plasma.redb.old-"), "{text}");
    let (code, left, error) = output(&["store", "export", data]);
    assert_eq!(code, 0, "{error}");
    assert_eq!(left.lines().count(), 1, "spark's: {left}");
}

#[test]
fn watch_loads_what_changed() {
    let folder = tempfile::tempdir().unwrap();
    let named = |name: &str| {
        http_guest(|g| {
            let name = g.text(name);
            format!("(call $resp_body_set {name}) {RESPOND}")
        })
    };
    let path = flare(folder.path(), &named("one"), "");
    let process = Process::start(&[&path, "--watch"]);
    assert_eq!(process.get("/"), "one");
    std::fs::write(&path, named("two").wasm()).unwrap();
    process.line_with("Reloaded flare");
    assert_eq!(process.get("/"), "two");
    std::fs::write(&path, "broken").unwrap();
    let line = process.line_with("Not reloaded");
    assert!(line.contains("not a Wasm module"), "{line}");
    assert_eq!(process.get("/"), "two");
    // Changed settings count, too: here, a new route.
    std::fs::write(&path, named("three").wasm()).unwrap();
    std::fs::write(folder.path().join("flare.toml"), "routes = [\"/new\"]").unwrap();
    process.line_with("Reloaded flare");
    let until = Instant::now() + LONG;
    while process.get("/new") != "three" {
        assert!(Instant::now() < until);
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_new_flare_passes_its_test_builds_small_and_runs() {
    let folder = tempfile::tempdir().unwrap();
    let flare = folder.path().join("my-flare");
    let path = flare.to_str().unwrap();
    let (code, text, error) = output(&["new", path]);
    assert_eq!(code, 0, "{error}");
    assert!(text.contains("cargo test"), "{text}");
    let test = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .arg("test")
        .current_dir(&flare)
        .env_remove("CARGO_TARGET_DIR")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&test.stdout);
    let error = String::from_utf8_lossy(&test.stderr);
    assert!(test.status.success(), "{text}{error}");
    assert!(text.contains("test result: ok. 2 passed"), "{text}");
    assert!(!error.contains("`my-flare` (lib"), "warnings: {error}");

    let process = Process::start(&[path]);
    let want = format!("GET http://{}/a?b", process.addr);
    assert_eq!(process.get("/a?b"), want);
    let flares = process.get("/_edge/status.json");
    let status: serde_json::Value = serde_json::from_str(&flares).unwrap();
    let size = status["flares"][0]["size"].as_u64().unwrap();
    assert!(size < 1000, "{size} bytes");
}
