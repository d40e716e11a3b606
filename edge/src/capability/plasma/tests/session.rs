//! What a flare may do on one node, and which errors it gets.

use super::*;

#[test]
fn registers_and_counters_on_one_node() {
    let node = alone();
    let mut s = session(&node);
    assert_eq!(s.get(b"r").unwrap(), None);
    s.set(b"r", b"one").unwrap();
    s.set(b"r", b"").unwrap();
    assert_eq!(s.get(b"r").unwrap().unwrap(), b"");
    assert_eq!(s.increment(b"c", 5).unwrap(), 5i64.to_le_bytes());
    assert_eq!(s.decrement(b"c", 7).unwrap(), (-2i64).to_le_bytes());
    assert_eq!(s.increment(b"c", -3).unwrap(), (-5i64).to_le_bytes());
    assert_eq!(s.decrement(b"c", -5).unwrap(), [0; 8]);
    assert_eq!(
        s.get(b"c").unwrap().unwrap(),
        [0; 8],
        "a counter of 0 is there"
    );
    assert_eq!(s.increment(b"zero", 0).unwrap(), [0; 8]);
    assert_eq!(s.list().unwrap(), br#"["c","r","zero"]"#);
    s.delete(b"r").unwrap();
    s.delete(b"zero").unwrap();
    s.delete(b"never-there").unwrap();
    assert_eq!(s.get(b"r").unwrap(), None);
    assert_eq!(s.list().unwrap(), br#"["c"]"#);
}

#[test]
fn a_key_is_a_register_or_a_counter() {
    let node = alone();
    set(&node, "k", b"value");
    let error = session(&node).increment(b"k", 1).unwrap_err();
    assert_eq!(error.code(), 6);
    assert!(error.reason.contains("delete it first"));
    assert_eq!(
        get(&node, "k").unwrap(),
        b"value",
        "refused means unchanged"
    );
    session(&node).delete(b"k").unwrap();
    assert_eq!(add(&node, "k", 3), 3);
    set(&node, "k", b"again");
    assert_eq!(get(&node, "k").unwrap(), b"again");
    session(&node).delete(b"k").unwrap();
    assert_eq!(add(&node, "k", 1), 1, "a counter starts over");
}

#[test]
fn counters_stop_at_the_ends_of_i64() {
    let node = alone();
    assert_eq!(add(&node, "k", i64::MAX), i64::MAX);
    assert_eq!(add(&node, "k", 1), i64::MAX);
    assert_eq!(
        add(&node, "k", i64::MIN),
        0,
        "2^63 was reached, though not shown"
    );
    let mut s = session(&node);
    assert_eq!(
        s.decrement(b"low", i64::MAX).unwrap(),
        (-i64::MAX).to_le_bytes()
    );
    assert_eq!(s.decrement(b"low", 1).unwrap(), i64::MIN.to_le_bytes());
    assert_eq!(
        s.decrement(b"low", i64::MAX).unwrap(),
        i64::MIN.to_le_bytes()
    );
    let taken = s.decrement(b"low", i64::MIN).unwrap();
    assert_eq!(
        taken,
        (i64::MIN + 1).to_le_bytes(),
        "to take away -2^63 is to add 2^63"
    );
    for _ in 0..3 {
        s.decrement(b"low", i64::MAX).unwrap();
    }
    let id = (SITE.to_owned(), "low".to_owned());
    let low = node.shared.state().get(&id).unwrap().clone();
    assert_eq!(
        low.counts.values().next().unwrap().down,
        u64::MAX,
        "sums stop, too"
    );
}

#[test]
fn every_status_code_of_the_abi() {
    let node = alone();
    // 1
    let mut none = PlasmaSession::new(None, SITE, writable());
    assert_eq!(code(none.get(b"k")), 1);
    assert_eq!(code(none.set(b"k", b"")), 1);
    assert_eq!(code(none.delete(b"k")), 1);
    assert_eq!(code(none.increment(b"k", 1)), 1);
    assert_eq!(code(none.decrement(b"k", 1)), 1);
    assert_eq!(code(none.list()), 1);
    // 2
    let limits = PlasmaLimits {
        max_writes: 3,
        max_reads: 1,
        ..writable()
    };
    let mut few = PlasmaSession::new(Some(node.clone()), SITE, limits);
    few.set(b"a", b"").unwrap();
    few.delete(b"a").unwrap();
    few.increment(b"a", 1).unwrap();
    assert_eq!(code(few.set(b"a", b"")), 2);
    assert_eq!(code(few.delete(b"a")), 2);
    assert_eq!(code(few.increment(b"a", 1)), 2);
    // 3
    let mut s = session(&node);
    s.set(b"k", &[0; 65_536]).unwrap();
    assert_eq!(code(s.set(b"k", &[0; 65_537])), 3);
    // 4
    for bad in [
        &b""[..],
        &[b'k'; 257],
        b"a b",
        b"\xff",
        b"__flaron:x",
        b"__sys:x",
    ] {
        assert_eq!(code(s.get(bad)), 4);
        assert_eq!(code(s.set(bad, b"")), 4);
        assert_eq!(code(s.delete(bad)), 4);
        assert_eq!(code(s.increment(bad, 1)), 4);
    }
    // 5
    let mut reader = PlasmaSession::new(Some(node.clone()), SITE, PlasmaLimits::default());
    assert_eq!(code(reader.set(b"k", b"")), 5);
    assert_eq!(code(reader.delete(b"k")), 5);
    assert_eq!(code(reader.increment(b"k", 1)), 5);
    reader.get(b"k").unwrap();
    // 6
    few.get(b"a").unwrap();
    assert_eq!(code(few.get(b"a")), 6);
    assert_eq!(code(few.list()), 6);
    let full = PlasmaConfig {
        max_bytes: 1000,
        ..PlasmaConfig::new("full")
    };
    let full = Plasma::open(full).unwrap();
    set(&full, "k", &[0; 800]);
    assert_eq!(code(session(&full).set(b"k2", &[0; 200])), 6);
    set(&full, "k", &[0; 100]);
    set(&full, "k2", &[0; 200]);
    session(&full).delete(b"k").unwrap();
    session(&full).delete(b"k2").unwrap();
    set(&full, "k", &[0; 500]);
}

#[test]
fn a_node_by_itself_has_no_socket() {
    let node = alone();
    set(&node, "r", b"value");
    add(&node, "c", -4);
    let status = node.status();
    assert_eq!(status.gossip, None);
    assert_eq!(status.nodes.len(), 1);
    assert!(status.nodes[0].this && status.nodes[0].alive);
    let kinds: Vec<_> = status.keys.into_iter().map(|k| (k.key, k.kind)).collect();
    assert_eq!(
        kinds,
        [
            ("c".to_owned(), PlasmaKind::Counter { total: -4 }),
            ("r".to_owned(), PlasmaKind::Value { bytes: 5 }),
        ]
    );
}

#[test]
fn sites_do_not_see_each_other() {
    let node = alone();
    let mut a = PlasmaSession::new(Some(node.clone()), "a", writable());
    let mut ab = PlasmaSession::new(Some(node.clone()), "a:b", writable());
    a.set(b"b:c", b"of a").unwrap();
    ab.increment(b"c", 1).unwrap();
    assert_eq!(a.get(b"c").unwrap(), None);
    assert_eq!(ab.get(b"b:c").unwrap(), None);
    assert_eq!(a.list().unwrap(), br#"["b:c"]"#);
    assert_eq!(ab.list().unwrap(), br#"["c"]"#);
}
