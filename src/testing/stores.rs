//! Spark and Plasma.

use std::borrow::ToOwned;
use std::collections::BTreeMap;
use std::format;
use std::string::String;
use std::vec::Vec;

use crate::json;
use crate::testing::encoding::quoted;
use crate::testing::state::{PlasmaValue, SparkValue, State, take};

/// Spark's status codes: those of `spark::SparkError`.
mod spark_code {
    pub(super) const INVALID_TTL: i32 = 1;
    pub(super) const TOO_LARGE: i32 = 2;
    pub(super) const WRITE_LIMIT: i32 = 3;
    pub(super) const NOT_AVAILABLE: i32 = 5;
    pub(super) const BAD_KEY: i32 = 8;
    pub(super) const NO_CAPABILITY: i32 = 9;
}

/// Plasma's status codes: those of `plasma::PlasmaError`.
mod plasma_code {
    pub(super) const WRITE_LIMIT: i32 = 2;
    pub(super) const TOO_LARGE: i32 = 3;
    pub(super) const BAD_KEY: i32 = 4;
    pub(super) const NO_CAPABILITY: i32 = 5;
    pub(super) const INTERNAL: i32 = 6;
}

impl State {
    pub(crate) fn spark_alive(&self, key: &str) -> Option<&SparkValue> {
        let value = self.spark.get(key)?;
        let alive = value.deadline.is_none_or(|at| self.time_ms < at);
        alive.then_some(value)
    }

    pub(crate) fn put_spark(&mut self, key: &str, value: Vec<u8>, ttl_secs: u32) {
        let deadline = (ttl_secs != 0).then(|| self.time_ms + u64::from(ttl_secs) * 1000);
        let value = SparkValue { value, deadline };
        self.spark.insert(key.to_owned(), value);
    }

    pub(crate) fn spark_get(&mut self, key: &[u8]) -> Option<Vec<u8>> {
        let key = valid_key(key)?;
        if !take(&mut self.used.spark_reads, self.limits.max_kv_reads) {
            return None;
        }
        let value = self.spark_alive(key)?;
        let mut entry = value.ttl_left(self.time_ms).to_le_bytes().to_vec();
        entry.extend_from_slice(&value.value);
        Some(entry)
    }

    pub(crate) fn spark_set(&mut self, key: &[u8], value: &[u8], ttl_secs: i64) -> i32 {
        if !self.writes_spark_kv {
            return spark_code::NO_CAPABILITY;
        }
        let Some(key) = valid_key(key) else {
            return spark_code::BAD_KEY;
        };
        if value.len() > self.limits.max_kv_value_bytes {
            return spark_code::TOO_LARGE;
        }
        let ttl_secs = match u32::try_from(ttl_secs) {
            Ok(ttl_secs) if ttl_secs <= self.limits.max_ttl_secs => ttl_secs,
            _ => return spark_code::INVALID_TTL,
        };
        if !take(&mut self.used.spark_writes, self.limits.max_kv_writes) {
            return spark_code::WRITE_LIMIT;
        }
        self.put_spark(key, value.to_vec(), ttl_secs);
        0
    }

    pub(crate) fn spark_delete(&mut self, key: &[u8]) {
        let Some(key) = valid_key(key).filter(|_| self.writes_spark_kv) else {
            return;
        };
        if take(&mut self.used.spark_writes, self.limits.max_kv_writes) {
            self.spark.remove(key);
        }
    }

    pub(crate) fn spark_pull(&mut self, origin: &[u8], keys: &[u8]) -> i32 {
        if !self.writes_spark_kv {
            return -spark_code::NO_CAPABILITY;
        }
        let mut keys = keys.to_vec();
        let keys: Option<Vec<&str>> = json::parse(&mut keys).ok().and_then(|keys| {
            let keys = keys.elements();
            keys.map(|key| valid_key(key.as_bytes()?)).collect()
        });
        let (Some(origin), Some(keys)) = (valid_key(origin), keys) else {
            return -spark_code::BAD_KEY;
        };
        if self.used.pulled {
            return -spark_code::WRITE_LIMIT;
        }
        let Some(store) = self.nodes.get(origin) else {
            return -spark_code::NOT_AVAILABLE;
        };
        self.used.pulled = true;
        let found: BTreeMap<String, Vec<u8>> = keys
            .into_iter()
            .filter_map(|key| Some((key.to_owned(), store.get(key)?.clone())))
            .collect();
        let count = found.len() as i32;
        for (key, value) in found {
            self.put_spark(&key, value, 0);
        }
        count
    }

    /// Changes a value, if the flare may; the status.
    pub(crate) fn plasma_write(
        &mut self,
        key: &[u8],
        len: usize,
        change: impl FnOnce(&mut Option<PlasmaValue>) -> i32,
    ) -> i32 {
        if !self.writes_plasma_kv {
            return plasma_code::NO_CAPABILITY;
        }
        let Some(key) = valid_key(key) else {
            return plasma_code::BAD_KEY;
        };
        if len > self.limits.max_kv_value_bytes {
            return plasma_code::TOO_LARGE;
        }
        if !take(&mut self.used.plasma_writes, self.limits.max_kv_writes) {
            return plasma_code::WRITE_LIMIT;
        }
        let mut value = self.plasma.remove(key);
        let status = change(&mut value);
        if let Some(value) = value {
            self.plasma.insert(key.to_owned(), value);
        }
        status
    }

    pub(crate) fn count(&mut self, key: &[u8], delta: i64) -> Option<Vec<u8>> {
        let mut sum = None;
        self.plasma_write(key, 0, |value| {
            let total = match value {
                // What holds a value is no counter.
                Some(PlasmaValue::Value(_)) => return plasma_code::INTERNAL,
                Some(PlasmaValue::Counter(total)) => total.saturating_add(delta),
                None => delta,
            };
            sum = Some(total);
            *value = Some(PlasmaValue::Counter(total));
            0
        });
        sum.map(|total| total.to_le_bytes().to_vec())
    }
}

/// A key that the stores take.
pub(crate) fn valid_key(key: &[u8]) -> Option<&str> {
    let key = core::str::from_utf8(key).ok()?;
    let valid = (1..=256).contains(&key.len())
        && key
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b":._-".contains(&byte))
        && !key.starts_with("__flaron:")
        && !key.starts_with("__sys:");
    valid.then_some(key)
}

pub(crate) fn key_list<'a>(keys: impl Iterator<Item = &'a String>) -> Vec<u8> {
    let keys: Vec<String> = keys.map(|key| quoted(key)).collect();
    format!("[{}]", keys.join(",")).into()
}
