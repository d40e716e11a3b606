//! Strangers, and nodes that are mistaken.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use super::*;
use crate::capability::cluster::ClusterKeys;
use crate::capability::plasma::clock::HybridClock;
use crate::capability::plasma::crdt::{Count, KeyState, Stamp};
use crate::capability::plasma::protocol::objection;
use crate::capability::store::simulated::Random;

fn keys() -> ClusterKeys {
    ClusterKeys::parse(&ClusterKeys::generate().unwrap()).unwrap()
}

impl Cluster {
    fn keyed(&mut self, name: &str, keys: &ClusterKeys) -> Arc<Plasma> {
        let plasma = Plasma::open(PlasmaConfig::new(name)).unwrap();
        let config = GossipConfig {
            keys: Some(keys.clone()),
            ..self.gossip()
        };
        let address = self.runtime.block_on(plasma.join(config)).unwrap();
        self.seed.get_or_insert(address);
        plasma
    }
}

#[test]
fn nodes_with_the_key_share_and_others_do_not() {
    let mut cluster = Cluster::new();
    let shared = keys();
    let (a, b) = (cluster.keyed("a", &shared), cluster.keyed("b", &shared));
    add(&a, "n", 1);
    eventually("b to have it", || counter(&b, "n") == Some(1));
    let stranger = cluster.keyed("stranger", &keys());
    let keyless = cluster.node("keyless");
    add(&stranger, "n", 100);
    add(&keyless, "n", 1000);
    eventually("the stranger to say why", || {
        let problems = stranger.problems();
        problems.iter().any(|p| p.what.contains("cluster's key"))
    });
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!((counter(&a, "n"), counter(&b, "n")), (Some(1), Some(1)));
    assert_eq!(counter(&stranger, "n"), Some(100));
    assert_eq!(a.status().nodes.len(), 2);
}

#[test]
fn a_key_is_replaced_while_the_cluster_runs() {
    let (old, new) = (
        ClusterKeys::generate().unwrap(),
        ClusterKeys::generate().unwrap(),
    );
    let parse = |text: String| ClusterKeys::parse(&text).unwrap();
    let steps = [
        parse(old.to_string()),
        parse(format!("{},{}", *old, *new)),
        parse(format!("{} {}", *new, *old)),
        parse(new.to_string()),
    ];
    for pair in steps.windows(2) {
        let mut cluster = Cluster::new();
        let (a, b) = (cluster.keyed("a", &pair[0]), cluster.keyed("b", &pair[1]));
        add(&a, "n", 1);
        add(&b, "n", 1);
        eventually("both steps to understand each other", || {
            counter(&a, "n") == Some(2) && counter(&b, "n") == Some(2)
        });
    }
}

/// Whatever a stranger sends, it gets no answer, changes nothing, and crashes nobody.
#[test]
fn what_strangers_send_is_dropped() {
    let mut cluster = Cluster::new();
    let shared = keys();
    let (a, b) = (cluster.keyed("a", &shared), cluster.keyed("b", &shared));
    add(&a, "n", 1);
    eventually("b to have it", || counter(&b, "n") == Some(1));
    let address = a.status().gossip.unwrap();
    let mut random = Random(1);
    for round in 0..300 {
        let Ok(mut stream) = TcpStream::connect(address) else {
            continue;
        };
        stream
            .set_read_timeout(Some(Duration::from_secs(1)))
            .unwrap();
        let length = random.below(200);
        let bytes: Vec<u8> = (0..length).map(|_| random.below(256) as u8).collect();
        let _ = stream.write_all(&bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.is_empty(), "round {round}: {answer:?}");
    }
    add(&b, "n", 1);
    eventually("the nodes to go on", || counter(&a, "n") == Some(2));
    assert!(a.problems().is_empty(), "{:?}", a.problems());
    assert_eq!(a.status().nodes.len(), 2);
}

/// Strangers that connect and say nothing keep nobody out, however many they are.
#[test]
fn strangers_who_say_nothing_keep_nobody_out() {
    let mut cluster = Cluster::new();
    let shared = keys();
    let a = cluster.keyed("a", &shared);
    add(&a, "n", 1);
    let address = a.status().gossip.unwrap();
    let mut silent: Vec<TcpStream> = (0..300)
        .map(|_| TcpStream::connect(address).unwrap())
        .collect();
    let began = Instant::now();
    let b = cluster.keyed("b", &shared);
    eventually("b to have it", || {
        silent.push(TcpStream::connect(address).unwrap());
        counter(&b, "n") == Some(1)
    });
    let took = began.elapsed();
    assert!(took < Duration::from_secs(4), "kept out for {took:?}");
}

/// Replaying a recorded connection achieves nothing.
#[test]
fn what_was_recorded_cannot_be_repeated() {
    let mut cluster = Cluster::new();
    let shared = keys();
    let a = cluster.keyed("a", &shared);
    let behind = a.status().gossip.unwrap();
    // A wiretap between b and a that records what b sends.
    let tap = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let tap_address = tap.local_addr().unwrap();
    let recorded: Arc<std::sync::Mutex<Vec<u8>>> = Arc::default();
    let keep = recorded.clone();
    std::thread::spawn(move || {
        for from_b in tap.incoming() {
            let (mut from_b, keep) = (from_b.unwrap(), keep.clone());
            let mut to_a = TcpStream::connect(behind).unwrap();
            let (mut back, mut to_b) = (to_a.try_clone().unwrap(), from_b.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut back, &mut to_b));
            std::thread::spawn(move || {
                let mut buffer = [0; 4096];
                while let Ok(n @ 1..) = from_b.read(&mut buffer) {
                    keep.lock().unwrap().extend_from_slice(&buffer[..n]);
                    if to_a.write_all(&buffer[..n]).is_err() {
                        return;
                    }
                }
            });
        }
    });
    cluster.seed = Some(tap_address);
    let b = cluster.keyed("b", &shared);
    add(&b, "n", 1);
    eventually("a to have it", || counter(&a, "n") == Some(1));
    let said = recorded.lock().unwrap().clone();
    assert!(said.len() > 100);
    assert!(
        !said.windows(3).any(|w| w == b"~\0\0" || w == b"n~1"),
        "it can be read"
    );
    cluster.runtime.block_on(b.leave());
    eventually("b to be gone", || a.status().nodes.iter().any(|n| !n.alive));
    let mut stream = TcpStream::connect(behind).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(2)))
        .unwrap();
    stream.write_all(&said).unwrap();
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    // Its handshake is answered, with a secret that the recording does not have; nothing else is.
    assert!(answer.len() <= 48, "{} bytes", answer.len());
    assert!(
        a.status()
            .nodes
            .iter()
            .any(|n| n.node_id == "b" && !n.alive)
    );
}

#[test]
fn what_other_nodes_say_is_checked() {
    let now = 1_700_000_000_000u64;
    let clock = HybridClock::new(Arc::new(move || now), 0);
    let good = KeyState {
        base: Stamp {
            time: now << 16,
            actor: "b~1".into(),
        },
        value: Some(Arc::from(&b"value"[..])),
        counts: Default::default(),
    };
    let id = ("s".to_owned(), "k".to_owned());
    assert_eq!(objection(&(id.clone(), good.clone()), &clock), None);
    let bad_key = ("s".to_owned(), "bad key".to_owned());
    assert!(objection(&(bad_key, good.clone()), &clock).is_some());
    let mut far = good.clone();
    far.base.time = (1 << 63) - 1;
    assert!(
        objection(&(id.clone(), far), &clock)
            .unwrap()
            .contains("ahead")
    );
    let mut far = KeyState::default();
    let count = Count {
        epoch: u64::MAX,
        up: 1,
        down: 0,
    };
    far.counts.insert("b~1".into(), count);
    assert!(objection(&(id.clone(), far), &clock).is_some());
    let mut long = good;
    long.value = Some(vec![0; 4 * 1024 * 1024 + 1].into());
    assert!(objection(&(id, long), &clock).is_some());
}
