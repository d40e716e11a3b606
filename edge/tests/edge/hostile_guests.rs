//! Guests that lie to the host, through every import.

use flaron_edge::contract::{IMPORTS, Import, Val};

use crate::guest::{Guest, RESPOND, get, http_guest, said};

/// A call of an import with these values as pointers and lengths; the result is dropped.
fn call(import: &Import, ptr: &str, len: &str) -> String {
    let mut args = String::new();
    for (n, param) in import.params.iter().enumerate() {
        // Pointers and lengths alternate; a single number is a length, a fifth one a TTL.
        let alone = import.params.len() == 1;
        args += &match param {
            Val::I64 => "(i64.const 0x8000000000000000)".to_owned(),
            Val::I32 if n % 2 == 0 && !alone => format!("(i32.const {ptr})"),
            Val::I32 => format!("(i32.const {len})"),
        };
    }
    let call = format!("(call ${} {args})", import.name);
    match import.result {
        Some(_) => format!("(drop {call})"),
        None => call,
    }
}

/// Everything is allowed, with enough time to do it to 16 MiB.
const CONFIG: &str = "limits.max_time_ms = 60000\nrequires_body = true\nrequires_raw_auth = true\n\
    writes_spark_kv = true\nwrites_plasma_kv = true\nallowed_secrets = [\"S\"]";

#[tokio::test]
async fn no_pointer_or_length_harms_any_import() {
    let numbers = [
        "0",
        "1",
        "16",
        "-1",
        "0x7fffffff",
        "0x80000000",
        "0x1010000",
        "0x100fff8",
    ];
    for import in IMPORTS {
        let mut calls = String::new();
        for ptr in numbers {
            for len in numbers {
                // Large values that are in range are not the subject of this test.
                calls += &call(import, ptr, len);
            }
        }
        // A separate instance for every call would be slow, and a single one is harder on the host.
        // The WebSocket imports are called without a connection here.
        let edge = Guest::new()
            .http(&format!("{calls} {RESPOND}"))
            .edge_with(CONFIG);
        let response = get(&edge, "/").await;
        assert_eq!(response.status(), 200, "{}: {}", import.name, said(&edge));
    }
}

#[tokio::test]
async fn arguments_out_of_range_are_told() {
    let edge =
        http_guest(|_| format!("(call $log_info (i32.const 0x7ffffff0) (i32.const 5)) {RESPOND}"))
            .edge();
    get(&edge, "/").await;
    assert!(edge.logs().is_empty());
    let said = said(&edge);
    assert!(
        said.contains("log_info was given 5 bytes at 2147483632"),
        "{said}"
    );
}

#[tokio::test]
async fn nothing_may_be_anywhere() {
    let edge = http_guest(|g| {
        let name = g.text("x-a");
        format!("(call $resp_header_set {name} (i32.const -5) (i32.const 0)) {RESPOND}")
    })
    .edge();
    assert_eq!(get(&edge, "/").await.headers()["x-a"], "");
}

/// What an import that has a result (the method) returns with this `alloc`.
async fn with_alloc(alloc: &str) -> (String, String) {
    let edge = Guest::new()
        .alloc(alloc)
        .http(&format!("(call $reply (call $req_method)) {RESPOND}"))
        .edge();
    let response = get(&edge, "/").await;
    assert_eq!(response.status(), 200, "{}", said(&edge));
    let body = String::from_utf8(response.body().to_vec()).unwrap();
    (body, said(&edge))
}

#[tokio::test]
async fn an_alloc_that_lies_means_no_result() {
    for at in ["-8", "0x7ffffff8", "0x1010000", "0x100fffe"] {
        let alloc = format!(r#"(func (export "alloc") (param i32) (result i32) (i32.const {at}))"#);
        let (body, said) = with_alloc(&alloc).await;
        assert_eq!(body, "<none>", "{at}");
        assert!(
            said.contains("which is not a block in its memory"),
            "{at}: {said}"
        );
    }
}

/// The published Rust SDK's arena, and so its blocks, may be at odd addresses.
#[tokio::test]
async fn an_alloc_that_is_not_aligned_is_fine() {
    let (body, _) =
        with_alloc(r#"(func (export "alloc") (param i32) (result i32) (i32.const 0x100fff9))"#)
            .await;
    assert_eq!(body, "GET");
}

#[tokio::test]
async fn an_alloc_without_room_means_no_result() {
    let (body, said) =
        with_alloc(r#"(func (export "alloc") (param i32) (result i32) (i32.const 0))"#).await;
    assert_eq!(body, "<none>");
    assert!(
        said.contains("req_method has 3 bytes for the flare"),
        "{said}"
    );
}

#[tokio::test]
async fn an_alloc_at_the_very_end_is_in_memory() {
    let (body, _) =
        with_alloc(r#"(func (export "alloc") (param i32) (result i32) (i32.const 0x100fff8))"#)
            .await;
    assert_eq!(body, "GET");
}

#[tokio::test]
async fn an_alloc_that_calls_back_gets_nothing() {
    let (body, said) = with_alloc(
        r#"(func (export "alloc") (param i32) (result i32)
             (drop (call $req_url)) (call $log_info (i32.const 0) (i32.const 1)) (i32.const 0x10000))"#,
    )
    .await;
    assert_eq!(body, "GET");
    assert!(said.contains("from within alloc"), "{said}");
}

#[tokio::test]
async fn an_alloc_that_traps_is_a_trap() {
    for (alloc, word) in [
        ("(unreachable)", "trap"),
        ("(loop $on (br $on)) (i32.const 0)", "timeout"),
        ("(call $alloc (i32.const 1))", "stack"),
    ] {
        let edge = Guest::new()
            .alloc(&format!(
                r#"(func $alloc (export "alloc") (param i32) (result i32) {alloc})"#
            ))
            .http(&format!("(call $reply (call $req_method)) {RESPOND}"))
            .edge_with("[limits]\nmax_time_ms = 30");
        let response = get(&edge, "/").await;
        assert_eq!(
            response.headers()["x-flaron-error"],
            word,
            "{}",
            said(&edge)
        );
    }
}

#[tokio::test]
async fn an_alloc_may_grow_the_memory() {
    // The block is in pages that did not exist when the host last looked.
    let (body, _) = with_alloc(
        r#"(func (export "alloc") (param i32) (result i32)
             (i32.mul (memory.grow (i32.const 1)) (i32.const 0x10000)))"#,
    )
    .await;
    assert_eq!(body, "GET");
}

#[tokio::test]
async fn notes_are_few_however_many_calls() {
    let edge = http_guest(|_| {
        format!(
            "(loop $on
               (call $resp_set_status (local.get $i))
               (call $log_info (i32.const -1) (i32.const 5))
               (local.set $i (i32.add (local.get $i) (i32.const 1)))
               (br_if $on (i32.lt_u (local.get $i) (i32.const 100))))
             {RESPOND}"
        )
    })
    .edge();
    get(&edge, "/").await;
    assert_eq!(edge.entries()[0].notes.len(), 2);
}
