//! A local of 64 bits that only ever has 32 becomes one of 32.
//!
//! Compilers cut the low half off a number once and keep it as wide as it was. Where it is compared with 0, or
//! narrowed again, that is a byte too much each time; and as a local of 32 bits it takes the place of each
//! `i32.wrap_i64` of the number that it is the half of ([`rule::narrow_once`]).

use wasm_encoder::{Encode, Instruction as I, ValType};

use crate::wasm::peephole::LOW_HALF;
use crate::wasm::shape::rule;
use crate::wasm::shape::tree::{Body, Node, write};

/// Narrows the first local of which that makes the code shorter; whether there was one.
pub(super) fn narrow_a_local(body: &mut Body<'_>, parameters: u32, locals: &mut [ValType]) -> bool {
    (parameters..).zip(locals).any(|(local, ty)| {
        if *ty != ValType::I64 || !has_low_halves(body, local) {
            return false;
        }
        let mut narrowed = body.clone();
        narrow(&mut narrowed, local);
        while rule::anywhere(&mut narrowed, &mut rule::narrow_once) {}
        if length(&narrowed) >= length(body) {
            return false;
        }
        *body = narrowed;
        *ty = ValType::I32;
        true
    })
}

/// Whether a local is set, and each time to the low half of something.
fn has_low_halves(body: &Body<'_>, local: u32) -> bool {
    let (mut is_written, mut are_halves) = (false, true);
    each_body(body, &mut |body| {
        for at in 0..body.len() {
            if body[at].plain().is_some_and(|set| is_set(set, local)) {
                is_written = true;
                are_halves &= source(&body[..at]).is_some();
            }
        }
    });
    is_written && are_halves
}

fn is_set(instruction: &I<'_>, sought: u32) -> bool {
    matches!(instruction, I::LocalSet(local) | I::LocalTee(local) if *local == sought)
}

/// How many instructions at the end of `before` make the low half of a number, and what makes a number of 32 bits
/// in their place.
fn source(before: &[Node<'_>]) -> Option<(usize, Option<I<'static>>)> {
    match before {
        [.., mask, and]
            if matches!(mask.plain(), Some(&I::I64Const(LOW_HALF)))
                && matches!(and.plain(), Some(I::I64And)) =>
        {
            Some((2, Some(I::I32WrapI64)))
        }
        [.., widen] if matches!(widen.plain(), Some(I::I64ExtendI32U)) => Some((1, None)),
        _ => None,
    }
}

fn each_body<'a, 'b>(body: &'b Body<'a>, see: &mut impl FnMut(&'b Body<'a>)) {
    see(body);
    for block in body.iter().filter_map(Node::block) {
        each_body(&block.body, see);
        if let Some(otherwise) = &block.otherwise {
            each_body(otherwise, see);
        }
    }
}

/// Makes a local one of 32 bits, and wide again where its value is needed so.
fn narrow(body: &mut Body<'_>, local: u32) {
    let mut old = std::mem::take(body).into_iter().peekable();
    while let Some(mut node) = old.next() {
        let (is_written, is_read) = match &mut node {
            Node::Plain(plain) => (
                is_set(&plain.instruction, local),
                matches!(plain.instruction, I::LocalGet(get) | I::LocalTee(get) if get == local),
            ),
            Node::Block(block) => {
                narrow(&mut block.body, local);
                if let Some(otherwise) = &mut block.otherwise {
                    narrow(otherwise, local);
                }
                (false, false)
            }
        };
        if is_written && let Some((instructions, instead)) = source(body) {
            body.truncate(body.len() - instructions);
            body.extend(instead.map(Node::new));
        }
        body.push(node);
        if is_read {
            match old.peek().and_then(Node::plain) {
                Some(I::I64Eqz) => {
                    old.next();
                    body.push(Node::new(I::I32Eqz));
                }
                Some(I::I32WrapI64) => {
                    old.next();
                }
                _ => body.push(Node::new(I::I64ExtendI32U)),
            }
        }
    }
}

/// How many bytes the instructions take, with masks as short as they will be.
fn length(body: &Body<'_>) -> usize {
    let mut bytes = Vec::new();
    write(body, &mut |instruction| match instruction {
        // (Narrowing and widening, of which the mask's `i64.and` is the other.)
        I::I64Const(LOW_HALF) => I::I32WrapI64.encode(&mut bytes),
        instruction => instruction.encode(&mut bytes),
    });
    bytes.len()
}
