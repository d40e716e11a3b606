//! Leases that grow, and copies of them.

use core::fmt::Write;

use crate::arena::tests::*;
use crate::testing::traps;

#[test]
fn the_topmost_lease_grows_where_it_is() {
    let below = leased(b"below");
    let mut text = leased(b"abc").into_text();
    let place = at(text.as_bytes());
    for more in ["d", "", "efgh", "\u{e9}"] {
        text.push_str(more);
    }
    text.push('!');
    text += "?";
    write!(text, "{}", 7).unwrap();
    assert_eq!(text, "abcdefgh\u{e9}!?7");
    assert_eq!(at(text.as_bytes()), place);
    assert_eq!(below, b"below");
    // What comes next lies behind it, and all of it is given back.
    let next = leased(b"next");
    assert_eq!((&*text, &*next), ("abcdefgh\u{e9}!?7", &b"next"[..]));
    drop((below, text, next));
    assert!(arena_is_free());
}

#[test]
fn a_lease_that_is_not_on_top_is_moved_there() {
    let mut bytes = leased(b"abc");
    let above = leased(b"above");
    bytes.extend_from_slice(b"def");
    assert_eq!((&*bytes, &*above), (&b"abcdef"[..], &b"above"[..]));
    assert_eq!(at(&bytes), at(&above) + 8);
    // It is on top now.
    let place = at(&bytes);
    bytes.extend_from_slice(&[b'x'; 100]);
    assert_eq!((at(&bytes), bytes.len()), (place, 106));
    drop(bytes);
    // Where it once was stays taken, and where it was last does not.
    assert_eq!(at(&leased(b"x")), place);
    drop(above);
    assert!(arena_is_free());
}

#[test]
fn a_lease_on_nothing_grows_too() {
    let mut text = ArenaStr::default();
    text.push_str("a");
    let mut empty = leased(b"");
    empty.extend_from_slice(b"b");
    text.push_str("c");
    assert_eq!((&*text, &*empty), ("ac", &b"b"[..]));
    drop((text, empty));
    assert!(arena_is_free());
}

#[test]
fn a_part_of_a_block_grows_behind_the_block() {
    let mut part = skip(leased(b"1234value"), 4);
    part.extend_from_slice(b" and more");
    assert_eq!(part, b"value and more");
    let mut part = part.truncate(5);
    part.extend_from_slice(b"!");
    assert_eq!(part, b"value!");
    let (below, above) = (part.truncate(2), leased(b"above"));
    let mut below = below;
    below.extend_from_slice(b"lid");
    assert_eq!((&*below, &*above), (&b"valid"[..], &b"above"[..]));
    drop((below, above));
    assert!(arena_is_free());
}

#[test]
fn what_does_not_fit_changes_nothing() {
    let full = leave_free(16);
    let mut bytes = leased(b"0123456789");
    assert_eq!(bytes.try_extend_from_slice(b"abcdef"), Ok(()));
    assert_eq!(bytes.try_extend_from_slice(b"g"), Err(ArenaFull));
    assert_eq!(bytes.try_extend_from_slice(b""), Ok(()));
    assert_eq!(bytes, b"0123456789abcdef");
    assert!(traps(|| bytes.clone()));
    assert!(traps(|| bytes.extend_from_slice(b"g")));
    let mut text = bytes.into_text();
    assert!(write!(text, "g").is_err());
    assert_eq!(text, "0123456789abcdef");
    // The copies that trapped were leases as well, and went with their destructors.
    drop((full, text));
    assert!(arena_is_free());
}

#[test]
fn scratch_is_not_grown_into() {
    let scratch = text::build(("scratch ", 1_u8)).unwrap();
    let mut bytes = ArenaBytes::default();
    let room = room();
    bytes.extend_from_slice(&vec![7; room]);
    assert_eq!(bytes.try_extend_from_slice(b"x"), Err(ArenaFull));
    assert_eq!(&*scratch, b"scratch 1");
}

/// Else the host could return it later, and it would be leased twice.
#[test]
fn what_the_host_allocated_and_did_not_return_is_given_up() {
    let mut bytes = leased(b"abc");
    let pending = host_returns(b"late");
    bytes.extend_from_slice(b"defghijkl");
    assert!(claim(pending).is_none());
    assert_eq!(bytes, b"abcdefghijkl");
}

#[test]
fn bytes_that_are_no_text_stay_so_until_they_are_read() {
    let mut text = leased(b"a\xc3").into_text();
    let copy = text.clone();
    // No continuation byte makes it whole: what is appended is whole itself.
    text.push_str("\u{a9}");
    assert_eq!(copy.into_bytes(), b"a\xc3");
    assert_eq!(&*text, "a?\u{a9}");
}

#[test]
fn copies_are_apart() {
    let bytes = leased(b"abc");
    let mut copy = bytes.clone();
    copy.extend_from_slice(b"d");
    assert_eq!((&*bytes, &*copy), (&b"abc"[..], &b"abcd"[..]));
    let text = copy.into_text();
    let copies = [text.clone() + "e", text.clone() + ""];
    drop((bytes, text));
    assert_eq!(copies[0], "abcde");
    assert_eq!(copies[1], "abcd");
    drop(copies);
    assert!(arena_is_free());
}

#[test]
fn texts_and_bytes_are_copied_into_the_arena() {
    assert_eq!(ArenaStr::from("a\u{e9}"), "a\u{e9}");
    assert_eq!(ArenaBytes::from(&b"\xff"[..]), b"\xff");
    #[cfg(heap)]
    {
        assert_eq!(ArenaStr::from(std::string::String::from("a")), "a");
        assert_eq!(ArenaBytes::from(vec![0xff]), b"\xff");
    }
    let _full = leave_free(8);
    assert!(traps(|| ArenaStr::from("nine byte")));
}

#[test]
fn bytes_are_iterated_over_from_both_ends_and_become_arrays() {
    let bytes = leased(b"abcd");
    assert_eq!(bytes.as_slice().len(), 4);
    let mut iter = bytes.into_iter();
    assert_eq!(
        (iter.next(), iter.next_back(), iter.len()),
        (Some(b'a'), Some(b'd'), 2)
    );
    assert!(iter.rev().eq(*b"cb"));
    assert_eq!(<[u8; 2]>::try_from(leased(b"ab")), Ok(*b"ab"));
    assert_eq!(<[u8; 3]>::try_from(leased(b"ab")).unwrap_err(), b"ab");
    assert!(arena_is_free());
}

#[test]
fn characters_and_texts_are_collected() {
    let mut text = ArenaStr::default();
    text.extend(['a', '\u{e9}']);
    text.extend(["b", "cd"]);
    assert_eq!(text, "a\u{e9}bcd");
    let mut bytes = leased(b"a");
    bytes.extend(*b"bc");
    assert!(*b"abc" == bytes && *b"abd" != bytes && *b"ab" != bytes);
}

proptest! {
    #![proptest_config(cases(200))]

    /// Several leases that grow in turn, be dropped and be copied: each reads as a `Vec` would.
    #[test]
    fn they_grow_as_vecs_do(steps in proptest::collection::vec((0_usize..4, 0_u8..4, proptest::collection::vec(any::<u8>(), 0..40)), 0..60)) {
        let mut leases: Vec<(ArenaBytes, Vec<u8>)> = (0..4).map(|_| Default::default()).collect();
        for (which, what, more) in steps {
            match what {
                0 => leases[which] = (leased(&more), more),
                1 => leases[which] = leases[(which + 1) % 4].clone(),
                _ => {
                    leases[which].0.extend_from_slice(&more);
                    leases[which].1.extend_from_slice(&more);
                }
            }
            for (lease, model) in &leases {
                prop_assert_eq!(&**lease, &**model);
            }
        }
        drop(leases);
        prop_assert!(arena_is_free());
    }
}
