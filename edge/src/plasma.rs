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

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chitchat::transport::{RecvOutcome, SendOutcome, Socket, Transport, UdpSocket};
use chitchat::{
    Chitchat, ChitchatConfig, ChitchatEnvelope, ChitchatHandle, ChitchatId, FailureDetectorConfig,
    ProtocolVersion, spawn_chitchat,
};
use redb::{Database, ReadableTable as _, TableDefinition};
use serde::{Deserialize, Serialize};

use crate::spark::{Clock, check_key, open_database, wall_clock};

/// The longest value that is published in one entry, in bytes; longer ones are cut into pieces of
/// this size. In base64 a piece is 32 KiB, so it fits into a datagram with the rest of a message.
pub const INLINE_BYTES: usize = 24 * 1024;

/// The longest value taken from another node, in bytes, whatever that node's limits are.
const MAX_REMOTE_VALUE: usize = 4 * 1024 * 1024;

/// What an entry costs of [`PlasmaConfig::max_bytes`] besides its key and value.
const ENTRY_OVERHEAD: usize = 128;

/// How many waiting operations share one commit at most.
const MAX_BATCH: usize = 256;

/// Stamps from here on (the year 6429) are refused: they could not be surpassed.
const ABSURD_TIME: u64 = 1 << 63;

/// (site, key) to [`StoredKey`] as JSON.
const KEYS: TableDefinition<(&str, &str), &[u8]> = TableDefinition::new("keys");

/// This node's identity: `node_id`, `actor`, `generation`.
const META: TableDefinition<&str, &str> = TableDefinition::new("meta");

/// Plasma's status codes, as the ABI numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum PlasmaCode {
    /// There is no Plasma on this node.
    NotAvailable = 1,
    /// The invocation has made its writes.
    WriteLimit = 2,
    /// The value is longer than `max_kv_value_bytes`.
    ValueTooLarge = 3,
    /// The key breaks the rules.
    InvalidKey = 4,
    /// The flare may not write.
    NoCapability = 5,
    /// The store failed or is full, a register was to be incremented, or too much was read.
    Internal = 6,
}

/// Why an operation was refused or failed: the guest gets the code, the log the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlasmaError {
    /// The ABI's code.
    pub code: PlasmaCode,
    /// What happened and what to do, for the developer.
    pub reason: String,
}

impl PlasmaError {
    fn new(code: PlasmaCode, reason: impl Into<String>) -> Self {
        Self {
            code,
            reason: reason.into(),
        }
    }

    /// The ABI's number: 1 to 6.
    pub fn code(&self) -> i32 {
        self.code as i32
    }
}

impl fmt::Display for PlasmaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "plasma: {} (code {})", self.reason, self.code())
    }
}

impl std::error::Error for PlasmaError {}

/// Why Plasma could not be opened, or the node not join the others.
#[derive(Debug)]
pub struct PlasmaOpenError(String);

impl fmt::Display for PlasmaOpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "plasma: {}", self.0)
    }
}

impl std::error::Error for PlasmaOpenError {}

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

/// How a node finds and tells the others.
#[derive(Debug, Clone)]
pub struct GossipConfig {
    /// The UDP address to listen on; port 0 takes any that is free.
    pub listen: SocketAddr,
    /// The address that the others reach it at, if it is not `listen`.
    pub advertise: Option<SocketAddr>,
    /// `HOST:PORT` of nodes to begin with. Any one that is up will do; this node itself may be among
    /// them.
    pub seeds: Vec<String>,
    /// The cluster's name. Nodes of other clusters are not listened to.
    pub cluster: String,
    /// How often a node gossips. Changes are everywhere after a few of these.
    pub interval: Duration,
    /// How long a node must be silent before the others publish what it wrote.
    pub adopt_after: Duration,
}

impl GossipConfig {
    /// Every 200 ms, adopting after 30 s, in the cluster `flaron`, with no seeds.
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            advertise: None,
            seeds: Vec::new(),
            cluster: "flaron".to_owned(),
            interval: Duration::from_millis(200),
            adopt_after: Duration::from_secs(30),
        }
    }
}

/// A site and a key in it.
type Id = (String, String);

/// When and by whom a register was set or deleted. Ordered by time, then by actor.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
struct Stamp {
    /// Milliseconds since 1970 in the upper 48 bits, a count in the lower 16. 0 = never.
    time: u64,
    actor: Arc<str>,
}

/// What one actor added to and took from a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Sums {
    up: u64,
    down: u64,
}

impl Sums {
    fn join(&mut self, other: Sums) {
        self.up = self.up.max(other.up);
        self.down = self.down.max(other.down);
    }
}

/// All that is known of a key. Merging facts into it in any order, any number of times, ends in the
/// same state.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct KeyState {
    /// The last set or delete; the counter, if there is one, stands on it.
    base: Stamp,
    /// What it set; `None` if it was a delete, or never.
    value: Option<Arc<[u8]>>,
    /// Each actor's sums since `base`.
    sums: BTreeMap<Arc<str>, Sums>,
}

/// One thing that a node tells another.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fact {
    /// A set or a delete.
    Base {
        id: Id,
        stamp: Stamp,
        value: Option<Arc<[u8]>>,
    },
    /// An actor's sums, on top of a delete or of nothing.
    Sums {
        id: Id,
        base: Stamp,
        actor: Arc<str>,
        sums: Sums,
    },
}

impl KeyState {
    /// Whether it was news.
    fn merge_base(&mut self, stamp: &Stamp, value: Option<Arc<[u8]>>) -> bool {
        if *stamp <= self.base {
            return false;
        }
        *self = Self {
            base: stamp.clone(),
            value,
            sums: BTreeMap::new(),
        };
        true
    }

    /// Whether it was news.
    fn merge_sums(&mut self, base: &Stamp, actor: &Arc<str>, sums: Sums) -> bool {
        // Sums on a newer delete tell of that delete.
        let newer = self.merge_base(base, None);
        if *base < self.base {
            return newer;
        }
        let known = self.sums.entry(actor.clone()).or_default();
        let before = *known;
        known.join(sums);
        newer || *known != before
    }

    fn counter(&self) -> Option<i64> {
        if self.value.is_some() || self.sums.is_empty() {
            return None;
        }
        let total = self.sums.values().fold(0i128, |total, sums| {
            total + i128::from(sums.up) - i128::from(sums.down)
        });
        Some(total.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64)
    }

    fn get(&self) -> Option<Vec<u8>> {
        match &self.value {
            Some(value) => Some(value.to_vec()),
            None => self.counter().map(|total| total.to_le_bytes().to_vec()),
        }
    }

    fn exists(&self) -> bool {
        self.value.is_some() || !self.sums.is_empty()
    }

    fn cost(&self, id: &Id) -> usize {
        if self.base.time == 0 && self.sums.is_empty() {
            return 0;
        }
        let value = self.value.as_ref().map_or(0, |value| value.len());
        ENTRY_OVERHEAD * (1 + self.sums.len()) + id.0.len() + id.1.len() + value
    }

    /// A delete of long ago that nothing stands on.
    fn is_stale(&self, oldest_ms: u64) -> bool {
        !self.exists() && self.base.time >> 16 < oldest_ms
    }
}

/// A [`KeyState`] on disk.
#[derive(Serialize, Deserialize)]
struct StoredKey {
    base: Stamp,
    /// base64
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    sums: BTreeMap<Arc<str>, Sums>,
}

impl StoredKey {
    fn of(key: &KeyState) -> Self {
        Self {
            base: key.base.clone(),
            value: key.value.as_ref().map(|value| STANDARD.encode(value)),
            sums: key.sums.clone(),
        }
    }

    fn restore(self) -> Option<KeyState> {
        let value = match self.value {
            Some(text) => Some(STANDARD.decode(text).ok()?.into()),
            None => None,
        };
        Some(KeyState {
            base: self.base,
            value,
            sums: self.sums,
        })
    }
}

/// The hybrid logical clock.
struct HybridClock {
    wall: Clock,
    last: u64,
}

impl HybridClock {
    fn now_ms(&self) -> u64 {
        (self.wall)().min((ABSURD_TIME >> 16) - 1)
    }

    /// A time after every one that was given or seen before.
    fn next(&mut self) -> u64 {
        self.last = (self.now_ms() << 16).max(self.last + 1);
        self.last
    }

    fn see(&mut self, time: u64) {
        self.last = self.last.max(time);
    }
}

/// What an operation of a flare does to a key.
enum Op {
    Set(Arc<[u8]>),
    Delete,
    Add { up: u64, down: u64 },
}

type Answer = Result<i64, PlasmaError>;

enum Job {
    /// The answer is the counter's new value, 0 for other operations.
    Local {
        id: Id,
        op: Op,
        done: mpsc::SyncSender<Answer>,
    },
    Merge(Vec<Fact>),
    Stop,
}

/// The committed state. Only the writing thread changes it.
#[derive(Default)]
struct State {
    keys: BTreeMap<Id, KeyState>,
}

/// What the node's threads and tasks share.
struct Shared {
    node_id: String,
    actor: Arc<str>,
    state: RwLock<State>,
    link: Mutex<Option<Link>>,
    nodes: RwLock<Vec<NodeInfo>>,
    isolated: Arc<AtomicBool>,
}

/// The way to the gossip, while there is one.
#[derive(Clone)]
struct Link {
    address: SocketAddr,
    chitchat: Arc<tokio::sync::Mutex<Chitchat>>,
    publisher: Arc<Mutex<Publisher>>,
    /// Keys that have changed since they were last published.
    changed: Arc<Mutex<BTreeSet<Id>>>,
    /// Rung when there are some.
    notify: Arc<tokio::sync::Notify>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What this node has published of which key, and for whom besides itself it publishes.
#[derive(Default)]
struct Publisher {
    published: HashMap<Id, BTreeSet<String>>,
    orphans: HashSet<Arc<str>>,
}

impl Publisher {
    /// Makes the node's own entries of these keys say what is known now. Called with Chitchat
    /// locked, so that of two publications the later one reads the later state.
    fn publish<'a>(
        &mut self,
        shared: &Shared,
        chitchat: &mut Chitchat,
        ids: impl IntoIterator<Item = &'a Id>,
    ) {
        let state = shared.state();
        let own = chitchat.self_node_state();
        for id in ids {
            let mut names = BTreeSet::new();
            if let Some(key) = state.keys.get(id) {
                let ours =
                    |actor: &Arc<str>| *actor == shared.actor || self.orphans.contains(actor);
                for (name, text) in wire::encode(id, key, ours) {
                    own.set(&name, text);
                    names.insert(name);
                }
            }
            let before = match names.is_empty() {
                true => self.published.remove(id),
                false => self.published.insert(id.clone(), names.clone()),
            };
            for name in before.unwrap_or_default().difference(&names) {
                own.delete(name);
            }
        }
    }
}

/// How facts look in Chitchat's entries, which are pairs of text.
///
/// An entry's name is a letter and a hash of what it is about: it has to be unique and short, while
/// sites and keys can be of any form. Its value is JSON.
mod wire {
    use super::*;

    #[derive(Serialize, Deserialize)]
    struct BaseEntry {
        site: String,
        key: String,
        stamp: Stamp,
        /// base64, if it is short
        #[serde(default, skip_serializing_if = "Option::is_none")]
        value: Option<String>,
        /// how many pieces it is in, if it is long
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pieces: Option<usize>,
    }

    #[derive(Serialize, Deserialize)]
    struct PieceEntry {
        stamp: Stamp,
        /// base64
        value: String,
    }

    #[derive(Serialize, Deserialize)]
    struct SumsEntry {
        site: String,
        key: String,
        base: Stamp,
        actor: Arc<str>,
        #[serde(flatten)]
        sums: Sums,
    }

    /// The name of the entry that tells a node's actor.
    pub const ACTOR: &str = "actor";

    fn hash(parts: &[&str]) -> String {
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            // With its length, so that no two lists of parts are alike.
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        hex::encode(&hasher.finalize().as_bytes()[..16])
    }

    fn json(entry: &impl Serialize) -> String {
        serde_json::to_string(entry).expect("text, numbers and maps by text can be written as JSON")
    }

    /// The entries of a key, as far as they are `ours` to tell; pieces come before what needs them.
    pub fn encode(
        id: &Id,
        key: &KeyState,
        ours: impl Fn(&Arc<str>) -> bool,
    ) -> Vec<(String, String)> {
        let (site, name) = id;
        let mut entries = Vec::new();
        if key.base.time != 0 && ours(&key.base.actor) {
            let hash = hash(&[site, name]);
            let mut entry = BaseEntry {
                site: site.clone(),
                key: name.clone(),
                stamp: key.base.clone(),
                value: None,
                pieces: None,
            };
            match &key.value {
                Some(value) if value.len() > INLINE_BYTES => {
                    let pieces = value.chunks(INLINE_BYTES);
                    entry.pieces = Some(pieces.len());
                    for (i, piece) in pieces.enumerate() {
                        let piece = PieceEntry {
                            stamp: key.base.clone(),
                            value: STANDARD.encode(piece),
                        };
                        entries.push((format!("v{hash}.{i}"), json(&piece)));
                    }
                }
                value => entry.value = value.as_ref().map(|value| STANDARD.encode(value)),
            }
            entries.push((format!("b{hash}"), json(&entry)));
        }
        for (actor, sums) in key.sums.iter().filter(|(actor, _)| ours(actor)) {
            let entry = SumsEntry {
                site: site.clone(),
                key: name.clone(),
                base: key.base.clone(),
                actor: actor.clone(),
                sums: *sums,
            };
            entries.push((format!("s{}", hash(&[site, name, actor])), json(&entry)));
        }
        entries
    }

    /// The name of the entry to read when this one has changed: a piece means nothing by itself.
    pub fn head(name: &str) -> Option<String> {
        match name.split_at_checked(1)? {
            ("b" | "s", _) => Some(name.to_owned()),
            ("v", rest) => Some(format!("b{}", rest.split_once('.')?.0)),
            _ => None,
        }
    }

    /// The fact in an entry. `None` if it is not ours to understand, or not all there yet.
    pub fn decode<'a>(name: &str, get: impl Fn(&str) -> Option<&'a str>) -> Option<Fact> {
        let text = get(name)?;
        let (kind, hash) = name.split_at_checked(1)?;
        let fact = if kind == "s" {
            let entry: SumsEntry = serde_json::from_str(text).ok()?;
            Fact::Sums {
                id: (entry.site, entry.key),
                base: entry.base,
                actor: entry.actor,
                sums: entry.sums,
            }
        } else {
            let entry: BaseEntry = serde_json::from_str(text).ok()?;
            let value = match (entry.value, entry.pieces) {
                (Some(text), _) => Some(STANDARD.decode(text).ok()?),
                (None, Some(pieces)) => {
                    if pieces > MAX_REMOTE_VALUE / INLINE_BYTES {
                        return None;
                    }
                    let mut value = Vec::new();
                    for i in 0..pieces {
                        let piece: PieceEntry =
                            serde_json::from_str(get(&format!("v{hash}.{i}"))?).ok()?;
                        if piece.stamp != entry.stamp {
                            return None;
                        }
                        value.extend(STANDARD.decode(piece.value).ok()?);
                    }
                    Some(value)
                }
                (None, None) => None,
            };
            Fact::Base {
                id: (entry.site, entry.key),
                stamp: entry.stamp,
                value: value.map(Into::into),
            }
        };
        fact.is_sane().then_some(fact)
    }

    impl Fact {
        /// Other nodes are trusted, but not to be free of mistakes.
        fn is_sane(&self) -> bool {
            let (Fact::Base { id, stamp, .. }
            | Fact::Sums {
                id, base: stamp, ..
            }) = self;
            check_key(id.1.as_bytes()).is_ok() && stamp.time < ABSURD_TIME
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

struct Gossip {
    handle: ChitchatHandle,
    listener: tokio::task::JoinHandle<()>,
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
        clock: Clock,
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
            link: Mutex::default(),
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

    /// Joins the other nodes and says at which address this one listens. The gossip runs on the
    /// current tokio runtime until [`Plasma::leave`], or until this is dropped.
    ///
    /// # Errors
    ///
    /// [`PlasmaOpenError`]: the address cannot be had or not be advertised, or it has joined before.
    pub async fn join(&self, config: GossipConfig) -> Result<SocketAddr, PlasmaOpenError> {
        let fail = |what: String| PlasmaOpenError(format!("cannot join: {what}"));
        if lock(&self.gossip).is_some() {
            return Err(fail("this node has joined already".to_owned()));
        }
        let socket = UdpSocket::open(config.listen)
            .await
            .map_err(|e| fail(format!("{e:#}")))?;
        let bound = socket.local_addr().map_err(|e| fail(e.to_string()))?;
        let address = config.advertise.unwrap_or(bound);
        if address.ip().is_unspecified() {
            return Err(fail(format!(
                "others cannot reach {address}: give an address to advertise, or listen on one \
                 address"
            )));
        }
        let id = ChitchatId::new(
            self.shared.node_id.as_str(),
            self.next_generation().map_err(|e| fail(e.to_string()))?,
            address,
        );
        let chitchat_config = ChitchatConfig {
            chitchat_id: id,
            cluster_id: config.cluster.clone(),
            gossip_interval: config.interval,
            listen_addr: bound,
            seed_nodes: config.seeds.clone(),
            failure_detector_config: FailureDetectorConfig {
                max_interval: config.interval * 50,
                initial_interval: config.interval * 5,
                // What a dead node wrote is adopted long before it is forgotten.
                dead_node_grace_period: Duration::from_secs(3600).max(config.adopt_after * 10),
                ..FailureDetectorConfig::default()
            },
            marked_for_deletion_grace_period: Duration::from_secs(3600),
            catchup_callback: None,
            extra_liveness_predicate: None,
            protocol_version: ProtocolVersion::V1,
        };
        let transport = Opened {
            socket: Mutex::new(Some(Gate {
                socket,
                isolated: self.shared.isolated.clone(),
                warned: false,
            })),
        };
        let actor = vec![(wire::ACTOR.to_owned(), self.shared.actor.to_string())];
        let handle = spawn_chitchat(chitchat_config, actor, &transport)
            .await
            .map_err(|e| fail(format!("{e:#}")))?;

        let link = Link {
            address,
            chitchat: handle.chitchat(),
            publisher: Arc::default(),
            changed: Arc::default(),
            notify: Arc::default(),
        };
        *lock(&self.shared.link) = Some(link.clone());
        // From here on the writer says what changes; this is what there was before.
        link.publish_all(&self.shared).await;
        let listener = Listener {
            shared: self.shared.clone(),
            link,
            jobs: self.jobs.clone(),
            interval: config.interval,
            adopt_after: config.adopt_after,
            seen: HashMap::new(),
            alive: HashMap::new(),
            since: Instant::now(),
            next_scan: Instant::now(),
        };
        let listener = tokio::spawn(listener.run(handle.termination_watcher()));
        *lock(&self.gossip) = Some(Gossip { handle, listener });
        Ok(address)
    }

    /// Stops the gossip. What it has learned stays; the others notice by its silence.
    pub async fn leave(&self) {
        let gossip = lock(&self.gossip).take();
        *lock(&self.shared.link) = None;
        self.shared
            .nodes
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        if let Some(gossip) = gossip {
            gossip.listener.abort();
            if let Err(error) = gossip.handle.shutdown().await {
                tracing::warn!(
                    error = format!("{error:#}"),
                    "plasma: the gossip did not end well"
                );
            }
        }
    }

    /// Drops all gossip, both ways, as if the network were cut, until called with `false`. For tests
    /// of what flares do then.
    pub fn set_isolated(&self, isolated: bool) {
        self.shared.isolated.store(isolated, Ordering::SeqCst);
    }

    /// A number above that of every earlier life, even if the wall clock was set back.
    fn next_generation(&self) -> Result<u64, redb::Error> {
        let mut generation = lock(&self.generation);
        *generation = (wall_clock()()).max(*generation + 1);
        let txn = self.db.begin_write()?;
        txn.open_table(META)?
            .insert("generation", generation.to_string().as_str())?;
        txn.commit()?;
        Ok(*generation)
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
        let gossip = lock(&self.shared.link).as_ref().map(|link| link.address);
        let mut nodes = self
            .shared
            .nodes
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
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

/// What the disk knows of a node.
struct Loaded {
    actor: Arc<str>,
    generation: u64,
    keys: BTreeMap<Id, KeyState>,
}

fn load(db: &Database, node_id: &str) -> Result<Loaded, redb::Error> {
    let txn = db.begin_write()?;
    let loaded = {
        let mut meta = txn.open_table(META)?;
        let get = |name: &str| -> Result<Option<String>, redb::Error> {
            Ok(meta.get(name)?.map(|text| text.value().to_owned()))
        };
        let generation = get("generation")?
            .and_then(|text| text.parse().ok())
            .unwrap_or(0);
        let known = match get("node_id")? {
            Some(known) if known == node_id => get("actor")?,
            // Another node's folder, or a new one.
            _ => None,
        };
        let actor = match known {
            Some(actor) => actor,
            None => {
                let mut digits = [0; 8];
                getrandom::fill(&mut digits).map_err(|e| {
                    redb::Error::Io(std::io::Error::other(format!("no randomness: {e}")))
                })?;
                let actor = format!("{node_id}~{}", hex::encode(digits));
                meta.insert("node_id", node_id)?;
                meta.insert("actor", actor.as_str())?;
                actor
            }
        };
        let mut keys = BTreeMap::new();
        for item in txn.open_table(KEYS)?.iter()? {
            let (id, stored) = item?;
            let (site, key) = id.value();
            let state = serde_json::from_slice::<StoredKey>(stored.value()).ok();
            let state = state.and_then(StoredKey::restore).ok_or_else(|| {
                redb::Error::Corrupted(format!("the entry of `{key}` of `{site}` cannot be read"))
            })?;
            keys.insert((site.to_owned(), key.to_owned()), state);
        }
        Loaded {
            actor: actor.into(),
            generation,
            keys,
        }
    };
    txn.commit()?;
    Ok(loaded)
}

/// The thread that owns all changing: of flares on this node and from other nodes.
struct Writer {
    shared: Arc<Shared>,
    db: Arc<Database>,
    clock: HybridClock,
    bytes: usize,
    max_bytes: usize,
    grace_ms: u64,
    queue: mpsc::Receiver<Job>,
}

/// The keys that a batch touches, as they will be.
#[derive(Default)]
struct Changes {
    keys: BTreeMap<Id, KeyState>,
    dirty: BTreeSet<Id>,
}

impl Writer {
    fn run(mut self) {
        let purge_every = Duration::from_millis((self.grace_ms / 10).clamp(10, 60_000));
        let mut next_purge = Instant::now() + purge_every;
        loop {
            let wait = next_purge.saturating_duration_since(Instant::now());
            match self.queue.recv_timeout(wait) {
                Ok(first) => {
                    let mut batch = vec![first];
                    batch.extend(self.queue.try_iter().take(MAX_BATCH - 1));
                    if self.apply(batch) {
                        return;
                    }
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            }
            if Instant::now() >= next_purge {
                self.purge();
                next_purge = Instant::now() + purge_every;
            }
        }
    }

    /// Applies a batch: to a copy, then to the disk, then to what readers see, then answers, then
    /// tells the others. Whether it was the last one.
    fn apply(&mut self, batch: Vec<Job>) -> bool {
        let mut changes = Changes::default();
        let mut answers = Vec::new();
        let mut stop = false;
        for job in batch {
            match job {
                Job::Local { id, op, done } => {
                    let answer = self.local(&mut changes, id, op);
                    answers.push((done, answer));
                }
                Job::Merge(facts) => {
                    for fact in facts {
                        self.merge(&mut changes, fact);
                    }
                }
                Job::Stop => stop = true,
            }
        }
        changes.keys.retain(|id, _| changes.dirty.contains(id));
        let failed = self.persist(&changes.keys).err().map(|error| {
            tracing::error!(%error, "plasma: cannot write");
            PlasmaError::new(
                PlasmaCode::Internal,
                format!("cannot write to the store: {error}"),
            )
        });
        if failed.is_none() {
            let mut state = self
                .shared
                .state
                .write()
                .unwrap_or_else(PoisonError::into_inner);
            for (id, key) in changes.keys {
                let before = state.keys.insert(id.clone(), key);
                let before = before.map_or(0, |key| key.cost(&id));
                let after = state.keys.get(&id).map_or(0, |key| key.cost(&id));
                self.bytes = (self.bytes + after).saturating_sub(before);
            }
        }
        let wrote = failed.is_none() && !changes.dirty.is_empty();
        for (done, answer) in answers {
            let _ = done.send(match &failed {
                // What was refused anyway stays refused for its own reason.
                Some(failed) => answer.and(Err(failed.clone())),
                None => answer,
            });
        }
        if wrote {
            self.publish(changes.dirty);
        }
        stop
    }

    fn key<'c>(&self, changes: &'c mut Changes, id: &Id) -> &'c mut KeyState {
        changes.keys.entry(id.clone()).or_insert_with(|| {
            self.shared
                .state()
                .keys
                .get(id)
                .cloned()
                .unwrap_or_default()
        })
    }

    fn local(&mut self, changes: &mut Changes, id: Id, op: Op) -> Answer {
        let actor = self.shared.actor.clone();
        let max_bytes = self.max_bytes;
        let bytes = self.bytes;
        // Drawn even if not needed, since the key borrows.
        let stamp = Stamp {
            time: self.clock.next(),
            actor: actor.clone(),
        };
        let key = self.key(changes, &id);
        let before = key.cost(&id);
        let room = |grown: usize| {
            if grown > before && bytes + (grown - before) > max_bytes {
                return Err(PlasmaError::new(
                    PlasmaCode::Internal,
                    format!("this node's plasma store is full ({max_bytes} bytes); delete keys"),
                ));
            }
            Ok(())
        };
        let mut after = key.clone();
        let answer = match op {
            Op::Set(value) => {
                after.merge_base(&stamp, Some(value));
                0
            }
            // No room is asked for: to delete is how room is made.
            Op::Delete => {
                after.merge_base(&stamp, None);
                *key = after;
                changes.dirty.insert(id);
                return Ok(0);
            }
            Op::Add { up, down } => {
                if after.value.is_some() {
                    return Err(PlasmaError::new(
                        PlasmaCode::Internal,
                        format!("`{}` holds a value, not a counter; delete it first", id.1),
                    ));
                }
                let own = after.sums.entry(actor).or_default();
                own.up = own.up.saturating_add(up);
                own.down = own.down.saturating_add(down);
                after.counter().unwrap_or(0)
            }
        };
        room(after.cost(&id))?;
        *key = after;
        changes.dirty.insert(id);
        Ok(answer)
    }

    fn merge(&mut self, changes: &mut Changes, fact: Fact) {
        let oldest = self.clock.now_ms().saturating_sub(self.grace_ms);
        let (Fact::Base { id, stamp, .. }
        | Fact::Sums {
            id, base: stamp, ..
        }) = &fact;
        self.clock.see(stamp.time);
        let id = id.clone();
        let key = self.key(changes, &id);
        let before = key.clone();
        let news = match fact {
            Fact::Base { stamp, value, .. } => key.merge_base(&stamp, value),
            Fact::Sums {
                base, actor, sums, ..
            } => key.merge_sums(&base, &actor, sums),
        };
        if news && before == KeyState::default() && key.is_stale(oldest) {
            // A tombstone that was dropped here, and elsewhere soon will be.
            *key = before;
        } else if news {
            changes.dirty.insert(id);
        }
    }

    fn persist(&self, keys: &BTreeMap<Id, KeyState>) -> Result<(), redb::Error> {
        if keys.is_empty() {
            return Ok(());
        }
        let txn = self.db.begin_write()?;
        {
            let mut table = txn.open_table(KEYS)?;
            for ((site, key), state) in keys {
                let stored = serde_json::to_vec(&StoredKey::of(state))
                    .map_err(|e| redb::Error::Io(std::io::Error::other(e)))?;
                table.insert((site.as_str(), key.as_str()), stored.as_slice())?;
            }
        }
        txn.commit()?;
        Ok(())
    }

    /// Leaves it to the gossip's task: Chitchat may be busy, and writes are not to wait for it.
    fn publish(&self, ids: BTreeSet<Id>) {
        if let Some(link) = &*lock(&self.shared.link) {
            lock(&link.changed).extend(ids);
            link.notify.notify_one();
        }
    }

    fn purge(&mut self) {
        let oldest = self.clock.now_ms().saturating_sub(self.grace_ms);
        let stale: BTreeSet<Id> = {
            let state = self.shared.state();
            let stale = state.keys.iter().filter(|(_, key)| key.is_stale(oldest));
            stale.map(|(id, _)| id.clone()).collect()
        };
        if stale.is_empty() {
            return;
        }
        let remove = || -> Result<(), redb::Error> {
            let txn = self.db.begin_write()?;
            {
                let mut table = txn.open_table(KEYS)?;
                for (site, key) in &stale {
                    table.remove((site.as_str(), key.as_str()))?;
                }
            }
            txn.commit()?;
            Ok(())
        };
        if let Err(error) = remove() {
            tracing::error!(%error, "plasma: cannot drop old tombstones");
            return;
        }
        {
            let mut state = self
                .shared
                .state
                .write()
                .unwrap_or_else(PoisonError::into_inner);
            for id in &stale {
                if let Some(key) = state.keys.remove(id) {
                    self.bytes = self.bytes.saturating_sub(key.cost(id));
                }
            }
        }
        self.publish(stale);
    }
}

impl Link {
    async fn publish_all(&self, shared: &Shared) {
        let ids: Vec<Id> = shared.state().keys.keys().cloned().collect();
        let mut chitchat = self.chitchat.lock().await;
        lock(&self.publisher).publish(shared, &mut chitchat, &ids);
    }

    async fn publish_changed(&self, shared: &Shared) {
        let mut chitchat = self.chitchat.lock().await;
        let ids = std::mem::take(&mut *lock(&self.changed));
        lock(&self.publisher).publish(shared, &mut chitchat, &ids);
    }
}

/// The task that publishes what has changed here, reads what the gossip has brought, and watches who
/// is alive.
struct Listener {
    shared: Arc<Shared>,
    link: Link,
    jobs: mpsc::Sender<Job>,
    interval: Duration,
    adopt_after: Duration,
    /// How much of each node's entries has been read: the versions of its last forgotten and its
    /// last entry.
    seen: HashMap<ChitchatId, (u64, u64)>,
    /// When each actor's node was last alive.
    alive: HashMap<Arc<str>, Instant>,
    since: Instant,
    /// When to look again for what nobody publishes.
    next_scan: Instant,
}

impl Listener {
    async fn run(mut self, ended: impl Future<Output = anyhow::Result<()>>) {
        let mut ended = std::pin::pin!(ended);
        let mut tick = tokio::time::interval(self.interval);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                () = self.link.notify.notified() => {
                    self.link.publish_changed(&self.shared).await;
                    continue;
                }
                result = &mut ended => {
                    if let Err(error) = result {
                        tracing::error!(
                            error = format!("{error:#}"),
                            "plasma: the gossip has stopped; this node is alone until it is restarted"
                        );
                    }
                    return;
                }
            }
            let (facts, adopt) = {
                let chitchat = self.link.chitchat.clone().lock_owned().await;
                (self.read(&chitchat), self.watch(&chitchat))
            };
            if !facts.is_empty() && self.jobs.send(Job::Merge(facts)).is_err() {
                return;
            }
            if let Some(orphans) = adopt {
                lock(&self.link.publisher).orphans = orphans;
                self.link.publish_all(&self.shared).await;
            }
        }
    }

    /// The facts in entries that have changed since they were last read.
    fn read(&mut self, chitchat: &Chitchat) -> Vec<Fact> {
        let mut facts = Vec::new();
        self.seen
            .retain(|id, _| chitchat.node_states().contains_key(id));
        for (id, node) in chitchat.node_states() {
            if id == chitchat.self_chitchat_id() {
                continue;
            }
            let now = (node.last_gc_version(), node.max_version());
            let before = self.seen.insert(id.clone(), now).unwrap_or_default();
            if before == now {
                continue;
            }
            // After a reset versions begin anew: read it all.
            let after = if before.0 == now.0 { before.1 } else { 0 };
            let changed: BTreeSet<String> = node
                .key_values_including_deleted()
                .filter(|(_, entry)| entry.version > after)
                .filter_map(|(name, _)| wire::head(name))
                .collect();
            for name in changed {
                facts.extend(wire::decode(&name, |name| node.get(name)));
            }
        }
        facts
    }

    /// Notes who is alive; says for whom this node should publish, if that has changed.
    fn watch(&mut self, chitchat: &Chitchat) -> Option<HashSet<Arc<str>>> {
        let now = Instant::now();
        let alive: HashSet<&ChitchatId> = chitchat.live_nodes().collect();
        let mut nodes: BTreeMap<&str, (&ChitchatId, bool)> = BTreeMap::new();
        for (id, node) in chitchat.node_states() {
            let is_alive = alive.contains(id);
            if is_alive && let Some(actor) = node.get(wire::ACTOR) {
                self.alive.insert(actor.into(), now);
            }
            // Of a node's lives the last one counts; they come in order.
            nodes.insert(&id.node_id, (id, is_alive));
        }
        let nodes = nodes.into_values().map(|(id, alive)| NodeInfo {
            node_id: id.node_id.to_string(),
            address: Some(id.gossip_advertise_addr),
            alive,
            this: id == chitchat.self_chitchat_id(),
        });
        *self
            .shared
            .nodes
            .write()
            .unwrap_or_else(PoisonError::into_inner) = nodes.collect();

        // It reads all keys, and some seconds more or less do not matter.
        if now < self.next_scan {
            return None;
        }
        let scan_every = self.adopt_after / 4;
        self.next_scan = now + scan_every.clamp(Duration::from_millis(50), Duration::from_secs(5));
        let mut orphans = HashSet::new();
        for key in self.shared.state().keys.values() {
            for actor in key.sums.keys().chain([&key.base.actor]) {
                let last = self.alive.get(actor).unwrap_or(&self.since);
                if *actor != self.shared.actor && now.duration_since(*last) > self.adopt_after {
                    orphans.insert(actor.clone());
                }
            }
        }
        (orphans != lock(&self.link.publisher).orphans).then_some(orphans)
    }
}

/// Hands Chitchat the socket that was opened before, when its port was not known yet.
struct Opened {
    socket: Mutex<Option<Gate>>,
}

#[async_trait]
impl Transport for Opened {
    async fn open(&self, _: SocketAddr) -> anyhow::Result<Box<dyn Socket>> {
        let gate = lock(&self.socket)
            .take()
            .ok_or_else(|| anyhow::anyhow!("opened twice"))?;
        Ok(Box::new(gate))
    }
}

/// The socket, with a gate that tests can close.
struct Gate {
    socket: UdpSocket,
    isolated: Arc<AtomicBool>,
    warned: bool,
}

#[async_trait]
impl Socket for Gate {
    fn local_addr(&self) -> anyhow::Result<SocketAddr> {
        self.socket.local_addr()
    }

    async fn send(
        &mut self,
        to: SocketAddr,
        envelope: ChitchatEnvelope,
    ) -> anyhow::Result<SendOutcome> {
        if self.isolated.load(Ordering::SeqCst) {
            return Ok(SendOutcome { num_bytes_sent: 0 });
        }
        let result = self.socket.send(to, envelope).await;
        if let Err(error) = &result
            && !self.warned
        {
            self.warned = true;
            tracing::warn!(
                %to, error = format!("{error:#}"),
                "plasma: cannot send gossip. If the message is too long, as on macOS, run \
                 `sysctl -w net.inet.udp.maxdgram=65535`. This is said once"
            );
        }
        result
    }

    async fn recv(&mut self) -> anyhow::Result<RecvOutcome> {
        loop {
            let received = self.socket.recv().await?;
            if !self.isolated.load(Ordering::SeqCst) {
                return Ok(received);
            }
        }
    }
}

/// What one invocation of a flare may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlasmaLimits {
    /// The longest value (`max_kv_value_bytes`), in bytes.
    pub max_value_bytes: usize,
    /// `plasma_get` and `plasma_list` calls. The ABI names no number; ours is generous.
    pub max_reads: u32,
    /// Calls that write. The ABI names no number; ours is generous.
    pub max_writes: u32,
    /// The capability `writes_plasma_kv`.
    pub writes_allowed: bool,
}

impl Default for PlasmaLimits {
    /// 64 KiB a value, 1000 reads, 1000 writes, no writing.
    fn default() -> Self {
        Self {
            max_value_bytes: 64 * 1024,
            max_reads: 1000,
            max_writes: 1000,
            writes_allowed: false,
        }
    }
}

/// Plasma as one invocation sees it: one site, its limits, its counts.
#[derive(Debug)]
pub struct PlasmaSession {
    plasma: Option<Arc<Plasma>>,
    site: Arc<str>,
    limits: PlasmaLimits,
    reads: u32,
    writes: u32,
}

impl PlasmaSession {
    /// A session for one invocation. Without Plasma every operation is "not available".
    pub fn new(
        plasma: Option<Arc<Plasma>>,
        site: impl Into<Arc<str>>,
        limits: PlasmaLimits,
    ) -> Self {
        Self {
            plasma,
            site: site.into(),
            limits,
            reads: 0,
            writes: 0,
        }
    }

    fn plasma(&self) -> Result<Arc<Plasma>, PlasmaError> {
        self.plasma
            .clone()
            .ok_or_else(|| PlasmaError::new(PlasmaCode::NotAvailable, "this node has no plasma"))
    }

    fn id(&self, key: &[u8]) -> Result<Id, PlasmaError> {
        let key = check_key(key).map_err(|e| PlasmaError::new(PlasmaCode::InvalidKey, e))?;
        Ok((self.site.to_string(), key.to_owned()))
    }

    fn count_read(&mut self) -> Result<(), PlasmaError> {
        if self.reads >= self.limits.max_reads {
            return Err(PlasmaError::new(
                PlasmaCode::Internal,
                format!(
                    "this invocation has made its {} reads",
                    self.limits.max_reads
                ),
            ));
        }
        self.reads += 1;
        Ok(())
    }

    /// Checks all that comes before a write, in the order of the documentation of
    /// [`PlasmaSession::set`], and counts it.
    fn begin_write(
        &mut self,
        key: &[u8],
        value_bytes: usize,
    ) -> Result<(Arc<Plasma>, Id), PlasmaError> {
        if !self.limits.writes_allowed {
            return Err(PlasmaError::new(
                PlasmaCode::NoCapability,
                "this flare may not write: set `writes_plasma_kv = true` in flare.toml",
            ));
        }
        let plasma = self.plasma()?;
        let id = self.id(key)?;
        if value_bytes > self.limits.max_value_bytes {
            return Err(PlasmaError::new(
                PlasmaCode::ValueTooLarge,
                format!(
                    "the value of `{}` has {value_bytes} bytes, `max_kv_value_bytes` is {}",
                    id.1, self.limits.max_value_bytes
                ),
            ));
        }
        if self.writes >= self.limits.max_writes {
            return Err(PlasmaError::new(
                PlasmaCode::WriteLimit,
                format!(
                    "this invocation has made its {} writes",
                    self.limits.max_writes
                ),
            ));
        }
        self.writes += 1;
        Ok((plasma, id))
    }

    /// `plasma_get`: a register's value, a counter's `i64` as 8 little-endian bytes, or `None`.
    ///
    /// # Errors
    ///
    /// [`PlasmaCode::NotAvailable`], [`PlasmaCode::InvalidKey`]; [`PlasmaCode::Internal`] when the
    /// invocation has made its reads.
    pub fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, PlasmaError> {
        let plasma = self.plasma()?;
        let id = self.id(key)?;
        self.count_read()?;
        Ok(plasma.shared.state().keys.get(&id).and_then(KeyState::get))
    }

    /// `plasma_set`. Returns when it is on disk; the other nodes get it soon after.
    ///
    /// # Errors
    ///
    /// Checked in this order: [`PlasmaCode::NoCapability`], [`PlasmaCode::NotAvailable`],
    /// [`PlasmaCode::InvalidKey`], [`PlasmaCode::ValueTooLarge`], [`PlasmaCode::WriteLimit`],
    /// [`PlasmaCode::Internal`]. What is refused before the limit does not count.
    pub fn set(&mut self, key: &[u8], value: &[u8]) -> Result<(), PlasmaError> {
        let (plasma, id) = self.begin_write(key, value.len())?;
        plasma.write(id, Op::Set(value.into())).map(drop)
    }

    /// `plasma_delete`: no error if there is no such key.
    ///
    /// # Errors
    ///
    /// As [`PlasmaSession::set`], without that of the value.
    pub fn delete(&mut self, key: &[u8]) -> Result<(), PlasmaError> {
        let (plasma, id) = self.begin_write(key, 0)?;
        plasma.write(id, Op::Delete).map(drop)
    }

    /// `plasma_increment`: the counter's new value as 8 little-endian bytes, as this node knows it.
    ///
    /// # Errors
    ///
    /// As [`PlasmaSession::set`]; [`PlasmaCode::Internal`] also if the key holds a register.
    pub fn increment(&mut self, key: &[u8], delta: i64) -> Result<[u8; 8], PlasmaError> {
        let size = delta.unsigned_abs();
        self.add(key, if delta < 0 { (0, size) } else { (size, 0) })
    }

    /// `plasma_decrement`: as [`PlasmaSession::increment`], the other way.
    ///
    /// # Errors
    ///
    /// As [`PlasmaSession::increment`].
    pub fn decrement(&mut self, key: &[u8], delta: i64) -> Result<[u8; 8], PlasmaError> {
        let size = delta.unsigned_abs();
        self.add(key, if delta < 0 { (size, 0) } else { (0, size) })
    }

    fn add(&mut self, key: &[u8], (up, down): (u64, u64)) -> Result<[u8; 8], PlasmaError> {
        let (plasma, id) = self.begin_write(key, 0)?;
        plasma.write(id, Op::Add { up, down }).map(i64::to_le_bytes)
    }

    /// `plasma_list`: a JSON array of the site's keys, sorted.
    ///
    /// # Errors
    ///
    /// [`PlasmaCode::NotAvailable`]; [`PlasmaCode::Internal`] when the invocation has made its reads.
    pub fn list(&mut self) -> Result<Vec<u8>, PlasmaError> {
        let plasma = self.plasma()?;
        self.count_read()?;
        let state = plasma.shared.state();
        let keys: Vec<&str> = state
            .keys
            .range((self.site.to_string(), String::new())..)
            .take_while(|((site, _), _)| **site == *self.site)
            .filter(|(_, state)| state.exists())
            .map(|((_, key), _)| key.as_str())
            .collect();
        serde_json::to_vec(&keys).map_err(|e| PlasmaError::new(PlasmaCode::Internal, e.to_string()))
    }
}

#[cfg(test)]
mod tests;
