//! What happens to the arena in the exhaustive model: all sequences are made of these.

/// A thing that happens to the arena.
#[derive(Debug, Clone, Copy)]
pub(super) enum Op {
    /// The host allocates so many bytes, and does not return them.
    Alloc(i32),
    /// The host allocates so many bytes (or none, and names the end of what is leased), and returns as many
    /// of them from an offset on: a lease, or a lease that is decoded before it is one.
    Lease(i32, i32, u32),
    Decoded(i32, i32, u32),
    /// The host allocates and returns so many bytes: a lease on the part of them from an offset on, which the
    /// reader changes; it may say that the part is longer than what there is.
    Part(i32, usize, usize),
    /// A list of two keys, of which the first is kept, and the second or the list.
    Keys {
        keep_list: bool,
    },
    /// The host returns "no result", then something that it never allocated.
    Nothing,
    /// The flare builds a text of so many bytes, and keeps it or sends it.
    Text(usize),
    Send(usize),
    /// The flare takes a block of heap (size and alignment), or changes the size of one that it holds.
    Heap(usize, usize),
    Resize(usize, usize),
    /// What the flare does with the thing that it has held for the longest time, or the second.
    Drop(usize),
    DropLast,
    Forget,
    Truncate(usize, u32),
    Skip(usize),
    IntoText,
    /// A lease grows by so many bytes, or is copied; or it becomes a text that a builder keeps.
    Grow(usize, usize),
    Copy(usize),
    Keep,
    /// A text that asks, of so many bytes and an answer of so many: `Inside` happens while the host is asked.
    Ask {
        keep: bool,
        inside: Inside,
        len: usize,
        answer: u32,
    },
    /// An object of what the host answers, in front of so many bytes: `Inside` happens while it is asked for the first
    /// time.
    Members {
        inside: Inside,
        len: usize,
        answers: &'static [Option<&'static [u8]>],
    },
    /// An optional question that is not asked, or that a hostile host answers with what it has not allocated.
    MaybeAsk {
        asks: bool,
    },
    /// A call with an argument that is kept for its length.
    Call(Inside),
    /// A lease becomes a piece of a text, which asks or not.
    Give {
        asks: bool,
    },
    /// The host panics while it is asked, or called: natively that is a test's closure, which unwinds.
    Panic(Inside),
    Reset,
}

/// What a host may do while an import runs: as a rule it enters the flare again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Inside {
    Nothing,
    /// An invocation that keeps a lease.
    Invocation,
    Text,
    DropFirst,
    Heap,
    /// A lease, and another is dropped, and something is allocated that nobody returns.
    Exchange,
    /// A lease and a text that stay, and another is dropped.
    Stash,
    /// Everything is dropped, and a text fills what is free then.
    Swap,
    /// The host allocates all that is free, to the last byte, and returns nothing of it.
    Fill,
}

use Inside as In;

pub(super) const OPS: &[Op] = &[
    Op::Alloc(9),
    Op::Alloc(24),
    Op::Lease(0, 0, 0),
    Op::Lease(8, 0, 8),
    Op::Lease(8, 0, 1),
    Op::Lease(9, 4, 0),
    Op::Lease(16, 8, 8),
    Op::Lease(16, 5, 3),
    Op::Lease(17, 0, 9),
    Op::Lease(24, 17, 7),
    Op::Decoded(16, 0, 2),
    Op::Decoded(24, 11, 2),
    Op::Part(16, 0, 9),
    Op::Part(24, 11, 3),
    Op::Part(9, 9, 1),
    Op::Keys { keep_list: false },
    Op::Keys { keep_list: true },
    Op::Nothing,
    Op::Text(1),
    Op::Text(8),
    Op::Text(20),
    Op::Send(20),
    Op::Heap(5, 1),
    Op::Heap(8, 16),
    Op::Heap(20, 8),
    Op::Resize(0, 1),
    Op::Resize(0, 24),
    Op::Resize(1, 9),
    Op::Drop(0),
    Op::Drop(1),
    Op::Drop(2),
    Op::DropLast,
    Op::Forget,
    Op::Truncate(0, 1),
    Op::Truncate(1, 0),
    Op::Skip(0),
    Op::Skip(1),
    Op::IntoText,
    Op::Grow(0, 1),
    Op::Grow(1, 9),
    Op::Copy(0),
    Op::Keep,
    Op::Ask {
        keep: true,
        inside: In::Nothing,
        len: 3,
        answer: 8,
    },
    Op::Ask {
        keep: false,
        inside: In::Invocation,
        len: 3,
        answer: 8,
    },
    Op::Ask {
        keep: true,
        inside: In::Invocation,
        len: 3,
        answer: 8,
    },
    Op::Ask {
        keep: true,
        inside: In::Text,
        len: 9,
        answer: 3,
    },
    Op::Ask {
        keep: false,
        inside: In::DropFirst,
        len: 0,
        answer: 8,
    },
    Op::Ask {
        keep: true,
        inside: In::Heap,
        len: 17,
        answer: 8,
    },
    Op::Ask {
        keep: true,
        inside: In::Exchange,
        len: 9,
        answer: 9,
    },
    Op::Ask {
        keep: true,
        inside: In::Stash,
        len: 9,
        answer: 0,
    },
    Op::Members {
        inside: In::Nothing,
        len: 3,
        answers: &[None, Some(b"\"\x1f")],
    },
    Op::Members {
        inside: In::Invocation,
        len: 8,
        answers: &[None, None],
    },
    Op::Members {
        inside: In::Swap,
        len: 1,
        answers: &[Some(b"a")],
    },
    Op::Members {
        inside: In::Fill,
        len: 3,
        answers: &[None, Some(b"a")],
    },
    Op::Members {
        // With what lies behind it, a word: the next byte is one of what was allocated.
        inside: In::Fill,
        len: 7,
        answers: &[None],
    },
    Op::Ask {
        keep: true,
        inside: In::Fill,
        len: 3,
        answer: 0,
    },
    Op::Call(In::Fill),
    Op::Members {
        inside: In::Text,
        len: 3,
        answers: &[Some(b"a\\"), Some(b"")],
    },
    Op::Members {
        inside: In::DropFirst,
        len: 1,
        answers: &[Some(b"a"), Some(b"b")],
    },
    Op::Members {
        inside: In::Stash,
        len: 9,
        answers: &[Some(b"a"), None],
    },
    Op::MaybeAsk { asks: true },
    Op::MaybeAsk { asks: false },
    Op::Call(In::Nothing),
    Op::Call(In::Invocation),
    Op::Call(In::Text),
    Op::Call(In::DropFirst),
    Op::Call(In::Heap),
    Op::Call(In::Exchange),
    Op::Call(In::Stash),
    Op::Give { asks: false },
    Op::Give { asks: true },
    Op::Panic(In::Nothing),
    Op::Panic(In::Invocation),
    Op::Panic(In::Text),
    Op::Panic(In::DropFirst),
    Op::Panic(In::Exchange),
    Op::Reset,
];
