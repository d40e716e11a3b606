//! The thread that owns all changing: of flares on this node and from other nodes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use redb::Database;

use crate::capability::plasma::crdt::{Fact, HybridClock, Id, KeyState, Stamp};
use crate::capability::plasma::disk::{persist, remove};
use crate::capability::plasma::error::{PlasmaCode, PlasmaError};
use crate::capability::plasma::shared::Shared;
use crate::sync::write;

/// How many waiting operations share one commit at most.
const MAX_BATCH: usize = 256;

/// What an operation of a flare does to a key.
pub(super) enum Op {
    Set(Arc<[u8]>),
    Delete,
    Add { up: u64, down: u64 },
}

pub(super) type Answer = Result<i64, PlasmaError>;

pub(super) enum Job {
    /// The answer is the counter's new value, 0 for other operations.
    Local {
        id: Id,
        op: Op,
        done: mpsc::SyncSender<Answer>,
    },
    Merge(Vec<Fact>),
    Stop,
}

/// The thread that owns all changing: of flares on this node and from other nodes.
pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) db: Arc<Database>,
    pub(super) clock: HybridClock,
    pub(super) bytes: usize,
    pub(super) max_bytes: usize,
    pub(super) grace_ms: u64,
    pub(super) queue: mpsc::Receiver<Job>,
}

/// The keys that a batch touches, as they will be.
#[derive(Default)]
struct Changes {
    keys: BTreeMap<Id, KeyState>,
    dirty: BTreeSet<Id>,
}

impl Writer {
    pub(super) fn run(mut self) {
        let purge_every = Duration::from_millis((self.grace_ms / 10).clamp(10, 60_000));
        let mut next_purge = Instant::now() + purge_every;
        loop {
            let wait = next_purge.saturating_duration_since(Instant::now());
            match self.queue.recv_timeout(wait) {
                Ok(first) => {
                    let mut batch = vec![first];
                    batch.extend(self.queue.try_iter().take(MAX_BATCH - 1));
                    if self.apply(batch) {
                        return;
                    }
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            }
            if Instant::now() >= next_purge {
                self.purge();
                next_purge = Instant::now() + purge_every;
            }
        }
    }

    /// Applies a batch: to a copy, then to the disk, then to what readers see, then answers, then
    /// tells the others. Whether it was the last one.
    fn apply(&mut self, batch: Vec<Job>) -> bool {
        let mut changes = Changes::default();
        let mut answers = Vec::new();
        let mut stop = false;
        for job in batch {
            match job {
                Job::Local { id, op, done } => {
                    let answer = self.local(&mut changes, id, op);
                    answers.push((done, answer));
                }
                Job::Merge(facts) => {
                    for fact in facts {
                        self.merge(&mut changes, fact);
                    }
                }
                Job::Stop => stop = true,
            }
        }
        changes.keys.retain(|id, _| changes.dirty.contains(id));
        let failed = persist(&self.db, &changes.keys).err().map(|error| {
            tracing::error!(%error, "plasma: cannot write");
            PlasmaError::new(
                PlasmaCode::Internal,
                format!("cannot write to the store: {error}"),
            )
        });
        if failed.is_none() {
            let mut state = write(&self.shared.state);
            for (id, key) in changes.keys {
                let before = state.keys.insert(id.clone(), key);
                let before = before.map_or(0, |key| key.cost(&id));
                let after = state.keys.get(&id).map_or(0, |key| key.cost(&id));
                self.bytes = (self.bytes + after).saturating_sub(before);
            }
        }
        let wrote = failed.is_none() && !changes.dirty.is_empty();
        for (done, answer) in answers {
            let _ = done.send(match &failed {
                // What was refused anyway stays refused for its own reason.
                Some(failed) => answer.and(Err(failed.clone())),
                None => answer,
            });
        }
        if wrote {
            self.shared.tell(changes.dirty);
        }
        stop
    }

    fn key<'c>(&self, changes: &'c mut Changes, id: &Id) -> &'c mut KeyState {
        changes.keys.entry(id.clone()).or_insert_with(|| {
            self.shared
                .state()
                .keys
                .get(id)
                .cloned()
                .unwrap_or_default()
        })
    }

    fn local(&mut self, changes: &mut Changes, id: Id, op: Op) -> Answer {
        let actor = self.shared.actor.clone();
        let max_bytes = self.max_bytes;
        let bytes = self.bytes;
        // Drawn even if not needed, since the key borrows.
        let stamp = Stamp {
            time: self.clock.next(),
            actor: actor.clone(),
        };
        let key = self.key(changes, &id);
        let before = key.cost(&id);
        let room = |grown: usize| {
            if grown > before && bytes + (grown - before) > max_bytes {
                return Err(PlasmaError::new(
                    PlasmaCode::Internal,
                    format!("this node's plasma store is full ({max_bytes} bytes); delete keys"),
                ));
            }
            Ok(())
        };
        let mut after = key.clone();
        let answer = match op {
            Op::Set(value) => {
                after.merge_base(&stamp, Some(value));
                0
            }
            // No room is asked for: to delete is how room is made.
            Op::Delete => {
                after.merge_base(&stamp, None);
                *key = after;
                changes.dirty.insert(id);
                return Ok(0);
            }
            Op::Add { up, down } => {
                if after.value.is_some() {
                    return Err(PlasmaError::new(
                        PlasmaCode::Internal,
                        format!("`{}` holds a value, not a counter; delete it first", id.1),
                    ));
                }
                let own = after.sums.entry(actor).or_default();
                own.up = own.up.saturating_add(up);
                own.down = own.down.saturating_add(down);
                after.counter().unwrap_or(0)
            }
        };
        room(after.cost(&id))?;
        *key = after;
        changes.dirty.insert(id);
        Ok(answer)
    }

    fn merge(&mut self, changes: &mut Changes, fact: Fact) {
        let oldest = self.clock.now_ms().saturating_sub(self.grace_ms);
        let (Fact::Base { id, stamp, .. }
        | Fact::Sums {
            id, base: stamp, ..
        }) = &fact;
        self.clock.see(stamp.time);
        let id = id.clone();
        let key = self.key(changes, &id);
        let before = key.clone();
        let news = match fact {
            Fact::Base { stamp, value, .. } => key.merge_base(&stamp, value),
            Fact::Sums {
                base, actor, sums, ..
            } => key.merge_sums(&base, &actor, sums),
        };
        if news && before == KeyState::default() && key.is_stale(oldest) {
            // A tombstone that was dropped here, and elsewhere soon will be.
            *key = before;
        } else if news {
            changes.dirty.insert(id);
        }
    }

    fn purge(&mut self) {
        let oldest = self.clock.now_ms().saturating_sub(self.grace_ms);
        let stale: BTreeSet<Id> = {
            let state = self.shared.state();
            let stale = state.keys.iter().filter(|(_, key)| key.is_stale(oldest));
            stale.map(|(id, _)| id.clone()).collect()
        };
        if stale.is_empty() {
            return;
        }
        if let Err(error) = remove(&self.db, &stale) {
            tracing::error!(%error, "plasma: cannot drop old tombstones");
            return;
        }
        {
            let mut state = write(&self.shared.state);
            for id in &stale {
                if let Some(key) = state.keys.remove(id) {
                    self.bytes = self.bytes.saturating_sub(key.cost(id));
                }
            }
        }
        self.shared.tell(stale);
    }
}
