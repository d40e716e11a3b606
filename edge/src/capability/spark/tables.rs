//! The tables on disk, and what a write does to them.

use redb::{Database, ReadableTable as _, TableDefinition, TableHandle as _};

use crate::capability::kv::{CHECK_BYTES, checked, with_check};
use crate::capability::spark::error::{SparkCode, SparkError};

/// How much of the quota an entry uses in addition to its key and value: an estimate of the store's
/// own overhead.
const ENTRY_OVERHEAD: u64 = 32;

/// How many expired entries one sweep removes at most, so that it does not hold up writers for
/// long.
pub(super) const SWEEP_BATCH: usize = 1000;

/// From (site, key) to a checksum, a deadline (8 bytes, little-endian, milliseconds since 1970, 0
/// for none) and the value.
pub(super) const ENTRIES: TableDefinition<(&str, &str), &[u8]> = TableDefinition::new("entries.2");

/// The earlier format, without checksums.
const OLD_ENTRIES: TableDefinition<(&str, &str), &[u8]> = TableDefinition::new("entries");

/// (deadline, site, key): which entry expires when, so that a sweep reads nothing else.
pub(super) const DEADLINES: TableDefinition<(u64, &str, &str), ()> =
    TableDefinition::new("deadlines");

/// From a site to its number of entries and the bytes of quota they use, including expired ones
/// until they are swept.
pub(super) const USAGE: TableDefinition<&str, (u64, u64)> = TableDefinition::new("usage");

/// One write, as the writing thread receives it.
pub(super) enum Op {
    /// A `deadline` of 0 means none.
    Set {
        key: String,
        value: Vec<u8>,
        deadline: u64,
    },
    Delete {
        key: String,
    },
    /// All of them, or none.
    SetMany(Vec<(String, Vec<u8>, u64)>),
}

impl Op {
    /// Roughly how much it writes, in bytes.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Op::Set { key, value, .. } => key.len() + value.len(),
            Op::Delete { .. } => 0,
            Op::SetMany(items) => items.iter().map(|(k, v, _)| k.len() + v.len()).sum(),
        }
    }
}

/// Creates the tables, and migrates what an earlier version stored.
pub(super) fn prepare(database: &Database) -> Result<(), redb::Error> {
    let txn = database.begin_write()?;
    {
        let mut entries = txn.open_table(ENTRIES)?;
        txn.open_table(DEADLINES)?;
        txn.open_table(USAGE)?;
        if txn
            .list_tables()?
            .any(|table| table.name() == OLD_ENTRIES.name())
        {
            for item in txn.open_table(OLD_ENTRIES)?.iter()? {
                let (id, stored) = item?;
                let (site, key) = id.value();
                entries.insert(
                    (site, key),
                    with_check(site, key, stored.value()).as_slice(),
                )?;
            }
        }
    }
    txn.delete_table(OLD_ENTRIES)?;
    txn.commit()?;
    Ok(())
}

/// An entry's deadline and value; `None` if it is damaged.
pub(super) fn split<'a>(site: &str, key: &str, stored: &'a [u8]) -> Option<(u64, &'a [u8])> {
    let (deadline, value) = checked(site, key, stored)?.split_first_chunk::<8>()?;
    Some((u64::from_le_bytes(*deadline), value))
}

/// The length of an entry's value as the quota counts it, whether damaged or not.
fn value_bytes(stored: &[u8]) -> usize {
    stored.len().saturating_sub(CHECK_BYTES + 8)
}

/// An entry's deadline, whether damaged or not.
fn deadline(stored: &[u8]) -> u64 {
    let deadline = stored.get(CHECK_BYTES..).and_then(|s| s.first_chunk::<8>());
    deadline.map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

pub(super) fn alive(deadline: u64, now: u64) -> bool {
    deadline == 0 || now < deadline
}

pub(super) fn secs_left(deadline: u64, now: u64) -> u32 {
    u32::try_from(deadline.saturating_sub(now).div_ceil(1000)).unwrap_or(u32::MAX)
}

pub(super) fn cost(key: &str, value_bytes: usize) -> u64 {
    (key.len() + value_bytes) as u64 + ENTRY_OVERHEAD
}

/// The tables of one write transaction.
pub(super) struct Tables<'t> {
    pub(super) entries: redb::Table<'t, (&'static str, &'static str), &'static [u8]>,
    pub(super) deadlines: redb::Table<'t, (u64, &'static str, &'static str), ()>,
    pub(super) usage: redb::Table<'t, &'static str, (u64, u64)>,
    pub(super) quota_bytes: u64,
    pub(super) now: u64,
}

impl<'t> Tables<'t> {
    pub(super) fn open(
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

    /// The outer result is for errors of the disk, the inner one for errors of the flare.
    pub(super) fn apply(
        &mut self,
        site: &str,
        op: &Op,
    ) -> Result<Result<(), SparkError>, redb::Error> {
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
            // Expired entries must not take room away from live ones.
            while self.sweep(Some(site))? == SWEEP_BATCH {}
            needed = self.needed(site, items)?;
        }
        if needed > self.quota_bytes {
            return Ok(Err(SparkError::new(
                SparkCode::QuotaExceeded,
                format!(
                    "the site `{site}` would use {needed} bytes of its quota of {}; delete keys, \
                     give them a TTL, or raise the quota",
                    self.quota_bytes
                ),
            )));
        }
        for (key, value, deadline) in items {
            self.remove(site, key)?;
            let stored = with_check(site, key, &[&deadline.to_le_bytes()[..], value].concat());
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

    /// How much the site would use with these entries. A key given twice counts twice.
    fn needed(&self, site: &str, items: &[(&String, &Vec<u8>, u64)]) -> Result<u64, redb::Error> {
        let mut needed = self.usage(site)?.1;
        for (key, value, _) in items {
            if let Some(old) = self.entries.get((site, key.as_str()))? {
                needed = needed.saturating_sub(cost(key, value_bytes(old.value())));
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
            (deadline(old.value()), cost(key, value_bytes(old.value())))
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

    /// Removes expired entries of one site, or of all, at most [`SWEEP_BATCH`]; returns how many.
    pub(super) fn sweep(&mut self, site: Option<&str>) -> Result<usize, redb::Error> {
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
