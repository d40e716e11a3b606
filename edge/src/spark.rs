//! Spark: the per-site key-value store with TTL, on disk.
//!
//! # The store
//!
//! [`redb`] holds the data: one file, copy-on-write B-trees, every commit atomic and synced. It was
//! chosen over `fjall`, the other embedded store in pure Rust that is well kept, because
//!
//! - durability: a redb commit is on disk when it returns, and there is no journal that could be
//!   behind the answer; fjall's journal has to be synced by hand after each write for the same;
//! - it compiles in about 5 s, fjall in 8, with a third of its dependencies;
//! - its file format has been stable since 1.0, and a write-heavy load, where fjall's LSM tree wins,
//!   is not what a local node has.
//!
//! One thread owns all writing. It takes what waits, applies it in one transaction, commits, and
//! only then answers, so the price of a sync is shared by all who wait for it. A write that was
//! answered is on disk: neither `kill -9` nor a power cut takes it back. Readers never wait for
//! writers.
//!
//! # Time
//!
//! An entry with a TTL stores its deadline in milliseconds of the wall clock, so it also runs out
//! while the node is down. At the deadline and after it the entry cannot be read, listed or
//! exported, swept or not. The seconds left are rounded up: a living key with a TTL never says 0,
//! which means "no TTL". Setting the wall clock moves the deadlines with it.
//!
//! # Between nodes
//!
//! [`SparkSession::pull`] asks another node's [`EXPORT_PATH`], which [`export`] answers. Time left
//! travels instead of deadlines, since the two clocks may differ, and the time that the answer was
//! on its way is taken off.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// The longest key, in bytes.
pub const MAX_KEY_BYTES: usize = 256;

/// The longest site name, in bytes.
pub const MAX_SITE_BYTES: usize = 256;

/// What keys of the platform itself begin with; flares cannot use them.
const RESERVED_PREFIXES: [&[u8]; 2] = [b"__flaron:", b"__sys:"];

/// What an entry costs of the quota besides its key and value: an estimate of the store's own bytes.
const ENTRY_OVERHEAD: u64 = 32;

/// The most keys of one pull.
pub const MAX_PULL_KEYS: usize = 1000;

/// Where [`export`] is to be mounted, for POST.
pub const EXPORT_PATH: &str = "/_edge/spark/export";

/// The longest body that [`export`] reads, in bytes. [`MAX_PULL_KEYS`] keys fit with room.
pub const EXPORT_MAX_REQUEST: usize = 512 * 1024;

/// The longest answer of [`export`], in bytes.
pub const EXPORT_MAX_REPLY: usize = 16 * 1024 * 1024;

/// The store's page cache. redb would take a gigabyte.
const CACHE_BYTES: usize = 32 * 1024 * 1024;

/// How many waiting writes share one commit at most.
const MAX_BATCH: usize = 256;

/// How many expired entries one sweep removes at most, so that it holds no writer up for long.
const SWEEP_BATCH: usize = 1000;

/// (site, key) to deadline (8 bytes, little-endian, milliseconds since 1970, 0 = none) and value.
const ENTRIES: TableDefinition<(&str, &str), &[u8]> = TableDefinition::new("entries");

/// (deadline, site, key): what expires when, so that sweeping reads nothing else.
const DEADLINES: TableDefinition<(u64, &str, &str), ()> = TableDefinition::new("deadlines");

/// Site to number of entries and bytes of quota they use, expired ones included until swept.
const USAGE: TableDefinition<&str, (u64, u64)> = TableDefinition::new("usage");

/// Spark's status codes, as the ABI numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum SparkCode {
    /// The TTL is negative or above the flare's cap.
    InvalidTtl = 1,
    /// The value is longer than `max_kv_value_bytes`.
    ValueTooLarge = 2,
    /// The invocation has made its writes, or its one pull.
    WriteLimit = 3,
    /// The site's share of the disk is full.
    DiskQuota = 4,
    /// There is no store here, or no such node to pull from.
    NotAvailable = 5,
    /// The store or the other node failed.
    Internal = 6,
    /// The invocation has made its reads.
    ReadLimit = 7,
    /// The key breaks the rules.
    InvalidKey = 8,
    /// The flare may not write.
    NoCapability = 9,
}

/// Why an operation was refused or failed: the guest gets the code, the log the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SparkError {
    /// The ABI's code.
    pub code: SparkCode,
    /// What happened and what to do, for the developer.
    pub reason: String,
}

impl SparkError {
    fn new(code: SparkCode, reason: impl Into<String>) -> Self {
        Self {
            code,
            reason: reason.into(),
        }
    }

    fn internal(what: &str, error: impl fmt::Display) -> Self {
        Self::new(SparkCode::Internal, format!("{what}: {error}"))
    }

    /// The ABI's number: 1 to 9. `spark_pull` returns it negated.
    pub fn code(&self) -> i32 {
        self.code as i32
    }
}

impl fmt::Display for SparkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "spark: {} (code {})", self.reason, self.code())
    }
}

impl std::error::Error for SparkError {}

/// Milliseconds since 1970. A test puts its own in.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

pub(crate) fn wall_clock() -> Clock {
    Arc::new(|| {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

/// Where and how a [`Spark`] stores.
#[derive(Debug, Clone)]
pub struct SparkConfig {
    /// The store's file; its folder is made if need be. `None` keeps everything in memory.
    pub path: Option<PathBuf>,
    /// What each site may store: the bytes of its keys and values and 32 for each entry.
    pub quota_bytes: u64,
    /// How often expired entries are removed from disk. It does not bear on when they expire.
    pub sweep_interval: Duration,
}

impl Default for SparkConfig {
    /// In memory, 64 MiB a site, swept every 10 s.
    fn default() -> Self {
        Self {
            path: None,
            quota_bytes: 64 * 1024 * 1024,
            sweep_interval: Duration::from_secs(10),
        }
    }
}

/// Why the store could not be opened.
#[derive(Debug)]
pub struct SparkOpenError {
    path: Option<PathBuf>,
    what: String,
}

impl fmt::Display for SparkOpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot open the spark store")?;
        if let Some(path) = &self.path {
            write!(f, " {}", path.display())?;
        }
        write!(f, ": {}", self.what)
    }
}

impl std::error::Error for SparkOpenError {}

/// Opens a redb file, or one in memory, with this crate's settings.
pub(crate) fn open_database(path: Option<&Path>) -> Result<Database, String> {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES);
    let Some(path) = path else {
        return builder
            .create_with_backend(redb::backends::InMemoryBackend::new())
            .map_err(|e| e.to_string());
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|e| e.to_string())?;
    }
    builder.create(path).map_err(|e| match e {
        redb::DatabaseError::DatabaseAlreadyOpen => {
            "another process has it open; give each node a \
                                                     --data folder of its own"
                .to_owned()
        }
        other => other.to_string(),
    })
}

/// One write, as the writing thread gets it.
enum Op {
    /// `deadline` 0 = none.
    Set {
        key: String,
        value: Vec<u8>,
        deadline: u64,
    },
    Delete {
        key: String,
    },
    /// All or none.
    SetMany(Vec<(String, Vec<u8>, u64)>),
}

struct Job {
    site: String,
    op: Op,
    done: mpsc::SyncSender<Result<(), SparkError>>,
}

/// The store of all sites. Shared by all flares; dropped last, it finishes what was begun.
pub struct Spark {
    db: Arc<Database>,
    clock: Clock,
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
    /// Opens or makes the store and starts its writing thread.
    ///
    /// # Errors
    ///
    /// [`SparkOpenError`]: no permission, not a store, or another process has it open.
    pub fn open(config: SparkConfig) -> Result<Arc<Self>, SparkOpenError> {
        Self::open_with_clock(config, wall_clock())
    }

    /// As [`Spark::open`], with a clock of the caller's, for tests of expiry.
    ///
    /// # Errors
    ///
    /// As [`Spark::open`].
    pub fn open_with_clock(config: SparkConfig, clock: Clock) -> Result<Arc<Self>, SparkOpenError> {
        let fail = |what: String| SparkOpenError {
            path: config.path.clone(),
            what,
        };
        let db = open_database(config.path.as_deref()).map_err(fail)?;
        // Made now, so that readers find them.
        let create = || -> Result<(), redb::Error> {
            let txn = db.begin_write()?;
            txn.open_table(ENTRIES)?;
            txn.open_table(DEADLINES)?;
            txn.open_table(USAGE)?;
            txn.commit()?;
            Ok(())
        };
        create().map_err(|e| fail(e.to_string()))?;

        let db = Arc::new(db);
        let (jobs, queue) = mpsc::channel();
        let writer = Writer {
            db: db.clone(),
            clock: clock.clone(),
            quota_bytes: config.quota_bytes,
            sweep_interval: config.sweep_interval,
            queue,
        };
        let writer = std::thread::Builder::new()
            .name("spark-writer".to_owned())
            .spawn(move || writer.run())
            .map_err(|e| fail(e.to_string()))?;
        Ok(Arc::new(Self {
            db,
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
        let read = || -> Result<_, redb::Error> {
            let entries = self.db.begin_read()?.open_table(ENTRIES)?;
            Ok(entries.get((site, key))?.and_then(|stored| {
                let (deadline, value) = split(stored.value());
                alive(deadline, (self.clock)()).then(|| (deadline, value.to_vec()))
            }))
        };
        read().map_err(|e| SparkError::internal("cannot read from the store", e))
    }

    /// A living entry. For the status page and tests: no limits, no capabilities.
    ///
    /// # Errors
    ///
    /// [`SparkCode::Internal`] when the store cannot be read.
    pub fn peek(&self, site: &str, key: &str) -> Result<Option<Entry>, SparkError> {
        let found = self.read(site, key)?;
        Ok(found.map(|(deadline, value)| Entry {
            value,
            ttl_left_ms: (deadline != 0).then(|| deadline.saturating_sub((self.clock)())),
        }))
    }

    /// The living entries of a site, in the order of their keys.
    ///
    /// # Errors
    ///
    /// [`SparkCode::Internal`] when the store cannot be read.
    pub fn entries(&self, site: &str) -> Result<Vec<KeyInfo>, SparkError> {
        let now = (self.clock)();
        let read = || -> Result<_, redb::Error> {
            let entries = self.db.begin_read()?.open_table(ENTRIES)?;
            let mut found = Vec::new();
            for item in entries.range((site, "")..)? {
                let (id, stored) = item?;
                let (at, key) = id.value();
                if at != site {
                    break;
                }
                let (deadline, value) = split(stored.value());
                if alive(deadline, now) {
                    found.push(KeyInfo {
                        key: key.to_owned(),
                        value_bytes: value.len(),
                        ttl_left_secs: (deadline != 0).then(|| secs_left(deadline, now)),
                    });
                }
            }
            Ok(found)
        };
        read().map_err(|e| SparkError::internal("cannot list the store", e))
    }

    /// What each site stores, in the order of their names.
    ///
    /// # Errors
    ///
    /// [`SparkCode::Internal`] when the store cannot be read.
    pub fn usage(&self) -> Result<Vec<SiteUsage>, SparkError> {
        let read = || -> Result<_, redb::Error> {
            let usage = self.db.begin_read()?.open_table(USAGE)?;
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
        };
        read().map_err(|e| SparkError::internal("cannot read the store's usage", e))
    }
}

impl Drop for Spark {
    fn drop(&mut self) {
        // Without a sender the thread ends, after it has answered all that wait.
        self.jobs = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

/// What [`Spark::peek`] finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The value.
    pub value: Vec<u8>,
    /// Milliseconds left; `None` = no TTL.
    pub ttl_left_ms: Option<u64>,
}

/// One living key, for the status page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyInfo {
    /// The key.
    pub key: String,
    /// The value's length.
    pub value_bytes: usize,
    /// Whole seconds left, rounded up; `None` = no TTL.
    pub ttl_left_secs: Option<u32>,
}

/// What one site stores.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SiteUsage {
    /// The site.
    pub site: String,
    /// Its entries, with those that have expired and await the sweep.
    pub keys: u64,
    /// What they use of the quota.
    pub bytes: u64,
    /// The quota.
    pub quota_bytes: u64,
}

fn split(stored: &[u8]) -> (u64, &[u8]) {
    match stored.split_first_chunk::<8>() {
        Some((deadline, value)) => (u64::from_le_bytes(*deadline), value),
        // Not written by us; a deadline in the past hides it.
        None => (1, &[]),
    }
}

fn alive(deadline: u64, now: u64) -> bool {
    deadline == 0 || now < deadline
}

fn secs_left(deadline: u64, now: u64) -> u32 {
    u32::try_from(deadline.saturating_sub(now).div_ceil(1000)).unwrap_or(u32::MAX)
}

fn cost(key: &str, value_bytes: usize) -> u64 {
    (key.len() + value_bytes) as u64 + ENTRY_OVERHEAD
}

/// The thread that owns all writing.
struct Writer {
    db: Arc<Database>,
    clock: Clock,
    quota_bytes: u64,
    sweep_interval: Duration,
    queue: mpsc::Receiver<Job>,
}

impl Writer {
    fn run(self) {
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
            if Instant::now() >= next_sweep {
                match self.sweep() {
                    // More may have expired than one sweep takes: come back at once.
                    Ok(SWEEP_BATCH) => {}
                    Ok(_) => next_sweep = Instant::now() + self.sweep_interval,
                    Err(error) => {
                        tracing::error!(%error, "spark: cannot sweep expired entries");
                        next_sweep = Instant::now() + self.sweep_interval;
                    }
                }
            }
        }
    }

    /// Applies a batch in one transaction and answers each once it is on disk. What one job is
    /// refused for (the quota) does not touch the others; a failing disk fails all.
    fn commit(&self, batch: Vec<Job>) {
        let apply = || -> Result<Vec<Result<(), SparkError>>, redb::Error> {
            let txn = self.db.begin_write()?;
            let mut results = Vec::with_capacity(batch.len());
            {
                let mut tables = Tables::open(&txn, self.quota_bytes, (self.clock)())?;
                for job in &batch {
                    results.push(tables.apply(&job.site, &job.op)?);
                }
            }
            txn.commit()?;
            Ok(results)
        };
        match apply() {
            Ok(results) => {
                for (job, result) in batch.into_iter().zip(results) {
                    // Nobody waits any more if the request was cancelled.
                    let _ = job.done.send(result);
                }
            }
            Err(error) => {
                tracing::error!(%error, "spark: cannot write");
                let failed = SparkError::internal("cannot write to the store", error);
                for job in batch {
                    let _ = job.done.send(Err(failed.clone()));
                }
            }
        }
    }

    fn sweep(&self) -> Result<usize, redb::Error> {
        let now = (self.clock)();
        {
            // Most of the time nothing is due: find out without writing.
            let deadlines = self.db.begin_read()?.open_table(DEADLINES)?;
            let first = deadlines.iter()?.next().transpose()?;
            if first.is_none_or(|(id, _)| id.value().0 > now) {
                return Ok(0);
            }
        }
        let txn = self.db.begin_write()?;
        let swept = Tables::open(&txn, self.quota_bytes, now)?.sweep(None)?;
        txn.commit()?;
        Ok(swept)
    }
}

/// The tables of one write transaction.
struct Tables<'t> {
    entries: redb::Table<'t, (&'static str, &'static str), &'static [u8]>,
    deadlines: redb::Table<'t, (u64, &'static str, &'static str), ()>,
    usage: redb::Table<'t, &'static str, (u64, u64)>,
    quota_bytes: u64,
    now: u64,
}

impl<'t> Tables<'t> {
    fn open(
        txn: &'t redb::WriteTransaction,
        quota_bytes: u64,
        now: u64,
    ) -> Result<Self, redb::Error> {
        Ok(Self {
            entries: txn.open_table(ENTRIES)?,
            deadlines: txn.open_table(DEADLINES)?,
            usage: txn.open_table(USAGE)?,
            quota_bytes,
            now,
        })
    }

    /// The outer result is the disk's, the inner one the flare's.
    fn apply(&mut self, site: &str, op: &Op) -> Result<Result<(), SparkError>, redb::Error> {
        match op {
            Op::Delete { key } => {
                self.remove(site, key)?;
                Ok(Ok(()))
            }
            Op::Set {
                key,
                value,
                deadline,
            } => self.set_all(site, &[(key, value, *deadline)]),
            Op::SetMany(items) => {
                let items: Vec<_> = items.iter().map(|(k, v, d)| (k, v, *d)).collect();
                self.set_all(site, &items)
            }
        }
    }

    fn set_all(
        &mut self,
        site: &str,
        items: &[(&String, &Vec<u8>, u64)],
    ) -> Result<Result<(), SparkError>, redb::Error> {
        let mut needed = self.needed(site, items)?;
        if needed > self.quota_bytes {
            // What has expired must not stand in the way of what is alive.
            while self.sweep(Some(site))? == SWEEP_BATCH {}
            needed = self.needed(site, items)?;
        }
        if needed > self.quota_bytes {
            return Ok(Err(SparkError::new(
                SparkCode::DiskQuota,
                format!(
                    "the site `{site}` would use {needed} bytes of its quota of {}; delete keys, \
                     give them a TTL, or raise the quota",
                    self.quota_bytes
                ),
            )));
        }
        for (key, value, deadline) in items {
            self.remove(site, key)?;
            let mut stored = deadline.to_le_bytes().to_vec();
            stored.extend_from_slice(value);
            self.entries
                .insert((site, key.as_str()), stored.as_slice())?;
            if *deadline != 0 {
                self.deadlines.insert((*deadline, site, key.as_str()), ())?;
            }
            let (keys, bytes) = self.usage(site)?;
            self.usage
                .insert(site, (keys + 1, bytes + cost(key, value.len())))?;
        }
        Ok(Ok(()))
    }

    fn usage(&self, site: &str) -> Result<(u64, u64), redb::Error> {
        Ok(self
            .usage
            .get(site)?
            .map_or((0, 0), |counts| counts.value()))
    }

    /// What the site would use with these entries in it. A key given twice counts twice.
    fn needed(&self, site: &str, items: &[(&String, &Vec<u8>, u64)]) -> Result<u64, redb::Error> {
        let mut needed = self.usage(site)?.1;
        for (key, value, _) in items {
            if let Some(old) = self.entries.get((site, key.as_str()))? {
                needed = needed.saturating_sub(cost(key, split(old.value()).1.len()));
            }
            needed = needed.saturating_add(cost(key, value.len()));
        }
        Ok(needed)
    }

    fn remove(&mut self, site: &str, key: &str) -> Result<(), redb::Error> {
        let (deadline, freed) = {
            let Some(old) = self.entries.remove((site, key))? else {
                return Ok(());
            };
            let (deadline, value) = split(old.value());
            (deadline, cost(key, value.len()))
        };
        if deadline != 0 {
            self.deadlines.remove((deadline, site, key))?;
        }
        let (keys, bytes) = self.usage(site)?;
        if keys <= 1 {
            self.usage.remove(site)?;
        } else {
            self.usage
                .insert(site, (keys - 1, bytes.saturating_sub(freed)))?;
        }
        Ok(())
    }

    /// Removes expired entries, of one site or of all, at most [`SWEEP_BATCH`]; says how many.
    fn sweep(&mut self, site: Option<&str>) -> Result<usize, redb::Error> {
        let mut due = Vec::new();
        for item in self.deadlines.iter()? {
            let (id, _) = item?;
            let (deadline, at, key) = id.value();
            if deadline > self.now || due.len() == SWEEP_BATCH {
                break;
            }
            if site.is_none_or(|site| site == at) {
                due.push((at.to_owned(), key.to_owned()));
            }
        }
        for (site, key) in &due {
            self.remove(site, key)?;
        }
        Ok(due.len())
    }
}

/// What one invocation of a flare may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SparkLimits {
    /// The longest value (`max_kv_value_bytes`), in bytes.
    pub max_value_bytes: usize,
    /// `spark_get` and `spark_list` calls. The ABI names no number; ours is generous.
    pub max_reads: u32,
    /// `spark_set` and `spark_delete` calls. The ABI names no number; ours is generous.
    pub max_writes: u32,
    /// The longest TTL, in seconds.
    pub max_ttl_secs: u32,
    /// The capability `writes_spark_kv`.
    pub writes_allowed: bool,
}

impl Default for SparkLimits {
    /// 64 KiB a value, 1000 reads, 1000 writes, ten years, no writing.
    fn default() -> Self {
        Self {
            max_value_bytes: 64 * 1024,
            max_reads: 1000,
            max_writes: 1000,
            max_ttl_secs: 10 * 365 * 24 * 60 * 60,
            writes_allowed: false,
        }
    }
}

/// Checks a key by the ABI's rule: `[a-zA-Z0-9:._-]{1,256}`, without the platform's own prefixes.
/// Plasma's keys obey it too.
pub(crate) fn check_key(key: &[u8]) -> Result<&str, String> {
    if key.is_empty() || key.len() > MAX_KEY_BYTES {
        return Err(format!(
            "a key has 1 to {MAX_KEY_BYTES} bytes, this one has {}",
            key.len()
        ));
    }
    let allowed = |b: &u8| b.is_ascii_alphanumeric() || b":._-".contains(b);
    if let Some(at) = key.iter().position(|b| !allowed(b)) {
        return Err(format!(
            "a key is made of letters, digits and `:._-`; byte {at} of `{}` is not",
            key.escape_ascii()
        ));
    }
    if let Some(prefix) = RESERVED_PREFIXES
        .iter()
        .find(|prefix| key.starts_with(prefix))
    {
        return Err(format!(
            "keys that begin with `{}` belong to the platform",
            prefix.escape_ascii()
        ));
    }
    // ASCII, as was just seen.
    str::from_utf8(key).map_err(|e| e.to_string())
}

/// Spark as one invocation sees it: one site, its limits, its counts.
#[derive(Debug)]
pub struct SparkSession {
    store: Option<Arc<Spark>>,
    site: Arc<str>,
    limits: SparkLimits,
    peers: Option<Arc<SparkPeers>>,
    reads: u32,
    writes: u32,
    pulled: bool,
}

impl SparkSession {
    /// A session for one invocation. Without a store every operation is "not available"; without
    /// peers only `pull` is.
    pub fn new(
        store: Option<Arc<Spark>>,
        site: impl Into<Arc<str>>,
        limits: SparkLimits,
        peers: Option<Arc<SparkPeers>>,
    ) -> Self {
        Self {
            store,
            site: site.into(),
            limits,
            peers,
            reads: 0,
            writes: 0,
            pulled: false,
        }
    }

    fn store(&self) -> Result<Arc<Spark>, SparkError> {
        self.store
            .clone()
            .ok_or_else(|| SparkError::new(SparkCode::NotAvailable, "this node has no spark store"))
    }

    fn may_write(&self) -> Result<(), SparkError> {
        if self.limits.writes_allowed {
            return Ok(());
        }
        Err(SparkError::new(
            SparkCode::NoCapability,
            "this flare may not write: set `writes_spark_kv = true` in flare.toml",
        ))
    }

    fn count_read(&mut self) -> Result<(), SparkError> {
        if self.reads >= self.limits.max_reads {
            return Err(SparkError::new(
                SparkCode::ReadLimit,
                format!(
                    "this invocation has made its {} reads",
                    self.limits.max_reads
                ),
            ));
        }
        self.reads += 1;
        Ok(())
    }

    fn count_write(&mut self) -> Result<(), SparkError> {
        if self.writes >= self.limits.max_writes {
            return Err(SparkError::new(
                SparkCode::WriteLimit,
                format!(
                    "this invocation has made its {} writes",
                    self.limits.max_writes
                ),
            ));
        }
        self.writes += 1;
        Ok(())
    }

    /// `spark_get`: the seconds left as a little-endian `u32` (0 = no TTL) and the value, or `None`
    /// if there is no such key.
    ///
    /// # Errors
    ///
    /// [`SparkCode::NotAvailable`], [`SparkCode::InvalidKey`], [`SparkCode::ReadLimit`],
    /// [`SparkCode::Internal`].
    pub fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, SparkError> {
        let store = self.store()?;
        let key = check_key(key).map_err(|e| SparkError::new(SparkCode::InvalidKey, e))?;
        self.count_read()?;
        Ok(store.read(&self.site, key)?.and_then(|(deadline, value)| {
            let now = (store.clock)();
            // It may have run out since it was read.
            if !alive(deadline, now) {
                return None;
            }
            let left = if deadline == 0 {
                0
            } else {
                secs_left(deadline, now)
            };
            Some([&left.to_le_bytes()[..], &value].concat())
        }))
    }

    /// `spark_set`; a TTL of 0 means that the key does not expire. Returns when it is on disk.
    ///
    /// # Errors
    ///
    /// Checked in this order: [`SparkCode::NoCapability`], [`SparkCode::NotAvailable`],
    /// [`SparkCode::InvalidKey`], [`SparkCode::ValueTooLarge`], [`SparkCode::InvalidTtl`],
    /// [`SparkCode::WriteLimit`], [`SparkCode::DiskQuota`], [`SparkCode::Internal`]. What is refused
    /// before the limit does not count.
    pub fn set(&mut self, key: &[u8], value: &[u8], ttl_secs: i32) -> Result<(), SparkError> {
        self.may_write()?;
        let store = self.store()?;
        let key = check_key(key).map_err(|e| SparkError::new(SparkCode::InvalidKey, e))?;
        if value.len() > self.limits.max_value_bytes {
            return Err(SparkError::new(
                SparkCode::ValueTooLarge,
                format!(
                    "the value of `{key}` has {} bytes, `max_kv_value_bytes` is {}",
                    value.len(),
                    self.limits.max_value_bytes
                ),
            ));
        }
        let ttl = u32::try_from(ttl_secs)
            .ok()
            .filter(|ttl| *ttl <= self.limits.max_ttl_secs);
        let Some(ttl) = ttl else {
            return Err(SparkError::new(
                SparkCode::InvalidTtl,
                format!(
                    "a TTL is 0 to {} seconds, not {ttl_secs}",
                    self.limits.max_ttl_secs
                ),
            ));
        };
        self.count_write()?;
        let deadline = match ttl {
            0 => 0,
            ttl => (store.clock)().saturating_add(u64::from(ttl) * 1000),
        };
        store.write(
            &self.site,
            Op::Set {
                key: key.to_owned(),
                value: value.to_vec(),
                deadline,
            },
        )
    }

    /// `spark_delete`: no error if there is no such key. The guest is told nothing; the error is
    /// for the log.
    ///
    /// # Errors
    ///
    /// As [`SparkSession::set`], without those of the value.
    pub fn delete(&mut self, key: &[u8]) -> Result<(), SparkError> {
        self.may_write()?;
        let store = self.store()?;
        let key = check_key(key).map_err(|e| SparkError::new(SparkCode::InvalidKey, e))?;
        self.count_write()?;
        store.write(
            &self.site,
            Op::Delete {
                key: key.to_owned(),
            },
        )
    }

    /// `spark_list`: a JSON array of the living keys, sorted.
    ///
    /// # Errors
    ///
    /// [`SparkCode::NotAvailable`], [`SparkCode::ReadLimit`], [`SparkCode::Internal`].
    pub fn list(&mut self) -> Result<Vec<u8>, SparkError> {
        let store = self.store()?;
        self.count_read()?;
        let keys: Vec<String> = store
            .entries(&self.site)?
            .into_iter()
            .map(|info| info.key)
            .collect();
        serde_json::to_vec(&keys).map_err(|e| SparkError::internal("cannot write the keys", e))
    }

    /// `spark_pull`: copies keys of this site from another node and says how many it had. They
    /// replace keys of the same name here; all of them or, on an error, none.
    ///
    /// Waits for the network through the runtime that [`SparkPeers`] holds: call it from a thread
    /// that may block, never from async code.
    ///
    /// # Errors
    ///
    /// [`SparkCode::NoCapability`]; [`SparkCode::NotAvailable`]: no store, no peers, no such peer,
    /// or it cannot be reached; [`SparkCode::InvalidKey`]: a key, the list or the origin breaks the
    /// rules; [`SparkCode::WriteLimit`]: the second pull of this invocation, or more than
    /// [`MAX_PULL_KEYS`] keys; [`SparkCode::Internal`]: the other node's answer is no good, or does
    /// not fit into this one's limits.
    pub fn pull(&mut self, origin: &[u8], keys: &[u8]) -> Result<u32, SparkError> {
        self.may_write()?;
        let unavailable = |reason: &str| SparkError::new(SparkCode::NotAvailable, reason);
        let store = self.store()?;
        let peers = self.peers.clone().ok_or_else(|| {
            unavailable("this node knows no other: name them under [spark.peers]")
        })?;
        let invalid = |reason: String| SparkError::new(SparkCode::InvalidKey, reason);
        let origin = check_key(origin).map_err(|e| invalid(format!("the origin: {e}")))?;
        let keys: Vec<String> = serde_json::from_slice(keys)
            .map_err(|e| invalid(format!("the keys are not a JSON array of text: {e}")))?;
        for key in &keys {
            check_key(key.as_bytes()).map_err(invalid)?;
        }
        if self.pulled {
            return Err(SparkError::new(
                SparkCode::WriteLimit,
                "an invocation can pull once; name all keys in one call",
            ));
        }
        if keys.len() > MAX_PULL_KEYS {
            return Err(SparkError::new(
                SparkCode::WriteLimit,
                format!("a pull takes {MAX_PULL_KEYS} keys, not {}", keys.len()),
            ));
        }
        let base = peers.find(origin)?;
        self.pulled = true;
        if keys.is_empty() {
            return Ok(0);
        }

        let asked = Instant::now();
        let found = peers.fetch(&base, &self.site, &keys)?;
        let on_its_way = u64::try_from(asked.elapsed().as_millis()).unwrap_or(u64::MAX);
        let now = (store.clock)();
        let mut items: BTreeMap<String, (Vec<u8>, u64)> = BTreeMap::new();
        for entry in found.entries {
            let bad = |what: &str| {
                SparkError::new(SparkCode::Internal, format!("`{origin}` answered {what}"))
            };
            if !keys.contains(&entry.key) {
                return Err(bad("with a key that was not asked for"));
            }
            let value = STANDARD
                .decode(entry.value)
                .map_err(|_| bad("with a broken value"))?;
            if value.len() > self.limits.max_value_bytes {
                return Err(bad("with a value above this flare's `max_kv_value_bytes`"));
            }
            let deadline = match entry.ttl_ms {
                None => 0,
                Some(ttl) => {
                    let longest = u64::from(self.limits.max_ttl_secs) * 1000;
                    match ttl.min(longest).saturating_sub(on_its_way) {
                        0 => continue,
                        left => now.saturating_add(left),
                    }
                }
            };
            items.insert(entry.key, (value, deadline));
        }
        let count = u32::try_from(items.len()).unwrap_or(u32::MAX);
        let items = items
            .into_iter()
            .map(|(key, (value, deadline))| (key, value, deadline));
        store
            .write(&self.site, Op::SetMany(items.collect()))
            .map_err(|e| match e.code {
                // `spark_pull` has no code for the quota.
                SparkCode::DiskQuota => SparkError::new(SparkCode::Internal, e.reason),
                _ => e,
            })?;
        Ok(count)
    }
}

/// The nodes that keys can be pulled from.
#[derive(Clone)]
pub struct SparkPeersConfig {
    /// The name that a flare uses, to the node's address: `http://host:port`.
    pub peers: BTreeMap<String, String>,
    /// What all nodes of the cluster know, to tell each other from strangers.
    pub token: Option<String>,
    /// How long a pull may take in all.
    pub timeout: Duration,
}

impl Default for SparkPeersConfig {
    /// No names, no token, 5 s.
    fn default() -> Self {
        Self {
            peers: BTreeMap::new(),
            token: None,
            timeout: Duration::from_secs(5),
        }
    }
}

/// The client side of pulls.
pub struct SparkPeers {
    peers: BTreeMap<String, reqwest::Url>,
    token: Option<Zeroizing<String>>,
    client: reqwest::Client,
    runtime: tokio::runtime::Handle,
}

impl fmt::Debug for SparkPeers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SparkPeers")
            .field("peers", &self.peers)
            .finish_non_exhaustive()
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExportQuery {
    site: String,
    keys: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct ExportAnswer {
    entries: Vec<ExportEntry>,
}

#[derive(Serialize, Deserialize)]
struct ExportEntry {
    key: String,
    /// base64
    value: String,
    /// Milliseconds left; absent = no TTL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ttl_ms: Option<u64>,
}

impl SparkPeers {
    /// The client for these peers. Requests run on `runtime`.
    ///
    /// # Errors
    ///
    /// A peer whose address is not a plain `http://` or `https://` address, in words.
    pub fn new(
        config: SparkPeersConfig,
        runtime: tokio::runtime::Handle,
    ) -> Result<Arc<Self>, SparkOpenError> {
        let fail = |what| SparkOpenError { path: None, what };
        let mut peers = BTreeMap::new();
        for (name, address) in config.peers {
            let url = reqwest::Url::parse(&address)
                .ok()
                .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
                .ok_or_else(|| {
                    fail(format!(
                        "the peer `{name}` has the address `{address}`; write http://HOST:PORT"
                    ))
                })?;
            check_key(name.as_bytes()).map_err(|e| fail(format!("the peer `{name}`: {e}")))?;
            peers.insert(name, url);
        }
        let client = crate::http::client::client_builder()
            .timeout(config.timeout)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|e| fail(e.to_string()))?;
        Ok(Arc::new(Self {
            peers,
            token: config.token.map(Zeroizing::new),
            client,
            runtime,
        }))
    }

    /// The address of the node that a flare calls `origin`: a configured name, or the address of a
    /// node on this machine (`127.0.0.1:8788`), so that trying it out needs no configuration.
    fn find(&self, origin: &str) -> Result<reqwest::Url, SparkError> {
        if let Some(url) = self.peers.get(origin) {
            return Ok(url.clone());
        }
        if let Ok(address) = origin.parse::<SocketAddr>()
            && address.ip().is_loopback()
            && let Ok(url) = reqwest::Url::parse(&format!("http://{address}"))
        {
            return Ok(url);
        }
        Err(SparkError::new(
            SparkCode::NotAvailable,
            format!("no node is called `{origin}`: name it under [spark.peers]"),
        ))
    }

    fn fetch(
        &self,
        base: &reqwest::Url,
        site: &str,
        keys: &[String],
    ) -> Result<ExportAnswer, SparkError> {
        let failed = |e: reqwest::Error| {
            let code = if e.is_connect() || e.is_timeout() {
                SparkCode::NotAvailable
            } else {
                SparkCode::Internal
            };
            SparkError::new(
                code,
                format!(
                    "cannot pull from {base}: {}",
                    crate::http::client::causes(&e)
                ),
            )
        };
        let bad = |what: String| SparkError::new(SparkCode::Internal, format!("{base} {what}"));
        let url = base.join(EXPORT_PATH).map_err(|e| bad(e.to_string()))?;
        let query = ExportQuery {
            site: site.to_owned(),
            keys: keys.to_vec(),
        };
        let query = serde_json::to_vec(&query).map_err(|e| bad(e.to_string()))?;
        self.runtime.block_on(async {
            let mut request = self
                .client
                .post(url)
                .header("content-type", "application/json")
                .body(query);
            if let Some(token) = &self.token {
                request = request.bearer_auth(token.as_str());
            }
            let mut response = request.send().await.map_err(failed)?;
            if response.status() != 200 {
                return Err(bad(format!(
                    "refused the pull with status {}",
                    response.status()
                )));
            }
            let mut body = Vec::new();
            while let Some(chunk) = response.chunk().await.map_err(failed)? {
                if body.len() + chunk.len() > EXPORT_MAX_REPLY {
                    return Err(bad(format!(
                        "answered with more than {EXPORT_MAX_REPLY} bytes"
                    )));
                }
                body.extend_from_slice(&chunk);
            }
            serde_json::from_slice(&body).map_err(|e| bad(format!("did not answer as a node: {e}")))
        })
    }
}

/// Who may read this node's keys over HTTP.
#[derive(Clone, Default)]
pub struct ExportPolicy {
    /// With a token, whoever presents it and nobody else; without one, this machine and nobody
    /// else. Behind a reverse proxy everyone looks like this machine: set a token there.
    pub token: Option<String>,
}

impl fmt::Debug for ExportPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExportPolicy")
            .field("has_token", &self.token.is_some())
            .finish()
    }
}

/// A request to [`EXPORT_PATH`], taken apart by the HTTP server.
#[derive(Debug, Clone, Copy)]
pub struct ExportRequest<'a> {
    /// Where the connection comes from.
    pub remote: IpAddr,
    /// The `Authorization` header.
    pub authorization: Option<&'a str>,
    /// The `Origin` header. Browsers send it; nodes do not.
    pub origin: Option<&'a str>,
    /// The body, at most [`EXPORT_MAX_REQUEST`] bytes.
    pub body: &'a [u8],
}

/// The answer of [`export`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportReply {
    /// The HTTP status.
    pub status: u16,
    /// JSON.
    pub body: Vec<u8>,
}

/// Answers another node's pull. It reads from disk: call it from a thread that may block.
///
/// 200 with the entries that exist; 400 for a body that is not `{"site", "keys"}` with valid keys;
/// 403 for strangers, and for browsers, whatever page they were told to send it by; 413 when the
/// request or the answer is too large; 500 when the store cannot be read.
pub fn export(store: &Spark, policy: &ExportPolicy, request: ExportRequest<'_>) -> ExportReply {
    let refuse = |status, reason: &str| ExportReply {
        status,
        body: serde_json::json!({ "error": reason })
            .to_string()
            .into_bytes(),
    };
    if request.origin.is_some() {
        return refuse(403, "this is not for browsers");
    }
    let known = match &policy.token {
        Some(token) => request
            .authorization
            .and_then(|value| value.strip_prefix("Bearer "))
            .is_some_and(|given| same_secret(given, token)),
        None => request.remote.to_canonical().is_loopback(),
    };
    if !known {
        return refuse(
            403,
            "only nodes of the same cluster may pull: give them the same token",
        );
    }
    if request.body.len() > EXPORT_MAX_REQUEST {
        return refuse(413, "the request is too large");
    }
    let query: ExportQuery = match serde_json::from_slice(request.body) {
        Ok(query) => query,
        Err(error) => return refuse(400, &format!("not a pull: {error}")),
    };
    if query.keys.len() > MAX_PULL_KEYS || query.site.len() > MAX_SITE_BYTES {
        return refuse(413, "too many keys, or too long a site");
    }
    let mut entries = Vec::new();
    let mut bytes = 0;
    for key in query.keys {
        if let Err(reason) = check_key(key.as_bytes()) {
            return refuse(400, &reason);
        }
        match store.peek(&query.site, &key) {
            // What runs out this very millisecond is no longer worth sending.
            Ok(
                None
                | Some(Entry {
                    ttl_left_ms: Some(0),
                    ..
                }),
            ) => {}
            Ok(Some(Entry {
                value,
                ttl_left_ms: ttl_ms,
            })) => {
                let value = STANDARD.encode(value);
                bytes += key.len() + value.len() + 64;
                if bytes > EXPORT_MAX_REPLY {
                    return refuse(413, "the answer is too large; pull fewer keys at once");
                }
                entries.push(ExportEntry { key, value, ttl_ms });
            }
            Err(error) => {
                tracing::error!(%error, "spark: cannot answer a pull");
                return refuse(500, "the store cannot be read");
            }
        }
    }
    match serde_json::to_vec(&ExportAnswer { entries }) {
        Ok(body) => ExportReply { status: 200, body },
        Err(_) => refuse(500, "the answer cannot be written"),
    }
}

/// Compares digests, so that the time it takes says nothing about where two tokens differ.
fn same_secret(a: &str, b: &str) -> bool {
    // blake3's comparison of hashes is constant-time.
    blake3::hash(a.as_bytes()) == blake3::hash(b.as_bytes())
}

#[cfg(test)]
mod tests;
