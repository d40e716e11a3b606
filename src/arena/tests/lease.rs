//! Leases: giving back, in any order, by anybody.

use core::cell::RefCell;
use core::mem;
use core::panic::AssertUnwindSafe;
use core::sync::atomic::{AtomicPtr, Ordering::Relaxed};
use std::boxed::Box;
use std::panic;
use std::thread_local;

use crate::arena::lease::MOST_UNASKED;
use crate::arena::tests::*;

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
        let value = skip(leased(&[7; 60_001]), 4);
        assert_eq!(value.len(), 59_997);
        drop(value);
        assert_eq!(room(), before);
    }
}

#[test]
fn a_forgotten_lease_costs_its_space_and_nothing_else() {
    mem::forget(leased(&[1; 100]));
    let before = room();
    assert_eq!(before + 104, ARENA_BYTES);
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
    let empty = skip(leased(b"1234"), 4);
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
    claim(pack(address + skip, len)).expect("it was allocated")
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
    assert!(claim(0).is_none());
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
    let sent = send::send(lease, |built| {
        assert_eq!(room(), before);
        // SAFETY: the host wrote the bytes, and nothing has been written since.
        unsafe { &*Bytes::raw(built) }.to_vec()
    });
    assert_eq!(sent.unwrap(), b"a lease");
    // Below another it stays taken until that is given back.
    let (lower, upper) = (leased(b"lower").into_text(), leased(b"upper"));
    let sent = send::send(lower, |built| {
        assert_eq!(room(), before - 16);
        // SAFETY: as above.
        unsafe { &*Bytes::raw(built) }.to_vec()
    });
    assert_eq!(sent.unwrap(), b"lower");
    assert_eq!(upper, b"upper");
    drop((upper, outer));
    assert!(arena_is_free());
    for nothing in [ArenaBytes::default(), leased(b""), skip(leased(b"a"), 1)] {
        let len = send::send(nothing, |built| Bytes::raw(built).len());
        assert_eq!(len, Ok(0));
    }
    assert!(arena_is_free());
}

#[test]
fn a_lease_that_is_sent_as_it_is_needs_no_space() {
    let full = leave_free(0);
    assert_eq!(send::send((&full, ""), |_| ()), Err(ArenaFull));
    let len = send::send(full, |built| Bytes::raw(built).len());
    assert_eq!(len, Ok(ARENA_BYTES));
    assert!(arena_is_free());
}

#[test]
fn leases_on_nothing_take_nothing() {
    let lease = leased(b"lease");
    let empty = [(); 3].map(|()| ArenaBytes::default());
    assert!(claim(0).unwrap_or_default().is_empty() && empty.iter().all(|empty| empty.is_empty()));
    let [a, b, c] = empty;
    assert_eq!(
        (skip(a, 3).len(), b.truncate(3).len(), c.into_text().len()),
        (0, 0, 0)
    );
    assert_eq!(lease, b"lease");
    drop(lease);
    assert!(arena_is_free());
}

#[test]
fn the_first_bytes_are_taken_off_if_there_are_so_many() {
    for len in 0..7 {
        let bytes: Vec<u8> = (0..len).collect();
        match leased(&bytes).split_first::<4>() {
            Some((first, rest)) => {
                assert_eq!((first, &*rest), ([0, 1, 2, 3], &bytes[4..]));
            }
            None => assert!(len < 4),
        }
        assert!(arena_is_free());
    }
}

#[test]
fn skipping_and_truncating_stay_within_the_lease() {
    for (first, keep, expected) in [
        (0, 9, "abcdefgh"),
        (4, 9, "efgh"),
        (8, 9, ""),
        (9, 9, ""),
        (u32::MAX, u32::MAX, ""),
        (1, 3, "bcd"),
        (0, 0, ""),
    ] {
        let lease = skip(leased(b"abcdefgh"), first as usize).truncate(keep);
        assert_eq!(lease, expected.as_bytes(), "{first} {keep}");
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

/// A loop that leaks leases on nothing is one addition for the compiler: `LIVE` may become anything in no time.
#[test]
fn leases_on_nothing_are_not_leaked_until_their_count_overflows() {
    let held = leased(b"held");
    let empty = leased(b"");
    LIVE.set(MOST_UNASKED);
    mem::forget(ArenaBytes::default());
    assert!(panic::catch_unwind(ArenaBytes::default).is_err());
    assert!(panic::catch_unwind(ArenaStr::default).is_err());
    assert!(panic::catch_unwind(|| ArenaStr::from("")).is_err());
    assert!(panic::catch_unwind(AssertUnwindSafe(|| empty.clone())).is_err());
    #[cfg(lists_keys)]
    {
        assert!(panic::catch_unwind(crate::Keys::default).is_err());
        assert!(panic::catch_unwind(crate::Key::default).is_err());
        let mut keys = crate::Keys::new(leased(br#"["a"]"#));
        assert!(panic::catch_unwind(AssertUnwindSafe(|| keys.clone())).is_err());
        let key = keys.next().unwrap();
        assert!(panic::catch_unwind(AssertUnwindSafe(|| key.clone())).is_err());
    }
    // What takes space, or what the host is asked for, goes on: nobody can do that so often.
    assert_eq!(
        (leased(b"a"), claim_unless_refused(0).len()),
        (leased(b"a"), 0)
    );
    LIVE.set(2);
    drop(empty);
    assert_eq!(held, b"held");
    drop(held);
    assert!(arena_is_free());
}
