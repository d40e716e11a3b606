use wasmi::{Engine, Linker, Module, Store};
use wasmparser::Payload;

use super::*;

mod random;

/// A function of two numbers, before and after; and that it answers the same, for some of them.
fn shaped(result: &str, body: &str) -> (String, String) {
    let wat = format!(
        r#"(module (memory 1) (func (export "f") (param i32 i32) (result {result}) (local i32 {result}) {body}))"#
    );
    let before = wat::parse_str(wat).unwrap();
    let after = shape(&before).unwrap();
    assert!(after.len() <= before.len());
    for one in [0, 1, 5, 9, 70, -1] {
        for other in [0, 1, 2, 70] {
            assert_eq!(
                answer(&before, one, other),
                answer(&after, one, other),
                "{one} {other}"
            );
        }
    }
    (text(&before), text(&after))
}

fn answer(wasm: &[u8], one: i32, other: i32) -> String {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let module = Module::new(&engine, wasm).unwrap();
    let instance = Linker::new(&engine)
        .instantiate_and_start(&mut store, &module)
        .unwrap();
    let function = instance.get_func(&store, "f").unwrap();
    let mut results = [wasmi::Val::I64(0)];
    let arguments = [one, other].map(wasmi::Val::I32);
    match function.call(&mut store, &arguments, &mut results) {
        Ok(()) => format!("{results:?}"),
        Err(error) => error.to_string(),
    }
}

fn text(wasm: &[u8]) -> String {
    let mut text = Vec::new();
    for payload in Parser::new(0).parse_all(wasm) {
        if let Payload::CodeSectionEntry(body) = payload.unwrap() {
            for group in body.get_locals_reader().unwrap() {
                let (count, ty) = group.unwrap();
                text.push(format!("{count} {ty}"));
            }
            for operator in body.get_operators_reader().unwrap() {
                let operator = format!("{:?}", operator.unwrap());
                text.push(
                    operator
                        .replace("relative_depth: ", "")
                        .replace("local_index: ", "")
                        .replace("value: ", "")
                        .replace("blockty: ", ""),
                );
            }
        }
    }
    text.join("; ")
}

/// A function of a number of 64 bits, before and after; and that it answers the same, for some of them.
fn narrowed(body: &str) -> (String, String) {
    let wat = format!(
        r#"(module (memory 1) (func (export "f") (param i32 i32) (result i64) (local i64 i64)
            (local.set 2 (i64.or (i64.shl (i64.extend_i32_u (local.get 0)) (i64.const 32)) (i64.extend_i32_u (local.get 1))))
            {body}))"#
    );
    let before = wat::parse_str(wat).unwrap();
    let after = shape(&before).unwrap();
    for one in [0, 1, 70, -1] {
        for other in [0, 1, 70, i32::MIN, -1] {
            assert_eq!(
                answer(&before, one, other),
                answer(&after, one, other),
                "{one} {other}"
            );
        }
    }
    (text(&before), text(&after))
}

#[test]
fn a_local_that_has_low_halves_only_has_32_bits() {
    let (before, after) = narrowed(
        "(block
            (br_if 0 (i64.eqz (local.tee 3 (i64.and (local.get 2) (i64.const 0xffffffff)))))
            (br_if 0 (i64.gt_u (local.get 3) (i64.const 50)))
            (i32.store (i32.const 8) (i32.wrap_i64 (local.get 2)))
            (local.set 2 (i64.const 7)))
         (i64.add (local.get 2) (i64.extend_i32_u (i32.load (i32.const 8))))",
    );
    assert!(before.contains("I64And") && before.contains("I32WrapI64; I32Store"));
    assert!(
        after.contains(
            "LocalGet { 2 }; I32WrapI64; LocalTee { 3 }; If { Empty }; LocalGet { 3 }; I64ExtendI32U"
        )
            && after.contains("LocalGet { 3 }; I32Store"),
        "{after}"
    );
}

#[test]
fn a_local_that_has_more_once_or_is_read_too_often_stays_wide() {
    for body in [
        // It is something else at first.
        "(local.set 3 (local.get 2)) (drop (i64.eqz (local.get 3)))
         (local.set 3 (i64.and (local.get 2) (i64.const 0xffffffff))) (local.get 3)",
        // With a sign.
        "(local.set 3 (i64.extend_i32_s (local.get 1))) (drop (i64.eqz (local.get 3))) (local.get 3)",
        // Each look takes a byte more.
        "(local.set 3 (i64.and (local.get 2) (i64.const 0xffffffff)))
         (i64.add (local.get 3) (i64.mul (local.get 3) (local.get 3)))",
    ] {
        let (before, after) = narrowed(body);
        assert_eq!(before, after);
    }
}

#[test]
fn a_result_lies_on_the_stack_and_its_zeros_are_shifted_in() {
    let (_, after) = shaped(
        "i64",
        "(local.set 3 (i64.const 0x300000000))
         (block
            (br_if 0 (i32.eqz (local.get 0)))
            (local.set 2 (local.get 1))
            (block (br_if 0 (local.get 2)) (local.set 2 (i32.const 1)))
            (br_if 0 (i32.eq (local.get 2) (i32.const 70)))
            (local.set 3 (i64.const 0x100000000)))
         (local.get 3)",
    );
    assert!(
        after.starts_with("1 i32; Block { Type(I64) }; I64Const { 3 }; LocalGet { 0 }"),
        "{after}"
    );
    assert!(
        after.ends_with("Drop; I64Const { 1 }; End; I64Const { 32 }; I64Shl; End"),
        "{after}"
    );
}

#[test]
fn a_result_stays_in_its_local_where_a_branch_cannot_bring_it() {
    // A branch out of a block inside, one with something else on the stack, and a local that is used.
    for (inside, behind) in [
        ("(block (br_if 1 (local.get 0)))", ""),
        ("(local.get 1) (br_if 0 (local.get 0)) (drop)", ""),
        ("(br_if 0 (local.get 0))", "(drop) (local.get 3)"),
        ("(br_if 0 (local.get 0)) (drop (local.get 3))", ""),
    ] {
        let (before, after) = shaped(
            "i32",
            &format!(
                "(local.set 3 (i32.const 8)) (block {inside} (local.set 3 (i32.const 9))) (local.get 3) {behind}"
            ),
        );
        assert_eq!(
            after,
            before.replace("2 i32", "1 i32").replace("{ 3 }", "{ 2 }"),
            "{inside}"
        );
    }
}

#[test]
fn what_follows_an_if_that_leaves_the_block_is_its_else() {
    let (_, after) = shaped(
        "i32",
        "(block
            (if (local.get 0) (then (local.set 3 (i32.const 8)) (br 1)))
            (local.set 3 (i32.const 9)))
         (local.get 3)",
    );
    assert_eq!(
        after,
        "1 i32; LocalGet { 0 }; If { Empty }; I32Const { 8 }; LocalSet { 2 }; Else; I32Const { 9 }; \
         LocalSet { 2 }; End; LocalGet { 2 }; End"
    );
    // The block stays where something else leaves it, and labels are as many blocks away as they were.
    let (_, after) = shaped(
        "i32",
        "(block
          (block
            (br_if 0 (i32.eq (local.get 1) (i32.const 2)))
            (if (local.get 0) (then (local.set 3 (i32.const 8)) (br_if 2 (local.get 1)) (br 1)))
            (br_if 1 (i32.eqz (local.get 1)))
            (br_if 0 (i32.eq (local.get 1) (i32.const 70)))
            (local.set 3 (i32.const 9)))
          (local.set 3 (i32.add (local.get 3) (i32.const 30))))
         (local.get 3)",
    );
    assert!(
        after.contains("BrIf { 2 }; Else; LocalGet { 1 }; I32Eqz; BrIf { 2 }"),
        "{after}"
    );
    // Who leaves the `if` alone goes on behind it.
    let body = "(block
            (if (local.get 0) (then (br_if 0 (local.get 1)) (local.set 3 (i32.const 8)) (br 1)))
            (local.set 3 (i32.const 9)))
         (local.get 3)";
    let (before, after) = shaped("i32", body);
    assert_eq!(
        after,
        before.replace("2 i32", "1 i32").replace("{ 3 }", "{ 2 }")
    );
    // What follows takes what was there before.
    let body = "(block
            (local.get 1)
            (if (local.get 0) (then (local.set 3 (i32.const 8)) (br 1)))
            (local.set 3))
         (local.get 3)";
    let (before, after) = shaped("i32", body);
    assert_eq!(
        after,
        before.replace("2 i32", "1 i32").replace("{ 3 }", "{ 2 }")
    );
}

#[test]
fn a_copy_of_nothing_from_beyond_the_memory_stays_one() {
    // Without the look at the length, this traps.
    let (before, after) = shaped(
        "i32",
        "(if (local.get 0) (then (memory.copy (i32.const 8) (i32.add (local.get 1) (i32.const 1000000)) (local.get 0))))
         (local.get 1)",
    );
    assert_eq!(
        before.matches("If").count(),
        after.matches("If").count(),
        "{after}"
    );
}

#[test]
fn a_second_look_is_not_taken() {
    let two = |least: u32, second: &str| {
        shaped(
            "i32",
            &format!(
                "(block
                    (local.set 2 (i32.const 0))
                    (if (i32.ge_u (local.get 0) (i32.const {least}))
                        (then (i32.store (local.tee 2 (i32.sub (local.get 0) (i32.const 6))) (i32.const 4))))
                    {second}
                    (local.set 3 (i32.add (local.get 2) (i32.const 1))))
                 (i32.add (local.get 3) (local.get 2))"
            ),
        )
    };
    let (_, after) = two(7, "(br_if 0 (i32.eqz (local.get 2)))");
    assert!(
        after.contains(
            "I32Const { 7 }; I32GeU; If { Empty }; LocalGet { 0 }; I32Const { 6 }; I32Sub"
        ),
        "{after}"
    );
    assert_eq!(after.matches("If").count(), 1, "{after}");
    let (_, after) = two(
        7,
        "(if (local.get 2) (then (local.set 3 (i32.const 5)) (br 1)) (else (local.set 3 (i32.const 4))))",
    );
    assert_eq!(after.matches("If").count(), 1, "{after}");
    // It may be 0 all the same.
    let (_, after) = two(6, "(br_if 0 (i32.eqz (local.get 2)))");
    assert_eq!(after.matches("If {").count(), 2, "{after}");
}

#[test]
fn a_function_with_other_labels_stays_as_it_is() {
    let wasm = wat::parse_str(
        r#"(module (func (export "f") (param funcref) (local i32)
            (block (block (drop (br_on_null 1 (ref.null func))) (if (i32.const 1) (then (br 1))) (nop)))))"#,
    );
    let Ok(wasm) = wasm else {
        panic!("not understood")
    };
    assert_eq!(shape(&wasm).unwrap(), wasm);
}

#[test]
fn a_block_that_is_left_at_once_is_an_if() {
    let (_, after) = shaped(
        "i32",
        "(block
            (local.set 2 (i32.const 5))
            (br_if 0 (i32.gt_u (local.get 0) (local.get 1)))
            (br_if 0 (local.get 2))
            (local.set 3 (i32.const 9)))
         (i32.add (local.get 2) (local.get 3))",
    );
    assert!(
        after.contains(
            "LocalGet { 1 }; I32LeU; If { Empty }; LocalGet { 2 }; BrIf { 0 }; I32Const { 9 }"
        ),
        "{after}"
    );
    let (_, after) = shaped(
        "i32",
        "(block (br_if 0 (i32.eqz (local.get 0))) (local.set 3 (i32.const 9))) (local.get 3)",
    );
    assert!(
        after.contains("LocalGet { 0 }; If { Empty }; I32Const { 9 }"),
        "{after}"
    );
    // What is no comparison would have to be turned around first, and what follows may take what was there.
    for inside in [
        "(br_if 0 (local.get 0)) (local.set 3 (i32.const 9))",
        "(local.get 1) (br_if 0 (i32.eqz (local.get 0))) (local.set 3)",
    ] {
        let (before, after) = shaped("i32", &format!("(block {inside}) (local.get 3)"));
        assert_eq!(
            after,
            before.replace("2 i32", "1 i32").replace("{ 3 }", "{ 2 }")
        );
    }
}

#[test]
fn a_low_half_is_taken_from_the_local_that_has_it() {
    let narrow = |between: &str| {
        let body = format!(
            "(local.set 3 (i64.extend_i32_s (local.get 0)))
             (local.set 2 (i32.wrap_i64 (local.get 3)))
             {between}
             (i64.extend_i32_u (i32.wrap_i64 (local.get 3)))"
        );
        shaped("i64", &body).1.matches("I32WrapI64").count()
    };
    assert_eq!(narrow("(local.set 1 (local.get 2))"), 1);
    assert_eq!(
        narrow("(local.set 2 (i32.const 4)) (local.set 1 (local.get 2))"),
        2
    );
    assert_eq!(
        narrow("(local.set 3 (i64.const 4)) (local.set 1 (local.get 2))"),
        2
    );
    assert_eq!(
        narrow("(if (local.get 1) (then (local.set 2 (i32.const 4)))) (local.set 1 (local.get 2))"),
        2
    );
    // In a block, and in a loop that sets one of them behind that.
    let inside = |block: &str| {
        narrow(&format!(
            "({block} (local.set 1 (i32.wrap_i64 (local.get 3)))) (local.set 2 (i32.const 1)) (local.set 1 (local.get 2))"
        ))
    };
    assert_eq!(inside("block"), 2);
    let looped = "(loop (local.set 1 (i32.wrap_i64 (local.get 3))) (local.set 3 (i64.const 0)) (br_if 0 (local.get 1)))
         (local.set 1 (local.get 2))";
    assert_eq!(narrow(looped), 3);
}
