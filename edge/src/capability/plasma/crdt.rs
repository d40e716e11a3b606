//! What a key is, and how two nodes' knowledge of it becomes one. Pure: no disk, no network.
//!
//! [`KeyState::merge`] is the join of a semilattice: merging in any order, any number of times, ends
//! in the same state. `tests/model.rs` tries all orders of all small worlds.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::capability::kv::WallClock;

/// What an entry costs of [`PlasmaConfig::max_bytes`](crate::capability::plasma::PlasmaConfig)
/// besides its key and value.
const ENTRY_OVERHEAD: usize = 128;

/// Bits of a time that count within a millisecond.
const COUNT_BITS: u32 = 16;

/// How far ahead of this node's clock another's stamp may be, in milliseconds: a day. Clocks that
/// are hours wrong work; a stamp of the year 6000 would end all writing to its key.
pub(super) const MAX_AHEAD_MS: u64 = 24 * 60 * 60 * 1000;

/// A site and a key in it.
pub(super) type Id = (String, String);

/// When and by whom something was done. Ordered by time, then by actor.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Hash, Serialize, Deserialize)]
pub(super) struct Stamp {
    /// Milliseconds since 1970 in the upper 48 bits, a count in the lower 16. 0 = never.
    pub(super) time: u64,
    pub(super) actor: Arc<str>,
}

/// What one actor added to and took from a counter in the counter's present life.
///
/// A counter that is deleted and counted again has another life, and each actor that counts in it
/// begins a new `epoch`, by its clock. So an old sum that comes back late is known to be old, even
/// where nobody remembers the delete: it can neither be taken for the new one nor hide it.
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

    /// Whether `other` knows of counting that this does not.
    pub(super) fn is_behind(&self, other: &Count) -> bool {
        let mut merged = *self;
        merged.merge(*other);
        merged != *self
    }
}

/// All that is known of a key.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
pub(super) struct KeyState {
    /// The last set or delete. It ends what was counted in lives that began before it.
    pub(super) base: Stamp,
    /// What it set; `None` if it was a delete, or never, or if counting began after it.
    pub(super) value: Option<Arc<[u8]>>,
    /// What each actor counted, in lives that began after `base`.
    pub(super) counts: BTreeMap<Arc<str>, Count>,
}

impl KeyState {
    /// Takes in what another node knows. Whether it was news.
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

    /// A set (`Some`) or a delete.
    pub(super) fn replace(&mut self, stamp: Stamp, value: Option<Arc<[u8]>>) {
        self.merge(&KeyState {
            base: stamp,
            value,
            counts: BTreeMap::new(),
        });
    }

    /// Counts on, or begins to at `now`.
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
        // A set and, unaware of it, the first count of a counter: the later of the two stands.
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

    /// Whether it is what a delete leaves.
    pub(super) fn is_tombstone(&self) -> bool {
        !self.exists()
    }

    /// What it takes of the store's room. A delete never costs more than what it deletes.
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

/// The milliseconds of a time.
pub(super) fn millis(time: u64) -> u64 {
    time >> COUNT_BITS
}

/// The hybrid logical clock: the wall clock, pushed forward by every time that was seen, so that
/// who has seen a write and then writes comes after it, however wrong the clocks are.
pub(super) struct HybridClock {
    wall: WallClock,
    last: u64,
}

impl HybridClock {
    /// A clock that has been at `last` already.
    pub(super) fn new(wall: WallClock, last: u64) -> Self {
        Self { wall, last }
    }

    pub(super) fn now_ms(&self) -> u64 {
        (self.wall)().min(u64::MAX >> COUNT_BITS >> 1)
    }

    /// A time after every one that was given or seen before.
    pub(super) fn next(&mut self) -> u64 {
        self.last = (self.now_ms() << COUNT_BITS).max(self.last + 1);
        self.last
    }

    /// Whether a time is one that a clock with less than a day's error can have given.
    pub(super) fn is_credible(&self, time: u64) -> bool {
        millis(time) <= self.now_ms().saturating_add(MAX_AHEAD_MS)
    }

    /// Goes on from there, if it is credible.
    pub(super) fn see(&mut self, time: u64) {
        if self.is_credible(time) {
            self.last = self.last.max(time);
        }
    }

    /// The latest time that it gave or saw.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// How far it is ahead of the wall clock, in milliseconds.
    pub(super) fn ahead_ms(&self) -> u64 {
        millis(self.last).saturating_sub(self.now_ms())
    }
}
