//! The thread that does all writing.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use redb::{ReadableDatabase as _, ReadableTable as _};

use crate::capability::health::{Problems, Severity};
use crate::capability::kv::WallClock;
use crate::capability::spark::error::SparkError;
use crate::capability::spark::tables::{DEADLINES, Op, SWEEP_BATCH, Tables};
use crate::capability::store::{Store, StoreError};

/// How many waiting writes share a commit at most.
const MAX_BATCH: usize = 256;

/// How often a failed store is tried again while nobody writes.
const PROBE_AFTER: Duration = Duration::from_secs(1);

pub(super) struct Job {
    pub(super) site: String,
    pub(super) op: Op,
    pub(super) done: mpsc::SyncSender<Result<(), SparkError>>,
}

/// The thread that does all writing.
pub(super) struct Writer {
    pub(super) store: Arc<Store>,
    pub(super) problems: Arc<Problems>,
    pub(super) clock: WallClock,
    pub(super) quota_bytes: u64,
    pub(super) sweep_interval: Duration,
    pub(super) queue: mpsc::Receiver<Job>,
}

impl Writer {
    /// Works until all senders are gone. If a batch makes it panic, the writes in it get an error,
    /// because their senders are dropped, and the next batch is processed.
    pub(super) fn run(self) {
        while catch_unwind(AssertUnwindSafe(|| self.serve())).is_err() {
            tracing::error!("spark: the writing thread failed and is being restarted");
            self.problems.set(
                Severity::Notice,
                "writer",
                "spark: the writing thread failed and was restarted".to_owned(),
            );
        }
    }

    fn serve(&self) {
        let mut next_sweep = Instant::now() + self.sweep_interval;
        loop {
            let wait = next_sweep.saturating_duration_since(Instant::now());
            match self.queue.recv_timeout(wait) {
                Ok(first) => {
                    let mut batch = vec![first];
                    batch.extend(self.queue.try_iter().take(MAX_BATCH - 1));
                    self.commit(batch);
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            }
            if Instant::now() < next_sweep {
                continue;
            }
            let swept = self.sweep();
            if let Err(error) = &swept {
                self.note(&SparkError::internal("cannot sweep expired entries", error));
            }
            next_sweep = match swept {
                // There may be more expired entries than one sweep removes: continue at once.
                Ok(SWEEP_BATCH) => continue,
                _ if self.store.fault().is_some() => {
                    Instant::now() + self.sweep_interval.min(PROBE_AFTER)
                }
                _ => Instant::now() + self.sweep_interval,
            };
        }
    }

    /// Applies a batch in one transaction, and answers each job once that is on disk. A job that is
    /// refused (over quota) does not affect the others; if the disk fails, all of them fail.
    fn commit(&self, batch: Vec<Job>) {
        let bytes = batch.iter().map(|job| job.op.bytes()).sum();
        let applied = self.store.write(bytes, |db| {
            let txn = db.begin_write()?;
            let mut results = Vec::with_capacity(batch.len());
            {
                let mut tables = Tables::open(&txn, self.quota_bytes, (self.clock)())?;
                for job in &batch {
                    results.push(tables.apply(&job.site, &job.op)?);
                }
            }
            txn.commit()?;
            Ok(results)
        });
        match applied {
            Ok(results) => {
                self.see_whether_well();
                for (job, result) in batch.into_iter().zip(results) {
                    // If the request was cancelled, nobody waits for the answer.
                    let _ = job.done.send(result);
                }
            }
            Err(error) => {
                let failed = SparkError::internal("cannot write to the store", error);
                self.note(&failed);
                for job in batch {
                    let _ = job.done.send(Err(failed.clone()));
                }
            }
        }
    }

    /// Clears the problem once the disk works.
    fn see_whether_well(&self) {
        if self.store.fault().is_none() {
            self.problems.clear("disk");
        }
    }

    /// Reports once that the disk does not work.
    fn note(&self, error: &SparkError) {
        if self
            .problems
            .set(Severity::Failure, "disk", error.to_string())
        {
            tracing::error!("{error}");
        }
    }

    fn sweep(&self) -> Result<usize, StoreError> {
        self.store.probe();
        self.see_whether_well();
        let now = (self.clock)();
        // Usually nothing is due: find out without writing.
        let is_due = self.store.read(|db| {
            let deadlines = db.begin_read()?.open_table(DEADLINES)?;
            let first = deadlines.iter()?.next().transpose()?;
            Ok(first.is_some_and(|(id, _)| id.value().0 <= now))
        })?;
        if !is_due {
            return Ok(0);
        }
        self.store.write(0, |db| {
            let txn = db.begin_write()?;
            let swept = Tables::open(&txn, self.quota_bytes, now)?.sweep(None)?;
            txn.commit()?;
            Ok(swept)
        })
    }
}
