//! The gossip: what this node publishes for the others, and what it reads of theirs.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use chitchat::transport::{Socket as _, UdpSocket};
use chitchat::{
    Chitchat, ChitchatConfig, ChitchatHandle, ChitchatId, FailureDetectorConfig, ProtocolVersion,
    spawn_chitchat,
};

use tokio::sync::Notify;

use crate::capability::kv::wall_clock;
use crate::capability::plasma::Plasma;
use crate::capability::plasma::crdt::{Fact, Id};
use crate::capability::plasma::disk::store_generation;
use crate::capability::plasma::error::PlasmaOpenError;
use crate::capability::plasma::shared::{Outbox, Shared};
use crate::capability::plasma::status::NodeInfo;
use crate::capability::plasma::transport::{IsolatableSocket, PreboundSocket};
use crate::capability::plasma::wire;
use crate::capability::plasma::writer::Job;
use crate::sync::{lock, write};

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

/// The way to the gossip, while there is one.
#[derive(Clone)]
pub(super) struct Link {
    pub(super) chitchat: Arc<tokio::sync::Mutex<Chitchat>>,
    pub(super) publisher: Arc<Mutex<Publisher>>,
    outbox: Arc<Outbox>,
}

/// What this node has published of which key, and for whom besides itself it publishes.
#[derive(Default)]
pub(super) struct Publisher {
    pub(super) published: HashMap<Id, BTreeSet<String>>,
    pub(super) orphans: HashSet<Arc<str>>,
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

impl Link {
    async fn publish_all(&self, shared: &Shared) {
        let ids: Vec<Id> = shared.state().keys.keys().cloned().collect();
        let mut chitchat = self.chitchat.lock().await;
        lock(&self.publisher).publish(shared, &mut chitchat, &ids);
    }

    async fn publish_changed(&self, shared: &Shared) {
        let mut chitchat = self.chitchat.lock().await;
        let ids = std::mem::take(&mut *lock(&self.outbox.changed));
        lock(&self.publisher).publish(shared, &mut chitchat, &ids);
    }
}

pub(super) struct Gossip {
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "the tests look at what is published")
    )]
    pub(super) link: Link,
    pub(super) handle: ChitchatHandle,
    pub(super) listener: tokio::task::JoinHandle<()>,
}

impl Plasma {
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
        let transport = PreboundSocket {
            socket: Mutex::new(Some(IsolatableSocket {
                socket,
                isolated: self.shared.isolated.clone(),
                warned: false,
            })),
        };
        let actor = vec![(wire::ACTOR.to_owned(), self.shared.actor.to_string())];
        let handle = spawn_chitchat(chitchat_config, actor, &transport)
            .await
            .map_err(|e| fail(format!("{e:#}")))?;

        let outbox = Arc::new(Outbox {
            address,
            changed: Mutex::default(),
            notify: Notify::new(),
        });
        let link = Link {
            chitchat: handle.chitchat(),
            publisher: Arc::default(),
            outbox: outbox.clone(),
        };
        *lock(&self.shared.outbox) = Some(outbox);
        // From here on the writer says what changes; this is what there was before.
        link.publish_all(&self.shared).await;
        let listener = Listener {
            shared: self.shared.clone(),
            link: link.clone(),
            jobs: self.jobs.clone(),
            interval: config.interval,
            adopt_after: config.adopt_after,
            seen: HashMap::new(),
            alive: HashMap::new(),
            since: Instant::now(),
            next_scan: Instant::now(),
        };
        let listener = tokio::spawn(listener.run(handle.termination_watcher()));
        *lock(&self.gossip) = Some(Gossip {
            handle,
            listener,
            link,
        });
        Ok(address)
    }

    /// Stops the gossip. What it has learned stays; the others notice by its silence.
    pub async fn leave(&self) {
        let gossip = lock(&self.gossip).take();
        *lock(&self.shared.outbox) = None;
        write(&self.shared.nodes).clear();
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

    /// A number above that of every earlier life, even if the wall clock was set back.
    fn next_generation(&self) -> Result<u64, redb::Error> {
        let mut generation = lock(&self.generation);
        *generation = (wall_clock()()).max(*generation + 1);
        store_generation(&self.db, *generation)?;
        Ok(*generation)
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
                () = self.link.outbox.notify.notified() => {
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
        *write(&self.shared.nodes) = nodes.collect();

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
