//! The edge as processes: what they say, how they end, and what is left when they are killed.
#![cfg(unix)]

use std::net::SocketAddr;
use std::path::PathBuf;

use flaron_tests::cargo::{cargo, ensure_wasm_target, example, target_dir, workspace};
use flaron_tests::http::{get, send};
use flaron_tests::process::Process;
use flaron_tests::until;
use serde_json::Value;

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
        let edge = tokio::task::block_in_place(flaron_tests::cargo::edge_binary);
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

/// A write that was answered is on the disk.
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

    // All at once, on all three.
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

    // One dies with a contribution of its own, and the others count on without it.
    second.kill();
    for node in [&first, &third, &first] {
        increment(node.addr).await;
        sum += 1;
    }
    for node in [&first, &third] {
        converges(node, sum).await;
    }

    // It comes back with its data, and counts on.
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
    // What the flare says is what the status page says.
    assert_eq!(second.count("global hits: ").await, sum + 1);
}

/// One request to `plasma-counter`, which must succeed.
async fn increment(addr: SocketAddr) {
    let answer = get(addr).await;
    assert!(answer.text().starts_with("global hits: "), "{answer:?}");
}

/// Waits until a node knows that the counter has this value. More is a failure at once.
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
