//! An object of what the host answers.

use crate::arena::tests::*;

/// The object with one member.
fn one(before: &[u8], name: &str, mut answer: impl FnMut() -> i64, last: &[u8]) -> Option<Vec<u8>> {
    members_sent(before, &mut [(name, &mut answer)], last)
}

#[test]
fn answers_become_members_from_the_last_to_the_first() {
    let mut leases = 0;
    let text = members_sent(
        b"{",
        &mut [
            ("c", &mut || host_returns(b"3")),
            ("none", &mut || 0),
            ("b", &mut || {
                leases = LIVE.get();
                host_returns(b"2")
            }),
            ("empty", &mut || host_returns(b"")),
            ("a", &mut || host_returns(&[b'1'; 99])),
        ],
        b"}",
    );
    let first = "1".repeat(99);
    let expected = format!("{{\"a\":\"{first}\",\"b\":\"2\",\"c\":\"3\"}}");
    assert_eq!(text.unwrap(), expected.as_bytes());
    assert_eq!(leases, 0, "no answer is leased");
    assert!(arena_is_free());
    assert_eq!(one(b"{", "a", || 0, b"}").unwrap(), b"{}");
    assert_eq!(members_sent(b"{", &mut [], b"}").unwrap(), b"{}");
    assert_eq!(members_sent(b"{", &mut [], b""), None);
    assert!(arena_is_free());
}

#[test]
fn names_and_answers_are_escaped_and_need_room_beside_each_other() {
    for (text, quoted) in [
        (&b"a"[..], &b"\"a\""[..]),
        (b"\"\\", b"\"\\\"\\\\\""),
        (b"\0a\x1f", b"\"\\u0000a\\u001f\""),
        (
            b"\x1f\x1f\x1f\x1f\x1f\x1f\x1f\x1f",
            &b"\"\\u001f\\u001f\\u001f\\u001f\\u001f\\u001f\\u001f\\u001f\""[..],
        ),
        // The neighbours of what is written in another way.
        (b"\x09\x0a\x10 !#[]", b"\"\\u0009\\u000a\\u0010 !#[]\""),
        ("\u{e9}\x7f".as_bytes(), "\"\u{e9}\x7f\"".as_bytes()),
        (b"\xff", b"\"\xff\""),
    ] {
        let name = core::str::from_utf8(text).unwrap_or("\u{e9}");
        let quoted_name = if name.as_bytes() == text {
            quoted
        } else {
            "\"\u{e9}\"".as_bytes()
        };
        let member = [quoted_name, b":", quoted].concat();
        for room in (0..member.len() + 48).step_by(8) {
            // The text ends in any place of a word.
            for last in (1..10).step_by(if cfg!(miri) { 7 } else { 1 }) {
                let last = &b"}12345678"[..last];
                let _full = leave_free(room);
                let sent = one(b"", name, || host_returns(text), last);
                let expected = [&*member, last].concat();
                // The answer lies below, at a multiple of 8, until it has been read.
                let below = text.len().next_multiple_of(8);
                if below + expected.len() + 6 <= room {
                    assert_eq!(sent.unwrap(), expected, "{text:?} in {room}");
                } else {
                    assert_eq!(sent, None, "{text:?} in {room}");
                }
            }
        }
    }
    assert!(arena_is_free());
}

#[test]
fn an_empty_answer_is_none_whatever_the_host_was_refused_before() {
    // A host that asks for room in a call that returns nothing: no result tells of the refusal.
    let sent_before = send::send("", |_| assert_eq!(guest_alloc(i32::MAX), 0));
    assert!(sent_before.is_ok());
    let text = one(b"{", "a", || host_returns(b""), b"}");
    assert_eq!(text.unwrap(), b"{}");
    // No result at all may be for want of space, and then it fails the text.
    let full = leave_free(24);
    assert_eq!(one(b"{", "a", || host_returns(&[b'x'; 17]), b"}"), None);
    assert!(arena_refused());
    assert_eq!(one(b"{", "a", || 0, b"}").unwrap(), b"{}");
    assert!(!arena_refused(), "the last call was refused nothing");
    drop(full);
    assert!(arena_is_free());
}

#[test]
fn what_a_host_allocates_and_does_not_return_is_given_up_before_more_is_written() {
    let outside = storage::origin() as i32 - 8;
    for wrong in [0, -1, pack(outside, 8), pack(outside, u32::MAX)] {
        let mut free = 0;
        let allocates_all = || {
            assert_ne!(guest_alloc(room() as i32), 0);
            free = room();
            wrong
        };
        let asks_for_more = || {
            assert_eq!(guest_alloc(1 << 30), 0, "there is no such room");
            assert_eq!(guest_alloc(room() as i32 + 1), 0);
            host_returns(b"1")
        };
        let text = Members::build(
            |text| text.bytes(b"behind"),
            b"}",
            |text| {
                text.member("b", crate::json::quoted, allocates_all);
                text.put(b"\"headers\":{");
                text.member("a", crate::json::quoted, asks_for_more);
                text.put(b"{");
            },
        );
        let (built, behind) = text.unwrap().payloads().unwrap();
        // SAFETY: read before anything else is done, as the host does.
        let (built, behind) = unsafe { (&*Bytes::raw(built), &*Bytes::raw(behind)) };
        assert_eq!(built, b"{\"a\":\"1\",\"headers\":{}");
        assert_eq!((behind, free), (&b"behind"[..], ARENA_BYTES - 8));
        assert!(arena_is_free());
    }
}

#[test]
fn what_the_host_was_refused_for_a_text_that_failed_tells_nothing_of_the_next_call() {
    let full = leave_free(24);
    // The first answer has no room to be written; the host is asked all the same, and refused.
    let text = members_sent(
        b"{",
        &mut [
            ("b", &mut || host_returns(b"0123456789abcdef")),
            ("a", &mut || host_returns(&[b'x'; 100])),
        ],
        b"}",
    );
    assert_eq!(text, None);
    assert!(arena_refused());
    assert!(claim(0).is_none() && !arena_refused());
    drop(full);
    assert!(arena_is_free());
}

#[test]
fn the_last_member_is_told_by_what_comes_behind_it() {
    let text = one(b"", "a", || host_returns(b"1"), b"]");
    assert_eq!(
        text.unwrap(),
        b"\"a\":\"1\",]",
        "only a closing brace takes no comma"
    );
}

#[test]
fn a_text_that_a_host_had_kept_meanwhile_is_not_written_over() {
    for leaves in [false, true] {
        let mut kept = None;
        let text = one(
            b"{",
            "a",
            || {
                kept = Some(text::build("kept by another invocation").unwrap());
                if !leaves {
                    kept = None;
                }
                host_returns(b"1")
            },
            b"}",
        );
        match leaves {
            true => assert_eq!(text, None, "there is no room in front of it"),
            false => assert_eq!(text.unwrap(), b"{\"a\":\"1\"}"),
        }
        assert!(
            kept.as_deref()
                .is_none_or(|kept| kept == b"kept by another invocation")
        );
        drop(kept);
        // The answer that was not read, too.
        reset_arena();
        assert!(arena_is_free());
    }
}

#[test]
fn a_text_that_was_kept_before_may_be_dropped_meanwhile() {
    let mut outer = Some(text::build("outer").unwrap());
    let text = one(
        b"{",
        "a",
        || {
            outer = None;
            host_returns(b"1")
        },
        b"}",
    );
    assert_eq!(text.unwrap(), b"{\"a\":\"1\"}");
    assert!(arena_is_free());
    // One that stays keeps its bytes, and what is below it is free again.
    let outer = text::build("outer").unwrap();
    let before = room();
    let text = one(b"{", "a", || host_returns(b"1"), b"}");
    assert_eq!(text.unwrap(), b"{\"a\":\"1\"}");
    assert_eq!((&*outer, room()), (&b"outer"[..], before));
    drop(outer);
    assert!(arena_is_free());
}

#[test]
fn a_host_that_panics_leaves_nothing_behind() {
    let outer = text::build("outer").unwrap();
    let before = room();
    let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        one(
            b"{",
            "a",
            || std::panic::resume_unwind(std::boxed::Box::new(())),
            b"}",
        )
    }));
    assert!(unwound.is_err());
    assert_eq!(room(), before);
    drop(outer);
    assert!(arena_is_free());
}
