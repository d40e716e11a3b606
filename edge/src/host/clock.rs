//! How long a flare may compute, and how it does so without holding others up.

use std::time::{Duration, Instant};

/// How long a guest may compute before it gives its thread up. Most answer in microseconds; one that
/// takes longer must not hold up the connections that its thread serves.
const SHORT: Duration = Duration::from_millis(2);

/// The time of one invocation.
///
/// Guests run on the server's own threads, because for a guest of some microseconds the way to
/// another thread and back would be most of the work. One that computes for longer, or waits, is
/// moved out of the others' way: the thread hands its other tasks to a fresh one, as
/// [`tokio::task::block_in_place`] does, and becomes the guest's.
#[derive(Debug)]
pub(crate) struct TimeLimit {
    started: Instant,
    limit: Duration,
    /// Time spent waiting in host calls: it does not count.
    waited: Duration,
    /// The computing time at which the thread hands its other tasks over (again).
    next_move: Duration,
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
            next_move: SHORT,
        }
    }

    /// How long the guest itself has computed.
    fn computed(&self) -> Duration {
        self.started.elapsed().saturating_sub(self.waited)
    }

    /// Called every few milliseconds while the guest computes.
    ///
    /// # Errors
    ///
    /// [`TimeUp`] when the limit is reached.
    pub(crate) fn tick(&mut self) -> Result<(), TimeUp> {
        let computed = self.computed();
        if computed >= self.limit {
            return Err(TimeUp);
        }
        if computed >= self.next_move {
            // Once is mostly enough. Whether it was cannot be known for certain, so it is tried
            // again, less and less often; when the tasks are elsewhere already it costs little.
            self.next_move = computed * 2;
            let started = Instant::now();
            give_thread_up();
            self.waited += started.elapsed();
        }
        Ok(())
    }

    /// Waits for something (the disk, a fetch) without holding up other requests. The time does
    /// not count as the guest's.
    pub(crate) fn wait<R>(&mut self, wait: impl FnOnce() -> R) -> R {
        let started = Instant::now();
        let result = tokio::task::block_in_place(wait);
        self.waited += started.elapsed();
        result
    }
}

/// Hands this thread's other tasks to another thread, for as long as the current task runs.
///
/// Tokio takes the tasks back if nobody has picked them up when the closure ends. So one more task
/// is put with them, and the closure lasts until that one is run, or for so long that there must
/// be another reason.
fn give_thread_up() {
    let (run, wait) = std::sync::mpsc::sync_channel(1);
    tokio::spawn(async move {
        // An error means that the wait was given up.
        let _ = run.send(());
    });
    tokio::task::block_in_place(|| {
        let _ = wait.recv_timeout(Duration::from_millis(20));
    });
}
