use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicU64;

use super::*;

const SITE: &str = "example.test";

fn writable() -> PlasmaLimits {
    PlasmaLimits {
        max_reads: u32::MAX,
        max_writes: u32::MAX,
        writes_allowed: true,
        ..PlasmaLimits::default()
    }
}

fn session(plasma: &Arc<Plasma>) -> PlasmaSession {
    PlasmaSession::new(Some(plasma.clone()), SITE, writable())
}

fn alone() -> Arc<Plasma> {
    Plasma::open(PlasmaConfig::new("alone")).unwrap()
}

fn add(plasma: &Arc<Plasma>, key: &str, delta: i64) -> i64 {
    i64::from_le_bytes(session(plasma).increment(key.as_bytes(), delta).unwrap())
}

fn set(plasma: &Arc<Plasma>, key: &str, value: &[u8]) {
    session(plasma).set(key.as_bytes(), value).unwrap();
}

fn get(plasma: &Arc<Plasma>, key: &str) -> Option<Vec<u8>> {
    session(plasma).get(key.as_bytes()).unwrap()
}

fn counter(plasma: &Arc<Plasma>, key: &str) -> Option<i64> {
    get(plasma, key).map(|bytes| i64::from_le_bytes(bytes.try_into().expect("8 bytes")))
}

fn code<T: fmt::Debug>(result: Result<T, PlasmaError>) -> i32 {
    let error = result.unwrap_err();
    assert!(!error.reason.is_empty());
    error.code()
}

/// Waits for something that gossip will bring about.
#[track_caller]
fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "never came: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Nodes on loopback that know each other.
struct Cluster {
    runtime: tokio::runtime::Runtime,
    seed: Option<SocketAddr>,
}

impl Cluster {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build();
        Self {
            runtime: runtime.unwrap(),
            seed: None,
        }
    }

    fn gossip(&self) -> GossipConfig {
        GossipConfig {
            seeds: self.seed.iter().map(SocketAddr::to_string).collect(),
            interval: Duration::from_millis(20),
            ..GossipConfig::new("127.0.0.1:0".parse().unwrap())
        }
    }

    fn join(&mut self, plasma: &Arc<Plasma>) {
        let address = self.runtime.block_on(plasma.join(self.gossip())).unwrap();
        self.seed.get_or_insert(address);
    }

    fn node(&mut self, name: &str) -> Arc<Plasma> {
        self.node_with(PlasmaConfig::new(name))
    }

    fn node_with(&mut self, config: PlasmaConfig) -> Arc<Plasma> {
        let plasma = Plasma::open(config).unwrap();
        self.join(&plasma);
        plasma
    }

    fn three(&mut self) -> [Arc<Plasma>; 3] {
        let nodes = ["a", "b", "c"].map(|name| self.node(name));
        eventually("three nodes know each other", || {
            nodes
                .iter()
                .all(|n| n.status().nodes.iter().filter(|n| n.alive).count() == 3)
        });
        nodes
    }
}

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
    assert_eq!(add(&node, "k", 1), 1, "a counter begins anew");
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
    let low = node.shared.state().keys[&(SITE.to_owned(), "low".to_owned())].clone();
    assert_eq!(
        low.sums.values().next().unwrap().down,
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

/// A small generator of numbers, so that a failure can be run again.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }
}

fn facts(id: &Id, key: &KeyState) -> Vec<Fact> {
    wire::encode(id, key, |_| true)
        .iter()
        .filter_map(|(name, _)| {
            let entries: BTreeMap<_, _> = wire::encode(id, key, |_| true).into_iter().collect();
            (wire::head(name)? == *name)
                .then(|| wire::decode(name, |n| entries.get(n).map(String::as_str)).unwrap())
        })
        .collect()
}

fn merge(key: &mut KeyState, fact: &Fact) {
    match fact.clone() {
        Fact::Base { stamp, value, .. } => key.merge_base(&stamp, value),
        Fact::Sums {
            base, actor, sums, ..
        } => key.merge_sums(&base, &actor, sums),
    };
}

#[test]
fn replicas_agree_whatever_the_order() {
    let id = (SITE.to_owned(), "k".to_owned());
    for seed in 1..400 {
        let mut random = Random(seed);
        let actors: [Arc<str>; 3] = ["a~1", "b~2", "c~3"].map(Into::into);
        let mut replicas: [KeyState; 3] = Default::default();
        let mut clocks = [1u64, 500, 2]; // one far ahead
        // Every fact that was ever told, to be told again late.
        let mut told: Vec<Fact> = Vec::new();
        // Sums since the last delete or set, if nobody deletes or sets in this run.
        let only_counts = seed % 2 == 0;
        let mut total = 0i64;
        for _ in 0..60 {
            let at = random.below(3);
            let key = &mut replicas[at];
            match random.below(if only_counts { 6 } else { 8 }) {
                0..=3 if key.value.is_none() => {
                    let sums = key.sums.entry(actors[at].clone()).or_default();
                    let size = random.below(10) as u64;
                    if random.below(2) == 0 {
                        sums.up += size;
                        total += size as i64;
                    } else {
                        sums.down += size;
                        total -= size as i64;
                    }
                }
                0..=3 => {}
                n @ (6 | 7) => {
                    clocks[at] = clocks[at].max(key.base.time) + 1;
                    let stamp = Stamp {
                        time: clocks[at],
                        actor: actors[at].clone(),
                    };
                    let value: Option<Arc<[u8]>> = (n == 7).then(|| Arc::from(&b"value"[..]));
                    assert!(key.merge_base(&stamp, value));
                }
                _ => {
                    let from = random.below(3);
                    told.extend(facts(&id, &replicas[from]));
                    for _ in 0..random.below(4) {
                        if !told.is_empty() {
                            let fact = told[random.below(told.len())].clone();
                            merge(&mut replicas[at], &fact);
                        }
                    }
                }
            }
        }
        // In the end everybody hears everything, in orders of their own, some of it twice.
        for replica in &replicas {
            told.extend(facts(&id, replica));
        }
        for replica in &mut replicas {
            let mut order: Vec<usize> = (0..told.len()).chain(0..told.len()).collect();
            for i in (1..order.len()).rev() {
                order.swap(i, random.below(i + 1));
            }
            for i in order {
                merge(replica, &told[i]);
            }
        }
        assert_eq!(replicas[0], replicas[1], "seed {seed}");
        assert_eq!(replicas[0], replicas[2], "seed {seed}");
        if only_counts {
            assert_eq!(replicas[0].counter().unwrap_or(0), total, "seed {seed}");
        }
    }
}

#[test]
fn values_of_all_sizes_go_through_the_wire() {
    let id = ("site \"with\"\n anything/".to_owned(), "key".to_owned());
    let stamp = Stamp {
        time: 77 << 16,
        actor: "a~1".into(),
    };
    for size in [
        0,
        1,
        INLINE_BYTES,
        INLINE_BYTES + 1,
        64 * 1024,
        3 * INLINE_BYTES,
    ] {
        let value: Arc<[u8]> = (0..size).map(|i| (i * 31 % 251) as u8).collect();
        let key = KeyState {
            base: stamp.clone(),
            value: Some(value.clone()),
            sums: BTreeMap::new(),
        };
        let entries = wire::encode(&id, &key, |_| true);
        assert!(entries.iter().all(|(_, text)| text.len() < 40_000));
        let map: BTreeMap<_, _> = entries.iter().cloned().collect();
        let (name, _) = entries.last().unwrap();
        let get = |n: &str| map.get(n).map(String::as_str);
        let fact = wire::decode(name, get).unwrap();
        assert_eq!(
            fact,
            Fact::Base {
                id: id.clone(),
                stamp: stamp.clone(),
                value: Some(value)
            }
        );
        for (missing, _) in &entries {
            assert_eq!(wire::head(missing).as_deref(), Some(name.as_str()));
            let fact = wire::decode(name, |n| if n == missing { None } else { get(n) });
            assert_eq!(fact, None, "without {missing}");
        }
    }
}

#[test]
fn pieces_of_two_values_are_not_put_together() {
    let id = (SITE.to_owned(), "k".to_owned());
    let written = |time, byte| {
        let key = KeyState {
            base: Stamp {
                time,
                actor: "a~1".into(),
            },
            value: Some(vec![byte; 2 * INLINE_BYTES].into()),
            sums: BTreeMap::new(),
        };
        wire::encode(&id, &key, |_| true)
    };
    let (old, new) = (written(1, b'o'), written(2, b'n'));
    let mut entries: BTreeMap<_, _> = old.iter().cloned().collect();
    let head = &old.last().unwrap().0;
    // The new value's entries come one after the other; until the last has come there is no value.
    for (name, text) in &new {
        let fact = wire::decode(head, |n| entries.get(n).map(String::as_str));
        assert_eq!(
            fact.is_some(),
            entries[&old[0].0] == old[0].1,
            "before {name}"
        );
        entries.insert(name.clone(), text.clone());
    }
    let fact = wire::decode(head, |n| entries.get(n).map(String::as_str)).unwrap();
    let Fact::Base { value, .. } = fact else {
        panic!("{fact:?}")
    };
    assert_eq!(&*value.unwrap(), [b'n'; 2 * INLINE_BYTES]);
}

#[test]
fn what_other_nodes_say_is_checked() {
    let get = |text: &'static str| move |_: &str| Some(text);
    for text in [
        "",
        "{}",
        r#"{"site":"s","key":"bad key","stamp":{"time":1,"actor":"a"}}"#,
        r#"{"site":"s","key":"k","stamp":{"time":18446744073709551615,"actor":"a"}}"#,
        r#"{"site":"s","key":"k","stamp":{"time":1,"actor":"a"},"value":"!"}"#,
        r#"{"site":"s","key":"k","stamp":{"time":1,"actor":"a"},"pieces":4000000000}"#,
    ] {
        assert_eq!(wire::decode("b00", get(text)), None, "{text}");
    }
    assert_eq!(wire::decode("s00", get(r#"{"site":"s","key":"k"}"#)), None);
    for name in ["", "actor", "x1", "v1", "\u{1f980}"] {
        assert_eq!(wire::head(name), None, "{name}");
    }
    let good = r#"{"site":"s","key":"k","stamp":{"time":1,"actor":"a"}}"#;
    assert!(wire::decode("b00", get(good)).is_some());
}

#[test]
fn concurrent_increments_on_three_nodes_converge() {
    let mut cluster = Cluster::new();
    let nodes = cluster.three();
    std::thread::scope(|scope| {
        for node in &nodes {
            for _ in 0..2 {
                scope.spawn(move || {
                    for _ in 0..50 {
                        add(node, "hits", 3);
                        add(node, "hits", -1);
                    }
                });
            }
        }
    });
    eventually("600", || {
        nodes.iter().all(|n| counter(n, "hits") == Some(600))
    });
    // And it stays so.
    std::thread::sleep(Duration::from_millis(100));
    assert!(nodes.iter().all(|n| counter(n, "hits") == Some(600)));
}

#[test]
fn registers_deletes_and_lists_spread() {
    let mut cluster = Cluster::new();
    let [a, b, c] = cluster.three();
    set(&a, "k", b"from a");
    add(&b, "n", 2);
    eventually("a's value at c", || {
        get(&c, "k").as_deref() == Some(b"from a")
    });
    set(&c, "k", b"from c");
    eventually("c's value at a and b", || {
        [&a, &b]
            .iter()
            .all(|n| get(n, "k").as_deref() == Some(b"from c"))
    });
    eventually("b's counter at a", || counter(&a, "n") == Some(2));
    session(&b).delete(b"k").unwrap();
    session(&a).delete(b"n").unwrap();
    eventually("the deletes everywhere", || {
        [&a, &b, &c]
            .iter()
            .all(|n| session(n).list().unwrap() == b"[]")
    });
    // What is counted after the delete begins at 0, on every node.
    add(&c, "n", 10);
    add(&b, "n", 1);
    eventually("11", || {
        [&a, &b, &c].iter().all(|n| counter(n, "n") == Some(11))
    });
}

#[test]
fn large_values_spread() {
    let mut cluster = Cluster::new();
    let [a, b, c] = cluster.three();
    // Random bytes, so that compression cannot make them fit.
    let mut value = vec![0; 64 * 1024];
    getrandom::fill(&mut value).unwrap();
    set(&a, "large", &value);
    set(&b, "also-large", &value[1..]);
    eventually("64 KiB everywhere", || {
        [&a, &b, &c].iter().all(|n| {
            get(n, "large").as_deref() == Some(&value)
                && get(n, "also-large").as_deref() == Some(&value[1..])
        })
    });
    set(&a, "large", b"small now");
    eventually("a small value in its place", || {
        get(&c, "large").unwrap() == b"small now"
    });
    // What no longer stands is no longer published: all that a still tells is who it is.
    set(&b, "large", b"b's now");
    eventually("b's value at a", || {
        get(&a, "large").as_deref() == Some(b"b's now")
    });
    let live_entries = |node: &Arc<Plasma>| {
        let link = lock(&node.shared.link).clone().unwrap();
        let mut chitchat = link.chitchat.blocking_lock();
        chitchat.self_node_state().num_key_values()
    };
    eventually("a to take its entries back", || live_entries(&a) == 1);
    set(&b, "large", b"small now");
    // A node that comes later gets it all.
    let late = cluster.node("late");
    eventually("all at the late node", || {
        get(&late, "also-large").as_deref() == Some(&value[1..])
            && get(&late, "large").as_deref() == Some(b"small now")
    });
}

#[test]
fn more_keys_than_a_datagram_holds() {
    let mut cluster = Cluster::new();
    let (a, b) = (cluster.node("a"), cluster.node("b"));
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let a = &a;
            scope.spawn(move || {
                for i in 0..75 {
                    let mut value = [0; 200];
                    getrandom::fill(&mut value).unwrap();
                    set(a, &format!("k{thread}-{i}"), &value);
                }
            });
        }
    });
    eventually("600 keys", || b.status().keys.len() == 600);
    assert_eq!(a.status().keys, b.status().keys);
}

#[test]
fn a_partition_heals() {
    let mut cluster = Cluster::new();
    let [a, b, c] = cluster.three();
    add(&a, "n", 1);
    set(&a, "r", b"before");
    eventually("c to have it", || {
        counter(&c, "n") == Some(1) && get(&c, "r").as_deref() == Some(b"before")
    });

    c.set_isolated(true);
    add(&a, "n", 10);
    add(&b, "n", 100);
    add(&c, "n", 1000);
    add(&c, "only-c", 7);
    set(&b, "r", b"from b");
    set(&c, "r", b"from c, later");
    set(&a, "deleted-at-c", b"x");
    eventually("the two to agree", || {
        counter(&a, "n") == Some(111)
            && counter(&b, "n") == Some(111)
            && get(&a, "r").as_deref() == Some(b"from b")
    });
    eventually("c to be missed", || {
        a.status()
            .nodes
            .iter()
            .any(|n| n.node_id == "c" && !n.alive)
    });
    assert_eq!(counter(&c, "n"), Some(1001));
    session(&c).delete(b"deleted-at-c").unwrap();

    c.set_isolated(false);
    eventually("all to agree", || {
        [&a, &b, &c].iter().all(|n| {
            counter(n, "n") == Some(1111)
                && counter(n, "only-c") == Some(7)
                && get(n, "r").as_deref() == Some(b"from c, later")
                && get(n, "deleted-at-c").is_none()
        })
    });
    eventually("c to be alive again", || {
        a.status().nodes.iter().all(|n| n.alive) && a.status().nodes.len() == 3
    });
}

#[test]
fn the_last_writer_wins_however_wrong_the_clocks() {
    let hour = 3_600_000;
    let mut cluster = Cluster::new();
    let now = wall_clock()();
    let fixed = |ms: u64| -> Clock { Arc::new(move || ms) };
    // a's clock is an hour ahead and stands still; b's is an hour behind.
    let a = Plasma::open_with_clock(PlasmaConfig::new("a"), fixed(now + hour)).unwrap();
    let b = Plasma::open_with_clock(PlasmaConfig::new("b"), fixed(now - hour)).unwrap();
    cluster.join(&a);
    cluster.join(&b);
    set(&a, "k", b"first");
    eventually("b to see it", || get(&b, "k").is_some());
    set(&b, "k", b"second");
    eventually("a to see it", || get(&a, "k").as_deref() == Some(b"second"));
    session(&a).delete(b"k").unwrap();
    eventually("b to see the delete", || get(&b, "k").is_none());
    set(&b, "k", b"third");
    eventually("a to see that", || {
        get(&a, "k").as_deref() == Some(b"third")
    });

    // Neither has seen the other's: who has counted on further wins, on both alike.
    b.set_isolated(true);
    set(&b, "concurrent", b"from b");
    set(&a, "elsewhere", b"");
    set(&a, "concurrent", b"from a");
    b.set_isolated(false);
    eventually("both to agree", || {
        [&a, &b]
            .iter()
            .all(|n| get(n, "concurrent").as_deref() == Some(b"from a"))
    });
    b.set_isolated(true);
    set(&a, "concurrent", b"again from a");
    for _ in 0..3 {
        set(&b, "concurrent", b"again from b");
    }
    b.set_isolated(false);
    eventually("both to agree again", || {
        [&a, &b]
            .iter()
            .all(|n| get(n, "concurrent").as_deref() == Some(b"again from b"))
    });
}

#[test]
fn a_clock_that_is_set_back_loses_nothing() {
    let now = Arc::new(AtomicU64::new(10_000_000));
    let clock = now.clone();
    let node = Plasma::open_with_clock(
        PlasmaConfig::new("a"),
        Arc::new(move || clock.load(Ordering::SeqCst)),
    )
    .unwrap();
    set(&node, "k", b"1");
    now.store(5_000, Ordering::SeqCst);
    set(&node, "k", b"2");
    assert_eq!(get(&node, "k").unwrap(), b"2");
    session(&node).delete(b"k").unwrap();
    assert_eq!(get(&node, "k"), None);
}

fn on_disk(name: &str, dir: &tempfile::TempDir) -> PlasmaConfig {
    let path = dir.path().join(format!("{name}.redb"));
    PlasmaConfig {
        path: Some(path),
        ..PlasmaConfig::new(name)
    }
}

#[test]
fn a_restarted_node_keeps_its_contribution() {
    let dir = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::new();
    let a = cluster.node("a");
    for life in 1..=3 {
        let b = cluster.node_with(on_disk("b", &dir));
        add(&b, "n", 5);
        add(&b, "n", -1);
        add(&a, "n", 10);
        eventually("both to agree", || {
            counter(&a, "n") == Some(14 * life) && counter(&b, "n") == Some(14 * life)
        });
        set(&b, "r", format!("life {life}").as_bytes());
        cluster.runtime.block_on(b.leave());
    }
    // By itself and without gossip it knows what it knew.
    let b = Plasma::open(on_disk("b", &dir)).unwrap();
    assert_eq!(counter(&b, "n"), Some(42));
    assert_eq!(get(&b, "r").unwrap(), b"life 3");
    let busy = Plasma::open(on_disk("b", &dir)).unwrap_err();
    assert!(busy.to_string().contains("another process"), "{busy}");
}

#[test]
fn a_lost_or_copied_folder_is_another_actor() {
    let dir = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::new();
    let a = cluster.node("a");
    let b = cluster.node_with(on_disk("b", &dir));
    let actor = b.shared.actor.clone();
    add(&b, "n", 5);
    eventually("a to see it", || counter(&a, "n") == Some(5));
    cluster.runtime.block_on(b.leave());
    drop(b);

    // Another name on the same file: what the file knows stays, but not who it was.
    let renamed = PlasmaConfig {
        node_id: "c".to_owned(),
        ..on_disk("b", &dir)
    };
    let c = cluster.node_with(renamed);
    assert_ne!(c.shared.actor, actor);
    add(&c, "n", 100);
    eventually("105", || {
        counter(&a, "n") == Some(105) && counter(&c, "n") == Some(105)
    });

    // The file is gone: the new life must not take the old one's place.
    let b = cluster.node("b");
    assert_ne!(b.shared.actor, actor);
    add(&b, "n", 1);
    eventually("106", || {
        [&a, &b, &c].iter().all(|n| counter(n, "n") == Some(106))
    });
}

#[test]
fn what_a_gone_node_wrote_is_told_by_the_others() {
    let mut cluster = Cluster::new();
    let a = Plasma::open(PlasmaConfig::new("a")).unwrap();
    cluster.join(&a);
    let gossip = GossipConfig {
        adopt_after: Duration::from_millis(300),
        ..cluster.gossip()
    };
    let b = Plasma::open(PlasmaConfig::new("b")).unwrap();
    cluster.seed = Some(cluster.runtime.block_on(b.join(gossip)).unwrap());
    add(&a, "n", 5);
    set(&a, "r", b"from a");
    eventually("b to have it", || {
        counter(&b, "n") == Some(5) && get(&b, "r").is_some()
    });
    let published = || {
        let link = lock(&b.shared.link).clone().unwrap();
        lock(&link.publisher)
            .published
            .values()
            .map(BTreeSet::len)
            .sum::<usize>()
    };
    assert_eq!(published(), 0, "as long as a is there, a tells it");
    cluster.runtime.block_on(a.leave());
    drop(a);
    eventually("b to adopt it", || published() == 2);
    let late = cluster.node("late");
    eventually("the late node to have it", || {
        counter(&late, "n") == Some(5) && get(&late, "r").as_deref() == Some(b"from a")
    });
}

#[test]
fn old_tombstones_are_dropped_everywhere_and_do_not_come_back() {
    let mut cluster = Cluster::new();
    let short = |name| PlasmaConfig {
        tombstone_grace: Duration::from_millis(400),
        ..PlasmaConfig::new(name)
    };
    let (a, b) = (cluster.node_with(short("a")), cluster.node_with(short("b")));
    set(&a, "gone", b"x");
    add(&a, "again", 1);
    eventually("b to have it", || {
        get(&b, "gone").is_some() && get(&b, "again").is_some()
    });
    session(&b).delete(b"gone").unwrap();
    session(&b).delete(b"again").unwrap();
    eventually("a to drop it", || {
        get(&a, "gone").is_none() && get(&a, "again").is_none()
    });
    add(&a, "again", 2);
    let known = |n: &Arc<Plasma>| -> Vec<String> {
        n.shared
            .state()
            .keys
            .keys()
            .map(|(_, key)| key.clone())
            .collect()
    };
    eventually("the tombstone to be dropped", || {
        [&a, &b].iter().all(|n| known(n) == ["again"])
    });
    std::thread::sleep(Duration::from_millis(100));
    assert!(
        [&a, &b]
            .iter()
            .all(|n| known(n) == ["again"] && counter(n, "again") == Some(2))
    );
    // Told again by a node that still has it, it is not even taken in.
    let stamp = Stamp {
        time: 1 << 16,
        actor: "c~1".into(),
    };
    let id = (SITE.to_owned(), "gone".to_owned());
    let tombstone = Fact::Base {
        id,
        stamp,
        value: None,
    };
    a.jobs.send(Job::Merge(vec![tombstone])).unwrap();
    add(&a, "again", 0);
    assert_eq!(known(&a), ["again"]);
    // A new counter where the tombstone was.
    add(&b, "gone", 4);
    eventually("4", || counter(&a, "gone") == Some(4));
}

#[test]
fn joining_can_fail_with_a_reason() {
    let cluster = Cluster::new();
    let node = alone();
    let join = |gossip| {
        cluster
            .runtime
            .block_on(node.join(gossip))
            .unwrap_err()
            .to_string()
    };
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let gossip = GossipConfig {
        listen: taken.local_addr().unwrap(),
        ..cluster.gossip()
    };
    assert!(join(gossip).contains("cannot join"));
    let everywhere = "0.0.0.0:0".parse().unwrap();
    let error = join(GossipConfig {
        listen: everywhere,
        ..cluster.gossip()
    });
    assert!(error.contains("advertise"), "{error}");
    cluster
        .runtime
        .block_on(node.join(cluster.gossip()))
        .unwrap();
    assert!(join(cluster.gossip()).contains("already"));
    cluster.runtime.block_on(node.leave());
    cluster
        .runtime
        .block_on(node.join(cluster.gossip()))
        .unwrap();
    let bad = Plasma::open(PlasmaConfig::new("a b")).unwrap_err();
    assert!(bad.to_string().contains("name a node"), "{bad}");
}

#[test]
fn other_clusters_are_not_listened_to() {
    let mut cluster = Cluster::new();
    let a = cluster.node("a");
    let b = Plasma::open(PlasmaConfig::new("b")).unwrap();
    let other = GossipConfig {
        cluster: "other".to_owned(),
        ..cluster.gossip()
    };
    cluster.runtime.block_on(b.join(other)).unwrap();
    add(&a, "n", 1);
    add(&b, "n", 2);
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!((counter(&a, "n"), counter(&b, "n")), (Some(1), Some(2)));
}

/// The child of [`killed_nodes_lose_nothing_and_count_nothing_twice`]: joins, increments for
/// ever, and says the answers. Does nothing unless it is started as that child.
#[test]
fn kill_9_child() {
    let Some(path) = std::env::var_os("PLASMA_KILL_TEST") else {
        return;
    };
    let seed: SocketAddr = std::env::var("PLASMA_KILL_SEED").unwrap().parse().unwrap();
    let cluster = Cluster {
        seed: Some(seed),
        ..Cluster::new()
    };
    let config = PlasmaConfig {
        path: Some(path.into()),
        ..PlasmaConfig::new("b")
    };
    let node = Plasma::open(config).unwrap();
    cluster
        .runtime
        .block_on(node.join(cluster.gossip()))
        .unwrap();
    // stdout, past the test harness's capture.
    let mut out = std::fs::File::options()
        .write(true)
        .open("/dev/stdout")
        .unwrap();
    loop {
        // Another counter than a's, so that the answer is this node's alone.
        let own = add(&node, "own", 1);
        add(&node, "shared", 1);
        writeln!(out, "answered {own}").unwrap();
    }
}

#[test]
fn killed_nodes_lose_nothing_and_count_nothing_twice() {
    let dir = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::new();
    let a = cluster.node("a");
    let path = on_disk("b", &dir).path.unwrap();
    let mut before = 0;
    for _ in 0..2 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "plasma::tests::kill_9_child", "--nocapture"])
            .env("PLASMA_KILL_TEST", &path)
            .env("PLASMA_KILL_SEED", cluster.seed.unwrap().to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut answers = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .map_while(Result::ok)
            .filter_map(|line| line.split_once("answered ")?.1.parse::<i64>().ok());
        let first = answers.next().unwrap();
        assert!(
            first == before || first == before + 1,
            "{first} after {before}"
        );
        add(&a, "shared", 1000);
        let last = answers.by_ref().find(|n| *n >= before + 60).unwrap();
        // While it lives, what it counts comes here.
        eventually("a to hear of it", || {
            counter(&a, "own").unwrap_or(0) >= last
        });
        child.kill().unwrap();
        let last = answers.last().unwrap_or(last);
        child.wait().unwrap();

        let b = Plasma::open(on_disk("b", &dir)).unwrap();
        let own = counter(&b, "own").unwrap();
        // One increment more may have reached the disk before its answer was heard.
        assert!(
            own == last || own == last + 1,
            "{own} on disk, {last} answered"
        );
        before = own + 1;
    }
    // A last life, in this process: its contribution is what all lives together counted.
    let b = cluster.node_with(on_disk("b", &dir));
    let own = add(&b, "own", 1);
    add(&b, "shared", 1);
    let sums = |n: &Arc<Plasma>| {
        let state = n.shared.state();
        let key = &state.keys[&(SITE.to_owned(), "shared".to_owned())];
        (key.sums.get(&b.shared.actor).copied(), key.counter())
    };
    eventually("both to agree", || {
        counter(&a, "own") == Some(own) && counter(&b, "own") == Some(own) && sums(&a) == sums(&b)
    });
    let (from_b, total) = sums(&a);
    let from_b = from_b.unwrap().up as i64;
    assert_eq!(total, Some(2000 + from_b));
    // Each turn adds one to both; the kill may have come between the two.
    assert!((own - 2..=own).contains(&from_b), "{from_b} of {own}");
}
