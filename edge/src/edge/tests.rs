//! Requests in this process, and what one leaves for the next: nothing.

use http::Request;

use super::*;
use crate::{Edge, FlareConfig};

/// A flare that answers 500 if its state is not what it begins with, and 200 if it is. Then it changes everything.
fn witness(pages: u32, fields: &str, checks: &str, changes: &str) -> Vec<u8> {
    let end = pages << 16;
    wat::parse_str(format!(
        r#"(module
          (import "flaron/v1" "resp_set_status" (func $status (param i32)))
          (memory (export "memory") {pages})
          (data (i32.const 100) "data")
          (global $int (mut i32) (i32.const 5)) (global $float (mut f64) (f64.const 1.5))
          {fields}
          (func $is_new (result i32) (local $at i32)
            (loop $next
              (if (i64.ne (i64.load (local.get $at))
                          (select (i64.const 0x6174616400000000) (i64.const 0)
                                  (i32.eq (local.get $at) (i32.const 96))))
                (then (return (i32.const 0))))
              (local.set $at (i32.add (local.get $at) (i32.const 8)))
              (br_if $next (i32.lt_u (local.get $at) (i32.const {end}))))
            (if (i32.ne (memory.size) (i32.const {pages})) (then (return (i32.const 0))))
            (if (i32.ne (global.get $int) (i32.const 5)) (then (return (i32.const 0))))
            (if (f64.ne (global.get $float) (f64.const 1.5)) (then (return (i32.const 0))))
            {checks}
            (i32.const 1))
          (func (export "handle_request") (result i64)
            (if (i32.eqz (call $is_new))
              (then (call $status (i32.const 500)) (return (i64.const 0x100000000))))
            (memory.fill (i32.const 0) (i32.const 0xaa) (i32.const {end}))
            (global.set $int (i32.const 6)) (global.set $float (f64.const 0))
            {changes}
            (i64.const 0x100000000)))"#
    ))
    .unwrap()
}

/// The statuses of some requests, and how many instances wait for the next.
async fn statuses(flare: Vec<u8>) -> (Vec<u16>, usize) {
    let config = FlareConfig::parse("limits.max_time_ms = 60000").unwrap();
    let edge = Edge::builder().flare(flare).config(config).build().unwrap();
    let mut statuses = Vec::new();
    for _ in 0..4 {
        let response = edge.request(Request::get("/").body("").unwrap()).await;
        statuses.push(response.status().as_u16());
    }
    let kept = edge.state.slots[0].current().program.kept();
    (statuses, kept)
}

#[tokio::test]
async fn an_instance_that_is_used_again_is_as_new() {
    for pages in [1, 2] {
        let outcome = statuses(witness(pages, "", "", "")).await;
        assert_eq!(outcome, (vec![200; 4], 1), "{pages} pages");
    }
    // It has an answer that is none, and has returned all the same.
    let outcome = statuses(witness(1, "", "", "(return (i64.const 7))")).await;
    assert_eq!(outcome, (vec![502; 4], 1));
}

#[tokio::test]
async fn an_instance_that_cannot_be_restored_is_not_used_again() {
    let table = r#"(table $t 2 funcref) (elem (i32.const 0) func $is_new) (elem $e func $is_new) (data $d "x")"#;
    for (pages, fields, checks, changes) in [
        (3, "", "", ""),
        (1, "", "", "(drop (memory.grow (i32.const 1)))"),
        (
            1,
            table,
            "(if (i32.eqz (ref.is_null (table.get $t (i32.const 1)))) (then (return (i32.const 0))))",
            "(table.set $t (i32.const 1) (table.get $t (i32.const 0)))",
        ),
        (
            1,
            table,
            "(table.init $t $e (i32.const 1) (i32.const 0) (i32.const 1))",
            "(elem.drop $e)",
        ),
        (
            1,
            table,
            "(memory.init $d (i32.const 0) (i32.const 0) (i32.const 1))",
            "(data.drop $d)",
        ),
        (
            1,
            "(global $vector (mut v128) (v128.const i64x2 0 0))",
            "(if (v128.any_true (global.get $vector)) (then (return (i32.const 0))))",
            "(global.set $vector (v128.const i64x2 1 1))",
        ),
        (
            1,
            "(global $begun (mut i32) (i32.const 0)) (func $s (global.set $begun (i32.const 1))) (start $s)",
            "(if (i32.eqz (global.get $begun)) (then (return (i32.const 0))))",
            "(global.set $begun (i32.const 0))",
        ),
    ] {
        let outcome = statuses(witness(pages, fields, checks, changes)).await;
        assert_eq!(outcome, (vec![200; 4], 0), "{changes}");
    }
    let outcome = statuses(witness(1, "", "", "unreachable")).await;
    assert_eq!(outcome, (vec![502; 4], 0));
}

/// A body, and who still has it.
struct Watched {
    _holder: Arc<()>,
}

impl AsRef<[u8]> for Watched {
    fn as_ref(&self) -> &[u8] {
        b"body"
    }
}

#[tokio::test]
async fn what_waits_for_a_request_has_nothing_of_the_last() {
    let edge = Edge::builder()
        .flare(witness(1, "", "", ""))
        .config(FlareConfig::parse("requires_body = true").unwrap())
        .build()
        .unwrap();
    let holders = Arc::new(());
    let body = Bytes::from_owner(Watched {
        _holder: holders.clone(),
    });
    edge.request(Request::post("/").body(body).unwrap()).await;
    assert_eq!(edge.state.slots[0].current().program.kept(), 1);
    assert_eq!(Arc::strong_count(&holders), 1);
}

#[tokio::test]
async fn a_reload_frees_what_the_old_flare_kept() {
    let edge = Edge::builder()
        .flare(witness(1, "", "", ""))
        .build()
        .unwrap();
    for _ in 0..3 {
        edge.request(Request::get("/").body("").unwrap()).await;
        assert_eq!(edge.state.engine.spares(), 1);
        edge.reload().unwrap();
        assert_eq!(edge.state.engine.spares(), 0);
    }
}
