//! Real processes. One of them has a full disk, a damaged file, an old copy of its folder or a wrong clock while
//! it copies what the other sends: nothing that was acknowledged is lost, and the node says what is wrong.
//!
//! `cargo lab` runs the long versions.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use super::network::{Process, until};
use super::*;
use crate::capability::rescue;
use crate::capability::store::simulated::Random;
use crate::capability::store::tmpfs::Tmpfs;

const PATIENCE: Duration = Duration::from_secs(60);

/// Loopback addresses that no other test uses.
fn loopback() -> String {
    static NETWORKS: AtomicU32 = AtomicU32::new(0);
    let own = std::process::id() * 8 + NETWORKS.fetch_add(1, Ordering::SeqCst);
    format!("127.{}.{}", 100 + own / 256 % 100, own % 256)
}

fn try_start(network: &str, at: usize, data: &Path) -> Option<Process> {
    let command = Command::new(std::env::current_exe().unwrap());
    Process::start_in(command, network, at, &data.join("plasma.redb"))
}

fn start(network: &str, at: usize, data: &Path) -> Process {
    try_start(network, at, data).expect("the node starts")
}

fn acquainted(nodes: &mut [Process]) {
    until("all to know each other", PATIENCE, || {
        nodes.iter_mut().all(|node| node.number("alive") == 2)
    });
}

fn full_disk(rounds: usize) {
    let mib = 6 + rounds;
    let Some(small) = Tmpfs::mount(mib) else {
        eprintln!("SKIPPED: a file system of a test's own needs root");
        return;
    };
    let (large, network) = (tempfile::tempdir().unwrap(), loopback());
    let mut nodes = [
        start(&network, 0, large.path()),
        start(&network, 1, small.path()),
    ];
    acquainted(&mut nodes);
    // The count is a key, too.
    let (mut keys, mut added, mut open, mut full) = (1, 0, 0, 0);
    for round in 0..rounds {
        let filler = small.path().join("filler");
        assert!(std::fs::write(&filler, vec![0; mib << 20]).is_err());
        nodes[0].ask(&format!("fill k{round}x 300")).unwrap();
        keys += 300;
        assert_eq!(nodes[0].ask("add n 1").as_deref(), Some("ok"));
        added += 1;
        // Its file may have had room for them.
        until("the full disk to be told", PATIENCE, || {
            nodes[1].number("problems") > 0 || nodes[1].number("keys") == keys
        });
        full += usize::from(nodes[1].number("problems") > 0);
        // An acknowledged write is reliable; a refused one has left no trace, or all of its traces.
        match nodes[1].ask("add n 1").as_deref() {
            Some("ok") => added += 1,
            _ => open += 1,
        }
        if round % 2 == 1 {
            // The processes end as they are; a full disk does not prevent the file from existing.
            nodes[1].kill();
            std::fs::remove_file(&filler).unwrap();
            nodes[1] = start(&network, 1, small.path());
        } else {
            std::fs::remove_file(&filler).unwrap();
        }
        let began = Instant::now();
        loop {
            let seen =
                [0, 1].map(|at| ["count n", "keys", "alive"].map(|what| nodes[at].number(what)));
            let [count, all, _] = seen[0];
            let may_be = added..=added + open;
            if seen[0] == seen[1] && all == keys && may_be.contains(&count) {
                break;
            }
            assert!(
                began.elapsed() < PATIENCE,
                "round {round}: {seen:?}, of a count of {may_be:?} and {keys} keys"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        until("it to be well again", PATIENCE, || {
            nodes[1].number("problems") == 0
        });
    }
    println!(
        "full in {full} of {rounds} rounds: {keys} keys and a count of {added}, {open} left open, on both"
    );
    assert!(full > 0, "there was room for all of it");
}

#[test]
fn a_disk_that_is_full_while_another_node_tells_of_its_writes() {
    full_disk(2);
}

#[test]
#[ignore = "long: cargo lab"]
fn lab_a_disk_that_is_full_again_and_again() {
    full_disk(20);
}

/// Changes a file as a failing disk does: one byte, a run of bytes, or its end.
fn damage(file: &Path, random: &mut Random) {
    let mut bytes = std::fs::read(file).unwrap();
    let at = random.below(bytes.len());
    match random.below(4) {
        0 => bytes.truncate(at),
        1 => bytes[at] ^= 1 << random.below(8),
        2 => bytes[random.below(4096)] ^= 0xff,
        _ => {
            let end = bytes.len().min(at + 1 + random.below(2000));
            bytes[at..end].fill(0x5a);
        }
    }
    std::fs::write(file, bytes).unwrap();
}

fn damaged_files(seed: u64, rounds: usize) {
    let folders = [0, 1].map(|_| tempfile::tempdir().unwrap());
    let network = loopback();
    let mut nodes = [0, 1].map(|at| start(&network, at, folders[at].path()));
    acquainted(&mut nodes);
    nodes[0].ask("fill k 100").unwrap();
    let mut random = Random(seed);
    let (mut added, mut refused, mut reset) = (0, 0, 0);
    for round in 0..rounds {
        for node in &mut nodes {
            assert_eq!(node.ask("add n 1").as_deref(), Some("ok"), "round {round}");
            added += 1;
        }
        until("both to have it", PATIENCE, || {
            nodes.iter_mut().all(|node| node.number("count n") == added)
        });
        nodes[1].kill();
        let folder = folders[1].path();
        damage(&folder.join("plasma.redb"), &mut random);
        // What is written in the meantime, it has to copy.
        assert_eq!(nodes[0].ask("add n 1").as_deref(), Some("ok"));
        added += 1;
        let started = try_start(&network, 1, folder);
        // Not all damage is in the part that is read at the start.
        let agrees = |nodes: &mut [Process], added| {
            nodes
                .iter_mut()
                .all(|node| node.number("count n") == added && node.number("keys") == 101)
        };
        let mut goes_on = false;
        if let Some(node) = started {
            nodes[1] = node;
            let began = Instant::now();
            while !goes_on && began.elapsed() < Duration::from_secs(20) {
                goes_on = agrees(&mut nodes, added);
                std::thread::sleep(Duration::from_millis(20));
            }
        } else {
            refused += 1;
        }
        if !goes_on {
            // As the message advises.
            let said = ["problems", "keys", "count n", "alive"].map(|what| nodes[1].ask(what));
            nodes[1].kill();
            let reports = rescue::check(folder).unwrap();
            assert!(
                reports.iter().any(|report| !report.damage.is_empty()),
                "round {round}: it does not go on ({said:?}), and nothing is found: {reports:?}"
            );
            assert_eq!(rescue::reset(folder).unwrap().len(), 1, "round {round}");
            reset += 1;
            nodes[1] = start(&network, 1, folder);
        }
        until("both to agree", PATIENCE, || agrees(&mut nodes, added));
    }
    println!(
        "seed {seed}: {rounds} damaged files, {refused} refused at the start, {reset} reset in all; {added} \
         counted on both"
    );
}

#[test]
fn a_file_that_was_damaged_costs_no_acknowledged_write() {
    damaged_files(1, 6);
}

#[test]
#[ignore = "long: cargo lab"]
fn lab_files_that_were_damaged() {
    let first: u64 = std::env::var("FLARON_LAB_SEED").map_or(2, |seed| seed.parse().unwrap());
    for seed in first..first + 4 {
        damaged_files(seed, 40);
    }
}

/// A folder is restored to the state of some writes ago.
#[test]
fn a_folder_put_back_from_a_backup_costs_no_acknowledged_write() {
    let folders = [0, 1].map(|_| tempfile::tempdir().unwrap());
    let network = loopback();
    let mut nodes = [0, 1].map(|at| start(&network, at, folders[at].path()));
    acquainted(&mut nodes);
    let file = folders[1].path().join("plasma.redb");
    let backup = folders[1].path().join("backup");
    let mut added = 0;
    let mut forked = 0;
    for round in 0..3 {
        let mut add = |node: &mut Process, n: i64| {
            let answer = node.ask(&format!("add n {n}"));
            assert_eq!(answer.as_deref(), Some("ok"), "round {round}");
            added += n;
        };
        add(&mut nodes[1], 1);
        // As a backup would copy it, without stopping the node.
        nodes[1].kill();
        std::fs::copy(&file, &backup).unwrap();
        nodes[1] = start(&network, 1, folders[1].path());
        for _ in 0..20 {
            add(&mut nodes[1], 10);
            add(&mut nodes[0], 100);
        }
        until("the other to have it", PATIENCE, || {
            nodes[0].number("count n") == added
        });
        nodes[1].kill();
        std::fs::copy(&backup, &file).unwrap();
        nodes[1] = start(&network, 1, folders[1].path());
        // At once, before the others can have sent what it has forgotten.
        let answer = nodes[1].ask("add n 1000");
        assert_eq!(answer.as_deref(), Some("ok"), "round {round}");
        added += 1000;
        until("both to agree", PATIENCE, || {
            nodes.iter_mut().all(|node| node.number("count n") == added)
        });
        forked += nodes[1].number("says a copy of an older one");
    }
    assert_eq!(forked, 3, "each time it counts on as another, and says so");
}

/// The library that intercepts a process's calls for the system's clock.
fn faketime() -> Option<PathBuf> {
    let libraries = std::fs::read_dir("/usr/lib").ok()?.flatten();
    let mut of_each = libraries.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"));
    of_each.find(|library| library.exists())
}

/// A process that believes it is three years later.
#[test]
fn a_clock_that_is_years_ahead_stops_nobody_else() {
    let Some(faketime) = faketime() else {
        eprintln!("SKIPPED: there is no `faketime` here (apt-get install faketime)");
        return;
    };
    let folders = [0, 1].map(|_| tempfile::tempdir().unwrap());
    let network = loopback();
    let in_three_years = |folder: &Path| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        // Timers are not the subject of this test.
        command
            .env("LD_PRELOAD", &faketime)
            .env("FAKETIME", "+1095d")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        Process::start_in(command, &network, 1, &folder.join("plasma.redb")).expect("it starts")
    };
    let mut nodes = [
        start(&network, 0, folders[0].path()),
        in_three_years(folders[1].path()),
    ];
    acquainted(&mut nodes);
    assert_eq!(nodes[0].ask("add m 1").as_deref(), Some("ok"));
    assert_eq!(nodes[1].ask("add n 1").as_deref(), Some("ok"));
    let told = "says more than a day ahead of this node's clock";
    until("the other to say so", PATIENCE, || {
        nodes[0].number(told) == 1
    });
    // The others' clock has not moved: they continue to write, and it copies that.
    for _ in 0..10 {
        assert_eq!(nodes[0].ask("add m 1").as_deref(), Some("ok"));
    }
    until("the one ahead to have it", PATIENCE, || {
        nodes[1].number("count m") == 11
    });
    assert_eq!(nodes[0].number("count n"), 0);

    // The clock is corrected: it keeps what it has, and says why it accepts no more.
    nodes[1].kill();
    nodes[1] = start(&network, 1, folders[1].path());
    assert_eq!(nodes[1].number("count n"), 1);
    let refused = nodes[1].ask("add n 1").unwrap();
    assert!(refused.contains("ahead of this node's clock"), "{refused}");
    until("it to say so", PATIENCE, || {
        nodes[1].number("says this node's clock is") == 1
    });
    // As the message advises.
    nodes[1].kill();
    rescue::reset_store(folders[1].path(), "plasma").unwrap();
    nodes[1] = start(&network, 1, folders[1].path());
    until(
        "it to begin again with what the others have",
        PATIENCE,
        || nodes[1].number("count m") == 11,
    );
    assert_eq!(nodes[1].ask("add n 5").as_deref(), Some("ok"));
    until("both to have it", PATIENCE, || {
        nodes.iter_mut().all(|node| node.number("count n") == 5)
    });
}
