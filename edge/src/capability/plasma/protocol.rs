//! What nodes say to each other, and how a node answers. There is no network code here.
//!
//! A node *pulls*: it asks another for what has changed there since it last asked. The other holds
//! back its answer until something changes, so changes arrive at once and a quiet cluster sends
//! little. When a node asks for the first time, or the other has started a new life, the two
//! compare first: both have digests of 256 parts of the keys, and only the parts that differ are
//! sent. By asking for what comes after a point, a node also says that it has stored everything
//! before it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};

use crate::capability::kv::{MAX_SITE_BYTES, check_key};
use crate::capability::plasma::clock::HybridClock;
use crate::capability::plasma::crdt::{Id, KeyState};
use crate::capability::plasma::shared::Shared;
use crate::sync::lock;

/// How many bytes of keys an answer contains, roughly.
const ANSWER_BYTES: usize = 256 * 1024;

/// The longest request and answer, in bytes. An answer ends with the entry that fills it; there is
/// room for that to be a key with a value of maximum length and many actors.
pub(super) const MAX_REQUEST: usize = 64 * 1024;
pub(super) const MAX_RESPONSE: usize = 16 * 1024 * 1024;

/// The longest value, and the most actors of a counter, that are accepted from another node,
/// whatever its own limits are.
const MAX_REMOTE_VALUE: usize = 4 * 1024 * 1024;
const MAX_ACTORS: usize = 20_000;

/// The longest name of a node or an actor.
const MAX_NAME: usize = 512;

/// The most nodes that one answer lists.
const MAX_KNOWN: usize = 1000;

/// How both sides begin a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hello {
    pub(super) cluster: String,
    pub(super) node: String,
    pub(super) actor: Arc<str>,
    /// This life of the node's folder.
    pub(super) life: u64,
    pub(super) generation: u64,
    /// The address at which it can be reached.
    pub(super) address: SocketAddr,
}

/// The answer to a [`Hello`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Welcome {
    Accepted {
        hello: Hello,
        /// The last life of the caller's actor that was known so far.
        seen: Option<u64>,
    },
    /// Another cluster that has the same key.
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

/// A key, and what is known about it.
pub(super) type Entry = (Id, KeyState);

/// A node as another one describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KnownNode {
    pub(super) node: String,
    pub(super) address: SocketAddr,
    pub(super) generation: u64,
    /// How long it has not been heard from. A node that is gone stays gone, however many others
    /// mention it.
    pub(super) silent_ms: u64,
}

/// A request of a node that pulls.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Request {
    /// What has changed after this point? Everything before it has been stored.
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
        /// Whether there is more already.
        more: bool,
        /// The digest of everything, at the end of the feed.
        root: u64,
        members: Vec<KnownNode>,
    },
    /// The cursor belongs to an earlier life: compare.
    OtherFeed,
    Digests {
        cursor: Cursor,
        digests: Vec<u64>,
        /// A time that the answering node's clock has seen. Deletes do not show in digests, so the
        /// node that compares may not hear of one; but whatever it counts from then on comes after
        /// it.
        time: u64,
    },
    Entries {
        entries: Vec<Entry>,
        last: Option<Id>,
    },
}

impl Hello {
    /// Whether this can describe a node.
    pub(super) fn is_sane(&self) -> bool {
        is_node(&self.node, self.address)
            && self.actor.len() <= MAX_NAME
            && self.cluster.len() <= MAX_NAME
    }
}

impl KnownNode {
    /// Whether this can describe a node.
    pub(super) fn is_sane(&self) -> bool {
        is_node(&self.node, self.address)
    }
}

/// Whether a node can have this name and this address.
fn is_node(name: &str, address: SocketAddr) -> bool {
    check_key(name.as_bytes()).is_ok() && !address.ip().is_unspecified() && address.port() != 0
}

/// Records what a request says about the node that sent it: what it has stored.
pub(super) fn note(shared: &Shared, hello: &Hello, request: &Request) {
    let Request::Changes { since } = request else {
        return;
    };
    let is_ours = shared.state().cursor().incarnation == since.incarnation;
    let mut members = lock(&shared.members);
    if is_ours {
        members.acked(&hello.node, since.seq);
    }
    // Before it sends this request, it has stored in which life it was met.
    members.remember_life(hello);
}

/// Answers a request that can be answered at once.
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

/// What is wrong with an entry from another node, if anything is. Nodes have the cluster's key, but
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
        return Some(format!("a value for `{key}` that is too long"));
    }
    let actors = state.counts.keys().chain([&state.base.actor]);
    if state.counts.len() > MAX_ACTORS || actors.into_iter().any(|a| a.len() > MAX_NAME) {
        return Some(format!(
            "too many actors for the counter `{key}`, or names that are too long"
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
