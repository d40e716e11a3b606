//! What nodes say to each other, and the answers to it. No network here.
//!
//! A node *pulls*: it asks another for what has changed there since it last asked. The other's
//! answer may be long in coming, until something does change, so news is there at once and a quiet
//! cluster says little. A node that is asked for the first time, or has another life, is first
//! compared with: both have digests of 256 parts of the keys, and only parts that differ are told.
//! Whoever asks for what comes after a point says with it that he has stored all before.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};

use crate::capability::kv::{MAX_SITE_BYTES, check_key};
use crate::capability::plasma::clock::HybridClock;
use crate::capability::plasma::crdt::{Id, KeyState};
use crate::capability::plasma::shared::Shared;
use crate::sync::lock;

/// About how many bytes of keys one answer has.
const ANSWER_BYTES: usize = 256 * 1024;

/// The longest request and answer, in bytes. An answer ends with the entry that fills it, and a key
/// with a value of the longest kind and many actors fits behind that.
pub(super) const MAX_REQUEST: usize = 64 * 1024;
pub(super) const MAX_RESPONSE: usize = 16 * 1024 * 1024;

/// The longest value, and the most actors of a counter, that are taken from another node, whatever
/// its limits are.
const MAX_REMOTE_VALUE: usize = 4 * 1024 * 1024;
const MAX_ACTORS: usize = 20_000;

/// The longest name of a node or an actor.
const MAX_NAME: usize = 512;

/// The most nodes that one answer tells of.
const MAX_KNOWN: usize = 1000;

/// What a connection begins with, from both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hello {
    pub(super) cluster: String,
    pub(super) node: String,
    pub(super) actor: Arc<str>,
    /// This life of the node's folder.
    pub(super) life: u64,
    pub(super) generation: u64,
    /// Where it is reached.
    pub(super) address: SocketAddr,
}

/// The answer to a [`Hello`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Welcome {
    Accepted {
        hello: Hello,
        /// The last life of the caller's actor that was known before.
        seen: Option<u64>,
    },
    /// Another cluster, though it has the same key.
    OtherCluster(String),
    /// The caller has this node's name.
    SameName,
    /// The caller is this node itself.
    Yourself,
}

/// A point in a node's feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cursor {
    pub(super) incarnation: u64,
    pub(super) seq: u64,
}

/// A key and what is known of it.
pub(super) type Entry = (Id, KeyState);

/// A node that another one tells of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KnownNode {
    pub(super) node: String,
    pub(super) address: SocketAddr,
    pub(super) generation: u64,
    /// For how long it has not been heard of. One that is gone stays gone, however many tell of it.
    pub(super) silent_ms: u64,
}

/// A question of a node that pulls.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Request {
    /// What has changed after this? It has stored all before.
    Changes { since: Cursor },
    /// What are the digests of the parts?
    Digests,
    /// What is in these parts, after this key?
    Entries { buckets: Vec<u8>, after: Option<Id> },
}

/// An answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Response {
    Changes {
        cursor: Cursor,
        entries: Vec<Entry>,
        /// Whether there is more at once.
        more: bool,
        /// The digest of all, at the end of the feed.
        root: u64,
        members: Vec<KnownNode>,
    },
    /// The cursor is of an earlier life: compare.
    OtherFeed,
    Digests {
        cursor: Cursor,
        digests: Vec<u64>,
        /// What the answerer's clock has seen. Deletes do not show in digests, so whoever compares
        /// may not hear of one; but what it counts from then on comes after it.
        time: u64,
    },
    Entries {
        entries: Vec<Entry>,
        last: Option<Id>,
    },
}

impl Hello {
    /// Whether a node can be like that.
    pub(super) fn is_sane(&self) -> bool {
        is_node(&self.node, self.address)
            && self.actor.len() <= MAX_NAME
            && self.cluster.len() <= MAX_NAME
    }
}

impl KnownNode {
    /// Whether a node can be like that.
    pub(super) fn is_sane(&self) -> bool {
        is_node(&self.node, self.address)
    }
}

/// Whether a node can have that name, and be reached there.
fn is_node(name: &str, address: SocketAddr) -> bool {
    check_key(name.as_bytes()).is_ok() && !address.ip().is_unspecified() && address.port() != 0
}

/// Notes what a request says of who asks: what it has stored.
pub(super) fn note(shared: &Shared, hello: &Hello, request: &Request) {
    let Request::Changes { since } = request else {
        return;
    };
    let is_ours = shared.state().cursor().incarnation == since.incarnation;
    let mut members = lock(&shared.members);
    if is_ours {
        members.acked(&hello.node, since.seq);
    }
    // Before it asks this it stores in which life it was met.
    members.remember_life(hello);
}

/// Answers a request that is not answered later.
pub(super) fn answer(shared: &Shared, node: &str, request: &Request) -> Response {
    let state = shared.state();
    match request {
        Request::Changes { since } => {
            let Some((cursor, entries, more)) = state.changes(*since, node, ANSWER_BYTES) else {
                return Response::OtherFeed;
            };
            let members = lock(&shared.members);
            let known = members
                .iter()
                .take(MAX_KNOWN)
                .map(|(name, member)| KnownNode {
                    node: name.clone(),
                    address: member.address,
                    generation: member.generation,
                    silent_ms: (shared.wall)().saturating_sub(member.last_seen_ms),
                });
            Response::Changes {
                cursor,
                entries,
                more,
                root: state.root(),
                members: known.collect(),
            }
        }
        Request::Digests => Response::Digests {
            cursor: state.cursor(),
            digests: state.digests().to_vec(),
            time: shared.time.load(Ordering::SeqCst),
        },
        Request::Entries { buckets, after } => {
            let (entries, last) = state.entries(buckets, after.as_ref(), ANSWER_BYTES);
            Response::Entries { entries, last }
        }
    }
}

/// What is wrong with an entry of another node, if something is. Nodes have the cluster's key, but
/// they can be mistaken.
pub(super) fn objection((id, state): &Entry, clock: &HybridClock) -> Option<String> {
    let (site, key) = id;
    if site.is_empty() || site.len() > MAX_SITE_BYTES || check_key(key.as_bytes()).is_err() {
        return Some("an invalid key".to_owned());
    }
    if state
        .value
        .as_ref()
        .is_some_and(|v| v.len() > MAX_REMOTE_VALUE)
    {
        return Some(format!("a value of `{key}` that is too long"));
    }
    let actors = state.counts.keys().chain([&state.base.actor]);
    if state.counts.len() > MAX_ACTORS || actors.into_iter().any(|a| a.len() > MAX_NAME) {
        return Some(format!(
            "more actors of the counter `{key}` than there can be"
        ));
    }
    if !clock.is_credible(state.latest()) {
        return Some(format!(
            "a change of `{key}` that is more than a day ahead of this node's clock; set the clock \
             of the node that is wrong"
        ));
    }
    None
}
