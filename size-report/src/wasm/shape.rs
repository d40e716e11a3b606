//! Blocks and branches written in fewer bytes than compilers and `wasm-opt` write them.
//!
//! A function is taken apart into its blocks. The first place where a rule (`shape/rule.rs`, `shape/narrow.rs`)
//! applies is rewritten, until no rule applies anywhere. Each rule makes the code shorter, so this ends. Each keeps the code's behaviour on
//! any input.

use std::convert::Infallible;

use anyhow::Result;
use wasm_encoder::reencode::{self, Reencode};
use wasm_encoder::{CodeSection, Function, Instruction, ValType};
use wasmparser::{
    FuncValidatorAllocations, FunctionBody, OperatorsReader, Parser, ValidPayload, Validator,
};

use crate::wasm::rewrite::rewrite;
use crate::wasm::shape::tree::{Body, Decoder};

mod narrow;
mod rule;
mod tree;

/// `wasm` with its blocks and branches in fewer bytes.
pub fn shape(wasm: &[u8]) -> Result<Vec<u8>> {
    let mut wasm = wasm.to_vec();
    loop {
        let mut shaper = Shaper {
            functions: heights(&wasm)?.into_iter(),
            changed: false,
        };
        let shaped = rewrite(&wasm, &mut shaper, "shaping")?;
        if !shaper.changed {
            return Ok(wasm);
        }
        wasm = shaped;
    }
}

/// What is known of a function before it is taken apart.
struct Known {
    parameters: u32,
    /// How many values are on the stack before each instruction; nothing where no instruction comes to.
    heights: Vec<Option<u32>>,
}

fn heights(wasm: &[u8]) -> Result<Vec<Known>> {
    let mut functions = Vec::new();
    let mut validator = Validator::new();
    let mut allocations = FuncValidatorAllocations::default();
    for payload in Parser::new(0).parse_all(wasm) {
        let ValidPayload::Func(to_validate, body) = validator.payload(&payload?)? else {
            continue;
        };
        let mut validator = to_validate.into_validator(allocations);
        let parameters = validator.len_locals();
        let mut reader = body.get_binary_reader();
        validator.read_locals(&mut reader)?;
        let mut operators = OperatorsReader::new(reader);
        let mut heights = Vec::new();
        while !operators.eof() {
            let reached = validator
                .get_control_frame(0)
                .is_some_and(|frame| !frame.unreachable);
            heights.push(reached.then(|| validator.operand_stack_height()));
            let (operator, offset) = operators.read_with_offset()?;
            validator.op(offset, &operator)?;
        }
        allocations = validator.into_allocations();
        functions.push(Known {
            parameters,
            heights,
        });
    }
    Ok(functions)
}

struct Shaper {
    functions: std::vec::IntoIter<Known>,
    changed: bool,
}

impl Reencode for Shaper {
    type Error = Infallible;

    fn parse_function_body(
        &mut self,
        code: &mut CodeSection,
        body: FunctionBody<'_>,
    ) -> Result<(), reencode::Error> {
        let mut locals = Vec::new();
        for group in body.get_locals_reader()? {
            let (count, ty) = group?;
            let ty = self.val_type(ty)?;
            locals.extend(std::iter::repeat_n(ty, count as usize));
        }
        let known = self.functions.next();
        let heights = known.as_ref().map_or(&[][..], |known| &known.heights);
        let parameters = known.as_ref().map_or(0, |known| known.parameters);
        let mut decoder = Decoder::new(heights);
        let mut reader = body.get_operators_reader()?;
        while !reader.eof() {
            decoder.push(self.parse_instruction(&mut reader)?);
        }
        let Some(mut tree) = decoder.finish() else {
            // It has instructions with labels that the rules do not know.
            return reencode::utils::parse_function_body(self, code, body);
        };
        self.changed |= rule::apply_one(&mut tree);
        self.changed |= narrow::narrow_a_local(&mut tree, parameters, &mut locals);
        self.changed |= drop_unused(&mut tree, parameters, &mut locals);
        let mut function = Function::new_with_locals_types(locals);
        tree::write(&tree, &mut |instruction| {
            function.instruction(instruction);
        });
        function.instruction(&Instruction::End);
        code.function(&function);
        Ok(())
    }
}

/// Leaves out the locals that no instruction names; whether there were some.
fn drop_unused(body: &mut Body<'_>, parameters: u32, locals: &mut Vec<ValType>) -> bool {
    let mut used = vec![false; locals.len()];
    tree::each(body, &mut |instruction| {
        if let Some(used) = tree::local(instruction)
            .and_then(|local| used.get_mut(local.checked_sub(parameters)? as usize))
        {
            *used = true;
        }
    });
    if used.iter().all(|&used| used) {
        return false;
    }
    let mut left = 0;
    let new: Vec<u32> = used
        .iter()
        .map(|&used| {
            left += u32::from(used);
            parameters + left - u32::from(used)
        })
        .collect();
    tree::each_mut(body, &mut |instruction| {
        if let Some(local) = tree::local_mut(instruction)
            && let Some(new) = local
                .checked_sub(parameters)
                .and_then(|local| new.get(local as usize))
        {
            *local = *new;
        }
    });
    let mut used = used.into_iter();
    locals.retain(|_| used.next().unwrap_or(true));
    true
}

#[cfg(test)]
mod tests;
