//! Removes from a flare what a host never looks at.
//!
//! rustc always asks the linker to export `__data_end` and `__heap_base`, which nothing uses;
//! 29 bytes of names and numbers, and they keep two globals alive that `wasm-opt` would drop.
//! `wasm-opt` can remove exports itself since version 132 only, so it is done here, before it
//! runs.

use std::convert::Infallible;

use anyhow::Result;
use wasm_encoder::reencode::{self, Reencode};
use wasmparser::ExternalKind;

use crate::wasm::rewrite::rewrite;

/// `wasm` without the linker's own exports and without custom sections.
pub fn strip(wasm: &[u8]) -> Result<Vec<u8>> {
    rewrite(
        wasm,
        &mut Stripper { keep_names: false },
        "removing exports",
    )
}

/// Like [`strip`], but the `name` section stays, for reports that name functions.
pub fn strip_keeping_names(wasm: &[u8]) -> Result<Vec<u8>> {
    rewrite(wasm, &mut Stripper { keep_names: true }, "removing exports")
}

/// Exports of globals whose name starts with two underscores come from the linker
/// (`__data_end`, `__heap_base`, `__stack_pointer`, …). Functions and memories are left alone
/// whatever their name: a host may call them.
fn is_needless(export: &wasmparser::Export) -> bool {
    export.kind == ExternalKind::Global && export.name.starts_with("__")
}

struct Stripper {
    keep_names: bool,
}

impl Reencode for Stripper {
    type Error = Infallible;

    fn parse_export(
        &mut self,
        exports: &mut wasm_encoder::ExportSection,
        export: wasmparser::Export<'_>,
    ) -> Result<(), reencode::Error> {
        if is_needless(&export) {
            return Ok(());
        }
        reencode::utils::parse_export(self, exports, export)
    }

    fn parse_custom_section(
        &mut self,
        module: &mut wasm_encoder::Module,
        section: wasmparser::CustomSectionReader<'_>,
    ) -> Result<(), reencode::Error> {
        if self.keep_names && section.name() == "name" {
            return reencode::utils::parse_custom_section(self, module, section);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wasm::anatomy::Anatomy;

    const FLARE: &str = r#"(module
        (import "flaron/v1" "resp_set_status" (func $status (param i32)))
        (memory (export "memory") 5)
        (table 2 funcref)
        (elem (i32.const 1) $helper)
        (global $sp (mut i32) (i32.const 4096))
        (global (export "__data_end") i32 (i32.const 1036))
        (global (export "__heap_base") i32 (i32.const 1040))
        (global (export "version") i32 (i32.const 3))
        (func (export "handle_request") (result i64)
            (call $status (i32.const 200)) (i64.const 4294967296))
        (func $helper (export "__flare_helper") (result i32) (global.get $sp))
        (data (i32.const 1024) "hello edge")
        (@custom "producers" "rustc"))"#;

    #[test]
    fn removes_the_linkers_exports_and_nothing_else() {
        let wasm = wat::parse_str(FLARE).unwrap();
        let stripped = strip(&wasm).unwrap();
        let before = Anatomy::of(&wasm).unwrap();
        let after = Anatomy::of(&stripped).unwrap();
        let names: Vec<_> = after.exports.iter().map(|e| e.name.as_str()).collect();
        assert_eq!(
            names,
            ["memory", "version", "handle_request", "__flare_helper"]
        );
        assert_eq!(after.imports.len(), before.imports.len());
        assert_eq!(after.section("code"), before.section("code"));
        assert_eq!(after.section("data"), before.section("data"));
        assert_eq!(after.section("element"), before.section("element"));
        assert!(
            after
                .sections
                .iter()
                .all(|s| !s.name.starts_with("custom:"))
        );
    }

    #[test]
    fn the_result_is_valid_and_smaller() {
        let wasm = wat::parse_str(FLARE).unwrap();
        let stripped = strip(&wasm).unwrap();
        wasmparser::validate(&stripped).unwrap();
        assert!(stripped.len() < wasm.len());
    }

    #[test]
    fn names_stay_where_they_are_wanted() {
        let wasm = wat::parse_str(FLARE).unwrap();
        let kept = strip_keeping_names(&wasm).unwrap();
        let anatomy = Anatomy::of(&kept).unwrap();
        assert!(anatomy.has_names);
        assert!(anatomy.functions.iter().any(|f| f.name == "helper"));
    }

    #[test]
    fn a_stripped_module_stays_as_it_is() {
        let once = strip(&wat::parse_str(FLARE).unwrap()).unwrap();
        assert_eq!(strip(&once).unwrap(), once);
    }
}
