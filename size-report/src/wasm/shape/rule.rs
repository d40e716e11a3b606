//! The rules.

use wasm_encoder::{BlockType, Instruction as I, ValType};

use crate::wasm::shape::tree::{
    Block, BlockKind, Body, Node, branches_to, each, shift_labels, uses,
};

/// Applies the first rule that holds somewhere, where it does first; whether there was one.
pub(super) fn apply_one(body: &mut Body<'_>) -> bool {
    result_on_stack(body)
        || anywhere(body, &mut known_twice)
        || anywhere(body, &mut else_for_branch)
        || anywhere(body, &mut if_for_block)
        || anywhere(body, &mut narrow_once)
}

/// Tries a rule at each place, the outer ones first.
pub(super) fn anywhere<'a>(
    body: &mut Body<'a>,
    rule: &mut impl FnMut(&mut Body<'a>, usize) -> bool,
) -> bool {
    (0..body.len()).any(|at| rule(body, at))
        || body.iter_mut().any(|node| match node {
            Node::Plain(_) => false,
            Node::Block(block) => {
                anywhere(&mut block.body, rule)
                    || block
                        .otherwise
                        .as_mut()
                        .is_some_and(|body| anywhere(body, rule))
            }
        })
}

/// A result that is one constant where a block is left early and another at its end needs no local: the first
/// lies on the stack below all that the block does.
///
/// `x = a; block { … br_if 0 … x = b }; x`, where nothing else knows of `x`, becomes
/// `block { a; … br_if 0 … drop; b }`, and zeros at the end of both constants are shifted in behind it.
fn result_on_stack(body: &mut Body<'_>) -> bool {
    (0..body.len()).any(|at| try_result_on_stack(body, at).is_some())
}

fn try_result_on_stack(body: &mut Body<'_>, at: usize) -> Option<()> {
    let [first, set, Node::Block(block), get, behind @ ..] = body.get(at..)? else {
        return None;
    };
    let (first, Some(&I::LocalSet(local))) = (constant(first)?, set.plain()) else {
        return None;
    };
    let [inside @ .., second, last] = &block.body[..] else {
        return None;
    };
    let (second, Some(&I::LocalSet(set))) = (constant(second)?, last.plain()) else {
        return None;
    };
    let is_result = matches!(get.plain(), Some(&I::LocalGet(get)) if get == local)
        && set == local
        && uses(inside, local) == 0
        && uses(behind, local) == 0;
    let empty = block.height?;
    // A branch takes what is on top of the stack, so there must be nothing but the constant; and one out of a
    // block inside takes nothing from below that.
    let mut direct = 0;
    for node in inside {
        if let Node::Plain(plain) = node
            && matches!(plain.instruction, I::BrIf(0))
        {
            direct += 1;
            if plain.height != Some(empty + 1) {
                return None;
            }
        }
    }
    if block.kind != BlockKind::Block
        || !block.is_empty_type()
        || !is_result
        || first.ty != second.ty
        || branches_to(inside, 0) != direct
    {
        return None;
    }
    let zeros = first
        .value
        .trailing_zeros()
        .min(second.value.trailing_zeros());
    // Below that, the number takes a byte or two more at most.
    let zeros = if first.ty == ValType::I64 && (14..64).contains(&zeros) {
        zeros
    } else {
        0
    };
    let mut body_inside = vec![Node::new(first.shifted(zeros))];
    body_inside.extend_from_slice(inside);
    body_inside.extend([Node::new(I::Drop), Node::new(second.shifted(zeros))]);
    let mut new = vec![Node::Block(Block {
        kind: BlockKind::Block,
        ty: BlockType::Result(first.ty),
        height: block.height,
        body: body_inside,
        otherwise: None,
    })];
    if zeros != 0 {
        new.extend([I::I64Const(zeros.into()), I::I64Shl].map(Node::new));
    }
    body.splice(at..at + 4, new);
    Some(())
}

/// A number that an instruction puts on the stack.
#[derive(Clone, Copy)]
struct Constant {
    ty: ValType,
    value: i64,
}

impl Constant {
    fn shifted(self, zeros: u32) -> I<'static> {
        match self.ty {
            ValType::I64 => I::I64Const(self.value >> zeros),
            _ => I::I32Const(self.value as i32),
        }
    }
}

fn constant(node: &Node<'_>) -> Option<Constant> {
    match *node.plain()? {
        I::I32Const(value) => Some(Constant {
            ty: ValType::I32,
            value: value.into(),
        }),
        I::I64Const(value) => Some(Constant {
            ty: ValType::I64,
            value,
        }),
        _ => None,
    }
}

/// What follows an `if` that leaves the block around it is its `else`.
///
/// `block { …; if { a; br 1 } b }` becomes `…; if { a } else { b }`; where more branches go to the end of the
/// block, it stays around that.
fn else_for_branch(body: &mut Body<'_>, at: usize) -> bool {
    try_else_for_branch(body, at).is_some()
}

fn try_else_for_branch(body: &mut Body<'_>, at: usize) -> Option<()> {
    let outer = body.get(at)?.block()?;
    if outer.kind != BlockKind::Block || !outer.is_empty_type() {
        return None;
    }
    let base = outer.height?;
    let found = outer.body.iter().position(|node| {
        node.block().is_some_and(|inner| {
            inner.kind == BlockKind::If
                && inner.is_empty_type()
                && inner.otherwise.is_none()
                && matches!(inner.body.last().and_then(Node::plain), Some(I::Br(1)))
                // Who leaves the `if` alone goes on with what follows.
                && branches_to(&inner.body, 0) == 0
                // What follows must not take anything from the stack that is there before.
                && inner.height == Some(base + 1)
        })
    })?;
    let mut before = outer.body[..found].to_vec();
    let mut behind = outer.body[found + 1..].to_vec();
    let Some(Node::Block(inner)) = outer.body.get(found) else {
        return None;
    };
    let mut inner = inner.clone();
    inner.body.pop();
    // (An `else` with nothing in it is no gain where the block stays, and a branch to the end of the `if` is one
    // more to the block's.)
    let needed = branches_to(&before, 0) + branches_to(&inner.body, 1) + branches_to(&behind, 0);
    if needed == 0 {
        shift_labels(&mut before, 1, false);
        shift_labels(&mut inner.body, 2, false);
        // Those in `behind` are as many blocks away as before.
        if !behind.is_empty() {
            inner.otherwise = Some(behind);
        }
        before.push(Node::Block(inner));
        body.splice(at..=at, before);
    } else {
        // The branches of `behind` that go to the end of the block go to that of the `if`, which is the same.
        shift_labels(&mut behind, 1, true);
        if !behind.is_empty() {
            inner.otherwise = Some(behind);
        }
        before.push(Node::Block(inner));
        let Some(Node::Block(outer)) = body.get_mut(at) else {
            return None;
        };
        outer.body = before;
    }
    Some(())
}

/// A block that is left at once, or not, is an `if`.
///
/// `block { c; br_if 0; … }` becomes `not c; if { … }`, where `c` costs nothing to turn around.
fn if_for_block(body: &mut Body<'_>, at: usize) -> bool {
    try_if_for_block(body, at).is_some()
}

fn try_if_for_block(body: &mut Body<'_>, at: usize) -> Option<()> {
    let block = body.get(at)?.block()?;
    let base = block.height?;
    let branch = block
        .body
        .iter()
        .position(|node| matches!(node.plain(), Some(I::BrIf(0))))?;
    let [before @ .., compare] = block.body.get(..branch)? else {
        return None;
    };
    let Node::Plain(branch_node) = block.body.get(branch)? else {
        return None;
    };
    if block.kind != BlockKind::Block
        || !block.is_empty_type()
        // What follows must not take anything from the stack that is there before.
        || branch_node.height != Some(base + 1)
        || branches_to(before, 0) != 0
    {
        return None;
    }
    let mut new = before.to_vec();
    shift_labels(&mut new, 1, false);
    match compare.plain()? {
        I::I32Eqz => {}
        compare => new.push(Node::new(opposite(compare)?)),
    }
    new.push(Node::Block(Block {
        kind: BlockKind::If,
        ty: BlockType::Empty,
        height: Some(base + 1),
        body: block.body.get(branch + 1..)?.to_vec(),
        otherwise: None,
    }));
    body.splice(at..=at, new);
    Some(())
}

/// The comparison that holds where this one does not.
fn opposite(compare: &I<'_>) -> Option<I<'static>> {
    Some(match compare {
        I::I32Eq => I::I32Ne,
        I::I32Ne => I::I32Eq,
        I::I32LtS => I::I32GeS,
        I::I32LtU => I::I32GeU,
        I::I32GtS => I::I32LeS,
        I::I32GtU => I::I32LeU,
        I::I32LeS => I::I32GtS,
        I::I32LeU => I::I32GtU,
        I::I32GeS => I::I32LtS,
        I::I32GeU => I::I32LtU,
        I::I64Eq => I::I64Ne,
        I::I64Ne => I::I64Eq,
        I::I64LtS => I::I64GeS,
        I::I64LtU => I::I64GeU,
        I::I64GtS => I::I64LeS,
        I::I64GtU => I::I64LeU,
        I::I64LeS => I::I64GtS,
        I::I64LeU => I::I64GtU,
        I::I64GeS => I::I64LtS,
        I::I64GeU => I::I64LtU,
        _ => return None,
    })
}

/// The low half of a number is taken from the local that has it.
///
/// After `a; i32.wrap_i64; y = `, as long as neither changes, `a; i32.wrap_i64` is `y`.
pub(super) fn narrow_once(body: &mut Body<'_>, at: usize) -> bool {
    try_narrow_once(body, at).is_some()
}

fn try_narrow_once(body: &mut Body<'_>, at: usize) -> Option<()> {
    let [wide, wrap, narrow, behind @ ..] = body.get_mut(at..)? else {
        return None;
    };
    let (
        Some(&(I::LocalGet(wide) | I::LocalTee(wide))),
        Some(I::I32WrapI64),
        Some(&(I::LocalSet(narrow) | I::LocalTee(narrow))),
    ) = (wide.plain(), wrap.plain(), narrow.plain())
    else {
        return None;
    };
    // (In a body proper the vector can shrink.)
    let mut rest = behind.to_vec();
    narrow_in(&mut rest, wide, narrow)?;
    body.truncate(at + 3);
    body.append(&mut rest);
    Some(())
}

/// Replaces the first `wide; i32.wrap_i64` that surely is `narrow`.
fn narrow_in(body: &mut Body<'_>, wide: u32, narrow: u32) -> Option<()> {
    for at in 0..body.len() {
        let behind = body.get(at + 1).and_then(Node::plain);
        match body.get(at)?.plain() {
            Some(&I::LocalGet(local)) if local == wide && matches!(behind, Some(I::I32WrapI64)) => {
                body.splice(at..at + 2, [Node::new(I::LocalGet(narrow))]);
                return Some(());
            }
            Some(&(I::LocalSet(local) | I::LocalTee(local)))
                if local == wide || local == narrow =>
            {
                return None;
            }
            Some(_) => {}
            None => {
                let Some(Node::Block(block)) = body.get_mut(at) else {
                    return None;
                };
                // What a loop sets, it may have set before.
                if sets(&block.body, wide, narrow)
                    || block
                        .otherwise
                        .as_ref()
                        .is_some_and(|body| sets(body, wide, narrow))
                {
                    return None;
                }
                let inside = narrow_in(&mut block.body, wide, narrow)
                    .or_else(|| narrow_in(block.otherwise.as_mut()?, wide, narrow));
                if inside.is_some() {
                    return inside;
                }
            }
        }
    }
    None
}

/// Whether one of two locals is set.
fn sets(body: &Body<'_>, one: u32, other: u32) -> bool {
    let mut found = false;
    each(body, &mut |instruction| {
        found |= matches!(instruction, I::LocalSet(local) | I::LocalTee(local) if *local == one || *local == other);
    });
    found
}

/// A second look at what the first has told.
///
/// `if c { x = not 0; a } x; if { b }`, where `x` is 0 before, becomes `if c { x = not 0; a; b }`, and with
/// `eqz; br_if` in place of the second `if` the first becomes a `br_if`. Compilers make that of a text that is
/// 0 where it did not fit; that it is not 0 elsewhere, is seen where it is a number that was compared, less one
/// that is smaller.
fn known_twice(body: &mut Body<'_>, at: usize) -> bool {
    try_known_twice(body, at).is_some()
}

fn try_known_twice(body: &mut Body<'_>, at: usize) -> Option<()> {
    let (before, [Node::Block(first), get, behind @ ..]) = body.split_at_checked(at)? else {
        return None;
    };
    let Some(&I::LocalGet(local)) = get.plain() else {
        return None;
    };
    if first.kind != BlockKind::If
        || !first.is_empty_type()
        || first.otherwise.is_some()
        || branches_to(&first.body, 0) != 0
        || !is_0_before(before, local)
        || !is_not_0_in(before, &first.body, local)
    {
        return None;
    }
    let mut first = first.clone();
    match behind {
        [Node::Block(second), ..] if second.kind == BlockKind::If && second.is_empty_type() => {
            first.body.extend_from_slice(&second.body);
            first.otherwise.clone_from(&second.otherwise);
            body.splice(at..at + 3, [Node::Block(first)]);
        }
        [eqz, branch, ..]
            if matches!(eqz.plain(), Some(I::I32Eqz))
                && matches!(branch.plain(), Some(I::BrIf(_))) =>
        {
            let opposite = opposite(before.last()?.plain()?)?;
            shift_labels(&mut first.body, 1, false);
            let mut new = vec![Node::new(opposite), branch.clone()];
            new.append(&mut first.body);
            body.splice(at - 1..at + 4, new);
        }
        _ => return None,
    }
    Some(())
}

/// Whether a local is 0 behind `body`, and nothing says otherwise on the way.
fn is_0_before(body: &[Node<'_>], local: u32) -> bool {
    body.windows(2).enumerate().any(|(at, pair)| {
        matches!(pair[0].plain(), Some(I::I32Const(0)))
            && matches!(pair[1].plain(), Some(&I::LocalSet(set)) if set == local)
            && uses(body.get(at + 2..).unwrap_or_default(), local) == 0
    })
}

/// Whether a local becomes a number that is not 0 in an `if` of which `condition` are the last instructions before.
fn is_not_0_in(condition: &[Node<'_>], body: &[Node<'_>], local: u32) -> bool {
    let (number, at_least) = match condition {
        [.., number, least, compare] if matches!(compare.plain(), Some(I::I32GeU)) => {
            let Some(&I::I32Const(least)) = least.plain() else {
                return false;
            };
            (number, least.into())
        }
        [.., number, wide, least, compare]
            if matches!(wide.plain(), Some(I::I64ExtendI32U))
                && matches!(compare.plain(), Some(I::I64GeU)) =>
        {
            let Some(&I::I64Const(least)) = least.plain() else {
                return false;
            };
            (number, least)
        }
        _ => return false,
    };
    let Some(&(I::LocalGet(number) | I::LocalTee(number))) = number.plain() else {
        return false;
    };
    let [from, less, subtract, set, rest @ ..] = body else {
        return false;
    };
    // Below 2^31, so that the sign says nothing.
    matches!(from.plain(), Some(&I::LocalGet(from)) if from == number)
        && matches!(less.plain(), Some(&I::I32Const(less)) if less >= 0 && i64::from(less) < at_least)
        && matches!(subtract.plain(), Some(I::I32Sub))
        && matches!(set.plain(), Some(&I::LocalTee(set) | &I::LocalSet(set)) if set == local)
        && uses(rest, local) == 0
}
