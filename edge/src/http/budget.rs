//! How much of its clients' data a node holds in memory at once.
//!
//! Everything that grows with what clients send, or with how slowly they read, is counted here: bodies
//! for flares, WebSocket messages, responses waiting to be read. When the budget is used up, those that
//! need more wait, and are rejected if that takes too long; those that hold some continue, but may pause
//! for less time ([`Budget::patience`]). Room is always reserved before anything is read.
//!
//! Most messages reserve once, everything they need. A message of unknown length reserves some room at
//! first, and everything it may need once it has proved not to be small ([`Budget::grow`]). Enough such
//! messages could hold the whole budget, with each waiting for what the others have. So their first
//! reservations are limited to a share of the budget, and no reservation is larger than what is left
//! beside that share: whoever waits, waits for messages that have all their room.
//!
//! That holds for each message on its own. A request that holds a large head or a body and needs more
//! (its body, or a response that its flare fetches) may wait for others that do the same; there, [`WAIT`]
//! ends the wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// The default size of the budget, in bytes.
pub(crate) const DEFAULT_BYTES: usize = 128 << 20;
/// Anything up to this size is not counted: there are no more such pieces than connections, and
/// counting one would cost a small request more than the bytes themselves.
pub(crate) const UNCOUNTED: usize = 8 << 10;
/// The first reservation for something of unknown length, in bytes, before it has proved not to be small.
pub(crate) const FIRST: usize = 64 << 10;
/// How long to wait for room.
const WAIT: Duration = Duration::from_secs(10);
/// How long a client may pause while there is room for everyone, and while there is not.
const PATIENCE: Duration = Duration::from_secs(30);
const SHORT_PATIENCE: Duration = Duration::from_secs(5);
/// How many bytes one permit of the semaphore represents.
const UNIT: usize = 1 << 10;
/// The share for messages that may need more than they have, as a divisor.
const SHARE: u32 = 4;

/// The node's memory budget for its clients' data.
#[derive(Debug)]
pub(crate) struct Budget {
    room: Arc<Semaphore>,
    /// What is left of the share.
    firsts: Arc<Semaphore>,
    /// The size of the share, and of the rest of the budget.
    share: u32,
    most: u32,
    waiting: AtomicUsize,
}

/// A part of the budget, returned when this is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    permit: Option<OwnedSemaphorePermit>,
    /// The place in the share, for a message that may need more.
    share: Option<OwnedSemaphorePermit>,
}

/// No room became free in time.
#[derive(Debug)]
pub(crate) struct OverBudget;

impl Budget {
    /// A budget of this many bytes.
    pub(crate) fn new(bytes: usize) -> Arc<Budget> {
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX);
        let units = units.min(u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX));
        let share = units / SHARE;
        Arc::new(Budget {
            room: Arc::new(Semaphore::new(units as usize)),
            firsts: Arc::new(Semaphore::new(share as usize)),
            share,
            most: units - share,
            waiting: AtomicUsize::new(0),
        })
    }

    /// How many permits this many bytes take. A number above the maximum counts as the maximum, so
    /// that a large message is served alone instead of never.
    fn units_of(&self, bytes: usize) -> u32 {
        match bytes <= UNCOUNTED {
            true => 0,
            false => self.all_units_of(bytes),
        }
    }

    fn all_units_of(&self, bytes: usize) -> u32 {
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX);
        units.min(self.most)
    }

    /// Reserves room for this many bytes, if there is some now.
    pub(crate) fn try_hold(&self, bytes: usize) -> Option<Held> {
        let permit = match self.units_of(bytes) {
            0 => None,
            units => Some(self.room.clone().try_acquire_many_owned(units).ok()?),
        };
        Some(Held::of(permit))
    }

    /// Reserves room for this many bytes, waiting for it if necessary.
    ///
    /// # Errors
    ///
    /// When none became free within [`WAIT`].
    pub(crate) async fn hold(&self, bytes: usize) -> Result<Held, OverBudget> {
        if let Some(held) = self.try_hold(bytes) {
            return Ok(held);
        }
        let permit = self.wait(&self.room, self.units_of(bytes)).await?;
        Ok(Held::of(Some(permit)))
    }

    /// Reserves room for the beginning of a message whose length is unknown; [`grow`](Self::grow)
    /// reserves the rest.
    ///
    /// # Errors
    ///
    /// When no room became free within [`WAIT`], or none in the share.
    pub(crate) async fn hold_first(&self, bytes: usize) -> Result<Held, OverBudget> {
        let units = self.units_of(bytes).min(self.share);
        if units == 0 {
            return Ok(Held::of(None));
        }
        let share = self.wait(&self.firsts, units).await?;
        let permit = self.wait(&self.room, units).await?;
        Ok(Held {
            permit: Some(permit),
            share: Some(share),
        })
    }

    /// Reserves everything that a message needs, for one that has a first reservation. It can be
    /// called only once for each.
    ///
    /// # Errors
    ///
    /// When no room became free within [`WAIT`].
    pub(crate) async fn grow(&self, held: &mut Held, bytes: usize) -> Result<(), OverBudget> {
        let has = held
            .permit
            .as_ref()
            .map_or(0, |permit| permit.num_permits());
        let has = u32::try_from(has).unwrap_or(u32::MAX);
        let more = self.units_of(bytes).saturating_sub(has);
        let more = self.wait(&self.room, more).await?;
        held.add(Held::of(Some(more)));
        held.share = None;
        Ok(())
    }

    async fn wait(
        &self,
        room: &Arc<Semaphore>,
        units: u32,
    ) -> Result<OwnedSemaphorePermit, OverBudget> {
        if let Ok(permit) = room.clone().try_acquire_many_owned(units) {
            return Ok(permit);
        }
        let _waiting = Waiting::new(&self.waiting);
        match tokio::time::timeout(WAIT, room.clone().acquire_many_owned(units)).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(OverBudget),
        }
    }

    /// Reserves room for `bytes` added to `before` bytes, if there is some now. Pieces that are small
    /// individually are not small together.
    pub(crate) fn try_hold_more(&self, before: usize, bytes: usize) -> Option<Held> {
        match before.saturating_add(bytes) <= UNCOUNTED {
            true => Some(Held::of(None)),
            false => self.try_hold_part(bytes),
        }
    }

    /// Reserves room for one of many parts, however small it is, if there is some now.
    pub(crate) fn try_hold_part(&self, bytes: usize) -> Option<Held> {
        let permit = self
            .room
            .clone()
            .try_acquire_many_owned(self.all_units_of(bytes));
        permit.ok().map(|permit| Held::of(Some(permit)))
    }

    /// The same, waiting for it if necessary.
    pub(crate) async fn hold_part(&self, bytes: usize) -> Held {
        let _waiting = Waiting::new(&self.waiting);
        let permit = self
            .room
            .clone()
            .acquire_many_owned(self.all_units_of(bytes));
        // The semaphore is never closed.
        Held::of(permit.await.ok())
    }

    /// What is left, in KiB.
    #[cfg(test)]
    pub(crate) fn free_kib(&self) -> usize {
        self.room.available_permits()
    }

    /// How long a client that holds a part of the budget may pause: less while others are waiting.
    pub(crate) fn patience(&self) -> Duration {
        match self.waiting.load(Ordering::Relaxed) {
            0 => PATIENCE,
            _ => SHORT_PATIENCE,
        }
    }
}

/// Counts a waiting task, for as long as this lives.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Waiting(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Held {
    fn of(permit: Option<OwnedSemaphorePermit>) -> Held {
        Held {
            permit,
            share: None,
        }
    }

    /// Returns what exceeds this many bytes.
    pub(crate) fn shrink(&mut self, bytes: usize) {
        let needed = bytes.div_ceil(UNIT);
        for permit in [&mut self.permit, &mut self.share].into_iter().flatten() {
            let spare = permit.num_permits().saturating_sub(needed);
            drop(permit.split(spare));
        }
    }

    /// Bytes that hold their part of the budget until their last copy is dropped: a response
    /// waiting in a connection's buffer is still counted.
    pub(crate) fn keep(mut self, bytes: Bytes) -> Bytes {
        // What was reserved but is not needed is returned.
        self.shrink(bytes.len());
        match self.permit {
            None => bytes,
            Some(permit) => Bytes::from_owner(Counted {
                bytes,
                _permit: permit,
            }),
        }
    }

    /// Adds what else is held for the same message.
    pub(crate) fn add(&mut self, other: Held) {
        match (&mut self.permit, other.permit) {
            (Some(permit), Some(other)) => permit.merge(other),
            (own @ None, other) => *own = other,
            (Some(_), None) => {}
        }
    }
}

/// Bytes with their part of the budget.
struct Counted {
    bytes: Bytes,
    _permit: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Whether a body arrives fast enough. A client that sends a byte now and then never pauses for
/// long, and yet would hold its room for days.
#[derive(Debug)]
pub(crate) struct Pace {
    began: Instant,
    received: usize,
}

/// How fast a body must arrive on average once it has taken longer than a pause may, in bytes per
/// second. Even a bad mobile connection is faster.
const SLOWEST: usize = 1 << 10;

impl Pace {
    /// Begins with a body.
    pub(crate) fn new() -> Self {
        Pace {
            began: Instant::now(),
            received: 0,
        }
    }

    /// Records that this much has arrived.
    pub(crate) fn received(&mut self, bytes: usize) {
        self.received += bytes;
    }

    /// How long the next part may take to arrive.
    pub(crate) fn left(&self, patience: Duration) -> Duration {
        let earned = Duration::from_secs_f64(self.received as f64 / SLOWEST as f64);
        (patience + earned)
            .saturating_sub(self.began.elapsed())
            .min(patience)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_held_comes_back_with_the_last_copy() {
        let budget = Budget::new(100 << 10);
        let held = budget.hold(70 << 10).await.unwrap();
        assert!(budget.try_hold(40 << 10).is_none());
        // Only what is kept stays reserved.
        let kept = held.keep(vec![7; 50 << 10].into());
        assert!(budget.try_hold(51 << 10).is_none());
        assert!(budget.try_hold(50 << 10).is_some());
        let part = kept.slice(..10);
        drop(kept);
        assert!(budget.try_hold(51 << 10).is_none());
        assert_eq!(&part[..], [7; 10]);
        drop(part);
        assert_eq!(budget.free_kib(), 100);
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_wait_are_served_in_turn_or_turned_away() {
        let budget = Budget::new(100 << 10);
        assert_eq!(budget.patience(), PATIENCE);
        // A reservation above the maximum counts as the maximum: all but the share.
        let all = budget.hold(1 << 30).await.unwrap();
        let waiting = tokio::spawn({
            let budget = budget.clone();
            async move { budget.hold(60 << 10).await.map(drop) }
        });
        tokio::task::yield_now().await;
        assert_eq!(budget.patience(), SHORT_PATIENCE);
        // Small pieces are never counted.
        assert!(budget.hold(UNCOUNTED).await.is_ok());
        drop(all);
        assert!(waiting.await.unwrap().is_ok());
        let _all = budget.hold(1 << 30).await.unwrap();
        assert!(budget.hold(60 << 10).await.is_err());
        assert_eq!(budget.patience(), PATIENCE);
    }

    /// Many messages of unknown length, which together hold as much as they can before any of them has
    /// all its room, and one in between that needs everything: they are served in turn, and none waits
    /// for [`WAIT`] to end.
    #[tokio::test(start_paused = true)]
    async fn those_who_hold_a_part_never_wait_for_each_other() {
        let budget = Budget::new(1 << 20);
        let began = Instant::now();
        let mut tasks = Vec::new();
        for n in 0..200 {
            let budget = budget.clone();
            tasks.push(tokio::spawn(async move {
                if n == 2 {
                    return budget.hold(1 << 30).await.map(drop);
                }
                let mut held = budget.hold_first(FIRST).await?;
                tokio::task::yield_now().await;
                // As large as the whole budget.
                budget.grow(&mut held, 1 << 20).await?;
                tokio::time::sleep(Duration::from_millis(10)).await;
                drop(held.keep(vec![1; 1 << 10].into()));
                Ok(())
            }));
        }
        for task in tasks {
            assert!(task.await.unwrap().is_ok());
        }
        assert!(began.elapsed() <= Duration::from_millis(10 * 200));
        assert_eq!(budget.free_kib(), 1 << 10);
        assert_eq!(budget.firsts.available_permits(), 1 << 8);
    }

    #[test]
    fn a_trickle_runs_out_of_time() {
        let mut pace = Pace::new();
        assert!(pace.left(PATIENCE) > Duration::from_secs(29));
        pace.received(100 << 20);
        assert_eq!(pace.left(PATIENCE), PATIENCE);
        pace.began -= Duration::from_secs(31 + (100 << 10));
        assert_eq!(pace.left(PATIENCE), Duration::ZERO);
    }
}
