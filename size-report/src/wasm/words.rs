//! Moves words of memory that only constant addresses name into Wasm globals.
//!
//! A static that code reads and writes by name is, in Wasm, a load or a store at a constant address: six
//! bytes where a global takes two. `wasm-opt` cannot move it, because a pointer might name
//! the same place. This does where no pointer can:
//!
//! - the module comes straight from the linker (it exports `__data_end`, or has a stack pointer that no
//!   code names, which optimisers remove), so that all initialised data is in its segments to the last
//!   byte, and what follows them are zeroed statics;
//! - the word is such a static, and every access to any byte of it is a load or a store of the
//!   whole word, or of a half that is only read, at a constant address;
//! - no other constant of the module, in its code or its data, is an address from the end of the
//!   data to the end of the word. A pointer to a static begins as such a constant, and one into
//!   the data or the stack below stays in what it points to.
//!
//! The last is how compilers make pointers, and no law. So who uses this runs the result beside the
//! module that it was made of, and looks whether the words' old places have stayed zero
//! ([`behaviour`](crate::wasm::behaviour)).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use anyhow::Result;
use wasmparser::{
    DataKind, ExternalKind, FuncValidator, FuncValidatorAllocations, FunctionBody,
    GlobalSectionReader, MemArg, Operator, OperatorsReader, Parser, Payload, TypeRef, ValidPayload,
    Validator, WasmModuleResources,
};

use crate::wasm::rewrite::rewrite;
use crate::wasm::words::mover::Mover;

mod mover;

/// A module whose words are globals, and where they were.
#[derive(Debug)]
pub struct Moved {
    pub wasm: Vec<u8>,
    pub words: Vec<Range<u32>>,
}

/// Moves the words of `wasm` that can be moved.
pub fn move_to_globals(wasm: &[u8]) -> Result<Moved> {
    let words = Survey::of(wasm)?.words();
    let mut mover = Mover::default();
    for word in &words {
        let global = mover.add(word);
        for access in &word.accesses {
            mover.replace(access, word, global);
        }
    }
    Ok(Moved {
        wasm: rewrite(wasm, &mut mover, "moving words")?,
        words: words.iter().map(|word| word.place.clone()).collect(),
    })
}

/// Where an instruction is: the number of its function among those defined, and its own in that.
type Place = (usize, usize);

/// What an access does to the bytes at a constant address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Load32,
    Load32Signed64,
    Load32Unsigned64,
    Store32,
    Load64,
    Store64,
    /// Anything else.
    Other,
}

/// A load or a store at a constant address.
#[derive(Debug, Clone)]
struct Access {
    kind: Kind,
    bytes: Range<u32>,
    /// The instruction that puts the address on the stack, and the one that takes it.
    address: Place,
    at: Place,
}

/// A word that can become a global.
#[derive(Debug)]
struct Word {
    place: Range<u32>,
    accesses: Vec<Access>,
}

/// What a module does with constants and memory.
#[derive(Debug, Default)]
struct Survey {
    from_linker: bool,
    /// Whether the first global is defined here and can change, and whether code names a global.
    has_stack_pointer: bool,
    names_globals: bool,
    /// Where initialised data ends, and the stack below it.
    data_end: u32,
    memory_end: u64,
    accesses: Vec<Access>,
    /// Every other constant that could be an address.
    addresses: BTreeSet<u32>,
}

impl Survey {
    fn of(wasm: &[u8]) -> Result<Self> {
        let mut survey = Self::default();
        let mut validator = Validator::new();
        let mut allocations = FuncValidatorAllocations::default();
        let (mut function, mut globals) = (0, 0);
        for payload in Parser::new(0).parse_all(wasm) {
            let payload = payload?;
            if let ValidPayload::Func(to_validate, body) = validator.payload(&payload)? {
                let mut validator = to_validate.into_validator(allocations);
                survey.function(&mut validator, &body, function)?;
                allocations = validator.into_allocations();
                function += 1;
            }
            match payload {
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        globals += usize::from(matches!(import?.ty, TypeRef::Global(_)));
                    }
                }
                Payload::MemorySection(memories) => {
                    // Of several, none is known to be the one that is meant.
                    if let [memory] = memories.into_iter().collect::<Result<Vec<_>, _>>()?[..] {
                        survey.memory_end = memory.initial.saturating_mul(1 << 16);
                    }
                }
                Payload::GlobalSection(section) => survey.globals(section, globals)?,
                Payload::ExportSection(exports) => {
                    for export in exports {
                        let export = export?;
                        survey.from_linker |=
                            export.kind == ExternalKind::Global && export.name == "__data_end";
                    }
                }
                Payload::DataSection(segments) => {
                    for segment in segments {
                        survey.data(&segment?)?;
                    }
                }
                _ => {}
            }
        }
        survey.from_linker |= survey.has_stack_pointer && !survey.names_globals;
        Ok(survey)
    }

    fn globals(&mut self, section: GlobalSectionReader<'_>, imported: usize) -> Result<()> {
        for (number, global) in section.into_iter().enumerate() {
            let global = global?;
            if let Operator::I32Const { value } = global.init_expr.get_operators_reader().read()? {
                let stack_pointer = imported + number == 0 && global.ty.mutable;
                if stack_pointer {
                    self.has_stack_pointer = true;
                    self.data_end = self.data_end.max(value as u32);
                } else {
                    self.addresses.insert(value as u32);
                }
            }
        }
        Ok(())
    }

    fn data(&mut self, segment: &wasmparser::Data<'_>) -> Result<()> {
        let address = match &segment.kind {
            DataKind::Active { offset_expr, .. } => {
                match offset_expr.get_operators_reader().read()? {
                    Operator::I32Const { value } => Some(value as u32),
                    _ => None,
                }
            }
            DataKind::Passive => None,
        };
        // Data that may come to lie anywhere could be pointed to from anywhere.
        let end = address.and_then(|address| address.checked_add(segment.data.len() as u32));
        self.data_end = self.data_end.max(end.unwrap_or(u32::MAX));
        // Pointers in the data are aligned, as the data is.
        let skip = address.unwrap_or(0).next_multiple_of(4) - address.unwrap_or(0);
        let aligned = segment.data.get(skip as usize..).unwrap_or_default();
        for word in aligned.chunks_exact(4) {
            let word = u32::from_le_bytes(word.try_into().expect("four bytes"));
            self.addresses.insert(word);
        }
        Ok(())
    }

    fn function<R: WasmModuleResources>(
        &mut self,
        validator: &mut FuncValidator<R>,
        body: &FunctionBody<'_>,
        function: usize,
    ) -> Result<()> {
        let mut reader = body.get_binary_reader();
        validator.read_locals(&mut reader)?;
        let mut operators = OperatorsReader::new(reader);
        let mut stack: Vec<Option<Operand>> = Vec::new();
        // Constants, until it is known that they are no addresses.
        let mut constants: BTreeMap<usize, Vec<u32>> = BTreeMap::new();
        let mut number = 0;
        while !operators.eof() {
            let (operator, offset) = operators.read_with_offset()?;
            let before = stack.len();
            let taken = operator
                .operator_arity(validator)
                .map_or(before, |(taken, _)| taken as usize);
            let operands = stack.split_off(before.saturating_sub(taken));
            let memarg = memarg(&operator);
            if let Some(memarg) = memarg {
                let (kind, width) = kind(&operator);
                match operands.first() {
                    Some(&Some(Operand {
                        constant: Some(address),
                        by,
                    })) if operands.len() == taken => {
                        let start = u64::from(address).saturating_add(memarg.offset);
                        // An access of a width that is not known reaches as far as the widest.
                        if let (Ok(start), Ok(end)) = (
                            u32::try_from(start),
                            u32::try_from(start.saturating_add(width)),
                        ) {
                            constants.remove(&by);
                            self.accesses.push(Access {
                                kind,
                                bytes: start..end,
                                address: (function, by),
                                at: (function, number),
                            });
                        }
                    }
                    _ => {
                        self.addresses
                            .extend(u32::try_from(memarg.offset).ok().filter(|&o| o != 0));
                    }
                }
                // No address has 8 or 16 bits.
                if let (true, Some(Some(value))) = (stores_less(&operator), operands.get(1)) {
                    constants.remove(&value.by);
                }
            } else {
                let needless = no_addresses(&operator).iter();
                for operand in needless.filter_map(|&at| operands.get(at)?.as_ref()) {
                    constants.remove(&operand.by);
                }
            }
            let made = made_of(&operator, &operands);
            validator.op(offset, &operator)?;
            stack.resize(validator.operand_stack_height() as usize, None);
            let put = match operator {
                Operator::GlobalGet { .. } | Operator::GlobalSet { .. } => {
                    self.names_globals = true;
                    None
                }
                Operator::I32Const { value } => {
                    constants.insert(number, vec![value as u32]);
                    Some(Operand {
                        constant: Some(value as u32),
                        by: number,
                    })
                }
                // Pointers travel in pairs with lengths.
                Operator::I64Const { value } => {
                    constants.insert(number, vec![value as u32, (value >> 32) as u32]);
                    Some(Operand {
                        constant: None,
                        by: number,
                    })
                }
                _ => made,
            };
            if let (Some(_), Some(top)) = (put, stack.last_mut()) {
                *top = put;
            }
            number += 1;
        }
        self.addresses.extend(constants.into_values().flatten());
        Ok(())
    }

    /// The words that can be moved, and are worth it.
    fn words(mut self) -> Vec<Word> {
        if !self.from_linker {
            return Vec::new();
        }
        self.accesses.sort_by_key(|access| access.bytes.start);
        let mut words: Vec<Word> = Vec::new();
        for access in std::mem::take(&mut self.accesses) {
            match words.last_mut() {
                Some(word) if access.bytes.start < word.place.end => {
                    word.place.end = word.place.end.max(access.bytes.end);
                    word.accesses.push(access);
                }
                _ => words.push(Word {
                    place: access.bytes.clone(),
                    accesses: vec![access],
                }),
            }
        }
        words.retain(|word| {
            let place = &word.place;
            let mut between = self
                .addresses
                .range(self.data_end..place.end.max(self.data_end));
            place.start >= self.data_end
                && u64::from(place.end) <= self.memory_end
                && between.next().is_none()
                && word.is_one()
                && word.accesses.len() > 1
        });
        words
    }
}

impl Word {
    /// Whether all its accesses are those of one word.
    fn is_one(&self) -> bool {
        let whole = |access: &Access| access.bytes == self.place;
        match self.place.len() {
            4 => self
                .accesses
                .iter()
                .all(|access| whole(access) && access.kind != Kind::Other),
            8 => self.accesses.iter().all(|access| match access.kind {
                Kind::Load64 | Kind::Store64 => whole(access),
                Kind::Load32 | Kind::Load32Signed64 | Kind::Load32Unsigned64 => {
                    (access.bytes.start - self.place.start).is_multiple_of(4)
                }
                Kind::Store32 | Kind::Other => false,
            }),
            _ => false,
        }
    }

    fn is_wide(&self) -> bool {
        self.place.len() == 8
    }
}

/// Where an instruction says how it reaches memory.
fn memarg(operator: &Operator<'_>) -> Option<MemArg> {
    let mut found = None;
    macro_rules! note {
        (memarg $value:ident) => {
            found = Some(*$value)
        };
        ($other:ident $value:ident) => {
            let _ = $value;
        };
    }
    macro_rules! each {
        ($( @$proposal:ident $op:ident $({ $($arg:ident: $type:ty),* })? => $visit:ident ($($rest:tt)*))*) => {
            match operator {
                $(Operator::$op $({ $($arg),* })? => { $($(note!($arg $arg);)*)? })*
                _ => {}
            }
        };
    }
    wasmparser::for_each_operator!(each);
    found
}

/// What a load or a store does, and to how many bytes.
fn kind(operator: &Operator<'_>) -> (Kind, u64) {
    use Operator as O;
    match operator {
        O::I32Load { .. } => (Kind::Load32, 4),
        O::I64Load32S { .. } => (Kind::Load32Signed64, 4),
        O::I64Load32U { .. } => (Kind::Load32Unsigned64, 4),
        O::I32Store { .. } => (Kind::Store32, 4),
        O::I64Load { .. } => (Kind::Load64, 8),
        O::I64Store { .. } => (Kind::Store64, 8),
        O::I32Load8S { .. }
        | O::I32Load8U { .. }
        | O::I64Load8S { .. }
        | O::I64Load8U { .. }
        | O::I32Store8 { .. }
        | O::I64Store8 { .. } => (Kind::Other, 1),
        O::I32Load16S { .. }
        | O::I32Load16U { .. }
        | O::I64Load16S { .. }
        | O::I64Load16U { .. }
        | O::I32Store16 { .. }
        | O::I64Store16 { .. } => (Kind::Other, 2),
        O::F32Load { .. } | O::F32Store { .. } | O::I64Store32 { .. } => (Kind::Other, 4),
        O::F64Load { .. } | O::F64Store { .. } => (Kind::Other, 8),
        // Of vectors and atomics the widest: it may be less, and is no word either way.
        _ => (Kind::Other, 16),
    }
}

/// What is known of an operand: the instruction that put a constant there, or one that it was added to.
#[derive(Debug, Clone, Copy)]
struct Operand {
    /// The constant, if the operand is it and nothing else, and an address may be.
    constant: Option<u32>,
    by: usize,
}

/// What a sum is made of: what is a pointer if one of its parts is.
fn made_of(operator: &Operator<'_>, operands: &[Option<Operand>]) -> Option<Operand> {
    use Operator as O;
    match (operator, operands) {
        (
            O::I32Add | O::I32Or | O::I32Xor | O::I64Add | O::I64Or | O::I64Xor,
            [Some(one), None] | [None, Some(one)],
        ) => Some(Operand {
            constant: None,
            by: one.by,
        }),
        (O::I32Sub | O::I64Sub, [Some(one), _]) => Some(Operand {
            constant: None,
            by: one.by,
        }),
        (O::I32WrapI64 | O::I64ExtendI32U | O::I64ExtendI32S, [Some(one)]) => Some(Operand {
            constant: None,
            by: one.by,
        }),
        _ => None,
    }
}

/// Whether a store writes 8 or 16 bits.
fn stores_less(operator: &Operator<'_>) -> bool {
    use Operator as O;
    matches!(
        operator,
        O::I32Store8 { .. } | O::I32Store16 { .. } | O::I64Store8 { .. } | O::I64Store16 { .. }
    )
}

/// The operands of which an instruction surely makes no pointer, even if they are addresses.
fn no_addresses(operator: &Operator<'_>) -> &'static [usize] {
    use Operator as O;
    match operator {
        O::I32Eqz
        | O::I64Eqz
        | O::I32Eq
        | O::I32Ne
        | O::I32LtS
        | O::I32LtU
        | O::I32GtS
        | O::I32GtU
        | O::I32LeS
        | O::I32LeU
        | O::I32GeS
        | O::I32GeU
        | O::I64Eq
        | O::I64Ne
        | O::I64LtS
        | O::I64LtU
        | O::I64GtS
        | O::I64GtU
        | O::I64LeS
        | O::I64LeU
        | O::I64GeS
        | O::I64GeU
        | O::I32Mul
        | O::I32DivS
        | O::I32DivU
        | O::I32RemS
        | O::I32RemU
        | O::I32And
        | O::I32Shl
        | O::I32ShrS
        | O::I32ShrU
        | O::I32Rotl
        | O::I32Rotr
        | O::I64Mul
        | O::I64DivS
        | O::I64DivU
        | O::I64RemS
        | O::I64RemU
        | O::If { .. }
        | O::BrIf { .. }
        | O::Drop => &[0, 1],
        // What is left when an address is taken off is no address; and no number of bits is one. (A pointer in
        // the high half of a word is shifted.)
        O::I32Sub | O::I64Sub | O::I64Shl | O::I64ShrS | O::I64ShrU => &[1],
        _ => &[],
    }
}

#[cfg(test)]
mod tests;
