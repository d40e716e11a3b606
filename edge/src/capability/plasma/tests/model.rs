//! Tests the merge with all orders of all operations in small worlds.
//!
//! A world is three nodes with a few operations each. From its initial state every possible next
//! step is taken: a node performs its next operation, merges what another node knows at that moment,
//! or drops a tombstone that all have. In every state reached this way, merging all nodes in every
//! order must give the same key, and, where nobody deletes or sets, the sum of everything that was
//! counted.

use std::collections::HashSet;

use crate::capability::plasma::crdt::{KeyState, Stamp};

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Do {
    Add(u64),
    Set,
    Delete,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct World {
    keys: [KeyState; 3],
    /// Each node's hybrid clock.
    clocks: [u64; 3],
    /// How many of its operations each node has performed.
    done: [usize; 3],
}

const ACTORS: [&str; 3] = ["a~1", "b~2", "c~3"];

impl World {
    fn act(&self, at: usize, op: Do) -> World {
        let mut next = self.clone();
        next.clocks[at] = next.clocks[at].max(next.keys[at].latest()) + 1;
        next.done[at] += 1;
        let now = next.clocks[at];
        let key = &mut next.keys[at];
        let stamp = Stamp {
            time: now,
            actor: ACTORS[at].into(),
        };
        match op {
            Do::Add(n) if key.value.is_none() => key.add(&ACTORS[at].into(), now, n, 0),
            Do::Add(_) => {}
            Do::Set => key.replace(stamp, Some(vec![at as u8].into())),
            Do::Delete if key.is_tombstone() => {}
            Do::Delete => key.replace(stamp, None),
        }
        next
    }

    fn tell(&self, from: usize, to: usize) -> World {
        let mut next = self.clone();
        next.clocks[to] = next.clocks[to].max(next.keys[from].latest());
        next.keys[to].merge(&self.keys[from]);
        next
    }

    /// A node forgets a tombstone once all nodes have seen it.
    fn forget(&self, at: usize) -> Option<World> {
        let tombstone = &self.keys[at];
        let is_seen = self.clocks.iter().zip(&self.keys).all(|(clock, key)| {
            let knows = key.base >= tombstone.base || *key == KeyState::default();
            knows && *clock >= tombstone.base.time
        });
        (tombstone.is_tombstone() && tombstone.base.time > 0 && is_seen).then(|| {
            let mut next = self.clone();
            next.keys[at] = KeyState::default();
            next
        })
    }

    fn merged(&self, order: [usize; 3]) -> KeyState {
        let mut all = KeyState::default();
        for at in order {
            all.merge(&self.keys[at]);
        }
        all
    }
}

/// Explores all worlds; returns how many there are.
fn explore(plans: [&[Do]; 3], forgetting: bool) -> usize {
    let counts_only = plans
        .iter()
        .all(|p| p.iter().all(|op| matches!(op, Do::Add(_))));
    let start = World {
        keys: Default::default(),
        clocks: [0, 3, 1], // skewed
        done: [0; 3],
    };
    let mut seen = HashSet::from([start.clone()]);
    let mut todo = vec![start];
    while let Some(world) = todo.pop() {
        let all = world.merged([0, 1, 2]);
        for order in [[0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            assert_eq!(all, world.merged(order), "{plans:?}");
        }
        let mut again = all.clone();
        for key in &world.keys {
            assert!(!again.merge(key), "what is merged is no news: {plans:?}");
        }
        if counts_only {
            let acknowledged: u64 = (0..3)
                .flat_map(|at| &plans[at][..world.done[at]])
                .map(|op| match op {
                    Do::Add(n) => *n,
                    Do::Set | Do::Delete => 0,
                })
                .sum();
            assert_eq!(all.counter().unwrap_or(0), acknowledged as i64, "{plans:?}");
        }
        let mut next = Vec::new();
        for (at, plan) in plans.iter().enumerate() {
            if let Some(op) = plan.get(world.done[at]) {
                next.push(world.act(at, *op));
            }
            for from in (0..3).filter(|from| *from != at) {
                next.push(world.tell(from, at));
            }
            next.extend(world.forget(at).filter(|_| forgetting));
        }
        for world in next {
            if seen.insert(world.clone()) {
                todo.push(world);
            }
        }
    }
    seen.len()
}

#[test]
fn all_orders_of_counting_end_in_the_sum() {
    let states = explore(
        [
            &[Do::Add(1), Do::Add(10)],
            &[Do::Add(100)],
            &[Do::Add(1000)],
        ],
        false,
    );
    assert!(states > 100, "{states} worlds were tried");
}

#[test]
fn all_orders_of_everything_end_in_one_key() {
    let ops = [Do::Add(1), Do::Set, Do::Delete];
    let mut worlds = 0;
    for a in ops {
        for b in ops {
            for c in ops {
                worlds += explore([&[a, Do::Add(10)], &[b], &[c]], true);
            }
        }
    }
    assert!(worlds > 1000, "{worlds} worlds were tried");
}

/// What is counted after a delete that all nodes have seen is there in the end, no matter when
/// which node forgets the delete.
#[test]
fn forgetting_a_delete_loses_nothing_that_is_counted_after_it() {
    // All have the tombstone; then each counts, while tombstones are dropped in all orders.
    let tombstone = KeyState {
        base: Stamp {
            time: 5,
            actor: "a~1".into(),
        },
        ..KeyState::default()
    };
    let start = World {
        keys: [tombstone.clone(), tombstone.clone(), tombstone],
        clocks: [5; 3],
        done: [0; 3],
    };
    let mut seen = HashSet::from([start.clone()]);
    let mut todo = vec![start];
    while let Some(world) = todo.pop() {
        let counted: usize = world.done.iter().sum();
        let all = world.merged([0, 1, 2]);
        assert_eq!(all.counter().unwrap_or(0), counted as i64);
        let mut next: Vec<World> = (0..3).filter_map(|at| world.forget(at)).collect();
        for at in 0..3 {
            // One of them counts twice. That is enough to show the effect; more would create many
            // more worlds.
            if world.done[at] < 1 + usize::from(at == 0) {
                next.push(world.act(at, Do::Add(1)));
            }
            for from in (0..3).filter(|from| *from != at) {
                next.push(world.tell(from, at));
            }
        }
        for world in next {
            if seen.insert(world.clone()) {
                todo.push(world);
            }
        }
    }
    assert!(seen.len() > 1000, "{}", seen.len());
}
