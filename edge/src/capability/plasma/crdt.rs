//! What a key is, and how two nodes' knowledge of it becomes one. Pure: no clock, disk or network.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::capability::kv::WallClock;

/// What an entry costs of [`PlasmaConfig::max_bytes`] besides its key and value.
const ENTRY_OVERHEAD: usize = 128;

/// Stamps from here on (the year 6429) are refused: they could not be surpassed.
pub(super) const ABSURD_TIME: u64 = 1 << 63;

/// A site and a key in it.
pub(super) type Id = (String, String);

/// When and by whom a register was set or deleted. Ordered by time, then by actor.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub(super) struct Stamp {
    /// Milliseconds since 1970 in the upper 48 bits, a count in the lower 16. 0 = never.
    pub(super) time: u64,
    pub(super) actor: Arc<str>,
}

/// What one actor added to and took from a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Sums {
    pub(super) up: u64,
    pub(super) down: u64,
}

impl Sums {
    fn join(&mut self, other: Sums) {
        self.up = self.up.max(other.up);
        self.down = self.down.max(other.down);
    }
}

/// All that is known of a key. Merging facts into it in any order, any number of times, ends in the
/// same state.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct KeyState {
    /// The last set or delete; the counter, if there is one, stands on it.
    pub(super) base: Stamp,
    /// What it set; `None` if it was a delete, or never.
    pub(super) value: Option<Arc<[u8]>>,
    /// Each actor's sums since `base`.
    pub(super) sums: BTreeMap<Arc<str>, Sums>,
}

/// One thing that a node tells another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fact {
    /// A set or a delete.
    Base {
        id: Id,
        stamp: Stamp,
        value: Option<Arc<[u8]>>,
    },
    /// An actor's sums, on top of a delete or of nothing.
    Sums {
        id: Id,
        base: Stamp,
        actor: Arc<str>,
        sums: Sums,
    },
}

impl KeyState {
    /// Whether it was news.
    pub(super) fn merge_base(&mut self, stamp: &Stamp, value: Option<Arc<[u8]>>) -> bool {
        if *stamp <= self.base {
            return false;
        }
        *self = Self {
            base: stamp.clone(),
            value,
            sums: BTreeMap::new(),
        };
        true
    }

    /// Whether it was news.
    pub(super) fn merge_sums(&mut self, base: &Stamp, actor: &Arc<str>, sums: Sums) -> bool {
        // Sums on a newer delete tell of that delete.
        let newer = self.merge_base(base, None);
        if *base < self.base {
            return newer;
        }
        let known = self.sums.entry(actor.clone()).or_default();
        let before = *known;
        known.join(sums);
        newer || *known != before
    }

    pub(super) fn counter(&self) -> Option<i64> {
        if self.value.is_some() || self.sums.is_empty() {
            return None;
        }
        let total = self.sums.values().fold(0i128, |total, sums| {
            total + i128::from(sums.up) - i128::from(sums.down)
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
        self.value.is_some() || !self.sums.is_empty()
    }

    pub(super) fn cost(&self, id: &Id) -> usize {
        if self.base.time == 0 && self.sums.is_empty() {
            return 0;
        }
        let value = self.value.as_ref().map_or(0, |value| value.len());
        ENTRY_OVERHEAD * (1 + self.sums.len()) + id.0.len() + id.1.len() + value
    }

    /// A delete of long ago that nothing stands on.
    pub(super) fn is_stale(&self, oldest_ms: u64) -> bool {
        !self.exists() && self.base.time >> 16 < oldest_ms
    }
}

/// The hybrid logical clock.
pub(super) struct HybridClock {
    pub(super) wall: WallClock,
    pub(super) last: u64,
}

impl HybridClock {
    pub(super) fn now_ms(&self) -> u64 {
        (self.wall)().min((ABSURD_TIME >> 16) - 1)
    }

    /// A time after every one that was given or seen before.
    pub(super) fn next(&mut self) -> u64 {
        self.last = (self.now_ms() << 16).max(self.last + 1);
        self.last
    }

    pub(super) fn see(&mut self, time: u64) {
        self.last = self.last.max(time);
    }
}
