//! Texts that ask the host.

use crate::arena::tests::*;

/// A piece that the host answers with these bytes.
fn answer(bytes: &[u8]) -> impl Pieces {
    Ask(move || host_returns(bytes))
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
    let result = send::call(("a", answer(b"b")), |built| {
        // SAFETY: as above.
        assert_eq!(unsafe { &*Bytes::raw(built) }, b"ab");
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
    let len = send::send((answer(&full), "1234567"), |built| {
        assert_ne!(guest_alloc(ARENA_BYTES as i32), 0);
        reset_arena();
        Bytes::raw(built).len()
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
fn a_text_fails_if_a_lease_was_made_in_its_place() {
    // There would be room for the first without the lease's.
    for more in ["", "!"] {
        let full = leave_free(32);
        let mut stashed = None;
        let asked = Ask(|| {
            reset_arena();
            stashed = Some(leased(b"stashed "));
            guest_alloc(8);
            host_returns(b"result  ")
        });
        let text = text::build((&[b'x'; 16], asked, more));
        assert_eq!(text.err(), Some(ArenaFull));
        assert_eq!(stashed.as_ref().unwrap(), b"stashed ");
        drop((full, stashed));
        assert!(arena_is_free());
    }
}
