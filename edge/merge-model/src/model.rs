//! Everything that can happen to one key in a small world, checked by [`stateright`].
//!
//! A node performs an operation, tells another what it knows, forgets a delete that all have seen, is
//! backed up, or is restored from its backup. All orders of these steps are tried, until each node has
//! done everything it may. Merging is the edge's own code; which actor a node is after a restore is a
//! short version of the edge's protocol: it counts under a provisional name until another node has
//! told it in which life it last met this folder's actor.
//!
//! Every increment is a separate base-4 digit of the counter, so an increment that is lost, or counted
//! twice, shows in every state in which that happens. What must be there is recorded separately from
//! the keys, by rules that know nothing about epochs and stamps.

use std::collections::BTreeMap;
use std::sync::Arc;

use stateright::{Checker, HasDiscoveries, Model, Property};

use crate::crdt::{KeyState, Stamp};

/// A set of increments: bit i is the i-th one made in this world.
type Set = u32;

/// What is in a node's folder, and what its process makes of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Folder {
    key: KeyState,
    clock: u64,
    actor: u8,
    lives: Vec<u8>,
    /// The life in which this node last met each actor.
    met: BTreeMap<u8, u8>,
    /// The increments, deletes and sets that it has heard of.
    heard: Set,
    ended: Set,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Node {
    folder: Folder,
    /// The name it counts under now.
    acting: u8,
    is_settled: bool,
    backup: Option<Folder>,
    done: u8,
    was_restored: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    nodes: Vec<Node>,
    names: u8,
    lives: u8,
    /// How many increments there were, and how many deletes and sets.
    added: u8,
    replaced: u8,
    /// Increments that a delete or set has ended, and those that it may have ended.
    over: Set,
    loose: Set,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Op {
    Add,
    Set,
    Delete,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Step {
    Do(usize, Op),
    Tell { from: usize, to: usize },
    Forget(usize),
    BackUp(usize),
    Restore(usize),
}

/// A kind of world.
#[derive(Clone)]
struct Rules {
    nodes: usize,
    ops: &'static [Op],
    /// The maximum number of operations per node.
    each: u8,
    backups: bool,
    merge: fn(&mut KeyState, &KeyState),
}

fn right(ours: &mut KeyState, theirs: &KeyState) {
    ours.merge(theirs);
}

fn name(actor: u8) -> Arc<str> {
    format!("n~{actor:02}").into()
}

/// The digits of the increments, least significant first; `None` if increments cannot produce this
/// counter.
fn digits(key: &KeyState) -> Option<Set> {
    let mut rest = u64::try_from(key.counter().unwrap_or(0)).ok()?;
    let mut set = 0;
    for at in 0..16 {
        match rest % 4 {
            0 => {}
            1 => set |= 1 << at,
            _ => return None,
        }
        rest /= 4;
    }
    Some(set)
}

impl World {
    fn merged(&self, rules: &Rules, order: impl Iterator<Item = usize>) -> KeyState {
        let mut all = KeyState::default();
        for at in order {
            (rules.merge)(&mut all, &self.nodes[at].folder.key);
        }
        all
    }

    fn heard(&self) -> Set {
        self.nodes
            .iter()
            .fold(0, |all, node| all | node.folder.heard)
    }

    fn operate(&mut self, at: usize, op: Op) -> Option<()> {
        // These include sets, deletes and increments that this node has not been told about.
        let (heard, ended) = (self.heard(), all(self.replaced));
        let node = &mut self.nodes[at];
        node.done += 1;
        let folder = &mut node.folder;
        folder.clock = folder.clock.max(folder.key.latest()) + 1;
        let stamp = Stamp {
            time: folder.clock,
            actor: name(node.acting),
        };
        let knows_all = folder.ended == ended;
        match op {
            Op::Add => {
                if folder.key.value.is_some() {
                    return None; // It is refused.
                }
                let added = 1 << self.added;
                folder.key.add(
                    &name(node.acting),
                    folder.clock,
                    4u64.pow(self.added.into()),
                    0,
                );
                self.added += 1;
                folder.heard |= added;
                if !knows_all {
                    self.loose |= added;
                }
            }
            Op::Delete if folder.key.is_tombstone() => return None,
            Op::Set | Op::Delete => {
                let value = (op == Op::Set).then(|| Arc::from(&[at as u8][..]));
                folder.key.replace(stamp, value);
                self.over |= folder.heard;
                self.loose |= heard & !folder.heard;
                folder.ended |= 1 << self.replaced;
                self.replaced += 1;
            }
        }
        Some(())
    }

    fn tell(&mut self, rules: &Rules, from: usize, to: usize) {
        let Node { folder, .. } = self.nodes[from].clone();
        let node = &mut self.nodes[to];
        let ours = &mut node.folder;
        ours.clock = ours.clock.max(folder.clock);
        // Counts of this folder's own actor that the folder lacks: it is a copy of an older one.
        let own = |key: &KeyState| key.counts.get(&name(ours.actor)).copied();
        let is_behind = own(&folder.key).is_some_and(|theirs| {
            let is_over =
                (theirs.epoch, &name(ours.actor)) <= (ours.key.base.time, &ours.key.base.actor);
            !is_over && own(&ours.key).unwrap_or_default().is_behind(&theirs)
        });
        let seen = folder.met.get(&ours.actor);
        let is_strange = seen.is_some_and(|life| !ours.lives.contains(life));
        (rules.merge)(&mut ours.key, &folder.key);
        ours.heard |= folder.heard;
        ours.ended |= folder.ended;
        if is_behind || is_strange {
            self.names += 1;
            ours.actor = self.names;
            ours.lives.drain(..ours.lives.len() - 1);
            node.acting = ours.actor;
            node.is_settled = true;
        } else if seen.is_some() {
            node.is_settled = true;
            node.acting = ours.actor;
        }
        // The life of the node is recorded once it has stored everything there is.
        let (actor, life) = (ours.actor, ours.lives.last().copied());
        if let Some(life) = life {
            self.nodes[from].folder.met.insert(actor, life);
        }
    }

    /// Whether all nodes have this node's tombstone, or have had it.
    fn can_forget(&self, at: usize) -> bool {
        let folder = &self.nodes[at].folder;
        folder.key.is_tombstone()
            && folder.key.base.time > 0
            && self.nodes.iter().all(|other| {
                other.folder.ended & folder.ended == folder.ended
                    && other.folder.clock >= folder.key.base.time
            })
    }

    fn restore(&mut self, at: usize) -> Option<()> {
        let mut folder = self.nodes[at].backup.clone()?;
        self.lives += 1;
        folder.lives.push(self.lives);
        self.names += 1;
        let node = &mut self.nodes[at];
        node.folder = folder;
        node.acting = self.names;
        node.is_settled = false;
        node.was_restored = true;
        // A delete that only the lost folder knew is lost with it, and what has since been deleted,
        // and forgotten by all, can come back with the copy.
        self.loose |= self.over;
        self.over = 0;
        Some(())
    }
}

/// The first `count` ones.
fn all(count: u8) -> Set {
    (1 << count) - 1
}

impl Model for Rules {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        let nodes = (0..self.nodes as u8).map(|at| Node {
            folder: Folder {
                key: KeyState::default(),
                clock: u64::from(at) * 3, // skewed
                actor: at,
                lives: vec![at],
                met: BTreeMap::new(),
                heard: 0,
                ended: 0,
            },
            acting: at,
            is_settled: true,
            backup: None,
            done: 0,
            was_restored: false,
        });
        vec![World {
            nodes: nodes.collect(),
            names: self.nodes as u8,
            lives: self.nodes as u8,
            added: 0,
            replaced: 0,
            over: 0,
            loose: 0,
        }]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        for (at, node) in world.nodes.iter().enumerate() {
            if node.done < self.each {
                steps.extend(self.ops.iter().map(|op| Step::Do(at, *op)));
            }
            let others = (0..self.nodes).filter(|from| *from != at);
            steps.extend(others.map(|from| Step::Tell { from, to: at }));
            if world.can_forget(at) {
                steps.push(Step::Forget(at));
            }
            // One backup of one node is enough to show what a backup does.
            if self.backups && at == 0 {
                match node.backup {
                    None => steps.push(Step::BackUp(at)),
                    Some(_) if !node.was_restored => steps.push(Step::Restore(at)),
                    Some(_) => {}
                }
            }
        }
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        let mut next = world.clone();
        match step {
            Step::Do(at, op) => next.operate(at, op)?,
            Step::Tell { from, to } => next.tell(self, from, to),
            Step::Forget(at) => next.nodes[at].folder.key = KeyState::default(),
            Step::BackUp(at) => next.nodes[at].backup = Some(next.nodes[at].folder.clone()),
            Step::Restore(at) => next.restore(at)?,
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(
                "all orders of merging end in the same",
                |rules: &Rules, world: &World| {
                    let count = rules.nodes;
                    let all = world.merged(rules, 0..count);
                    let rotated = (1..count)
                        .map(|by| world.merged(rules, (0..count).map(|at| (at + by) % count)));
                    rotated
                        .chain([world.merged(rules, (0..count).rev())])
                        .all(|other| other == all)
                },
            ),
            Property::always(
                "what is merged is no news",
                |rules: &Rules, world: &World| {
                    let all = world.merged(rules, 0..rules.nodes);
                    let mut again = all.clone();
                    for node in &world.nodes {
                        (rules.merge)(&mut again, &node.folder.key);
                    }
                    again == all
                },
            ),
            Property::always(
                "nothing is lost, and nothing is counted twice",
                |rules: &Rules, world: &World| {
                    let all = world.merged(rules, 0..rules.nodes);
                    let Some(counted) = digits(&all) else {
                        return false;
                    };
                    // What only a restored folder had is lost: no other node has heard of it.
                    let must = world.heard() & !world.over & !world.loose;
                    let may = world.heard() & !world.over;
                    counted & must == must && counted & !may == 0
                },
            ),
            Property::always(
                "a node counts what it has heard of",
                |rules: &Rules, world: &World| {
                    world.nodes.iter().all(|node| {
                        let counted = digits(&node.folder.key);
                        rules.ops != [Op::Add] || counted == Some(node.folder.heard)
                    })
                },
            ),
            Property::sometimes("something is counted", |_: &Rules, world: &World| {
                world.added > 1
            }),
        ]
    }
}

#[track_caller]
fn check(rules: Rules) -> usize {
    let checker = rules.checker().threads(2).spawn_bfs().join();
    checker.assert_properties();
    checker.unique_state_count()
}

/// The properties that merging with these rules violates.
fn broken(rules: Rules) -> Vec<&'static str> {
    // With a wrong merge the search may never end.
    let until = HasDiscoveries::AnyFailures;
    let checker = rules.checker().finish_when(until).spawn_bfs().join();
    let mut found: Vec<&str> = checker.discoveries().into_keys().collect();
    found.retain(|name| *name != "something is counted");
    found
}

const COUNTING: Rules = Rules {
    nodes: 3,
    ops: &[Op::Add],
    each: 1,
    backups: false,
    merge: right,
};

#[test]
fn what_three_nodes_count_is_the_sum() {
    let states = check(COUNTING);
    assert!(states > 50, "{states} worlds");
}

#[test]
fn deletes_sets_and_counting_end_in_one_key_on_two_nodes() {
    let states = check(Rules {
        nodes: 2,
        ops: &[Op::Add, Op::Set, Op::Delete],
        each: 3,
        ..COUNTING
    });
    assert!(states > 1000, "{states} worlds");
}

#[test]
fn a_folder_that_is_put_back_neither_loses_nor_doubles() {
    let states = check(Rules {
        nodes: 2,
        each: 2,
        backups: true,
        ..COUNTING
    });
    assert!(states > 1000, "{states} worlds");
}

#[test]
fn a_folder_that_is_put_back_while_others_delete() {
    let states = check(Rules {
        nodes: 2,
        ops: &[Op::Add, Op::Delete],
        each: 2,
        backups: true,
        ..COUNTING
    });
    assert!(states > 1000, "{states} worlds");
}

/// The control: wrong merges are detected.
#[test]
fn wrong_merges_are_caught() {
    // Adds sums instead of taking the larger one.
    let twice = broken(Rules {
        merge: |ours, theirs| {
            let before = ours.counts.clone();
            ours.merge(theirs);
            for (actor, count) in &mut ours.counts {
                if let (Some(a), Some(b)) = (before.get(actor), theirs.counts.get(actor)) {
                    count.up = a.up + b.up;
                }
            }
        },
        ..COUNTING
    });
    assert!(!twice.is_empty());
    // Takes whatever it was told last.
    let last = broken(Rules {
        merge: |ours, theirs| {
            if *theirs != KeyState::default() {
                ours.clone_from(theirs);
            }
        },
        ..COUNTING
    });
    assert!(!last.is_empty());
    // Keeps the earlier life of an actor's sum, so that old sums that come back hide new ones.
    let lives = broken(Rules {
        nodes: 2,
        ops: &[Op::Add, Op::Delete],
        each: 3,
        merge: |ours, theirs| {
            let before = ours.counts.clone();
            ours.merge(theirs);
            for (actor, count) in &mut ours.counts {
                let sides = [before.get(actor), theirs.counts.get(actor)];
                for side in sides.into_iter().flatten() {
                    if side.epoch < count.epoch {
                        *count = *side;
                    }
                }
            }
        },
        ..COUNTING
    });
    assert!(!lives.is_empty());
}
