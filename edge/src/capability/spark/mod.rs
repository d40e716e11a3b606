//! Spark: the per-site key-value store with TTL, on disk.
//!
//! # The store
//!
//! [`redb`] holds the data: one file, copy-on-write B-trees, every commit atomic and synced. It was
//! chosen over `fjall`, the other well-maintained embedded store in pure Rust, for three reasons:
//!
//! - Durability: a redb commit is on disk when it returns, and no journal can lag behind the answer;
//!   fjall's journal has to be synced explicitly after each write to get the same.
//! - Build time: it compiles in about 5 s, fjall in 8, and it has a third of fjall's dependencies.
//! - Its file format has been stable since 1.0. Write-heavy loads, where fjall's LSM tree wins, are
//!   not what a local node has.
//!
//! One thread does all writing. It takes the writes that are waiting, applies them in one
//! transaction, commits, and only then answers, so all of them share the cost of one sync. An
//! acknowledged write is on disk: neither `kill -9` nor a power failure undoes it. Readers never
//! wait for writers.
//!
//! # Time
//!
//! An entry with a TTL stores its deadline in milliseconds of the wall clock, so it also expires
//! while the node is down. From its deadline on, an entry cannot be read, listed or exported,
//! whether it has been swept or not. The remaining seconds are rounded up: a live key with a TTL
//! never reports 0, which means "no TTL". Setting the wall clock moves the deadlines with it.
//!
//! # Between nodes
//!
//! [`SparkSession::pull`] asks another node's [`EXPORT_PATH`], which [`export`] answers. The answer
//! contains the remaining time instead of deadlines, because the two clocks may differ; the time the
//! answer took to arrive is subtracted.

mod error;
mod export;
mod peers;
mod session;
mod tables;
mod writer;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use redb::{ReadableDatabase as _, ReadableTable as _};
use serde::Serialize;
use serde_json::{Value, json};

use crate::capability::health::{Problem, Problems, Severity};
use crate::capability::kv::{WallClock, bytes_json, wall_clock};
use crate::capability::spark::tables::{ENTRIES, Op, USAGE, alive, prepare, secs_left, split};
use crate::capability::spark::writer::{Job, Writer};
use crate::capability::store::Store;

pub use crate::capability::kv::{MAX_KEY_BYTES, MAX_SITE_BYTES, OpenError};
pub use crate::capability::spark::error::{SparkCode, SparkError};
pub use crate::capability::spark::export::{ExportPolicy, ExportReply, ExportRequest, export};
pub use crate::capability::spark::peers::{
    EXPORT_MAX_REPLY, EXPORT_MAX_REQUEST, EXPORT_PATH, MAX_PULL_KEYS, SparkPeers, SparkPeersConfig,
};
pub use crate::capability::spark::session::{SparkLimits, SparkSession};

/// Where and how a [`Spark`] stores its data.
#[derive(Debug, Clone)]
pub struct SparkConfig {
    /// The store's file; its folder is created if necessary. `None` keeps everything in memory.
    pub path: Option<PathBuf>,
    /// How much each site may store: the bytes of its keys and values, plus 32 for each entry.
    pub quota_bytes: u64,
    /// How often expired entries are removed from disk. It does not affect when they expire.
    pub sweep_interval: Duration,
}

impl Default for SparkConfig {
    /// In memory, 64 MiB per site, swept every 10 s.
    fn default() -> Self {
        Self {
            path: None,
            quota_bytes: 64 * 1024 * 1024,
            sweep_interval: Duration::from_secs(10),
        }
    }
}

/// The store of all sites, shared by all flares. Dropping the last reference completes the writes
/// that are waiting.
pub struct Spark {
    store: Arc<Store>,
    problems: Arc<Problems>,
    clock: WallClock,
    quota_bytes: u64,
    jobs: Option<mpsc::Sender<Job>>,
    writer: Option<JoinHandle<()>>,
}

impl fmt::Debug for Spark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spark")
            .field("quota_bytes", &self.quota_bytes)
            .finish_non_exhaustive()
    }
}

impl Spark {
    /// Opens or creates the store and starts its writing thread.
    ///
    /// # Errors
    ///
    /// [`OpenError`]: no permission, not a store, or open in another process.
    pub fn open(config: SparkConfig) -> Result<Arc<Self>, OpenError> {
        Self::open_with_clock(config, wall_clock())
    }

    /// Like [`Spark::open`], with the caller's clock, for testing expiry.
    ///
    /// # Errors
    ///
    /// As for [`Spark::open`].
    pub fn open_with_clock(config: SparkConfig, clock: WallClock) -> Result<Arc<Self>, OpenError> {
        let store =
            Store::open(config.path.as_deref()).map_err(|e| OpenError::store("spark", e))?;
        Self::start(store, config, clock)
    }

    /// Starts with a store that is already open.
    fn start(store: Store, config: SparkConfig, clock: WallClock) -> Result<Arc<Self>, OpenError> {
        // The tables are created now, so that readers find them.
        store
            .write(0, prepare)
            .map_err(|e| OpenError::store("spark", e))?;

        let store = Arc::new(store);
        let problems = Arc::new(Problems::default());
        let (jobs, queue) = mpsc::channel();
        let writer = Writer {
            store: store.clone(),
            problems: problems.clone(),
            clock: clock.clone(),
            quota_bytes: config.quota_bytes,
            sweep_interval: config.sweep_interval,
            queue,
        };
        let writer = std::thread::Builder::new()
            .name("spark-writer".to_owned())
            .spawn(move || writer.run())
            .map_err(|e| OpenError::store("spark", e))?;
        Ok(Arc::new(Self {
            store,
            problems,
            clock,
            quota_bytes: config.quota_bytes,
            jobs: Some(jobs),
            writer: Some(writer),
        }))
    }

    fn write(&self, site: &str, op: Op) -> Result<(), SparkError> {
        let stopped = || {
            SparkError::new(
                SparkCode::Internal,
                "the store's writing thread has stopped",
            )
        };
        let (done, answer) = mpsc::sync_channel(1);
        let job = Job {
            site: site.to_owned(),
            op,
            done,
        };
        self.jobs
            .as_ref()
            .ok_or_else(stopped)?
            .send(job)
            .map_err(|_| stopped())?;
        answer.recv().map_err(|_| stopped())?
    }

    /// A value and its deadline (0 = none), unless it has expired.
    fn read(&self, site: &str, key: &str) -> Result<Option<(u64, Vec<u8>)>, SparkError> {
        let found = self.store.read(|db| {
            let entries = db.begin_read()?.open_table(ENTRIES)?;
            let Some(stored) = entries.get((site, key))? else {
                return Ok(None);
            };
            Ok(Some(split(site, key, stored.value()).map(
                |(deadline, value)| {
                    alive(deadline, (self.clock)()).then(|| (deadline, value.to_vec()))
                },
            )))
        });
        match found.map_err(|e| SparkError::internal("cannot read from the store", e))? {
            None => Ok(None),
            Some(Some(entry)) => Ok(entry),
            Some(None) => {
                let what = format!(
                    "the entry of `{key}` of `{site}` in {} is damaged; set it again, or see \
                     `flaron-edge store check`",
                    self.store.place()
                );
                self.problems
                    .tell("spark", Severity::Warning, "damage", what.clone());
                Err(SparkError::new(SparkCode::Internal, what))
            }
        }
    }

    /// A live entry. For the status page and tests: no limits, no capabilities.
    ///
    /// # Errors
    ///
    /// [`SparkCode::Internal`] if the store cannot be read.
    pub fn peek(&self, site: &str, key: &str) -> Result<Option<Entry>, SparkError> {
        let found = self.read(site, key)?;
        Ok(found.map(|(deadline, value)| Entry {
            value,
            ttl_left_ms: (deadline != 0).then(|| deadline.saturating_sub((self.clock)())),
        }))
    }

    /// The live entries of a site, ordered by key.
    ///
    /// # Errors
    ///
    /// [`SparkCode::Internal`] if the store cannot be read.
    pub fn entries(&self, site: &str) -> Result<Vec<KeyInfo>, SparkError> {
        let now = (self.clock)();
        let found = self.store.read(|db| {
            let entries = db.begin_read()?.open_table(ENTRIES)?;
            let mut found = Vec::new();
            for item in entries.range((site, "")..)? {
                let (id, stored) = item?;
                let (at, key) = id.value();
                if at != site {
                    break;
                }
                // A damaged entry is at least listed; reading it gives the error.
                let (deadline, value) = split(site, key, stored.value()).unwrap_or_default();
                if alive(deadline, now) {
                    found.push(KeyInfo {
                        key: key.to_owned(),
                        value_bytes: value.len(),
                        ttl_left_secs: (deadline != 0).then(|| secs_left(deadline, now)),
                    });
                }
            }
            Ok(found)
        });
        found.map_err(|e| SparkError::internal("cannot list the store", e))
    }

    /// What each site stores, ordered by name.
    ///
    /// # Errors
    ///
    /// [`SparkCode::Internal`] if the store cannot be read.
    pub fn usage(&self) -> Result<Vec<SiteUsage>, SparkError> {
        let sites = self.store.read(|db| {
            let usage = db.begin_read()?.open_table(USAGE)?;
            let mut sites = Vec::new();
            for item in usage.iter()? {
                let (site, counts) = item?;
                let (keys, bytes) = counts.value();
                sites.push(SiteUsage {
                    site: site.value().to_owned(),
                    keys,
                    bytes,
                    quota_bytes: self.quota_bytes,
                });
            }
            Ok(sites)
        });
        sites.map_err(|e| SparkError::internal("cannot read the store's usage", e))
    }
}

impl Spark {
    /// What is wrong with the store, the worst problem first.
    pub fn problems(&self) -> Vec<Problem> {
        self.problems.list()
    }
}

impl Drop for Spark {
    fn drop(&mut self) {
        // Without a sender the thread ends, after it has answered everything that is waiting.
        self.jobs = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

/// What [`Spark::peek`] returns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The value.
    pub value: Vec<u8>,
    /// Milliseconds left; `None` means no TTL.
    pub ttl_left_ms: Option<u64>,
}

/// A live key, for the status page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyInfo {
    /// The key.
    pub key: String,
    /// The value's length.
    pub value_bytes: usize,
    /// Whole seconds left, rounded up; `None` means no TTL.
    pub ttl_left_secs: Option<u32>,
}

/// What one site stores.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SiteUsage {
    /// The site.
    pub site: String,
    /// The number of its entries, including those that have expired but have not been swept.
    pub keys: u64,
    /// How much of the quota they use, in bytes.
    pub bytes: u64,
    /// The quota, in bytes.
    pub quota_bytes: u64,
}

/// A stored entry as JSON, for exporting a file; `None` if it is damaged.
pub(crate) fn decode_stored_spark(site: &str, key: &str, stored: &[u8]) -> Option<Value> {
    let (deadline, value) = split(site, key, stored)?;
    let mut entry = json!({ "store": "spark", "value": bytes_json(value) });
    if deadline != 0 {
        entry["expires_ms"] = deadline.into();
    }
    Some(entry)
}
