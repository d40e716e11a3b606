//! What the status page shows about Plasma.

use std::net::SocketAddr;

use serde::Serialize;

use crate::capability::health::Problem;
use crate::capability::plasma::Plasma;
use crate::capability::plasma::crdt::KeyState;
use crate::sync::lock;

/// What [`Plasma::status`] returns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlasmaStatus {
    /// This node's name.
    pub node_id: String,
    /// The address at which it is reached; `None` if it has not joined others.
    pub gossip: Option<SocketAddr>,
    /// All known nodes, including this one, by name.
    pub nodes: Vec<NodeInfo>,
    /// All keys of all sites.
    pub keys: Vec<PlasmaKey>,
    /// How much of the store's room is in use, in bytes.
    pub bytes: usize,
    /// The store's room, in bytes.
    pub max_bytes: usize,
    /// How many deleted keys are kept until all nodes have seen the delete.
    pub tombstones: usize,
    /// What is wrong, the worst problem first.
    pub problems: Vec<Problem>,
}

/// One node of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeInfo {
    /// Its name.
    pub node_id: String,
    /// The address at which it is reached.
    pub address: Option<SocketAddr>,
    /// Whether it has been heard from recently.
    pub alive: bool,
    /// Whether it is this node.
    pub this: bool,
    /// How long ago it was heard from, in milliseconds; `None` for this node, and for those that
    /// have not been heard from since this node started.
    pub heard_ms_ago: Option<u64>,
    /// How many of this node's changes it has not stored yet.
    pub backlog: u64,
}

/// One key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlasmaKey {
    /// The site it belongs to.
    pub site: String,
    /// The key.
    pub key: String,
    /// What it holds.
    pub kind: PlasmaKind,
}

/// What a key holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PlasmaKind {
    /// A counter.
    Counter {
        /// Its value.
        total: i64,
    },
    /// A register.
    Value {
        /// The value's length.
        bytes: usize,
    },
}

impl PlasmaKind {
    /// What a key in this state holds; `None` if it was deleted.
    fn of(state: &KeyState) -> Option<PlasmaKind> {
        match (&state.value, state.counter()) {
            (Some(value), _) => Some(PlasmaKind::Value { bytes: value.len() }),
            (None, Some(total)) => Some(PlasmaKind::Counter { total }),
            (None, None) => None,
        }
    }
}

impl Plasma {
    /// What a key holds; `None` if there is no such key.
    pub(crate) fn kind(&self, site: &str, key: &str) -> Option<PlasmaKind> {
        let id = (site.to_owned(), key.to_owned());
        self.shared.state().get(&id).and_then(PlasmaKind::of)
    }

    /// The current status, for a status page. Never waits for the network.
    pub fn status(&self) -> PlasmaStatus {
        let state = self.shared.state();
        let keys = state.iter().filter_map(|((site, key), state)| {
            Some(PlasmaKey {
                site: site.clone(),
                key: key.clone(),
                kind: PlasmaKind::of(state)?,
            })
        });
        let keys = keys.collect();
        let (bytes, tombstones, seq) = (state.bytes(), state.tombstones(), state.cursor().seq);
        drop(state);
        let link = lock(&self.shared.link).clone();
        let mut nodes = vec![NodeInfo {
            node_id: self.shared.node_id.clone(),
            address: link.as_ref().map(|link| link.address),
            alive: true,
            this: true,
            heard_ms_ago: None,
            backlog: 0,
        }];
        if let Some(link) = &link {
            let members = lock(&self.shared.members);
            nodes.extend(members.iter().map(|(name, member)| {
                NodeInfo {
                    node_id: name.clone(),
                    address: Some(member.address),
                    alive: member.is_alive(link.alive_for),
                    this: false,
                    heard_ms_ago: member
                        .silence()
                        .map(|silence| u64::try_from(silence.as_millis()).unwrap_or(u64::MAX)),
                    backlog: seq.saturating_sub(member.acked),
                }
            }));
            nodes.sort_by(|a, b| a.node_id.cmp(&b.node_id));
        }
        PlasmaStatus {
            node_id: self.shared.node_id.clone(),
            gossip: link.map(|link| link.address),
            nodes,
            keys,
            bytes,
            max_bytes: self.max_bytes,
            tombstones,
            problems: self.problems(),
        }
    }
}
