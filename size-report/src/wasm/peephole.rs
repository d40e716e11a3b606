//! Numbers written in fewer bytes than compilers and `wasm-opt` write them.
//!
//! A constant takes a byte for each seven bits, so a mask of 32 ones takes six bytes, and cutting a number
//! with it eight. Narrowing and widening it take two, and a one that is shifted takes five. `wasm-opt` knows the
//! shorter forms and folds them back, so this comes after it.

use std::convert::Infallible;

use anyhow::Result;
use wasm_encoder::reencode::{self, Reencode};
use wasm_encoder::{CodeSection, Encode, Instruction};
use wasmparser::FunctionBody;

use crate::wasm::rewrite::rewrite;

/// `wasm` with its constants in fewer bytes.
pub fn shorten(wasm: &[u8]) -> Result<Vec<u8>> {
    rewrite(wasm, &mut Shortener, "shortening")
}

struct Shortener;

impl Reencode for Shortener {
    type Error = Infallible;

    fn parse_function_body(
        &mut self,
        code: &mut CodeSection,
        body: FunctionBody<'_>,
    ) -> Result<(), reencode::Error> {
        let mut function = self.new_function_with_parsed_locals(&body)?;
        let mut reader = body.get_operators_reader()?;
        // A constant waits for what follows it.
        let mut waiting = None;
        while !reader.eof() {
            let instruction = self.parse_instruction(&mut reader)?;
            match (waiting.take(), &instruction) {
                (Some(LOW_HALF), Instruction::I64And) => {
                    function.instruction(&Instruction::I32WrapI64);
                    function.instruction(&Instruction::I64ExtendI32U);
                    continue;
                }
                (Some(number), _) => shortest(number, |part| {
                    function.instruction(part);
                }),
                (None, _) => {}
            }
            if let Instruction::I64Const(number) = instruction {
                waiting = Some(number);
            } else {
                function.instruction(&instruction);
            }
        }
        code.function(&function);
        Ok(())
    }
}

const LOW_HALF: i64 = 0xffff_ffff;

/// A number, or a smaller one and by how much it is shifted, whichever is shorter.
fn shortest(number: i64, mut write: impl FnMut(&Instruction<'_>)) {
    let zeros = number.trailing_zeros();
    let shifted = [
        Instruction::I64Const(number.checked_shr(zeros).unwrap_or(0)),
        Instruction::I64Const(i64::from(zeros)),
        Instruction::I64Shl,
    ];
    let plain = Instruction::I64Const(number);
    let length = |part: &Instruction<'_>| {
        let mut bytes = Vec::new();
        part.encode(&mut bytes);
        bytes.len()
    };
    if number != 0 && shifted.iter().map(length).sum::<usize>() < length(&plain) {
        shifted.iter().for_each(write);
    } else {
        write(&plain);
    }
}

#[cfg(test)]
mod tests {
    use wasmparser::Parser;

    use super::*;

    fn short(body: &str) -> String {
        let wat = format!("(module (func (param i64) (result i64) {body}))");
        let wasm = shorten(&wat::parse_str(wat).unwrap()).unwrap();
        let mut text = Vec::new();
        for payload in Parser::new(0).parse_all(&wasm) {
            if let wasmparser::Payload::CodeSectionEntry(body) = payload.unwrap() {
                for operator in body.get_operators_reader().unwrap() {
                    text.push(format!("{:?}", operator.unwrap()));
                }
            }
        }
        text.join(" ")
    }

    #[test]
    fn a_mask_of_the_low_half_narrows_and_widens() {
        assert_eq!(
            short("(i64.and (local.get 0) (i64.const 0xffffffff))"),
            "LocalGet { local_index: 0 } I32WrapI64 I64ExtendI32U End"
        );
    }

    #[test]
    fn numbers_that_end_in_zeros_are_shifted_where_it_is_shorter() {
        for (number, expected) in [
            (
                "0x100000000",
                "I64Const { value: 1 } I64Const { value: 32 } I64Shl End",
            ),
            (
                "-0x7fffffff00000000",
                "I64Const { value: -2147483647 } I64Const { value: 32 } I64Shl End",
            ),
            (
                "0x8000000000000000",
                "I64Const { value: -1 } I64Const { value: 63 } I64Shl End",
            ),
            ("0", "I64Const { value: 0 } End"),
            ("256", "I64Const { value: 256 } End"),
            ("0xffffffff", "I64Const { value: 4294967295 } End"),
        ] {
            assert_eq!(short(&format!("(i64.const {number})")), expected);
        }
    }
}
