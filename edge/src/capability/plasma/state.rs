//! What this node knows, in memory: the keys, the order in which they changed, and digests by which
//! two nodes find where they differ.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use crate::capability::plasma::crdt::{Id, KeyState};
use crate::capability::plasma::protocol::{Cursor, Entry};

/// How many parts the keys are compared in.
pub(super) const BUCKETS: usize = 256;

struct Held {
    state: KeyState,
    /// Where in the feed its last change is.
    seq: u64,
    digest: u64,
    /// The node that has told it just like this, and need not be told.
    from: Option<Arc<str>>,
}

/// The committed state. Only the writing thread changes it.
pub(super) struct State {
    keys: BTreeMap<Id, Held>,
    /// Each key at its last change: who has read it all has the whole state.
    feed: BTreeMap<u64, Id>,
    /// Names this feed; another life of the node begins another one.
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

    /// All keys, tombstones among them.
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

    /// Sets a key to what is known of it now; `from` is the node that knows just that.
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

    /// What it takes of the store's room.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many keys are what deletes left.
    pub(super) fn tombstones(&self) -> usize {
        self.tombstones
    }

    /// What deletes left, and where in the feed.
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

    /// A number that two nodes have in common when they have the same keys. What deletes left does
    /// not bear on it: nodes drop that at different times.
    pub(super) fn root(&self) -> u64 {
        let mut hasher = blake3::Hasher::new();
        for digest in self.digests {
            hasher.update(&digest.to_le_bytes());
        }
        first_word(&hasher.finalize())
    }

    /// The same for each part of the keys.
    pub(super) fn digests(&self) -> &[u64; BUCKETS] {
        &self.digests
    }

    /// What changed after a point of the feed, of about `most` bytes, and up to where that is. `None`
    /// for another feed's cursor. What `to` has told itself is left out.
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
        // What was forgotten leaves gaps.
        cursor.seq = self.seq;
        Some((cursor, entries, false))
    }

    /// The keys of some parts after a key, of about `most` bytes; and the last one, if there are
    /// more.
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
    // A digest that is always the same would hide all differences; there is no error to hide.
    let bytes = postcard::to_allocvec(&(id, state)).expect("keys are text, bytes and numbers");
    first_word(&blake3::hash(&bytes))
}
