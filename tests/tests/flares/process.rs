//! The edge as processes: their output, how they exit, and what remains after they are killed.
#![cfg(unix)]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use flaron_tests::cargo::{cargo, edge_binary, ensure_wasm_target, example, target_dir, workspace};
use flaron_tests::http::{get, send};
use flaron_tests::process::Process;
use flaron_tests::until;
use futures_util::{SinkExt, StreamExt};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

/// The command of the README.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cargo_edge_serves_a_crate() {
    ensure_wasm_target();
    let data = tempfile::tempdir().unwrap();
    let mut command = cargo(workspace());
    command.env("CARGO_TARGET_DIR", target_dir());
    command.args(["edge", "examples/echo", "--listen", "127.0.0.1:0", "--data"]);
    command.arg(data.path());
    let mut edge = Process::of(command).await;

    // On start: name, size, imports, exports, memory, and a line to try.
    let wasm = target_dir().join("wasm32-unknown-unknown/release/echo.wasm");
    let size = std::fs::metadata(wasm).unwrap().len();
    edge.told(&format!("echo  {size} bytes")).await;
    edge.told("request (req_method, req_url)").await;
    edge.told("response (resp_header_set, resp_body_set)").await;
    let exports = edge.told("exports").await;
    for export in ["memory", "alloc", "handle_request"] {
        assert!(exports.contains(export), "{exports}");
    }
    // 4 KiB of stack, the arena and little else, in pages of 64 KiB.
    edge.told("320.0 KiB at the start").await;
    let try_it = edge.told("curl ").await;
    assert!(
        try_it.contains(&format!("http://{}/", edge.addr)),
        "{try_it}"
    );

    let answer = send(edge.addr, "PUT", "/a?b=1", "").await;
    let url = format!("http://{}/a?b=1", edge.addr);
    answer.is(200, "text/plain", &format!("PUT {url}"));
    // Then one line a request, with status and time.
    let line = edge.told("PUT /a?b=1 200 ").await;
    let millis = line.trim().strip_suffix(" ms").unwrap();
    assert!(millis.parse::<f64>().unwrap() >= 0.0, "{line}");

    let status = edge.terminate().await;
    assert!(status.success(), "{status}\n{}", edge.printed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_served_is_an_error_at_once() {
    for (content, told) in [
        (&b"no Wasm"[..], "error: "),
        (b"\0asm\x01\0\0\0", "handle_request"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("bad.wasm");
        std::fs::write(&file, content).unwrap();
        let edge = tokio::task::block_in_place(edge_binary);
        let output = std::process::Command::new(edge)
            .arg("run")
            .arg(&file)
            .args(["--listen", "127.0.0.1:0"])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(message.contains(told), "{message}");
        assert!(message.contains("bad.wasm"), "{message}");
    }
}

/// An acknowledged write is on the disk.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spark_counter_counts_on_after_kill_9() {
    let flare = tokio::task::block_in_place(|| with_settings("spark-counter"));
    let data = tempfile::tempdir().unwrap();
    let mut hits = 0;
    for _ in 0..3 {
        let edge = Process::start(&flare.path(), data.path(), &[]).await;
        for _ in 0..2 {
            hits += 1;
            assert_eq!(edge.count("hits: ").await, hits);
        }
        edge.kill();
    }
    let edge = Process::start(&flare.path(), data.path(), &[]).await;
    assert_eq!(edge.count("hits: ").await, hits + 1);
}

/// Three nodes count together, and nothing is lost or counted twice when one of them is killed and
/// comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn plasma_counter_converges_on_three_processes() {
    let flare = tokio::task::block_in_place(|| with_settings("plasma-counter"));
    let data: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
    let start = async |node: usize, seed: &str| {
        let id = format!("node-{node}");
        let mut options = vec!["--node-id", &id, "--gossip", "127.0.0.1:0"];
        if !seed.is_empty() {
            options.extend(["--seed", seed]);
        }
        Process::start(&flare.path(), data[node].path(), &options).await
    };
    let mut first = start(0, "").await;
    let seed = first.told("Gossip on ").await;
    let second = start(1, &seed).await;
    let third = start(2, &seed).await;

    // Concurrently, on all three.
    let mut sum = 0;
    let nodes = [&first, &second, &third];
    let tasks: Vec<_> = [7, 11, 13]
        .into_iter()
        .zip(nodes)
        .flat_map(|(count, node)| {
            sum += count;
            (0..count).map(|_| tokio::spawn(increment(node.addr)))
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    for node in nodes {
        converges(node, sum).await;
    }

    // One is killed after it has counted, and the others go on without it.
    second.kill();
    for node in [&first, &third, &first] {
        increment(node.addr).await;
        sum += 1;
    }
    for node in [&first, &third] {
        converges(node, sum).await;
    }

    // It returns with its data, and goes on counting.
    let second = start(1, &seed).await;
    converges(&second, sum).await;
    for node in [&second, &first, &second, &third] {
        increment(node.addr).await;
        sum += 1;
    }
    for node in [&first, &second, &third] {
        converges(node, sum).await;
        let status = node.status().await;
        let nodes = status["plasma"]["nodes"].as_array().unwrap();
        let mut names: Vec<&str> = nodes
            .iter()
            .map(|n| n["node_id"].as_str().unwrap())
            .collect();
        names.sort_unstable();
        assert_eq!(names, ["node-0", "node-1", "node-2"]);
    }
    // The flare's value agrees with the status page.
    assert_eq!(second.count("global hits: ").await, sum + 1);
}

/// `--watch` on a crate: what is saved is served, what does not compile changes nothing, and no
/// connection is lost either way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watched_crate_is_built_and_loaded_when_its_sources_change() {
    let folder = tempfile::tempdir().unwrap();
    let flare = folder.path().join("flare");
    tokio::task::block_in_place(|| watched_crate(folder.path()));
    let mut command = std::process::Command::new(tokio::task::block_in_place(edge_binary));
    command.arg("run").arg(&flare).arg("--watch");
    command.args(["--listen", "127.0.0.1:0"]);
    command.env("CARGO_TARGET_DIR", folder.path().join("target"));
    let mut edge = Process::of(command).await;
    let mut connection = KeepAlive::open(edge.addr).await;
    assert_eq!(connection.get().await, "one");
    let mut socket = open_socket(edge.addr).await;
    assert_eq!(ask_socket(&mut socket).await, "one");

    // A different text in the flare's own source: in a module's file, not in `lib.rs`.
    let source = flare.join("src/text.rs");
    std::fs::write(&source, "pub const TEXT: &str = \"two\";\n").unwrap();
    until("answer of the new source", async || {
        let text = connection.get().await;
        assert!(text == "one" || text == "two", "{text}");
        (text == "two").then_some(())
    })
    .await;
    // A WebSocket keeps the instance it has; one that is opened now gets the new flare.
    assert_eq!(ask_socket(&mut socket).await, "one");
    let mut second = open_socket(edge.addr).await;
    assert_eq!(ask_socket(&mut second).await, "two");

    // A source that does not compile.
    std::fs::write(&source, "pub const TEXT: &str = 2;\n").unwrap();
    edge.told("Not reloaded; the old watched_flare keeps running: ")
        .await;
    let printed = edge.printed();
    for part in [
        "error[E0308]: mismatched types",
        "src/text.rs:1",
        "building the flare in ",
    ] {
        assert!(printed.contains(part), "{part} is not in:\n{printed}");
    }
    assert_eq!(connection.get().await, "two");
    assert_eq!(ask_socket(&mut socket).await, "one");
    assert_eq!(ask_socket(&mut second).await, "two");

    // Repaired, now with a text from the crate next to it, which the edge was not told about.
    std::fs::write(
        folder.path().join("words/src/lib.rs"),
        "#![no_std]\npub const WORD: &str = \"three\";\n",
    )
    .unwrap();
    std::fs::write(&source, "pub use words::WORD as TEXT;\n").unwrap();
    until("answer of the repaired source", async || {
        (connection.get().await == "three").then_some(())
    })
    .await;
    // From then on that crate is watched, too.
    std::fs::write(
        folder.path().join("words/src/lib.rs"),
        "#![no_std]\npub const WORD: &str = \"four\";\n",
    )
    .unwrap();
    until("answer of the crate beside", async || {
        (connection.get().await == "four").then_some(())
    })
    .await;
    assert_eq!(ask_socket(&mut socket).await, "one");
    assert_eq!(ask_socket(&mut second).await, "two");

    let failed = edge.status().await["flares"][0]["errors"].clone();
    assert_eq!(failed, 0, "{}", edge.printed());
}

/// Makes the crate `flare`, which answers with a text by HTTP and WebSocket, and beside it the
/// crate `words`, which it can use.
fn watched_crate(folder: &Path) {
    ensure_wasm_target();
    let sdk = workspace();
    let files = [
        (
            "flare/Cargo.toml",
            format!(
                "[package]\nname = \"watched-flare\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\
                 [lib]\ncrate-type = [\"cdylib\"]\n\
                 [dependencies]\nwords = {{ path = \"../words\" }}\n\
                 flaron-sdk = {{ path = {sdk:?}, default-features = false, \
                 features = [\"response\", \"ws\"] }}\n\
                 [profile.release]\npanic = \"abort\"\n[workspace]\n"
            ),
        ),
        (
            "flare/src/lib.rs",
            "#![no_std]\n\
             mod text;\n\
             use flaron_sdk::{FlareAction, response, ws};\n\
             flaron_sdk::flare! { request: answer, open: open, message: message, close: close }\n\
             flaron_sdk::panic_handler!();\n\
             fn answer() -> FlareAction {\n\
             response::set_body_str(text::TEXT);\n\
             FlareAction::Respond\n\
             }\n\
             fn open() {}\n\
             fn message() {\n\
             let _ = ws::send_text(text::TEXT);\n\
             }\n\
             fn close() {}\n"
                .to_owned(),
        ),
        (
            "flare/src/text.rs",
            "pub const TEXT: &str = \"one\";\n".to_owned(),
        ),
        (
            "words/Cargo.toml",
            "[package]\nname = \"words\"\nversion = \"0.0.0\"\nedition = \"2024\"\n".to_owned(),
        ),
        ("words/src/lib.rs", "#![no_std]\n".to_owned()),
    ];
    for (file, text) in files {
        let file = folder.join(file);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
    // The workspace's locked versions, so that the registry is not needed.
    std::fs::copy(sdk.join("Cargo.lock"), folder.join("flare/Cargo.lock")).unwrap();
}

/// One connection for several requests. If it ends, the next request fails.
struct KeepAlive(SendRequest<Empty<Bytes>>);

impl KeepAlive {
    async fn open(addr: SocketAddr) -> KeepAlive {
        let stream = TcpStream::connect(addr).await.unwrap();
        let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        KeepAlive(sender)
    }

    /// The body of `GET /`, which must succeed.
    async fn get(&mut self) -> String {
        let request = http::Request::get("/").header("host", "localhost");
        let sent = self.0.send_request(request.body(Empty::new()).unwrap());
        let response = sent.await.expect("the connection goes on");
        assert_eq!(response.status(), 200, "{response:?}");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(body.to_vec()).unwrap()
    }
}

async fn open_socket(addr: SocketAddr) -> WebSocketStream<TcpStream> {
    let stream = TcpStream::connect(addr).await.unwrap();
    let url = format!("ws://{addr}/");
    let opened = tokio_tungstenite::client_async(url, stream).await;
    opened.unwrap().0
}

/// The flare's answer to a message.
async fn ask_socket(socket: &mut WebSocketStream<TcpStream>) -> String {
    socket.send(Message::text("?")).await.unwrap();
    loop {
        match socket.next().await.expect("the connection goes on") {
            Ok(Message::Text(text)) => return text.to_string(),
            // A ping from the edge.
            Ok(Message::Ping(_)) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// One request to `plasma-counter`, which must succeed.
async fn increment(addr: SocketAddr) {
    let answer = get(addr).await;
    assert!(answer.text().starts_with("global hits: "), "{answer:?}");
}

/// Waits until the counter has this value on a node. A higher value fails at once.
async fn converges(node: &Process, sum: i64) {
    until(&format!("counter of {sum}"), async || {
        let status = node.status().await;
        let keys = status["plasma"]["keys"].as_array()?.clone();
        let counter = keys.iter().find(|key| key["key"] == "global_hits")?;
        let total = counter["kind"]["counter"]["total"].as_i64();
        let total = total.unwrap_or_else(|| panic!("{counter}"));
        assert!(
            total <= sum,
            "{total} is more than {sum}: {}",
            pretty(&status)
        );
        (total == sum).then_some(())
    })
    .await;
}

fn pretty(status: &Value) -> String {
    serde_json::to_string_pretty(&status["plasma"]).unwrap()
}

/// A built example in a folder of its own, with its `flare.toml` beside it.
struct Flare(tempfile::TempDir);

impl Flare {
    fn path(&self) -> PathBuf {
        self.0.path().join("flare.wasm")
    }
}

fn with_settings(name: &str) -> Flare {
    let flare = Flare(tempfile::tempdir().unwrap());
    std::fs::copy(example(name), flare.path()).unwrap();
    let settings = workspace().join("examples").join(name).join("flare.toml");
    std::fs::copy(settings, flare.0.path().join("flare.toml")).unwrap();
    flare
}
