//! How facts look in Chitchat's entries, which are pairs of text.
//!
//! An entry's name is a letter and a hash of what it is about: it has to be unique and short, while
//! sites and keys can be of any form. Its value is JSON.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::capability::kv::check_key;
use crate::capability::plasma::crdt::{ABSURD_TIME, Fact, Id, KeyState, Stamp, Sums};

/// The longest value that is published in one entry, in bytes; longer ones are cut into pieces of
/// this size. In base64 a piece is 32 KiB, so it fits into a datagram with the rest of a message.
pub const INLINE_BYTES: usize = 24 * 1024;

/// The longest value taken from another node, in bytes, whatever that node's limits are.
const MAX_REMOTE_VALUE: usize = 4 * 1024 * 1024;

#[derive(Serialize, Deserialize)]
struct BaseEntry {
    site: String,
    key: String,
    stamp: Stamp,
    /// base64, if it is short
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    /// how many pieces it is in, if it is long
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pieces: Option<usize>,
}

#[derive(Serialize, Deserialize)]
struct PieceEntry {
    stamp: Stamp,
    /// base64
    value: String,
}

#[derive(Serialize, Deserialize)]
struct SumsEntry {
    site: String,
    key: String,
    base: Stamp,
    actor: Arc<str>,
    #[serde(flatten)]
    sums: Sums,
}

/// The name of the entry that tells a node's actor.
pub(super) const ACTOR: &str = "actor";

fn hash(parts: &[&str]) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        // With its length, so that no two lists of parts are alike.
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hex::encode(&hasher.finalize().as_bytes()[..16])
}

fn json(entry: &impl Serialize) -> String {
    serde_json::to_string(entry).expect("text, numbers and maps by text can be written as JSON")
}

/// The entries of a key, as far as they are `ours` to tell; pieces come before what needs them.
pub(super) fn encode(
    id: &Id,
    key: &KeyState,
    ours: impl Fn(&Arc<str>) -> bool,
) -> Vec<(String, String)> {
    let (site, name) = id;
    let mut entries = Vec::new();
    if key.base.time != 0 && ours(&key.base.actor) {
        let hash = hash(&[site, name]);
        let mut entry = BaseEntry {
            site: site.clone(),
            key: name.clone(),
            stamp: key.base.clone(),
            value: None,
            pieces: None,
        };
        match &key.value {
            Some(value) if value.len() > INLINE_BYTES => {
                let pieces = value.chunks(INLINE_BYTES);
                entry.pieces = Some(pieces.len());
                for (i, piece) in pieces.enumerate() {
                    let piece = PieceEntry {
                        stamp: key.base.clone(),
                        value: STANDARD.encode(piece),
                    };
                    entries.push((format!("v{hash}.{i}"), json(&piece)));
                }
            }
            value => entry.value = value.as_ref().map(|value| STANDARD.encode(value)),
        }
        entries.push((format!("b{hash}"), json(&entry)));
    }
    for (actor, sums) in key.sums.iter().filter(|(actor, _)| ours(actor)) {
        let entry = SumsEntry {
            site: site.clone(),
            key: name.clone(),
            base: key.base.clone(),
            actor: actor.clone(),
            sums: *sums,
        };
        entries.push((format!("s{}", hash(&[site, name, actor])), json(&entry)));
    }
    entries
}

/// The name of the entry to read when this one has changed: a piece means nothing by itself.
pub(super) fn head(name: &str) -> Option<String> {
    match name.split_at_checked(1)? {
        ("b" | "s", _) => Some(name.to_owned()),
        ("v", rest) => Some(format!("b{}", rest.split_once('.')?.0)),
        _ => None,
    }
}

/// The fact in an entry. `None` if it is not ours to understand, or not all there yet.
pub(super) fn decode<'a>(name: &str, get: impl Fn(&str) -> Option<&'a str>) -> Option<Fact> {
    let text = get(name)?;
    let (kind, hash) = name.split_at_checked(1)?;
    let fact = if kind == "s" {
        let entry: SumsEntry = serde_json::from_str(text).ok()?;
        Fact::Sums {
            id: (entry.site, entry.key),
            base: entry.base,
            actor: entry.actor,
            sums: entry.sums,
        }
    } else {
        let entry: BaseEntry = serde_json::from_str(text).ok()?;
        let value = match (entry.value, entry.pieces) {
            (Some(text), _) => Some(STANDARD.decode(text).ok()?),
            (None, Some(pieces)) => {
                if pieces > MAX_REMOTE_VALUE / INLINE_BYTES {
                    return None;
                }
                let mut value = Vec::new();
                for i in 0..pieces {
                    let piece: PieceEntry =
                        serde_json::from_str(get(&format!("v{hash}.{i}"))?).ok()?;
                    if piece.stamp != entry.stamp {
                        return None;
                    }
                    value.extend(STANDARD.decode(piece.value).ok()?);
                }
                Some(value)
            }
            (None, None) => None,
        };
        Fact::Base {
            id: (entry.site, entry.key),
            stamp: entry.stamp,
            value: value.map(Into::into),
        }
    };
    fact.is_sane().then_some(fact)
}

impl Fact {
    /// Other nodes are trusted, but not to be free of mistakes.
    fn is_sane(&self) -> bool {
        let (Fact::Base { id, stamp, .. }
        | Fact::Sums {
            id, base: stamp, ..
        }) = self;
        check_key(id.1.as_bytes()).is_ok() && stamp.time < ABSURD_TIME
    }
}
