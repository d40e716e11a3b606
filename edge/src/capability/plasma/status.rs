//! What the status page shows of Plasma.

use std::net::SocketAddr;

use serde::Serialize;

/// What [`Plasma::status`] tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlasmaStatus {
    /// This node's name.
    pub node_id: String,
    /// The address it is reached at; `None` if it has not joined others.
    pub gossip: Option<SocketAddr>,
    /// All nodes that are known, this one among them, by name.
    pub nodes: Vec<NodeInfo>,
    /// All keys of all sites.
    pub keys: Vec<PlasmaKey>,
}

/// One node of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeInfo {
    /// Its name.
    pub node_id: String,
    /// The address it is reached at.
    pub address: Option<SocketAddr>,
    /// Whether it has been heard of lately.
    pub alive: bool,
    /// Whether it is this one.
    pub this: bool,
}

/// One key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlasmaKey {
    /// Whose it is.
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
