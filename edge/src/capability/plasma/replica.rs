//! Applies all changes, from flares on this node and from other nodes: first to a copy, then to the
//! disk, then to what readers see. If a step fails, nothing has changed.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::capability::health::Severity;
use crate::capability::kv::WallClock;
use crate::capability::plasma::clock::{HybridClock, MAX_AHEAD_MS, millis};
use crate::capability::plasma::crdt::{Id, KeyState, Stamp};
use crate::capability::plasma::disk::{Batch, Changed, Identity, load, new_actor, persist, random};
use crate::capability::plasma::error::{PlasmaCode, PlasmaError};
use crate::capability::plasma::protocol::{Entry, objection};
use crate::capability::plasma::shared::Shared;
use crate::capability::plasma::state::State;
use crate::capability::store::{Store, StoreError};
use crate::sync::{lock, write};

/// The minimum age of a tombstone before it is dropped, in milliseconds, so that nothing that was
/// in transit when it was created still is; and the minimum age when room is short.
const MIN_TOMBSTONE_MS: u64 = 10 * 60 * 1000;
const MIN_TOMBSTONE_SHORT_MS: u64 = 60 * 1000;

/// How many tombstones one transaction drops at most.
const PURGE_BATCH: usize = 10_000;

/// What a flare's operation does to a key.
pub(super) enum Op {
    Set(Arc<[u8]>),
    Delete,
    Add { up: u64, down: u64 },
}

/// The counter's new value, 0 for other operations.
pub(super) type Answer = Result<i64, PlasmaError>;

/// The limits of a replica.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// For what this node's flares write, in bytes. The limit for what others write is twice this.
    pub(super) max_bytes: usize,
    /// How long to wait for a node that is away before dropping tombstones that it has not seen.
    pub(super) absence_ms: u64,
    /// The minimum age of a tombstone before it is dropped.
    pub(super) min_tombstone_ms: u64,
}

impl Bounds {
    pub(super) fn new(max_bytes: usize, absence_ms: u64) -> Self {
        Self {
            max_bytes,
            absence_ms,
            min_tombstone_ms: MIN_TOMBSTONE_MS.min(absence_ms),
        }
    }
}

/// The keys touched by a batch, in their new state.
#[derive(Default)]
pub(super) struct Changes {
    keys: Changed,
    grown: usize,
    identity: Option<Identity>,
}

/// One node's copy of the data.
pub(super) struct Replica {
    pub(super) shared: Arc<Shared>,
    store: Arc<Store>,
    clock: HybridClock,
    bounds: Bounds,
    /// The name this node counts under at the moment: the folder's actor, or a provisional one
    /// until the other nodes have confirmed that the folder is not an older copy.
    acting: Arc<str>,
    is_settled: bool,
}

impl Replica {
    /// Loads what is on disk and begins a life of the node.
    pub(super) fn open(
        store: Arc<Store>,
        node_id: &str,
        wall: WallClock,
        bounds: Bounds,
    ) -> Result<Self, StoreError> {
        let now_ms = wall();
        let (loaded, incarnation, own) = store.write(0, |database| {
            let loaded = load(database, node_id, now_ms)?;
            // A node that has met others may since have been restored from a backup, so until it
            // has asked them it counts under a provisional name.
            let is_settled = loaded.members.is_empty();
            let own = match is_settled {
                true => loaded.identity.actor.clone(),
                false => new_actor(node_id)?,
            };
            Ok((loaded, random()?, own))
        })?;
        let latest = loaded.keys.values().map(KeyState::latest).max();
        let clock = HybridClock::new(wall.clone(), loaded.clock.max(latest.unwrap_or(0)));
        let is_settled = own == loaded.identity.actor;
        let state = State::new(incarnation, loaded.keys);
        let time = clock.last();
        let shared = Shared::new(
            node_id.to_owned(),
            loaded.identity,
            loaded.members,
            state,
            wall,
        );
        shared.time.store(time, Ordering::SeqCst);
        Ok(Self {
            shared: Arc::new(shared),
            store,
            clock,
            bounds,
            acting: own,
            is_settled,
        })
    }

    /// Reloads everything after a failure that should be impossible. A new feed begins.
    pub(super) fn reload(&mut self) -> Result<(), StoreError> {
        let node_id = self.shared.node_id.clone();
        let now_ms = self.clock.now_ms();
        let (loaded, incarnation) = self.store.write(0, |database| {
            Ok((load(database, &node_id, now_ms)?, random()?))
        })?;
        *lock(&self.shared.identity) = loaded.identity;
        lock(&self.shared.members).restart_feed();
        *write(&self.shared.state) = State::new(incarnation, loaded.keys);
        Ok(())
    }

    /// Applies one operation of a flare to a batch.
    pub(super) fn local(&mut self, changes: &mut Changes, id: Id, op: Op) -> Answer {
        let before = self.key(changes, &id);
        let now = self.clock.next();
        if now <= before.latest() || self.clock.ahead_ms() > MAX_AHEAD_MS {
            return Err(PlasmaError::new(
                PlasmaCode::Internal,
                format!(
                    "`{}` was changed at a time that is {} s ahead of this node's clock, so no \
                     change can follow; set the clock. If it is right now and was wrong then, stop the \
                     node, save what only it has with `flaron-edge store export DIR`, and start afresh \
                     with `flaron-edge store reset DIR --store plasma`",
                    id.1,
                    millis(before.latest().max(now)).saturating_sub(self.clock.now_ms()) / 1000
                ),
            ));
        }
        let stamp = Stamp {
            time: now,
            actor: self.acting.clone(),
        };
        let mut after = before.clone();
        let answer = match op {
            Op::Set(value) => {
                after.replace(stamp, Some(value));
                0
            }
            // Deleting a key that does not exist leaves no tombstone.
            Op::Delete if before.is_tombstone() => return Ok(0),
            Op::Delete => {
                after.replace(stamp, None);
                0
            }
            Op::Add { up, down } => {
                if after.value.is_some() {
                    return Err(PlasmaError::new(
                        PlasmaCode::Internal,
                        format!("`{}` holds a value, not a counter; delete it first", id.1),
                    ));
                }
                after.add(&self.acting, now, up, down);
                after.counter().unwrap_or(0)
            }
        };
        let grown = after.cost(&id).saturating_sub(before.cost(&id));
        self.check_room(changes, grown)?;
        changes.grown += grown;
        changes.keys.insert(id, (after, None));
        Ok(answer)
    }

    fn check_room(&self, changes: &Changes, grown: usize) -> Result<(), PlasmaError> {
        let state = self.shared.state();
        let max = self.bounds.max_bytes;
        if grown == 0 || state.bytes() + changes.grown + grown <= max {
            return Ok(());
        }
        let what = format!(
            "this node's plasma store is full: {} of {max} bytes, including {} deleted keys that are \
             kept until all nodes have seen the delete. Delete keys, raise --plasma-limit, or bring back \
             nodes that are away",
            state.bytes(),
            state.tombstones()
        );
        self.shared
            .problems
            .set(Severity::Warning, "full", what.clone());
        Err(PlasmaError::new(PlasmaCode::Internal, what))
    }

    fn key(&self, changes: &Changes, id: &Id) -> KeyState {
        match changes.keys.get(id) {
            Some((key, _)) => key.clone(),
            None => self.shared.state().get(id).cloned().unwrap_or_default(),
        }
    }

    /// Merges entries from another node into a batch. Entries that cannot be valid are left out and
    /// reported. `time` is a time that the other node's clock has seen.
    pub(super) fn merge(
        &mut self,
        changes: &mut Changes,
        from: &Arc<str>,
        entries: Vec<Entry>,
        time: u64,
    ) -> Answer {
        self.clock.see(time);
        let max = self.bounds.max_bytes.saturating_mul(2);
        for entry in entries {
            if let Some(what) = objection(&entry, &self.clock) {
                let what = format!("another node sent {what}; it is ignored");
                self.shared.tell(Severity::Notice, "refused", what);
                continue;
            }
            let (id, theirs) = entry;
            self.clock.see(theirs.latest());
            let before = self.key(changes, &id);
            self.notice_fork(changes, &id, &before, &theirs);
            let mut after = before.clone();
            if !after.merge(&theirs) {
                continue;
            }
            if before == KeyState::default() && after.is_tombstone() {
                // The key was never here, or has been forgotten: there is nothing to delete. If a
                // third node still sends what was deleted, the digests will differ and bring the
                // tombstone.
                let age = self.clock.now_ms().saturating_sub(millis(after.base.time));
                if age >= self.bounds.min_tombstone_ms {
                    continue;
                }
            }
            let grown = after.cost(&id).saturating_sub(before.cost(&id));
            let bytes = self.shared.state().bytes() + changes.grown + grown;
            if grown > 0 && bytes > max {
                let what = format!(
                    "other nodes have more data than this one accepts ({bytes} of {max} bytes), so it \
                     no longer follows them. Raise --plasma-limit here, as on the other nodes"
                );
                self.shared.tell(Severity::Warning, "full", what.clone());
                return Err(PlasmaError::new(PlasmaCode::Internal, what));
            }
            changes.grown += grown;
            let is_theirs = after == theirs;
            changes
                .keys
                .insert(id, (after, is_theirs.then(|| from.clone())));
        }
        Ok(0)
    }

    /// Nobody can know better than this node what it has counted itself, unless its folder is a
    /// copy of an older one; then it must not continue under that name.
    fn notice_fork(&mut self, changes: &mut Changes, id: &Id, ours: &KeyState, theirs: &KeyState) {
        let actor = lock(&self.shared.identity).actor.clone();
        let Some(count) = theirs.counts.get(&actor) else {
            return;
        };
        let known = ours.counts.get(&actor).copied().unwrap_or_default();
        let is_over = (count.epoch, &*actor) <= (ours.base.time, &*ours.base.actor);
        if !is_over && known.is_behind(count) {
            self.fork(changes, &format!("they know later counts of `{}`", id.1));
        }
    }

    /// Continues under a new name.
    fn fork(&mut self, changes: &mut Changes, why: &str) {
        let Ok(actor) = new_actor(&self.shared.node_id) else {
            return; // No randomness: the provisional name will do until there is.
        };
        let mut identity = lock(&self.shared.identity).clone();
        let life = identity.life();
        let what = format!(
            "this data folder is a copy of an older one, or two nodes use copies of it: other \
             nodes have seen a later life of `{}` ({why}). From now on this node counts as \
             `{actor}`; what both have counted is kept",
            identity.actor
        );
        self.shared.tell(Severity::Notice, "copied", what);
        identity.actor = actor.clone();
        identity.lives = vec![life];
        // Set at once, so that one answer advances it once; written with the batch.
        lock(&self.shared.identity).clone_from(&identity);
        changes.identity = Some(identity);
        self.acting = actor;
        self.is_settled = true;
    }

    /// Another node has said in which life it last met this node's actor, and everything it had at
    /// that time is now stored here.
    pub(super) fn met(&mut self, changes: &mut Changes, seen: Option<u64>) {
        let identity = lock(&self.shared.identity).clone();
        match seen {
            Some(life) if !identity.lives.contains(&life) => {
                self.fork(changes, "a life that is not in the folder's history");
            }
            Some(_) if !self.is_settled => {
                self.is_settled = true;
                self.acting = identity.actor;
            }
            _ => {}
        }
    }

    /// Writes a batch. On return either all of it is on disk and visible to readers, or none of it.
    pub(super) fn commit(&mut self, changes: Changes) -> Result<(), PlasmaError> {
        let members_dirty = lock(&self.shared.members).take_dirty();
        if changes.keys.is_empty() && changes.identity.is_none() && !members_dirty {
            return Ok(());
        }
        let members = members_dirty.then(|| lock(&self.shared.members).clone());
        let batch = Batch {
            keys: Some(&changes.keys),
            identity: changes.identity.as_ref(),
            members: members.as_ref(),
            clock: self.clock.last(),
            ..Batch::default()
        };
        let costs = changes.keys.iter().map(|(id, (key, _))| key.cost(id));
        let written = self
            .store
            .write(costs.sum(), |database| persist(database, &batch));
        if let Err(error) = written {
            if members_dirty {
                lock(&self.shared.members).set_dirty();
            }
            return Err(self.disk_failed(&error));
        }
        self.see_whether_well();
        if changes.keys.is_empty() {
            return Ok(());
        }
        // This comes before the changes become visible: a node that saw them without it would count
        // before them.
        self.shared.time.store(self.clock.last(), Ordering::SeqCst);
        {
            let mut state = write(&self.shared.state);
            for (id, (key, from)) in changes.keys {
                state.put(id, key, from);
            }
            self.see_whether_full(&state);
        }
        self.shared.announce();
        Ok(())
    }

    /// Periodic housekeeping: forgets nodes that are gone, drops tombstones that all nodes have
    /// seen, and checks whether a failed disk works again.
    pub(super) fn tidy(&mut self) {
        self.store.probe();
        self.see_whether_well();
        let now_ms = self.clock.now_ms();
        let gone = lock(&self.shared.members).forget(now_ms.saturating_sub(self.bounds.absence_ms));
        for node in gone {
            tracing::warn!(
                node,
                "plasma: this node has been away for so long that the others no longer wait for it. If \
                 it comes back, keys that were deleted in the meantime may come back with it"
            );
        }
        self.drop_tombstones(now_ms);
        // A disk error is recorded as a problem where it occurs.
        let _ = self.commit(Changes::default());
        match self.clock.ahead_ms() {
            ahead if ahead > 60_000 => {
                let what = format!(
                    "this node's clock is {} s behind the times of earlier writes, its own or others'; correct the clocks",
                    ahead / 1000
                );
                self.shared.problems.set(Severity::Warning, "clock", what);
            }
            _ => self.shared.problems.clear("clock"),
        }
    }

    fn drop_tombstones(&mut self, now_ms: u64) {
        let stale: Vec<Id> = {
            let state = self.shared.state();
            let members = lock(&self.shared.members);
            let is_short = state.bytes() > self.bounds.max_bytes / 2;
            let min_age = match (members.is_empty(), is_short) {
                // No other node can have what was deleted.
                (true, _) => 0,
                (false, true) => self.bounds.min_tombstone_ms.min(MIN_TOMBSTONE_SHORT_MS),
                (false, false) => self.bounds.min_tombstone_ms,
            };
            state
                .iter_tombstones()
                .filter(|(_, key, seq)| {
                    let age = now_ms.saturating_sub(millis(key.base.time));
                    age >= min_age && members.all_have(*seq)
                })
                .map(|(id, ..)| id.clone())
                .take(PURGE_BATCH)
                .collect()
        };
        if stale.is_empty() {
            return;
        }
        let batch = Batch {
            removed: &stale,
            clock: self.clock.last(),
            ..Batch::default()
        };
        match self.store.write(0, |database| persist(database, &batch)) {
            Ok(()) => {
                let mut state = write(&self.shared.state);
                for id in &stale {
                    state.remove(id);
                }
                self.see_whether_full(&state);
            }
            Err(error) => {
                self.disk_failed(&error);
            }
        }
    }

    /// Clears the problem "full" once the store no longer is.
    fn see_whether_full(&self, state: &State) {
        if state.bytes() < self.bounds.max_bytes {
            self.shared.problems.clear("full");
        }
    }

    /// Clears the problem "disk" once the disk works.
    fn see_whether_well(&self) {
        if self.store.fault().is_none() {
            self.shared.problems.clear("disk");
        }
    }

    /// Reports that the disk failed, and returns the error for the caller that wanted to write.
    fn disk_failed(&self, error: &StoreError) -> PlasmaError {
        let what = format!("cannot write to the store: {error}");
        self.shared.tell(Severity::Failure, "disk", what.clone());
        PlasmaError::new(PlasmaCode::Internal, what)
    }

    /// The name this node counts under at the moment.
    #[cfg(test)]
    pub(super) fn acting(&self) -> &Arc<str> {
        &self.acting
    }
}
