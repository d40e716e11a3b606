//! Rewrites the module, with globals in place of words.

use std::collections::HashMap;
use std::convert::Infallible;

use wasm_encoder::reencode::{self, Reencode};
use wasm_encoder::{CodeSection, ConstExpr, GlobalSection, GlobalType, Instruction, ValType};
use wasmparser::{FunctionBody, GlobalSectionReader, TypeRef};

use crate::wasm::words::{Access, Kind, Place, Word};

/// Writes a module in which some words are globals.
#[derive(Default)]
pub(super) struct Mover {
    /// The new globals.
    types: Vec<ValType>,
    /// What stands in place of an instruction. New globals are numbered from 0 here.
    edits: HashMap<Place, Vec<Instruction<'static>>>,
    /// How many globals come before the new ones.
    globals: u32,
    /// The function that is being written.
    function: usize,
}

impl Mover {
    pub(super) fn add(&mut self, word: &Word) -> u32 {
        self.types.push(if word.is_wide() {
            ValType::I64
        } else {
            ValType::I32
        });
        self.types.len() as u32 - 1
    }

    pub(super) fn replace(&mut self, access: &Access, word: &Word, global: u32) {
        use Instruction as I;
        let mut edit = Vec::new();
        match access.kind {
            Kind::Store32 | Kind::Store64 => edit.push(I::GlobalSet(global)),
            _ => edit.push(I::GlobalGet(global)),
        }
        if word.is_wide() && access.bytes.len() == 4 {
            if access.bytes.start != word.place.start {
                edit.extend([I::I64Const(32), I::I64ShrU]);
            }
            edit.push(I::I32WrapI64);
        }
        match access.kind {
            Kind::Load32Signed64 => edit.push(I::I64ExtendI32S),
            Kind::Load32Unsigned64 => edit.push(I::I64ExtendI32U),
            _ => {}
        }
        self.edits.insert(access.address, Vec::new());
        self.edits.insert(access.at, edit);
    }
}

impl Reencode for Mover {
    type Error = Infallible;

    fn parse_import_section(
        &mut self,
        imports: &mut wasm_encoder::ImportSection,
        section: wasmparser::ImportSectionReader<'_>,
    ) -> Result<(), reencode::Error> {
        for import in section.clone().into_imports() {
            self.globals += u32::from(matches!(import?.ty, TypeRef::Global(_)));
        }
        reencode::utils::parse_import_section(self, imports, section)
    }

    fn parse_global_section(
        &mut self,
        globals: &mut GlobalSection,
        section: GlobalSectionReader<'_>,
    ) -> Result<(), reencode::Error> {
        self.globals += section.count();
        reencode::utils::parse_global_section(self, globals, section)?;
        for &val_type in &self.types {
            let zero = match val_type {
                ValType::I64 => ConstExpr::i64_const(0),
                _ => ConstExpr::i32_const(0),
            };
            let global_type = GlobalType {
                val_type,
                mutable: true,
                shared: false,
            };
            globals.global(global_type, &zero);
        }
        Ok(())
    }

    fn parse_function_body(
        &mut self,
        code: &mut CodeSection,
        body: FunctionBody<'_>,
    ) -> Result<(), reencode::Error> {
        let mut function = self.new_function_with_parsed_locals(&body)?;
        let mut reader = body.get_operators_reader()?;
        let mut number = 0;
        while !reader.eof() {
            let instruction = self.parse_instruction(&mut reader)?;
            match self.edits.get(&(self.function, number)) {
                None => {
                    function.instruction(&instruction);
                }
                Some(edit) => {
                    for part in edit {
                        function.instruction(&match part {
                            Instruction::GlobalGet(new) => {
                                Instruction::GlobalGet(self.globals + new)
                            }
                            Instruction::GlobalSet(new) => {
                                Instruction::GlobalSet(self.globals + new)
                            }
                            other => other.clone(),
                        });
                    }
                }
            }
            number += 1;
        }
        code.function(&function);
        self.function += 1;
        Ok(())
    }
}
