//! The quick start from the published crate's page, verbatim, with this crate substituted.

use std::fs;

use flaron_build::Build;
use flaron_edge::FlareConfig;
use flaron_tests::cargo::{ensure_wasm_target, flares_dir, workspace};
use flaron_tests::http::send;
use flaron_tests::node::Node;

const CARGO_TOML: &str = r#"[package]
name = "my-flare"
version = "0.1.0"
edition = "2021"

[lib]
crate-type = ["cdylib"]

[dependencies]
flaron-sdk = "0.1"
"#;

const LIB_RS: &str = r#"use flaron_sdk::{request, response, FlareAction};

flaron_sdk::handle_request!(my_flare);

fn my_flare() -> FlareAction {
    let body = format!("hello from {} {}", request::method(), request::url());
    response::set_status(200);
    response::set_header("content-type", "text/plain");
    response::set_body(body.as_bytes());
    FlareAction::Respond
}
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_published_quick_start_runs_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("src")).unwrap();
    fs::write(folder.path().join("Cargo.toml"), CARGO_TOML).unwrap();
    fs::write(folder.path().join("src/lib.rs"), LIB_RS).unwrap();

    // The command from the page; an option on the command line substitutes the crate from the registry.
    let build = || {
        ensure_wasm_target();
        let patch = format!("patch.crates-io.flaron-sdk.path={:?}", workspace());
        Build::isolated(folder.path())
            .flare()
            .args(["--config", &patch])
            .target_dir(&flares_dir().join("quick-start"))
            .run()
            .unwrap()
    };
    let artifacts = tokio::task::block_in_place(build);
    let wasm = artifacts.wasm_of_package("my-flare").unwrap().path;

    let node = Node::start(&wasm, FlareConfig::default(), &[]).await;
    for (method, path) in [("GET", "/"), ("PUT", "/a?b=1")] {
        let answer = send(node.addr, method, path, "").await;
        let body = format!("hello from {method} http://{}{path}", node.addr);
        answer.is(200, "text/plain", &body);
    }
    node.has_no_complaints();
}
