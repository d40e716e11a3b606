//! Plasma: keys and counters shared by several edge nodes.
//!
//! # What a key is
//!
//! A key holds a register or a counter, never both.
//!
//! - A *register* holds the value that was set last. "Last" is decided by a hybrid logical clock: the
//!   node's wall clock in milliseconds, advanced past every stamp the node has seen. So a node that
//!   has seen a write and then writes wins, however wrong the clocks are. Ties are broken by the
//!   nodes' names, the same way everywhere.
//! - A *counter* is what `increment` and `decrement` make of a key that holds no value. Every node
//!   keeps two sums of its own, what it added and what it subtracted, and only ever raises them; the
//!   counter is the total over all nodes. Seeing a node's sums twice or late changes nothing, so
//!   nothing is counted twice. A sum stops at 2^64 - 1, and a counter outside the range of `i64`
//!   reads as the nearest `i64`.
//! - `delete` leaves a stamped *tombstone*, and `set` replaces a counter with a register. Both end
//!   the counter's life: concurrent increments made by another node are lost with it. Increments
//!   after a delete start a new life, and each node's sums record when they began. So an old sum that
//!   comes back late is recognised as old, even after every node has forgotten the delete.
//! - `delete` of a key that does not exist does nothing. If another node has just written the key,
//!   that write is concurrent with the delete, and stays.
//! - `increment` on a register is refused, because there is no sensible way to add to bytes. Delete
//!   the register first.
//! - `get` on a counter returns its `i64` as 8 little-endian bytes, as `increment` does.
//!
//! A tombstone is dropped once every known node has seen it, but not before it is ten minutes old.
//! The cluster waits [`PlasmaConfig::tombstone_grace`] for a node that is away. One that comes back
//! later than that neither loses nor hides anything that was counted, but it can bring back keys that
//! were deleted in the meantime.
//!
//! # On disk
//!
//! All state is kept in memory, and written to a `redb` file (see [`crate::spark`] for why redb) in
//! one transaction before a write is acknowledged or sent to another node. A node that is killed
//! comes back with its contribution to every counter, and adds to that instead of starting over.
//! Contributions are filed under an *actor*: the node's name and random digits, generated when its
//! folder is first used. If the folder is lost, the node's next life is another actor, and the nodes
//! that know what the first one counted keep it.
//!
//! A node whose folder was restored from a backup must not continue counting from the backup's sums.
//! So each life of a folder has a number, the folder stores the numbers of all its lives, and the
//! other nodes remember the last one they met. A node counts under a provisional name until the first
//! other node has told it a number. If that number is in its folder, all is well; if it is not, the
//! node continues as another actor, and says so.
//!
//! # Between nodes
//!
//! Each node follows every other over TCP, encrypted and authenticated with the cluster's key
//! (`gossip.rs`, `protocol.rs`). A change is sent as soon as it is on disk; a node that was away, or
//! is new, compares digests and fetches what differs. A node passes on whatever it learns, so nothing
//! depends on the node that made a change. The edge's README explains why it was built this way.

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

/// Where a node stores its data, and under which name.
#[derive(Debug, Clone)]
pub struct PlasmaConfig {
    /// The node's name, unique in its cluster.
    pub node_id: String,
    /// The store's file; its folder is created if necessary. `None` keeps everything in memory.
    pub path: Option<PathBuf>,
    /// How many bytes may be stored here before writes that would add to it are refused: keys and
    /// values, plus 128 for each entry and for each actor that counted in it. What other nodes
    /// wrote counts too, and is accepted up to twice this limit.
    pub max_bytes: usize,
    /// How long to wait for a node that is away before forgetting deletes that it has not seen.
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
    /// Opens or creates the store. The node is alone until it [joins](Plasma::join) others.
    ///
    /// # Errors
    ///
    /// [`OpenError`]: an invalid node name, no permission, not a store, a damaged store, or one
    /// that is open in another process.
    pub fn open(config: PlasmaConfig) -> Result<Arc<Self>, OpenError> {
        Self::open_with_clock(config, wall_clock())
    }

    /// Like [`Plasma::open`], with the caller's clock (milliseconds since 1970), for tests.
    ///
    /// # Errors
    ///
    /// As for [`Plasma::open`].
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

    /// What is wrong with this node's Plasma, the worst problem first.
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
