//! Flares that fail, and flares that reach a limit.

use std::time::{Duration, Instant};

use crate::guest::{Guest, RESPOND, get, http_guest, said};

/// Asserts that a request fails with this status and word, that the developer sees `told`, and that
/// the node keeps running.
async fn fails(guest: Guest, config: &str, status: u16, word: &str, told: &str) {
    let edge = guest.edge_with(config);
    for _ in 0..3 {
        let response = get(&edge, "/").await;
        assert_eq!(response.status(), status, "{}", said(&edge));
        assert_eq!(response.headers()["x-flaron-error"], word);
        assert!(!response.body().is_empty());
    }
    let said = said(&edge);
    assert!(said.contains(told), "{said}");
    assert_eq!(edge.flares()[0].stats.errors, 3);
}

#[tokio::test]
async fn a_trap_is_a_502() {
    let guest = Guest::new().http("(unreachable)");
    fails(guest, "", 502, "trap", "`unreachable` instruction").await;
    let guest = http_guest(|_| format!("(drop (i32.load (i32.const 0x40000000))) {RESPOND}"));
    fails(guest, "", 502, "trap", "out of bounds memory access").await;
    let guest =
        http_guest(|_| format!("(drop (i32.div_u (i32.const 1) (local.get $i))) {RESPOND}"));
    fails(guest, "", 502, "trap", "divide by zero").await;
}

#[tokio::test]
async fn a_trap_names_the_function() {
    let guest = Guest::new()
        .func("(func $my_helper (unreachable))")
        .http(&format!("(call $my_helper) {RESPOND}"));
    fails(guest, "", 502, "trap", "in my_helper").await;
}

#[tokio::test]
async fn no_action_is_a_502() {
    for action in ["0", "1", "0x400000000", "-1"] {
        let guest = Guest::new().http(&format!("(i64.const {action})"));
        fails(guest, "", 502, "bad-action", "is no action").await;
    }
}

#[tokio::test]
async fn an_endless_loop_is_a_504() {
    let guest = http_guest(|_| format!("(loop $on (br $on)) {RESPOND}"));
    let started = Instant::now();
    let config = "[limits]\nmax_time_ms = 30";
    fails(guest, config, 504, "timeout", "longer than 30 ms").await;
    assert!(started.elapsed() >= Duration::from_millis(90));
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_loop_of_host_calls_is_a_504() {
    let guest =
        http_guest(|_| format!("(loop $on (drop (call $ws_close_code)) (br $on)) {RESPOND}"));
    fails(guest, "[limits]\nmax_time_ms = 30", 504, "timeout", "30 ms").await;
}

#[test]
fn a_start_function_that_loops_is_refused() {
    let guest = Guest::new()
        .func("(func $forever (loop $on (br $on))) (start $forever)")
        .http(RESPOND);
    let refusal = guest.refusal("[limits]\nmax_time_ms = 30");
    assert!(refusal.contains("its start function fails"), "{refusal}");
    assert!(refusal.contains("longer than 30 ms"), "{refusal}");
}

#[tokio::test]
async fn a_start_function_can_use_imports() {
    let mut guest = Guest::new();
    let hello = guest.text("from the start");
    let guest = guest
        .func(&format!(
            "(func $go (call $log_info {hello}) (drop (call $id_ulid))) (start $go)"
        ))
        .http(RESPOND);
    let edge = guest.edge();
    assert_eq!(get(&edge, "/").await.status(), 200);
    assert_eq!(edge.logs()[0].text, "from the start");
}

#[tokio::test]
async fn memory_that_runs_out_is_a_507() {
    // What an allocator does: grow the memory, and give up when that fails.
    let guest = http_guest(|_| {
        format!(
            "(loop $on
               (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then (unreachable)))
               (br $on))
             {RESPOND}"
        )
    });
    let config = "[limits]\nmax_memory_mib = 20";
    fails(guest, config, 507, "memory", "limits.max_memory_mib").await;
}

#[tokio::test]
async fn a_refused_growth_can_be_survived() {
    let edge = http_guest(|_| {
        format!(
            "(call $reply_number (i32.eq (memory.grow (i32.const 8000)) (i32.const -1))) {RESPOND}"
        )
    })
    .edge_with("[limits]\nmax_memory_mib = 20");
    assert_eq!(get(&edge, "/").await.body(), "0001");
}

#[tokio::test]
async fn a_stack_that_overflows_is_a_502() {
    let guest = Guest::new()
        .func("(func $deep (call $deep))")
        .http(&format!("(call $deep) {RESPOND}"));
    fails(guest, "", 502, "stack", "stack overflowed").await;
}

#[tokio::test]
async fn every_second_request_may_trap() {
    let mut guest = Guest::new();
    let name = guest.text("x-trap");
    let guest = guest.http(&format!(
        "(if (i64.ne (call $req_header_get {name}) (i64.const 0)) (then (unreachable))) {RESPOND}"
    ));
    let edge = guest.edge();
    for n in 0..200 {
        let mut request = http::Request::get("/");
        if n % 2 == 1 {
            request = request.header("x-trap", "1");
        }
        let response = edge.request(request.body("").unwrap()).await;
        assert_eq!(response.status(), if n % 2 == 1 { 502 } else { 200 });
    }
    assert_eq!(edge.flares()[0].stats.requests, 200);
    assert_eq!(edge.flares()[0].stats.errors, 100);
}

#[tokio::test]
async fn log_lines_are_limited_in_number_and_length() {
    let edge = http_guest(|g| {
        let line = g.text("x".repeat(5000));
        format!(
            "(loop $on
               (call $log_warn {line})
               (local.set $i (i32.add (local.get $i) (i32.const 1)))
               (br_if $on (i32.lt_u (local.get $i) (i32.const 130))))
             {RESPOND}"
        )
    })
    .edge();
    get(&edge, "/").await;
    let logs = edge.logs();
    assert_eq!(logs.len(), 100);
    assert!(logs.iter().all(|line| line.text.len() == 4096));
    let said = said(&edge);
    assert!(said.contains("30 more log lines were dropped"), "{said}");
    assert!(said.contains("100 log lines were truncated"), "{said}");
    // The next invocation counts from 0.
    get(&edge, "/").await;
    assert_eq!(edge.logs().len(), 200);
}

#[tokio::test]
async fn log_lines_are_text_whatever_was_written() {
    let edge = http_guest(|g| {
        let (info, error) = (g.text(b"\xff\x1b[31m\n"), g.text("err"));
        format!("(call $log_info {info}) (call $log_error {error}) {RESPOND}")
    })
    .edge();
    get(&edge, "/").await;
    assert_eq!(edge.logs()[0].text, "\u{fffd}\u{1b}[31m\n");
    assert_eq!(edge.logs()[1].level, flaron_edge::Level::Error);
    let said = said(&edge);
    assert!(said.contains("info  \u{fffd}\\u{1b}[31m\\n"), "{said}");
    assert!(said.contains("error err"), "{said}");
}

#[tokio::test]
async fn snowflakes_are_metered() {
    let edge = http_guest(|_| {
        format!(
            "(loop $on
               (if (i64.ne (call $snowflake_id) (i64.const 0))
                 (then (local.set $n (i32.add (local.get $n) (i32.const 1)))))
               (drop (call $id_snowflake))
               (local.set $i (i32.add (local.get $i) (i32.const 1)))
               (br_if $on (i32.lt_u (local.get $i) (i32.const 150))))
             (call $reply_number (local.get $n))
             {RESPOND}"
        )
    });
    for (config, count) in [("", "0100"), ("[limits]\nmax_snowflakes = 3", "0003")] {
        let edge = edge.edge_with(config);
        assert_eq!(get(&edge, "/").await.body(), count);
        assert_eq!(get(&edge, "/").await.body(), count);
        assert!(said(&edge).contains("snowflake_id"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_flares_do_not_hold_up_the_others() {
    let slow = http_guest(|_| format!("(loop $on (br $on)) {RESPOND}")).wasm();
    let config = flaron_edge::FlareConfig::parse("[limits]\nmax_time_ms = 1500").unwrap();
    let edge = flaron_edge::Edge::builder()
        .flare(slow)
        .config(config)
        .route("/slow")
        .flare(Guest::new().http(RESPOND).wasm())
        .build()
        .unwrap();
    // More loops than threads.
    let slow: Vec<_> = (0..4)
        .map(|_| {
            let edge = edge.clone();
            tokio::spawn(async move { get(&edge, "/slow").await.status() })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let started = Instant::now();
    let fast: Vec<_> = (0..20)
        .map(|_| {
            let edge = edge.clone();
            tokio::spawn(async move { get(&edge, "/").await.status() })
        })
        .collect();
    for fast in fast {
        assert_eq!(fast.await.unwrap(), 200);
    }
    let took = started.elapsed();
    assert!(slow.iter().all(|slow| !slow.is_finished()), "took {took:?}");
    for slow in slow {
        assert_eq!(slow.await.unwrap(), 504);
    }
}
