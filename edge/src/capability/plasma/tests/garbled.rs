//! Messages from a node that has the key but sends nonsense: garbled before postcard decodes them, or
//! forged.
//!
//! `FLARON_GARBLED=1000000 cargo test -p flaron-edge --lib garbled` tries more of them than the usual run.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::*;
use crate::capability::plasma::crdt::{Count, KeyState, Stamp};
use crate::capability::plasma::members::Members;
use crate::capability::plasma::protocol::{
    Cursor, Entry, Hello, KnownNode, Request, Response, Welcome, answer, note,
};
use crate::capability::plasma::puller::Puller;
use crate::capability::plasma::replica::Changes;
use crate::capability::store::simulated::{Disk, Random};

const NOW: u64 = 1_700_000_000_000;
const MAX_BYTES: usize = 64 * 1024;

fn replica() -> Replica {
    let store = Store::open_with("garbled".to_owned(), Arc::new(Disk::default()).opener()).unwrap();
    let bounds = Bounds::new(MAX_BYTES, 7 * 24 * 60 * 60 * 1000);
    Replica::open(Arc::new(store), "garbled", Arc::new(|| NOW), bounds).unwrap()
}

/// A text of a few letters, and now and then one that no node sends.
fn text(random: &mut Random) -> String {
    let len = if random.chance(3) {
        random.below(3000)
    } else {
        random.below(4)
    };
    let letters = ['a', 'b', '~', '1', 'é', '\0'];
    (0..len).map(|_| letters[random.below(6)]).collect()
}

fn number(random: &mut Random) -> u64 {
    let near = [0, 1, NOW, NOW << 16, 1 << 63, u64::MAX];
    near[random.below(6)]
        .wrapping_add(random.below(5) as u64)
        .wrapping_sub(2)
}

fn entry(random: &mut Random) -> Entry {
    let counts: BTreeMap<Arc<str>, Count> = (0..random.below(3))
        .map(|_| {
            let count = Count {
                epoch: number(random),
                up: number(random),
                down: number(random),
            };
            (text(random).into(), count)
        })
        .collect();
    let value = random
        .chance(50)
        .then(|| vec![7; random.below(2000)].into());
    let state = KeyState {
        base: Stamp {
            time: number(random),
            actor: text(random).into(),
        },
        value,
        counts,
    };
    ((text(random), text(random)), state)
}

fn hello(random: &mut Random) -> Hello {
    Hello {
        cluster: text(random),
        node: text(random),
        actor: text(random).into(),
        life: number(random),
        generation: number(random),
        address: ([127, 0, 0, 1], random.below(3) as u16).into(),
    }
}

fn cursor(random: &mut Random) -> Cursor {
    Cursor {
        incarnation: number(random),
        seq: number(random),
    }
}

fn response(random: &mut Random) -> Response {
    match random.below(4) {
        0 => Response::Changes {
            cursor: cursor(random),
            entries: (0..random.below(4)).map(|_| entry(random)).collect(),
            more: random.chance(50),
            root: number(random),
            members: (0..random.below(4)).map(|_| known(random)).collect(),
        },
        1 => Response::OtherFeed,
        2 => Response::Digests {
            cursor: cursor(random),
            digests: (0..random.below(400)).map(|_| number(random)).collect(),
            time: number(random),
        },
        _ => Response::Entries {
            entries: (0..random.below(4)).map(|_| entry(random)).collect(),
            last: random.chance(50).then(|| (text(random), text(random))),
        },
    }
}

fn known(random: &mut Random) -> KnownNode {
    KnownNode {
        node: text(random),
        address: ([127, 0, 0, 1], 1).into(),
        generation: number(random),
        silent_ms: number(random),
    }
}

fn request(random: &mut Random) -> Request {
    match random.below(3) {
        0 => Request::Changes {
            since: cursor(random),
        },
        1 => Request::Digests,
        _ => Request::Entries {
            buckets: (0..random.below(300))
                .map(|_| random.below(256) as u8)
                .collect(),
            after: random.chance(50).then(|| (text(random), text(random))),
        },
    }
}

/// A message as it arrives: unchanged, or with bytes changed, removed or added; `None` if it no longer
/// decodes.
fn arrives<T: Serialize + DeserializeOwned>(message: &T, random: &mut Random) -> Option<T> {
    let mut bytes = postcard::to_allocvec(message).unwrap();
    for _ in 0..random.below(4) {
        let at = random.below(bytes.len() + 1);
        match random.below(4) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, random.below(256) as u8),
            // The first bytes of an impossible length.
            2 => drop(bytes.splice(at..at, [0xff; 8])),
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = random.below(256) as u8;
                }
            }
        }
    }
    postcard::from_bytes(&bytes).ok()
}

#[test]
fn what_a_garbled_node_says_harms_nobody() {
    let rounds = std::env::var("FLARON_GARBLED").map_or(3_000, |rounds| rounds.parse().unwrap());
    let mut random = Random(1);
    let mut replica = replica();
    let (mut puller, from) = (Puller::new(), Arc::from("b"));
    let mut follower = None;
    let (mut taken, mut refused) = (0, 0);
    for _ in 0..rounds {
        // As a follower.
        let _ = puller.request();
        if let Some(mut response) = arrives(&response(&mut random), &mut random) {
            if let Response::Changes { members, .. } = &response {
                let mut known = lock(&replica.shared.members);
                members.iter().for_each(|other| known.learn(other, NOW));
            }
            let entries = Puller::entries(&mut response);
            let (count, time) = (entries.len(), Puller::time(&response));
            let mut changes = Changes::default();
            match replica.merge(&mut changes, &from, entries, time) {
                Ok(_) => replica.commit(changes).unwrap(),
                Err(error) => assert!(error.to_string().contains("--plasma-limit"), "{error}"),
            }
            puller.advance(&response, count, &replica.shared.state());
            taken += 1;
        } else {
            refused += 1;
        }
        // As the node that is followed.
        if let Some(hello) = arrives(&hello(&mut random), &mut random)
            && hello.is_sane()
        {
            lock(&replica.shared.members).meet(&hello, NOW);
            follower = Some(hello);
        }
        let _ = arrives(&Welcome::OtherCluster(text(&mut random)), &mut random);
        if let (Some(follower), Some(request)) =
            (&follower, arrives(&request(&mut random), &mut random))
        {
            note(&replica.shared, follower, &request);
            let _ = answer(&replica.shared, &follower.node, &request);
        }
    }
    assert!(
        taken > rounds / 10 && refused > rounds / 10,
        "{taken}, {refused}"
    );
    // It holds no more keys and nodes than its limits allow, and continues to work.
    assert!(replica.shared.state().bytes() <= 2 * MAX_BYTES);
    let members = lock(&replica.shared.members).clone();
    assert!(size_of_names(&members) < 1000 * 600);
    let mut changes = Changes::default();
    let id = (SITE.to_owned(), "own".to_owned());
    assert_eq!(
        replica
            .local(&mut changes, id, Op::Add { up: 1, down: 0 })
            .unwrap(),
        1
    );
    replica.commit(changes).unwrap();
    replica.tidy();
}

fn size_of_names(members: &Members) -> usize {
    members.iter().map(|(name, _)| name.len()).sum()
}

#[test]
fn a_node_is_not_told_of_under_a_name_that_none_has() {
    let mut members = Members::default();
    let mut told = KnownNode {
        node: "n".repeat(100_000),
        address: ([127, 0, 0, 1], 1).into(),
        generation: 1,
        silent_ms: 0,
    };
    members.learn(&told, NOW);
    assert!(members.is_empty());
    told.node = "n".to_owned();
    members.learn(&told, NOW);
    assert!(!members.is_empty());
}
