//! Modules taken apart: every byte is booked once.

use crate::wasm::anatomy::*;

fn anatomy(wat: &str) -> (Vec<u8>, Anatomy) {
    let wasm = wat::parse_str(wat).unwrap();
    let anatomy = Anatomy::of(&wasm).unwrap();
    (wasm, anatomy)
}

const FLARE: &str = r#"(module
    (import "flaron/v1" "resp_set_status" (func $status (param i32)))
    (import "flaron/v1" "log_info" (func $log (param i32 i32)))
    (memory (export "memory") 5)
    (global (export "__data_end") i32 (i32.const 1024))
    (func $handler (export "handle_request") (result i64)
        (call $status (i32.const 200)) (i64.const 4294967296))
    (func $_ZN4core3fmt5write17h0123456789abcdefE (param i32) (drop (local.get 0)))
    (data (i32.const 1024) "hello\00edge"))"#;

#[test]
fn the_sections_add_up_to_the_file() {
    let (wasm, anatomy) = anatomy(FLARE);
    let sum: u64 = anatomy.sections.iter().map(|s| s.bytes).sum();
    assert_eq!(sum, wasm.len() as u64);
    assert_eq!(anatomy.total, wasm.len() as u64);
    assert_eq!(anatomy.section("header"), 8);
}

#[test]
fn parts_and_overhead_add_up_to_their_section() {
    let (_, anatomy) = anatomy(FLARE);
    // Two functions: id, one-byte length, count.
    let functions = anatomy.functions.iter().map(|f| f.bytes);
    assert_eq!(anatomy.overhead("code", functions), 3);
    assert_eq!(
        anatomy.overhead("import", anatomy.imports.iter().map(|i| i.bytes)),
        3
    );
    assert_eq!(
        anatomy.overhead("export", anatomy.exports.iter().map(|e| e.bytes)),
        3
    );
    assert_eq!(
        anatomy.overhead("data", anatomy.data.iter().map(|d| d.bytes)),
        3
    );
}

#[test]
fn functions_have_demangled_names_and_their_sizes() {
    let (_, anatomy) = anatomy(FLARE);
    let names: Vec<_> = anatomy.functions.iter().map(|f| f.name.as_str()).collect();
    assert_eq!(names, ["handler", "core::fmt::write"]);
    // local.get 0, drop, end; no locals; the length field.
    assert_eq!(anatomy.functions[1].bytes, 6);
    assert_eq!(anatomy.functions[1].index, 3);
}

#[test]
fn without_a_name_section_exports_give_the_names() {
    let (_, anatomy) = anatomy(
        r#"(module (func (export "alloc") (param i32) (result i32) (local.get 0)) (func))"#,
    );
    assert!(!anatomy.has_names);
    assert_eq!(anatomy.functions[0].name, "alloc");
    assert_eq!(anatomy.functions[1].name, "func[1]");
}

#[test]
fn an_import_costs_its_names_and_four_bytes() {
    let (_, anatomy) = anatomy(FLARE);
    // Two length fields, the kind, the type index.
    assert_eq!(
        anatomy.imports[1].bytes,
        ("flaron/v1".len() + "log_info".len() + 4) as u64
    );
}

#[test]
fn memory_is_found_own_or_imported() {
    assert_eq!(anatomy(FLARE).1.memory_pages, Some(5));
    let imported = r#"(module (import "env" "memory" (memory 7)))"#;
    assert_eq!(anatomy(imported).1.memory_pages, Some(7));
    assert_eq!(anatomy("(module)").1.memory_pages, None);
}

#[test]
fn the_stack_is_the_first_global_if_that_can_change() {
    let stack = |wat| anatomy(wat).1.stack;
    assert_eq!(stack("(module (func))"), None);
    assert_eq!(stack(FLARE), None);
    let used = r#"(module
        (import "env" "log" (func))
        (import "env" "base" (global i32))
        (global $sp (mut i32) (i32.const 4096))
        (global $count (mut i32) (i32.const 7))
        (func (drop (global.get 0)))
        (func (global.set $sp (i32.sub (global.get $sp) (i32.const 16))))
        (func (drop (global.get $count)))
        (func (drop (global.get $sp))))"#;
    let expected = Stack {
        starts_at: 4096,
        used_by: vec![2, 4],
    };
    assert_eq!(stack(used), Some(expected));
}

#[test]
fn data_segments_have_address_and_preview() {
    let (_, anatomy) = anatomy(FLARE);
    assert_eq!(anatomy.data[0].address, Some(1024));
    assert_eq!(anatomy.data[0].preview, "hello.edge");
}

#[test]
fn what_is_no_module_is_refused_kindly() {
    let text = Anatomy::of(b"(module)").unwrap_err().to_string();
    assert!(text.contains("text file"), "{text}");
    assert!(Anatomy::of(b"\0asm\x01\0\0\0\x01\x7f").is_err());
    let component = Anatomy::of(b"\0asm\x0d\0\x01\0").unwrap_err().to_string();
    assert!(component.contains("core modules"), "{component}");
}

#[test]
fn leb128_lengths() {
    for (value, length) in [(0, 1), (127, 1), (128, 2), (16383, 2), (16384, 3)] {
        assert_eq!(leb128_len(value), length, "{value}");
    }
}

#[test]
fn a_stack_of_1_mib_is_the_linkers_own() {
    let has = |wat| anatomy(wat).1.has_default_stack();
    assert!(has("(module (global (mut i32) (i32.const 1048576)))"));
    assert!(!has("(module (global (mut i32) (i32.const 4096)))"));
    assert!(has("(module (memory 20) (data (i32.const 1048580) \"x\"))"));
    assert!(!has("(module (memory 20) (data (i32.const 4096) \"x\"))"));
    assert!(!has("(module)"));
}
