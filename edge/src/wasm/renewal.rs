//! Which modules' instances can be restored to their initial state, and what has to be restored for that.
//!
//! An instance's state is its memory, its globals, its tables, and which of its passive segments have been dropped.
//! If no function of a module can change the last two, and the globals that it can change are accessible from
//! outside, an instance that has answered can be restored to its initial state. That costs a fraction of creating
//! another one, which for a small flare was a quarter of a request.
//!
//! A global is accessible if it is exported, and a flare's stack pointer is not. So the module is compiled with
//! additional exports.

use wasmparser::{BinaryReaderError, ExternalKind, Operator, Parser, Payload, TypeRef, ValType};

/// The largest memory that is restored, in bytes: clearing a larger one costs more than a fresh instance.
const MAX_MEMORY: u64 = 128 << 10;
/// The maximum number of globals that are restored.
const MAX_GLOBALS: usize = 16;
/// The prefix of the names of added exports.
const PREFIX: &str = "flaron-edge: global ";
/// The number of the export section.
const EXPORTS: u8 = 7;
/// The kind of an export that is a global.
const GLOBAL: u8 = 3;

/// A module whose instances can be restored.
#[derive(Debug)]
pub(crate) struct Renewable {
    /// The module, with an export for each global that its functions change.
    pub(crate) wasm: Vec<u8>,
    /// The names of these exports.
    pub(crate) globals: Vec<String>,
    /// By how many bytes its code was moved.
    pub(crate) moved: usize,
}

/// Whether an export is an added one.
pub(crate) fn is_added(export: &str) -> bool {
    export.starts_with(PREFIX)
}

impl Renewable {
    /// The module, if its instances can be restored. Whether it is valid is for the engine to
    /// decide.
    pub(crate) fn from_module(wasm: &[u8]) -> Option<Renewable> {
        let module = Facts::of(wasm).ok()??;
        let globals: Vec<String> = module
            .changed
            .iter()
            .map(|index| format!("{PREFIX}{index}"))
            .collect();
        let exports = module.exports?;
        let added = module.changed.iter().zip(&globals);
        let exporting = with_exports(wasm, &exports, added);
        Some(Renewable {
            moved: exporting.len() - wasm.len(),
            wasm: exporting,
            globals,
        })
    }
}

/// What a module says about its state.
#[derive(Debug, Default)]
struct Facts {
    /// For each of its globals, whether its type is one that can be restored.
    globals: Vec<bool>,
    /// The globals that its functions change.
    changed: Vec<u32>,
    memories: u32,
    /// Whether the host can reach the memory.
    has_memory_export: bool,
    exports: Option<Exports>,
}

/// Where a module's exports are.
#[derive(Debug)]
struct Exports {
    /// The start of the section, including its number.
    start: usize,
    /// The start of the first export.
    first: usize,
    end: usize,
    count: u32,
}

impl Facts {
    /// The facts about a module whose instances can be restored.
    fn of(wasm: &[u8]) -> Result<Option<Facts>, BinaryReaderError> {
        let mut facts = Facts::default();
        // The start of the first section.
        let mut before = 8;
        for payload in Parser::new(0).parse_all(wasm) {
            let payload = payload?;
            let section = payload.as_section();
            if !facts.admits(payload, before)? {
                return Ok(None);
            }
            if let Some((_, range)) = section {
                before = range.end;
            }
        }
        let are_known = facts
            .changed
            .iter()
            .all(|&index| facts.globals.get(index as usize) == Some(&true));
        let is_reached = facts.memories == 0 || (facts.memories == 1 && facts.has_memory_export);
        let can_be = are_known && is_reached;
        Ok(can_be.then_some(facts))
    }

    /// Records the facts in a part of a module. Returns whether its instances can still be restored. `before` is
    /// the end of the previous section.
    fn admits(&mut self, payload: Payload<'_>, before: usize) -> Result<bool, BinaryReaderError> {
        match payload {
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    // Anything imported is state that belongs to others. Flares import functions.
                    if !matches!(import?.ty, TypeRef::Func(_)) {
                        return Ok(false);
                    }
                }
            }
            Payload::MemorySection(memories) => {
                for memory in memories {
                    let memory = memory?;
                    self.memories += 1;
                    let is_plain =
                        !memory.memory64 && !memory.shared && memory.page_size_log2.is_none();
                    if !is_plain || memory.initial > MAX_MEMORY >> 16 {
                        return Ok(false);
                    }
                }
            }
            Payload::GlobalSection(globals) => {
                for global in globals {
                    use ValType::{F32, F64, I32, I64};
                    let ty = global?.ty;
                    let is_number = matches!(ty.content_type, I32 | I64 | F32 | F64);
                    self.globals.push(is_number && !ty.shared);
                }
            }
            Payload::ExportSection(exports) => {
                self.exports = Some(Exports {
                    start: before,
                    first: exports.original_position(),
                    end: exports.range().end,
                    count: exports.count(),
                });
                for export in exports {
                    let export = export?;
                    if is_added(export.name) {
                        return Ok(false);
                    }
                    self.has_memory_export |=
                        export.name == "memory" && export.kind == ExternalKind::Memory;
                }
            }
            Payload::CodeSectionEntry(body) => {
                for operator in body.get_operators_reader()? {
                    if !self.admits_operator(&operator?) {
                        return Ok(false);
                    }
                }
            }
            // A module's own header: its magic number and version, which precede the first section.
            Payload::Version { .. }
            | Payload::TypeSection(_)
            | Payload::FunctionSection(_)
            | Payload::TableSection(_)
            | Payload::ElementSection(_)
            | Payload::DataCountSection { .. }
            | Payload::DataSection(_)
            | Payload::CodeSectionStart { .. }
            | Payload::CustomSection(_)
            | Payload::End(_) => {}
            // A start function would have to run again; and nobody here knows what state anything else
            // brings.
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn admits_operator(&mut self, operator: &Operator<'_>) -> bool {
        match *operator {
            Operator::GlobalSet { global_index } => {
                if !self.changed.contains(&global_index) {
                    self.changed.push(global_index);
                }
                self.changed.len() <= MAX_GLOBALS
            }
            Operator::TableSet { .. }
            | Operator::TableGrow { .. }
            | Operator::TableFill { .. }
            | Operator::TableCopy { .. }
            | Operator::TableInit { .. }
            | Operator::ElemDrop { .. }
            | Operator::DataDrop { .. } => false,
            // The engine has neither threads nor a garbage-collected heap for guests: nothing else changes
            // any state but the memory's.
            _ => true,
        }
    }
}

/// The module with additional exports: globals, by number and name.
fn with_exports<'a>(
    wasm: &[u8],
    exports: &Exports,
    added: impl ExactSizeIterator<Item = (&'a u32, &'a String)>,
) -> Vec<u8> {
    let count = exports.count as usize + added.len();
    let mut content = Vec::new();
    write_number(&mut content, count);
    content.extend_from_slice(&wasm[exports.first..exports.end]);
    for (&index, name) in added {
        write_number(&mut content, name.len());
        content.extend_from_slice(name.as_bytes());
        content.push(GLOBAL);
        write_number(&mut content, index as usize);
    }
    let mut module = wasm[..exports.start].to_vec();
    module.push(EXPORTS);
    write_number(&mut module, content.len());
    module.extend_from_slice(&content);
    module.extend_from_slice(&wasm[exports.end..]);
    module
}

/// Writes a number in Wasm's encoding (LEB128).
fn write_number(to: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        to.push(number as u8 | 0x80);
        number >>= 7;
    }
    to.push(number as u8);
}

#[cfg(test)]
mod tests;
