//! What is on disk: each key, and who this node is.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use redb::{Database, ReadableTable as _, TableDefinition};
use serde::{Deserialize, Serialize};

use crate::capability::plasma::crdt::{Id, KeyState, Stamp, Sums};

/// (site, key) to [`StoredKey`] as JSON.
const KEYS: TableDefinition<(&str, &str), &[u8]> = TableDefinition::new("keys");

/// This node's identity: `node_id`, `actor`, `generation`.
const META: TableDefinition<&str, &str> = TableDefinition::new("meta");

/// A [`KeyState`] on disk.
#[derive(Serialize, Deserialize)]
struct StoredKey {
    base: Stamp,
    /// base64
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    sums: BTreeMap<Arc<str>, Sums>,
}

impl StoredKey {
    fn from_state(key: &KeyState) -> Self {
        Self {
            base: key.base.clone(),
            value: key.value.as_ref().map(|value| STANDARD.encode(value)),
            sums: key.sums.clone(),
        }
    }

    fn restore(self) -> Option<KeyState> {
        let value = match self.value {
            Some(text) => Some(STANDARD.decode(text).ok()?.into()),
            None => None,
        };
        Some(KeyState {
            base: self.base,
            value,
            sums: self.sums,
        })
    }
}

/// What the disk knows of a node.
pub(super) struct Loaded {
    pub(super) actor: Arc<str>,
    pub(super) generation: u64,
    pub(super) keys: BTreeMap<Id, KeyState>,
}

pub(super) fn load(db: &Database, node_id: &str) -> Result<Loaded, redb::Error> {
    let txn = db.begin_write()?;
    let loaded = {
        let mut meta = txn.open_table(META)?;
        let get = |name: &str| -> Result<Option<String>, redb::Error> {
            Ok(meta.get(name)?.map(|text| text.value().to_owned()))
        };
        let generation = get("generation")?
            .and_then(|text| text.parse().ok())
            .unwrap_or(0);
        let known = match get("node_id")? {
            Some(known) if known == node_id => get("actor")?,
            // Another node's folder, or a new one.
            _ => None,
        };
        let actor = match known {
            Some(actor) => actor,
            None => {
                let mut digits = [0; 8];
                getrandom::fill(&mut digits).map_err(|e| {
                    redb::Error::Io(std::io::Error::other(format!("no randomness: {e}")))
                })?;
                let actor = format!("{node_id}~{}", hex::encode(digits));
                meta.insert("node_id", node_id)?;
                meta.insert("actor", actor.as_str())?;
                actor
            }
        };
        let mut keys = BTreeMap::new();
        for item in txn.open_table(KEYS)?.iter()? {
            let (id, stored) = item?;
            let (site, key) = id.value();
            let state = serde_json::from_slice::<StoredKey>(stored.value()).ok();
            let state = state.and_then(StoredKey::restore).ok_or_else(|| {
                redb::Error::Corrupted(format!("the entry of `{key}` of `{site}` cannot be read"))
            })?;
            keys.insert((site.to_owned(), key.to_owned()), state);
        }
        Loaded {
            actor: actor.into(),
            generation,
            keys,
        }
    };
    txn.commit()?;
    Ok(loaded)
}

/// Writes these keys in one transaction; on disk when it returns.
pub(super) fn persist(db: &Database, keys: &BTreeMap<Id, KeyState>) -> Result<(), redb::Error> {
    if keys.is_empty() {
        return Ok(());
    }
    let txn = db.begin_write()?;
    {
        let mut table = txn.open_table(KEYS)?;
        for ((site, key), state) in keys {
            let stored = serde_json::to_vec(&StoredKey::from_state(state))
                .map_err(|e| redb::Error::Io(std::io::Error::other(e)))?;
            table.insert((site.as_str(), key.as_str()), stored.as_slice())?;
        }
    }
    txn.commit()?;
    Ok(())
}

/// Forgets these keys in one transaction.
pub(super) fn remove<'a>(
    db: &Database,
    keys: impl IntoIterator<Item = &'a Id>,
) -> Result<(), redb::Error> {
    let txn = db.begin_write()?;
    {
        let mut table = txn.open_table(KEYS)?;
        for (site, key) in keys {
            table.remove((site.as_str(), key.as_str()))?;
        }
    }
    txn.commit()?;
    Ok(())
}

/// Remembers the number of a life of the gossip.
pub(super) fn store_generation(db: &Database, generation: u64) -> Result<(), redb::Error> {
    let txn = db.begin_write()?;
    txn.open_table(META)?
        .insert("generation", generation.to_string().as_str())?;
    txn.commit()?;
    Ok(())
}
