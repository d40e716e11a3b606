//! What the node's threads and tasks share.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, RwLock, RwLockReadGuard};

use tokio::sync::Notify;

use crate::capability::plasma::crdt::{Id, KeyState};
use crate::capability::plasma::status::NodeInfo;
use crate::sync::{lock, read};

/// The committed state. Only the writing thread changes it.
#[derive(Default)]
pub(super) struct State {
    pub(super) keys: BTreeMap<Id, KeyState>,
}

/// What the node's threads and tasks share.
pub(super) struct Shared {
    pub(super) node_id: String,
    pub(super) actor: Arc<str>,
    pub(super) state: RwLock<State>,
    pub(super) outbox: Mutex<Option<Arc<Outbox>>>,
    pub(super) nodes: RwLock<Vec<NodeInfo>>,
    pub(super) isolated: Arc<AtomicBool>,
}

/// What waits to be told to the other nodes, while there is a gossip to tell it.
pub(super) struct Outbox {
    /// Where this node is reached.
    pub(super) address: SocketAddr,
    /// Keys that have changed since they were last told.
    pub(super) changed: Mutex<BTreeSet<Id>>,
    /// Rung when there are some.
    pub(super) notify: Notify,
}

impl Shared {
    pub(super) fn state(&self) -> RwLockReadGuard<'_, State> {
        read(&self.state)
    }

    /// Leaves it to the gossip's task: Chitchat may be busy, and writes are not to wait for it.
    pub(super) fn tell(&self, ids: BTreeSet<Id>) {
        if let Some(outbox) = &*lock(&self.outbox) {
            lock(&outbox.changed).extend(ids);
            outbox.notify.notify_one();
        }
    }
}
