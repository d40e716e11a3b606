//! What a flare may do, and which errors it gets.

use std::time::Instant;

use super::*;
use crate::capability::spark::tables::cost;

#[test]
fn what_is_set_can_be_got_listed_and_deleted() {
    let store = in_memory();
    let mut s = session(&store);
    assert_eq!(s.get(b"a").unwrap(), None);
    s.set(b"b", b"", 0).unwrap();
    s.set(b"a", b"one", 0).unwrap();
    s.set(b"a", b"two", 60).unwrap();
    assert_eq!(s.get(b"a").unwrap().unwrap(), b"\x3c\0\0\0two");
    assert_eq!(s.get(b"b").unwrap().unwrap(), b"\0\0\0\0");
    assert_eq!(s.list().unwrap(), br#"["a","b"]"#);
    s.delete(b"a").unwrap();
    s.delete(b"never-there").unwrap();
    assert_eq!(s.get(b"a").unwrap(), None);
    assert_eq!(list(&mut s), ["b"]);
}

#[test]
fn expiry_is_exact_to_the_millisecond() {
    let (store, now) = with_clock(SparkConfig {
        // Never swept, so only the deadline hides the value.
        sweep_interval: Duration::from_secs(3600),
        ..SparkConfig::default()
    });
    let mut s = session(&store);
    let start = now.load(Ordering::SeqCst);
    s.set(b"k", b"v", 2).unwrap();
    for (after, ttl) in [(0, 2), (1, 2), (999, 2), (1000, 1), (1001, 1), (1999, 1)] {
        now.store(start + after, Ordering::SeqCst);
        let got = s.get(b"k").unwrap().expect("alive");
        assert_eq!(got[..4], u32::to_le_bytes(ttl), "after {after} ms");
        assert_eq!(list(&mut s), ["k"]);
    }
    for after in [2000, 2001, 1_000_000] {
        now.store(start + after, Ordering::SeqCst);
        assert_eq!(s.get(b"k").unwrap(), None, "after {after} ms");
        assert!(list(&mut s).is_empty());
        assert_eq!(store.peek(SITE, "k").unwrap(), None);
    }
    // Still on disk: it is hidden, not swept.
    assert_eq!(store.usage().unwrap()[0].keys, 1);
}

#[test]
fn a_new_ttl_replaces_the_old_one() {
    let (store, now) = with_clock(SparkConfig::default());
    let mut s = session(&store);
    s.set(b"longer", b"", 1).unwrap();
    s.set(b"longer", b"", 100).unwrap();
    s.set(b"forever", b"", 1).unwrap();
    s.set(b"forever", b"", 0).unwrap();
    s.set(b"shorter", b"", 100).unwrap();
    s.set(b"shorter", b"", 1).unwrap();
    now.fetch_add(50_000, Ordering::SeqCst);
    assert_eq!(list(&mut s), ["forever", "longer"]);
}

#[test]
fn expired_entries_are_swept_from_disk() {
    let (store, now) = with_clock(SparkConfig {
        sweep_interval: Duration::from_millis(5),
        ..SparkConfig::default()
    });
    let mut s = session(&store);
    for i in 0..10 {
        s.set(format!("k{i}").as_bytes(), b"value", 1).unwrap();
    }
    s.set(b"stays", b"value", 100).unwrap();
    now.fetch_add(1000, Ordering::SeqCst);
    let deadline = Instant::now() + Duration::from_secs(5);
    while store.usage().unwrap()[0].keys != 1 {
        assert!(Instant::now() < deadline, "not swept");
        std::thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(store.usage().unwrap()[0].bytes, cost("stays", 5));
    assert_eq!(list(&mut s), ["stays"]);
}

#[test]
fn every_status_code_of_the_abi() {
    let store = in_memory();
    let key = [b'k'; 256];
    let mut s = session(&store);
    // 1
    assert_eq!(code(s.set(b"k", b"", -1)), 1);
    assert_eq!(code(s.set(b"k", b"", i32::MIN)), 1);
    let cap = s.limits.max_ttl_secs as i32;
    assert_eq!(code(s.set(b"k", b"", cap + 1)), 1);
    s.set(b"k", b"", cap).unwrap();
    // 2
    s.set(b"k", &[0; 65_536], 0).unwrap();
    assert_eq!(code(s.set(b"k", &[0; 65_537], 0)), 2);
    // 3 and 7
    let limits = SparkLimits {
        max_reads: 2,
        max_writes: 2,
        ..writable()
    };
    let mut few = SparkSession::new(Some(store.clone()), SITE, limits, None);
    few.set(&key, b"", 0).unwrap();
    few.delete(&key).unwrap();
    assert_eq!(code(few.set(b"k", b"", 0)), 3);
    assert_eq!(code(few.delete(b"k")), 3);
    few.get(b"k").unwrap();
    few.list().unwrap();
    assert_eq!(code(few.get(b"k")), 7);
    assert_eq!(code(few.list()), 7);
    // 4
    let small = SparkConfig {
        quota_bytes: 100,
        ..SparkConfig::default()
    };
    let small = Spark::open(small).unwrap();
    assert_eq!(code(session(&small).set(b"k", &[0; 68], 0)), 4);
    session(&small).set(b"k", &[0; 67], 0).unwrap();
    // 5
    let mut none = SparkSession::new(None, SITE, writable(), None);
    assert_eq!(code(none.get(b"k")), 5);
    assert_eq!(code(none.set(b"k", b"", 0)), 5);
    assert_eq!(code(none.delete(b"k")), 5);
    assert_eq!(code(none.list()), 5);
    assert_eq!(code(none.pull(b"o", b"[]")), 5);
    // 8
    let mut s = session(&store);
    for bad in [
        &b""[..],
        &[b'k'; 257],
        b"a b",
        b"a/b",
        b"\xc3\xa9",
        b"a\0",
        b"__flaron:x",
        b"__sys:",
    ] {
        assert_eq!(code(s.get(bad)), 8, "{bad:?}");
        assert_eq!(code(s.set(bad, b"", 0)), 8, "{bad:?}");
        assert_eq!(code(s.delete(bad)), 8, "{bad:?}");
    }
    s.set(b"aZ09:._-", b"", 0).unwrap();
    s.set(b"__flaro:", b"", 0).unwrap();
    // 9
    let mut reader = SparkSession::new(Some(store), SITE, SparkLimits::default(), None);
    assert_eq!(code(reader.set(b"k", b"", 0)), 9);
    assert_eq!(code(reader.delete(b"k")), 9);
    assert_eq!(code(reader.pull(b"o", b"[]")), 9);
    reader.get(b"k").unwrap();
}

#[test]
fn a_store_that_failed_answers_internal() {
    let store = in_memory();
    let (jobs, queue) = mpsc::channel();
    // As if the writing thread had died.
    let mut store = Arc::into_inner(store).unwrap();
    store.jobs = Some(jobs);
    drop(queue);
    let store = Arc::new(store);
    assert_eq!(code(session(&store).set(b"k", b"", 0)), 6);
}

#[test]
fn sites_do_not_see_each_other() {
    let store = in_memory();
    let limits = writable();
    // Names chosen so that concatenating site and key would confuse them.
    let mut a = SparkSession::new(Some(store.clone()), "a", limits.clone(), None);
    let mut ab = SparkSession::new(Some(store.clone()), "a:b", limits.clone(), None);
    let mut empty = SparkSession::new(Some(store.clone()), "", limits, None);
    a.set(b"b:c", b"of a", 0).unwrap();
    ab.set(b"c", b"of a:b", 5).unwrap();
    empty.set(b"a", b"of nobody", 0).unwrap();
    assert_eq!(a.get(b"c").unwrap(), None);
    assert_eq!(&ab.get(b"c").unwrap().unwrap()[4..], b"of a:b");
    assert_eq!(ab.get(b"b:c").unwrap(), None);
    assert_eq!(list(&mut a), ["b:c"]);
    assert_eq!(list(&mut ab), ["c"]);
    assert_eq!(list(&mut empty), ["a"]);
    ab.delete(b"b:c").unwrap();
    assert_eq!(list(&mut a), ["b:c"]);
    let sites: Vec<String> = store.usage().unwrap().into_iter().map(|u| u.site).collect();
    assert_eq!(sites, ["", "a", "a:b"]);
}

#[test]
fn the_quota_counts_what_is_alive() {
    let config = SparkConfig {
        quota_bytes: 3 * cost("k0", 100),
        sweep_interval: Duration::from_secs(3600),
        ..SparkConfig::default()
    };
    let (store, now) = with_clock(config);
    let mut s = session(&store);
    let value = [0; 100];
    s.set(b"k0", &value, 1).unwrap();
    s.set(b"k1", &value, 0).unwrap();
    s.set(b"k2", &value, 0).unwrap();
    assert_eq!(code(s.set(b"k3", b"", 0)), 4);
    // Replacing a value only counts the difference.
    s.set(b"k1", &value, 0).unwrap();
    assert_eq!(code(s.set(b"k1", &[0; 101], 0)), 4);
    // A refused write changes nothing.
    assert_eq!(s.get(b"k1").unwrap().unwrap().len(), 104);
    // Another site has its own quota.
    SparkSession::new(Some(store.clone()), "other", writable(), None)
        .set(b"k0", &value, 0)
        .unwrap();
    // An expired entry makes room at once, swept or not.
    now.fetch_add(1000, Ordering::SeqCst);
    s.set(b"k3", &value, 0).unwrap();
    s.delete(b"k3").unwrap();
    s.set(b"k4", &value, 0).unwrap();
    assert_eq!(code(s.set(b"k5", b"", 0)), 4);
}

#[test]
fn usage_returns_to_nothing() {
    let store = in_memory();
    let mut s = session(&store);
    for i in 0..20 {
        s.set(
            format!("k{}", i % 7).as_bytes(),
            &vec![0; i * 10],
            i as i32 % 3,
        )
        .unwrap();
    }
    let usage = &store.usage().unwrap()[0];
    let entries = store.entries(SITE).unwrap();
    assert_eq!(usage.keys, 7);
    assert_eq!(
        usage.bytes,
        entries
            .iter()
            .map(|e| cost(&e.key, e.value_bytes))
            .sum::<u64>()
    );
    for i in 0..7 {
        s.delete(format!("k{i}").as_bytes()).unwrap();
    }
    assert!(store.usage().unwrap().is_empty());
}

#[test]
fn writers_in_parallel_all_get_their_answer() {
    let dir = tempfile::tempdir().unwrap();
    let config = SparkConfig {
        path: Some(dir.path().join("spark.redb")),
        ..SparkConfig::default()
    };
    let store = Spark::open(config).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let mut s = session(&store);
            scope.spawn(move || {
                for i in 0..25 {
                    let key = format!("{thread}-{i}");
                    s.set(key.as_bytes(), key.as_bytes(), 0).unwrap();
                    assert_eq!(
                        &s.get(key.as_bytes()).unwrap().unwrap()[4..],
                        key.as_bytes()
                    );
                }
            });
        }
    });
    assert_eq!(store.usage().unwrap()[0].keys, 200);
}
