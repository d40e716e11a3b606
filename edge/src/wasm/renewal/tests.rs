//! Which modules' instances are renewed, and that the exports that are added leave a module what it was.

use wasmtime::{Engine, Instance, Module, Store};

use super::*;

fn renewable(wat: &str) -> Option<Renewable> {
    Renewable::from_module(&wat::parse_str(wat).unwrap())
}

/// A module with one memory and this in its `handle_request`.
fn with(body: &str) -> String {
    format!(
        "(module (memory (export \"memory\") 1) (table 2 funcref)
           (global $a (mut i32) (i32.const 7)) (global $b (mut i64) (i64.const 8))
           (elem $e func 0) (data $d \"x\")
           (func (export \"handle_request\") (result i64) {body} (i64.const 0)))"
    )
}

#[test]
fn what_can_be_restored_is_renewable() {
    for body in [
        "",
        "(i32.store (i32.const 0) (i32.const 1))",
        "(drop (memory.grow (i32.const 1)))",
        "(memory.init $d (i32.const 0) (i32.const 0) (i32.const 1))",
        "(global.set $a (i32.const 1))",
        "(drop (table.get (i32.const 0)))",
    ] {
        assert!(renewable(&with(body)).is_some(), "{body}");
    }
}

#[test]
fn what_cannot_be_restored_is_not() {
    for body in [
        "(table.set (i32.const 0) (ref.func 0))",
        "(drop (table.grow (ref.null func) (i32.const 1)))",
        "(table.fill (i32.const 0) (ref.null func) (i32.const 1))",
        "(table.copy (i32.const 0) (i32.const 1) (i32.const 1))",
        "(table.init $e (i32.const 0) (i32.const 0) (i32.const 1))",
        "(elem.drop $e)",
        "(data.drop $d)",
    ] {
        assert!(renewable(&with(body)).is_none(), "{body}");
    }
    for module in [
        // Its memory cannot be reached, or is too large, or is not the only one.
        "(module (memory 1) (func (export \"f\")))",
        "(module (memory 1) (global (export \"memory\") i32 (i32.const 0)))",
        "(module (memory (export \"memory\") 3))",
        "(module (memory (export \"memory\") 1) (memory 1))",
        "(module (memory (export \"memory\") i64 1))",
        // The state of others, a start function, a global of a type that is not copied, exceptions.
        "(module (import \"m\" \"g\" (global (mut i32))) (func (export \"f\")))",
        "(module (import \"m\" \"m\" (memory 1)) (func (export \"f\")))",
        "(module (func $s (export \"f\")) (start $s))",
        "(module (global $g (mut v128) (v128.const i64x2 0 0))
           (func (export \"f\") (global.set $g (v128.const i64x2 1 1))))",
        "(module (tag $t) (func (export \"f\")))",
        // An export that is called as an added one is.
        "(module (func (export \"flaron-edge: global 0\")))",
        // No exports.
        "(module)",
    ] {
        assert!(renewable(module).is_none(), "{module}");
    }
    assert!(Renewable::from_module(b"no Wasm").is_none());
    assert!(Renewable::from_module(b"\0asm\x01\0\0\0\x07\x7f").is_none());
}

#[test]
fn the_globals_that_functions_change_are_exported() {
    let module = with("(global.set $b (i64.const 1)) (global.set $b (i64.const 2))");
    let before = wat::parse_str(&module).unwrap();
    let Renewable {
        wasm,
        globals,
        moved,
    } = Renewable::from_module(&before).unwrap();
    assert_eq!(globals, ["flaron-edge: global 1"]);
    assert_eq!(wasm.len(), before.len() + moved);
    let engine = Engine::default();
    let module = Module::new(&engine, &wasm).unwrap();
    let names: Vec<&str> = module.exports().map(|export| export.name()).collect();
    assert_eq!(names, ["memory", "handle_request", "flaron-edge: global 1"]);
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let global = instance.get_global(&mut store, &globals[0]).unwrap();
    assert_eq!(global.get(&mut store).unwrap_i64(), 8);
}

#[test]
fn a_long_section_of_exports_is_read_and_written() {
    // Its length, and the number of exports, take two bytes.
    let mut module = "(module (memory (export \"memory\") 1)".to_owned();
    for n in 0..MAX_GLOBALS {
        module += &format!("(global $g{n} (mut i32) (i32.const {n}))");
    }
    for n in 0..200 {
        let set = n % MAX_GLOBALS;
        module += &format!("(func (export \"f{n}\") (global.set $g{set} (i32.const 1)))");
    }
    let renewable = renewable(&(module + ")")).unwrap();
    assert_eq!(renewable.globals.len(), MAX_GLOBALS);
    let module = Module::new(&Engine::default(), &renewable.wasm).unwrap();
    assert_eq!(module.exports().len(), 1 + 200 + MAX_GLOBALS);
}
