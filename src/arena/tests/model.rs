//! Whatever may happen, against a model.

use core::cell::RefCell;
use core::mem::ManuallyDrop;
use proptest::prelude::*;
use std::string::{String, ToString};

use crate::arena::claim::claim_part;
#[cfg(feature = "beam")]
use crate::arena::kept::KeptTexts;
use crate::arena::tests::*;
#[cfg(lists_keys)]
use crate::arena::{Key, Keys};

/// A thing that happens to the arena.
#[derive(Debug, Clone)]
enum Op {
    /// The host allocates and does not return it.
    Alloc(i32),
    /// The host allocates `size` bytes and returns `len` of them from `skip` on.
    Lease {
        size: u16,
        skip: u16,
        len: u16,
    },
    /// The host allocates and returns `size` bytes, of which the flare takes the part of `len` from `start` on.
    Section {
        size: u16,
        start: u16,
        len: u16,
    },
    /// The host returns this.
    Return(i64),
    /// The host allocates and returns something that is read and given back.
    Read(u16),
    /// The flare builds a text.
    Text(u16),
    /// The flare sends pieces, with this happening in the host.
    Send(u16, Vec<Op>),
    /// The flare sends or keeps a text that asks for some of its pieces.
    Grow(Vec<Part>, bool),
    /// The flare sends an object of answers: what happens in the host before each, and its length.
    Members(Vec<(Vec<Op>, u16)>),
    /// The flare makes a call with pieces; this happens in the host before it returns a result.
    Call(u16, Vec<Op>, u16),
    /// The flare reads keys, keeps so many of them, and the list if so.
    Keys(Vec<String>, usize, bool),
    /// What the flare does with something that it holds.
    Skip(usize, u16),
    Truncate(usize, u16),
    ToText(usize),
    /// It appends so many bytes.
    Extend(usize, u16),
    /// It gives it to a builder, which keeps it.
    Keep(usize),
    Drop(usize),
    Forget(usize),
    Reset,
}

/// A piece of a text that asks.
#[derive(Debug, Clone)]
enum Part {
    Bytes(u16),
    Number(u64),
    /// Something that the flare holds, to be given back or only to be read.
    Held(usize, bool),
    /// What happens in the host, how much it allocates beside the answer, and the answer's length.
    Answer(Vec<Op>, i32, u16),
}

fn op() -> impl Strategy<Value = Op> {
    // Miri looks at each byte.
    let large = if cfg!(miri) { 100 } else { 60_000 };
    let size = prop_oneof![6 => 0..40_u16, 2 => Just(0), 2 => 0..large / 30, 1 => Just(large)];
    let i = 0..12_usize;
    let leaf = prop_oneof![
        1 => prop_oneof![-10..200, Just(i32::MAX), Just(i32::MIN)].prop_map(Op::Alloc),
        6 => (size.clone(), 0..20_u16, size.clone())
            .prop_map(|(size, skip, len)| Op::Lease { size, skip, len }),
        // A well-behaved host.
        6 => size.clone().prop_map(|len| Op::Lease { size: len, skip: 0, len }),
        2 => (size.clone(), 0..20_u16, size.clone())
            .prop_map(|(size, start, len)| Op::Section { size, start, len }),
        1 => (4090..4200_i32, any::<u8>()).prop_map(|(at, len)| Op::Return(pack(at, len.into()))),
        1 => any::<i64>().prop_map(Op::Return),
        1 => size.clone().prop_map(Op::Read),
        4 => size.clone().prop_map(Op::Text),
        2 => (prop::collection::vec("[a-z\"\\\\\u{e9}]{0,5}", 0..4), 0..4_usize, any::<bool>())
            .prop_map(|(keys, keep, list)| Op::Keys(keys, keep, list)),
        2 => (i.clone(), 0..10_u16).prop_map(|(i, n)| Op::Skip(i, n)),
        2 => (i.clone(), size.clone()).prop_map(|(i, n)| Op::Truncate(i, n)),
        1 => i.clone().prop_map(Op::ToText),
        3 => (i.clone(), 0..30_u16).prop_map(|(i, n)| Op::Extend(i, n)),
        1 => i.clone().prop_map(Op::Keep),
        10 => i.clone().prop_map(Op::Drop),
        1 => i.prop_map(Op::Forget),
        1 => Just(Op::Reset),
    ];
    let sizes = size;
    leaf.prop_recursive(2, 12, 4, move |op| {
        let ops = prop::collection::vec(op, 0..4);
        let part = prop_oneof![
            sizes.clone().prop_map(Part::Bytes),
            any::<u64>().prop_map(Part::Number),
            (0..12_usize, any::<bool>()).prop_map(|(i, give)| Part::Held(i, give)),
            (Just(Vec::new()), Just(0), sizes.clone())
                .prop_map(|(ops, beside, len)| Part::Answer(ops, beside, len)),
            (ops.clone(), 0..20, sizes.clone())
                .prop_map(|(ops, beside, len)| Part::Answer(ops, beside, len)),
        ];
        prop_oneof![
            (prop::collection::vec(part, 0..5), any::<bool>())
                .prop_map(|(parts, keep)| Op::Grow(parts, keep)),
            (sizes.clone(), ops.clone()).prop_map(|(len, ops)| Op::Send(len, ops)),
            prop::collection::vec((ops.clone(), sizes.clone()), 0..4).prop_map(Op::Members),
            (sizes.clone(), ops, sizes.clone())
                .prop_map(|(len, ops, result)| Op::Call(len, ops, result)),
        ]
    })
}

/// Something that the flare holds.
enum Lease {
    Bytes(ArenaBytes),
    Str(ArenaStr),
    Text(Text),
    #[cfg(feature = "beam")]
    Kept(KeptTexts<'static, 1>),
    #[cfg(lists_keys)]
    Key(Key),
    #[cfg(lists_keys)]
    Keys(#[allow(dead_code, reason = "held, and never looked at")] Keys),
}

impl Lease {
    fn bytes(&self) -> &[u8] {
        match self {
            Lease::Bytes(lease) => lease,
            Lease::Str(text) => text.raw(),
            Lease::Text(text) => text,
            #[cfg(feature = "beam")]
            Lease::Kept(text) => text.get(0).as_bytes(),
            #[cfg(lists_keys)]
            Lease::Key(key) => key.as_bytes(),
            // Its bytes are its own matter.
            #[cfg(lists_keys)]
            Lease::Keys(_) => b"",
        }
    }
}

/// What the flare holds, and what it must read as.
#[derive(Default)]
struct Model {
    held: Vec<(Lease, Vec<u8>)>,
    forgotten: Vec<(ManuallyDrop<Lease>, Vec<u8>)>,
    /// Makes the bytes of each block different.
    next: u8,
}

impl Model {
    fn content(&mut self, len: u16) -> Vec<u8> {
        self.next = self.next.wrapping_add(37);
        let first = self.next;
        vec![first; len.into()]
    }

    fn hold(&mut self, lease: Lease, content: Vec<u8>) {
        self.held.push((lease, content));
    }

    fn take(&mut self, i: usize) -> Option<(Lease, Vec<u8>)> {
        (i < self.held.len()).then(|| self.held.swap_remove(i))
    }

    /// What must hold after each step.
    fn check(&self) {
        let forgotten = self
            .forgotten
            .iter()
            .map(|(lease, content)| (&**lease, content));
        let held = self.held.iter().map(|(lease, content)| (lease, content));
        let mut blocks = Vec::new();
        for (lease, content) in held.chain(forgotten) {
            let bytes = lease.bytes();
            #[cfg(lists_keys)]
            if let Lease::Keys(_) = lease {
                continue;
            }
            assert_eq!(bytes, content, "no byte changes under a lease");
            if !bytes.is_empty() {
                let start = at(bytes);
                assert!(
                    start + bytes.len() <= ARENA_BYTES,
                    "a lease lies in the arena"
                );
                blocks.push((start, start + bytes.len()));
            }
        }
        blocks.sort_unstable();
        for pair in blocks.windows(2) {
            assert!(pair[0].1 <= pair[1].0, "leases do not overlap");
        }
        assert!(LEASED.get() % 8 == 0 && SCRATCH.get() % 8 == 0);
        assert!(LEASED.get() + PENDING.get() <= top());
    }

    fn run(&mut self, ops: &[Op]) {
        for op in ops {
            self.step(op);
            self.check();
        }
    }

    fn step(&mut self, op: &Op) {
        match op {
            Op::Alloc(size) => {
                let address = guest_alloc(*size);
                assert!(address == 0 || *size > 0 && address % 8 == 0);
            }
            Op::Lease { size, skip, len } => {
                let content = self.content(*size);
                let first = PENDING.get() == 0;
                let address = guest_alloc((*size).max(1).into());
                if address == 0 {
                    assert!(claim(0).is_none() && arena_refused());
                    return;
                }
                host_write(address, &content);
                let block = (*size).max(1);
                let got = claim(pack(address + i32::from(*skip), u32::from(*len)));
                if *skip == 0 && *len <= block {
                    assert!(got.is_some() || !first, "it was allocated");
                } else if u32::from(*skip) + u32::from(*len) > block.into() {
                    assert!(got.is_none(), "it was not allocated");
                }
                if let Some(got) = got {
                    let known = content.iter().skip((*skip).into()).take(got.len());
                    assert!(got.iter().zip(known).all(|(got, known)| got == known));
                    let content = got.to_vec();
                    self.hold(Lease::Bytes(got), content);
                }
            }
            Op::Section { size, start, len } => {
                let content = self.content(*size);
                let part = claim_part(host_returns(&content), |bytes| {
                    assert_eq!(*bytes, content);
                    let start = bytes.len().min((*start).into());
                    let len = (bytes.len() - start).min((*len).into());
                    bytes.part(start..start + len)
                });
                if let Some(part) = part {
                    let known = content.iter().skip((*start).into()).take((*len).into());
                    let known: Vec<u8> = known.copied().collect();
                    self.hold(Lease::Bytes(part), known);
                }
            }
            Op::Return(raw) => {
                if let Some(got) = claim(*raw) {
                    let content = got.to_vec();
                    self.hold(Lease::Bytes(got), content);
                }
            }
            Op::Read(len) => {
                let content = self.content(*len);
                let got = claim_with(host_returns(&content), |bytes| Some(bytes.to_vec()));
                assert!(got.is_none_or(|got| got == content));
            }
            Op::Text(len) => {
                let content = self.content(*len);
                match text::build(&*content) {
                    Ok(text) => self.hold(Lease::Text(text), content),
                    Err(ArenaFull) => assert!(room() < content.len()),
                }
            }
            Op::Send(len, inner) => {
                let content = self.content(*len);
                let sent = send::send(&*content, |built| {
                    // SAFETY: read before anything else is done, as the host does.
                    assert_eq!(unsafe { &*Bytes::raw(built) }, content);
                    self.run(inner);
                });
                assert!(sent.is_ok() || room() < content.len());
            }
            Op::Grow(parts, keep) => self.grow(parts, *keep),
            #[cfg(all(feature = "beam", feature = "request"))]
            Op::Members(members) => self.members(members),
            #[cfg(not(all(feature = "beam", feature = "request")))]
            Op::Members(_) => {}
            Op::Call(len, inner, result) => {
                let content = self.content(*len);
                let answer = self.content(*result);
                let got = send::call(&*content, |built| {
                    // SAFETY: as above.
                    assert_eq!(unsafe { &*Bytes::raw(built) }, content);
                    self.run(inner);
                    host_returns(&answer)
                });
                if let Some(got) = got {
                    self.hold(Lease::Bytes(got), answer);
                }
            }
            #[cfg(lists_keys)]
            Op::Keys(names, keep, list) => {
                let json = serde_json::to_vec(names).unwrap();
                let Some(json) = claim(host_returns(&json)) else {
                    return;
                };
                let mut keys = Keys::new(json);
                for name in names.iter().take(*keep) {
                    let key = keys.next().expect("a key");
                    self.hold(Lease::Key(key), name.as_bytes().to_vec());
                    self.check();
                }
                if *list {
                    self.hold(Lease::Keys(keys), Vec::new());
                }
            }
            #[cfg(not(lists_keys))]
            Op::Keys(..) => {}
            Op::Skip(i, n) => match self.take(*i) {
                Some((Lease::Bytes(lease), mut content)) => {
                    content.drain(..usize::from(*n).min(content.len()));
                    self.hold(Lease::Bytes(skip(lease, (*n).into())), content);
                }
                other => self.held.extend(other),
            },
            Op::Truncate(i, n) => match self.take(*i) {
                Some((Lease::Bytes(lease), mut content)) => {
                    content.truncate((*n).into());
                    self.hold(Lease::Bytes(lease.truncate((*n).into())), content);
                }
                other => self.held.extend(other),
            },
            Op::ToText(i) => match self.take(*i) {
                Some((Lease::Bytes(lease), content)) => {
                    let text = lease.into_text();
                    assert_eq!(&*text, repaired(&content));
                    self.hold(Lease::Str(text), repaired(&content).into_bytes());
                }
                other => self.held.extend(other),
            },
            Op::Extend(i, len) => {
                let more = self.content(*len);
                let more = repaired(&more);
                let room = room();
                let Some((lease, content)) = self.held.get_mut(*i) else {
                    return;
                };
                let grown = match lease {
                    Lease::Bytes(lease) => lease.try_extend_from_slice(more.as_bytes()),
                    Lease::Str(text) => text.try_push_str(&more),
                    _ => return,
                };
                match grown {
                    Ok(()) => content.extend(more.into_bytes()),
                    Err(ArenaFull) => assert!(room < content.len() + more.len()),
                }
            }
            #[cfg(feature = "beam")]
            Op::Keep(i) => match self.take(*i) {
                Some((Lease::Str(text), content)) => {
                    self.hold(Lease::Kept(KeptTexts::leased(text)), content);
                }
                other => self.held.extend(other),
            },
            #[cfg(not(feature = "beam"))]
            Op::Keep(_) => {}
            Op::Drop(i) => drop(self.take(*i)),
            Op::Forget(i) => {
                if let Some((lease, content)) = self.take(*i) {
                    self.forgotten.push((ManuallyDrop::new(lease), content));
                }
            }
            Op::Reset => reset_arena(),
        }
    }
}

/// The parts as pieces, for a model that the host's calls change meanwhile.
struct Parts<'a, 'm> {
    parts: &'a [Part],
    model: &'a RefCell<&'m mut Model>,
    /// What the text must be; `None` if something came between.
    expected: &'a RefCell<Option<Vec<u8>>>,
}

impl Parts<'_, '_> {
    fn expect(&self, bytes: &[u8]) {
        if let Some(expected) = self.expected.borrow_mut().as_mut() {
            expected.extend_from_slice(bytes);
        }
    }
}

impl Piece for Parts<'_, '_> {
    type Backward = AsksTheHost;

    fn backward(_: Sealed) -> Option<AsksTheHost> {
        None
    }

    fn prepend_to<S: Sink>(self, _: S, proof: AsksTheHost) -> S {
        match proof {}
    }

    fn append_to(self, mut text: ForwardWriter) -> ForwardWriter {
        for part in self.parts {
            text = match part {
                Part::Bytes(len) => {
                    let content = self.model.borrow_mut().content(*len);
                    self.expect(&content);
                    (&*content, None::<&str>).append_to(text)
                }
                Part::Number(number) => {
                    self.expect(number.to_string().as_bytes());
                    number.append_to(text)
                }
                Part::Held(i, give) => {
                    let mut model = self.model.borrow_mut();
                    match model.take(*i) {
                        Some((Lease::Bytes(lease), content)) if *give => {
                            self.expect(&content);
                            lease.append_to(text)
                        }
                        Some((Lease::Str(lease), content)) if *give => {
                            self.expect(&content);
                            Some(lease).append_to(text)
                        }
                        Some((lease, content)) => {
                            self.expect(lease.bytes());
                            let text = lease.bytes().append_to(text);
                            model.hold(lease, content);
                            text
                        }
                        None => text,
                    }
                }
                Part::Answer(inner, beside, len) => {
                    let ask = || {
                        let mut model = self.model.borrow_mut();
                        let content = model.content(*len);
                        model.run(inner);
                        if !inner.is_empty() {
                            *self.expected.borrow_mut() = None;
                        }
                        self.expect(&content);
                        guest_alloc(*beside);
                        host_returns(&content)
                    };
                    Ask(ask).append_to(text)
                }
            }
        }
        text
    }
}

impl Model {
    /// What is built is kept while the host is asked: it stays as it is whatever happens there.
    #[cfg(all(feature = "beam", feature = "request"))]
    fn members(&mut self, members: &[(Vec<Op>, u16)]) {
        let room = room();
        let mut expected = b"}".to_vec();
        let mut wanted = 24;
        let write = |text: &mut Members| {
            for (inner, len) in members {
                text.member("n", crate::json::quoted, || {
                    self.run(inner);
                    let content = vec![b'a' + self.content(1)[0] % 26; (*len).into()];
                    if *len > 0 {
                        let comma = if expected == b"}" { "" } else { "," };
                        let member = [b"\"n\":\"", &*content, b"\"", comma.as_bytes()].concat();
                        expected.splice(0..0, member);
                    }
                    wanted = wanted.max(expected.len() + content.len() + 24);
                    host_returns(&content)
                });
            }
            text.put(b"{");
        };
        let text = Members::build(|text| text.bytes(b"behind"), b"}", write);
        expected.insert(0, b'{');
        self.check();
        match text.and_then(Members::payloads) {
            // SAFETY: read before anything else is done, as the host does.
            Some((built, _)) => assert_eq!(unsafe { &*Bytes::raw(built) }, expected),
            None => assert!(
                room < wanted || members.iter().any(|(inner, _)| !inner.is_empty()),
                "it would have fit"
            ),
        }
    }

    fn grow(&mut self, parts: &[Part], keep: bool) {
        let expected = RefCell::new(Some(Vec::new()));
        let model = RefCell::new(self);
        let pieces = Parts {
            parts,
            model: &model,
            expected: &expected,
        };
        let (before, room) = (PENDING.get(), room());
        let text = match keep {
            true => text::build(pieces).map(|text| (text.to_vec(), Some(text))),
            false => sent(pieces).map(|text| (text, None)),
        };
        let model = model.into_inner();
        let expected = expected.into_inner();
        match (text, expected) {
            (Ok((text, kept)), expected) => {
                assert!(expected.is_none_or(|expected| text == expected));
                if let Some(kept) = kept {
                    model.hold(Lease::Text(kept), text);
                }
            }
            (Err(ArenaFull), Some(expected)) => {
                // What the text would have been at most, and what lies beside it.
                let mut wanted = expected.len() + before as usize;
                for part in parts {
                    wanted += 24;
                    if let Part::Answer(_, beside, len) = part {
                        wanted += *beside as usize + usize::from(*len);
                    }
                }
                assert!(room < wanted, "it would have fit");
            }
            (Err(ArenaFull), None) => {}
        }
    }
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn whatever_happens_leases_keep_their_bytes_and_give_their_space_back(
        ops in prop::collection::vec(op(), 1..if cfg!(miri) { 12 } else { 40 })
    ) {
        let mut model = Model::default();
        model.run(&ops);
        while let Some(last) = model.held.pop() {
            drop(last);
            model.check();
        }
        // What was forgotten after all, too.
        for (lease, _) in model.forgotten.drain(..) {
            drop(ManuallyDrop::into_inner(lease));
        }
        prop_assert_eq!((LIVE.get(), TEXTS.get()), (0, 0));
        reset_arena();
        prop_assert!(arena_is_free());
    }
}
