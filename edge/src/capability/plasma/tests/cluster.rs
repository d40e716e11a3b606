//! Several nodes.

use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::capability::health::Severity;

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
    // And it stays that way.
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
    // After the delete, counting starts at 0 on every node.
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
    set(&b, "large", b"small now");
    // A node that joins later receives everything.
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
    set(&a, "deleted-at-c", b"x");
    // Wait for both: a node that has not seen a write from this millisecond may write before it.
    eventually("b and c to have it", || {
        [&b, &c].iter().all(|n| {
            counter(n, "n") == Some(1)
                && get(n, "r").as_deref() == Some(b"before")
                && get(n, "deleted-at-c").is_some()
        })
    });

    c.set_isolated(true);
    // Changes in transit at that moment still arrive, so nothing is written until there are none.
    eventually("c to be missed", || {
        a.status()
            .nodes
            .iter()
            .any(|n| n.node_id == "c" && !n.alive)
    });
    add(&a, "n", 10);
    add(&b, "n", 100);
    add(&c, "n", 1000);
    add(&c, "only-c", 7);
    set(&b, "r", b"from b");
    set(&c, "r", b"from c, later");
    eventually("the two to agree", || {
        counter(&a, "n") == Some(111)
            && counter(&b, "n") == Some(111)
            && get(&a, "r").as_deref() == Some(b"from b")
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
    let fixed = |ms: u64| -> WallClock { Arc::new(move || ms) };
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

    // Neither has seen the other's changes: the one that has counted further wins, on both nodes.
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

/// Clocks that jump by hours, forwards and back, under nodes that talk to each other: the last writer
/// wins, and every count counts.
#[test]
fn clocks_that_jump_by_hours_lose_nothing() {
    let hour = 3_600_000i64;
    let mut cluster = Cluster::new();
    let now = wall_clock()();
    let set_to = Arc::new(AtomicU64::new(now));
    let clock = set_to.clone();
    let clock: WallClock = Arc::new(move || clock.load(Ordering::SeqCst));
    let a = Plasma::open_with_clock(PlasmaConfig::new("a"), clock).unwrap();
    cluster.join(&a);
    let b = cluster.node("b");
    let mut total = 0;
    // Within a day of each other: clocks that are further apart do not accept each other's stamps.
    let jumps = [5, -10, 12, -11, 0].map(|hours: i64| now.saturating_add_signed(hours * hour));
    for jump in jumps {
        set_to.store(jump, Ordering::SeqCst);
        set(&b, "r", b"from b");
        eventually("a to have it", || {
            get(&a, "r").as_deref() == Some(b"from b")
        });
        set(&a, "r", b"from a");
        add(&a, "n", 1);
        add(&b, "n", 10);
        total += 11;
        eventually("both to agree", || {
            [&a, &b].iter().all(|n| {
                counter(n, "n") == Some(total) && get(n, "r").as_deref() == Some(b"from a")
            })
        });
    }
}

/// A clock that was days ahead and is then corrected: what was written in the meantime stays, the
/// other nodes report that they reject it, and the node says why it cannot write until its clock has
/// caught up.
#[test]
fn a_clock_that_was_days_ahead_is_told_of() {
    let day = 24 * 60 * 60 * 1000;
    let mut cluster = Cluster::new();
    let now = wall_clock()();
    let set_to = Arc::new(AtomicU64::new(now + 3 * day));
    let clock = set_to.clone();
    let clock: WallClock = Arc::new(move || clock.load(Ordering::SeqCst));
    let a = Plasma::open_with_clock(PlasmaConfig::new("a"), clock).unwrap();
    cluster.join(&a);
    let b = cluster.node("b");
    add(&a, "n", 1);
    add(&b, "m", 1);
    let says = |node: &Arc<Plasma>, what: &str| {
        let problems = node.problems();
        problems.iter().any(|p| p.what.contains(what))
    };
    eventually("b to say so", || says(&b, "more than a day ahead"));
    add(&b, "m", 1);
    eventually("a to have what b counts", || counter(&a, "m") == Some(2));
    assert_eq!(counter(&b, "n"), None);

    set_to.store(now, Ordering::SeqCst);
    let refused = session(&a).increment(b"n", 1).unwrap_err();
    assert!(
        refused.reason.contains("ahead of this node's clock"),
        "{refused}"
    );
    eventually("a to say so", || says(&a, "this node's clock is"));
    set_to.store(now + 3 * day, Ordering::SeqCst);
    assert_eq!(add(&a, "n", 1), 2, "nothing of it was lost");
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
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let gossip = GossipConfig {
        listen: taken.local_addr().unwrap(),
        ..cluster.gossip()
    };
    assert!(join(gossip).contains("cannot join"));
    let everywhere = "0.0.0.0:0".parse().unwrap();
    let error = join(GossipConfig {
        listen: everywhere,
        insecure: true,
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

#[test]
fn what_a_gone_node_wrote_is_told_by_the_others() {
    let mut cluster = Cluster::new();
    let (a, b) = (cluster.node("a"), cluster.node("b"));
    add(&a, "n", 5);
    set(&a, "r", b"from a");
    eventually("b to have it", || {
        counter(&b, "n") == Some(5) && get(&b, "r").is_some()
    });
    cluster.runtime.block_on(a.leave());
    drop(a);
    cluster.seed = b.status().gossip;
    let late = cluster.node("late");
    eventually("the late node to have it", || {
        counter(&late, "n") == Some(5) && get(&late, "r").as_deref() == Some(b"from a")
    });
}

#[test]
fn tombstones_go_when_all_have_seen_them_and_do_not_come_back() {
    let mut cluster = Cluster::new();
    let short = |name| PlasmaConfig {
        tombstone_grace: Duration::from_millis(1500),
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
        let state = n.shared.state();
        state.iter().map(|((_, key), _)| key.clone()).collect()
    };
    eventually("the tombstone to be dropped", || {
        [&a, &b].iter().all(|n| known(n) == ["again"])
    });
    std::thread::sleep(Duration::from_millis(300));
    assert!(
        [&a, &b]
            .iter()
            .all(|n| known(n) == ["again"] && counter(n, "again") == Some(2))
    );
    add(&b, "gone", 4);
    eventually("4", || counter(&a, "gone") == Some(4));
}

#[test]
fn a_delete_of_what_is_not_there_leaves_nothing() {
    let node = alone();
    for i in 0..100 {
        session(&node)
            .delete(format!("never-{i}").as_bytes())
            .unwrap();
    }
    let status = node.status();
    assert_eq!((status.bytes, status.tombstones), (0, 0));
}

#[test]
fn a_network_needs_a_key() {
    let cluster = Cluster::new();
    let node = alone();
    let open = GossipConfig {
        advertise: Some("127.0.0.1:9".parse().unwrap()),
        ..GossipConfig::new("0.0.0.0:0".parse().unwrap())
    };
    let refused = cluster
        .runtime
        .block_on(node.join(open.clone()))
        .unwrap_err();
    assert!(refused.to_string().contains("new-key"), "{refused}");
    let insecure = GossipConfig {
        insecure: true,
        ..open
    };
    cluster.runtime.block_on(node.join(insecure)).unwrap();
}

#[test]
fn a_node_with_a_name_that_is_taken_is_told_of() {
    let mut cluster = Cluster::new();
    let (a, _b) = (cluster.node("a"), cluster.node("b"));
    let twin = cluster.node("b");
    let says = |n: &Arc<Plasma>| {
        let problems = n.problems();
        problems
            .iter()
            .any(|p| p.what.contains("two nodes are called `b`"))
    };
    eventually("it to be said", || says(&a) || says(&twin));
}

#[test]
fn a_node_that_is_reached_by_nobody_is_told_of_on_both_sides() {
    let mut cluster = Cluster::new();
    let a = cluster.node("a");
    // The port is free, and nobody listens on it.
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = nowhere.local_addr().unwrap();
    drop(nowhere);
    let b = Plasma::open(PlasmaConfig::new("b")).unwrap();
    let config = GossipConfig {
        advertise: Some(address),
        ..cluster.gossip()
    };
    cluster.runtime.block_on(b.join(config)).unwrap();
    set(&b, "k", b"lost");
    let says = |node: &Arc<Plasma>, severity, what: &str| {
        let problems = node.problems();
        problems
            .iter()
            .any(|problem| problem.severity == severity && problem.what.contains(what))
    };
    eventually("what a has to say", || {
        says(
            &a,
            Severity::Warning,
            &format!("`b` is alive, but nothing answers at {address}"),
        )
    });
    eventually("what b has to say", || {
        says(
            &b,
            Severity::Failure,
            &format!("`a` is alive, but does not follow this node at {address}"),
        )
    });
    assert_eq!(get(&a, "k"), None);
    // The problem is cleared once the other node is gone.
    cluster.runtime.block_on(b.leave());
    eventually("nothing more to say", || a.problems().is_empty());
}
