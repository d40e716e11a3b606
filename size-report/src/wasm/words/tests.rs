use super::*;
use crate::wasm::behaviour;

/// A flare as the linker leaves it: its data ends at 72, and statics follow.
fn module(data: &str, functions: &str) -> Vec<u8> {
    wat::parse_str(wat_of(data, functions)).unwrap()
}

fn wat_of(data: &str, functions: &str) -> String {
    format!(
        r#"(module
            (import "flaron/v1" "resp_set_status" (func $status (param i32)))
            (import "flaron/v1" "resp_body_set" (func $body (param i32 i32)))
            (memory (export "memory") 1)
            (global (mut i32) (i32.const 64))
            (global (export "__data_end") i32 (i32.const 4096))
            {functions}
            (data (i32.const 64) "{data}"))"#
    )
}

fn handler(body: &str) -> Vec<u8> {
    module(
        "datadata",
        &format!(
            "(func (export \"handle_request\") (result i64) (local i64 i32) {body} (i64.const 0x100000000))"
        ),
    )
}

/// Moves, and shows that it does the same.
fn moved(wasm: &[u8]) -> Vec<(u32, u32)> {
    let moved = move_to_globals(wasm).unwrap();
    behaviour::compare(wasm, &moved.wasm, &moved.words).unwrap();
    places(&moved)
}

fn places(moved: &Moved) -> Vec<(u32, u32)> {
    let words = moved.words.iter();
    words.map(|word| (word.start, word.end)).collect()
}

const COUNT: &str = "(i32.store (i32.const 72) (i32.add (i32.const 3) (i32.load (i32.const 72))))
    (call $status (i32.load offset=64 (i32.const 8)))";

#[test]
fn a_word_that_is_named_only_moves() {
    assert_eq!(moved(&handler(COUNT)), [(72, 76)]);
}

#[test]
fn a_wide_word_moves_with_what_reads_its_halves() {
    let wide =
        "(i64.store (i32.const 72) (i64.add (i64.load (i32.const 72)) (i64.const 0x7fffffff9)))
        (call $status (i32.load (i32.const 72)))
        (call $status (i32.load (i32.const 76)))
        (call $status (i32.wrap_i64 (i64.shr_s (i64.load32_s (i32.const 72)) (i64.const 32))))
        (call $status (i32.wrap_i64 (i64.shr_s (i64.load32_u (i32.const 72)) (i64.const 32))))";
    assert_eq!(moved(&handler(wide)), [(72, 80)]);
    let written = format!("{wide} (i32.store (i32.const 76) (i32.const 1))");
    assert_eq!(moved(&handler(&written)), []);
}

#[test]
fn a_store_whose_value_has_blocks_moves() {
    let body = format!("{COUNT} (i32.store (i32.const 72)
        (if (result i32) (i32.load (i32.const 72)) (then (i32.const 5)) (else (block (result i32) (i32.const 6)))))
        (call $status (i32.load (i32.const 72)))");
    assert_eq!(moved(&handler(&body)), [(72, 76)]);
}

#[test]
fn a_word_that_is_used_in_other_widths_stays() {
    for other in [
        "(i32.store8 (i32.const 73) (i32.const 1))",
        "(i32.store16 offset=2 (i32.const 72) (i32.const 1))",
        "(i64.store (i32.const 68) (i64.const -1))",
        "(drop (f32.load (i32.const 72)))",
        "(drop (i32.load (i32.const 74)))",
    ] {
        assert_eq!(moved(&handler(&format!("{other} {COUNT}"))), [], "{other}");
    }
    // Beside it is not on it.
    let beside = format!(
        "(i32.store8 (i32.const 76) (i32.const 1)) (drop (i32.load16_u (i32.const 70))) {COUNT}"
    );
    assert_eq!(moved(&handler(&beside)), [(72, 76)]);
}

#[test]
fn a_word_that_a_pointer_could_name_stays() {
    for pointer in [
        // Its own address, as a number.
        "(call $body (i32.const 72) (i32.const 4))",
        "(local.set 1 (i32.const 75))",
        "(memory.fill (i32.const 72) (i32.const 0) (i32.const 4))",
        // With a length, as a host and a flare hand it to each other.
        "(local.set 0 (i64.const 0x4800000004))",
        // As what an instruction adds.
        "(drop (i32.load8_u offset=72 (local.get 1)))",
    ] {
        assert_eq!(
            moved(&handler(&format!("{pointer} {COUNT}"))),
            [],
            "{pointer}"
        );
    }
    let pointer_in_data = module(
        "data\\48\\00\\00\\00",
        &format!("(func (export \"handle_request\") (result i64) {COUNT} (i64.const 0))"),
    );
    assert_eq!(moved(&pointer_in_data), []);
    // Into the data below it, behind it, or a number that is compared.
    let others = format!(
        "(call $body (i32.const 64) (i32.const 8)) (local.set 1 (i32.const 76))
         (drop (i32.eq (local.get 1) (i32.const 73))) {COUNT}"
    );
    assert_eq!(moved(&handler(&others)), [(72, 76)]);
}

#[test]
fn numbers_that_cannot_be_addresses_keep_no_word_where_it_is() {
    for number in [
        // A digit, which is stored as a byte.
        "(i32.store8 (i32.const 80) (i32.or (local.get 1) (i32.const 72)))",
        "(i32.store8 (i32.const 80) (i32.wrap_i64 (i64.add (i64.const 72) (local.get 0))))",
        // What is left of a number, and what is compared.
        "(local.set 1 (i32.sub (local.get 1) (i32.const 72)))",
        "(local.set 0 (i64.sub (local.get 0) (i64.const 72)))",
        "(drop (i64.gt_u (i64.add (local.get 0) (i64.const 72)) (i64.const 73)))",
        "(local.set 0 (i64.mul (local.get 0) (i64.const 72)))",
        "(local.set 0 (i64.shl (local.get 0) (i64.const 72)))",
    ] {
        let body = format!("{number} {COUNT}");
        assert_eq!(moved(&handler(&body)), [(72, 76)], "{number}");
    }
    for address in [
        "(i32.store16 (i32.or (local.get 1) (i32.const 72)) (i32.const 1))",
        "(i32.store (i32.const 80) (i32.or (local.get 1) (i32.const 72)))",
        "(i32.store8 (i32.const 80) (local.tee 1 (i32.or (local.get 1) (i32.const 72))))",
        "(local.set 1 (i32.sub (i32.const 72) (local.get 1)))",
        "(local.set 0 (i64.shl (i64.const 72) (local.get 0)))",
        "(local.set 0 (i64.or (local.get 0) (i64.const 72)))",
        "(local.set 1 (i32.wrap_i64 (i64.add (local.get 0) (i64.const 72))))",
    ] {
        let wasm = handler(&format!("{address} {COUNT}"));
        let moved = places(&move_to_globals(&wasm).unwrap());
        assert!(!moved.contains(&(72, 76)), "{address}");
    }
}

#[test]
fn initialised_words_and_words_outside_of_the_memory_stay() {
    for address in ["64", "68", "65536", "65533", "-4"] {
        let body = COUNT
            .replace("offset=64 (i32.const 8)", "(i32.const 72)")
            .replace("72", address);
        assert_eq!(moved(&handler(&body)), [], "{address}");
    }
}

#[test]
fn a_pointer_that_no_constant_shows_is_found_by_running() {
    // 36 + 36, which compilers add up, and so does not look like an address.
    let hidden = format!(
        "(local.set 1 (i32.const 36)) (i32.store (i32.add (local.get 1) (local.get 1)) (i32.const 9)) {COUNT}"
    );
    let wasm = handler(&hidden);
    let moved = move_to_globals(&wasm).unwrap();
    assert_eq!(places(&moved), [(72, 76)]);
    let error = behaviour::compare(&wasm, &moved.wasm, &moved.words).unwrap_err();
    assert!(error.to_string().contains("in run 0"), "{error}");
}

#[test]
fn a_module_from_the_linker_is_told_by_its_exports_or_by_an_idle_stack_pointer() {
    let export = r#"(global (export "__data_end") i32 (i32.const 4096))"#;
    let without = |body: &str| {
        let functions = format!(
            "(func (export \"handle_request\") (result i64) (local i64 i32) {body} (i64.const 0x100000000))"
        );
        let text = wat_of("datadata", &functions).replace(export, "");
        wat::parse_str(text).unwrap()
    };
    assert_eq!(moved(&without(COUNT)), [(72, 76)]);
    // An optimiser keeps one that is used.
    for used in ["(drop (global.get 0))", "(global.set 0 (i32.const 64))"] {
        let places = move_to_globals(&without(&format!("{used} {COUNT}"))).unwrap();
        assert!(places.words.is_empty(), "{used}");
    }
    let constant = wat_of("datadata", "")
        .replace(export, "")
        .replace("(mut i32)", "i32");
    assert!(
        move_to_globals(&wat::parse_str(constant).unwrap())
            .unwrap()
            .words
            .is_empty()
    );
}
