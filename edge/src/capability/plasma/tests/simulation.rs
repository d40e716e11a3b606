//! A whole cluster in one thread, with everything going wrong as a seed dictates.
//!
//! The nodes are the real ones (replica, puller, protocol, members and redb) on a simulated disk and
//! network. Between any two steps a node may be killed, with half of its unsynced writes lost or torn;
//! its disk may fill up; the network may be cut; connections break with requests and answers in
//! transit; clocks are hours apart, and jump. Then everything is repaired, and what was acknowledged
//! must be there, the same on all nodes.
//!
//! `FLARON_SIM_SEEDS=2000 cargo sim` tries more, as CI does, and 20,000 once a week; it is an alias of
//! `cargo test -p flaron-edge --lib simulation` that optimises this crate. A failing seed is named,
//! and `FLARON_SIM_SEED=N cargo sim` replays it and prints each step.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::capability::plasma::crdt::KeyState;
use crate::capability::plasma::protocol::{Hello, Request, Response, answer, note};
use crate::capability::plasma::puller::Puller;
use crate::capability::plasma::replica::Changes;
use crate::capability::store::simulated::{Disk, Random};

/// One stream, from a node that follows to the one it follows.
struct Stream {
    puller: Puller,
    seen: Option<u64>,
    told: bool,
    in_flight: InFlight,
}

enum InFlight {
    Nothing,
    Question(Request),
    Answer(Response),
}

struct Node {
    name: String,
    disk: Arc<Disk>,
    wall: Arc<AtomicU64>,
    replica: Option<Replica>,
}

impl Node {
    fn open(&mut self) {
        // When the disk is gone, its replica is dropped first.
        self.replica = None;
        let store = Store::open_with(self.name.clone(), self.disk.opener());
        let wall = self.wall.clone();
        let opened = store.and_then(|store| {
            Replica::open(
                Arc::new(store),
                &self.name,
                Arc::new(move || wall.load(Ordering::SeqCst)),
                Bounds::new(1 << 20, 7 * DAY),
            )
        });
        // A full disk: the process cannot start, and is started again later.
        self.replica = opened.ok();
    }

    fn now(&self) -> u64 {
        self.wall.load(Ordering::SeqCst)
    }

    fn write(&mut self, key: &str, op: Op) -> Answer {
        let replica = self
            .replica
            .as_mut()
            .ok_or_else(|| PlasmaError::new(PlasmaCode::Internal, "the process is not there"))?;
        let mut changes = Changes::default();
        let answer = replica.local(&mut changes, id(key), op)?;
        replica.commit(changes).map(|()| answer)
    }

    fn hello(&self) -> Option<Hello> {
        let shared = &self.replica.as_ref()?.shared;
        let identity = lock(&shared.identity);
        Some(Hello {
            cluster: String::new(),
            node: self.name.clone(),
            actor: identity.actor.clone(),
            life: identity.life(),
            generation: identity.generation,
            address: "127.0.0.1:1".parse().unwrap(),
        })
    }

    fn key(&self, key: &str) -> KeyState {
        let replica = self.replica.as_ref().unwrap();
        replica
            .shared
            .state()
            .get(&id(key))
            .cloned()
            .unwrap_or_default()
    }
}

/// Prints what happens, when a single seed is replayed.
fn trace(what: impl FnOnce() -> String) {
    if std::env::var_os("FLARON_SIM_SEED").is_some() {
        eprintln!("{}", what());
    }
}

const MINUTE: u64 = 60_000;
const DAY: u64 = 24 * 60 * MINUTE;
const NOON: u64 = 20_000 * DAY + DAY / 2;

fn id(key: &str) -> Id {
    (SITE.to_owned(), key.to_owned())
}

/// How much was acknowledged as counted: at least, and at most.
#[derive(Default, Clone, Copy, Debug)]
struct Count {
    acknowledged: i64,
    uncertain: i64,
}

struct World {
    random: Random,
    nodes: Vec<Node>,
    streams: Vec<Vec<Option<Stream>>>,
    is_cut: Vec<Vec<bool>>,
    counts: BTreeMap<&'static str, Count>,
    copies: Vec<Option<Vec<u8>>>,
}

const COUNTERS: [&str; 3] = ["c0", "c1", "again"];

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let count = 2 + random.below(3);
        let nodes: Vec<Node> = (0..count)
            .map(|n| Node {
                name: format!("n{n}"),
                disk: Arc::default(),
                // Hours apart.
                wall: Arc::new(AtomicU64::new(
                    20_000 * DAY + random.below(10 * 60) as u64 * MINUTE,
                )),
                replica: None,
            })
            .collect();
        let mut world = Self {
            random,
            streams: (0..count)
                .map(|_| (0..count).map(|_| None).collect())
                .collect(),
            is_cut: vec![vec![false; count]; count],
            counts: COUNTERS.map(|key| (key, Count::default())).into(),
            copies: vec![None; count],
            nodes,
        };
        for node in &mut world.nodes {
            node.open();
        }
        world
    }

    fn any(&mut self) -> usize {
        let count = self.nodes.len();
        self.random.below(count)
    }

    fn drop_streams(&mut self, node: usize) {
        for other in 0..self.nodes.len() {
            self.streams[node][other] = None;
            self.streams[other][node] = None;
        }
    }

    fn crash(&mut self, at: usize) {
        trace(|| format!("{} crashes", self.nodes[at].name));
        self.nodes[at].replica = None;
        self.nodes[at].disk.crash(&mut self.random);
        self.drop_streams(at);
        self.nodes[at].open();
    }

    /// The power fails in the middle of a write, at any of its steps on disk.
    fn crash_writing(&mut self, at: usize) {
        self.nodes[at].disk.fail_after(self.random.below(40));
        self.add(at, COUNTERS[0]);
        self.crash(at);
    }

    fn add(&mut self, at: usize, key: &'static str) {
        let up = 1 + self.random.below(9) as u64;
        let answer = self.nodes[at].write(key, Op::Add { up, down: 0 });
        let count = self.counts.get_mut(key).unwrap();
        trace(|| {
            format!(
                "{} adds {up} to {key}: {answer:?} {:?}",
                self.nodes[at].name,
                self.nodes[at]
                    .replica
                    .as_ref()
                    .map(|r| (r.shared.state().get(&id(key)).cloned(), r.acting().clone()))
            )
        });
        match answer {
            Ok(_) => count.acknowledged += up as i64,
            // After a disk error it is uncertain whether the change was written.
            Err(_) => count.uncertain += up as i64,
        }
    }

    /// A clock is set by hours, forwards or back, but so that no two clocks are a day apart: nodes
    /// would then reject each other's stamps.
    fn set_clock(&mut self, at: usize) {
        let now = NOON - 11 * 60 * MINUTE + self.random.below(22 * 60) as u64 * MINUTE;
        trace(|| format!("{}'s clock is set to {now}", self.nodes[at].name));
        self.nodes[at].wall.store(now, Ordering::SeqCst);
    }

    /// One step of one stream.
    fn talk(&mut self, from: usize, to: usize, loss: usize) {
        if from == to || self.is_cut[from][to] || self.random.chance(loss) {
            self.streams[from][to] = None;
            return;
        }
        let (Some(from_hello), Some(to_hello)) = (self.nodes[from].hello(), self.nodes[to].hello())
        else {
            self.streams[from][to] = None;
            return;
        };
        let (from_now, to_now) = (self.nodes[from].now(), self.nodes[to].now());
        let asked = self.nodes[to].replica.as_ref().unwrap().shared.clone();
        let replica = self.nodes[from].replica.as_mut().unwrap();
        let Some(stream) = &mut self.streams[from][to] else {
            let met = lock(&asked.members).meet(&from_hello, to_now);
            lock(&replica.shared.members).meet(&to_hello, from_now);
            self.streams[from][to] = Some(Stream {
                puller: Puller::new(),
                seen: met.seen,
                told: false,
                in_flight: InFlight::Nothing,
            });
            return;
        };
        match std::mem::replace(&mut stream.in_flight, InFlight::Nothing) {
            InFlight::Nothing => stream.in_flight = InFlight::Question(stream.puller.request()),
            InFlight::Question(request) => {
                lock(&asked.members).heard(&from_hello.node, from_hello.life, to_now);
                note(&asked, &from_hello, &request);
                let response = answer(&asked, &from_hello.node, &request);
                stream.in_flight = InFlight::Answer(response);
            }
            InFlight::Answer(mut response) => {
                let entries = Puller::entries(&mut response);
                let count = entries.len();
                let mut changes = Changes::default();
                let time = Puller::time(&response);
                let stored = replica
                    .merge(&mut changes, &to_hello.node.as_str().into(), entries, time)
                    .and_then(|_| replica.commit(changes));
                if stored.is_err() {
                    self.streams[from][to] = None;
                    return;
                }
                stream
                    .puller
                    .advance(&response, count, &replica.shared.state());
                if !stream.told && stream.puller.is_following() {
                    let mut changes = Changes::default();
                    replica.met(&mut changes, stream.seen);
                    stream.told = replica.commit(changes).is_ok();
                    if !stream.told {
                        self.streams[from][to] = None;
                    }
                }
            }
        }
    }

    fn chaos(&mut self, steps: usize) {
        let loss = self.random.below(20);
        for _ in 0..steps {
            let (at, other) = (self.any(), self.any());
            match self.random.below(100) {
                0..=24 => {
                    let key = COUNTERS[self.random.below(COUNTERS.len())];
                    self.add(at, key);
                }
                25..=28 => {
                    let value = self.random.below(250) as u8;
                    let _ = self.nodes[at].write("r", Op::Set(vec![value; 40].into()));
                }
                29..=30 => {
                    let _ = self.nodes[at].write("r", Op::Delete);
                }
                31 if self.random.chance(50) => self.crash(at),
                31 => self.crash_writing(at),
                32 => self.nodes[at].disk.set_full(true),
                33..=34 => {
                    self.nodes[at].disk.set_full(false);
                    if self.nodes[at].replica.is_none() {
                        self.nodes[at].open();
                    }
                }
                35 => self.is_cut[at][other] = true,
                36..=37 => self.is_cut[at][other] = false,
                38..=39 => {
                    let ahead = self.random.below(5) as u64 * MINUTE;
                    self.nodes[at].wall.fetch_add(ahead, Ordering::SeqCst);
                }
                40 => self.set_clock(at),
                41..=43 => {
                    if let Some(replica) = &mut self.nodes[at].replica {
                        replica.tidy();
                    }
                }
                _ => {
                    for _ in 0..3 {
                        self.talk(at, other, loss);
                    }
                }
            }
        }
    }

    /// Everything is repaired, and every node receives everything.
    fn heal(&mut self) {
        for row in &mut self.is_cut {
            row.fill(false);
        }
        for at in 0..self.nodes.len() {
            self.nodes[at].disk.set_full(false);
            if self.nodes[at].replica.is_none() {
                self.nodes[at].open();
            }
            let replica = self.nodes[at]
                .replica
                .as_mut()
                .expect("the disk is well again");
            replica.tidy();
        }
        for _ in 0..60 {
            for from in 0..self.nodes.len() {
                for to in 0..self.nodes.len() {
                    for _ in 0..3 {
                        self.talk(from, to, 0);
                    }
                }
            }
            if self.is_quiet() {
                return;
            }
        }
    }

    fn is_quiet(&self) -> bool {
        let all_follow = self.streams.iter().enumerate().all(|(from, row)| {
            row.iter().enumerate().all(|(to, stream)| {
                from == to
                    || stream
                        .as_ref()
                        .is_some_and(|s| s.told && s.puller.is_following())
            })
        });
        let mut roots = self.nodes.iter().map(|n| {
            let state = n.replica.as_ref().unwrap().shared.state();
            (
                state.root(),
                state.iter().filter(|(_, k)| k.exists()).count(),
            )
        });
        let first = roots.next();
        all_follow && roots.all(|root| Some(root) == first)
    }

    fn check(&self, seed: u64) {
        assert!(self.is_quiet(), "seed {seed}: the nodes do not agree");
        for key in COUNTERS {
            let count = self.counts[key];
            for node in &self.nodes {
                let total = node.key(key).counter().unwrap_or(0);
                let range = count.acknowledged..=count.acknowledged + count.uncertain;
                assert!(
                    range.contains(&total),
                    "seed {seed}: {} has {total} of `{key}`, told were {count:?}: {:?}",
                    node.name,
                    node.key(key)
                );
            }
        }
        let registers = self.nodes.iter().map(|node| node.key("r").get());
        let registers: std::collections::BTreeSet<_> = registers.collect();
        assert_eq!(registers.len(), 1, "seed {seed}");
    }

    /// A counter is deleted and every node learns of it; each forgets the delete at a different
    /// time, while counting continues.
    fn delete_and_count_on(&mut self, seed: u64) {
        let at = self.any();
        self.nodes[at].write("again", Op::Delete).unwrap();
        trace(|| format!("{} deletes again", self.nodes[at].name));
        self.heal();
        for node in &self.nodes {
            assert_eq!(
                node.key("again").counter(),
                None,
                "seed {seed}: {}",
                node.name
            );
        }
        self.counts.insert("again", Count::default());
        for node in &self.nodes {
            node.wall.fetch_add(11 * MINUTE, Ordering::SeqCst);
        }
    }

    /// A node's folder is copied, and restored later. What the copy lacks, the other nodes have.
    fn copy_or_restore(&mut self) {
        let at = self.any();
        match self.copies[at].take() {
            None => self.copies[at] = Some(self.nodes[at].disk.copy()),
            Some(copy) => {
                trace(|| format!("{} is restored", self.nodes[at].name));
                self.nodes[at].replica = None;
                self.nodes[at].disk.restore(copy);
                self.drop_streams(at);
                self.nodes[at].open();
            }
        }
    }
}

fn run(seed: u64) {
    let mut world = World::new(seed);
    for _ in 0..3 {
        world.chaos(120);
        world.heal();
        world.check(seed);
        world.delete_and_count_on(seed);
        world.copy_or_restore();
        // A restored copy does not know about later deletes; once it does, all nodes agree.
        world.heal();
        world.check(seed);
    }
}

#[test]
fn what_is_acknowledged_stays_whatever_goes_wrong() {
    let number = |name: &str| std::env::var(name).ok().and_then(|n| n.parse::<u64>().ok());
    if let Some(seed) = number("FLARON_SIM_SEED") {
        return run(seed);
    }
    let seeds = number("FLARON_SIM_SEEDS").unwrap_or(60);
    if seeds > 1000 {
        // Write past the test harness, which only shows the output of failed tests.
        let seconds = seeds * 25 / 1000;
        let text =
            format!("\n{seeds} simulated clusters: about {seconds} s of CPU time, optimised\n");
        let _ = std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes());
    }
    // Each world runs in one thread, and there are as many threads as processors.
    let next = AtomicU64::new(0);
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..processors {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds {
                        return;
                    }
                    run(seed);
                }
            });
        }
    });
}

/// The checker detects what it is meant to detect: a folder that is wiped while no other node has
/// everything.
#[test]
fn a_loss_would_be_seen() {
    let mut world = World::new(1);
    world.add(0, "c0");
    world.nodes[0].replica = None;
    world.nodes[0].disk.restore(Vec::new());
    world.nodes[0].open();
    world.heal();
    let seen = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| world.check(1)));
    assert!(seen.is_err());
}

/// A node whose folder is an older copy learns so, however often the connection breaks at the worst
/// moment: after the hello, and before anything was stored.
#[test]
fn a_copy_is_told_so_however_often_streams_break() {
    let mut world = World::new(3);
    world.add(0, "c0");
    world.heal();
    let copy = world.nodes[0].disk.copy();
    let actor = |world: &World| world.nodes[0].hello().unwrap().actor;
    let before = actor(&world);
    // A life that is not in the copy's history.
    world.crash(0);
    world.heal();
    assert_eq!(actor(&world), before);
    world.nodes[0].replica = None;
    world.nodes[0].disk.restore(copy);
    world.drop_streams(0);
    world.nodes[0].open();
    for other in 1..world.nodes.len() {
        for _ in 0..3 {
            // In both directions only the hello gets through.
            world.talk(0, other, 0);
            world.talk(other, 0, 0);
            world.drop_streams(0);
        }
    }
    world.heal();
    assert_ne!(actor(&world), before, "it counts on as if it were the same");
    world.check(3);
}

/// A disk that was full for a while: writes fail during that time, and work afterwards without a
/// restart; what other nodes sent in the meantime is requested again.
#[test]
fn a_disk_that_was_full_works_again() {
    let mut world = World::new(2);
    world.heal();
    world.add(0, "c0");
    let disk = world.nodes[0].disk.clone();
    disk.set_full(true);
    let told = world.nodes[0]
        .write("c0", Op::Add { up: 1, down: 0 })
        .unwrap_err();
    assert_eq!(told.code(), 6);
    world.add(1, "c1");
    for _ in 0..20 {
        world.talk(0, 1, 0);
    }
    assert_eq!(
        world.nodes[0].key("c1").counter(),
        None,
        "it could not be stored"
    );
    let problems = world.nodes[0]
        .replica
        .as_ref()
        .unwrap()
        .shared
        .problems
        .list();
    assert!(
        problems.iter().any(|p| p.what.contains("cannot write")),
        "{problems:?}"
    );
    disk.set_full(false);
    world.add(0, "c0");
    world.counts.get_mut("c0").unwrap().uncertain += 1;
    world.heal();
    world.check(2);
    assert!(world.nodes[0].key("c1").counter().is_some());
    let problems = world.nodes[0]
        .replica
        .as_ref()
        .unwrap()
        .shared
        .problems
        .list();
    assert!(
        problems.iter().all(|p| !p.what.contains("cannot write")),
        "{problems:?}"
    );
}
