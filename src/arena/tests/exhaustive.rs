//! Every sequence of operations up to a depth, in an arena so small that they get in each other's way.
//!
//! `.ci/soundness model` runs it to depth 4 in an arena of 64 bytes; `FLARON_MODEL_DEPTH=5` goes deeper. In
//! an arena of the usual size, with `cargo test`, it is tried to depth 2.

mod held;
mod ops;

use core::cell::{Cell, RefCell};
use std::boxed::Box;
use std::panic::{self, AssertUnwindSafe};
use std::println;
use std::string::ToString;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

use held::{Heap, Held};
use ops::{Inside, Inside as In, OPS, Op};

use crate::arena::Keys;
use crate::arena::claim::claim_part;
use crate::arena::heap::{resize, take};
use crate::arena::kept::KeptTexts;
use crate::arena::tests::*;

/// Everything that is held, and what it must read as.
#[derive(Default)]
struct World {
    held: Vec<(Held, Vec<u8>)>,
    forgotten: Vec<(Held, Vec<u8>)>,
    next: u8,
}

impl World {
    /// Bytes that nothing else has, all of them ASCII.
    fn fill(&mut self, len: usize) -> Vec<u8> {
        self.next = self.next % 100 + 1;
        vec![self.next; len]
    }

    fn hold(&mut self, held: Held) {
        let content = held.bytes().to_vec();
        self.held.push((held, content));
    }

    fn take_bytes(&mut self, i: usize) -> Option<ArenaBytes> {
        match self.held.get(i) {
            Some((Held::Bytes(_), _)) => match self.held.remove(i).0 {
                Held::Bytes(lease) => Some(lease),
                _ => None,
            },
            _ => None,
        }
    }

    /// What a well-behaved host returns.
    fn answer(&mut self, len: u32) -> i64 {
        let bytes = self.fill(len as usize);
        host_returns(&bytes)
    }

    /// Allocates a block and fills it: its address, or that of the end of what is leased.
    fn allocate(&mut self, size: i32) -> Option<i32> {
        if size == 0 {
            return Some((storage::origin() + LEASED.get()) as i32);
        }
        let bytes = self.fill(size as usize);
        let address = guest_alloc(size);
        if address == 0 {
            assert!(claim(0).is_none() && arena_refused());
            return None;
        }
        host_write(address, &bytes);
        Some(address)
    }

    fn inside(&mut self, inside: Inside) {
        match inside {
            In::Nothing => {}
            In::Invocation => {
                reset_arena();
                let returned = self.answer(8);
                self.hold_claimed(returned);
            }
            In::Text => self.hold_text(8),
            In::DropFirst => {
                if !self.held.is_empty() {
                    drop(self.held.remove(0));
                }
            }
            In::Heap => self.hold_heap(9, 8),
            In::Exchange => {
                let returned = self.answer(24);
                self.hold_claimed(returned);
                self.held.pop();
                guest_alloc(3);
            }
            In::Stash => {
                let returned = self.answer(8);
                self.hold_claimed(returned);
                self.hold_text(20);
                self.held.pop();
            }
            In::Swap => {
                reset_arena();
                self.held.clear();
                self.hold_text(room());
            }
            In::Fill => {
                let free = room() - PENDING.get().next_multiple_of(8) as usize;
                assert_eq!(guest_alloc(free as i32) == 0, free == 0);
            }
        }
        self.check();
    }

    fn hold_claimed(&mut self, returned: i64) {
        if let Some(lease) = claim(returned) {
            self.hold(Held::Bytes(lease));
        }
    }

    fn hold_text(&mut self, len: usize) {
        if let Ok(text) = text::build(&*self.fill(len)) {
            self.hold(Held::Text(text));
        }
    }

    fn hold_heap(&mut self, size: usize, align: usize) {
        let start = take(size, align);
        if !start.is_null() {
            assert_eq!(start.addr() % align, 0);
            let fill = self.fill(1)[0];
            // SAFETY: the block has that size.
            unsafe { start.write_bytes(fill, size) };
            self.hold(Held::Heap(Heap { start, size }));
        }
    }

    /// Whether it did anything: what comes after an operation that did nothing is tried without it.
    fn step(&mut self, op: Op) -> bool {
        let before = self.held.len();
        match op {
            Op::Alloc(size) => drop(guest_alloc(size)),
            Op::Reset => reset_arena(),
            Op::Lease(size, skip, len) => {
                let Some(address) = self.allocate(size) else {
                    return false;
                };
                self.hold_claimed(pack(address + skip, len));
            }
            Op::Decoded(size, skip, len) => {
                let Some(address) = self.allocate(size) else {
                    return false;
                };
                let block = pack(address + skip, len);
                if let Some(Ok((lease, ()))) = claim_decoded(block, |_| Ok::<_, ()>(())) {
                    self.hold(Held::Bytes(lease));
                }
            }
            Op::Part(size, skip, len) => {
                let Some(address) = self.allocate(size) else {
                    return false;
                };
                let mark = self.fill(1)[0];
                let part = claim_part(pack(address, size as u32), |mut bytes| {
                    bytes.fill(mark);
                    bytes
                        .part(skip..size as usize)?
                        .part(..len.min(size as usize - skip))
                });
                if let Some(part) = part {
                    assert_eq!(part, vec![mark; len.min(size as usize - skip)]);
                    self.hold(Held::Bytes(part));
                }
            }
            Op::Keys { keep_list } => {
                let name = char::from(b'a' + self.fill(1)[0] % 26);
                let returned = host_returns(format!("[\"{name}\",\"\"] ").as_bytes());
                let Some(lease) = claim(returned) else {
                    return false;
                };
                let mut keys = Keys::new(lease);
                let (first, second) = (keys.next().unwrap(), keys.next().unwrap());
                assert_eq!((first.to_string(), &*second), (name.to_string(), ""));
                self.hold(Held::Key(first));
                self.hold(if keep_list {
                    Held::Keys(keys)
                } else {
                    Held::Key(second)
                });
            }
            Op::Nothing => {
                assert!(claim(0).is_none());
                self.hold_claimed(pack(storage::origin() as i32 + 3, 1));
            }
            Op::Text(len) => {
                self.hold_text(len);
                return self.held.len() > before;
            }
            Op::Send(len) => {
                let content = self.fill(len);
                match sent(&*content) {
                    Ok(sent) => assert_eq!(sent, content),
                    Err(ArenaFull) => return false,
                }
            }
            Op::Heap(size, align) => {
                self.hold_heap(size, align);
                return self.held.len() > before;
            }
            Op::Resize(i, size) => {
                let Some((Held::Heap(block), content)) = self.held.get_mut(i) else {
                    return false;
                };
                // SAFETY: the block has this size, and what is added to it is filled.
                unsafe {
                    if !resize(block.start, block.size, size) {
                        return false;
                    }
                    if size > block.size {
                        let added = size - block.size;
                        block.start.add(block.size).write_bytes(content[0], added);
                    }
                }
                block.size = size;
                content.resize(size, content[0]);
            }
            Op::Drop(i) => {
                if i >= before {
                    return false;
                }
                drop(self.held.remove(i));
            }
            Op::DropLast => return self.held.pop().is_some(),
            Op::Forget => {
                if before == 0 {
                    return false;
                }
                let forgotten = self.held.remove(0);
                self.forgotten.push(forgotten);
            }
            Op::Truncate(i, len) => {
                let Some(lease) = self.take_bytes(i) else {
                    return false;
                };
                self.hold(Held::Bytes(lease.truncate(len)));
            }
            Op::Skip(i) => {
                let Some(lease) = self.take_bytes(i) else {
                    return false;
                };
                self.hold(Held::Bytes(skip(lease, 4)));
            }
            Op::IntoText => {
                let Some(lease) = self.take_bytes(0) else {
                    return false;
                };
                let text = lease.into_text();
                assert!(text.is_ascii() && text == text.as_str());
                self.hold(Held::Str(text));
            }
            Op::Grow(i, len) => {
                let more = self.fill(len);
                let Some((held, content)) = self.held.get_mut(i) else {
                    return false;
                };
                let grown = match held {
                    Held::Bytes(lease) => lease.try_extend_from_slice(&more),
                    Held::Str(text) => text.try_push_str(core::str::from_utf8(&more).unwrap()),
                    _ => return false,
                };
                if grown.is_err() {
                    return false;
                }
                content.extend(more);
            }
            Op::Copy(i) => {
                let Some((held, _)) = self.held.get(i) else {
                    return false;
                };
                // As `clone` does it, which traps when there is no room.
                let mut copy = ArenaBytes::default();
                if copy.try_extend_from_slice(held.bytes()).is_err() {
                    return false;
                }
                self.hold(Held::Bytes(copy));
            }
            Op::Keep => {
                let Some(lease) = self.take_bytes(0) else {
                    return false;
                };
                self.hold(Held::Kept(KeptTexts::leased(lease.into_text())));
            }
            Op::Ask {
                keep,
                inside,
                len,
                answer,
            } => self.ask(keep, inside, len, answer),
            Op::Members {
                inside,
                len,
                answers,
            } => self.members(inside, len, answers),
            Op::MaybeAsk { asks } => {
                let content = self.fill(8);
                let question =
                    asks.then_some(Ask(|| pack((storage::origin() + LEASED.get()) as i32, 0)));
                if let Ok(text) = text::build((question, &*content)) {
                    assert_eq!(text, content);
                    self.hold(Held::Text(text));
                }
            }
            Op::Call(inside) => {
                let content = self.fill(9);
                let world = RefCell::new(&mut *self);
                let returned = send::call(&*content, |argument| {
                    // SAFETY: read before anything else is done, as the host does.
                    assert_eq!(unsafe { &*Bytes::raw(argument) }, content);
                    let mut world = world.borrow_mut();
                    world.inside(inside);
                    world.answer(9)
                });
                if let Some(lease) = returned {
                    self.hold(Held::Bytes(lease));
                }
            }
            Op::Give { asks } => {
                let Some(lease) = self.take_bytes(0) else {
                    return false;
                };
                let content = lease.to_vec();
                let world = RefCell::new(&mut *self);
                let question = Ask(|| {
                    let mut world = world.borrow_mut();
                    world.check();
                    world.answer(3)
                });
                let text = match asks {
                    true => text::build(("", lease, question)),
                    false => text::build((lease, "abc")),
                };
                if let Ok(text) = text {
                    assert_eq!(
                        (&text[..content.len()], text.len()),
                        (&*content, content.len() + 3)
                    );
                    self.hold(Held::Text(text));
                }
            }
            Op::Panic(inside) => self.panic(inside),
        }
        true
    }

    fn ask(&mut self, keep: bool, inside: Inside, len: usize, answer: u32) {
        let content = self.fill(len);
        let world = RefCell::new(&mut *self);
        let question = Ask(|| {
            let mut world = world.borrow_mut();
            world.inside(inside);
            guest_alloc(1);
            world.answer(answer)
        });
        let pieces = (&*content, question, 123_u8);
        if keep {
            let text = text::build(pieces);
            if let Ok(text) = text {
                assert_eq!(text.len(), len + answer as usize + 3);
                // What another invocation has built meanwhile may lie in it; see `SECURITY.md`.
                if inside == In::Nothing {
                    assert_eq!(text[..len], content);
                }
                self.hold(Held::Text(text));
            }
        } else {
            let _ = send::send(pieces, |argument| {
                let mut world = world.borrow_mut();
                world.check();
                assert_eq!(Bytes::raw(argument).len(), len + answer as usize + 3);
                world.inside(inside);
            });
        }
    }

    fn members(&mut self, inside: Inside, len: usize, answers: &'static [Option<&'static [u8]>]) {
        // What lies behind closes an object or not.
        let content = self.fill(len);
        let world = RefCell::new(&mut *self);
        let asked = Cell::new(0);
        let question = || {
            let mut world = world.borrow_mut();
            let n = asked.replace(asked.get() + 1);
            if n == 0 {
                world.inside(inside);
            }
            world.check();
            answers[n].map_or(0, |answer| {
                guest_alloc(1);
                host_returns(answer)
            })
        };
        let text = Members::build(
            |text| text.bytes(b"b"),
            &content,
            |text| {
                for _ in answers {
                    text.member("n", crate::json::quoted, question);
                }
                text.put(b"{");
            },
        );
        let mut expected = content;
        for answer in answers.iter().flatten().filter(|bytes| !bytes.is_empty()) {
            // As `serde_json` quotes it.
            let answer = core::str::from_utf8(answer).unwrap();
            let answer = serde_json::to_vec(answer).unwrap();
            expected = [b"\"n\":", &*answer, b",", &*expected].concat();
        }
        expected.insert(0, b'{');
        world.borrow().check();
        if let Some((built, behind)) = text.and_then(Members::payloads) {
            // SAFETY: read before anything else is done, as the host does.
            assert_eq!(unsafe { &*Bytes::raw(built) }, expected);
            // SAFETY: as above.
            assert_eq!(unsafe { &*Bytes::raw(behind) }, b"b");
        }
        world.borrow().check();
    }

    fn panic(&mut self, inside: Inside) {
        let content = self.fill(9);
        let given = self.take_bytes(0);
        let world = RefCell::new(&mut *self);
        // Of two ways each is taken now and then.
        let calls = content[0] % 2 == 0;
        let unwound = panic::catch_unwind(AssertUnwindSafe(|| {
            if calls {
                drop(send::call(&*content, |_| {
                    world.borrow_mut().inside(inside);
                    panic::resume_unwind(Box::new(()))
                }));
            } else {
                let question = Ask(|| {
                    world.borrow_mut().inside(inside);
                    guest_alloc(5);
                    panic::resume_unwind(Box::new(()))
                });
                drop(text::build((&*content, question, given)));
            }
        }));
        let _ = unwound;
    }

    /// What must hold after each step: I3, I4 and what everything reads as. (The arena asserts the rest.)
    fn check(&self) {
        let mut blocks = [(0, 0); 32];
        let mut count = 0;
        for (held, content) in self.held.iter().chain(&self.forgotten) {
            if let Held::Keys(_) = held {
                continue;
            }
            let bytes = held.bytes();
            assert_eq!(bytes, content, "no byte changes");
            if bytes.is_empty() {
                continue;
            }
            let (start, end) = (at(bytes), at(bytes) + bytes.len());
            match held {
                Held::Text(_) => assert!(start >= top() as usize && end <= SIZE as usize, "I4"),
                _ => assert!(end <= LEASED.get() as usize, "I3"),
            }
            blocks[count] = (start, end);
            count += 1;
        }
        let blocks = &mut blocks[..count];
        blocks.sort_unstable();
        assert!(
            blocks.windows(2).all(|pair| pair[0].1 <= pair[1].0),
            "I3, I4"
        );
        crate::arena::invariants::check();
    }

    /// Drops everything, what was forgotten too: then all is free.
    fn end(mut self) {
        while let Some(last) = self.held.pop().or_else(|| self.forgotten.pop()) {
            drop(last);
            self.check();
        }
        assert_eq!((LIVE.get(), TEXTS.get()), (0, 0), "I5, I6");
        reset_arena();
        assert!(arena_is_free());
    }
}

/// Runs a sequence; how many operations of it were tried before one did nothing.
fn run(sequence: &[usize]) -> usize {
    let mut world = World::default();
    let mut tried = 0;
    for op in sequence {
        tried += 1;
        let useful = world.step(OPS[*op]);
        world.check();
        if !useful {
            break;
        }
    }
    world.end();
    tried
}

/// Says which sequence it was, if one fails.
struct Report<'a>(&'a Cell<Vec<usize>>);

impl core::ops::Drop for Report<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            let ops: Vec<Op> = self.0.take().into_iter().map(|op| OPS[op]).collect();
            println!("the sequence: {ops:?}");
        }
    }
}

/// Runs all sequences that begin with one operation; how many they are.
fn run_all(first: usize, depth: usize) -> u64 {
    let mut sequence = vec![0; depth];
    sequence[0] = first;
    let shown = Cell::new(Vec::new());
    let _report = Report(&shown);
    let mut count = 0;
    loop {
        let mut copy = shown.take();
        copy.clone_from(&sequence);
        shown.set(copy);
        let tried = run(&sequence);
        count += 1;
        // What comes behind the last that was tried makes no difference.
        sequence[tried..].fill(0);
        let next = (1..tried).rev().find(|at| {
            sequence[*at] = (sequence[*at] + 1) % OPS.len();
            sequence[*at] != 0
        });
        if next.is_none() {
            return count;
        }
    }
}

#[test]
fn every_sequence_of_operations_keeps_the_invariants() {
    let usual = if ARENA_BYTES == 64 { 3 } else { 2 };
    let depth = std::env::var("FLARON_MODEL_DEPTH").map_or(usual, |depth| depth.parse().unwrap());
    // Under Miri sequences of one, of which there is one for each operation.
    let depth = if cfg!(miri) { 1 } else { depth };
    let firsts = AtomicUsize::new(0);
    let work = || {
        let mut count = 0;
        loop {
            let first = firsts.fetch_add(1, Relaxed);
            if first >= OPS.len() {
                return count;
            }
            count += run_all(first, depth);
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let count: u64 = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap())
            .sum()
    });
    println!(
        "{count} sequences of up to {depth} of {} operations, arena {ARENA_BYTES}",
        OPS.len()
    );
}
