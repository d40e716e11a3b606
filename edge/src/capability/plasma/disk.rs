//! What is on disk: each key with a checksum, who this node is, and whom it knows.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use redb::{Database, ReadableTable as _, TableDefinition, TableError, TableHandle as _};
use serde::Deserialize;

use crate::capability::kv::{checked, with_check};
use crate::capability::plasma::crdt::{Count, Id, KeyState, Stamp};
use crate::capability::plasma::members::Members;

/// (site, key) to a [`KeyState`] with a checksum of it and its key.
pub(super) const KEYS: TableDefinition<(&str, &str), &[u8]> = TableDefinition::new("keys.2");

/// (site, key) to an [`OldKey`] as JSON: the format before there were checksums and lives of
/// counters.
const OLD_KEYS: TableDefinition<(&str, &str), &[u8]> = TableDefinition::new("keys");

/// This node: `node_id`, `actor`, `generation`, `lives`, `clock`; and `members`.
const META: TableDefinition<&str, &str> = TableDefinition::new("meta");

/// How many lives of a folder are remembered.
const MAX_LIVES: usize = 1000;

/// A key as it was stored once.
#[derive(Deserialize)]
struct OldKey {
    base: Stamp,
    /// base64
    #[serde(default)]
    value: Option<String>,
    #[serde(default)]
    sums: BTreeMap<Arc<str>, OldSums>,
}

#[derive(Deserialize)]
struct OldSums {
    up: u64,
    down: u64,
}

impl OldKey {
    fn restore(self) -> Option<KeyState> {
        let value = match self.value {
            Some(text) => Some(STANDARD.decode(text).ok()?.into()),
            None => None,
        };
        // All nodes give an old sum the same epoch, so it stays one and the same everywhere.
        let epoch = self.base.time + 1;
        let counts = self.sums.into_iter().map(|(actor, sums)| {
            let OldSums { up, down } = sums;
            (actor, Count { epoch, up, down })
        });
        Some(KeyState {
            base: self.base,
            value,
            counts: counts.collect(),
        })
    }
}

/// Who this node is, as the folder knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    /// Under what this folder counts.
    pub(super) actor: Arc<str>,
    /// One number for each time that the folder was opened, the last one last. A node whose
    /// counting goes on from a copy of the folder does not have all of them.
    pub(super) lives: Vec<u64>,
    /// Raised with each life, even if the wall clock was set back.
    pub(super) generation: u64,
}

impl Identity {
    /// The number of this life.
    pub(super) fn life(&self) -> u64 {
        self.lives.last().copied().unwrap_or_default()
    }
}

/// What the disk knows.
pub(super) struct Loaded {
    pub(super) identity: Identity,
    pub(super) keys: BTreeMap<Id, KeyState>,
    pub(super) members: Members,
    /// Where the clock was.
    pub(super) clock: u64,
}

/// Random digits that no other node has.
pub(super) fn random() -> Result<u64, redb::Error> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes)
        .map_err(|e| redb::Error::Io(std::io::Error::other(format!("no randomness: {e}"))))?;
    Ok(u64::from_le_bytes(bytes))
}

/// A name for an actor of this node that nobody has had.
pub(super) fn new_actor(node_id: &str) -> Result<Arc<str>, redb::Error> {
    Ok(format!("{node_id}~{:016x}", random()?).into())
}

/// Reads all, and begins a new life.
pub(super) fn load(database: &Database, node_id: &str, now_ms: u64) -> Result<Loaded, redb::Error> {
    let txn = database.begin_write()?;
    let loaded = {
        let mut meta = txn.open_table(META)?;
        let get = |name: &str| -> Result<Option<String>, redb::Error> {
            Ok(meta.get(name)?.map(|text| text.value().to_owned()))
        };
        let number = |text: String| text.parse().ok();
        let generation: u64 = get("generation")?.and_then(number).unwrap_or(0);
        let clock: u64 = get("clock")?.and_then(number).unwrap_or(0);
        let members = get("members")?.and_then(|text| serde_json::from_str(&text).ok());
        let known = match get("node_id")? {
            Some(known) if known == node_id => get("actor")?,
            // Another node's folder, or a new one.
            _ => None,
        };
        let mut lives: Vec<u64> = match &known {
            Some(_) => get("lives")?
                .unwrap_or_default()
                .split(',')
                .filter_map(|life| u64::from_str_radix(life, 16).ok())
                .collect(),
            None => Vec::new(),
        };
        lives.push(random()?);
        if lives.len() > MAX_LIVES {
            lives.remove(0);
        }
        let actor = match known {
            Some(actor) => actor.into(),
            None => new_actor(node_id)?,
        };
        let identity = Identity {
            actor,
            lives,
            generation: now_ms.max(generation + 1),
        };
        for (name, text) in identity_texts(&identity) {
            meta.insert(name, text.as_str())?;
        }
        meta.insert("node_id", node_id)?;
        migrate(&txn)?;
        let mut keys = BTreeMap::new();
        for item in txn.open_table(KEYS)?.iter()? {
            let (id, stored) = item?;
            let (site, key) = id.value();
            let state = decode(site, key, stored.value()).ok_or_else(|| damaged(site, key))?;
            keys.insert((site.to_owned(), key.to_owned()), state);
        }
        Loaded {
            identity,
            keys,
            members: members.unwrap_or_default(),
            clock,
        }
    };
    txn.commit()?;
    Ok(loaded)
}

fn damaged(site: &str, key: &str) -> redb::Error {
    redb::Error::Corrupted(format!(
        "the entry of `{key}` of `{site}` is damaged; `flaron-edge store export` prints the others, \
         and `store reset` starts afresh: what other nodes have comes back from them"
    ))
}

/// An entry as it is stored, if nothing has changed it.
pub(super) fn decode(site: &str, key: &str, stored: &[u8]) -> Option<KeyState> {
    postcard::from_bytes(checked(site, key, stored)?).ok()
}

fn encode((site, key): &Id, state: &KeyState) -> Result<Vec<u8>, redb::Error> {
    let bytes = postcard::to_allocvec(state)
        .map_err(|e| redb::Error::Io(std::io::Error::other(e.to_string())))?;
    Ok(with_check(site, key, &bytes))
}

fn identity_texts(identity: &Identity) -> [(&'static str, String); 3] {
    let lives: Vec<String> = identity.lives.iter().map(|l| format!("{l:x}")).collect();
    [
        ("actor", identity.actor.to_string()),
        ("lives", lives.join(",")),
        ("generation", identity.generation.to_string()),
    ]
}

/// Brings entries of the old format into the new one.
fn migrate(txn: &redb::WriteTransaction) -> Result<(), redb::Error> {
    if !txn
        .list_tables()?
        .any(|table| table.name() == OLD_KEYS.name())
    {
        return Ok(());
    }
    {
        let old = match txn.open_table(OLD_KEYS) {
            Err(TableError::TableDoesNotExist(_)) => return Ok(()),
            old => old?,
        };
        let mut keys = txn.open_table(KEYS)?;
        for item in old.iter()? {
            let (id, stored) = item?;
            let (site, key) = id.value();
            let state = serde_json::from_slice::<OldKey>(stored.value())
                .ok()
                .and_then(OldKey::restore)
                .ok_or_else(|| damaged(site, key))?;
            let id = (site.to_owned(), key.to_owned());
            keys.insert((site, key), encode(&id, &state)?.as_slice())?;
        }
    }
    txn.delete_table(OLD_KEYS)?;
    Ok(())
}

/// Keys as they are now, with the node that has told them just so, which the disk need not know.
pub(super) type Changed = BTreeMap<Id, (KeyState, Option<Arc<str>>)>;

/// What one transaction writes.
#[derive(Default)]
pub(super) struct Batch<'a> {
    pub(super) keys: Option<&'a Changed>,
    pub(super) removed: &'a [Id],
    pub(super) identity: Option<&'a Identity>,
    pub(super) members: Option<&'a Members>,
    pub(super) clock: u64,
}

/// Writes all of it or nothing; on disk when it returns.
pub(super) fn persist(database: &Database, batch: &Batch<'_>) -> Result<(), redb::Error> {
    let txn = database.begin_write()?;
    {
        let mut keys = txn.open_table(KEYS)?;
        for (id, (state, _)) in batch.keys.into_iter().flatten() {
            keys.insert(
                (id.0.as_str(), id.1.as_str()),
                encode(id, state)?.as_slice(),
            )?;
        }
        for (site, key) in batch.removed {
            keys.remove((site.as_str(), key.as_str()))?;
        }
        let mut meta = txn.open_table(META)?;
        if let Some(identity) = batch.identity {
            for (name, text) in identity_texts(identity) {
                meta.insert(name, text.as_str())?;
            }
        }
        if let Some(members) = batch.members {
            let text = serde_json::to_string(members)
                .map_err(|e| redb::Error::Io(std::io::Error::other(e)))?;
            meta.insert("members", text.as_str())?;
        }
        meta.insert("clock", batch.clock.to_string().as_str())?;
    }
    txn.commit()?;
    Ok(())
}
