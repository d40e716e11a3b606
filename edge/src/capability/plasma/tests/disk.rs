//! What is on disk after a restart, and which actor a node then is.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use super::*;

fn actor_of(node: &Arc<Plasma>) -> Arc<str> {
    lock(&node.shared.identity).actor.clone()
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
    // Alone, without gossip, it still knows what it knew.
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
    let actor = actor_of(&b);
    add(&b, "n", 5);
    eventually("a to see it", || counter(&a, "n") == Some(5));
    cluster.runtime.block_on(b.leave());
    drop(b);

    // Another name on the same file: the data stays, but not the identity.
    let renamed = PlasmaConfig {
        node_id: "c".to_owned(),
        ..on_disk("b", &dir)
    };
    let c = cluster.node_with(renamed);
    assert_ne!(actor_of(&c), actor);
    add(&c, "n", 100);
    eventually("105", || {
        counter(&a, "n") == Some(105) && counter(&c, "n") == Some(105)
    });

    // The file is gone: the new life must not take the place of the old one.
    let b = cluster.node("b");
    assert_ne!(actor_of(&b), actor);
    add(&b, "n", 1);
    eventually("106", || {
        [&a, &b, &c].iter().all(|n| counter(n, "n") == Some(106))
    });
}

/// The child process of [`killed_nodes_lose_nothing_and_count_nothing_twice`]: joins, increments in
/// a loop, and prints the answers. Does nothing unless it is started as that child.
#[test]
fn kill_9_child() {
    let Some(path) = std::env::var_os("PLASMA_KILL_TEST") else {
        return;
    };
    let seed: SocketAddr = std::env::var("PLASMA_KILL_SEED").unwrap().parse().unwrap();
    let cluster = Cluster {
        seed: Some(seed),
        name: std::env::var("PLASMA_KILL_CLUSTER").unwrap(),
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
    // Write to the process's stdout, which the test harness does not capture.
    let mut out = std::fs::File::options()
        .write(true)
        .open("/dev/stdout")
        .unwrap();
    loop {
        // A different counter from a's, so that the answer covers this node alone.
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
            .args([
                "--exact",
                "capability::plasma::tests::disk::kill_9_child",
                "--nocapture",
            ])
            .env("PLASMA_KILL_TEST", &path)
            .env("PLASMA_KILL_CLUSTER", &cluster.name)
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
        // While it lives, its counts arrive here.
        eventually("a to hear of it", || {
            counter(&a, "own").unwrap_or(0) >= last
        });
        child.kill().unwrap();
        let last = answers.last().unwrap_or(last);
        child.wait().unwrap();

        let b = Plasma::open(on_disk("b", &dir)).unwrap();
        let own = counter(&b, "own").unwrap();
        // One more increment may have reached the disk before its answer was read.
        assert!(
            own == last || own == last + 1,
            "{own} on disk, {last} answered"
        );
        before = own + 1;
    }
    // A last life, in this process: its contribution is what all its lives together counted.
    let b = cluster.node_with(on_disk("b", &dir));
    let own = add(&b, "own", 1);
    add(&b, "shared", 1);
    eventually("both to agree", || {
        counter(&a, "own") == Some(own)
            && counter(&b, "own") == Some(own)
            && counter(&a, "shared") == counter(&b, "shared")
    });
    let from_b = counter(&a, "shared").unwrap() - 2000;
    // Each turn increments both; the kill may have come between the two.
    assert!((own - 2..=own).contains(&from_b), "{from_b} of {own}");
}

#[test]
fn a_folder_of_the_old_format_is_read() {
    use redb::TableDefinition;
    let dir = tempfile::tempdir().unwrap();
    let config = on_disk("old", &dir);
    let db = redb::Database::create(config.path.as_ref().unwrap()).unwrap();
    let txn = db.begin_write().unwrap();
    {
        let keys: TableDefinition<(&str, &str), &[u8]> = TableDefinition::new("keys");
        let meta: TableDefinition<&str, &str> = TableDefinition::new("meta");
        let mut table = txn.open_table(keys).unwrap();
        let register = br#"{"base":{"time":65536,"actor":"old~1"},"value":"b25l"}"#;
        let counted = br#"{"base":{"time":0,"actor":""},"sums":{"old~1":{"up":7,"down":2},"x~2":{"up":10,"down":0}}}"#;
        table.insert((SITE, "r"), &register[..]).unwrap();
        table.insert((SITE, "n"), &counted[..]).unwrap();
        let mut meta = txn.open_table(meta).unwrap();
        meta.insert("node_id", "old").unwrap();
        meta.insert("actor", "old~1").unwrap();
    }
    txn.commit().unwrap();
    drop(db);
    for _ in 0..2 {
        let node = Plasma::open(config.clone()).unwrap();
        assert_eq!(get(&node, "r").unwrap(), b"one");
        assert_eq!(counter(&node, "n"), Some(15));
        assert_eq!(&*actor_of(&node), "old~1");
    }
    let node = Plasma::open(config).unwrap();
    assert_eq!(add(&node, "n", 1), 16);
}

#[test]
fn a_folder_restored_from_a_backup_counts_on_without_loss() {
    let dir = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::new();
    let a = cluster.node("a");
    let path = on_disk("b", &dir).path.unwrap();
    let backup = dir.path().join("backup");
    {
        let b = cluster.node_with(on_disk("b", &dir));
        add(&b, "n", 100);
        eventually("a to have it", || counter(&a, "n") == Some(100));
        cluster.runtime.block_on(b.leave());
    }
    std::fs::copy(&path, &backup).unwrap();
    {
        let b = cluster.node_with(on_disk("b", &dir));
        let probe = (SITE.to_owned(), "probe".to_owned());
        eventually("b to be sure of its folder, and count as before", || {
            add(&b, "probe", 1);
            let probe = b.shared.state().get(&probe).cloned().unwrap();
            probe.counts.contains_key(&actor_of(&b))
        });
        add(&b, "n", 50);
        eventually("a to have it", || counter(&a, "n") == Some(150));
        cluster.runtime.block_on(b.leave());
    }
    std::fs::copy(&backup, &path).unwrap();
    let b = Plasma::open(on_disk("b", &dir)).unwrap();
    let old = actor_of(&b);
    // Before it has met anyone, and afterwards.
    add(&b, "n", 5);
    cluster.join(&b);
    eventually("155", || {
        counter(&a, "n") == Some(155) && counter(&b, "n") == Some(155)
    });
    eventually("it to be noticed", || actor_of(&b) != old);
    assert!(
        b.problems()
            .iter()
            .any(|p| p.what.contains("copy of an older one"))
    );
    add(&b, "n", 3);
    eventually("158", || {
        counter(&a, "n") == Some(158) && counter(&b, "n") == Some(158)
    });
}
