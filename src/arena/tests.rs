//! The arena, by hand and against a model.

use core::cell::RefCell;
use core::mem;
use core::sync::atomic::{AtomicPtr, Ordering::Relaxed};
use proptest::prelude::*;
use std::boxed::Box;
use std::string::{String, ToString};
use std::thread_local;
use std::vec::Vec;
use std::{format, vec};

use super::*;
use crate::testing::{Host, arena_is_free, leave_free};
use crate::text::Ask;

/// A block with these bytes, as a well-behaved host returns it.
fn host_returns(bytes: &[u8]) -> i64 {
    let address = guest_alloc(bytes.len().max(1) as i32);
    if address == 0 {
        return 0;
    }
    host_write(address, bytes);
    pack(address, bytes.len() as u32)
}

fn pack(address: i32, len: u32) -> i64 {
    i64::from(address) << 32 | i64::from(len)
}

fn leased(bytes: &[u8]) -> ArenaBytes {
    lease(host_returns(bytes)).expect("it fits")
}

/// Where a lease begins, from the arena's first byte.
fn at(bytes: &[u8]) -> usize {
    bytes.as_ptr().addr() - storage::memory().addr()
}

/// How many bytes the host can have at most.
fn room() -> usize {
    (top() - LEASED.get()) as usize
}

// ------------------------------------------------------------------------------- allocating

#[test]
fn blocks_are_8_byte_aligned_and_do_not_overlap() {
    let mut end = 0;
    for size in [1, 7, 8, 9, 16, 1, 100] {
        let address = guest_alloc(size);
        assert_eq!(address % 8, 0);
        assert!(address >= end);
        end = address + size;
    }
    assert_eq!(storage::memory().addr() % 8, 0);
}

#[test]
fn bad_sizes_are_refused() {
    for size in [0, -1, -8, i32::MIN, i32::MAX, ARENA_BYTES as i32 + 1] {
        assert_eq!(guest_alloc(size), 0, "{size}");
        assert!(lease(0).is_none());
        assert!(arena_refused(), "{size}");
    }
    assert_ne!(guest_alloc(ARENA_BYTES as i32), 0);
    assert!(lease(0).is_none());
    assert!(!arena_refused());
}

#[test]
fn the_whole_arena_can_be_allocated_and_no_byte_more() {
    assert_ne!(guest_alloc(ARENA_BYTES as i32 - 8), 0);
    assert_eq!(guest_alloc(9), 0);
    assert_ne!(guest_alloc(7), 0);
    assert_eq!(guest_alloc(1), 0);
    reset_arena();
    assert!(arena_is_free());
}

#[test]
fn what_was_allocated_and_not_returned_is_free_after_a_reset() {
    let outer = leased(b"outer");
    assert_ne!(guest_alloc(1000), 0);
    reset_arena();
    let next = leased(b"next");
    assert_eq!(at(&next), 8);
    assert_eq!((&*outer, &*next), (&b"outer"[..], &b"next"[..]));
}

#[test]
#[should_panic(expected = "what it has just allocated")]
fn the_test_host_cannot_write_into_a_lease() {
    let lease = leased(b"leased");
    host_write(4096 + at(&lease) as i32, b"x");
}

// ---------------------------------------------------------------------- the host's pointers

#[test]
fn only_what_was_just_allocated_can_be_leased() {
    let origin = storage::origin() as i32;
    let first = leased(&[1; 16]);
    for (address, len) in [
        (0, 0),
        (0, 1),
        (1, 0),
        (origin - 8, 8),
        (origin - 1, 0),
        (origin, 8),       // leased already
        (origin + 8, 16),  // half of it leased
        (origin + 15, 0),  // within what is leased
        (origin + 16, 33), // longer than what was allocated
        (origin + 49, 0),  // behind it
        (origin + 48, 1),
        (origin + 17, 32),
        (origin + 16, u32::MAX),
        (origin + 16, u32::MAX - 15),
        (origin + ARENA_BYTES as i32, 0),
        (origin + ARENA_BYTES as i32, 8),
        (i32::MAX, 8),
        (i32::MIN, 8),
        (-1, 1),
        (-1, u32::MAX),
    ] {
        assert_eq!(guest_alloc(32), origin + 16);
        assert!(lease(pack(address, len)).is_none(), "{address} {len}");
        assert_eq!(*lease_or_empty(pack(address, len)), *b"", "{address} {len}");
        assert_eq!(
            read(pack(address, len), |_| Some(())),
            None,
            "{address} {len}"
        );
        assert_eq!(
            guest_alloc(8),
            origin + 48,
            "what was not returned stays where it is"
        );
        reset_arena();
    }
    assert_eq!(first, [1; 16]);
    drop(first);
    assert!(arena_is_free());
}

#[test]
fn the_beginning_of_what_was_allocated_can_be_leased() {
    for len in [0, 1, 7, 8, 31, 32] {
        let bytes: Vec<u8> = (0..32).collect();
        let lease = lease(host_returns(&bytes) - (32 - len)).unwrap();
        assert_eq!(*lease, bytes[..len as usize]);
        let next = leased(b"next");
        assert_eq!(
            at(&next),
            (len as usize).next_multiple_of(8),
            "the rest is free"
        );
        drop(lease);
        drop(next);
        assert!(arena_is_free());
    }
}

#[test]
fn a_part_of_what_was_allocated_is_what_it_is_or_none() {
    let bytes: Vec<u8> = (0..32).collect();
    for (skip, len) in [(1, 31), (31, 1), (32, 0), (5, 7), (8, 8), (12, 0)] {
        let block = host_returns(&bytes);
        let address = (block >> 32) as i32;
        if let Some(lease) = lease(pack(address + skip, len)) {
            assert_eq!(*lease, bytes[skip as usize..][..len as usize]);
            let next = leased(b"next");
            assert_eq!(
                at(&next),
                ((skip + len as i32) as usize).next_multiple_of(8)
            );
            assert_eq!(*lease, bytes[skip as usize..][..len as usize]);
        }
        assert!(arena_is_free());
    }
}

#[test]
fn the_same_block_cannot_be_leased_twice() {
    let block = host_returns(b"once");
    let first = lease(block).unwrap();
    assert!(lease(block).is_none());
    drop(first);
    assert!(lease(block).is_none(), "it has been given back");
}

#[test]
fn an_empty_result_is_not_no_result() {
    let empty = lease(host_returns(b"")).unwrap();
    assert_eq!(*empty, *b"");
    drop(empty);
    assert!(lease(0).is_none());
    #[cfg(feature = "ws")]
    {
        assert!(lease_unless_empty(host_returns(b"")).is_none());
        assert!(lease_unless_empty(0).is_none());
        reset_arena();
        assert_eq!(lease_unless_empty(host_returns(b"a")).unwrap(), b"a");
    }
    assert!(arena_is_free());
}

#[test]
fn reading_leaves_nothing_behind() {
    assert_eq!(
        read(host_returns(b"abc"), |bytes| Some(bytes.to_vec())).unwrap(),
        b"abc"
    );
    assert_eq!(read(host_returns(b""), |bytes| Some(bytes.len())), Some(0));
    assert_eq!(read(host_returns(b"abc"), |_| None::<()>), None);
    assert_eq!(read(0, |_| Some(())), None);
    assert!(arena_is_free());
}

#[test]
fn refusal_is_told_until_the_next_result() {
    let full = leave_free(0);
    assert!(lease(host_returns(b"x")).is_none() && arena_refused());
    assert!(arena_refused(), "asking does not change it");
    assert!(lease(0).is_none() && !arena_refused());
    assert_eq!(read(host_returns(b"x"), |_| Some(())), None);
    assert!(arena_refused());
    drop(full);
    assert!(lease(host_returns(b"x")).is_some() && !arena_refused());
}

// ------------------------------------------------------------------------------ giving back

#[test]
fn dropping_the_topmost_lease_rolls_back_to_where_it_began() {
    let outer = leased(&[1; 10]);
    let before = room();
    for len in [1, 7, 8, 9, 4096] {
        let inner = leased(&vec![2; len]);
        assert!(room() < before);
        drop(inner);
        assert_eq!(room(), before, "{len}");
    }
    assert_eq!(outer, [1; 10]);
}

#[test]
fn leases_dropped_out_of_order_cost_their_space_until_the_last() {
    let [a, b, c] = [1, 2, 3].map(|byte| leased(&[byte; 8]));
    drop(b);
    assert_eq!(at(&leased(b"x")), 24, "what is below a lease is not used");
    drop(c);
    assert_eq!(
        at(&leased(b"x")),
        16,
        "what was in the middle is still counted"
    );
    assert_eq!(a, [1; 8]);
    drop(a);
    assert!(arena_is_free());
}

#[test]
fn a_loop_reads_more_than_the_arena_while_a_lease_lives() {
    let outer = leased(b"outer");
    let chunk = vec![7; 60_000];
    for _ in 0..20 {
        assert_eq!(*leased(&chunk), *chunk);
    }
    assert_eq!(outer, b"outer");
}

#[test]
fn a_loop_reads_values_without_their_prefix_more_than_the_arena() {
    let _outer = leased(b"outer");
    let before = room();
    for _ in 0..20 {
        let value = leased(&[7; 60_001]).skip(4);
        assert_eq!(value.len(), 59_997);
        drop(value);
        assert_eq!(room(), before);
    }
}

#[test]
fn a_forgotten_lease_costs_its_space_and_nothing_else() {
    mem::forget(leased(&[1; 100]));
    let before = room();
    assert_eq!(before, ARENA_BYTES - 104);
    reset_arena();
    for _ in 0..10 {
        let [a, b] = [leased(&[2; 50_000]), leased(&[3; 50_000])];
        drop(b);
        drop(a);
        assert_eq!(room(), before);
    }
    // SAFETY: the forgotten bytes are the arena's first; nothing writes there.
    let forgotten = unsafe { core::slice::from_raw_parts(storage::memory(), 100) };
    assert_eq!(forgotten, [1; 100]);
    assert!(!arena_is_free());
}

#[test]
fn a_stashed_lease_lives_through_invocations() {
    thread_local! {
        static STASH: RefCell<Vec<ArenaStr>> = const { RefCell::new(Vec::new()) };
    }
    for round in 0..5 {
        reset_arena();
        let id = leased(format!("connection {round}").as_bytes()).into_text();
        let other = leased(&[0xff; 1000]);
        STASH.with_borrow_mut(|stash| stash.push(id));
        drop(other);
    }
    STASH.with_borrow_mut(|stash| {
        for (round, id) in stash.iter().enumerate() {
            assert_eq!(*id, format!("connection {round}"));
        }
        stash.clear();
    });
    assert!(arena_is_free());
}

#[test]
fn a_lease_in_a_thread_local_outlives_the_thread() {
    thread_local! {
        static STASH: RefCell<Option<ArenaBytes>> = const { RefCell::new(None) };
    }
    let thread = std::thread::spawn(|| STASH.set(Some(leased(b"stashed"))));
    thread.join().unwrap();
}

#[test]
fn what_is_borrowed_from_a_leaked_lease_outlives_the_thread() {
    // Miri is told where the leaked box is, or it reports it.
    static LEAKED: AtomicPtr<ArenaBytes> = AtomicPtr::new(core::ptr::null_mut());
    let thread = std::thread::spawn(|| {
        let lease: &'static ArenaBytes = Box::leak(Box::new(leased(b"kept")));
        LEAKED.store(core::ptr::from_ref(lease).cast_mut(), Relaxed);
        &**lease
    });
    let kept: &'static [u8] = thread.join().unwrap();
    // Were the arena gone with its thread, the next thread's would lie there now.
    std::thread::spawn(|| drop(leased(&vec![b'x'; ARENA_BYTES])))
        .join()
        .unwrap();
    assert_eq!(kept, b"kept");
}

#[test]
fn an_arena_is_not_built_on_the_stack() {
    // A stack on which no arena fits.
    let thread = std::thread::Builder::new().stack_size(ARENA_BYTES / 2);
    let thread = thread.spawn(|| assert_eq!(at(&leased(b"a")), 0)).unwrap();
    thread.join().unwrap();
}

#[test]
fn each_thread_has_its_own_arena() {
    let _full = leave_free(0);
    std::thread::spawn(|| assert!(arena_is_free()))
        .join()
        .unwrap();
}

#[test]
fn an_empty_lease_that_outlives_a_roll_back_gives_nothing_back() {
    // An empty lease inside of a block: where a value of 0 bytes began behind its prefix of 4.
    let empty = leased(b"1234").skip(4);
    drop(leased(b"other"));
    let first = leased(b"first");
    drop(empty);
    let second = leased(b"second");
    assert_eq!((&*first, &*second), (&b"first"[..], &b"second"[..]));
}

/// A lease that any host can have made: so many bytes allocated, and of them these returned.
fn leased_of(size: i32, skip: i32, len: u32) -> ArenaBytes {
    let address = if size == 0 {
        (storage::origin() + LEASED.get()) as i32
    } else {
        guest_alloc(size)
    };
    lease(pack(address + skip, len)).expect("it was allocated")
}

#[test]
fn whatever_a_hostile_host_leases_nothing_is_given_back_that_is_alive() {
    let mut blocks = vec![(0, 0, 0)];
    for size in [8, 16] {
        for skip in 0..=size {
            let longest = (size - skip) as u32;
            blocks.extend([0, 1, longest / 2, longest].map(|len| (size, skip, len.min(longest))));
        }
    }
    // Under Miri each sixteenth.
    let step = if cfg!(miri) { 16 } else { 1 };
    for first in blocks.iter().step_by(step) {
        for second in blocks.iter().step_by(step) {
            for order in 0..3 {
                let _keeps_the_arena_from_being_free = leased(b"outer");
                let (size, skip, len) = *first;
                let mut first = Some(leased_of(size, skip, len));
                let (size, skip, len) = *second;
                let second = leased_of(size, skip, len);
                let third = (order != 0).then(|| leased(&[3; 9]));
                if order != 2 {
                    first = None;
                }
                let next = leased(&[4; 17]);
                let alive = [first.as_ref(), Some(&second), third.as_ref(), Some(&next)];
                let mut end = 5;
                for lease in alive
                    .into_iter()
                    .flatten()
                    .filter(|lease| !lease.is_empty())
                {
                    assert!(at(lease) >= end, "{first:?} {second:?} {order}");
                    end = at(lease) + lease.len();
                }
                drop(second);
                drop(first);
                let last = leased(&[5; 8]);
                assert!(at(&last) >= at(&next) + 17);
                if let Some(third) = third {
                    assert_eq!(third, [3; 9]);
                }
                assert_eq!((&*next, &*last), (&[4; 17][..], &[5; 8][..]));
            }
        }
    }
    assert!(arena_is_free());
}

#[test]
fn an_empty_result_takes_nothing() {
    let outer = leased(b"outer");
    let before = room();
    let empty = [(); 3].map(|()| leased(b""));
    assert_eq!(room(), before);
    let above = leased(b"above");
    drop(empty);
    assert_eq!(above, b"above");
    drop(above);
    assert_eq!(room(), before);
    drop(outer);
    assert!(arena_is_free());
}

#[test]
fn what_was_allocated_for_no_result_stays_taken_while_other_leases_live() {
    let outer = leased(b"outer");
    assert_ne!(guest_alloc(64), 0);
    assert!(lease(0).is_none());
    let result = leased(b"result");
    assert_eq!(at(&result), 8 + 64);
    drop(result);
    assert_eq!(at(&leased(b"next")), 8 + 64, "`outer` lives");
    drop(outer);
    assert!(arena_is_free());
}

#[test]
fn a_lease_that_is_sent_as_it_is_is_given_back_before_the_call() {
    let outer = leased(b"outer");
    let before = room();
    let lease = leased(b"a lease");
    let sent = Draft::send(lease, |built| {
        assert_eq!(room(), before);
        // SAFETY: the host wrote the bytes, and nothing has been written since.
        unsafe { &*abi::Bytes::raw(built) }.to_vec()
    });
    assert_eq!(sent.unwrap(), b"a lease");
    // Below another it stays taken until that is given back.
    let (lower, upper) = (leased(b"lower").into_text(), leased(b"upper"));
    let sent = Draft::send(lower, |built| {
        assert_eq!(room(), before - 16);
        // SAFETY: as above.
        unsafe { &*abi::Bytes::raw(built) }.to_vec()
    });
    assert_eq!(sent.unwrap(), b"lower");
    assert_eq!(upper, b"upper");
    drop((upper, outer));
    assert!(arena_is_free());
    for nothing in [ArenaBytes::default(), leased(b""), leased(b"a").skip(1)] {
        let len = Draft::send(nothing, |built| abi::Bytes::raw(built).len());
        assert_eq!(len, Ok(0));
    }
    assert!(arena_is_free());
}

#[test]
fn a_lease_that_is_sent_as_it_is_needs_no_space() {
    let full = leave_free(0);
    assert_eq!(Draft::send((&full, ""), |_| ()), Err(ArenaFull));
    let len = Draft::send(full, |built| abi::Bytes::raw(built).len());
    assert_eq!(len, Ok(ARENA_BYTES));
    assert!(arena_is_free());
}

#[test]
fn leases_on_nothing_take_nothing() {
    let lease = leased(b"lease");
    let empty = [(); 3].map(|()| ArenaBytes::default());
    assert!(lease_or_empty(0).is_empty() && empty.iter().all(|empty| empty.is_empty()));
    let [a, b, c] = empty;
    assert_eq!(
        (a.skip(3).len(), b.truncate(3).len(), c.into_text().len()),
        (0, 0, 0)
    );
    assert_eq!(lease, b"lease");
    drop(lease);
    assert!(arena_is_free());
}

#[test]
fn skipping_and_truncating_stay_within_the_lease() {
    for (skip, keep, expected) in [
        (0, 9, "abcdefgh"),
        (4, 9, "efgh"),
        (8, 9, ""),
        (9, 9, ""),
        (u32::MAX, u32::MAX, ""),
        (1, 3, "bcd"),
        (0, 0, ""),
    ] {
        let lease = leased(b"abcdefgh").skip(skip).truncate(keep);
        assert_eq!(lease, expected.as_bytes(), "{skip} {keep}");
        drop(lease);
        assert!(arena_is_free());
    }
}

#[test]
fn what_the_topmost_lease_gives_up_is_free_at_once() {
    let outer = leased(b"outer");
    let inner = leased(&[1; 1000]).truncate(9);
    assert_eq!(room(), ARENA_BYTES - 8 - 16);
    let top = leased(&[2; 8]);
    let inner = inner.truncate(1);
    assert_eq!(room(), ARENA_BYTES - 32, "another is above it");
    assert_eq!(
        (&*outer, &*inner, &*top),
        (&b"outer"[..], &[1][..], &[2; 8][..])
    );
}

#[test]
fn bytes_can_be_decoded_in_place() {
    let mut lease = leased(b"abc");
    lease.as_mut().reverse();
    assert_eq!(lease, b"cba");
}

// -------------------------------------------------------------------------------------- text

/// What a lease on these bytes must read as: every byte that does not belong there is a `?`.
fn repaired(bytes: &[u8]) -> String {
    let mut bytes = bytes.to_vec();
    loop {
        match core::str::from_utf8(&bytes) {
            Ok(text) => return text.to_string(),
            Err(error) => bytes[error.valid_up_to()] = b'?',
        }
    }
}

#[test]
fn invalid_utf8_is_repaired_where_it_lies() {
    for bytes in [
        &b""[..],
        b"plain",
        "\u{e9}\u{20ac}\u{1f600}".as_bytes(),
        b"\xff",
        b"a\xffb\xfe",
        b"\x80\xbf",
        b"\xc0\x80", // too long
        b"\xc1\xbf",
        b"\xc3", // cut off
        b"\xe2\x82",
        b"\xe2\x82A",
        b"\xe0\x9f\xbf",
        b"\xed\xa0\x80", // a surrogate
        b"\xf0\x8f\xbf\xbf",
        b"\xf0\x9f\x98",
        b"\xf4\x90\x80\x80", // beyond U+10FFFF
        b"\xf5\x80\x80\x80",
        b"\xc3\xa9\xc3\xc3\xa9",
    ] {
        let text = leased(bytes).into_text();
        assert_eq!(text.raw(), bytes);
        assert_eq!(text.as_str(), repaired(bytes));
        assert_eq!(
            &*text,
            repaired(bytes),
            "a second look finds nothing to repair"
        );
        assert_eq!(text.into_bytes(), repaired(bytes).as_bytes());
    }
    assert!(arena_is_free());
}

#[test]
fn text_compares_its_bytes_as_they_are() {
    let text = leased(b"a\xff").into_text();
    assert!(text != "a?");
    assert_eq!(&*text, "a?");
    assert!(text == "a?");
    // Compared with itself it is read as text first.
    let other = leased(b"b\xff").into_text();
    assert!(other == other.as_str() && text != other);
}

#[test]
fn leases_show_what_they_hold() {
    let bytes = leased(b"a\n");
    assert_eq!(format!("{bytes:?}"), "[97, 10]");
    assert_eq!(AsRef::<[u8]>::as_ref(&bytes), b"a\n");
    let text = bytes.into_text();
    assert_eq!(format!("{text} {text:?}"), "a\n \"a\\n\"");
    assert_eq!(
        (AsRef::<str>::as_ref(&text), AsRef::<[u8]>::as_ref(&text)),
        ("a\n", &b"a\n"[..])
    );
    let built = text::build(("b\n", 1_u8)).unwrap();
    assert_eq!(format!("{built:?}"), "\"b\\n1\"");
    assert_eq!(AsRef::<[u8]>::as_ref(&built), b"b\n1");
    let bytes = text::build(&b"\xff"[..]).unwrap();
    assert_eq!(
        (format!("{bytes:?}"), bytes.as_str()),
        ("[255]".to_string(), None)
    );
    assert_eq!(
        (built.as_str(), built == "b\n1", built == bytes),
        (Some("b\n1"), true, false)
    );
}

#[test]
fn did_not_fit_is_an_error() {
    crate::testing::assert_error(ArenaFull, crate::testing::ARENA_FULL);
}

#[test]
fn the_size_is_what_the_environment_says() {
    assert_eq!(arena_bytes(None), 262_144);
    assert_eq!(arena_bytes(Some("64")), 64);
    assert_eq!(arena_bytes(Some("1073741824")), 1 << 30);
    for bad in [
        "",
        "63",
        "65",
        "0",
        "-8",
        "64k",
        "1073741832",
        "99999999999999999999",
    ] {
        assert!(
            std::panic::catch_unwind(|| arena_bytes(Some(bad))).is_err(),
            "{bad:?}"
        );
    }
}

// ----------------------------------------------------------------------------------- scratch

#[test]
fn texts_are_dropped_in_any_order() {
    for order in [
        [0, 1, 2],
        [0, 2, 1],
        [1, 0, 2],
        [1, 2, 0],
        [2, 0, 1],
        [2, 1, 0],
    ] {
        let mut texts = [1_u8, 2, 3].map(|n| Some(text::build(("text ", n)).unwrap()));
        let _lease = leased(b"lease");
        for (i, which) in order.into_iter().enumerate() {
            texts[which] = None;
            for (n, text) in texts.iter().enumerate() {
                if let Some(text) = text {
                    assert_eq!(text, format!("text {}", n + 1).as_bytes());
                }
            }
            assert_eq!(i == 2, top() == SIZE);
        }
    }
    assert!(arena_is_free());
}

#[test]
fn dropping_the_lowest_text_gives_its_space_back() {
    let outer = text::build("outer").unwrap();
    let before = room();
    for _ in 0..10 {
        let inner = text::build(&[7; 100_000]).unwrap();
        assert_eq!(room(), before - 100_000);
        drop(inner);
        assert_eq!(room(), before);
    }
    assert_eq!(outer, b"outer");
}

#[test]
fn texts_and_leases_share_the_space_between_them() {
    let lease = leased(&vec![1; ARENA_BYTES - 16]);
    let text = text::build("12345678").unwrap();
    assert_eq!(text::build("123456789"), Err(ArenaFull));
    assert_eq!(guest_alloc(9), 0);
    let more = leased(b"87654321");
    assert_eq!(text::build("1"), Err(ArenaFull));
    assert_eq!(guest_alloc(1), 0);
    assert_eq!((&*text, &*more), (&b"12345678"[..], &b"87654321"[..]));
    drop((lease, text, more));
    assert!(arena_is_free());
}

#[test]
fn an_empty_text_takes_nothing() {
    let full = leave_free(0);
    let text = text::build(()).unwrap();
    assert_eq!(text, b"");
    drop(full);
    assert!(arena_is_free());
}

#[test]
fn a_text_can_be_changed_in_place() {
    let mut text = text::build("abc").unwrap();
    text.reverse();
    assert_eq!(text, b"cba");
}

#[test]
fn a_text_is_not_built_over_what_the_host_might_still_return() {
    let block = host_returns(&[1; 64]);
    let text = text::build(&*vec![2; ARENA_BYTES]).unwrap();
    assert!(lease(block).is_none());
    assert!(*text == *vec![2; ARENA_BYTES]);
}

#[test]
fn leases_become_pieces_of_text() {
    let _host = Host::new();
    let [a, b] = [leased(b"a\xff"), leased(b"b")];
    let c = leased(b"c\xff").into_text();
    let text = text::build((&a, "-", b, "-", &c, "-", Some(1_u8), None::<u8>)).unwrap();
    assert_eq!(text, b"a\xff-b-c\xff-1");
    let again = text::build((a, &text, c)).unwrap();
    assert_eq!(again, b"a\xffa\xff-b-c\xff-1c\xff");
    drop((text, again));
    assert!(arena_is_free());
}

// ------------------------------------------------------------------------- texts that ask

/// A piece that the host answers with these bytes.
fn answer(bytes: &[u8]) -> impl Pieces {
    Ask(move || host_returns(bytes))
}

/// What is sent.
fn sent(pieces: impl Pieces) -> Result<Vec<u8>, ArenaFull> {
    Draft::send(pieces, |built| {
        // SAFETY: read before anything else is done, as the host does.
        unsafe { &*abi::Bytes::raw(built) }.to_vec()
    })
}

#[test]
fn answers_come_to_lie_where_the_text_has_got_to() {
    assert_eq!(sent(answer(b"answer")).unwrap(), b"answer");
    assert_eq!(sent((answer(b""), answer(b""))).unwrap(), b"");
    let pieces = (
        ("a", answer(b"bc"), -1_i8),
        Some(answer(&[b'd'; 99])),
        (None::<&str>, text::Hex(255), ()),
        (answer(b""), b"e", answer(b"f")),
    );
    let expected = [b"abc-1", &[b'd'; 99][..], b"ffef"].concat();
    assert_eq!(sent(pieces).unwrap(), expected);
    assert!(arena_is_free());
}

#[test]
fn a_text_that_asks_can_be_kept_copied_and_be_an_argument() {
    let outer = text::build("outer").unwrap();
    let text = text::build(("a", answer(b"b"), 1_u8)).unwrap();
    assert_eq!((&*text, &*outer), (&b"ab1"[..], &b"outer"[..]));
    assert!(text::build(answer(b"")).unwrap().is_empty());
    drop(text);
    let result = Draft::call(("a", answer(b"b")), |built| {
        // SAFETY: as above.
        assert_eq!(unsafe { &*abi::Bytes::raw(built) }, b"ab");
        host_returns(b"result")
    });
    assert_eq!(result.unwrap(), b"result");
    let mut buffer = [0; 4];
    let mut text = text::TextBuf::new(&mut buffer);
    assert_eq!(text.push((answer(b"ab"), 1_u8)), Ok(()));
    assert_eq!(text.push(answer(b"cd")), Err(text::TextFull));
    assert_eq!(text.push(answer(b"c")), Ok(()));
    assert_eq!(text.as_bytes(), b"ab1c");
    drop(outer);
    assert!(arena_is_free());
}

#[test]
fn leases_can_be_pieces_of_a_text_that_asks() {
    let (kept, lower, upper) = (leased(b"kept"), leased(b"lower"), leased(b"upper"));
    let before = LEASED.get();
    // The last lease that is given back is not the topmost, then it is.
    let pieces = (
        &kept,
        lower.into_text(),
        answer(b"-"),
        upper,
        answer(b"+"),
        &kept,
    );
    assert_eq!(sent(pieces).unwrap(), b"keptlower-upper+kept");
    assert!(LEASED.get() < before);
    assert_eq!(kept, b"kept");
    drop(kept);
    assert!(arena_is_free());
    // All that is leased is given back in the middle.
    let all = (leased(b"all of it"), answer(b"-"), "+", answer(b"!"));
    assert_eq!(sent(all).unwrap(), b"all of it-+!");
    assert!(arena_is_free());
}

#[test]
fn nothing_of_a_text_that_asks_stays_behind() {
    let full = vec![b'x'; ARENA_BYTES - 8];
    let len = Draft::send((answer(&full), "1234567"), |built| {
        assert_ne!(guest_alloc(ARENA_BYTES as i32), 0);
        reset_arena();
        abi::Bytes::raw(built).len()
    });
    assert_eq!(len, Ok(ARENA_BYTES - 1));
    assert!(arena_is_free());
}

#[test]
fn a_text_that_asks_fits_to_the_last_byte() {
    let _full = leave_free(24);
    let refused = (answer(b"12345678"), "9", answer(b"012345678"));
    assert_eq!(sent(refused), Err(ArenaFull), "it begins at 16");
    assert!(arena_refused());
    assert_eq!(
        sent((answer(b"12345678"), "9", answer(b"01234567"), "8")).unwrap(),
        b"123456789012345678"
    );
    assert_eq!(sent((answer(b"12345678"), &[b'x'; 16])).unwrap().len(), 24);
    assert_eq!(
        sent((answer(b"12345678"), u32::MAX, 7_u32 << 16))
            .unwrap()
            .len(),
        24
    );
    for too_much in [
        sent((answer(b"12345678"), &[b'x'; 17])),
        sent((&[b'x'; 17], answer(b"12345678"))),
        sent((&[b'x'; 24], answer(b"1"))),
        sent((&[b'x'; 25], answer(b"1"), 1_u8)),
        sent((answer(&[b'x'; 25]), "", 1_u8)),
        sent((answer(&[b'x'; 24]), 1_u8)),
        sent((answer(&[b'x'; 23]), 10_u8)),
        sent((answer(&[b'x'; 24]), leased(b""), "1")),
    ] {
        assert_eq!(too_much, Err(ArenaFull));
    }
    assert_eq!(text::build((answer(&[b'x'; 24]), "")).unwrap().len(), 24);
}

#[test]
fn an_answer_that_does_not_fit_is_refused() {
    let full = leave_free(16);
    assert_eq!(sent(("1", answer(b"12345678"))).unwrap(), b"112345678");
    assert!(!arena_refused());
    assert_eq!(sent(("1", answer(b"123456789"))), Err(ArenaFull));
    assert!(arena_refused());
    assert_eq!(sent(("1", Ask(|| 0))), Err(ArenaFull));
    assert!(!arena_refused(), "that is no matter of space");
    assert_eq!(sent((answer(b""), u64::MAX)), Err(ArenaFull));
    // The host is not asked in vain.
    assert_eq!(
        sent(("123456789abcdefgh", Ask(|| unreachable!()))),
        Err(ArenaFull)
    );
    drop(full);
    assert!(arena_is_free());
}

#[test]
fn a_host_may_allocate_more_than_it_answers() {
    let asked = Ask(|| {
        guest_alloc(9);
        let answer = host_returns(b"-answer-");
        guest_alloc(1);
        answer + (1 << 32) - 2
    });
    let pieces = ("a", asked, "b", answer(b"c"));
    assert_eq!(sent(pieces).unwrap(), b"aanswerbc");
    assert!(arena_is_free());
}

#[test]
fn an_answer_is_one_only_if_it_was_allocated_for_the_question() {
    let outer = leased(b"outer");
    let outside = 8 + storage::origin() as i32; // of `outer`: where the text begins
    for wrong in [
        pack(outside, 3),
        pack(outside, 16),
        pack(outside - 8, 24),
        pack(outside + 8, 9),
        pack(outside + 17, 0),
        pack(outside + 8, u32::MAX),
        pack(-1, 1),
        pack(1, 0),
        pack(0, 8),
        -1,
        i64::MIN,
        i64::MAX,
    ] {
        let asked = Ask(|| {
            assert_eq!(guest_alloc(8), outside + 8);
            wrong
        });
        assert_eq!(sent(("abc", asked, "d")), Err(ArenaFull), "{wrong:x}");
    }
    let asked = Ask(|| pack(guest_alloc(8) + 8, 0));
    assert_eq!(sent(("abc", asked, "d")).unwrap(), b"abcd");
    // What lies between the text and the block is nobody's.
    let asked = Ask(|| pack(guest_alloc(8) - 1, 0));
    assert_eq!(sent(("abc", asked, "d")).unwrap(), b"abcd");
    assert_eq!(outer, b"outer");
    drop(outer);
    assert!(arena_is_free());
}

#[test]
fn what_was_allocated_before_is_no_answer_but_makes_no_harm() {
    let before = host_returns(b"allocated before");
    assert_eq!(sent(("a", Ask(|| before))), Err(ArenaFull));
    let before = host_returns(b"allocated before");
    assert_eq!(
        sent((Ask(|| before), answer(b"!"))).unwrap(),
        b"allocated before!"
    );
    assert!(arena_is_free());
}

#[test]
fn a_host_that_calls_the_flare_when_it_is_asked_takes_nothing_away() {
    // Nothing is left of the invocation: the text has been written over, and is given up.
    let calls = |returns: &[u8]| {
        reset_arena();
        drop((leased(b"inner"), text::build("inner text").unwrap()));
        host_returns(returns)
    };
    let outer = leased(b"outer");
    assert_eq!(sent(("text", Ask(|| calls(b"result")))), Err(ArenaFull));
    let long = &[b'x'; 100];
    assert_eq!(sent((long, Ask(|| calls(b"result")))), Err(ArenaFull));
    // An answer behind where the text was, in what the host has not allocated.
    for len in [0, 8, u32::MAX] {
        let asked = Ask(|| {
            reset_arena();
            pack(guest_alloc(8) + 200, len)
        });
        assert_eq!(sent((long, asked)), Err(ArenaFull));
    }
    // A lease and a text outlive it, where the outer text was.
    let mut stashed = None;
    let asked = Ask(|| {
        stashed = Some((leased(b"stashed lease"), text::build("stashed").unwrap()));
        let block = host_returns(b"result");
        guest_alloc(100);
        block
    });
    assert_eq!(sent(("text", asked, &[b'x'; 100])), Err(ArenaFull));
    reset_arena();
    let asked = Ask(|| {
        drop(outer);
        host_returns(b"result")
    });
    assert_eq!(sent(("text", asked, 1_u8)).unwrap(), b"textresult1");
    assert_eq!(
        stashed,
        Some((leased(b"stashed lease"), text::build("stashed").unwrap()))
    );
    drop(stashed);
    assert!(arena_is_free());
}

#[test]
fn a_text_is_not_moved_over_a_lease_that_was_made_in_its_place() {
    for (more, fits) in [("", true), ("!", false)] {
        let full = leave_free(32);
        let mut stashed = None;
        let asked = Ask(|| {
            reset_arena();
            stashed = Some(leased(b"stashed "));
            guest_alloc(8);
            host_returns(b"result  ")
        });
        let text = text::build((&[b'x'; 16], asked, more));
        assert_eq!(text.is_ok(), fits);
        assert_eq!(stashed.as_ref().unwrap(), b"stashed ");
        drop((full, text, stashed));
        assert!(arena_is_free());
    }
}

// ------------------------------------------------------------------------------- nested calls

#[test]
fn arguments_are_given_back_after_the_call() {
    let result = Draft::call(("a", 1_u8), |built| {
        // SAFETY: the test host reads it before it allocates.
        let argument = unsafe { &*abi::Bytes::raw(built) };
        assert_eq!(argument, b"a1");
        host_returns(b"result")
    });
    assert_eq!(result.unwrap(), b"result");
    assert!(arena_is_free());
}

#[test]
fn a_result_does_not_reach_into_the_arguments() {
    let argument = vec![1; ARENA_BYTES - 16];
    let result = Draft::call(&*argument, |_| {
        assert_eq!(guest_alloc(17), 0);
        assert!(guest_alloc(16) != 0);
        0
    });
    assert!(result.is_none());
    reset_arena();
    assert!(arena_is_free());
}

#[test]
fn arguments_that_do_not_fit_are_not_sent() {
    let _full = leave_free(8);
    let result = Draft::call("123456789", |_| unreachable!());
    assert!(result.is_none() && arena_refused());
    assert_eq!(
        Draft::send("123456789", |_| unreachable!()),
        Err::<(), _>(ArenaFull)
    );
}

#[test]
fn a_host_that_calls_the_flare_during_a_call_takes_nothing_away() {
    let outer = leased(b"outer");
    let outer_text = text::build("outer text").unwrap();
    let result = Draft::call("argument", |_| {
        // A whole invocation.
        reset_arena();
        let inner = leased(b"inner");
        let text = text::build("inner text").unwrap();
        assert_eq!((&*inner, &*text), (&b"inner"[..], &b"inner text"[..]));
        drop((inner, text));
        host_returns(b"result")
    });
    let result = result.unwrap();
    assert_eq!(
        (&*outer, &*outer_text, &*result),
        (&b"outer"[..], &b"outer text"[..], &b"result"[..])
    );
    drop((outer, outer_text, result));
    assert!(arena_is_free());
}

#[test]
fn a_text_that_is_stashed_during_a_call_outlives_it() {
    let mut stashed = None;
    let result = Draft::call("argument", |_| {
        stashed = Some(text::build("stashed").unwrap());
        0
    });
    assert!(result.is_none());
    let all = leased(&vec![1; room()]);
    assert_eq!(stashed.as_ref().unwrap(), b"stashed");
    let next = Draft::keep("next");
    assert!(next.is_err() || next.is_ok_and(|next| next == "next"));
    assert_eq!(stashed.as_ref().unwrap(), b"stashed");
    drop((all, stashed));
    assert!(arena_is_free());
}

#[test]
fn a_text_that_is_dropped_during_a_call_is_given_back() {
    let text = text::build("text").unwrap();
    let _ = Draft::call("argument", |_| {
        drop(text);
        0
    });
    assert!(arena_is_free());
}

#[test]
fn a_lease_that_is_stashed_during_a_call_outlives_it() {
    let mut stashed = None;
    let result = Draft::call("argument", |_| {
        let block = host_returns(b"result");
        reset_arena();
        stashed = Some(leased(b"stashed"));
        block
    });
    assert!(result.is_none(), "the block is given up by then");
    drop(leased(&[1; 1000]));
    assert_eq!(stashed.as_ref().unwrap(), b"stashed");
    drop(stashed);
    assert!(arena_is_free());
}

// -------------------------------------------------------------------------------------- keys

#[cfg(any(feature = "spark", feature = "plasma"))]
fn keys(json: &str) -> Keys {
    Keys::new(leased(json.as_bytes()))
}

#[test]
#[cfg(any(feature = "spark", feature = "plasma"))]
fn keys_are_read_out_of_json() {
    for (json, expected) in [
        ("[]", &[][..]),
        (" [ ] ", &[]),
        (r#"["a"]"#, &["a"]),
        ("\t[ \"a\" ,\r\n\"b\" ] ", &["a", "b"]),
        (r#"["","\"\\\/\b\f\n\r\t"]"#, &["", "\"\\/\x08\x0c\n\r\t"]),
        (
            r#"["\u00e9\ud83d\ude00","é"]"#,
            &["\u{e9}\u{1f600}", "\u{e9}"],
        ),
        // What is not JSON has no keys.
        ("", &[]),
        (r#"["a" "b"]"#, &[]),
        (r#"["a",,"b"]"#, &[]),
        (r#"["a",]"#, &[]),
        (r#"["a","b"#, &[]),
        (r#"["a"],"#, &[]),
        (r#"["a","\x"]"#, &[]),
        ("[\"a\",\"\n\"]", &[]),
        ("[", &[]),
        // At anything but a string they end.
        ("null", &[]),
        (r#""a""#, &[]),
        (r#"{"a":"b"}"#, &[]),
        (r#"[["a"],"b"]"#, &[]),
        (r#"["a",1,"b"]"#, &["a"]),
        (r#"["a",["b"]]"#, &["a"]),
        (r#"["a",{"b":"c"},"d"]"#, &["a"]),
    ] {
        let mut keys = keys(json);
        let found: Vec<Key> = keys.by_ref().collect();
        assert_eq!(found, expected, "{json}");
        assert!(keys.next().is_none(), "once it has ended it stays so");
        drop((found, keys));
        assert!(arena_is_free(), "{json}");
    }
}

#[test]
#[cfg(any(feature = "spark", feature = "plasma"))]
fn keys_that_are_not_utf8_end_the_list() {
    let mut keys = Keys::new(leased(b"[\"a\",\"\xff\",\"b\"]"));
    assert!(keys.next().is_none() && keys.next().is_none());
    let mut keys = Keys::new(leased(b"[\"a\",\"\xc3\",\"b\"]"));
    assert_eq!(keys.next().unwrap(), "a");
    assert!(keys.next().is_none() && keys.next().is_none());
}

#[test]
#[cfg(any(feature = "spark", feature = "plasma"))]
fn a_key_outlives_the_list_and_the_list_its_keys() {
    let mut list = keys(r#"["one","two","three"]"#);
    let one = list.next().unwrap();
    drop(list.next());
    let three = list.next().unwrap();
    drop(list);
    drop(leased(&[1; 1000]));
    let other = leased(&[2; 64]);
    assert_eq!((&*one, &*three), ("one", "three"));
    drop(one);
    assert_eq!(three, "three");
    drop(three);
    assert_eq!(other, [2; 64]);
    drop(other);
    assert!(arena_is_free());
}

#[test]
#[cfg(any(feature = "spark", feature = "plasma"))]
fn a_key_shows_its_text() {
    let key = keys(r#"["a\n"]"#).next().unwrap();
    assert_eq!(format!("{key} {key:?}"), "a\n \"a\\n\"");
    assert_eq!(
        (AsRef::<str>::as_ref(&key), AsRef::<[u8]>::as_ref(&key)),
        ("a\n", &b"a\n"[..])
    );
    assert!(key == "a\n" && key != "a");
}

// ---------------------------------------------------------------------------- against a model

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
    /// The flare makes a call with pieces; this happens in the host before it returns a result.
    Call(u16, Vec<Op>, u16),
    /// The flare reads keys, keeps so many of them, and the list if so.
    Keys(Vec<String>, usize, bool),
    /// What the flare does with something that it holds.
    Skip(usize, u16),
    Truncate(usize, u16),
    ToText(usize),
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
        1 => (4090..4200_i32, any::<u8>()).prop_map(|(at, len)| Op::Return(pack(at, len.into()))),
        1 => any::<i64>().prop_map(Op::Return),
        1 => size.clone().prop_map(Op::Read),
        4 => size.clone().prop_map(Op::Text),
        2 => (prop::collection::vec("[a-z\"\\\\\u{e9}]{0,5}", 0..4), 0..4_usize, any::<bool>())
            .prop_map(|(keys, keep, list)| Op::Keys(keys, keep, list)),
        2 => (i.clone(), 0..10_u16).prop_map(|(i, n)| Op::Skip(i, n)),
        2 => (i.clone(), size.clone()).prop_map(|(i, n)| Op::Truncate(i, n)),
        1 => i.clone().prop_map(Op::ToText),
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
    #[cfg(any(feature = "spark", feature = "plasma"))]
    Key(Key),
    #[cfg(any(feature = "spark", feature = "plasma"))]
    Keys(#[allow(dead_code)] Keys),
}

impl Lease {
    fn bytes(&self) -> &[u8] {
        match self {
            Lease::Bytes(lease) => lease,
            Lease::Str(text) => text.raw(),
            Lease::Text(text) => text,
            #[cfg(any(feature = "spark", feature = "plasma"))]
            Lease::Key(key) => key.as_bytes(),
            // Its bytes are its own matter.
            #[cfg(any(feature = "spark", feature = "plasma"))]
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
            #[cfg(any(feature = "spark", feature = "plasma"))]
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
                    assert!(lease(0).is_none() && arena_refused());
                    return;
                }
                host_write(address, &content);
                let block = (*size).max(1);
                let got = lease(pack(address + i32::from(*skip), u32::from(*len)));
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
            Op::Return(raw) => {
                if let Some(got) = lease(*raw) {
                    let content = got.to_vec();
                    self.hold(Lease::Bytes(got), content);
                }
            }
            Op::Read(len) => {
                let content = self.content(*len);
                let got = read(host_returns(&content), |bytes| Some(bytes.to_vec()));
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
                let sent = Draft::send(&*content, |built| {
                    // SAFETY: read before anything else is done, as the host does.
                    assert_eq!(unsafe { &*abi::Bytes::raw(built) }, content);
                    self.run(inner);
                });
                assert!(sent.is_ok() || room() < content.len());
            }
            Op::Grow(parts, keep) => self.grow(parts, *keep),
            Op::Call(len, inner, result) => {
                let content = self.content(*len);
                let answer = self.content(*result);
                let got = Draft::call(&*content, |built| {
                    // SAFETY: as above.
                    assert_eq!(unsafe { &*abi::Bytes::raw(built) }, content);
                    self.run(inner);
                    host_returns(&answer)
                });
                if let Some(got) = got {
                    self.hold(Lease::Bytes(got), answer);
                }
            }
            #[cfg(any(feature = "spark", feature = "plasma"))]
            Op::Keys(names, keep, list) => {
                let json = serde_json::to_vec(names).unwrap();
                let Some(json) = lease(host_returns(&json)) else {
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
            #[cfg(not(any(feature = "spark", feature = "plasma")))]
            Op::Keys(..) => {}
            Op::Skip(i, n) => match self.take(*i) {
                Some((Lease::Bytes(lease), mut content)) => {
                    content.drain(..usize::from(*n).min(content.len()));
                    self.hold(Lease::Bytes(lease.skip((*n).into())), content);
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
    const ASKS: bool = true;

    fn prepend_to<S: Sink>(self, _: S) -> S {
        unreachable!()
    }

    fn append_to(self, mut text: Growth) -> Growth {
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

/// How many cases a property is tried with; Miri is a thousand times slower, and spends most of that
/// on proptest's usual random numbers, which are made for cryptography.
pub(crate) fn cases(natively: u32) -> ProptestConfig {
    let mut config = ProptestConfig {
        cases: natively,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    if cfg!(miri) {
        config.cases = 3;
        config.rng_algorithm = proptest::test_runner::RngAlgorithm::XorShift;
    }
    config
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

    #[test]
    fn any_bytes_read_as_text(bytes in prop::collection::vec(
        prop_oneof![any::<u8>(), Just(0xc3), Just(0xa9), Just(0xf0), Just(0x9f), Just(0xed)], 0..40
    )) {
        let text = leased(&bytes).into_text();
        prop_assert_eq!(&*text, repaired(&bytes));
        prop_assert_eq!(text::from_utf8(&bytes), core::str::from_utf8(&bytes).ok());
    }
}
