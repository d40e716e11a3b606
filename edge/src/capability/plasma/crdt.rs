//! What a key is, and how two nodes' knowledge of it is merged. Pure: no disk, no network, no clock,
//! and nothing from the rest of this crate, so that `edge/merge-model` can be built from this very
//! file.
//!
//! [`KeyState::merge`] is the join of a semilattice: merging in any order, any number of times,
//! gives the same state. `tests/model.rs` tries all orders in all small worlds, and
//! `edge/merge-model` adds forgotten deletes and restored folders.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// How much an entry counts towards
/// [`PlasmaConfig::max_bytes`](crate::capability::plasma::PlasmaConfig), in addition to its key and
/// value.
const ENTRY_OVERHEAD: usize = 128;

/// A site, and a key in it.
pub(super) type Id = (String, String);

/// When something was done, and by whom. Ordered by time, then by actor.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Hash, Serialize, Deserialize)]
pub(super) struct Stamp {
    /// Milliseconds since 1970 in the upper 48 bits, a count in the lower 16. 0 means never.
    pub(super) time: u64,
    pub(super) actor: Arc<str>,
}

/// What one actor added to a counter, and subtracted from it, in the counter's present life.
///
/// A counter that is deleted and then incremented again starts a new life, and each actor that
/// counts in it begins a new `epoch`, by its own clock. So an old sum that comes back late is
/// recognised as old even where the delete has been forgotten: it is never taken for the new one,
/// and never hides it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
pub(super) struct Count {
    /// The time at which the actor began to count.
    pub(super) epoch: u64,
    pub(super) up: u64,
    pub(super) down: u64,
}

impl Count {
    /// The later life wins; within one life sums only grow.
    fn merge(&mut self, other: Count) {
        if other.epoch > self.epoch {
            *self = other;
        } else if other.epoch == self.epoch {
            self.up = self.up.max(other.up);
            self.down = self.down.max(other.down);
        }
    }

    /// Whether `other` includes counting that this does not.
    pub(super) fn is_behind(&self, other: &Count) -> bool {
        let mut merged = *self;
        merged.merge(*other);
        merged != *self
    }
}

/// Everything known about a key.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
pub(super) struct KeyState {
    /// The last set or delete. It ends everything counted in lives that began before it.
    pub(super) base: Stamp,
    /// The value it set; `None` if it was a delete, if there was none, or if counting began after
    /// it.
    pub(super) value: Option<Arc<[u8]>>,
    /// What each actor counted, in lives that began after `base`.
    pub(super) counts: BTreeMap<Arc<str>, Count>,
}

impl KeyState {
    /// Merges what another node knows. Returns whether that changed anything.
    pub(super) fn merge(&mut self, other: &KeyState) -> bool {
        let before = self.clone();
        if other.base > self.base {
            self.base = other.base.clone();
            self.value = other.value.clone();
        } else if other.base == self.base && self.value.is_none() {
            self.value.clone_from(&other.value);
        }
        for (actor, count) in &other.counts {
            self.counts.entry(actor.clone()).or_default().merge(*count);
        }
        self.normalise();
        *self != before
    }

    /// A set (`Some`) or a delete (`None`).
    pub(super) fn replace(&mut self, stamp: Stamp, value: Option<Arc<[u8]>>) {
        self.merge(&KeyState {
            base: stamp,
            value,
            counts: BTreeMap::new(),
        });
    }

    /// Continues counting, or begins to at `now`.
    pub(super) fn add(&mut self, actor: &Arc<str>, now: u64, up: u64, down: u64) {
        let count = self.counts.entry(actor.clone()).or_insert(Count {
            epoch: now,
            ..Count::default()
        });
        count.up = count.up.saturating_add(up);
        count.down = count.down.saturating_add(down);
        self.normalise();
    }

    fn normalise(&mut self) {
        let base = &self.base;
        self.counts
            .retain(|actor, count| (count.epoch, &**actor) > (base.time, &*base.actor));
        // A set and the first count of a counter may happen concurrently: the later of the two
        // wins.
        if !self.counts.is_empty() {
            self.value = None;
        }
    }

    pub(super) fn counter(&self) -> Option<i64> {
        if self.counts.is_empty() {
            return None;
        }
        let total = self.counts.values().fold(0i128, |total, count| {
            total + i128::from(count.up) - i128::from(count.down)
        });
        Some(total.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64)
    }

    pub(super) fn get(&self) -> Option<Vec<u8>> {
        match &self.value {
            Some(value) => Some(value.to_vec()),
            None => self.counter().map(|total| total.to_le_bytes().to_vec()),
        }
    }

    pub(super) fn exists(&self) -> bool {
        self.value.is_some() || !self.counts.is_empty()
    }

    /// Whether it is the remains of a deleted key.
    pub(super) fn is_tombstone(&self) -> bool {
        !self.exists()
    }

    /// How much of the store's room it takes. A tombstone never takes more than what was deleted.
    pub(super) fn cost(&self, id: &Id) -> usize {
        if self.base.time == 0 && self.counts.is_empty() {
            return 0;
        }
        let value = self.value.as_ref().map_or(0, |value| value.len());
        ENTRY_OVERHEAD * (1 + self.counts.len()) + id.0.len() + id.1.len() + value
    }

    /// The latest time in it.
    pub(super) fn latest(&self) -> u64 {
        let counted = self.counts.values().map(|count| count.epoch).max();
        self.base.time.max(counted.unwrap_or(0))
    }
}
