//! Arguments, and hosts that call the flare during a call.

use crate::arena::tests::*;

#[test]
fn arguments_are_given_back_after_the_call() {
    let result = send::call(("a", 1_u8), |built| {
        // SAFETY: the test host reads it before it allocates.
        let argument = unsafe { &*Bytes::raw(built) };
        assert_eq!(argument, b"a1");
        host_returns(b"result")
    });
    assert_eq!(result.unwrap(), b"result");
    assert!(arena_is_free());
}

#[test]
fn a_result_may_lie_where_the_arguments_were() {
    // Which a host has read by the time it knows how much room it wants.
    // Not all of the arena: byte by byte that takes Miri minutes.
    const ROOM: usize = 1024;
    let full = leave_free(ROOM);
    let argument = vec![1; ROOM - 16];
    let result = send::call(&*argument, |built| {
        // SAFETY: as above.
        assert_eq!(unsafe { &*Bytes::raw(built) }, argument);
        host_returns(&[2; ROOM - 8])
    });
    assert_eq!(result.unwrap(), vec![2; ROOM - 8]);
    drop(full);
    assert!(arena_is_free());
}

#[test]
fn arguments_that_do_not_fit_are_not_sent() {
    let _full = leave_free(8);
    let result = send::call("123456789", |_| unreachable!());
    assert!(result.is_none() && arena_refused());
    assert_eq!(
        send::send("123456789", |_| unreachable!()),
        Err::<(), _>(ArenaFull)
    );
}

#[test]
fn a_host_that_calls_the_flare_during_a_call_takes_nothing_away() {
    let outer = leased(b"outer");
    let outer_text = text::build("outer text").unwrap();
    let result = send::call("argument", |_| {
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
    let result = send::call("argument", |_| {
        stashed = Some(text::build("stashed").unwrap());
        0
    });
    assert!(result.is_none());
    let all = leased(&vec![1; room()]);
    assert_eq!(stashed.as_ref().unwrap(), b"stashed");
    let next = text::build("next");
    assert!(next.is_err() || next.is_ok_and(|next| next == "next"));
    assert_eq!(stashed.as_ref().unwrap(), b"stashed");
    drop((all, stashed));
    assert!(arena_is_free());
}

#[test]
fn a_text_that_is_dropped_during_a_call_is_given_back() {
    let text = text::build("text").unwrap();
    let _ = send::call("argument", |_| {
        drop(text);
        0
    });
    assert!(arena_is_free());
}

#[test]
fn a_lease_that_is_stashed_during_a_call_outlives_it() {
    let mut stashed = None;
    let result = send::call("argument", |_| {
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

/// Whoever holds a block of the heap may change it, so it must not be read as a part of a text.
#[cfg(feature = "arena-alloc")]
#[test]
fn a_text_in_which_the_heap_took_a_block_fails() {
    use crate::arena::heap;
    for keep in [true, false] {
        let mut block = None;
        let asks = Ask(|| {
            reset_arena();
            let start = heap::take(8, 8);
            // SAFETY: it has this size, all of it is initialised, and nothing else leads there.
            let bytes = unsafe { core::slice::from_raw_parts_mut(start, 8) };
            bytes.fill(7);
            block = Some(bytes);
            // The text ends there, so the answer is behind it.
            guest_alloc(16);
            host_returns(b"answer")
        });
        let pieces = ("the first of it", asks);
        match keep {
            true => assert_eq!(text::build(pieces).err(), Some(ArenaFull)),
            false => assert_eq!(sent(pieces), Err(ArenaFull)),
        }
        let block = block.unwrap();
        assert_eq!(block, [7; 8]);
        block[0] = 1;
        // SAFETY: it came from `take` with this size.
        unsafe { heap::give_back(block.as_mut_ptr(), 8) }
        assert!(arena_is_free());
    }
}
