//! Numbers written in fewer bytes than compilers and `wasm-opt` write them.
//!
//! A constant takes a byte for each seven bits, so a mask of 32 ones takes six bytes, and cutting a number
//! with it eight. Narrowing and widening it take two, and a one that is shifted takes five. `wasm-opt` knows the
//! shorter forms and folds them back, so this comes after it. A byte from 192 on, with which one from memory is
//! compared, takes a byte less with a sign.

use std::convert::Infallible;
use std::ops::RangeInclusive;

use anyhow::Result;
use wasm_encoder::reencode::{self, Reencode};
use wasm_encoder::{CodeSection, Encode, Function, Instruction};
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
        // What may become something shorter waits for what follows it.
        let mut waiting = Vec::new();
        let write = |function: &mut Function, waiting: &mut Vec<Instruction<'_>>| {
            for instruction in waiting.drain(..) {
                match instruction {
                    Instruction::I64Const(number) => shortest(number, |part| {
                        function.instruction(part);
                    }),
                    instruction => {
                        function.instruction(&instruction);
                    }
                }
            }
        };
        while !reader.eof() {
            let instruction = self.parse_instruction(&mut reader)?;
            match (&waiting[..], &instruction) {
                ([Instruction::I64Const(LOW_HALF)], Instruction::I64And) => {
                    waiting = vec![Instruction::I32WrapI64, Instruction::I64ExtendI32U];
                    write(&mut function, &mut waiting);
                    continue;
                }
                (&[Instruction::I32Load8U(place), Instruction::I32Const(number)], compare)
                    if SIGNED.contains(&number) && keeps_order(compare) =>
                {
                    waiting = vec![
                        Instruction::I32Load8S(place),
                        Instruction::I32Const(number - 0x100),
                    ];
                }
                ([Instruction::I32Load8U(_)], Instruction::I32Const(_)) => {
                    waiting.push(instruction);
                    continue;
                }
                _ => {}
            }
            write(&mut function, &mut waiting);
            waiting.push(instruction);
        }
        write(&mut function, &mut waiting);
        code.function(&function);
        Ok(())
    }
}

pub(super) const LOW_HALF: i64 = 0xffff_ffff;

/// The bytes that take two bytes as they are, and one with a sign.
const SIGNED: RangeInclusive<i32> = 0xc0..=0xff;

/// Whether it compares two bytes with a sign, which are numbers of 32 bits, as it does two without: as numbers without
/// a sign, they are in the same order.
fn keeps_order(compare: &Instruction<'_>) -> bool {
    use Instruction as I;
    matches!(
        compare,
        I::I32Eq | I::I32Ne | I::I32LtU | I::I32GtU | I::I32LeU | I::I32GeU
    )
}

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
    fn bytes_are_compared_with_a_sign_where_it_is_shorter() {
        let compared = |compare: &str, number: i32| {
            let wat = format!(
                r#"(module (memory 1) (func (export "f") (param i32) (result i32)
                    (i32.store8 (i32.const 9) (local.get 0))
                    ({compare} (i32.load8_u (i32.const 9)) (i32.const {number}))))"#
            );
            let before = wat::parse_str(wat).unwrap();
            let after = shorten(&before).unwrap();
            let answers = |wasm: &[u8]| -> Vec<i32> {
                let mut store = wasmi::Store::new(&wasmi::Engine::default(), ());
                let module = wasmi::Module::new(store.engine(), wasm).unwrap();
                let linker = wasmi::Linker::new(store.engine());
                let instance = linker.instantiate_and_start(&mut store, &module).unwrap();
                let f = instance.get_typed_func::<i32, i32>(&store, "f").unwrap();
                (0..256)
                    .map(|byte| f.call(&mut store, byte).unwrap())
                    .collect()
            };
            assert_eq!(answers(&before), answers(&after), "{compare} {number}");
            before.len() - after.len()
        };
        for compare in [
            "i32.eq", "i32.ne", "i32.lt_u", "i32.gt_u", "i32.le_u", "i32.ge_u",
        ] {
            for (number, shorter) in [
                (191, 0),
                (192, 1),
                (245, 1),
                (255, 1),
                (256, 0),
                (-1, 0),
                (34, 0),
            ] {
                assert_eq!(compared(compare, number), shorter, "{compare} {number}");
            }
        }
        assert_eq!(compared("i32.lt_s", 245), 0);
        assert_eq!(compared("i32.add", 245), 0);
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
