//! How long a flare may compute, and how it does so without holding up others.

use std::time::{Duration, Instant};

use crate::runtime::turns::{Turn, take_turn};

/// How long a guest may compute before it gives up its thread. Most answer within microseconds; one
/// that takes longer must not hold up the connections that its thread serves.
pub(crate) const SHORT: Duration = Duration::from_millis(2);

/// The time of one invocation.
///
/// Guests run on the server's own threads, because for a guest that runs for a few microseconds,
/// moving to another thread and back would be most of the work. One that computes for longer, or
/// waits, is moved out of the way: the thread hands its other tasks to a fresh one, as
/// [`tokio::task::block_in_place`] does, and is then the guest's own.
#[derive(Debug)]
pub(crate) struct TimeLimit {
    started: Instant,
    limit: Duration,
    /// Time spent waiting in host calls, which does not count.
    waited: Duration,
    /// When the guest is first checked; most have answered by then.
    first_look: Duration,
    /// This thread's CPU time at that check. From then on CPU time is what counts: a guest that
    /// others kept from computing is not a slow one.
    looked_at: Option<Duration>,
    /// The turn of a slow guest.
    turn: Option<Turn>,
}

/// The error that stops a guest whose time is up.
#[derive(Debug)]
pub(crate) struct TimeUp;

impl std::fmt::Display for TimeUp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the flare's time is up")
    }
}

impl std::error::Error for TimeUp {}

impl TimeLimit {
    pub(crate) fn new(limit: Duration) -> Self {
        TimeLimit {
            started: Instant::now(),
            limit,
            waited: Duration::ZERO,
            first_look: SHORT,
            looked_at: None,
            turn: None,
        }
    }

    /// Declares the guest slow from the start. It runs on a thread that is not the server's, and in
    /// this turn.
    pub(crate) fn start_with(&mut self, turn: Turn) {
        self.started = Instant::now();
        self.looked_at = Some(thread_time());
        self.turn = Some(turn);
    }

    /// How much CPU time the guest has used since the first check; zero if it had answered by then.
    pub(crate) fn used(&self) -> Duration {
        self.looked_at
            .map_or(Duration::ZERO, |at| thread_time().saturating_sub(at))
    }

    /// How long the guest itself has computed.
    fn computed(&self) -> Duration {
        self.started.elapsed().saturating_sub(self.waited)
    }

    /// Called every few milliseconds while the guest computes. `takes_long` is called if it turns
    /// out to be slow.
    ///
    /// # Errors
    ///
    /// [`TimeUp`] when the limit is reached.
    pub(crate) fn tick(&mut self, takes_long: impl FnOnce()) -> Result<(), TimeUp> {
        let computed = self.computed();
        if computed >= self.limit {
            return Err(TimeUp);
        }
        if self.looked_at.is_none() {
            if computed >= self.first_look {
                self.looked_at = Some(thread_time());
            }
        } else if self.turn.is_none() && self.used() >= SHORT {
            takes_long();
            let started = Instant::now();
            give_thread_up();
            self.turn = Some(tokio::task::block_in_place(take_turn));
            self.waited += started.elapsed();
        } else if let Some(turn) = &mut self.turn
            && turn.is_over()
        {
            let started = Instant::now();
            tokio::task::block_in_place(|| turn.pass_on());
            self.waited += started.elapsed();
        }
        Ok(())
    }

    /// The guest has returned: another one can have its turn.
    pub(crate) fn end(&mut self) {
        self.turn = None;
    }

    /// Waits for something (the disk, a fetch) without holding up other requests. The time does not
    /// count as the guest's.
    pub(crate) fn wait<R>(&mut self, wait: impl FnOnce() -> R) -> R {
        let started = Instant::now();
        // A guest that waits does not need a turn.
        if self.turn.take().is_some() {
            self.first_look = self.computed() + SHORT;
            self.looked_at = None;
        }
        let result = tokio::task::block_in_place(wait);
        self.waited += started.elapsed();
        result
    }
}

/// This thread's CPU time.
#[cfg(unix)]
fn thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// How long this thread has existed, which is the best available without `unsafe`.
#[cfg(not(unix))]
fn thread_time() -> Duration {
    static START: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
    START.elapsed()
}

/// Hands this thread's other tasks to another thread, for as long as the current task runs.
///
/// Tokio takes the tasks back if no thread has picked them up when the closure ends. So one more
/// task is added to them, and the closure lasts until that task has run, or so long that there must
/// be another reason.
fn give_thread_up() {
    if tokio::runtime::Handle::try_current().is_err() {
        return; // This thread has no others.
    }
    let (run, wait) = std::sync::mpsc::sync_channel(1);
    tokio::spawn(async move {
        // An error means that the wait was abandoned.
        let _ = run.send(());
    });
    tokio::task::block_in_place(|| {
        let _ = wait.recv_timeout(Duration::from_millis(20));
    });
}
