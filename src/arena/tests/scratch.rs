//! Texts that are kept, and leases as pieces.

use crate::arena::tests::*;

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
    // Its block begins at a multiple of 8, wherever in it the text does.
    for len in 1..20 {
        drop(text::build(&*vec![7; len]).unwrap());
        assert_eq!(room(), before, "{len}");
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
    assert!(claim(block).is_none());
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

#[test]
fn a_text_that_could_ask_is_not_built_over_what_the_host_might_still_return() {
    let block = host_returns(&[1; 64]);
    let text = text::build((None::<Ask<fn() -> i64>>, &*vec![2; ARENA_BYTES - 64]));
    assert!(claim(block).is_none(), "it has been given up");
    drop(text);
    // All that there is, whether the host has allocated it before or not.
    assert_ne!(guest_alloc(ARENA_BYTES as i32), 0);
    let text = text::build((None::<Ask<fn() -> i64>>, "12345678")).unwrap();
    assert_eq!(guest_alloc(ARENA_BYTES as i32 - 7), 0);
    assert_ne!(guest_alloc(ARENA_BYTES as i32 - 8), 0);
    assert_eq!(text, "12345678");
}
