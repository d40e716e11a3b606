//! Spark as one invocation of a flare sees it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::capability::kv::check_key;
use crate::capability::spark::Spark;
use crate::capability::spark::error::{SparkCode, SparkError};
use crate::capability::spark::peers::{MAX_PULL_KEYS, SparkPeers};
use crate::capability::spark::tables::{Op, alive, secs_left};

/// What one invocation of a flare may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SparkLimits {
    /// The longest value (`max_kv_value_bytes`), in bytes.
    pub max_value_bytes: usize,
    /// The number of `spark_get` and `spark_list` calls. The ABI names no limit; this one is
    /// generous.
    pub max_reads: u32,
    /// The number of `spark_set` and `spark_delete` calls. The ABI names no limit; this one is
    /// generous.
    pub max_writes: u32,
    /// The longest TTL, in seconds.
    pub max_ttl_secs: u32,
    /// The capability `writes_spark_kv`.
    pub writes_allowed: bool,
}

impl Default for SparkLimits {
    /// Values of 64 KiB, 1000 reads, 1000 writes, TTLs of ten years, and no permission to write.
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

/// Spark as one invocation sees it: one site, its limits, and how much of them is used.
#[derive(Debug)]
pub struct SparkSession {
    store: Option<Arc<Spark>>,
    site: Arc<str>,
    pub(super) limits: SparkLimits,
    peers: Option<Arc<SparkPeers>>,
    reads: u32,
    writes: u32,
    pulled: bool,
}

impl SparkSession {
    /// A session for one invocation. Without a store every operation returns "not available";
    /// without peers only `pull` does.
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
            .ok_or_else(|| SparkError::new(SparkCode::NotAvailable, "this node has no Spark store"))
    }

    fn may_write(&self) -> Result<(), SparkError> {
        if self.limits.writes_allowed {
            return Ok(());
        }
        Err(SparkError::new(
            SparkCode::NoCapability,
            "this flare may not write; set `writes_spark_kv = true` in flare.toml",
        ))
    }

    fn count_read(&mut self) -> Result<(), SparkError> {
        if self.reads >= self.limits.max_reads {
            return Err(SparkError::new(
                SparkCode::ReadLimit,
                format!(
                    "this invocation has used all of its {} reads",
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
                    "this invocation has used all of its {} writes",
                    self.limits.max_writes
                ),
            ));
        }
        self.writes += 1;
        Ok(())
    }

    /// `spark_get`: the remaining seconds as a little-endian `u32` (0 means no TTL), followed by
    /// the value; or `None` if there is no such key.
    ///
    /// # Errors
    ///
    /// [`SparkCode::NotAvailable`], [`SparkCode::BadKey`], [`SparkCode::ReadLimit`],
    /// [`SparkCode::Internal`].
    pub fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, SparkError> {
        let store = self.store()?;
        let key = check_key(key).map_err(|e| SparkError::new(SparkCode::BadKey, e))?;
        self.count_read()?;
        Ok(store.read(&self.site, key)?.and_then(|(deadline, value)| {
            let now = (store.clock)();
            // It may have expired since it was read.
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

    /// `spark_set`; with a TTL of 0 the key does not expire. Returns when the value is on disk.
    ///
    /// # Errors
    ///
    /// Checked in this order: [`SparkCode::NoCapability`], [`SparkCode::NotAvailable`],
    /// [`SparkCode::BadKey`], [`SparkCode::TooLarge`], [`SparkCode::InvalidTtl`],
    /// [`SparkCode::WriteLimit`], [`SparkCode::QuotaExceeded`], [`SparkCode::Internal`]. A write refused
    /// before the write limit is checked does not count towards it.
    pub fn set(&mut self, key: &[u8], value: &[u8], ttl_secs: i32) -> Result<(), SparkError> {
        self.may_write()?;
        let store = self.store()?;
        let key = check_key(key).map_err(|e| SparkError::new(SparkCode::BadKey, e))?;
        if value.len() > self.limits.max_value_bytes {
            return Err(SparkError::new(
                SparkCode::TooLarge,
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

    /// `spark_delete`: deleting a key that does not exist is not an error. The guest gets no
    /// result; the error is for the log.
    ///
    /// # Errors
    ///
    /// As for [`SparkSession::set`], except for those about the value.
    pub fn delete(&mut self, key: &[u8]) -> Result<(), SparkError> {
        self.may_write()?;
        let store = self.store()?;
        let key = check_key(key).map_err(|e| SparkError::new(SparkCode::BadKey, e))?;
        self.count_write()?;
        store.write(
            &self.site,
            Op::Delete {
                key: key.to_owned(),
            },
        )
    }

    /// `spark_list`: a JSON array of the live keys, sorted.
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

    /// `spark_pull`: copies keys of this site from another node, and returns how many of them that
    /// node had. They replace keys of the same name here: either all of them or, on an error, none.
    ///
    /// Waits for the network through the runtime that [`SparkPeers`] holds: call it from a thread
    /// that may block, never from async code.
    ///
    /// # Errors
    ///
    /// [`SparkCode::NoCapability`]; [`SparkCode::NotAvailable`]: no store, no peers, no such peer,
    /// or it cannot be reached; [`SparkCode::BadKey`]: a key, the list or the origin is invalid;
    /// [`SparkCode::WriteLimit`]: the second pull of this invocation, or more than
    /// [`MAX_PULL_KEYS`] keys; [`SparkCode::Internal`]: the other node's answer is invalid, or
    /// exceeds this node's limits.
    pub fn pull(&mut self, origin: &[u8], keys: &[u8]) -> Result<u32, SparkError> {
        self.may_write()?;
        let unavailable = |reason: &str| SparkError::new(SparkCode::NotAvailable, reason);
        let store = self.store()?;
        let peers = self.peers.clone().ok_or_else(|| {
            unavailable("this node knows no other: add nodes with --peer NAME=URL")
        })?;
        let invalid = |reason: String| SparkError::new(SparkCode::BadKey, reason);
        let origin = check_key(origin).map_err(|e| invalid(format!("the origin: {e}")))?;
        let keys: Vec<String> = serde_json::from_slice(keys)
            .map_err(|e| invalid(format!("the keys are not a JSON array of strings: {e}")))?;
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
                SparkCode::QuotaExceeded => SparkError::new(SparkCode::Internal, e.reason),
                _ => e,
            })?;
        Ok(count)
    }
}
