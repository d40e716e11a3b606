//! Plasma: keys and counters that several edge nodes share.
//!
//! # What a key is
//!
//! A key holds a register or a counter, never both.
//!
//! - A *register* has the value that was set last. "Last" is decided by a hybrid logical clock: the
//!   node's wall clock in milliseconds, pushed forward by every stamp the node has seen, so that who
//!   has seen a write and then writes wins over it however wrong the clocks are. Equal stamps are
//!   decided by the nodes' names, everywhere alike.
//! - A *counter* is what `increment` and `decrement` make of a key that holds no value. Every node
//!   keeps two sums of its own, what it added and what it took away, and only ever raises them;
//!   the counter is the sum over all nodes. Seeing a node's sums twice or late changes nothing, so
//!   nothing is counted twice. A sum stops at 2^64 - 1, and a counter outside of `i64` reads as the
//!   nearest `i64`.
//! - `delete` leaves a stamped *tombstone*, and `set` replaces a counter by a register. Both end the
//!   counter's life: increments that another node made on it meanwhile go with it. What is
//!   incremented after a delete is another life, and each node's sums say when they began: an old sum
//!   that comes back late, after everybody has forgotten the delete, is known to be old.
//! - `delete` of a key that is not there does nothing. If another node has just written it, that is
//!   a write at the same time, and stays.
//! - `increment` on a register is refused: nothing sensible could be added to bytes. Delete it first.
//! - `get` on a counter gives its `i64` as 8 little-endian bytes, as `increment` does.
//!
//! A tombstone goes when every node that is known has seen it, and not before it is ten minutes old.
//! A node that is away is waited for, for [`PlasmaConfig::tombstone_grace`]; one that comes back
//! after that loses and hides nothing that was counted, but can bring back keys that were deleted
//! meanwhile.
//!
//! # On disk
//!
//! All state is kept in memory and written to a `redb` file (see [`crate::spark`] for why redb) in
//! one transaction before a write is answered or told to anyone. A node that is killed comes back
//! with its contribution to every counter, so it adds to it instead of starting over. Contributions
//! are filed under an *actor*: the node's name and random digits, drawn when its folder is first
//! used. If the folder is lost, the next life is another actor, and what the first one counted
//! stays counted by the nodes that know it.
//!
//! A folder that is restored from a backup must not count on where the backup stood. So each life
//! of a folder has a number, the folder has the numbers of all its lives, and the others remember
//! the last one they met. A node counts under a provisional name until the first of them has said
//! a number that is in its folder; at one that is not, it goes on as another actor, and says so.
//!
//! # Between nodes
//!
//! Each node follows every other over TCP, encrypted and authenticated with the cluster's key
//! (`gossip.rs`, `protocol.rs`). News is on its way as soon as it is on disk; a node that was away,
//! or is new, compares digests and fetches what differs. Whatever a node learned it tells on, so
//! nobody depends on the node that wrote something. The edge's README argues the choice.

mod clock;
mod crdt;
mod disk;
mod error;
mod gossip;
mod members;
mod protocol;
mod puller;
mod reach;
mod replica;
mod session;
mod shared;
mod state;
mod status;
mod writer;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};

use crate::capability::health::Problem;
use crate::capability::kv::{OpenError, WallClock, bytes_json, check_key, wall_clock};
use crate::capability::plasma::crdt::Id;
use crate::capability::plasma::disk::decode;
use crate::capability::plasma::gossip::Gossip;
use crate::capability::plasma::replica::{Answer, Bounds, Op, Replica};
use crate::capability::plasma::shared::Shared;
use crate::capability::plasma::writer::Job;
use crate::capability::store::Store;
use crate::sync::lock;

pub use crate::capability::plasma::error::{PlasmaCode, PlasmaError};
pub use crate::capability::plasma::gossip::GossipConfig;
pub use crate::capability::plasma::session::{PlasmaLimits, PlasmaSession};
pub use crate::capability::plasma::status::{NodeInfo, PlasmaKey, PlasmaKind, PlasmaStatus};

/// Where and as whom a node stores.
#[derive(Debug, Clone)]
pub struct PlasmaConfig {
    /// The node's name, unique in its cluster.
    pub node_id: String,
    /// The store's file; its folder is made if need be. `None` keeps everything in memory.
    pub path: Option<PathBuf>,
    /// How much may be stored here, in bytes of keys and values and 128 an entry and an actor that
    /// counted, before writes that would add to it are refused. What other nodes wrote counts, and
    /// is taken in up to twice as much.
    pub max_bytes: usize,
    /// How long a node that is away is waited for before deletes that it has not seen are forgotten.
    pub tombstone_grace: Duration,
}

impl PlasmaConfig {
    /// In memory, 64 MiB, a week.
    pub fn new(node_id: impl Into<String>) -> Self {
        Self {
            node_id: node_id.into(),
            path: None,
            max_bytes: 64 * 1024 * 1024,
            tombstone_grace: Duration::from_secs(7 * 24 * 60 * 60),
        }
    }
}

/// The state shared by this node's flares, and its connection to the other nodes.
pub struct Plasma {
    shared: Arc<Shared>,
    jobs: mpsc::Sender<Job>,
    writer: Option<JoinHandle<()>>,
    max_bytes: usize,
    gossip: Mutex<Option<Gossip>>,
}

impl fmt::Debug for Plasma {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plasma")
            .field("node_id", &self.shared.node_id)
            .finish_non_exhaustive()
    }
}

impl Plasma {
    /// Opens or makes the store. The node is alone until it [joins](Plasma::join) others.
    ///
    /// # Errors
    ///
    /// [`OpenError`]: a bad node name, no permission, not a store, a damaged one, or another
    /// process has it.
    pub fn open(config: PlasmaConfig) -> Result<Arc<Self>, OpenError> {
        Self::open_with_clock(config, wall_clock())
    }

    /// As [`Plasma::open`], with a clock of the caller's (milliseconds since 1970), for tests.
    ///
    /// # Errors
    ///
    /// As [`Plasma::open`].
    pub fn open_with_clock(config: PlasmaConfig, clock: WallClock) -> Result<Arc<Self>, OpenError> {
        check_key(config.node_id.as_bytes()).map_err(|_| {
            OpenError::other(format!(
                "plasma: `{}` cannot name a node: use letters, digits and `:._-`",
                config.node_id.escape_debug()
            ))
        })?;
        let fail = |why: &dyn fmt::Display| OpenError::store("plasma", why);
        let store = Arc::new(Store::open(config.path.as_deref()).map_err(|e| fail(&e))?);
        let grace_ms = u64::try_from(config.tombstone_grace.as_millis()).unwrap_or(u64::MAX);
        let bounds = Bounds::new(config.max_bytes, grace_ms);
        let replica = Replica::open(store, &config.node_id, clock, bounds).map_err(|e| fail(&e))?;
        let shared = replica.shared.clone();
        let (jobs, queue) = mpsc::channel();
        let tidy_every = Duration::from_millis((bounds.min_tombstone_ms / 10).clamp(10, 1000));
        let writer = std::thread::Builder::new()
            .name("plasma-writer".to_owned())
            .spawn(move || writer::run(replica, &queue, tidy_every))
            .map_err(|e| fail(&e))?;
        Ok(Arc::new(Self {
            shared,
            jobs,
            writer: Some(writer),
            max_bytes: config.max_bytes,
            gossip: Mutex::default(),
        }))
    }

    fn write(&self, id: Id, op: Op) -> Answer {
        let stopped = || {
            PlasmaError::new(
                PlasmaCode::Internal,
                "the store's writing thread failed; try again",
            )
        };
        let (done, answer) = mpsc::sync_channel(1);
        self.jobs
            .send(Job::Local { id, op, done })
            .map_err(|_| stopped())?;
        answer.recv().map_err(|_| stopped())?
    }

    /// What is wrong with this node's Plasma, the worst first.
    pub fn problems(&self) -> Vec<Problem> {
        self.shared.problems.list()
    }
}

impl Drop for Plasma {
    fn drop(&mut self) {
        lock(&self.gossip).take();
        let _ = self.jobs.send(Job::Stop);
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

/// A stored key as JSON, for exporting a file; `None` if it is damaged.
pub(crate) fn decode_stored_plasma(site: &str, key: &str, stored: &[u8]) -> Option<Value> {
    let state = decode(site, key, stored)?;
    Some(match (&state.value, state.counter()) {
        (Some(value), _) => json!({ "store": "plasma", "value": bytes_json(value) }),
        (None, Some(total)) => json!({ "store": "plasma", "counter": total }),
        (None, None) => json!({ "store": "plasma", "deleted": true }),
    })
}
