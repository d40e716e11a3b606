//! Takes a Wasm module apart and attributes every byte.
//!
//! `wasmparser` does the parsing; this is only the accounting. It is exact: the sections (with the 8 bytes
//! of the file header as the first) add up to the file, and what the parts of a section leave over (its
//! id, length and count) is reported as overhead.

use std::collections::HashMap;
use std::ops::Range;

use anyhow::{Context, Result, bail};
use serde::Serialize;
use wasmparser::{DataKind, ExternalKind, KnownCustom, Name, Operator, Parser, Payload, TypeRef};

/// A module, taken apart.
#[derive(Debug, Clone, Serialize)]
pub struct Anatomy {
    pub total: u64,
    pub sections: Vec<Section>,
    pub functions: Vec<Function>,
    pub data: Vec<Segment>,
    pub imports: Vec<Import>,
    pub exports: Vec<Export>,
    /// Initial size of the first memory, own or imported, in pages of 64 KiB.
    pub memory_pages: Option<u64>,
    /// The stack in the memory; `None` if the module has no stack pointer (`wasm-opt` takes off one
    /// that nothing uses).
    pub stack: Option<Stack>,
    /// Whether the module carries a `name` section. Without it functions have the names of
    /// their exports, or none.
    pub has_names: bool,
}

/// One section with its id and length fields; the file header counts as one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Section {
    /// `code`, `data`, … or `custom:` and the custom section's own name.
    pub name: String,
    pub bytes: u64,
}

impl Section {
    pub fn is_custom(&self) -> bool {
        self.name.starts_with("custom:")
    }
}

/// A function the module defines (imported functions are [`Import`]s).
#[derive(Debug, Clone, Serialize)]
pub struct Function {
    /// Index in the function index space, imports first.
    pub index: u32,
    /// Demangled, without the hash; `func[12]` where the module does not say.
    pub name: String,
    /// The body and the length field in front of it.
    pub bytes: u64,
}

/// A data segment.
#[derive(Debug, Clone, Serialize)]
pub struct Segment {
    /// Where it goes in memory; `None` for passive segments and computed offsets.
    pub address: Option<i64>,
    /// The segment with its header.
    pub bytes: u64,
    /// The first bytes, made printable.
    pub preview: String,
}

/// The stack for what does not fit into Wasm locals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stack {
    /// What the stack pointer starts with: the stack's size, if it comes first in the memory (as
    /// LLVM's linker has it unless told otherwise).
    pub starts_at: i32,
    /// The functions that use it, by their index.
    pub used_by: Vec<u32>,
}

#[derive(Debug, Clone, Serialize)]
pub struct Import {
    pub module: String,
    pub name: String,
    pub kind: &'static str,
    pub bytes: u64,
}

#[derive(Debug, Clone, Serialize)]
pub struct Export {
    pub name: String,
    pub kind: &'static str,
    pub bytes: u64,
}

/// Refuses what is not a valid core Wasm module.
pub fn check(wasm: &[u8]) -> Result<()> {
    if !wasm.starts_with(b"\0asm") {
        bail!("not a Wasm module: it does not start with \"\\0asm\" (is it a text file?)");
    }
    if Parser::is_component(wasm) {
        bail!("a Wasm component; flares are core modules");
    }
    wasmparser::validate(wasm).context("not a valid Wasm module")?;
    Ok(())
}

impl Anatomy {
    /// Takes `wasm` apart. Refuses what is not a valid core Wasm module.
    pub fn of(wasm: &[u8]) -> Result<Self> {
        check(wasm)?;
        let mut taker = Taker::default();
        for payload in Parser::new(0).parse_all(wasm) {
            taker.take(payload?)?;
        }
        Ok(taker.finish(wasm.len() as u64))
    }

    /// Bytes of the custom sections: names, what made it, debug information. No host looks at them, and
    /// `strip = true` leaves them out.
    pub fn custom(&self) -> u64 {
        let custom = self.sections.iter().filter(|section| section.is_custom());
        custom.map(|section| section.bytes).sum()
    }

    /// Bytes of everything else: what a flare deploys.
    pub fn stripped(&self) -> u64 {
        self.total - self.custom()
    }

    /// Whether the module has the stack of 1 MiB that Rust's linker gives it unless told otherwise:
    /// the sign that it was linked without flags. Where an optimiser has removed a stack pointer that
    /// nothing used, data that begins behind such a stack is the sign.
    pub fn has_default_stack(&self) -> bool {
        const DEFAULT: i64 = 1 << 20;
        match &self.stack {
            Some(stack) => i64::from(stack.starts_at) == DEFAULT,
            None => {
                let first_data = self.data.iter().filter_map(|data| data.address).min();
                first_data.is_some_and(|first| (DEFAULT..2 * DEFAULT).contains(&first))
            }
        }
    }

    /// Bytes of all sections called `name`.
    pub fn section(&self, name: &str) -> u64 {
        self.sections
            .iter()
            .filter(|section| section.name == name)
            .map(|section| section.bytes)
            .sum()
    }

    /// What is in section `name` and not in the parts given: id, length, count.
    pub fn overhead(&self, name: &str, parts: impl Iterator<Item = u64>) -> u64 {
        self.section(name) - parts.sum::<u64>()
    }
}

/// The state of one walk through a module.
#[derive(Default)]
struct Taker<'a> {
    sections: Vec<Section>,
    /// Where the last section ended, and so where the next one begins.
    end: u64,
    bodies: Vec<u64>,
    data: Vec<Segment>,
    imports: Vec<Import>,
    imported_functions: u32,
    exports: Vec<Export>,
    exported_functions: HashMap<u32, &'a str>,
    names: HashMap<u32, &'a str>,
    has_names: bool,
    memory_pages: Option<u64>,
    imported_globals: u32,
    stack: Option<Stack>,
}

impl<'a> Taker<'a> {
    fn take(&mut self, payload: Payload<'a>) -> Result<()> {
        if let Payload::Version { range, .. } = &payload {
            self.section("header".into(), range);
        } else if let Some((id, range)) = payload.as_section() {
            self.section(section_name(id, &payload), &range);
        }
        match payload {
            Payload::ImportSection(reader) => {
                let end = reader.range().end;
                let imports = reader
                    .into_imports_with_offsets()
                    .collect::<Result<Vec<_>, _>>()?;
                let starts = imports.iter().map(|(start, _)| *start);
                let sizes = sizes(starts, end);
                for ((_, import), bytes) in imports.iter().zip(sizes) {
                    match import.ty {
                        TypeRef::Func(_) | TypeRef::FuncExact(_) => self.imported_functions += 1,
                        TypeRef::Memory(memory) => {
                            self.memory_pages.get_or_insert(memory.initial);
                        }
                        TypeRef::Global(_) => self.imported_globals += 1,
                        _ => {}
                    }
                    self.imports.push(Import {
                        module: import.module.to_string(),
                        name: import.name.to_string(),
                        kind: import_kind(&import.ty),
                        bytes,
                    });
                }
            }
            Payload::MemorySection(reader) => {
                for memory in reader {
                    self.memory_pages.get_or_insert(memory?.initial);
                }
            }
            Payload::GlobalSection(reader) => {
                // The linker makes the stack pointer the first global; the others that it makes are
                // constants.
                if let Some(first) = reader.into_iter().next() {
                    let first = first?;
                    let start = first.init_expr.get_operators_reader().read()?;
                    // A stack has room; a word that `cargo size slim` has moved here begins as 0.
                    if let (true, Operator::I32Const { value: value @ 1.. }) =
                        (first.ty.mutable, start)
                    {
                        self.stack = Some(Stack {
                            starts_at: value,
                            used_by: Vec::new(),
                        });
                    }
                }
            }
            Payload::ExportSection(reader) => {
                let end = reader.range().end;
                let exports = reader
                    .into_iter_with_offsets()
                    .collect::<Result<Vec<_>, _>>()?;
                let sizes = sizes(exports.iter().map(|(start, _)| *start), end);
                for ((_, export), bytes) in exports.iter().zip(sizes) {
                    if export.kind == ExternalKind::Func {
                        self.exported_functions.insert(export.index, export.name);
                    }
                    self.exports.push(Export {
                        name: export.name.to_string(),
                        kind: export_kind(export.kind),
                        bytes,
                    });
                }
            }
            Payload::CodeSectionEntry(body) => {
                if let Some(stack) = &mut self.stack {
                    let mut used = false;
                    for operator in body.get_operators_reader()? {
                        if let Operator::GlobalGet { global_index }
                        | Operator::GlobalSet { global_index } = operator?
                        {
                            used |= global_index == self.imported_globals;
                        }
                    }
                    if used {
                        let index = self.imported_functions + self.bodies.len() as u32;
                        stack.used_by.push(index);
                    }
                }
                let range = body.range();
                let length = range.end - range.start;
                self.bodies.push(length + leb128_len(length));
            }
            Payload::DataSection(reader) => {
                for segment in reader {
                    let segment = segment?;
                    let address = match &segment.kind {
                        DataKind::Active { offset_expr, .. } => {
                            match offset_expr.get_operators_reader().read()? {
                                Operator::I32Const { value } => Some(i64::from(value)),
                                Operator::I64Const { value } => Some(value),
                                _ => None,
                            }
                        }
                        DataKind::Passive => None,
                    };
                    self.data.push(Segment {
                        address,
                        bytes: segment.range.end - segment.range.start,
                        preview: preview(segment.data),
                    });
                }
            }
            Payload::CustomSection(custom) => {
                if let KnownCustom::Name(names) = custom.as_known() {
                    for name in names {
                        // A name section that is broken is no reason to refuse the module:
                        // no engine looks at it.
                        if let Ok(Name::Function(map)) = name {
                            self.has_names = true;
                            self.names
                                .extend(map.into_iter().flatten().map(|n| (n.index, n.name)));
                        }
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Books everything from the end of the last section to the end of this one.
    fn section(&mut self, name: String, range: &Range<u64>) {
        self.sections.push(Section {
            name,
            bytes: range.end - self.end,
        });
        self.end = range.end;
    }

    fn finish(self, total: u64) -> Anatomy {
        let functions = self
            .bodies
            .iter()
            .zip(self.imported_functions..)
            .map(|(&bytes, index)| Function {
                index,
                name: self.function_name(index),
                bytes,
            })
            .collect();
        Anatomy {
            total,
            sections: self.sections,
            functions,
            data: self.data,
            imports: self.imports,
            exports: self.exports,
            memory_pages: self.memory_pages,
            stack: self.stack,
            has_names: self.has_names,
        }
    }

    fn function_name(&self, index: u32) -> String {
        let name = self
            .names
            .get(&index)
            .or_else(|| self.exported_functions.get(&index));
        match name {
            // `{:#}` leaves out the hash at the end of a legacy symbol, which changes with
            // every build and would make each function differ from itself in a diff.
            Some(name) => format!("{:#}", rustc_demangle::demangle(name)),
            None => format!("func[{index}]"),
        }
    }
}

/// The sizes of things that lie back to back from each start to the next, the last to `end`.
fn sizes(starts: impl Iterator<Item = u64>, end: u64) -> Vec<u64> {
    let starts: Vec<u64> = starts.collect();
    let ends = starts.iter().skip(1).copied().chain([end]);
    starts
        .iter()
        .zip(ends)
        .map(|(start, end)| end - start)
        .collect()
}

/// How many bytes `value` takes as an unsigned LEB128 number.
fn leb128_len(value: u64) -> u64 {
    let bits = u64::from(u64::BITS - value.leading_zeros()).max(1);
    bits.div_ceil(7)
}

fn section_name(id: u8, payload: &Payload) -> String {
    if let Payload::CustomSection(custom) = payload {
        return format!("custom:{}", custom.name());
    }
    let name = match id {
        1 => "type",
        2 => "import",
        3 => "function",
        4 => "table",
        5 => "memory",
        6 => "global",
        7 => "export",
        8 => "start",
        9 => "element",
        10 => "code",
        11 => "data",
        12 => "data count",
        13 => "tag",
        _ => return format!("section {id}"),
    };
    name.to_string()
}

fn import_kind(ty: &TypeRef) -> &'static str {
    match ty {
        TypeRef::Func(_) | TypeRef::FuncExact(_) => "func",
        TypeRef::Table(_) => "table",
        TypeRef::Memory(_) => "memory",
        TypeRef::Global(_) => "global",
        TypeRef::Tag(_) => "tag",
    }
}

fn export_kind(kind: ExternalKind) -> &'static str {
    match kind {
        ExternalKind::Func | ExternalKind::FuncExact => "func",
        ExternalKind::Table => "table",
        ExternalKind::Memory => "memory",
        ExternalKind::Global => "global",
        ExternalKind::Tag => "tag",
    }
}

/// The beginning of a data segment as text, with dots for what cannot be printed.
fn preview(data: &[u8]) -> String {
    const LENGTH: usize = 48;
    let mut text: String = data
        .iter()
        .take(LENGTH)
        .map(|&byte| match byte {
            b' '..=b'~' => byte as char,
            _ => '.',
        })
        .collect();
    if data.len() > LENGTH {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests;
