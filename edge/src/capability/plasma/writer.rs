//! The thread that makes all changes. It takes the jobs that are waiting, applies them in one
//! transaction, and answers when that is on disk, so all of them share the cost of one sync.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::capability::health::Severity;
use crate::capability::plasma::crdt::Id;
use crate::capability::plasma::error::PlasmaError;
use crate::capability::plasma::protocol::Entry;
use crate::capability::plasma::replica::{Answer, Changes, Op, Replica};

/// How many waiting operations share a commit at most.
const MAX_BATCH: usize = 256;

/// A change to make.
pub(super) enum Job {
    Local {
        id: Id,
        op: Op,
        done: mpsc::SyncSender<Answer>,
    },
    Merge {
        from: Arc<str>,
        entries: Vec<Entry>,
        /// A time that the other node's clock has seen.
        time: u64,
        /// In which life the other node last met this one, once everything it had has been stored.
        met: Option<Option<u64>>,
        done: oneshot::Sender<Result<(), PlasmaError>>,
    },
    Stop,
}

enum Waiting {
    Local(mpsc::SyncSender<Answer>, Answer),
    Merge(oneshot::Sender<Result<(), PlasmaError>>, Answer),
}

/// Works until it is told to stop, or all senders are gone.
pub(super) fn run(mut replica: Replica, queue: &mpsc::Receiver<Job>, tidy_every: Duration) {
    loop {
        // What a panicking batch leaves behind is discarded: the replica reloads.
        let ended = catch_unwind(AssertUnwindSafe(|| serve(&mut replica, queue, tidy_every)));
        if ended.is_ok() {
            return;
        }
        tracing::error!("plasma: the writing thread failed; continuing from what is on disk");
        replica.shared.problems.set(
            Severity::Notice,
            "writer",
            "the writing thread failed and was restarted".to_owned(),
        );
        while let Err(error) = replica.reload() {
            tracing::error!(%error, "plasma: cannot load the store; trying again");
            std::thread::sleep(Duration::from_secs(1));
        }
    }
}

fn serve(replica: &mut Replica, queue: &mpsc::Receiver<Job>, tidy_every: Duration) {
    let mut next_tidy = Instant::now() + tidy_every;
    loop {
        let wait = next_tidy.saturating_duration_since(Instant::now());
        match queue.recv_timeout(wait) {
            Ok(first) => {
                let mut batch = vec![first];
                batch.extend(queue.try_iter().take(MAX_BATCH - 1));
                if apply(replica, batch) {
                    return;
                }
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => return,
        }
        if Instant::now() >= next_tidy {
            replica.tidy();
            next_tidy = Instant::now() + tidy_every;
        }
    }
}

/// Applies a batch and answers. Returns whether it was the last one.
fn apply(replica: &mut Replica, batch: Vec<Job>) -> bool {
    let mut changes = Changes::default();
    let mut waiting = Vec::with_capacity(batch.len());
    let mut stop = false;
    for job in batch {
        match job {
            Job::Local { id, op, done } => {
                let answer = replica.local(&mut changes, id, op);
                waiting.push(Waiting::Local(done, answer));
            }
            Job::Merge {
                from,
                entries,
                time,
                met,
                done,
            } => {
                let answer = replica.merge(&mut changes, &from, entries, time);
                if let (Ok(_), Some(seen)) = (&answer, met) {
                    replica.met(&mut changes, seen);
                }
                waiting.push(Waiting::Merge(done, answer));
            }
            Job::Stop => stop = true,
        }
    }
    let committed = replica.commit(changes);
    for waiting in waiting {
        // An operation that was refused anyway keeps its own reason. If a request was cancelled,
        // nobody waits for the answer.
        match waiting {
            Waiting::Local(done, answer) => {
                let _ = done.send(answer.and_then(|value| committed.clone().map(|()| value)));
            }
            Waiting::Merge(done, answer) => {
                let _ = done.send(answer.and_then(|_| committed.clone()));
            }
        }
    }
    stop
}
