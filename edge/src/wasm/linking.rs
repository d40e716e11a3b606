//! How a module was linked, as far as can be detected.

use wasmparser::{DataKind, Operator, Parser, Payload};

/// The stack that Rust's linker gives a module by default, in bytes.
const DEFAULT_STACK: i32 = 1 << 20;

/// Whether a module has the stack of 1 MiB that it gets without a linker flag. Such a module begins
/// with 16 pages of memory for it, and was most likely linked without the other flags, too.
///
/// The stack comes first in the memory, so the sign is the initial value of its pointer (which is
/// the first global), or, if an optimiser has removed an unused pointer, data that begins right
/// after the stack.
pub(crate) fn has_default_stack(wasm: &[u8]) -> bool {
    let mut first_data = None;
    for payload in Parser::new(0).parse_all(wasm) {
        match payload {
            Ok(Payload::GlobalSection(globals)) => {
                let Some(Ok(first)) = globals.into_iter().next() else {
                    continue;
                };
                let start = first.init_expr.get_operators_reader().read();
                if let (true, Ok(Operator::I32Const { value })) = (first.ty.mutable, start) {
                    return value == DEFAULT_STACK;
                }
            }
            Ok(Payload::DataSection(segments)) => {
                for segment in segments.into_iter().flatten() {
                    if let DataKind::Active { offset_expr, .. } = segment.kind
                        && let Ok(Operator::I32Const { value }) =
                            offset_expr.get_operators_reader().read()
                    {
                        first_data = Some(first_data.map_or(value, |first: i32| first.min(value)));
                    }
                }
            }
            // Whether it is valid is for the engine to decide.
            Err(_) => return false,
            Ok(_) => {}
        }
    }
    first_data.is_some_and(|first| (DEFAULT_STACK..2 * DEFAULT_STACK).contains(&first))
}

/// The largest stack, in bytes, of a flare that is linked without one; the linker rounds smaller ones up to it.
const NO_STACK: i32 = 16;

/// Whether a module is linked without a stack (`-zstack-size=16`) although its functions use one. What they keep on it
/// is then at addresses below 0, so that the first access traps.
///
/// The stack's pointer is the first global, and a function that uses the stack moves it. (A word that an optimiser has
/// made a global may come first, too; it begins as 0.)
pub(crate) fn lacks_stack(wasm: &[u8]) -> bool {
    let mut has_pointer = false;
    for payload in Parser::new(0).parse_all(wasm) {
        match payload {
            Ok(Payload::GlobalSection(globals)) => {
                let Some(Ok(first)) = globals.into_iter().next() else {
                    return false;
                };
                let start = first.init_expr.get_operators_reader().read();
                has_pointer = first.ty.mutable
                    && matches!(
                        start,
                        Ok(Operator::I32Const {
                            value: 1..=NO_STACK
                        })
                    );
            }
            Ok(Payload::CodeSectionEntry(body)) if has_pointer => {
                let operators = body.get_operators_reader();
                let mut operators = operators.into_iter().flatten().flatten();
                if operators
                    .any(|operator| matches!(operator, Operator::GlobalSet { global_index: 0 }))
                {
                    return true;
                }
            }
            // Whether it is valid is for the engine to decide.
            Err(_) => return false,
            Ok(_) => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(wat: &str) -> bool {
        has_default_stack(&wat::parse_str(wat).unwrap())
    }

    #[test]
    fn the_stack_pointer_tells() {
        assert!(has("(module (global (mut i32) (i32.const 1048576)))"));
        assert!(!has("(module (global (mut i32) (i32.const 4096)))"));
        assert!(!has(
            "(module (memory 20) (global (mut i32) (i32.const 4096)) (data (i32.const 1048576) \"x\"))"
        ));
    }

    #[test]
    fn a_stack_that_is_moved_is_used() {
        let lacks = |size: i32, body: &str| {
            let wat = format!(
                "(module (global $sp (mut i32) (i32.const {size})) (global $word (mut i32) (i32.const 1))
                   (func) (func {body}))"
            );
            lacks_stack(&wat::parse_str(wat).unwrap())
        };
        let moves = "(global.set $sp (i32.sub (global.get $sp) (i32.const 32)))";
        assert!(lacks(16, moves));
        assert!(!lacks(4096, moves));
        assert!(!lacks(16, ""));
        assert!(!lacks(16, "(global.set $word (i32.const 2))"));
        assert!(!lacks(0, moves), "a word that became a global");
        assert!(!lacks_stack(b"no Wasm"));
    }

    #[test]
    fn without_one_the_data_tells() {
        assert!(has("(module (memory 20) (data (i32.const 1048580) \"x\"))"));
        assert!(!has("(module (memory 20) (data (i32.const 4096) \"x\"))"));
        // A constant is not a stack pointer.
        assert!(has(
            "(module (memory 20) (global i32 (i32.const 8)) (data (i32.const 1048576) \"x\"))"
        ));
        assert!(!has("(module)"));
        assert!(!has_default_stack(b"no Wasm"));
    }
}
