//! Spark and Plasma for developers: reading and changing values, exporting and importing them, without a
//! flare and its limits.

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::capability::kv::now_ms;
use crate::capability::plasma::{Plasma, PlasmaConfig, PlasmaKind, PlasmaLimits, PlasmaSession};
use crate::capability::spark::{Spark, SparkConfig, SparkLimits, SparkSession};
use crate::error::{Error, Result};
use crate::recording::Content;

/// One of the two stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StoreName {
    /// The site's store on this node, whose entries can expire.
    Spark,
    /// The store of all nodes, with counters.
    Plasma,
}

impl FromStr for StoreName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "spark" => Ok(StoreName::Spark),
            "plasma" => Ok(StoreName::Plasma),
            _ => Err(Error::new(format!(
                "{text:?} is not a store; the stores are spark and plasma"
            ))),
        }
    }
}

impl fmt::Display for StoreName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            StoreName::Spark => "spark",
            StoreName::Plasma => "plasma",
        })
    }
}

/// A key and its value: a line of a file that `flaron-edge kv export` and `store export` write, and that
/// `seed` in `flare.toml` names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredEntry {
    /// The store.
    pub store: StoreName,
    /// The site. A file that `seed` names may omit it; the default is the flare's site.
    #[serde(default)]
    pub site: String,
    /// The key.
    pub key: String,
    /// The value, unless it is a counter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Content>,
    /// The counter's value, if it is one. Plasma only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counter: Option<i64>,
    /// When it expires, in milliseconds since 1970. Spark only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_ms: Option<u64>,
    /// Whether it is the tombstone of a deleted key; importing it does nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deleted: bool,
}

/// The two stores of a node.
#[derive(Debug, Clone)]
pub struct Stores {
    spark: Arc<Spark>,
    plasma: Arc<Plasma>,
}

impl Stores {
    pub(crate) fn of(spark: &Arc<Spark>, plasma: &Arc<Plasma>) -> Stores {
        Stores {
            spark: spark.clone(),
            plasma: plasma.clone(),
        }
    }

    /// Opens the stores in a node's data folder, as the node with this name. No node may be using the folder.
    ///
    /// # Errors
    ///
    /// When there is no such folder, or a store cannot be opened.
    pub fn open(folder: &Path, node_id: &str) -> Result<Stores> {
        if !folder.is_dir() {
            return Err(Error::new(format!(
                "there is no data folder {}; a node creates it when it runs, and --data names another",
                folder.display()
            )));
        }
        let failed = |error: &dyn fmt::Display| Error::new(error.to_string());
        let spark = Spark::open(SparkConfig {
            path: Some(folder.join("spark.redb")),
            ..SparkConfig::default()
        })
        .map_err(|error| failed(&error))?;
        let mut config = PlasmaConfig::new(node_id);
        config.path = Some(folder.join("plasma.redb"));
        let plasma = Plasma::open(config).map_err(|error| failed(&error))?;
        Ok(Stores { spark, plasma })
    }

    /// All entries of one store or both, and of one site or all, ordered by key.
    ///
    /// # Errors
    ///
    /// When a store cannot be read.
    pub fn entries(
        &self,
        store: Option<StoreName>,
        site: Option<&str>,
    ) -> Result<Vec<StoredEntry>> {
        let mut names = Vec::new();
        if store != Some(StoreName::Plasma) {
            for usage in self
                .spark
                .usage()
                .map_err(|error| Error::new(error.to_string()))?
            {
                let keys = self.spark.entries(&usage.site);
                for key in keys.map_err(|error| Error::new(error.to_string()))? {
                    names.push((StoreName::Spark, usage.site.clone(), key.key));
                }
            }
        }
        if store != Some(StoreName::Spark) {
            for key in self.plasma.status().keys {
                names.push((StoreName::Plasma, key.site, key.key));
            }
        }
        names.retain(|(_, of, _)| site.is_none_or(|site| site == of));
        let mut entries = Vec::new();
        for (store, site, key) in names {
            // It may have been deleted or expired meanwhile.
            entries.extend(self.get(store, &site, &key)?);
        }
        Ok(entries)
    }

    /// A key's entry; `None` if there is no such key.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub fn get(&self, store: StoreName, site: &str, key: &str) -> Result<Option<StoredEntry>> {
        let mut entry = StoredEntry {
            store,
            site: site.to_owned(),
            key: key.to_owned(),
            value: None,
            counter: None,
            expires_ms: None,
            deleted: false,
        };
        match store {
            StoreName::Spark => {
                let found = self.spark.peek(site, key);
                let Some(found) = found.map_err(|error| Error::new(error.to_string()))? else {
                    return Ok(None);
                };
                entry.value = Some(Content(found.value.into()));
                entry.expires_ms = found.ttl_left_ms.map(|left| now_ms().saturating_add(left));
            }
            StoreName::Plasma => {
                let found = self.plasma_session(site).get(key.as_bytes());
                let Some(found) = found.map_err(|error| Error::new(error.to_string()))? else {
                    return Ok(None);
                };
                match self.counter(site, key) {
                    Some(total) => entry.counter = Some(total),
                    None => entry.value = Some(Content(found.into())),
                }
            }
        }
        Ok(Some(entry))
    }

    /// Stores an entry, replacing the key's old value. It is on disk when this returns.
    ///
    /// # Errors
    ///
    /// When the store does not accept the key or the value, or cannot write.
    pub fn put(&self, entry: &StoredEntry) -> Result<()> {
        let refused =
            |why: &dyn fmt::Display| Error::new(format!("{} {}: {why}", entry.store, entry.key));
        let (site, key) = (&*entry.site, entry.key.as_bytes());
        match (entry.store, &entry.value, entry.counter) {
            _ if entry.deleted => Ok(()),
            (StoreName::Spark, Some(value), None) => {
                let ttl = match entry.expires_ms {
                    None => 0,
                    Some(at) => match at.saturating_sub(now_ms()) {
                        0 => return Ok(()), // It has expired.
                        left => i32::try_from(left.div_ceil(1000)).unwrap_or(i32::MAX),
                    },
                };
                let put = self.spark_session(site).set(key, &value.0, ttl);
                put.map_err(|error| refused(&error))
            }
            (StoreName::Plasma, Some(value), None) => {
                let put = self.plasma_session(site).set(key, &value.0);
                put.map_err(|error| refused(&error))
            }
            (StoreName::Plasma, None, Some(total)) => {
                let mut session = self.plasma_session(site);
                let old = self.counter(site, &entry.key);
                if old.is_none() {
                    // It may have held a value.
                    session.delete(key).map_err(|error| refused(&error))?;
                }
                let step = total.checked_sub(old.unwrap_or(0));
                let step = step.ok_or_else(|| {
                    refused(&"the difference to the old value does not fit into 64 bits")
                })?;
                let put = session.increment(key, step);
                put.map(drop).map_err(|error| refused(&error))
            }
            (StoreName::Spark, _, Some(_)) => Err(refused(&"Spark has no counters; use Plasma")),
            (_, None, None) => Err(refused(&"it has neither a value nor a counter")),
            (_, Some(_), Some(_)) => Err(refused(&"it is a value or a counter, not both")),
        }
    }

    /// Deletes a key, and returns whether it existed.
    ///
    /// # Errors
    ///
    /// When the key is invalid, or the store cannot write.
    pub fn delete(&self, store: StoreName, site: &str, key: &str) -> Result<bool> {
        let was_there = self.get(store, site, key)?.is_some();
        let key = key.as_bytes();
        match store {
            StoreName::Spark => self
                .spark_session(site)
                .delete(key)
                .map_err(|error| Error::new(error.to_string()))?,
            StoreName::Plasma => self
                .plasma_session(site)
                .delete(key)
                .map_err(|error| Error::new(error.to_string()))?,
        }
        Ok(was_there)
    }

    /// Stores those entries of a file whose keys do not exist yet, for the flare's site unless they name
    /// another. Returns their number.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or an entry cannot be stored; the message names its line.
    pub(crate) fn seed(&self, file: &Path, site: &str) -> Result<usize> {
        let text = std::fs::read_to_string(file)
            .map_err(|error| Error::new(format!("cannot read {}: {error}", file.display())))?;
        let mut count = 0;
        for (line, mut entry) in parse_entries(&text).map_err(|e| e.within(file.display()))? {
            if entry.site.is_empty() {
                site.clone_into(&mut entry.site);
            }
            if self.get(entry.store, &entry.site, &entry.key)?.is_none() {
                let put = self.put(&entry);
                put.map_err(|error| error.within(format!("{}:{line}", file.display())))?;
                count += 1;
            }
        }
        Ok(count)
    }

    /// A counter's value; `None` if the key does not hold a counter.
    fn counter(&self, site: &str, key: &str) -> Option<i64> {
        match self.plasma.kind(site, key)? {
            PlasmaKind::Counter { total } => Some(total),
            PlasmaKind::Value { .. } => None,
        }
    }

    fn spark_session(&self, site: &str) -> SparkSession {
        let limits = SparkLimits {
            max_value_bytes: usize::MAX,
            writes_allowed: true,
            ..SparkLimits::default()
        };
        SparkSession::new(Some(self.spark.clone()), site, limits, None)
    }

    fn plasma_session(&self, site: &str) -> PlasmaSession {
        let limits = PlasmaLimits {
            max_value_bytes: 64 * 1024,
            writes_allowed: true,
            ..PlasmaLimits::default()
        };
        PlasmaSession::new(Some(self.plasma.clone()), site, limits)
    }
}

/// Reads a file of entries, one JSON object per line, and returns each with its line number.
///
/// # Errors
///
/// When a line is not an entry; the message names it.
pub fn parse_entries(text: &str) -> Result<Vec<(usize, StoredEntry)>> {
    let lines = text.lines().enumerate();
    lines
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(at, line)| match serde_json::from_str(line) {
            Ok(entry) => Ok((at + 1, entry)),
            Err(error) => Err(Error::new(format!(
                "line {}: not an entry: {error}; write {{\"store\": \"spark\", \"key\": \"greeting\", \
                 \"value\": \"hello\"}}",
                at + 1
            ))),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(text: &str) -> StoredEntry {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn what_is_put_is_there_after_opening_again() {
        let folder = tempfile::tempdir().unwrap();
        let put = [
            r#"{"store":"plasma","site":"s","key":"n","counter":41}"#,
            r#"{"store":"plasma","site":"s","key":"v","value":"a"}"#,
            r#"{"store":"spark","site":"s","key":"k","value":{"base64":"/w=="}}"#,
        ];
        let stores = Stores::open(folder.path(), "local").unwrap();
        for text in put {
            stores.put(&entry(text)).unwrap();
        }
        let mut expiring = entry(r#"{"store":"spark","site":"t","key":"k","value":"2"}"#);
        expiring.expires_ms = Some(now_ms() + 3_600_000);
        stores.put(&expiring).unwrap();
        // Putting a counter again sets it; it does not add.
        stores.put(&entry(put[0])).unwrap();
        drop(stores);
        let stores = Stores::open(folder.path(), "local").unwrap();
        let all = stores.entries(None, Some("s")).unwrap();
        let keys: Vec<&str> = all.iter().map(|entry| &*entry.key).collect();
        assert_eq!(keys, ["k", "n", "v"]);
        assert_eq!(all[1].counter, Some(41));
        assert_eq!(all[0].value.as_ref().unwrap().0, b"\xff"[..]);
        let other = stores.get(StoreName::Spark, "t", "k").unwrap().unwrap();
        assert!(other.expires_ms.is_some());
        assert!(stores.delete(StoreName::Spark, "t", "k").unwrap());
        assert!(!stores.delete(StoreName::Spark, "t", "k").unwrap());
        assert!(stores.delete(StoreName::Plasma, "s", "n").unwrap());
    }

    #[test]
    fn what_was_deleted_or_has_expired_is_not_put() {
        let folder = tempfile::tempdir().unwrap();
        let stores = Stores::open(folder.path(), "local").unwrap();
        for text in [
            r#"{"store":"plasma","site":"s","key":"a","deleted":true}"#,
            r#"{"store":"spark","site":"s","key":"a","value":"x","expires_ms":1}"#,
        ] {
            stores.put(&entry(text)).unwrap();
        }
        assert!(stores.entries(None, None).unwrap().is_empty());
        for (text, why) in [
            (
                r#"{"store":"spark","site":"s","key":"a","counter":1}"#,
                "no counters",
            ),
            (
                r#"{"store":"spark","site":"s","key":"a b","value":"1"}"#,
                "a b",
            ),
            (r#"{"store":"spark","site":"s","key":"a"}"#, "neither"),
        ] {
            let error = stores.put(&entry(text)).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn seeds_do_not_overwrite() {
        let folder = tempfile::tempdir().unwrap();
        let stores = Stores::open(folder.path(), "local").unwrap();
        let file = folder.path().join("seed.jsonl");
        let text = "{\"store\":\"spark\",\"key\":\"a\",\"value\":\"1\"}\n\n{\"store\":\"spark\",\"key\":\"b\",\"value\":\"2\"}\n";
        std::fs::write(&file, text).unwrap();
        stores
            .put(&entry(
                r#"{"store":"spark","site":"s","key":"a","value":"mine"}"#,
            ))
            .unwrap();
        assert_eq!(stores.seed(&file, "s").unwrap(), 1);
        let a = stores.get(StoreName::Spark, "s", "a").unwrap().unwrap();
        assert_eq!(a.value.unwrap().0, "mine");
        std::fs::write(&file, "{\"store\":\"sprak\"}").unwrap();
        let error = stores.seed(&file, "s").unwrap_err().to_string();
        assert!(
            error.contains("seed.jsonl: line 1: not an entry: unknown variant"),
            "{error}"
        );
    }
}
