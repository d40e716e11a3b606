//! What the host allocates and what it returns.

use crate::arena::tests::*;

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
        assert!(claim(0).is_none());
        assert!(arena_refused(), "{size}");
    }
    assert_ne!(guest_alloc(ARENA_BYTES as i32), 0);
    assert!(claim(0).is_none());
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
        assert!(claim(pack(address, len)).is_none(), "{address} {len}");
        assert_eq!(
            *claim(pack(address, len)).unwrap_or_default(),
            *b"",
            "{address} {len}"
        );
        assert_eq!(
            claim_with(pack(address, len), |_| Some(())),
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
        let lease = claim(host_returns(&bytes) - (32 - len)).unwrap();
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
        if let Some(lease) = claim(pack(address + skip, len)) {
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
    let first = claim(block).unwrap();
    assert!(claim(block).is_none());
    drop(first);
    assert!(claim(block).is_none(), "it has been given back");
}

#[test]
fn an_empty_result_is_not_no_result() {
    let empty = claim(host_returns(b"")).unwrap();
    assert_eq!(*empty, *b"");
    drop(empty);
    assert!(claim(0).is_none());
    #[cfg(feature = "ws")]
    {
        assert!(claim_unless_empty(host_returns(b"")).is_none());
        assert!(claim_unless_empty(0).is_none());
        reset_arena();
        assert_eq!(claim_unless_empty(host_returns(b"a")).unwrap(), b"a");
    }
    assert!(arena_is_free());
}

#[test]
fn reading_leaves_nothing_behind() {
    assert_eq!(
        claim_with(host_returns(b"abc"), |bytes| Some(bytes.to_vec())).unwrap(),
        b"abc"
    );
    assert_eq!(
        claim_with(host_returns(b""), |bytes| Some(bytes.len())),
        Some(0)
    );
    assert_eq!(claim_with(host_returns(b"abc"), |_| None::<()>), None);
    assert_eq!(claim_with(0, |_| Some(())), None);
    assert!(arena_is_free());
}

#[test]
fn refusal_is_told_until_the_next_result() {
    let full = leave_free(0);
    assert!(claim(host_returns(b"x")).is_none() && arena_refused());
    assert!(arena_refused(), "asking does not change it");
    assert!(claim(0).is_none() && !arena_refused());
    assert_eq!(claim_with(host_returns(b"x"), |_| Some(())), None);
    assert!(arena_refused());
    drop(full);
    assert!(claim(host_returns(b"x")).is_some() && !arena_refused());
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

#[test]
fn what_is_decoded_is_leased_to_where_it_ends() {
    for (skip, len, end) in [(0, 24, 24), (0, 17, 24), (11, 2, 16), (5, 3, 8), (9, 0, 16)] {
        let bytes: Vec<u8> = (0..24).collect();
        let block = host_returns(&bytes);
        let part = pack((block >> 32) as i32 + skip, len);
        let (lease, first) = claim_decoded(part, |bytes| Ok::<_, ()>(bytes.first().copied()))
            .expect("it was allocated")
            .unwrap();
        assert_eq!(first.is_some(), len != 0);
        assert_eq!(LEASED.get(), end, "{skip} {len}");
        let next = leased(b"next");
        assert_eq!(at(&next), end as usize);
        assert_eq!(*lease, bytes[skip as usize..][..len as usize]);
        drop((lease, next));
        assert!(arena_is_free());
    }
}

#[test]
fn what_cannot_be_decoded_is_given_back() {
    let outer = leased(b"outer");
    let before = room();
    let refused = claim_decoded(host_returns(b"bad"), |_| Err::<(), _>("why"));
    assert_eq!(refused.unwrap().err(), Some("why"));
    assert!(claim_decoded(0, |_| Ok::<_, ()>(())).is_none());
    assert_eq!(room(), before);
    drop(outer);
    assert!(arena_is_free());
}

#[test]
fn no_result_is_none_in_an_arena_at_the_end_of_memory() {
    // As near to 4 GiB as an arena can lie, with the word behind it.
    storage::MOVED_TO.set(0_u32.wrapping_sub(SIZE + 8));
    let all = guest_alloc(ARENA_BYTES as i32);
    assert_eq!(all as u32, 0_u32.wrapping_sub(SIZE + 8));
    assert!(claim(0).is_none() && claim_unless_refused(0).is_empty());
    assert_eq!(claim_with(0, |_| Some(())), None);
    assert!(claim_decoded(0, |_| Ok::<_, ()>(())).is_none());
    assert_eq!(sent(("a", Ask(|| 0))), Err(ArenaFull));
    // What is just behind it is a place for nothing.
    assert_ne!(guest_alloc(ARENA_BYTES as i32), 0);
    let lease = claim(pack(-8, 0)).unwrap();
    assert!(lease.is_empty() && lease.into_text() == "");
    let lease = claim(host_returns(&[7; 100])).unwrap();
    assert_eq!(lease, [7; 100]);
    let text = text::build((&lease, 1_u8)).unwrap();
    assert_eq!(text.len(), 101);
    assert_eq!(text::build(&*vec![0; room() + 1]), Err(ArenaFull));
    drop((lease, text));
    assert!(arena_is_free());
}

#[test]
fn the_test_host_cannot_write_behind_what_it_allocated() {
    let address = guest_alloc(8);
    for (at, len) in [(address, 9), (address + 8, 1), (address + 9, 0)] {
        let written = std::panic::catch_unwind(|| host_write(at, &vec![1; len]));
        assert!(written.is_err(), "{len} bytes at {at}");
    }
    host_write(address, &[1; 8]);
    host_write(address + 8, &[]);
    reset_arena();
}
