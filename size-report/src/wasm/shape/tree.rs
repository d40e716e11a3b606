//! A function as a tree of its blocks.

use wasm_encoder::{BlockType, Instruction};

/// Instructions one after the other.
pub(super) type Body<'a> = Vec<Node<'a>>;

#[derive(Debug, Clone)]
pub(super) enum Node<'a> {
    Plain(Plain<'a>),
    Block(Block<'a>),
}

/// An instruction that has none inside.
#[derive(Debug, Clone)]
pub(super) struct Plain<'a> {
    pub instruction: Instruction<'a>,
    /// How many values are on the stack before it, if that is known.
    pub height: Option<u32>,
}

/// `block`, `loop` or `if`.
#[derive(Debug, Clone)]
pub(super) struct Block<'a> {
    pub kind: BlockKind,
    pub ty: BlockType,
    /// As in [`Plain`].
    pub height: Option<u32>,
    pub body: Body<'a>,
    /// What is behind `else`.
    pub otherwise: Option<Body<'a>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BlockKind {
    Block,
    Loop,
    If,
}

impl Block<'_> {
    /// Whether it takes nothing from the stack, but for a condition, and leaves nothing there.
    pub(super) fn is_empty_type(&self) -> bool {
        matches!(self.ty, BlockType::Empty)
    }
}

impl<'a> Node<'a> {
    /// An instruction that was not there before: the rules ask nothing about it.
    pub(super) fn new(instruction: Instruction<'a>) -> Self {
        Node::Plain(Plain {
            instruction,
            height: None,
        })
    }

    pub(super) fn plain(&self) -> Option<&Instruction<'a>> {
        match self {
            Node::Plain(plain) => Some(&plain.instruction),
            Node::Block(_) => None,
        }
    }

    pub(super) fn block(&self) -> Option<&Block<'a>> {
        match self {
            Node::Block(block) => Some(block),
            Node::Plain(_) => None,
        }
    }
}

/// Makes a tree of instructions.
pub(super) struct Decoder<'a, 'h> {
    heights: std::slice::Iter<'h, Option<u32>>,
    /// The blocks that are open, and what is in the innermost so far.
    open: Vec<(Block<'a>, Body<'a>)>,
    body: Body<'a>,
    finished: bool,
    unknown: bool,
}

impl<'a, 'h> Decoder<'a, 'h> {
    pub(super) fn new(heights: &'h [Option<u32>]) -> Self {
        Self {
            heights: heights.iter(),
            open: Vec::new(),
            body: Vec::new(),
            finished: false,
            unknown: false,
        }
    }

    pub(super) fn push(&mut self, instruction: Instruction<'a>) {
        let height = self.heights.next().copied().flatten();
        let (kind, ty) = match instruction {
            Instruction::Block(ty) => (BlockKind::Block, ty),
            Instruction::Loop(ty) => (BlockKind::Loop, ty),
            Instruction::If(ty) => (BlockKind::If, ty),
            Instruction::Else => {
                if let Some((block, _)) = self.open.last_mut() {
                    block.body = std::mem::take(&mut self.body);
                    block.otherwise = Some(Vec::new());
                }
                return;
            }
            Instruction::End => {
                let Some((mut block, outer)) = self.open.pop() else {
                    self.finished = true;
                    return;
                };
                let inner = std::mem::replace(&mut self.body, outer);
                match &mut block.otherwise {
                    Some(otherwise) => *otherwise = inner,
                    None => block.body = inner,
                }
                self.body.push(Node::Block(block));
                return;
            }
            instruction => {
                self.unknown |= has_unknown_labels(&instruction);
                self.body.push(Node::Plain(Plain {
                    instruction,
                    height,
                }));
                return;
            }
        };
        let block = Block {
            kind,
            ty,
            height,
            body: Vec::new(),
            otherwise: None,
        };
        self.open.push((block, std::mem::take(&mut self.body)));
    }

    /// The tree; `None` if there are blocks or branches in it that are not known here.
    pub(super) fn finish(self) -> Option<Body<'a>> {
        (self.finished && !self.unknown).then_some(self.body)
    }
}

/// Whether an instruction has labels that [`labels`] does not find, or begins a block in another way.
fn has_unknown_labels(instruction: &Instruction<'_>) -> bool {
    use Instruction as I;
    matches!(
        instruction,
        I::BrOnNull(_)
            | I::BrOnNonNull(_)
            | I::BrOnCast { .. }
            | I::BrOnCastFail { .. }
            | I::BrOnCastDescEq { .. }
            | I::BrOnCastDescEqFail { .. }
            | I::TryTable(..)
            | I::Try(_)
            | I::Delegate(_)
            | I::Catch(_)
            | I::CatchAll
            | I::Rethrow(_)
            | I::Resume { .. }
            | I::ResumeThrow { .. }
            | I::ResumeThrowRef { .. }
            | I::Switch { .. }
    )
}

/// Calls `see` with each instruction that has none inside.
pub(super) fn each(body: &Body<'_>, see: &mut impl FnMut(&Instruction<'_>)) {
    for node in body {
        match node {
            Node::Plain(plain) => see(&plain.instruction),
            Node::Block(block) => {
                each(&block.body, see);
                block.otherwise.iter().for_each(|body| each(body, see));
            }
        }
    }
}

/// The same, to change it.
pub(super) fn each_mut<'a>(body: &mut Body<'a>, see: &mut impl FnMut(&mut Instruction<'a>)) {
    for node in body {
        match node {
            Node::Plain(plain) => see(&mut plain.instruction),
            Node::Block(block) => {
                each_mut(&mut block.body, see);
                block
                    .otherwise
                    .iter_mut()
                    .for_each(|body| each_mut(body, see));
            }
        }
    }
}

/// Calls `see` with the label of each branch, and how many blocks of `body` are around it.
pub(super) fn labels(body: &mut Body<'_>, inside: u32, see: &mut impl FnMut(&mut u32, u32)) {
    for node in body {
        match node {
            Node::Plain(plain) => match &mut plain.instruction {
                Instruction::Br(label) | Instruction::BrIf(label) => see(label, inside),
                Instruction::BrTable(targets, default) => {
                    for target in targets.to_mut() {
                        see(target, inside);
                    }
                    see(default, inside);
                }
                _ => {}
            },
            Node::Block(block) => {
                labels(&mut block.body, inside + 1, see);
                if let Some(otherwise) = &mut block.otherwise {
                    labels(otherwise, inside + 1, see);
                }
            }
        }
    }
}

/// How many branches go to the label that is `label` where `body` is.
pub(super) fn branches_to(body: &[Node<'_>], label: u32) -> usize {
    let mut count = 0;
    labels(&mut body.to_vec(), 0, &mut |to, inside| {
        count += usize::from(*to == label + inside);
    });
    count
}

/// Renames the labels outside of `body` from `first` on: by one down where a block around it goes, or up
/// where one comes.
pub(super) fn shift_labels(body: &mut Body<'_>, first: u32, up: bool) {
    labels(body, 0, &mut |to, inside| {
        if *to >= first + inside {
            *to = if up { *to + 1 } else { *to - 1 };
        }
    });
}

/// The local that an instruction names.
pub(super) fn local(instruction: &Instruction<'_>) -> Option<u32> {
    match instruction {
        Instruction::LocalGet(local)
        | Instruction::LocalSet(local)
        | Instruction::LocalTee(local) => Some(*local),
        _ => None,
    }
}

/// The same, to change it.
pub(super) fn local_mut<'i>(instruction: &'i mut Instruction<'_>) -> Option<&'i mut u32> {
    match instruction {
        Instruction::LocalGet(local)
        | Instruction::LocalSet(local)
        | Instruction::LocalTee(local) => Some(local),
        _ => None,
    }
}

/// How often instructions name a local.
pub(super) fn uses(body: &[Node<'_>], sought: u32) -> usize {
    let mut count = 0;
    each(&body.to_vec(), &mut |instruction| {
        count += usize::from(local(instruction) == Some(sought));
    });
    count
}

/// Writes the instructions one after the other.
pub(super) fn write(body: &Body<'_>, put: &mut impl FnMut(&Instruction<'_>)) {
    for node in body {
        match node {
            Node::Plain(plain) => put(&plain.instruction),
            Node::Block(block) => {
                put(&match block.kind {
                    BlockKind::Block => Instruction::Block(block.ty),
                    BlockKind::Loop => Instruction::Loop(block.ty),
                    BlockKind::If => Instruction::If(block.ty),
                });
                write(&block.body, put);
                if let Some(otherwise) = &block.otherwise {
                    put(&Instruction::Else);
                    write(otherwise, put);
                }
                put(&Instruction::End);
            }
        }
    }
}
