//! Real processes. One of them has a full disk, or a damaged file, while it copies what the other sends:
//! nothing that was acknowledged is lost, and the node says what is wrong.
//!
//! `cargo lab` runs the long versions.

use std::path::Path;
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
    for seed in 2..6 {
        damaged_files(seed, 40);
    }
}
