//! An author's daily work: recording requests, replaying them, measuring them, looking into the
//! stores.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use flaron_edge::{Edge, FlareConfig};
use http::Request;
use tempfile::TempDir;

use crate::guest::{Guest, RESPOND, get, http_guest};
use crate::process::{PROGRAM, Process};

/// A folder with a flare, `flare.wasm`.
struct Folder {
    folder: TempDir,
}

impl Folder {
    fn new(guest: &Guest, config: &str) -> Folder {
        let folder = Folder {
            folder: tempfile::tempdir().unwrap(),
        };
        folder.write("flare.wasm", &guest.wasm());
        folder.write("flare.toml", config.as_bytes());
        folder
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    fn write(&self, file: &str, text: &[u8]) {
        fs::write(self.path(file), text).unwrap();
    }

    /// Runs the program in the folder.
    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(PROGRAM)
            .args(arguments)
            .current_dir(self.folder.path())
            .output()
            .unwrap()
    }

    /// Its output; it must succeed.
    #[track_caller]
    fn says(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Its error message; it must fail.
    #[track_caller]
    fn fails(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {printed}");
        printed + &String::from_utf8(output.stderr).unwrap()
    }

    fn node(&self, options: &[&str]) -> Process {
        let mut command = Command::new(PROGRAM);
        command
            .args(["run", "flare.wasm", "--listen", "127.0.0.1:0"])
            .args(options)
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        Process::of(command)
    }
}

/// Answers with its greeting and the request's body, and logs that it did.
fn greeter(greeting: &str) -> Guest {
    http_guest(|g| {
        let (greeting, key) = (g.text(greeting), g.text("greeted"));
        format!(
            "(call $log_info {greeting})
             (drop (call $req_body))
             (drop (call $plasma_increment {key} (i64.const 1)))
             (call $resp_body_set {greeting}) {RESPOND}"
        )
    })
}

const SETTINGS: &str = "name = \"greeter\"\nwrites_plasma_kv = true\nrequires_body = true";

#[test]
fn a_recorded_request_is_done_again_and_compared() {
    let folder = Folder::new(&greeter("hello"), SETTINGS);
    let node = folder.node(&["--record", "r.jsonl", "--trace"]);
    assert_eq!(node.get("/a?b=1"), "hello");
    let call = node.line_with("call  plasma_increment");
    assert!(call.contains("(\"greeted\", 1) -> 1 "), "{call}");
    assert_eq!(node.get("/c"), "hello");
    drop(node);
    let recorded = fs::read_to_string(folder.path("r.jsonl")).unwrap();
    assert_eq!(recorded.lines().count(), 2);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(folder.path("r.jsonl"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o077, 0, "others can read credentials in it");
    }

    let said = folder.says(&["replay", "r.jsonl", "flare.wasm"]);
    assert!(
        said.contains("GET /a?b=1  200  same") && said.contains("GET /c  200  same"),
        "{said}"
    );

    // A flare that answers differently is detected, with the difference.
    folder.write("flare.wasm", &greeter("hullo").wasm());
    let said = folder.fails(&["replay", "r.jsonl", "flare.wasm"]);
    for part in [
        "GET /a?b=1  200  DIFFERENT",
        "body: \"hello\" -> \"hullo\"",
        "log: [(\"info\", \"hello\")] -> [(\"info\", \"hullo\")]",
        "call 1: log_info(\"hello\") -> log_info(\"hullo\")",
        "2 of 2 requests",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    folder.says(&[
        "replay",
        "r.jsonl",
        "flare.wasm",
        "--ignore",
        "body,log,calls",
    ]);

    let test = folder.says(&["replay", "r.jsonl", "flare.wasm", "--unit-test"]);
    for part in [
        "fn get_a_b_1_1() {",
        "host.method(\"GET\").url(\"http://127.0.0.1:",
        "host.requires_body(true);",
        "host.writes_plasma_kv(true);",
        "//   plasma_increment(\"greeted\", 1) ->",
        "assert_eq!(response.text(), \"hello\");",
    ] {
        assert!(test.contains(part), "{part}: {test}");
    }

    folder.write("r.jsonl", b"{\"request\":{\"target\":\"/\"}}\nnothing\n");
    let said = folder.fails(&["replay", "r.jsonl", "flare.wasm"]);
    assert!(said.contains("r.jsonl:2: not a recorded request"), "{said}");
}

#[test]
fn a_flare_that_costs_more_than_its_baseline_fails() {
    let folder = Folder::new(&greeter("hello"), SETTINGS);
    let said = folder.says(&["bench", "flare.wasm", "--rounds", "3"]);
    assert!(said.contains("flaron-edge bench --save"), "{said}");
    assert!(said.starts_with("request  status  instructions "), "{said}");
    let first = folder.says(&[
        "bench",
        "flare.wasm",
        "--rounds",
        "3",
        "--markdown",
        "--save",
    ]);
    let row = |text: &str| {
        text.lines()
            .nth(2)
            .unwrap()
            .split('|')
            .nth(3)
            .unwrap()
            .trim()
            .to_owned()
    };
    let count: u64 = row(&first).parse().expect("the instructions are a number");
    let again = folder.says(&["bench", "flare.wasm", "--rounds", "3", "--markdown"]);
    assert_eq!(row(&again), count.to_string(), "instructions are exact");
    assert!(again.contains("Nothing grew"), "{again}");

    let more = http_guest(|g| {
        let (greeting, key) = (g.text("hello"), g.text("greeted"));
        format!(
            "(call $log_info {greeting})
             (drop (call $req_body))
             (drop (call $plasma_increment {key} (i64.const 1)))
             (drop (i32.add (i32.const 1) (i32.const 2)))
             (call $resp_body_set {greeting}) {RESPOND}"
        )
    });
    folder.write("flare.wasm", &more.wasm());
    let said = folder.fails(&["bench", "flare.wasm", "--rounds", "3"]);
    assert!(
        said.contains("instructions, 3 more than in the baseline"),
        "{said}"
    );
    folder.says(&["bench", "flare.wasm", "--rounds", "3", "--tolerance", "50"]);

    // A flare that fails is not measured.
    folder.write("flare.wasm", &http_guest(|_| "(unreachable)".into()).wasm());
    let said = folder.fails(&["bench", "flare.wasm", "--rounds", "3"]);
    assert!(said.contains("GET /: the flare trapped"), "{said}");
}

#[test]
fn values_are_read_and_changed_while_the_node_runs_and_when_it_does_not() {
    let folder = Folder::new(&greeter("hello"), SETTINGS);
    let said = folder.fails(&["kv", "list"]);
    assert!(said.contains("no data folder .flaron"), "{said}");
    let node = folder.node(&[]);
    for running in [true, false] {
        if !running {
            // The folder still says that the node is running.
            node.kill_hard();
        }
        folder.says(&["kv", "put", "spark", "k", "a value", "--ttl", "100"]);
        folder.says(&["kv", "put", "plasma", "n", "-5", "--counter"]);
        folder.write("file", b"\xff\x00");
        folder.says(&["kv", "put", "plasma", "v", "@file", "--site", "other"]);
        let list = folder.says(&["kv", "list"]);
        assert!(
            list.contains("spark   greeter  k  7 bytes  expires in "),
            "{list}"
        );
        assert!(list.contains("plasma  greeter  n  counter -5"), "{list}");
        assert!(list.contains("plasma  other  v  2 bytes"), "{list}");
        assert_eq!(folder.says(&["kv", "get", "spark", "k"]), "a value");
        assert_eq!(folder.says(&["kv", "get", "plasma", "n"]), "-5\n");
        let export = folder.says(&["kv", "export"]);
        assert_eq!(export.lines().count(), 3, "{export}");
        for (store, key, site) in [
            ("spark", "k", "greeter"),
            ("plasma", "n", "greeter"),
            ("plasma", "v", "other"),
        ] {
            folder.says(&["kv", "delete", store, key, "--site", site]);
        }
        assert_eq!(folder.says(&["kv", "list"]), "");
        folder.write("export.jsonl", export.as_bytes());
        assert_eq!(
            folder.says(&["kv", "import", "export.jsonl"]),
            "Imported 3 entries\n"
        );
        assert_eq!(folder.says(&["kv", "get", "plasma", "n"]), "-5\n");
        let raw = folder.run(&["kv", "get", "plasma", "v", "--site", "other"]);
        assert_eq!(raw.stdout, b"\xff\x00");

        let said = folder.fails(&["kv", "get", "spark", "nothing"]);
        assert!(said.contains("spark has no key \"nothing\""), "{said}");
        let said = folder.fails(&["kv", "put", "spark", "bad key", "x"]);
        assert!(said.contains("bad key"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stores_are_changed_by_this_machine_only_and_on_purpose() {
    let edge = http_guest(|_| RESPOND.to_owned()).edge_with("name = \"shop\"");
    let entry = r#"{"store":"spark","site":"shop","key":"k","value":"v"}"#;
    let put = |header: Option<(&'static str, &'static str)>, host: &'static str| {
        let mut request = Request::put("/_edge/kv").header("host", host);
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        request.body(entry).unwrap()
    };
    let edit = Some(("x-flaron-edit", "1"));
    // A page of another origin can send a PUT, but not with this header; one whose name points here
    // can.
    assert_eq!(edge.request(put(None, "localhost")).await.status(), 403);
    assert_eq!(edge.request(put(edit, "evil.example")).await.status(), 403);
    let url = "/_edge/kv?store=spark&site=shop&key=k";
    assert_eq!(get(&edge, url).await.status(), 404);
    assert_eq!(edge.request(put(edit, "localhost")).await.status(), 200);
    let found = get(&edge, url).await;
    assert_eq!(String::from_utf8_lossy(found.body()), format!("{entry}\n"));
    let delete = |header: &str| Request::delete(url).header(header, "1").body("").unwrap();
    assert_eq!(edge.request(delete("x-other")).await.status(), 403);
    assert_eq!(edge.request(delete("x-flaron-edit")).await.status(), 200);
    assert_eq!(edge.request(delete("x-flaron-edit")).await.status(), 404);
    let broken = Request::put("/_edge/kv")
        .header("x-flaron-edit", "1")
        .body("{}")
        .unwrap();
    let answer = edge.request(broken).await;
    assert_eq!(answer.status(), 400);
    assert!(
        String::from_utf8_lossy(answer.body()).contains("missing field"),
        "{answer:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_are_not_in_a_trace() {
    let guest = http_guest(|g| {
        let (key, cookie) = (g.text("api-key"), g.text("Cookie"));
        format!("(drop (call $secret_get {key})) (drop (call $req_header_get {cookie})) {RESPOND}")
    });
    let settings = "allowed_secrets = [\"api-key\"]\nrequires_raw_auth = true";
    let edge = Edge::builder()
        .flare(guest.wasm())
        .config(FlareConfig::parse(settings).unwrap())
        .secret("api-key", "s3cret")
        .trace(true)
        .build()
        .unwrap();
    let request = Request::get("/")
        .header("cookie", "session=h1dden")
        .body("")
        .unwrap();
    edge.request(request).await;
    let entries = edge.entries();
    let calls = &entries[0].calls;
    let shown: Vec<String> = calls.iter().map(ToString::to_string).collect();
    assert!(
        shown[0].starts_with("secret_get(\"api-key\") -> 6 bytes, which are not shown"),
        "{shown:?}"
    );
    assert!(
        shown[1].contains("14 bytes, which are not shown"),
        "{shown:?}"
    );
    let status = get(&edge, "/_edge/status.json").await;
    let status = String::from_utf8_lossy(status.body()).into_owned();
    assert!(
        status.contains("secret_get") && !status.contains("s3cret") && !status.contains("h1dden")
    );
}

/// A traced call does the same as an untraced one, in the start function, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_traced_flare_answers_the_same() {
    let wat = r#"(module
        (import "flaron/v1" "req_method" (func $method (result i64)))
        (import "flaron/v1" "resp_body_set" (func $body (param i32 i32)))
        (memory (export "memory") 1)
        (global $seen (mut i64) (i64.const 0))
        (func (export "alloc") (param i32) (result i32) (i32.const 64))
        (func $start (global.set $seen (call $method)))
        (start $start)
        (func (export "handle_request") (result i64)
            (call $body (i32.wrap_i64 (i64.shr_u (global.get $seen) (i64.const 32)))
                        (i32.wrap_i64 (global.get $seen)))
            (i64.const 0x100000000)))"#;
    let wasm = wat::parse_str(wat).unwrap();
    for traced in [false, true] {
        let edge = Edge::builder()
            .flare(wasm.clone())
            .trace(traced)
            .build()
            .unwrap();
        let request = Request::put("/").body("").unwrap();
        assert_eq!(
            edge.request(request).await.body(),
            "PUT",
            "traced: {traced}"
        );
        assert_eq!(edge.entries()[0].calls.len(), if traced { 2 } else { 0 });
    }
}

#[test]
fn a_seed_is_there_from_the_start_and_does_not_overwrite() {
    let guest = http_guest(|g| {
        let key = g.text("greeting");
        format!("(drop (call $spark_set {key} {key} (i32.const 0))) {RESPOND}")
    });
    let settings = "name = \"shop\"\nwrites_spark_kv = true\nseed = \"seed.jsonl\"";
    let folder = Folder::new(&guest, settings);
    let seed = r#"{"store":"spark","key":"greeting","value":"hello"}
{"store":"plasma","key":"count","counter":41}"#;
    folder.write("seed.jsonl", seed.as_bytes());
    let node = folder.node(&[]);
    assert_eq!(folder.says(&["kv", "get", "plasma", "count"]), "41\n");
    assert_eq!(folder.says(&["kv", "get", "spark", "greeting"]), "hello");
    node.get("/");
    drop(node);
    let node = folder.node(&[]);
    assert_eq!(folder.says(&["kv", "get", "spark", "greeting"]), "greeting");
    drop(node);

    folder.write("seed.jsonl", b"{\"store\":\"spark\",\"kee\":1}");
    let said = folder.fails(&["run", "flare.wasm", "--listen", "127.0.0.1:0"]);
    assert!(
        said.contains("seed.jsonl: line 1: not an entry: unknown field `kee`"),
        "{said}"
    );
}

#[test]
fn outside_of_a_flare_the_tools_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().canonicalize().unwrap();
    let here = here.display().to_string();
    for command in ["test", "size", "bench", "doctor"] {
        let output = std::process::Command::new(PROGRAM)
            .arg(command)
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{command}");
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(said.contains(&here), "{command}: {said}");
        assert!(said.contains("flaron-edge new NAME"), "{command}: {said}");
        // What a flare lacks is not reported where there is no flare.
        assert!(!said.contains("rustflags"), "{command}: {said}");
    }
}

#[test]
fn a_node_that_was_killed_is_not_waited_for() {
    let folder = Folder::new(&greeter("x"), "");
    // A port that nobody listens on.
    fs::create_dir(folder.path(".flaron")).unwrap();
    folder.write(
        ".flaron/node.json",
        b"{\"node_id\":\"local\",\"url\":\"http://127.0.0.1:1\"}",
    );
    let said = folder.fails(&["tail"]);
    assert!(
        said.contains("no node is using the data folder .flaron any more"),
        "{said}"
    );
    // Its stores can be used.
    folder.says(&["kv", "put", "spark", "k", "v", "--site", "s"]);
    assert_eq!(
        folder.says(&["kv", "get", "spark", "k", "--site", "s"]),
        "v"
    );
}

#[test]
fn inside_of_a_flare_the_tools_say_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let flare = folder.path().canonicalize().unwrap();
    let inside = flare.join("src/routes");
    std::fs::create_dir_all(&inside).unwrap();
    let manifest = "[package]\nname = \"x\"\n[lib]\ncrate-type = [\"cdylib\"]\n";
    std::fs::write(flare.join("Cargo.toml"), manifest).unwrap();
    for command in ["run", "test", "size", "slim"] {
        let output = std::process::Command::new(PROGRAM)
            .arg(command)
            .current_dir(&inside)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{command}");
        let said = String::from_utf8(output.stderr).unwrap();
        let tip = format!("inside a flare's folder: cd {}", flare.display());
        assert!(said.contains(&tip), "{command}: {said}");
    }
}

#[test]
fn the_doctor_says_what_to_type() {
    let folder = Folder::new(&greeter("x"), "requires_bdy = true");
    folder.write(
        "Cargo.toml",
        b"[package]\nname = \"x\"\n[lib]\ncrate-type = [\"rlib\"]\n",
    );
    let said = folder.fails(&["doctor"]);
    for part in [
        "BAD   cargo makes no .wasm of this crate\n      put into Cargo.toml, under [lib]: crate-type = [\"cdylib\"]",
        "hint  the release profile makes the flare larger",
        "under [profile.release]: opt-level = \"z\", lto = \"fat\"",
        "hint  the flare is linked with a stack of 1 MiB",
        "did you mean `requires_body`?",
        "error: 2 problems found",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn a_running_node_is_followed_and_its_log_can_be_json() {
    let folder = Folder::new(&greeter("hello"), SETTINGS);
    let said = folder.fails(&["tail"]);
    assert!(
        said.contains("no node is using the data folder .flaron"),
        "{said}"
    );
    let mut command = Command::new(PROGRAM);
    command
        .args([
            "run",
            "flare.wasm",
            "--listen",
            "127.0.0.1:0",
            "--log",
            "json",
        ])
        .current_dir(folder.folder.path());
    let node = Process::of_json(command);
    let tail = |options: &[&str]| {
        let mut child = Command::new(PROGRAM)
            .arg("tail")
            .args(options)
            .current_dir(folder.folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        (child, lines)
    };
    let (mut people, mut text) = tail(&[]);
    let (mut programs, mut json) =
        tail(&["--format", "json", "--status", "2xx", "--flare", "greeter"]);
    // The two follow from the moment they are connected; they do not get earlier entries.
    let line = loop {
        assert_eq!(node.get("/a?b=1"), "hello");
        let listening = followers(&node);
        if listening >= 2 {
            break text.next().unwrap().unwrap();
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    };
    node.get("/a?b=1");
    assert!(line.starts_with("greeter  GET /a?b=1 200 "), "{line}");
    assert!(text.next().unwrap().unwrap().starts_with("    info  hello"));
    let entry: serde_json::Value = serde_json::from_str(&json.next().unwrap().unwrap()).unwrap();
    assert_eq!(entry["path"], "/a?b=1");
    // The node's own log has the same, and nothing else.
    let own: serde_json::Value = serde_json::from_str(&node.line_with("{")).unwrap();
    assert_eq!(
        (&own["path"], &own["lines"][0]["text"]),
        (&"/a?b=1".into(), &"hello".into())
    );
    for child in [&mut people, &mut programs] {
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

/// How many clients follow the node's events.
fn followers(node: &Process) -> u64 {
    let metrics = node.get("/_edge/metrics");
    let line = metrics
        .lines()
        .find(|line| line.starts_with("flaron_followers "));
    line.unwrap().split(' ').nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_reads_the_counts() {
    let edge = greeter("hello").edge_with(SETTINGS);
    for _ in 0..3 {
        get(&edge, "/").await;
    }
    let metrics = get(&edge, "/_edge/metrics").await;
    let kind = metrics.headers()["content-type"].to_str().unwrap();
    assert!(kind.starts_with("text/plain; version=0.0.4"), "{kind}");
    let text = String::from_utf8_lossy(metrics.body()).into_owned();
    for line in [
        "# TYPE flaron_invocations_total counter",
        "flaron_invocations_total{flare=\"greeter\"} 3",
        "flaron_failures_total{flare=\"greeter\"} 0",
        "flaron_plasma_keys 1",
        "flaron_node_alive{node=\"local\"} 1",
        "flaron_healthy 1",
    ] {
        assert!(text.lines().any(|other| other == line), "{line}: {text}");
    }
    assert!(
        text.contains("flaron_invocation_seconds{flare=\"greeter\",quantile=\"0.99\"} 0."),
        "{text}"
    );
    let strange = Request::get("/_edge/metrics")
        .header("host", "evil.example")
        .body("")
        .unwrap();
    assert_eq!(edge.request(strange).await.status(), 403);
}

#[test]
fn shells_manuals_and_editors_are_served() {
    let folder = Folder::new(&greeter("x"), "");
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = folder.says(&["completions", shell]);
        assert!(
            script.contains("flaron-edge") && script.contains("replay"),
            "{shell}"
        );
    }
    folder.says(&["man", "pages"]);
    let page = fs::read_to_string(folder.path("pages/flaron-edge-bench.1")).unwrap();
    assert!(page.contains("tolerance"), "{page}");
    let schema: serde_json::Value = serde_json::from_str(&folder.says(&["schema"])).unwrap();
    assert!(schema["properties"]["requires_body"].is_object());
}
