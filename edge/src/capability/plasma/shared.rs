//! What the node's threads and tasks share.

use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, RwLock, RwLockReadGuard};
use std::time::Duration;

use tokio::sync::watch;

use crate::capability::health::{Problems, Severity};
use crate::capability::kv::WallClock;
use crate::capability::plasma::disk::Identity;
use crate::capability::plasma::members::Members;
use crate::capability::plasma::state::State;
use crate::sync::read;

/// How a node appears on the network, for the status page.
#[derive(Debug, Clone)]
pub(super) struct Link {
    /// The address at which the others reach this node.
    pub(super) address: SocketAddr,
    /// How recently a node must have been heard from to count as alive.
    pub(super) alive_for: Duration,
}

/// The state, and what the other nodes have of it.
pub(super) struct Shared {
    pub(super) node_id: String,
    pub(super) state: RwLock<State>,
    pub(super) members: Mutex<Members>,
    pub(super) identity: Mutex<Identity>,
    pub(super) link: Mutex<Option<Link>>,
    /// The end of the feed; tasks that wait for changes watch it.
    pub(super) news: watch::Sender<u64>,
    /// Whether the network is cut, for tests.
    pub(super) isolated: watch::Sender<bool>,
    pub(super) problems: Problems,
    /// The latest time in the state.
    pub(super) time: AtomicU64,
    /// This node's wall clock.
    pub(super) wall: WallClock,
}

impl Shared {
    pub(super) fn new(
        node_id: String,
        identity: Identity,
        members: Members,
        state: State,
        wall: WallClock,
    ) -> Self {
        Self {
            node_id,
            state: RwLock::new(state),
            members: Mutex::new(members),
            identity: Mutex::new(identity),
            link: Mutex::default(),
            news: watch::Sender::new(0),
            isolated: watch::Sender::new(false),
            problems: Problems::default(),
            time: AtomicU64::new(0),
            wall,
        }
    }

    /// Reports a problem: on the status page, and in the log if it is new.
    pub(super) fn tell(&self, severity: Severity, kind: &str, what: String) {
        self.problems.tell("plasma", severity, kind, what);
    }

    pub(super) fn state(&self) -> RwLockReadGuard<'_, State> {
        read(&self.state)
    }

    /// Wakes up the tasks that wait for changes.
    pub(super) fn announce(&self) {
        let seq = self.state().cursor().seq;
        self.news.send_replace(seq);
    }
}
