//! Modules that are not flares.

use flaron_edge::{Edge, FlareConfig, Kind, inspect};

use crate::guest::{Guest, RESPOND, http_guest};

/// Why a module (in Wasm text) is refused.
fn refusal(wat: &str) -> String {
    refusal_of(wat::parse_str(wat).unwrap())
}

fn refusal_of(wasm: Vec<u8>) -> String {
    let refused = Edge::builder().flare(wasm).build();
    refused.err().expect("it was not refused").to_string()
}

const HANDLER: &str = r#"(memory (export "memory") 1)
       (func (export "alloc") (param i32) (result i32) (i32.const 0))
       (func (export "handle_request") (result i64) (i64.const 0x100000000))"#;

#[test]
fn what_is_not_wasm_is_refused() {
    for bytes in [&b""[..], b"hello", b"\x7fELF", b"(module)"] {
        let refusal = refusal_of(bytes.to_vec());
        assert!(refusal.contains("not a Wasm module"), "{refusal}");
    }
    for bytes in [&b"\0asm"[..], b"\0asm\x01\0\0\0\xff"] {
        let refusal = refusal_of(bytes.to_vec());
        assert!(refusal.contains("not a valid Wasm module"), "{refusal}");
    }
    let refusal = refusal_of(b"\0asm\x0d\0\x01\0".to_vec());
    assert!(refusal.contains("is a WebAssembly component"), "{refusal}");
    assert!(
        refusal.contains("build for wasm32-unknown-unknown"),
        "{refusal}"
    );
}

#[test]
fn unknown_imports_are_named() {
    let refusal = refusal(&format!(
        r#"(module (import "flaron/v1" "req_methods" (func (result i64))) {HANDLER})"#
    ));
    assert!(refusal.contains("`flaron/v1.req_methods`"), "{refusal}");
    assert!(refusal.contains("nearest is `req_method`"), "{refusal}");
}

#[test]
fn imports_from_elsewhere_are_named() {
    let refusal = refusal(
        r#"(module
             (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
             (import "env" "memory" (memory 1))
             (func (export "handle_request") (result i64) (i64.const 0x100000000)))"#,
    );
    assert!(
        refusal.contains("`wasi_snapshot_preview1.fd_write`"),
        "{refusal}"
    );
    assert!(refusal.contains("`env.memory`"), "all of them: {refusal}");
}

#[test]
fn wrong_signatures_are_named_with_the_right_ones() {
    let message = refusal(&format!(
        r#"(module (import "flaron/v1" "req_method" (func (param i32) (result i32))) {HANDLER})"#
    ));
    assert!(message.contains("`flaron/v1.req_method`"), "{message}");
    assert!(message.contains("(i32) -> i32"), "{message}");
    assert!(message.contains("its type is () -> i64"), "{message}");

    let message = refusal(&format!(
        r#"(module (import "flaron/v1" "spark_set" (global i32)) {HANDLER})"#
    ));
    assert!(
        message.contains("(i32, i32, i32, i32, i32) -> i32"),
        "{message}"
    );
}

#[test]
fn missing_and_wrong_exports_are_named() {
    let message = refusal("(module)");
    assert!(
        message.contains("`handle_request` of type () -> i64"),
        "{message}"
    );
    assert!(message.contains("ws_open"), "{message}");

    let message = refusal(r#"(module (func (export "handle_request")))"#);
    assert!(
        message.contains("`handle_request` is (), but its type is () -> i64"),
        "{message}"
    );

    let message = refusal(r#"(module (memory (export "handle_request") 1))"#);
    assert!(
        message.contains("`handle_request` is no function"),
        "{message}"
    );

    let message = refusal(
        r#"(module
             (import "flaron/v1" "req_method" (func (result i64)))
             (func (export "handle_request") (result i64) (i64.const 0)))"#,
    );
    assert!(message.contains("no export `memory`"), "{message}");
    assert!(message.contains("no export `alloc`"), "{message}");

    let message = refusal(
        r#"(module (memory (export "memory") 1)
             (func (export "alloc") (param i64) (result i32) (i32.const 0))
             (func (export "handle_request") (result i64) (i64.const 0)))"#,
    );
    assert!(
        message.contains("`alloc` is (i64) -> i32, but its type is (i32) -> i32"),
        "{message}"
    );

    let message = refusal(r#"(module (func (export "ws_open") (result i64) (i64.const 0)))"#);
    assert!(message.contains("no export `ws_message`"), "{message}");
    assert!(message.contains("no export `ws_close`"), "{message}");

    let message = refusal(
        r#"(module (memory i64 1) (export "memory" (memory 0))
             (func (export "handle_request") (result i64) (i64.const 0)))"#,
    );
    assert!(message.contains("not a 32-bit memory"), "{message}");
}

#[test]
fn more_memory_than_allowed_is_refused() {
    let refused = Edge::builder()
        .flare(Guest::new().http(RESPOND).wasm())
        .config(FlareConfig::parse("[limits]\nmax_memory_mib = 16").unwrap())
        .build();
    let message = refused.err().unwrap().to_string();
    assert!(message.contains("limits.max_memory_mib"), "{message}");
}

#[test]
fn the_kind_follows_the_exports_and_may_be_narrowed() {
    let both = Guest::new().http(RESPOND).ws("", "", "");
    assert_eq!(both.edge().flares()[0].kind, Kind::Both);
    assert_eq!(
        both.edge_with("kind = \"http\"").flares()[0].kind,
        Kind::Http
    );
    let http = Guest::new().http(RESPOND);
    assert_eq!(http.edge().flares()[0].kind, Kind::Http);
    let ws = Guest::new().ws("", "", "");
    assert_eq!(ws.edge().flares()[0].kind, Kind::WebSocket);
    let refused = Edge::builder()
        .flare(http.wasm())
        .config(FlareConfig::parse("kind = \"both\"").unwrap())
        .build();
    let message = refused.err().unwrap().to_string();
    assert!(message.contains("ws_open"), "{message}");
}

#[test]
fn inspect_tells_imports_exports_and_memory() {
    let wasm = wat::parse_str(
        r#"(module
             (import "flaron/v1" "spark_get" (func (param i32 i32) (result i64)))
             (import "flaron/v1" "req_url" (func (result i64)))
             (memory (export "memory") 2 3)
             (func (export "alloc") (param i32) (result i32) (i32.const 0))
             (func (export "handle_request") (result i64) (i64.const 0)))"#,
    )
    .unwrap();
    let info = inspect(&wasm).unwrap();
    assert_eq!(info.size, wasm.len());
    let imports: Vec<_> = info
        .imports
        .iter()
        .map(|import| (import.capability.name(), import.name))
        .collect();
    assert_eq!(imports, [("request", "req_url"), ("spark", "spark_get")]);
    assert_eq!(info.exports, ["memory", "alloc", "handle_request"]);
    assert_eq!((info.memory, info.max_memory), (2 << 16, Some(3 << 16)));
    assert!(info.problems.is_empty());
}

#[test]
fn files_are_named_in_errors() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.wasm");
    std::fs::write(&file, "bad").unwrap();
    let message = Edge::builder()
        .flare(file.as_path())
        .build()
        .err()
        .unwrap()
        .to_string();
    assert!(message.contains("bad.wasm"), "{message}");
    let message = Edge::builder()
        .flare("/no/such.wasm")
        .build()
        .err()
        .unwrap()
        .to_string();
    assert!(message.contains("/no/such.wasm"), "{message}");
}

#[tokio::test]
async fn settings_beside_the_file_are_used() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("named.wasm");
    let guest = http_guest(|_| format!("(call $reply (call $req_body)) {RESPOND}"));
    std::fs::write(&file, guest.wasm()).unwrap();
    std::fs::write(
        folder.path().join("flare.toml"),
        "requires_body = true\nroutes = [\"/here\"]",
    )
    .unwrap();
    let edge = Edge::builder().flare(file.as_path()).build().unwrap();
    assert_eq!(edge.flares()[0].name, "named");
    assert_eq!(edge.flares()[0].routes, ["/here"]);
    let request = http::Request::post("/here").body("b").unwrap();
    assert_eq!(edge.request(request).await.body(), "b");

    std::fs::write(folder.path().join("flare.toml"), "require_body = true").unwrap();
    let message = Edge::builder()
        .flare(file.as_path())
        .build()
        .err()
        .unwrap()
        .to_string();
    assert!(message.contains("flare.toml"), "{message}");
    assert!(
        message.contains("did you mean `requires_body`"),
        "{message}"
    );
}

#[tokio::test]
async fn a_reload_takes_the_new_file_and_a_bad_one_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("f.wasm");
    let named = |name: &str| {
        http_guest(|g| {
            let name = g.text(name);
            format!("(call $resp_body_set {name}) {RESPOND}")
        })
        .wasm()
    };
    std::fs::write(&file, named("one")).unwrap();
    let edge = Edge::builder().flare(file.as_path()).build().unwrap();
    assert_eq!(crate::guest::get(&edge, "/").await.body(), "one");
    std::fs::write(&file, named("two")).unwrap();
    assert_eq!(crate::guest::get(&edge, "/").await.body(), "one");
    edge.reload().unwrap();
    assert_eq!(crate::guest::get(&edge, "/").await.body(), "two");
    std::fs::write(&file, "bad").unwrap();
    assert!(edge.reload().is_err());
    assert_eq!(crate::guest::get(&edge, "/").await.body(), "two");
    assert_eq!(edge.flares()[0].stats.requests, 4);
}
