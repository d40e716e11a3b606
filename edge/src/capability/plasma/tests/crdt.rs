//! Merging, in any order.

use std::collections::BTreeMap;

use super::*;
use crate::capability::plasma::crdt::{Fact, KeyState, Stamp};
use crate::capability::plasma::wire;

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
