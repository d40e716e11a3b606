//! Turns for guests that compute for a long time.
//!
//! A guest that has not answered within two milliseconds gets a thread of its own, so that it does
//! not hold up other connections. But three hundred such threads would leave the server's own
//! threads a three-hundredth of the machine. So no more of them compute at a time than the machine
//! has processors; the others sleep until it is their turn, and one that keeps computing passes its
//! turn on. The remaining competition is fair, and the system's scheduler gives the server's
//! threads their share.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::thread::Thread;
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::sync::lock;

/// How long a turn lasts while others are waiting.
const SLICE: Duration = Duration::from_millis(10);
/// How many invocations of flares that are known to be slow may compute, or wait on a thread for
/// their turn. Others wait without a thread: tokio has 512 threads to move tasks to, and stalls
/// when they are used up.
const SEATS: usize = 64;

/// The turns of this process: processors are shared by the process, and not by a node.
static TURNS: LazyLock<Turns> = LazyLock::new(|| {
    Turns::new(std::thread::available_parallelism().map_or(1, std::num::NonZero::get))
});
static WAITING_ROOM: Semaphore = Semaphore::const_new(SEATS);

/// A seat for an invocation of a flare that is known to be slow.
pub(crate) async fn seat() -> Option<SemaphorePermit<'static>> {
    // It is never closed.
    WAITING_ROOM.acquire().await.ok()
}

/// Waits for a turn to compute. This blocks.
pub(crate) fn take_turn() -> Turn {
    TURNS.take();
    Turn {
        turns: &TURNS,
        began: Instant::now(),
    }
}

struct Turns {
    queue: Mutex<Queue>,
}

struct Queue {
    free: usize,
    waiting: VecDeque<Arc<Waiting>>,
}

struct Waiting {
    thread: Thread,
    called: AtomicBool,
}

impl Waiting {
    fn new() -> Arc<Waiting> {
        Arc::new(Waiting {
            thread: std::thread::current(),
            called: AtomicBool::new(false),
        })
    }

    fn wait(&self) {
        while !self.called.load(Ordering::Acquire) {
            std::thread::park();
        }
    }

    fn call(&self) {
        self.called.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

impl Turns {
    fn new(free: usize) -> Turns {
        Turns {
            queue: Mutex::new(Queue {
                free,
                waiting: VecDeque::new(),
            }),
        }
    }

    fn take(&self) {
        let own = {
            let mut queue = lock(&self.queue);
            if queue.free > 0 {
                queue.free -= 1;
                return;
            }
            let own = Waiting::new();
            queue.waiting.push_back(own.clone());
            own
        };
        own.wait();
    }

    fn give_back(&self) {
        let mut queue = lock(&self.queue);
        match queue.waiting.pop_front() {
            Some(next) => next.call(),
            None => queue.free += 1,
        }
    }

    /// Lets the next one compute, and waits for another turn. Does nothing if nobody is waiting.
    fn pass_on(&self) {
        let own = {
            let mut queue = lock(&self.queue);
            let Some(next) = queue.waiting.pop_front() else {
                return;
            };
            next.call();
            let own = Waiting::new();
            queue.waiting.push_back(own.clone());
            own
        };
        own.wait();
    }
}

/// A turn to compute, until it is dropped.
pub(crate) struct Turn {
    turns: &'static Turns,
    began: Instant,
}

impl std::fmt::Debug for Turn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Turn").field("began", &self.began).finish()
    }
}

impl Turn {
    /// Whether the turn has lasted long enough that others could have theirs.
    pub(crate) fn is_over(&self) -> bool {
        self.began.elapsed() >= SLICE && !lock(&self.turns.queue).waiting.is_empty()
    }

    /// Passes the turn on and waits for the next one. This blocks.
    pub(crate) fn pass_on(&mut self) {
        self.turns.pass_on();
        self.began = Instant::now();
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.turns.give_back();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[test]
    fn no_more_compute_than_there_are_turns() {
        let turns = Turns::new(2);
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        turns.take();
                        let count = now.fetch_add(1, Ordering::SeqCst) + 1;
                        most.fetch_max(count, Ordering::SeqCst);
                        std::thread::yield_now();
                        now.fetch_sub(1, Ordering::SeqCst);
                        turns.pass_on();
                        turns.give_back();
                    }
                });
            }
        });
        assert!(most.into_inner() <= 2);
        assert_eq!(lock(&turns.queue).free, 2);
    }
}
