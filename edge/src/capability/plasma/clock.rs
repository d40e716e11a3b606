//! The time that orders changes to keys: a hybrid logical clock.

use crate::capability::kv::WallClock;

/// How many bits of a time count events within a millisecond.
const COUNT_BITS: u32 = 16;

/// How far another node's stamp may be ahead of this node's clock, in milliseconds: a day. Clocks
/// that are hours wrong work; a stamp from the year 6000 would end all writing to its key.
pub(super) const MAX_AHEAD_MS: u64 = 24 * 60 * 60 * 1000;

/// The milliseconds of a time.
pub(super) fn millis(time: u64) -> u64 {
    time >> COUNT_BITS
}

/// The hybrid logical clock: the wall clock, advanced past every time that was seen, so that a
/// write made after seeing another one comes after it, however wrong the clocks are.
pub(super) struct HybridClock {
    wall: WallClock,
    last: u64,
}

impl HybridClock {
    /// A clock that has already been at `last`.
    pub(super) fn new(wall: WallClock, last: u64) -> Self {
        Self { wall, last }
    }

    pub(super) fn now_ms(&self) -> u64 {
        (self.wall)().min(u64::MAX >> COUNT_BITS >> 1)
    }

    /// A time later than all that were returned or seen before.
    pub(super) fn next(&mut self) -> u64 {
        self.last = (self.now_ms() << COUNT_BITS).max(self.last + 1);
        self.last
    }

    /// Whether a clock with an error of less than a day can have produced this time.
    pub(super) fn is_credible(&self, time: u64) -> bool {
        millis(time) <= self.now_ms().saturating_add(MAX_AHEAD_MS)
    }

    /// Advances to this time, if it is credible.
    pub(super) fn see(&mut self, time: u64) {
        if self.is_credible(time) {
            self.last = self.last.max(time);
        }
    }

    /// The latest time that was returned or seen.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// How far it is ahead of the wall clock, in milliseconds.
    pub(super) fn ahead_ms(&self) -> u64 {
        millis(self.last).saturating_sub(self.now_ms())
    }
}
