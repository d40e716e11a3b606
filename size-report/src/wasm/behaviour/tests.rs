use super::*;

/// A flare that answers with the method behind `text`, at 64, and counts its requests in a word at 128.
fn flare(text: &str, handler: &str) -> Vec<u8> {
    let wat = format!(
        r#"(module
            (import "flaron/v1" "req_method" (func $method (result i64)))
            (import "flaron/v1" "resp_set_status" (func $status (param i32)))
            (import "flaron/v1" "resp_body_set" (func $body (param i32 i32)))
            (memory (export "memory") 1)
            (global $free (mut i32) (i32.const 256))
            (func (export "alloc") (param i32) (result i32)
                (global.get $free)
                (global.set $free (i32.add (global.get $free) (local.get 0))))
            (func (export "handle_request") (result i64) (local i64)
                (global.set $free (i32.const 256))
                {handler}
                (call $body (i32.const 64) (i32.const 4))
                (i64.const 0x100000000))
            (data (i32.const 64) "{text}"))"#
    );
    wat::parse_str(wat).unwrap()
}

const ECHO: &str = "(local.set 0 (call $method))
    (call $body (i32.wrap_i64 (i64.shr_u (local.get 0) (i64.const 32))) (i32.wrap_i64 (local.get 0)))
    (i32.store (i32.const 128) (i32.add (i32.load (i32.const 128)) (i32.const 1)))
    (call $status (i32.load (i32.const 128)))";

fn difference(before: &[u8], after: &[u8], zeros: &[Range<u32>]) -> String {
    compare(before, after, zeros).unwrap_err().to_string()
}

#[test]
fn a_module_does_what_it_does() {
    let module = flare("text", ECHO);
    let proof = compare(&module, &module, &[]).unwrap();
    assert_eq!(proof.runs, RUNS);
    // Each run has two requests with three calls and what they return, but where a lie traps.
    assert!(proof.events > 6 * RUNS, "{proof:?}");
}

#[test]
fn another_text_number_or_order_is_another_behaviour() {
    let module = flare("text", ECHO);
    let other = difference(&module, &flare("texT", ECHO), &[]);
    assert!(
        other.contains(
            "resp_body_set with [] \"texT\", where before it calls resp_body_set with [] \"text\""
        ),
        "{other}"
    );
    let number = ECHO.replace("(i32.const 1))", "(i32.const 2))");
    let other = difference(&module, &flare("text", &number), &[]);
    assert!(
        other.contains("resp_set_status with [2], where before it calls resp_set_status with [1]"),
        "{other}"
    );
    let trap = difference(&module, &flare("text", &format!("{ECHO} unreachable")), &[]);
    assert!(trap.contains("it traps, where before it calls"), "{trap}");
    let more = difference(
        &module,
        &flare("text", &format!("{ECHO} (call $status (i32.const 7))")),
        &[],
    );
    assert!(more.contains("resp_set_status with [7]"), "{more}");
}

#[test]
fn what_a_flare_remembers_is_a_part_of_what_it_does() {
    let module = flare("text", ECHO);
    // The first request is the same, the second is not.
    let forgets = ECHO.replace("(i32.load (i32.const 128))", "(i32.const 0)");
    let forgets = forgets.replace(
        "(call $status (i32.const 0))",
        "(call $status (i32.load (i32.const 128)))",
    );
    let other = difference(&module, &flare("text", &forgets), &[]);
    assert!(
        other.contains("resp_set_status with [1], where before it calls resp_set_status with [2]"),
        "{other}"
    );
}

#[test]
fn a_place_that_was_given_up_must_not_be_written() {
    let module = flare("text", ECHO);
    assert!(compare(&module, &module, std::slice::from_ref(&(132..136))).is_ok());
    let written = difference(&module, &module, &[132..136, 128..132]);
    assert!(
        written.contains("a pointer has written to 128..132"),
        "{written}"
    );
}

#[test]
fn a_loop_without_end_is_compared_as_far_as_it_gets() {
    let module = flare("text", &format!("{ECHO} (loop (br 0))"));
    compare_in(2, &module, &module, &[]).unwrap();
    let other = flare(
        "text",
        &format!("(call $status (i32.const 1)) {ECHO} (loop (br 0))"),
    );
    assert!(compare_in(2, &module, &other, &[]).is_err());
}

#[test]
fn what_is_no_flare_cannot_be_compared() {
    let library = wat::parse_str("(module (func (export \"add\")))").unwrap();
    assert!(difference(&library, &library, &[]).contains("it is no flare"));
    let lost =
        wat::parse_str("(module (func (export \"handle_request\") (result i64) (i64.const 0)))")
            .unwrap();
    assert!(difference(&flare("text", ECHO), &lost, &[]).contains("did export"));
}
