use super::*;
use crate::arena_refused;
use crate::error::Kind;
use crate::testing::{ARENA_FULL, Host, arena_is_free, assert_error, leave_free, traps};
use std::vec::Vec;

fn host() -> Host {
    let host = Host::new();
    host.writes_plasma_kv(true);
    host
}

#[test]
fn values_are_written_read_and_deleted() {
    let host = host();
    assert!(get("a").is_none());
    assert_eq!(set("a", b"\xff\0"), Ok(()));
    assert_eq!(get("a").unwrap(), b"\xff\0");
    assert!(get_string("a").is_none() && !arena_refused());
    assert_eq!(set_pieces("b", ("n", 1_u8)), Ok(()));
    assert_eq!(get_string("b").unwrap(), "n1");
    assert_eq!(set("c", b""), Ok(()));
    assert_eq!(get("c").unwrap(), b"");
    let keys: Vec<_> = list().collect();
    assert_eq!(keys, ["a", "b", "c"]);
    drop(keys);
    assert_eq!(delete("a"), Ok(()));
    assert!(get("a").is_none() && get_string("a").is_none());
    assert_eq!(host.plasma("a"), None);
    assert!(arena_is_free());
}

#[test]
fn counters_count_both_ways() {
    let host = host();
    assert_eq!(increment("n", 5), Some(5));
    assert_eq!(decrement("n", 7), Some(-2));
    assert_eq!(increment("n", -1), Some(-3));
    assert_eq!(decrement("n", -4), Some(1));
    assert_eq!(increment("n", 0), Some(1));
    host.put_counter("n", i64::MAX - 1);
    assert_eq!(increment("n", 1), Some(i64::MAX));
    host.put_counter("n", i64::MIN + 1);
    assert_eq!(decrement("n", 1), Some(i64::MIN));
    assert_eq!(
        host.calls_of("plasma_decrement").last().unwrap().numbers,
        [1]
    );
    assert_eq!(host.counter("n"), Some(i64::MIN));
    assert!(arena_is_free());
}

#[test]
fn a_value_is_no_counter() {
    let host = host();
    host.put_plasma("v", b"text");
    assert_eq!(increment("v", 1), None);
    assert_eq!(host.plasma("v").unwrap(), b"text");
}

#[test]
fn an_answer_of_another_length_is_no_counter() {
    let host = host();
    for len in [0, 1, 7, 9, 16] {
        host.returns("plasma_increment", &[0; 16][..len]);
        host.returns("plasma_decrement", &[0; 16][..len]);
        assert_eq!(
            (increment("n", 1), decrement("n", 1)),
            (None, None),
            "{len}"
        );
    }
    host.returns("plasma_increment", [1, 2, 3, 4, 5, 6, 7, 0x88]);
    assert_eq!(increment("n", 1), Some(0x8807_0605_0403_0201_u64 as i64));
    assert!(arena_is_free());
}

#[test]
fn the_host_refuses_by_its_rules() {
    let host = Host::new();
    assert_eq!(set("a", b""), Err(PlasmaError::NoCapability));
    assert_eq!(delete("a"), Err(PlasmaError::NoCapability));
    assert_eq!(increment("a", 1), None);
    host.writes_plasma_kv(true);
    for key in ["", "a b", "__sys:x"] {
        assert_eq!(set(key, b""), Err(PlasmaError::BadKey), "{key:?}");
        assert_eq!(delete(key), Err(PlasmaError::BadKey));
        assert_eq!(decrement(key, 1), None);
    }
    assert_eq!(set("a", &[0; 65_536]), Ok(()));
    assert_eq!(set("a", &[0; 65_537]), Err(PlasmaError::TooLarge));
    host.limits(|limits| limits.max_kv_writes = 1);
    assert_eq!(set("a", b""), Err(PlasmaError::WriteLimit));
    host.limits(|limits| limits.max_kv_reads = 1);
    assert!(get("a").is_some());
    assert!(get("a").is_none(), "the reads are used up");
    assert!(traps(list) && !arena_refused());
    assert_eq!(try_list().err(), Some(Error::new(Kind::NoAnswer)));
}

#[test]
fn each_code_is_its_error_and_says_so() {
    let host = host();
    for (code, error, text) in [
        (
            1,
            PlasmaError::NotAvailable,
            "plasma: not available on this node",
        ),
        (
            2,
            PlasmaError::WriteLimit,
            "plasma: write limit exceeded: this invocation may write no more",
        ),
        (
            3,
            PlasmaError::TooLarge,
            "plasma: value too large: it is over max_kv_value_bytes",
        ),
        (
            4,
            PlasmaError::BadKey,
            "plasma: invalid key: 1 to 256 of a-z A-Z 0-9 : . _ -, and no reserved prefix",
        ),
        (
            5,
            PlasmaError::NoCapability,
            "plasma: no capability: set writes_plasma_kv in the flare's configuration",
        ),
        (
            6,
            PlasmaError::Internal,
            "plasma: internal error of the host: its log says more",
        ),
        (7, PlasmaError::Unknown(7), "plasma: unknown error code 7"),
        (
            i32::MIN,
            PlasmaError::Unknown(i32::MIN),
            "plasma: unknown error code -2147483648",
        ),
    ] {
        host.fails_with("plasma_set", code)
            .fails_with("plasma_delete", code);
        assert_eq!(set("a", b""), Err(error));
        assert_eq!(set_pieces("a", ""), Err(error));
        assert_eq!(delete("a"), Err(error));
        assert_error(error, text);
    }
    assert_error(PlasmaError::ArenaFull, ARENA_FULL);
}

#[test]
fn what_does_not_fit_is_an_error_and_not_sent() {
    let host = host();
    host.put_plasma("key", b"123456789");
    let full = leave_free(8);
    assert!(get("key").is_none() && arena_refused());
    assert!(get_string("key").is_none() && arena_refused());
    assert_eq!(increment("n", 1), Some(1), "8 bytes fit");
    assert!(traps(list) && arena_refused());
    assert!(try_list().is_err_and(|error| error.is_arena_full()));
    assert_eq!(set_pieces("b", "123456789"), Err(PlasmaError::ArenaFull));
    assert!(host.calls_of("plasma_set").is_empty());
    drop(full);
    let _full = leave_free(0);
    assert_eq!(increment("n", 1), None);
    assert!(arena_refused());
    assert_eq!(
        host.counter("n"),
        Some(2),
        "the host has counted all the same"
    );
}

#[test]
fn a_key_and_a_value_may_both_be_pieces() {
    let host = host();
    assert_eq!(set_keyed(("flag:", "new"), ("n=", 7_u8)), Ok(()));
    assert_eq!(get_pieces(("flag:", "new")).unwrap(), b"n=7");
    assert_eq!(set_keyed("copy", list_piece()), Ok(()));
    assert_eq!(get("copy").unwrap(), br#"["flag:new"]"#);
    let full = leave_free(8);
    assert_eq!(set_keyed("1234", "56789"), Err(PlasmaError::ArenaFull));
    assert_eq!(set_keyed("1234", "5678"), Ok(()));
    drop(full);
    host.writes_plasma_kv(false);
    assert_eq!(set_keyed("a", "x"), Err(PlasmaError::NoCapability));
    assert!(arena_is_free());
}

#[test]
fn what_is_counted_or_deleted_may_have_a_key_of_pieces() {
    let host = host();
    assert_eq!(increment_pieces(("room:", 7_u8), 5), Some(5));
    assert_eq!(decrement_pieces(("room:", 7_u8), 3), Some(2));
    assert_eq!(increment("room:7", 0), Some(2));
    assert_eq!(delete_pieces(("room:", 7_u8)), Ok(()));
    assert_eq!(host.calls_of("plasma_delete")[0].text(0), "room:7");
    assert_eq!(increment("room:7", 1), Some(1));
    assert!(arena_is_free());
    let _full = leave_free(8);
    assert_eq!(increment_pieces("123456789", 1), None);
    assert_eq!(decrement_pieces("123456789", 1), None);
    assert_eq!(delete_pieces("123456789"), Err(PlasmaError::ArenaFull));
}
