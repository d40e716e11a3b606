//! What `flaron-edge new` makes: in an empty folder outside of this repository each template builds, passes
//! its tests, keeps to the budget in its workflow, and answers.
#![cfg(unix)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use flaron_edge::{FlareConfig, Template};
use flaron_tests::action;
use flaron_tests::cargo::{WASM, cargo, edge_binary, ensure_wasm_target, flares_dir};
use flaron_tests::http::{ask, send};
use flaron_tests::node::Node;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio_tungstenite::tungstenite::Message;

/// Where all of them are built, so that the SDK is built once for each set of features.
fn target() -> PathBuf {
    flares_dir().join("new")
}

#[track_caller]
fn said(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    said
}

/// Makes a flare and returns its folder.
fn new(folder: &Path, template: &str) -> PathBuf {
    ensure_wasm_target();
    let name = format!("my-{template}");
    let mut command = Command::new(edge_binary());
    command.args(["new", &name, "--template", template]);
    command.env("CARGO_TARGET_DIR", target());
    said(&command.current_dir(folder).output().unwrap());
    folder.join(name)
}

/// The `.wasm` that was built when it was made.
fn wasm(template: &str) -> PathBuf {
    target().join(format!("{}/release/my_{template}.wasm", WASM))
}

/// The value of a line `key: value` of a workflow.
fn value<'a>(workflow: &'a str, key: &str) -> &'a str {
    let mut lines = workflow.lines().map(str::trim);
    let value = lines.find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
    value.unwrap_or_else(|| panic!("no {key} in {workflow}"))
}

#[test]
fn every_template_builds_passes_its_tests_and_keeps_to_its_budget() {
    let folder = tempfile::tempdir().unwrap();
    let tool = folder.path().join("tool");
    action::cached_tool(&tool);
    for template in Template::all() {
        let name = template.name();
        let flare = new(folder.path(), name);
        let mut test = cargo(&flare);
        test.args(["test", "--quiet", "--target-dir"]).arg(target());
        let passed = said(&test.output().unwrap());
        assert!(
            passed.contains(" passed") && !passed.contains(" 0 passed;"),
            "{name}: {passed}"
        );

        let workflow = std::fs::read_to_string(flare.join(".github/workflows/size.yml")).unwrap();
        let gate = |budget: &str| {
            let mut gate = action::step("check", &flare, &tool);
            gate.env("CARGO_TARGET_DIR", target())
                .env("FILES", wasm(name))
                .env("BUDGET", budget)
                .env("BASELINE", value(&workflow, "baseline"))
                .env("COMMENT", "false")
                .env("GITHUB_STEP_SUMMARY", folder.path().join("summary.md"));
            gate.output().unwrap()
        };
        said(&gate(value(&workflow, "budget")));
        assert!(flare.join("flare.size.toml").is_file());
        // The gate works.
        assert_eq!(gate("10").status.code(), Some(1));

        // What is deployed is made by a step of its own, with the tool that the action has put into PATH.
        let deployed = flare.join("target/wasm32-unknown-unknown/release/deployed.wasm");
        std::fs::create_dir_all(deployed.parent().unwrap()).unwrap();
        std::fs::copy(wasm(name), &deployed).unwrap();
        let mut steps = workflow.lines().map(str::trim);
        let step = steps
            .find(|line| line.starts_with("- run: flaron-size"))
            .and_then(|line| line.strip_prefix("- run: "));
        let path = format!(
            "{}:{}",
            tool.join("bin").display(),
            std::env::var("PATH").unwrap()
        );
        let mut slim = Command::new("bash");
        slim.args(["-c", step.unwrap()]).env("PATH", path);
        let slimmed = said(&slim.current_dir(&flare).output().unwrap());
        assert!(slimmed.contains("deployed.wasm: "), "{slimmed}");
    }
}

async fn node(template: &str) -> (tempfile::TempDir, Node) {
    let folder = tempfile::tempdir().unwrap();
    let flare = tokio::task::block_in_place(|| new(folder.path(), template));
    let config = FlareConfig::beside(&flare).unwrap();
    let node = Node::start(&wasm(template), config, &[]).await;
    (folder, node)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_answers() {
    let (_folder, node) = node("http").await;
    let answer = send(node.addr, "PUT", "/a?b=1", "").await;
    let body = format!("PUT http://{}/a?b=1", node.addr);
    answer.is(200, "text/plain", &body);
    node.has_no_complaints();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_answers_over_both() {
    let (_folder, node) = node("both").await;
    assert_eq!(ask(node.addr, "GET", "/", &[], "").await.status(), 404);
    let pinned = ask(node.addr, "PUT", "/", &[], "back at noon").await;
    assert_eq!(pinned.status(), 204);
    let answer = send(node.addr, "GET", "/", "").await;
    answer.is(200, "text/plain; charset=utf-8", "back at noon");
    let stream = tokio::net::TcpStream::connect(node.addr).await.unwrap();
    let url = format!("ws://{}/", node.addr);
    let (mut socket, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
    for _ in 0..2 {
        let message = socket.next().await.unwrap().unwrap();
        assert_eq!(message.to_text().unwrap(), "back at noon");
        socket.send(Message::text("again")).await.unwrap();
    }
    node.has_no_complaints();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn std_counts_words() {
    let (_folder, node) = node("std").await;
    let answer = ask(node.addr, "POST", "/", &[], "To be or not to be").await;
    answer.is(
        200,
        "text/plain; charset=utf-8",
        "2 be\n2 to\n1 not\n1 or\n",
    );
    let long = "word and more words ".repeat(2000);
    let answer = ask(node.addr, "POST", "/", &[], &long).await;
    assert_eq!(
        answer.text(),
        "2000 and\n2000 more\n2000 word\n2000 words\n"
    );
    node.has_no_complaints();
}
