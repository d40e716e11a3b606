//! The network between nodes: this node follows every other one, over one encrypted TCP stream
//! each, and answers the nodes that follow it.
//!
//! Membership travels with the changes: a node gives its address when it says hello, and lists the
//! nodes it knows in every answer. Every known node is followed, and a node that answers is alive.
//! Nothing is sent to anyone who has not proved that they have the cluster's key.
//!
//! All tasks belong to [`Gossip`]. A task that fails is reported and restarted.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use crate::capability::cluster::ClusterKeys;
use crate::capability::cluster::channel::{Channel, ChannelError, within};
use crate::capability::cluster::door::{Door, network};
use crate::capability::cluster::filter::Filter;
use crate::capability::health::Severity;
use crate::capability::kv::OpenError;
use crate::capability::plasma::Plasma;
use crate::capability::plasma::members::Met;
use crate::capability::plasma::protocol::{
    Entry, Hello, MAX_REQUEST, MAX_RESPONSE, Request, Response, Welcome, answer, note,
};
use crate::capability::plasma::puller::Puller;
use crate::capability::plasma::reach::{Reach, peer};
use crate::capability::plasma::shared::{Link, Shared};
use crate::capability::plasma::writer::Job;
use crate::sync::lock;

/// How long an answer is held back while there are no changes.
const WAIT: Duration = Duration::from_secs(1);

/// How long a stream may be silent before it counts as dead.
const SILENCE: Duration = Duration::from_secs(5);

/// How recently a node must have been heard from to count as alive.
const ALIVE: Duration = Duration::from_secs(2);

/// How often seeds are asked who they are, in a healthy cluster.
const ASK_SEEDS: Duration = Duration::from_secs(60);

/// The time limit for establishing a connection.
const CONNECT: Duration = Duration::from_secs(3);

/// The longest pause before trying an unreachable node again.
const MAX_PAUSE: Duration = Duration::from_secs(5);

/// The maximum number of open connections.
const CONNECTIONS: usize = 1024;

/// How long a node stops accepting after it has closed a connection that the kernel does not reject:
/// those that arrive in the meantime are then all closed at once.
const BREATH: Duration = Duration::from_millis(20);

/// How a node finds the others.
#[derive(Debug, Clone)]
pub struct GossipConfig {
    /// The TCP address to listen on; port 0 takes any that is free.
    pub listen: SocketAddr,
    /// The address at which the others reach it, if it is not `listen`.
    pub advertise: Option<SocketAddr>,
    /// `HOST:PORT` of nodes to contact first. One that is up is enough; this node itself may be
    /// among them.
    pub seeds: Vec<String>,
    /// The cluster's name. Nodes of other clusters are ignored.
    pub cluster: String,
    /// How often a node looks for others to follow, and the shortest pause before trying an
    /// unreachable one again.
    pub interval: Duration,
    /// The cluster's key. Without one, a node listens on loopback only.
    pub keys: Option<ClusterKeys>,
    /// Whether a node without a key may listen on other addresses: anyone who can reach it can then
    /// read and change everything that the cluster's flares share.
    pub insecure: bool,
}

impl GossipConfig {
    /// Looks every 200 ms, in the cluster `flaron`, with no seeds and no key.
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            advertise: None,
            seeds: Vec::new(),
            cluster: "flaron".to_owned(),
            interval: Duration::from_millis(200),
            keys: None,
            insecure: false,
        }
    }
}

/// A node's membership of the network. Dropping it leaves the network.
pub(super) struct Gossip {
    supervisor: tokio::task::JoinHandle<()>,
}

impl Drop for Gossip {
    fn drop(&mut self) {
        self.supervisor.abort();
    }
}

/// What all gossip tasks share.
struct Node {
    shared: Arc<Shared>,
    jobs: mpsc::Sender<Job>,
    keys: ClusterKeys,
    cluster: String,
    address: SocketAddr,
    seeds: Vec<String>,
    interval: Duration,
    /// The nodes that this node follows now.
    followed: Mutex<HashSet<String>>,
    /// When each seed was last asked who it is. `None` means that it is this node itself.
    asked: Mutex<HashMap<String, Option<Instant>>>,
    reach: Reach,
    door: Arc<Door>,
}

impl Plasma {
    /// Joins the other nodes and returns the address at which they reach this one. Gossip runs on
    /// the current tokio runtime until [`Plasma::leave`] is called, or this is dropped.
    ///
    /// # Errors
    ///
    /// [`OpenError`]: the address cannot be bound or cannot be advertised, there is no key for a
    /// network, or it has joined already.
    pub async fn join(&self, config: GossipConfig) -> Result<SocketAddr, OpenError> {
        let fail = |what: String| OpenError::other(format!("plasma: cannot join: {what}"));
        if lock(&self.gossip).is_some() {
            return Err(fail("this node has joined already".to_owned()));
        }
        let keys = match config.keys {
            Some(keys) => keys,
            None if config.insecure || config.listen.ip().to_canonical().is_loopback() => {
                ClusterKeys::public(&config.cluster)
            }
            None => {
                return Err(fail(format!(
                    "without a key anyone who can reach {} could read and change what the flares \
                     share. Make one with `flaron-edge new-key` and give it to all nodes \
                     (FLARON_CLUSTER_KEY), or pass --insecure-gossip if nobody else uses this network",
                    config.listen
                )));
            }
        };
        let listener = TcpListener::bind(config.listen)
            .await
            .map_err(|e| fail(format!("cannot listen on {}: {e}", config.listen)))?;
        let bound = listener.local_addr().map_err(|e| fail(e.to_string()))?;
        let address = config.advertise.unwrap_or(bound);
        if address.ip().is_unspecified() {
            return Err(fail(format!(
                "others cannot reach {address}: pass an address that they can reach (--advertise), or \
                 listen on a specific address"
            )));
        }
        let node = Arc::new(Node {
            shared: self.shared.clone(),
            jobs: self.jobs.clone(),
            keys,
            cluster: config.cluster,
            address,
            seeds: config.seeds,
            interval: config.interval,
            followed: Mutex::default(),
            asked: Mutex::default(),
            reach: Reach::new(2 * WAIT + 25 * config.interval),
            door: Arc::default(),
        });
        *lock(&self.shared.link) = Some(Link {
            address,
            alive_for: ALIVE,
        });
        let supervisor = tokio::spawn(supervise(node, listener));
        *lock(&self.gossip) = Some(Gossip { supervisor });
        Ok(address)
    }

    /// Leaves the others. What was learned stays; they notice that this node no longer answers.
    pub async fn leave(&self) {
        *lock(&self.shared.link) = None;
        let gossip = lock(&self.gossip).take();
        if let Some(mut gossip) = gossip {
            gossip.supervisor.abort();
            // The supervisor ends because it was aborted, and its tasks with it.
            let _ = (&mut gossip.supervisor).await;
        }
    }

    /// Disconnects this node in both directions, as if the network were down, until called with
    /// `false`. For testing what flares do then.
    pub fn set_isolated(&self, isolated: bool) {
        self.shared.isolated.send_replace(isolated);
    }
}

/// Keeps the tasks running for as long as the node is a member.
async fn supervise(node: Arc<Node>, listener: TcpListener) {
    let listener = Arc::new(listener);
    let mut tasks = JoinSet::new();
    tasks.spawn(listen(node.clone(), listener.clone()));
    let mut tick = tokio::time::interval(node.interval);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = tick.tick() => {
                for (name, target) in targets(&node) {
                    lock(&node.followed).insert(name.clone());
                    tasks.spawn(follow(node.clone(), name, target));
                }
            }
            Some(ended) = tasks.join_next() => {
                match ended {
                    Ok(Followed(name)) => {
                        lock(&node.followed).remove(&name);
                    }
                    Err(error) if error.is_panic() => {
                        let what = format!("a gossip task failed, and all were restarted: {error}");
                        node.shared.tell(Severity::Notice, "gossip", what);
                        tasks.shutdown().await;
                        lock(&node.followed).clear();
                        tasks.spawn(listen(node.clone(), listener.clone()));
                    }
                    Err(_) => {}
                }
            }
        }
    }
}

/// Following this node (its name, or a seed's address) has ended.
struct Followed(String);

/// The nodes that should be followed and are not yet.
fn targets(node: &Node) -> Vec<(String, Target)> {
    let followed = lock(&node.followed);
    let members = lock(&node.shared.members);
    let mut found: Vec<(String, Target)> = members
        .iter()
        .filter(|(name, _)| !followed.contains(*name))
        .map(|(name, member)| (name.clone(), Target::Node(member.address)))
        .collect();
    // The node behind a seed can change, and a cluster that fell apart finds itself again through
    // its seeds.
    let is_alone = members.iter().all(|(_, member)| !member.is_alive(ALIVE));
    let ask_again = if is_alone { SILENCE } else { ASK_SEEDS };
    let asked = lock(&node.asked);
    for seed in &node.seeds {
        let is_due = match asked.get(seed) {
            None => true,
            Some(None) => false,
            Some(Some(last)) => last.elapsed() >= ask_again,
        };
        if is_due && !followed.contains(seed) {
            found.push((seed.clone(), Target::Seed));
        }
    }
    found
}

#[derive(Clone, Copy)]
enum Target {
    Node(SocketAddr),
    /// An address that may be any node's; it is asked who it is.
    Seed,
}

/// Follows a node until it cannot be reached, and pauses before it may be tried again.
async fn follow(node: Arc<Node>, name: String, target: Target) -> Followed {
    let mut isolated = node.shared.isolated.subscribe();
    let began = Instant::now();
    let ended = tokio::select! {
        biased;
        () = cut(&mut isolated) => Ok(()),
        ended = follow_once(&node, &name, target) => ended,
    };
    if let Err(error) = &ended {
        tracing::debug!(node = name, %error, "plasma: cannot follow a node");
        match (error, target) {
            (ChannelError::Stranger | ChannelError::Broken(_), _) => {
                let what = format!("cannot follow `{name}`: {error}");
                node.shared.tell(Severity::Warning, &peer(&name), what);
            }
            (_, Target::Node(address)) => {
                node.reach.failed(&node.shared, &name, address, ALIVE);
            }
            (_, Target::Seed) => {}
        }
    }
    // A node that was followed for a while is tried again at once.
    let pause = match began.elapsed() {
        long if long > MAX_PAUSE => node.interval,
        _ => (node.interval * 5).min(MAX_PAUSE),
    };
    tokio::time::sleep(pause).await;
    Followed(name)
}

async fn follow_once(node: &Node, name: &str, target: Target) -> Result<(), ChannelError> {
    let connect = async {
        let stream = match target {
            Target::Node(address) => TcpStream::connect(address).await?,
            Target::Seed => TcpStream::connect(name).await?,
        };
        Ok(stream)
    };
    let stream = within(CONNECT, connect).await?;
    let mut channel = Channel::dial(stream, &node.keys).await?;
    send(&mut channel, &node.hello()).await?;
    let welcome: Welcome = within(SILENCE, receive(&mut channel, MAX_REQUEST)).await?;
    let (hello, seen) = match welcome {
        Welcome::Accepted { hello, seen } if hello.is_sane() => (hello, seen),
        Welcome::Accepted { .. } => return Err(ChannelError::Broken("a hello that cannot be")),
        Welcome::Yourself => {
            lock(&node.asked).insert(name.to_owned(), None);
            return Ok(());
        }
        Welcome::SameName => {
            node.say_twin();
            return Err(ChannelError::Broken("this node's own name"));
        }
        Welcome::OtherCluster(other) => {
            let what = format!(
                "`{name}` belongs to the cluster `{other}`, not to `{}`",
                node.cluster
            );
            node.shared.tell(Severity::Warning, &peer(name), what);
            return Ok(());
        }
    };
    if hello.node == node.shared.node_id {
        node.say_twin();
        return Err(ChannelError::Broken("this node's own name"));
    }
    node.meet(&hello);
    if let Target::Seed = target {
        // From now on it is followed under its name.
        lock(&node.asked).insert(name.to_owned(), Some(Instant::now()));
        // If the other node knows a life that is not this folder's, there is no need to wait until
        // the stream follows.
        let is_ours = |life: &u64| lock(&node.shared.identity).lives.contains(life);
        if seen.is_some_and(|life| !is_ours(&life)) {
            let from = hello.node.as_str().into();
            store(node, &from, Vec::new(), 0, Some(seen)).await?;
        }
        return Ok(());
    }
    let from: Arc<str> = hello.node.as_str().into();
    let began = Instant::now();
    let mut puller = Puller::new();
    let mut told = false;
    loop {
        let request = puller.request();
        send(&mut channel, &request).await?;
        let mut response: Response =
            within(WAIT + SILENCE, receive(&mut channel, MAX_RESPONSE)).await?;
        node.hear(&hello);
        if let Response::Changes { members, .. } = &response {
            let mut known = lock(&node.shared.members);
            for other in members {
                if other.node != node.shared.node_id {
                    known.learn(other, (node.shared.wall)());
                }
            }
        }
        let entries = Puller::entries(&mut response);
        let count = entries.len();
        let time = Puller::time(&response);
        if count > 0 || time > 0 {
            store(node, &from, entries, time, None).await?;
        }
        puller.advance(&response, count, &node.shared.state());
        if !told && puller.is_following() {
            store(node, &from, Vec::new(), 0, Some(seen)).await?;
            told = true;
        }
        node.reach.followed(&node.shared, name, began, node.address);
    }
}

/// Stores what another node sent.
async fn store(
    node: &Node,
    from: &Arc<str>,
    entries: Vec<Entry>,
    time: u64,
    met: Option<Option<u64>>,
) -> Result<(), ChannelError> {
    let (done, stored) = oneshot::channel();
    let job = Job::Merge {
        from: from.clone(),
        entries,
        time,
        met,
        done,
    };
    // The writing thread ends with the node.
    node.jobs.send(job).map_err(|_| ended())?;
    match stored.await {
        Ok(Ok(())) => Ok(()),
        // The error is reported where it occurs; asking again later gives the same answer.
        Ok(Err(_)) | Err(_) => Err(ended()),
    }
}

fn ended() -> ChannelError {
    std::io::Error::other("the entries could not be stored").into()
}

/// Accepts the nodes that follow this one.
async fn listen(node: Arc<Node>, listener: Arc<TcpListener>) -> Followed {
    let mut connections = JoinSet::new();
    let mut filter = Filter::new(&listener);
    let mut has_hung_up = false;
    loop {
        let accepted = tokio::select! {
            biased;
            () = filter.is_over() => {
                filter.renew(&node.door);
                continue;
            }
            accepted = next_caller(&listener, &mut has_hung_up) => accepted,
        };
        let (stream, from) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Too many open files, for instance, which passes.
                let what = format!("cannot accept connections: {error}");
                node.shared.tell(Severity::Failure, "listen", what);
                tokio::time::sleep(node.interval).await;
                continue;
            }
        };
        node.shared.problems.clear("listen");
        while connections.try_join_next().is_some() {}
        if connections.len() >= CONNECTIONS || *node.shared.isolated.borrow() {
            continue;
        }
        let Some(ticket) = node.door.enter(from.ip()) else {
            has_hung_up = !filter.turn_away(network(from.ip()), &node.door);
            continue;
        };
        let node = node.clone();
        connections.spawn(async move {
            let mut isolated = node.shared.isolated.subscribe();
            let served = async {
                if let Some(channel) = ticket.hear(Channel::accept(stream, &node.keys)).await {
                    // It is up to the follower to report how a stream ended.
                    let _ = serve(&node, channel).await;
                }
            };
            tokio::select! {
                biased;
                () = cut(&mut isolated) => {}
                () = served => {}
            }
        });
    }
}

/// The next connection. After one has been closed as unwanted, those that arrive within a short
/// time are handled together, which needs only one wake-up.
async fn next_caller(
    listener: &TcpListener,
    has_hung_up: &mut bool,
) -> std::io::Result<(TcpStream, SocketAddr)> {
    if let Some(accepted) = listener.accept().now_or_never() {
        return accepted;
    }
    if std::mem::take(has_hung_up) {
        tokio::time::sleep(BREATH).await;
    }
    listener.accept().await
}

/// Answers a follower.
async fn serve(node: &Node, mut channel: Channel) -> Result<(), ChannelError> {
    let hello: Hello = within(SILENCE, receive(&mut channel, MAX_REQUEST)).await?;
    let own = node.hello();
    let welcome = if !hello.is_sane() {
        return Err(ChannelError::Broken("a hello that cannot be"));
    } else if hello.cluster != node.cluster {
        Welcome::OtherCluster(node.cluster.clone())
    } else if hello.node == own.node && hello.life == own.life {
        Welcome::Yourself
    } else if hello.node == own.node {
        node.say_twin();
        Welcome::SameName
    } else {
        Welcome::Accepted {
            seen: node.meet(&hello),
            hello: own,
        }
    };
    send(&mut channel, &welcome).await?;
    let Welcome::Accepted { .. } = welcome else {
        return Ok(());
    };
    let mut news = node.shared.news.subscribe();
    loop {
        let request: Request = within(WAIT + SILENCE, receive(&mut channel, MAX_REQUEST)).await?;
        node.hear(&hello);
        lock(&node.shared.members).followed(&hello.node);
        note(&node.shared, &hello, &request);
        if let Request::Changes { since } = &request {
            let has_news = || {
                let cursor = node.shared.state().cursor();
                cursor.incarnation != since.incarnation || cursor.seq > since.seq
            };
            news.borrow_and_update();
            if !has_news() {
                // Either there are changes, or it is time to show that this node is alive.
                let _ = tokio::time::timeout(WAIT, news.changed()).await;
            }
        }
        let response = answer(&node.shared, &hello.node, &request);
        send(&mut channel, &response).await?;
    }
}

impl Node {
    fn hello(&self) -> Hello {
        let identity = lock(&self.shared.identity);
        Hello {
            cluster: self.cluster.clone(),
            node: self.shared.node_id.clone(),
            actor: identity.actor.clone(),
            life: identity.life(),
            generation: identity.generation,
            address: self.address,
        }
    }

    /// Records what a node says about itself, and returns the life in which it was last met.
    fn meet(&self, hello: &Hello) -> Option<u64> {
        let Met { seen, is_twin } = lock(&self.shared.members).meet(hello, (self.shared.wall)());
        if is_twin {
            self.say_twins(&hello.node);
        }
        seen
    }

    fn hear(&self, hello: &Hello) {
        if lock(&self.shared.members).heard(&hello.node, hello.life, (self.shared.wall)()) {
            self.say_twins(&hello.node);
        }
    }

    fn say_twins(&self, name: &str) {
        let what = format!(
            "two nodes are called `{name}`, or use copies of one data folder: give each its own \
             --node-id and --data"
        );
        self.shared.tell(Severity::Warning, "twins", what);
    }

    fn say_twin(&self) {
        self.say_twins(&self.shared.node_id);
    }
}

/// Returns when the network is cut.
async fn cut(isolated: &mut watch::Receiver<bool>) {
    // The sender lives as long as the node.
    let _ = isolated.wait_for(|isolated| *isolated).await;
}

async fn send(channel: &mut Channel, message: &impl Serialize) -> Result<(), ChannelError> {
    let bytes = postcard::to_allocvec(message)
        .map_err(|_| ChannelError::Broken("what cannot be written"))?;
    within(SILENCE, channel.send(&bytes)).await
}

async fn receive<T: DeserializeOwned>(
    channel: &mut Channel,
    most: usize,
) -> Result<T, ChannelError> {
    let bytes = channel.receive(most).await?;
    postcard::from_bytes(&bytes).map_err(|_| ChannelError::Broken("what is no message"))
}
