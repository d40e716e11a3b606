//! The arena: any sequence of results, leases dropped in any order, forgets, resets, texts, and calls from
//! within calls, under a host that puts its answers anywhere. Each lease and text is compared with a copy
//! after each step, so that an overlap shows; in the end, everything is free again. Blocks of the heap and responses
//! of beam, which are decoded in place, are among them.
#![no_main]

use std::alloc::{GlobalAlloc, Layout};
use std::cell::RefCell;
use std::ops::Deref;
use std::rc::Rc;

use flaron_sdk::beam::{self, FetchResponse};
use flaron_sdk::heap::ArenaAlloc;
use flaron_sdk::testing::Host;
use flaron_sdk::text::{self, Text};
use flaron_sdk::{ARENA_BYTES, ArenaBytes, crypto, guest_alloc, request, reset_arena, response, spark, ws};
use libfuzzer_sys::fuzz_target;

/// Everything that is alive, as something that derefs to bytes, and the bytes it must have.
#[derive(Default)]
struct World {
    leases: Vec<(Lease, Vec<u8>)>,
    stamp: u8,
}

enum Lease {
    Bytes(ArenaBytes),
    Key(flaron_sdk::Key),
    /// Only kept alive.
    Keys(#[allow(dead_code)] flaron_sdk::Keys),
    Text(Text),
    Secret(flaron_sdk::secrets::SecretBytes),
    /// Read as its body.
    Response(FetchResponse),
    Heap(Block),
}

/// A block of the heap.
struct Block {
    start: *mut u8,
    layout: Layout,
}

impl Block {
    fn new(bytes: &[u8], align: usize) -> Option<Block> {
        let layout = Layout::from_size_align(bytes.len().max(1), align).unwrap();
        // SAFETY: the size is not 0.
        let start = unsafe { ArenaAlloc.alloc(layout) };
        if start.is_null() {
            return None;
        }
        assert_eq!(start.addr() % align, 0);
        // SAFETY: the block is that large. (If there are no bytes, the rest is initialised, too.)
        unsafe {
            start.write(b'h');
            start.copy_from(bytes.as_ptr(), bytes.len());
        }
        Some(Block { start, layout })
    }

    /// Makes it larger or smaller; added bytes are `fill`.
    fn resize(&mut self, size: usize, fill: u8) {
        let (old, size) = (self.layout.size(), size.max(1));
        // SAFETY: the block came from `alloc` with this layout, and the size is not 0.
        let start = unsafe { ArenaAlloc.realloc(self.start, self.layout, size) };
        if !start.is_null() {
            self.start = start;
            self.layout = Layout::from_size_align(size, self.layout.align()).unwrap();
            // SAFETY: the block is that large now.
            unsafe { start.add(old.min(size)).write_bytes(fill, size.saturating_sub(old)) };
        }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: the block came from `alloc` with this layout, and is not used any more.
        unsafe { ArenaAlloc.dealloc(self.start, self.layout) }
    }
}

impl Deref for Lease {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        match self {
            Lease::Bytes(lease) => lease,
            Lease::Key(lease) => lease.as_bytes(),
            Lease::Keys(_) => b"",
            Lease::Text(lease) => lease,
            Lease::Secret(lease) => lease,
            Lease::Response(response) => response.body_bytes(),
            // SAFETY: the block is alive, and initialised.
            Lease::Heap(block) => unsafe {
                std::slice::from_raw_parts(block.start, block.layout.size())
            },
        }
    }
}

impl World {
    fn bytes(&mut self, len: usize) -> Vec<u8> {
        // ASCII, so that it is text, too; never the same twice in a row.
        self.stamp = self.stamp % 90 + 1;
        vec![32 + self.stamp; len]
    }

    fn keep(&mut self, lease: Lease) {
        let bytes = lease.to_vec();
        self.leases.push((lease, bytes));
    }

    fn check(&self) {
        for (lease, bytes) in &self.leases {
            assert_eq!(**lease, bytes[..], "a lease has changed");
        }
    }
}

fuzz_target!(|steps: &[u8]| {
    let host = Rc::new(Host::new());
    let world = Rc::new(RefCell::new(World::default()));
    run(&host, &world, steps, 0);
    let mut left = std::mem::take(&mut world.borrow_mut().leases);
    // From first to last, or from last to first.
    if steps.len() % 2 == 0 {
        left.reverse();
    }
    while left.pop().is_some() {
        for (lease, bytes) in &left {
            assert_eq!(**lease, bytes[..], "a lease has changed");
        }
    }
    reset_arena();
    assert_ne!(guest_alloc(ARENA_BYTES as i32), 0, "everything is free again");
    reset_arena();
    drop(Host::new());
});

fn run(host: &Rc<Host>, world: &Rc<RefCell<World>>, steps: &[u8], depth: usize) {
    // Three bytes per step: what to do, how much, and something else.
    for (i, step) in steps.chunks_exact(3).take(40).enumerate() {
        let (len, other) = (usize::from(step[1]) * if step[2] & 1 == 0 { 1 } else { 4 }, step[2]);
        let data = world.borrow_mut().bytes(len);
        let lease = match step[0] % 21 {
            0 => {
                host.returns("req_url", &data);
                request::try_url().ok().map(|url| {
                    assert_eq!(url.as_bytes(), data);
                    // Its bytes from here on: checking at each access would take most of the time.
                    Lease::Bytes(url.into_bytes())
                })
            }
            1 => {
                host.returns("secret_get", &data);
                flaron_sdk::secrets::get_bytes("a").map(Lease::Secret)
            }
            2 => {
                let value: Vec<u8> = [b"\x01\0\0\0", &data[..]].concat();
                host.returns("spark_get", value);
                spark::get("a").map(|entry| Lease::Bytes(entry.value))
            }
            // Blocks that are never returned, then an answer anywhere in them, or next to them.
            3 | 4 => {
                let skip = u32::from(other >> 1);
                let wanted = if step[0] & 32 == 0 { len as u32 } else { u32::MAX };
                host.on_raw("req_body", move |_| {
                    let first = guest_alloc(len as i32 + 1);
                    guest_alloc(skip as i32);
                    let address = (first as u32).wrapping_add(skip);
                    (u64::from(address) << 32 | u64::from(wanted)) as i64
                });
                request::try_body().ok().map(Lease::Bytes)
            }
            5 => {
                host.on_raw("req_body", move |_| i64::from(other) << 32 | len as i64);
                request::try_body().ok().map(Lease::Bytes)
            }
            6 => {
                host.returns("crypto_random_bytes", data.iter().map(|_| b'7').collect::<Vec<_>>());
                crypto::random_bytes(1).ok().map(Lease::Bytes)
            }
            7 => {
                let keys: Vec<String> = (0..len % 6).map(|n| format!("\"{}\"", "k".repeat(n))).collect();
                host.returns("spark_list", format!("[{}]", keys.join(" , ")));
                spark::try_list().ok().map(|mut keys| {
                    let first = keys.next();
                    let second = if other & 2 == 0 { keys.next() } else { None };
                    let mut world = world.borrow_mut();
                    first.into_iter().chain(second).for_each(|key| world.keep(Lease::Key(key)));
                    Lease::Keys(keys)
                })
            }
            8 => text::build(&data[..]).ok().map(|mut text| {
                if let Some(byte) = text.first_mut() {
                    *byte = b'!';
                }
                Lease::Text(text)
            }),
            9 | 10 => {
                let mut leases = std::mem::take(&mut world.borrow_mut().leases);
                if !leases.is_empty() {
                    leases.swap_remove(usize::from(other) % leases.len());
                }
                world.borrow_mut().leases = leases;
                None
            }
            11 => {
                if other & 1 == 0 {
                    reset_arena();
                } else {
                    guest_alloc(len as i32);
                }
                None
            }
            // A draft with everything there is, consuming one lease.
            12 => {
                let mut world = world.borrow_mut();
                let last = world.leases.pop();
                let (first, second) = (world.leases.first(), world.leases.last());
                let bytes = |kept: Option<&(Lease, Vec<u8>)>| kept.map(|kept| kept.1.clone());
                let (one, two) = (bytes(first).unwrap_or_default(), bytes(second).unwrap_or_default());
                let first: &[u8] = first.map(|kept| &*kept.0).unwrap_or_default();
                let second: &[u8] = second.map(|kept| &*kept.0).unwrap_or_default();
                let (owned, three) = match last {
                    Some((Lease::Bytes(lease), bytes)) => (Some(lease), bytes),
                    _ => (None, vec![]),
                };
                match owned {
                    // A single lease is not copied: it always fits, and is released before the call.
                    Some(lease) if other & 4 != 0 => {
                        response::set_body_pieces(lease).unwrap();
                        let call = host.calls_of("resp_body_set").pop().unwrap();
                        assert_eq!(call.bytes[0], three, "a lease that was sent has changed");
                    }
                    owned => {
                        let pieces = (first, owned, (second, len as u32));
                        if response::set_body_pieces(pieces).is_ok() {
                            let call = host.calls_of("resp_body_set").pop().unwrap();
                            let expected =
                                [&one[..], &three, &two, len.to_string().as_bytes()].concat();
                            assert_eq!(call.bytes[0], expected, "a draft was not what it was made of");
                        }
                    }
                }
                None
            }
            // A call with a draft, during which the host calls the flare, which does more.
            13 | 14 if depth < 2 => {
                let rest: Vec<u8> = steps[(i + 1) * 3..].iter().copied().take(12).collect();
                let (inner, answer) = (world.clone(), data.clone());
                let inner_host = host.clone();
                host.on("crypto_hash", move |_| {
                    run(&inner_host, &inner, &rest, depth + 1);
                    Some(answer.clone())
                });
                let input = "i".repeat(len % 64);
                let hash = crypto::hash("h", &input);
                host.off("crypto_hash");
                hash.map(|hash| Lease::Bytes(hash.into_bytes()))
            }
            // A text that asks the host, which answers, allocates next to its answer, calls the flare first, or lies.
            15 => {
                let (beside, skip) = (i32::from(other >> 5), u32::from(other >> 1));
                let honest = other & 3 != 0;
                let calls = other & 12 == 0 && depth < 2;
                let (inner, answer, inner_host) = (world.clone(), data.clone(), host.clone());
                let rest: Vec<u8> = steps[(i + 1) * 3..].iter().copied().take(12).collect();
                let before_it = move || {
                    if calls {
                        run(&inner_host, &inner, &rest, depth + 1);
                    }
                };
                if honest {
                    host.on("ws_conn_id", move |_| {
                        before_it();
                        guest_alloc(beside);
                        Some(answer.clone())
                    });
                } else {
                    host.on_raw("ws_conn_id", move |_| {
                        before_it();
                        let first = guest_alloc(answer.len() as i32 + beside);
                        let address = (first as u32).wrapping_add(skip).wrapping_sub(8);
                        (u64::from(address) << 32 | answer.len() as u64) as i64
                    });
                }
                host.returns("ws_event_type", &data);
                let (owned, was) = match world.borrow_mut().leases.pop() {
                    Some((Lease::Bytes(lease), was)) => (Some(lease), was),
                    _ => (None, vec![]),
                };
                let before = data[..len.min(3)].to_vec();
                let pieces = (
                    (&before[..], ws::conn_id_piece()),
                    (owned, len as u32, ws::event_type_piece(), "."),
                );
                let text = if other & 16 == 0 {
                    text::build(pieces).ok().map(|text| (text.to_vec(), Some(text)))
                } else {
                    let sent = response::set_body_pieces(pieces).ok();
                    sent.map(|()| (host.calls_of("resp_body_set").pop().unwrap().bytes[0].clone(), None))
                };
                host.off("ws_conn_id");
                if let Some((text, _)) = &text
                    && honest
                    && !calls
                {
                    let number = len.to_string();
                    let expected = [&before[..], &data, &was, number.as_bytes(), &data, b"."].concat();
                    assert_eq!(*text, expected, "a text was not what it was made of");
                }
                text.and_then(|(_, kept)| kept).map(Lease::Text)
            }
            16 => Block::new(&data, 1 << (other % 6)).map(Lease::Heap),
            17 => {
                let mut world = world.borrow_mut();
                if let Some((lease, bytes)) = world.leases.last_mut()
                    && let Lease::Heap(block) = lease
                {
                    block.resize(len, data.first().copied().unwrap_or(b'+'));
                    let kept = bytes.len().min(block.layout.size());
                    assert_eq!(lease[..kept], bytes[..kept], "a block has changed when it was moved");
                    *bytes = lease.to_vec();
                }
                None
            }
            // Decoded in place; for a bad one there is no lease.
            18 | 19 => {
                let body = "\\u0041".repeat(len % 50);
                let end = if other & 3 == 0 { "" } else { "}" };
                host.returns(
                    "beam_fetch",
                    format!("{{ \"headers\":{{\"a\": \"b\"}}, \"status\":200, \"body\":\"{body}\" {end}"),
                );
                let response = beam::fetch("u", None).ok();
                assert!(response.is_none() || end == "}");
                response.map(|response| {
                    assert_eq!(response.body_bytes(), "A".repeat(len % 50).as_bytes());
                    Lease::Response(response)
                })
            }
            _ => {
                let data = data.clone();
                host.on("crypto_hash", move |_| {
                    guest_alloc(i32::from(other));
                    Some(data.clone())
                });
                crypto::hash("h", "x").map(|hash| Lease::Bytes(hash.into_bytes()))
            }
        };
        if let Some(lease) = lease {
            world.borrow_mut().keep(lease);
        }
        world.borrow().check();
    }
}
