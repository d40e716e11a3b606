//! What this node knows, in memory: the keys, the order in which they changed, and digests that two
//! nodes compare to find where they differ.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use crate::capability::plasma::crdt::{Id, KeyState};
use crate::capability::plasma::protocol::{Cursor, Entry};

/// How many parts the keys are divided into for comparison.
pub(super) const BUCKETS: usize = 256;

struct Held {
    state: KeyState,
    /// The position of its last change in the feed.
    seq: u64,
    digest: u64,
    /// The node that sent exactly this state, and need not be sent it again.
    from: Option<Arc<str>>,
}

/// The committed state. Only the writing thread changes it.
pub(super) struct State {
    keys: BTreeMap<Id, Held>,
    /// Each key, at the position of its last change. Reading it to the end gives the whole state.
    feed: BTreeMap<u64, Id>,
    /// Identifies this feed; each life of the node begins a new one.
    incarnation: u64,
    seq: u64,
    digests: [u64; BUCKETS],
    bytes: usize,
    tombstones: usize,
}

impl State {
    pub(super) fn new(incarnation: u64, keys: BTreeMap<Id, KeyState>) -> Self {
        let mut state = Self {
            keys: BTreeMap::new(),
            feed: BTreeMap::new(),
            incarnation,
            seq: 0,
            digests: [0; BUCKETS],
            bytes: 0,
            tombstones: 0,
        };
        for (id, key) in keys {
            state.put(id, key, None);
        }
        state
    }

    pub(super) fn get(&self, id: &Id) -> Option<&KeyState> {
        self.keys.get(id).map(|held| &held.state)
    }

    /// All keys, including tombstones.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Id, &KeyState)> {
        self.keys.iter().map(|(id, held)| (id, &held.state))
    }

    /// The keys of a site that exist.
    pub(super) fn site<'a>(&'a self, site: &'a str) -> impl Iterator<Item = &'a str> {
        self.keys
            .range((site.to_owned(), String::new())..)
            .take_while(move |((at, _), _)| at == site)
            .filter(|(_, held)| held.state.exists())
            .map(|((_, key), _)| key.as_str())
    }

    /// Sets a key to its new state; `from` is the node that already has exactly this state.
    pub(super) fn put(&mut self, id: Id, state: KeyState, from: Option<Arc<str>>) {
        self.remove(&id);
        self.seq += 1;
        self.bytes += state.cost(&id);
        self.tombstones += usize::from(state.is_tombstone());
        let digest = digest(&id, &state);
        self.digests[bucket(&id)] ^= digest;
        self.feed.insert(self.seq, id.clone());
        let seq = self.seq;
        let held = Held {
            state,
            seq,
            digest,
            from,
        };
        self.keys.insert(id, held);
    }

    /// Forgets a key.
    pub(super) fn remove(&mut self, id: &Id) {
        if let Some(held) = self.keys.remove(id) {
            self.bytes -= held.state.cost(id);
            self.tombstones -= usize::from(held.state.is_tombstone());
            self.digests[bucket(id)] ^= held.digest;
            self.feed.remove(&held.seq);
        }
    }

    /// How much of the store's room it takes, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The number of tombstones.
    pub(super) fn tombstones(&self) -> usize {
        self.tombstones
    }

    /// The tombstones, with their positions in the feed.
    pub(super) fn iter_tombstones(&self) -> impl Iterator<Item = (&Id, &KeyState, u64)> {
        self.keys
            .iter()
            .filter(|(_, held)| held.state.is_tombstone())
            .map(|(id, held)| (id, &held.state, held.seq))
    }

    /// The end of the feed.
    pub(super) fn cursor(&self) -> Cursor {
        Cursor {
            incarnation: self.incarnation,
            seq: self.seq,
        }
    }

    /// A number that is the same on two nodes that have the same keys. Tombstones do not affect it,
    /// because nodes drop them at different times.
    pub(super) fn root(&self) -> u64 {
        let mut hasher = blake3::Hasher::new();
        for digest in self.digests {
            hasher.update(&digest.to_le_bytes());
        }
        first_word(&hasher.finalize())
    }

    /// The same, for each part of the keys.
    pub(super) fn digests(&self) -> &[u64; BUCKETS] {
        &self.digests
    }

    /// The changes after a point of the feed, about `most` bytes of them; how far they go; and
    /// whether there are more. `None` if the cursor belongs to another feed. Changes that came from
    /// `to` are left out.
    pub(super) fn changes(
        &self,
        since: Cursor,
        to: &str,
        most: usize,
    ) -> Option<(Cursor, Vec<Entry>, bool)> {
        if since.incarnation != self.incarnation || since.seq > self.seq {
            return None;
        }
        let mut entries = Vec::new();
        let mut bytes = 0;
        let mut cursor = since;
        for (seq, id) in self
            .feed
            .range((Bound::Excluded(since.seq), Bound::Unbounded))
        {
            if bytes >= most {
                return Some((cursor, entries, true));
            }
            cursor.seq = *seq;
            if let Some(held) = self.keys.get(id)
                && held.from.as_deref() != Some(to)
            {
                bytes += held.state.cost(id);
                entries.push((id.clone(), held.state.clone()));
            }
        }
        // Removed keys leave gaps.
        cursor.seq = self.seq;
        Some((cursor, entries, false))
    }

    /// The keys of some parts, after a given key, about `most` bytes of them; and the last one
    /// returned if there are more.
    pub(super) fn entries(
        &self,
        buckets: &[u8],
        after: Option<&Id>,
        most: usize,
    ) -> (Vec<Entry>, Option<Id>) {
        let mut wanted = [false; BUCKETS];
        for bucket in buckets {
            wanted[usize::from(*bucket)] = true;
        }
        let from = match after {
            Some(id) => Bound::Excluded(id),
            None => Bound::Unbounded,
        };
        let mut entries: Vec<Entry> = Vec::new();
        let mut bytes = 0;
        for (id, held) in self.keys.range::<Id, _>((from, Bound::Unbounded)) {
            if !wanted[bucket(id)] {
                continue;
            }
            if bytes >= most {
                let last = entries.last().map(|(id, _)| id.clone());
                return (entries, last);
            }
            bytes += held.state.cost(id);
            entries.push((id.clone(), held.state.clone()));
        }
        (entries, None)
    }
}

fn first_word(hash: &blake3::Hash) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&hash.as_bytes()[..8]);
    u64::from_le_bytes(word)
}

fn bucket((site, key): &Id) -> usize {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(site.len() as u64).to_le_bytes());
    hasher.update(site.as_bytes());
    hasher.update(key.as_bytes());
    usize::from(hasher.finalize().as_bytes()[0])
}

fn digest(id: &Id, state: &KeyState) -> u64 {
    if state.is_tombstone() {
        return 0;
    }
    // A constant digest would hide all differences, so there is no fallback for an error here.
    let bytes = postcard::to_allocvec(&(id, state)).expect("keys are text, bytes and numbers");
    first_word(&blake3::hash(&bytes))
}
