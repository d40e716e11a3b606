//! How much of its clients' data a node holds in memory at once.
//!
//! Whatever grows with what clients send, or with how slowly they read, is counted here: bodies that
//! a flare is to see, WebSocket messages, responses that wait to be read. When nothing is left,
//! those who want more wait, and are turned away if it takes too long; those who hold something go
//! on, but may pause for less long ([`Budget::patience`]). Everything is reserved before it is read.
//!
//! Most messages reserve once, all that they need. One of unknown length gets some room at first, and all
//! that it may need once it has shown that it is not small ([`Budget::grow`]); enough of those could
//! hold everything, and each wait for what the others have. So what they hold at first is a share of the
//! budget at most, and nobody is given more than what is left beside the share: whoever waits, waits for
//! messages that have all their room.
//!
//! That is so for each message by itself. A request that holds a large head or a body and waits for more
//! (its body, a response that its flare fetches) may wait for others that do the same; there it
//! is [`WAIT`] that lets them go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// What a node holds unless it is told otherwise, in bytes.
pub(crate) const DEFAULT_BYTES: usize = 128 << 20;
/// Up to this size nothing is counted: there are no more such pieces than connections, and counting
/// would cost a small request more than its bytes do.
pub(crate) const UNCOUNTED: usize = 8 << 10;
/// What is reserved at first for something of unknown length, in bytes, before it has shown that it is not small.
pub(crate) const FIRST: usize = 64 << 10;
/// How long to wait for others to finish.
const WAIT: Duration = Duration::from_secs(10);
/// How long a client may pause while there is room for everybody, and while there is not.
const PATIENCE: Duration = Duration::from_secs(30);
const SHORT_PATIENCE: Duration = Duration::from_secs(5);
/// What one permit of the semaphore stands for, in bytes.
const UNIT: usize = 1 << 10;
/// The share of messages that may want more than they have, as a divisor.
const SHARE: u32 = 4;

/// The node's memory for its clients' data.
#[derive(Debug)]
pub(crate) struct Budget {
    room: Arc<Semaphore>,
    /// What is left of the share.
    firsts: Arc<Semaphore>,
    /// The share, and what is left beside it.
    share: u32,
    most: u32,
    waiting: AtomicUsize,
}

/// A part of the budget; it goes back when this is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    permit: Option<OwnedSemaphorePermit>,
    /// The place in a share, of one that may want more.
    share: Option<OwnedSemaphorePermit>,
}

/// There was no room in time.
#[derive(Debug)]
pub(crate) struct OverBudget;

impl Budget {
    /// A budget of so many bytes.
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

    /// How many permits so many bytes take. More than anybody gets counts as that, so that one large
    /// message is served alone instead of never.
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

    /// Reserves room for so many bytes, if there is some now.
    pub(crate) fn try_hold(&self, bytes: usize) -> Option<Held> {
        let permit = match self.units_of(bytes) {
            0 => None,
            units => Some(self.room.clone().try_acquire_many_owned(units).ok()?),
        };
        Some(Held::of(permit))
    }

    /// Reserves room for so many bytes, and waits for it if there is none.
    ///
    /// # Errors
    ///
    /// When there was none for [`WAIT`].
    pub(crate) async fn hold(&self, bytes: usize) -> Result<Held, OverBudget> {
        if let Some(held) = self.try_hold(bytes) {
            return Ok(held);
        }
        let permit = self.wait(&self.room, self.units_of(bytes)).await?;
        Ok(Held::of(Some(permit)))
    }

    /// Reserves room for the beginning of a message whose length is unknown; [`grow`](Self::grow)
    /// has the rest.
    ///
    /// # Errors
    ///
    /// When there was no room for [`WAIT`], or none in the share.
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

    /// Reserves what a message needs in all that has a part of it. It can be asked for once only.
    ///
    /// # Errors
    ///
    /// When there was no room for [`WAIT`].
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

    /// Reserves room for what is added to so many bytes, if there is some now. Pieces that are small each are
    /// not together.
    pub(crate) fn try_hold_more(&self, before: usize, bytes: usize) -> Option<Held> {
        match before.saturating_add(bytes) <= UNCOUNTED {
            true => Some(Held::of(None)),
            false => self.try_hold_part(bytes),
        }
    }

    /// Reserves room for a part of something that has many, however small it is, if there is some.
    pub(crate) fn try_hold_part(&self, bytes: usize) -> Option<Held> {
        let permit = self
            .room
            .clone()
            .try_acquire_many_owned(self.all_units_of(bytes));
        permit.ok().map(|permit| Held::of(Some(permit)))
    }

    /// The same, and waits for it.
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

    /// How long a client that holds a part of the budget may pause: less while others wait for it.
    pub(crate) fn patience(&self) -> Duration {
        match self.waiting.load(Ordering::Relaxed) {
            0 => PATIENCE,
            _ => SHORT_PATIENCE,
        }
    }
}

/// Counts one that waits, for as long as it lives.
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

    /// Gives back what is beyond so many bytes.
    pub(crate) fn shrink(&mut self, bytes: usize) {
        let needed = bytes.div_ceil(UNIT);
        for permit in [&mut self.permit, &mut self.share].into_iter().flatten() {
            let spare = permit.num_permits().saturating_sub(needed);
            drop(permit.split(spare));
        }
    }

    /// Bytes that hold their part of the budget until the last copy of them is dropped: a response
    /// that waits in a connection's buffer is still counted.
    pub(crate) fn keep(mut self, bytes: Bytes) -> Bytes {
        // What was reserved and is not needed goes back.
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

/// Whether a body arrives fast enough. One byte every now and then never pauses for long, and yet
/// would hold its room for days.
#[derive(Debug)]
pub(crate) struct Pace {
    began: Instant,
    received: usize,
}

/// How fast a body must arrive on average once it has taken longer than a pause may, in bytes per
/// second. A bad mobile connection is faster.
const SLOWEST: usize = 1 << 10;

impl Pace {
    /// A body begins.
    pub(crate) fn new() -> Self {
        Pace {
            began: Instant::now(),
            received: 0,
        }
    }

    /// So much has arrived.
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
        // More than anybody gets counts as that: all but the share.
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

    /// Many messages of unknown length, which together hold all that they can before anybody has all of
    /// its room, and one that wants everything and has come between: they are served in turn, and
    /// nobody waits for [`WAIT`] to end.
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
                // As large as all of the budget.
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
