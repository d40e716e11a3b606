//! What all flares of a node share.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use crate::capability::crypto::JwtPolicy;
use crate::capability::id::IdGenerator;
use crate::capability::plasma::Plasma;
use crate::capability::spark::{ExportPolicy, Spark, SparkPeers};
use crate::http::budget::Budget;
use crate::runtime::Network;
use crate::sync::lock;

/// The shared parts behind the capabilities.
pub(crate) struct Node {
    pub(crate) ids: IdGenerator,
    pub(crate) jwt: JwtPolicy,
    pub(crate) spark: Arc<Spark>,
    pub(crate) plasma: Arc<Plasma>,
    /// The nodes that keys can be pulled from.
    pub(crate) peers: Arc<SparkPeers>,
    /// Which nodes may pull keys from here.
    pub(crate) export: ExportPolicy,
    pub(crate) network: Network,
    /// How much of its clients' data the node holds at once.
    pub(crate) budget: Arc<Budget>,
    /// Where the node listens.
    pub(crate) own: Mutex<Vec<SocketAddr>>,
}

impl Node {
    /// The addresses that the node listens on.
    pub(crate) fn own_addresses(&self) -> Vec<SocketAddr> {
        lock(&self.own).clone()
    }

    /// Adds an address.
    pub(crate) fn add_own_address(&self, address: SocketAddr) {
        lock(&self.own).push(address);
    }
}
