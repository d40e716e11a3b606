mod cluster;
mod crdt;
mod damage;
mod disk;
mod garbled;
mod hostile;
mod model;
mod network;
mod session;
mod simulation;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::capability::plasma::*;

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

/// Waits for something that gossip is going to bring about.
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
    name: String,
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
            name: format!("test {}", getrandom::u64().unwrap()),
        }
    }

    fn gossip(&self) -> GossipConfig {
        GossipConfig {
            seeds: self.seed.iter().map(SocketAddr::to_string).collect(),
            interval: Duration::from_millis(20),
            // A cluster name of its own, because another test may soon use the same port.
            cluster: self.name.clone(),
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

fn on_disk(name: &str, dir: &tempfile::TempDir) -> PlasmaConfig {
    let path = dir.path().join(format!("{name}.redb"));
    PlasmaConfig {
        path: Some(path),
        ..PlasmaConfig::new(name)
    }
}
