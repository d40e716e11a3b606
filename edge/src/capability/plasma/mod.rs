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
//!   counter that was there: increments that another node made on it meanwhile go with it. What is
//!   incremented after a delete starts from 0, on top of that tombstone.
//! - `increment` on a register is refused: nothing sensible could be added to bytes. Delete it first.
//! - `get` on a counter gives its `i64` as 8 little-endian bytes, as `increment` does.
//!
//! Tombstones are dropped after [`PlasmaConfig::tombstone_grace`]. A node that was cut off for longer
//! than that can bring back keys that were deleted meanwhile.
//!
//! # On disk
//!
//! All state is kept in memory and written to a `redb` file (see [`crate::spark`] for why redb) in
//! one transaction before a write is answered or told to anyone. A node that is killed comes back
//! with its contribution to every counter, so it adds to it instead of starting anew. Contributions
//! are filed under an *actor*: the node's name and random digits, drawn when its folder is first
//! used. If the folder is lost, the next life is another actor, and what the first one counted
//! stays counted by the nodes that know it. Two nodes must never share a copy of one folder; a copy
//! that is started under another node name draws digits of its own.
//!
//! # Between nodes
//!
//! [`chitchat`] does the gossip, over UDP: membership, failure detection and reconciliation of each
//! node's own entries. A node publishes the registers it wrote and its own counter sums; what a node
//! wrote that is gone for good (see [`GossipConfig::adopt_after`]) is published by those that know
//! it, so it also reaches nodes that join later. Values above [`INLINE_BYTES`] travel in pieces,
//! since a datagram has 64 KiB at most. Full datagrams need an operating system that sends them:
//! macOS stops at 9 KiB unless told `sysctl -w net.inet.udp.maxdgram=65535`.
//!
//! Gossip is neither encrypted nor authenticated: listen on loopback or in a network whose members
//! may all write. A node that does not join opens no socket.

mod crdt;
mod disk;
mod error;
mod gossip;
mod session;
mod shared;
mod status;
mod transport;
mod wire;
mod writer;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, RwLock, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use redb::Database;

use crate::capability::kv::{WallClock, check_key, open_database, wall_clock};
use crate::capability::plasma::crdt::{HybridClock, Id};
use crate::capability::plasma::disk::load;
use crate::capability::plasma::gossip::Gossip;
use crate::capability::plasma::shared::{Shared, State};
use crate::capability::plasma::writer::{Answer, Job, Op, Writer};
use crate::sync::{lock, read};

pub use crate::capability::plasma::error::{PlasmaCode, PlasmaError, PlasmaOpenError};
pub use crate::capability::plasma::gossip::GossipConfig;
pub use crate::capability::plasma::session::{PlasmaLimits, PlasmaSession};
pub use crate::capability::plasma::status::{NodeInfo, PlasmaKey, PlasmaKind, PlasmaStatus};
pub use crate::capability::plasma::wire::INLINE_BYTES;

/// Where and as whom a node stores.
#[derive(Debug, Clone)]
pub struct PlasmaConfig {
    /// The node's name, unique in its cluster.
    pub node_id: String,
    /// The store's file; its folder is made if need be. `None` keeps everything in memory.
    pub path: Option<PathBuf>,
    /// How much may be stored here, in bytes of keys and values and 128 an entry, before writes
    /// that would add to it are refused. What other nodes wrote counts but is always taken.
    pub max_bytes: usize,
    /// How long tombstones are kept.
    pub tombstone_grace: Duration,
}

impl PlasmaConfig {
    /// In memory, 64 MiB, tombstones kept for a week.
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
    /// Raised and stored with each life of the gossip.
    generation: Mutex<u64>,
    db: Arc<Database>,
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
    /// [`PlasmaOpenError`]: a bad node name, no permission, not a store, or another process has it.
    pub fn open(config: PlasmaConfig) -> Result<Arc<Self>, PlasmaOpenError> {
        Self::open_with_clock(config, wall_clock())
    }

    /// As [`Plasma::open`], with a clock of the caller's (milliseconds since 1970), for tests.
    ///
    /// # Errors
    ///
    /// As [`Plasma::open`].
    pub fn open_with_clock(
        config: PlasmaConfig,
        clock: WallClock,
    ) -> Result<Arc<Self>, PlasmaOpenError> {
        check_key(config.node_id.as_bytes()).map_err(|_| {
            PlasmaOpenError(format!(
                "`{}` cannot name a node: use letters, digits and `:._-`",
                config.node_id.escape_debug()
            ))
        })?;
        let place = match &config.path {
            Some(path) => path.display().to_string(),
            None => "memory".to_owned(),
        };
        let fail = |what: String| PlasmaOpenError(format!("cannot open the store {place}: {what}"));
        let db = Arc::new(open_database(config.path.as_deref()).map_err(fail)?);
        let loaded = load(&db, &config.node_id).map_err(|e| fail(e.to_string()))?;

        let last = loaded
            .keys
            .values()
            .map(|key| key.base.time)
            .max()
            .unwrap_or(0);
        let bytes = loaded.keys.iter().map(|(id, key)| key.cost(id)).sum();
        let shared = Arc::new(Shared {
            node_id: config.node_id,
            actor: loaded.actor,
            state: RwLock::new(State { keys: loaded.keys }),
            outbox: Mutex::default(),
            nodes: RwLock::default(),
            isolated: Arc::default(),
        });
        let (jobs, queue) = mpsc::channel();
        let writer = Writer {
            shared: shared.clone(),
            db: db.clone(),
            clock: HybridClock { wall: clock, last },
            bytes,
            max_bytes: config.max_bytes,
            grace_ms: u64::try_from(config.tombstone_grace.as_millis()).unwrap_or(u64::MAX),
            queue,
        };
        let writer = std::thread::Builder::new()
            .name("plasma-writer".to_owned())
            .spawn(move || writer.run())
            .map_err(|e| fail(e.to_string()))?;
        Ok(Arc::new(Self {
            shared,
            jobs,
            writer: Some(writer),
            generation: Mutex::new(loaded.generation),
            db,
            gossip: Mutex::default(),
        }))
    }

    /// Drops all gossip, both ways, as if the network were cut, until called with `false`. For tests
    /// of what flares do then.
    pub fn set_isolated(&self, isolated: bool) {
        self.shared.isolated.store(isolated, Ordering::SeqCst);
    }

    fn write(&self, id: Id, op: Op) -> Answer {
        let stopped = || {
            PlasmaError::new(
                PlasmaCode::Internal,
                "the store's writing thread has stopped",
            )
        };
        let (done, answer) = mpsc::sync_channel(1);
        self.jobs
            .send(Job::Local { id, op, done })
            .map_err(|_| stopped())?;
        answer.recv().map_err(|_| stopped())?
    }

    /// What there is now, for a status page. Never waits for the network.
    pub fn status(&self) -> PlasmaStatus {
        let state = self.shared.state();
        let keys = state.keys.iter().filter_map(|((site, key), state)| {
            let kind = match (&state.value, state.counter()) {
                (Some(value), _) => PlasmaKind::Value { bytes: value.len() },
                (None, Some(total)) => PlasmaKind::Counter { total },
                (None, None) => return None,
            };
            Some(PlasmaKey {
                site: site.clone(),
                key: key.clone(),
                kind,
            })
        });
        let keys = keys.collect();
        drop(state);
        let gossip = lock(&self.shared.outbox)
            .as_ref()
            .map(|outbox| outbox.address);
        let mut nodes = read(&self.shared.nodes).clone();
        if nodes.is_empty() {
            nodes.push(NodeInfo {
                node_id: self.shared.node_id.clone(),
                address: gossip,
                alive: true,
                this: true,
            });
        }
        PlasmaStatus {
            node_id: self.shared.node_id.clone(),
            gossip,
            nodes,
            keys,
        }
    }
}

impl Drop for Plasma {
    fn drop(&mut self) {
        if let Some(gossip) = lock(&self.gossip).take() {
            gossip.listener.abort();
            // The gossip itself ends when its handle is gone.
        }
        let _ = self.jobs.send(Job::Stop);
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}
