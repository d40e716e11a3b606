//! Which modules' instances can be made as new as a fresh one, and what has to be restored for it.
//!
//! An instance's state is its memory, its globals, its tables, and which of its passive segments were dropped. Where
//! no function of a module can change the last two, and what it can change of the globals can be reached from
//! outside, an instance that has answered can be given back the state that it began with. That costs a fraction of
//! what making another one costs: for a small flare, that was a quarter of a request.
//!
//! A global can be reached if it is exported, and a flare's stack pointer is not. So the module is compiled
//! with exports that it did not have.

use wasmparser::{BinaryReaderError, ExternalKind, Operator, Parser, Payload, TypeRef, ValType};

/// The largest memory that is restored, in bytes: what is larger costs more to clear than a fresh instance costs.
const MAX_MEMORY: u64 = 128 << 10;
/// How many globals are restored at most.
const MAX_GLOBALS: usize = 16;
/// What the names of added exports begin with.
const PREFIX: &str = "flaron-edge: global ";
/// The number of the section of exports.
const EXPORTS: u8 = 7;
/// The kind of an export that is a global.
const GLOBAL: u8 = 3;

/// A module whose instances can be renewed.
#[derive(Debug)]
pub(crate) struct Renewable {
    /// The module, with an export for each global that its functions change.
    pub(crate) wasm: Vec<u8>,
    /// The names of these exports.
    pub(crate) globals: Vec<String>,
    /// By how many bytes its code was moved.
    pub(crate) moved: usize,
}

/// Whether an export is one that was added.
pub(crate) fn is_added(export: &str) -> bool {
    export.starts_with(PREFIX)
}

impl Renewable {
    /// The module, if its instances can be renewed. Whether it is valid is the engine's to say.
    pub(crate) fn from_module(wasm: &[u8]) -> Option<Renewable> {
        let module = Facts::of(wasm).ok()??;
        let globals: Vec<String> = module
            .changed
            .iter()
            .map(|index| format!("{PREFIX}{index}"))
            .collect();
        let exports = module.exports?;
        let added = module.changed.iter().zip(&globals);
        let wasm = with_exports(wasm, &exports, added);
        Some(Renewable {
            moved: wasm.len() - exports.module,
            wasm,
            globals,
        })
    }
}

/// What a module says of its state.
#[derive(Debug, Default)]
struct Facts {
    /// Its globals, by whether their type is one that is restored.
    globals: Vec<bool>,
    /// Those that its functions change.
    changed: Vec<u32>,
    memories: u32,
    /// Whether the host can reach the memory.
    has_memory_export: bool,
    exports: Option<Exports>,
}

/// Where a module has its exports.
#[derive(Debug)]
struct Exports {
    /// Where the section begins, with its number.
    start: usize,
    /// Where the first export begins.
    first: usize,
    end: usize,
    count: u32,
    /// The module's length.
    module: usize,
}

impl Facts {
    /// Those of a module whose instances can be renewed.
    fn of(wasm: &[u8]) -> Result<Option<Facts>, BinaryReaderError> {
        let mut facts = Facts::default();
        // Where the first section begins.
        let mut before = 8;
        for payload in Parser::new(0).parse_all(wasm) {
            let payload = payload?;
            let section = payload.as_section();
            if !facts.admits(payload, before, wasm.len())? {
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

    /// Takes note of a part of a module; whether its instances can still be renewed. `before` is where the section
    /// before this one ended.
    fn admits(
        &mut self,
        payload: Payload<'_>,
        before: usize,
        module: usize,
    ) -> Result<bool, BinaryReaderError> {
        match payload {
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    // What is imported is somebody else's state. A flare imports functions.
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
                    module,
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
            // A module's own: its number and version, which stand before the first section.
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
            // A start function would have to be run again; and of what else there is nobody here knows what
            // state it brings.
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
            // The engine has neither threads nor a heap of its own for guests: nothing else changes any state
            // but the memory's.
            _ => true,
        }
    }
}

/// The module with more exports: globals, by number and name.
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

/// Writes a number as Wasm has them (LEB128).
fn write_number(to: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        to.push(number as u8 | 0x80);
        number >>= 7;
    }
    to.push(number as u8);
}

#[cfg(test)]
mod tests;
