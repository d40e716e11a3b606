use super::*;
use crate::arena_refused;
use crate::error::Kind;
use crate::testing::{ARENA_FULL, Host, arena_is_free, assert_error, leave_free, traps};
use std::vec::Vec;

fn host() -> Host {
    let host = Host::new();
    host.writes_spark_kv(true);
    host
}

#[test]
fn a_value_is_read_with_the_seconds_it_has_left() {
    let host = host();
    host.put_spark("a", b"\xffvalue", 90).put_spark("b", b"", 0);
    host.advance_secs(30);
    let entry = get("a").unwrap();
    assert_eq!((&*entry.value, entry.ttl_secs), (&b"\xffvalue"[..], 60));
    drop(entry);
    let entry = get("b").unwrap();
    assert_eq!((&*entry.value, entry.ttl_secs), (&b""[..], 0));
    assert!(get("c").is_none() && !arena_refused());
    host.advance_secs(60);
    assert!(get("a").is_none(), "it has expired");
    drop(entry);
    assert!(arena_is_free());
}

#[test]
fn a_value_is_read_as_text() {
    let host = host();
    host.put_spark("a", "caf\u{e9}", 1)
        .put_spark("b", b"a\xffb", 1);
    assert_eq!(get_string("a").unwrap(), "caf\u{e9}");
    // What is not UTF-8 is none, as with the published crate; `get` has it.
    assert!(get_string("b").is_none() && !arena_refused());
    assert_eq!(get("b").unwrap().value, b"a\xffb");
    assert!(get_string("c").is_none());
}

#[test]
fn an_entry_without_a_whole_time_to_live_is_none() {
    let host = host();
    for len in 0..4 {
        host.returns("spark_get", &[1, 2, 3][..len]);
        assert!(get("a").is_none() && get_string("a").is_none() && get_u64("a").is_none());
    }
    host.returns("spark_get", [1, 2, 3, 0x84]);
    let entry = get("a").unwrap();
    assert_eq!((&*entry.value, entry.ttl_secs), (&b""[..], 0x8403_0201));
    drop(entry);
    assert!(arena_is_free());
}

#[test]
fn numbers_are_digits_and_nothing_else() {
    let host = host();
    for (value, number) in [
        ("0", Some(0)),
        ("007", Some(7)),
        ("18446744073709551615", Some(u64::MAX)),
        ("18446744073709551616", None),
        ("18446744073709551620", None),
        ("99999999999999999999", None),
        ("", None),
        ("-1", None),
        ("+1", None),
        (" 1", None),
        ("1\n", None),
        ("1.0", None),
        ("/", None),
        (":", None),
    ] {
        host.put_spark("n", value, 0);
        assert_eq!(get_u64("n"), number, "{value:?}");
        assert!(arena_is_free());
    }
    assert_eq!(get_u64("none"), None);
}

#[test]
fn a_value_is_written_with_its_time_to_live() {
    let host = host();
    assert_eq!(set("a:b.c_d-E9", b"\0\xff", 0), Ok(()));
    assert_eq!(host.spark("a:b.c_d-E9").unwrap(), b"\0\xff");
    assert_eq!(host.spark_ttl("a:b.c_d-E9"), Some(0));
    assert_eq!(set_pieces("n", ("v", 1_u8), 7), Ok(()));
    assert_eq!(host.spark("n").unwrap(), b"v1");
    assert_eq!(host.spark_ttl("n"), Some(7));
    assert_eq!(host.calls_of("spark_set")[1].numbers, [7]);
    assert!(arena_is_free());
}

#[test]
fn the_host_refuses_by_its_rules() {
    let host = Host::new();
    assert_eq!(set("a", b"", 0), Err(SparkError::NoCapability));
    host.writes_spark_kv(true);
    let long = "k".repeat(257);
    for key in ["", "a b", "\u{e9}", "__flaron:x", "__sys:x", long.as_str()] {
        assert_eq!(set(key, b"", 0), Err(SparkError::BadKey), "{key:?}");
        assert!(get(key).is_none());
    }
    assert_eq!(set(&long[1..], b"", 0), Ok(()));
    assert_eq!(set("a", &[0; 65_536], 0), Ok(()));
    assert_eq!(set("a", &[0; 65_537], 0), Err(SparkError::TooLarge));
    assert_eq!(set("a", b"", i32::MAX as u32), Ok(()));
    assert_eq!(
        set("a", b"", i32::MAX as u32 + 1),
        Err(SparkError::InvalidTtl)
    );
    assert_eq!(set("a", b"", u32::MAX), Err(SparkError::InvalidTtl));
    host.limits(|limits| limits.max_kv_writes = 3);
    assert_eq!(set("a", b"", 0), Err(SparkError::WriteLimit));
    host.limits(|limits| limits.max_kv_reads = 2);
    assert!(get("a").is_some() && get("a").is_some());
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
            SparkError::InvalidTtl,
            "spark: invalid TTL: it is out of the host's range",
        ),
        (
            2,
            SparkError::TooLarge,
            "spark: value too large: it is over max_kv_value_bytes",
        ),
        (
            3,
            SparkError::WriteLimit,
            "spark: write limit exceeded: this invocation may write no more",
        ),
        (
            4,
            SparkError::QuotaExceeded,
            "spark: disk quota exceeded: delete keys of this site",
        ),
        (
            5,
            SparkError::NotAvailable,
            "spark: not available on this node",
        ),
        (
            6,
            SparkError::Internal,
            "spark: internal error of the host: its log says more",
        ),
        (
            7,
            SparkError::ReadLimit,
            "spark: read limit exceeded: this invocation may read no more",
        ),
        (
            8,
            SparkError::BadKey,
            "spark: invalid key: 1 to 256 of a-z A-Z 0-9 : . _ -, and no reserved prefix",
        ),
        (
            9,
            SparkError::NoCapability,
            "spark: no capability: set writes_spark_kv in the flare's configuration",
        ),
        (10, SparkError::Unknown(10), "spark: unknown error code 10"),
        (-1, SparkError::Unknown(-1), "spark: unknown error code -1"),
        (
            i32::MAX,
            SparkError::Unknown(i32::MAX),
            "spark: unknown error code 2147483647",
        ),
        (
            i32::MIN,
            SparkError::Unknown(i32::MIN),
            "spark: unknown error code -2147483648",
        ),
    ] {
        host.fails_with("spark_set", code);
        assert_eq!(set("a", b"", 0), Err(error));
        assert_eq!(set_pieces("a", "", 0), Err(error));
        assert_error(error, text);
    }
    assert_error(SparkError::ArenaFull, ARENA_FULL);
}

#[test]
fn a_key_is_deleted() {
    let host = host();
    host.put_spark("a", b"1", 0);
    delete("b");
    assert!(host.spark("a").is_some());
    delete("a");
    assert!(host.spark("a").is_none());
    assert_eq!(host.calls_of("spark_delete")[1].text(0), "a");
}

#[test]
fn the_keys_are_listed() {
    let host = host();
    assert_eq!(list().count(), 0);
    host.put_spark("b", b"", 0)
        .put_spark("a", b"", 1)
        .put_spark("c", b"", 0);
    let keys: Vec<_> = list().collect();
    assert_eq!(keys, ["a", "b", "c"]);
    drop(keys);
    host.advance_secs(1);
    let keys: Vec<_> = list().collect();
    assert_eq!(keys, ["b", "c"]);
    drop(keys);
    assert!(arena_is_free());
}

#[test]
fn keys_are_pulled_from_another_node_once() {
    let host = host();
    host.put_spark_at("ams-1", "a", b"1")
        .put_spark_at("ams-1", "b", b"2");
    assert_eq!(pull("nowhere", &["a"]), Err(SparkPullError::NotAvailable));
    assert_eq!(pull("ams-1", &["a b"]), Err(SparkPullError::BadKey));
    assert_eq!(pull("ams-1", &["a", "b", "c"]), Ok(2));
    assert_eq!(host.calls_of("spark_pull")[2].text(0), "ams-1");
    assert_eq!(host.calls_of("spark_pull")[2].text(1), r#"["a","b","c"]"#);
    assert_eq!(host.spark("b").unwrap(), b"2");
    assert_eq!(pull("ams-1", &["a"]), Err(SparkPullError::WriteLimit));
    host.writes_spark_kv(false);
    assert_eq!(pull("ams-1", &[]), Err(SparkPullError::NoCapability));
    assert_eq!(host.calls_of("spark_pull")[4].text(1), "[]");
    assert!(arena_is_free());
}

#[test]
fn pulled_keys_are_escaped() {
    let host = host();
    host.fails_with("spark_pull", i32::MAX);
    assert_eq!(pull("n", &["\"\\\n\u{e9}", ""]), Ok(i32::MAX as u32));
    assert_eq!(
        host.calls_of("spark_pull")[0].text(1),
        "[\"\\\"\\\\\\u000a\u{e9}\",\"\"]"
    );
}

#[test]
fn each_code_of_a_pull_is_its_error_and_says_so() {
    let host = host();
    for (code, error, text) in [
        (
            3,
            SparkPullError::WriteLimit,
            "spark pull: rate limited: this invocation has pulled already",
        ),
        (
            5,
            SparkPullError::NotAvailable,
            "spark pull: not available on this node",
        ),
        (
            6,
            SparkPullError::Internal,
            "spark pull: internal error of the host: its log says more",
        ),
        (
            8,
            SparkPullError::BadKey,
            "spark pull: invalid key or origin",
        ),
        (
            9,
            SparkPullError::NoCapability,
            "spark pull: no capability: set writes_spark_kv in the flare's configuration",
        ),
        (
            1,
            SparkPullError::Unknown(1),
            "spark pull: unknown error code 1",
        ),
        (
            i32::MAX,
            SparkPullError::Unknown(i32::MAX),
            "spark pull: unknown error code 2147483647",
        ),
    ] {
        host.fails_with("spark_pull", -code);
        assert_eq!(pull("n", &[]), Err(error));
        assert_error(error, text);
    }
    host.fails_with("spark_pull", i32::MIN);
    assert_eq!(pull("n", &[]), Err(SparkPullError::Unknown(i32::MIN)));
    assert_error(SparkPullError::ArenaFull, ARENA_FULL);
}

#[test]
fn what_does_not_fit_is_an_error_and_not_sent() {
    let host = host();
    host.put_spark("a", b"12345", 0);
    let _full = leave_free(8);
    assert!(get("a").is_none() && arena_refused());
    assert!(get_string("a").is_none() && arena_refused());
    assert!(get_u64("a").is_none() && arena_refused());
    assert_eq!(list().count(), 1, "[\"a\"] fits");
    host.put_spark("key", b"", 0);
    assert!(traps(list) && arena_refused());
    assert!(try_list().is_err_and(|error| error.is_arena_full()));
    assert_eq!(set_pieces("b", "123456789", 0), Err(SparkError::ArenaFull));
    assert_eq!(pull("n", &["123456"]), Err(SparkPullError::ArenaFull));
    assert!(host.calls_of("spark_set").is_empty() && host.calls_of("spark_pull").is_empty());
}

#[test]
fn a_key_and_a_value_may_both_be_pieces() {
    let host = host();
    assert_eq!(set_keyed(("user:", 42_u32), ("n=", 7_u8), 60), Ok(()));
    let entry = get_pieces(("user:", 42_u32)).unwrap();
    assert_eq!((&*entry.value, entry.ttl_secs), (&b"n=7"[..], 60));
    drop(entry);
    // A value that is the host's answer lies behind the key, as it came.
    assert_eq!(set_keyed("copy", list_piece(), 0), Ok(()));
    assert_eq!(get("copy").unwrap().value, br#"["user:42"]"#);
    assert_eq!(set_keyed((), "x", 0), Err(SparkError::BadKey));
    assert_eq!(set_keyed("a b", "x", 0), Err(SparkError::BadKey));
    // Both have to fit, together.
    let full = leave_free(8);
    assert_eq!(set_keyed("1234", "56789", 0), Err(SparkError::ArenaFull));
    assert_eq!(set_keyed("123456789", "", 0), Err(SparkError::ArenaFull));
    assert_eq!(set_keyed("1234", "5678", 0), Ok(()));
    drop(full);
    host.writes_spark_kv(false);
    assert_eq!(set_keyed("a", "x", 0), Err(SparkError::NoCapability));
    assert!(arena_is_free());
}

#[test]
fn what_is_deleted_may_have_a_key_of_pieces() {
    let host = host();
    host.put_spark("user:42", b"a", 0);
    assert_eq!(delete_pieces(("user:", 42_u8)), Ok(()));
    assert_eq!(host.spark("user:42"), None);
    let _full = leave_free(8);
    assert_eq!(delete_pieces("123456789"), Err(ArenaFull));
}

#[test]
fn a_pull_may_find_nothing() {
    let host = host();
    host.put_spark_at("ams-1", "a", b"1");
    assert_eq!(pull("ams-1", &["b"]), Ok(0));
}
