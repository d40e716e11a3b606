//! Real processes on a real network: each node in a network namespace of its own, with packet loss, links that
//! are cut, and processes that are paused and killed.
//!
//! This needs root, `ip` and `nft`, so it only runs when asked for, through `cargo lab`, an optimised build:
//! without optimisation the cryptography alone takes a new node longer than its test allows.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::capability::cluster::ClusterKeys;
use crate::capability::store::simulated::Random;

const KEY: &str = "6c61622d6b65792d6f6e6c792d666f722d746573742d6e616d6573706163652e";

fn run(command: &str) {
    let mut words = command.split_whitespace();
    let status = Command::new(words.next().unwrap()).args(words).status();
    assert!(status.unwrap().success(), "{command}");
}

/// A switch in one namespace, and a namespace for each node.
struct Lab {
    name: String,
    folder: tempfile::TempDir,
}

impl Lab {
    fn new(nodes: usize) -> Self {
        static LABS: AtomicU32 = AtomicU32::new(0);
        let number = LABS.fetch_add(1, Ordering::SeqCst);
        if number == 0 {
            println!("nodes in network namespaces: about a minute in all");
        }
        let lab = Self {
            name: format!("f{}x{number}", std::process::id() % 10_000),
            folder: tempfile::tempdir().unwrap(),
        };
        let switch = lab.namespace("s");
        run(&format!("ip netns add {switch}"));
        run(&format!("ip -n {switch} link add br0 type bridge"));
        run(&format!("ip -n {switch} link set br0 up"));
        for at in 0..nodes {
            let namespace = lab.namespace(&at.to_string());
            run(&format!("ip netns add {namespace}"));
            run(&format!(
                "ip -n {switch} link add p{at} type veth peer name eth0 netns {namespace}"
            ));
            run(&format!("ip -n {switch} link set p{at} master br0 up"));
            run(&format!(
                "ip -n {namespace} addr add 10.77.0.{}/24 dev eth0",
                at + 1
            ));
            run(&format!("ip -n {namespace} link set eth0 up"));
            run(&format!("ip -n {namespace} link set lo up"));
        }
        lab
    }

    fn namespace(&self, of: &str) -> String {
        format!("{}-{of}", self.name)
    }

    /// Drops this percentage of the packets on their way to this node.
    fn lose(&self, at: usize, percent: u32) {
        let namespace = self.namespace(&at.to_string());
        let rules = format!(
            "flush ruleset; add table ip t; \
             add chain ip t c {{ type filter hook input priority 0; }}; \
             add rule ip t c numgen random mod 100 < {percent} drop"
        );
        let status = Command::new("ip")
            .args(["netns", "exec", &namespace, "nft", &rules])
            .status();
        assert!(status.unwrap().success());
    }

    fn cut(&self, at: usize, is_cut: bool) {
        let state = if is_cut { "down" } else { "up" };
        run(&format!(
            "ip -n {} link set p{at} {state}",
            self.namespace("s")
        ));
    }

    fn data(&self, at: usize) -> PathBuf {
        self.folder.path().join(format!("{at}.redb"))
    }

    fn start(&self, at: usize) -> Process {
        Process::start(&self.namespace(&at.to_string()), at, &self.data(at))
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let listed = Command::new("ip").args(["netns", "list"]).output().unwrap();
        for line in String::from_utf8_lossy(&listed.stdout).lines() {
            let name = line.split_whitespace().next().unwrap_or_default();
            if name.starts_with(&format!("{}-", self.name)) {
                let _ = Command::new("ip").args(["netns", "del", name]).status();
            }
        }
    }
}

/// A node in a process of its own, which takes commands on stdin.
pub(super) struct Process {
    child: Child,
    stdin: ChildStdin,
    answers: BufReader<std::process::ChildStdout>,
}

impl Process {
    fn start(namespace: &str, at: usize, data: &Path) -> Self {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", namespace]);
        command.arg(std::env::current_exe().unwrap());
        let started = Self::start_in(command, "10.77.0", at, data);
        started.expect("the node starts")
    }

    /// Starts the child in the network whose addresses begin like this; `None` if it does not
    /// start.
    pub(super) fn start_in(
        mut command: Command,
        network: &str,
        at: usize,
        data: &Path,
    ) -> Option<Self> {
        let mut child = command
            .args(["--exact", "capability::plasma::tests::network::lab_node"])
            .args(["--nocapture", "--ignored"])
            .env("FLARON_LAB_NODE", at.to_string())
            .env("FLARON_LAB_DATA", data)
            .env("FLARON_LAB_NETWORK", network)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut process = Self {
            stdin: child.stdin.take().unwrap(),
            answers: BufReader::new(child.stdout.take().unwrap()),
            child,
        };
        (process.answer()? == "ready").then_some(process)
    }

    fn answer(&mut self) -> Option<String> {
        loop {
            let mut line = String::new();
            if self.answers.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if let Some((_, answer)) = line.trim_end().split_once("lab: ") {
                return Some(answer.to_owned());
            }
        }
    }

    pub(super) fn ask(&mut self, command: &str) -> Option<String> {
        writeln!(self.stdin, "{command}").ok()?;
        self.answer()
    }

    pub(super) fn number(&mut self, command: &str) -> i64 {
        self.ask(command).unwrap().parse().unwrap()
    }

    pub(super) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn signal(&self, signal: &str) {
        run(&format!("kill -{signal} {}", self.child.id()));
    }

    /// Its resident memory, in KiB.
    fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.unwrap().trim().trim_end_matches(" kB");
        kib.parse().unwrap()
    }

    /// The CPU time it has used, in seconds.
    fn cpu(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
        let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
        ticks / 100.0
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The child process. Does nothing unless it is started as one.
#[test]
#[ignore = "a node of the tests below"]
fn lab_node() {
    let Ok(at) = std::env::var("FLARON_LAB_NODE") else {
        return;
    };
    let at: u8 = at.parse().unwrap();
    let network = std::env::var("FLARON_LAB_NETWORK").unwrap();
    let address = |at: u8| format!("{network}.{}:7000", at + 1);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let config = PlasmaConfig {
        path: std::env::var_os("FLARON_LAB_DATA").map(Into::into),
        ..PlasmaConfig::new(format!("n{at}"))
    };
    let node = match Plasma::open(config) {
        Ok(node) => node,
        Err(error) => {
            // In some of the tests its file has been damaged.
            eprintln!("refused: {error}");
            return;
        }
    };
    let gossip = GossipConfig {
        seeds: vec![address(0), address(1)],
        keys: Some(ClusterKeys::parse(KEY).unwrap()),
        ..GossipConfig::new(address(at).parse().unwrap())
    };
    runtime.block_on(node.join(gossip)).unwrap();
    println!("lab: ready");
    for line in std::io::stdin().lines().map_while(Result::ok) {
        let words: Vec<&str> = line.split(' ').collect();
        let answer = match words[..] {
            ["add", key, n] => match session(&node).increment(key.as_bytes(), n.parse().unwrap()) {
                Ok(_) => "ok".to_owned(),
                Err(error) => format!("error {error}"),
            },
            ["fill", name, count] => {
                std::thread::scope(|scope| {
                    let count: usize = count.parse().unwrap();
                    for part in 0..64 {
                        let node = &node;
                        scope.spawn(move || {
                            for i in (part..count).step_by(64) {
                                let mut value = [0; 1024];
                                getrandom::fill(&mut value).unwrap();
                                set(node, &format!("{name}{i}"), &value);
                            }
                        });
                    }
                });
                "ok".to_owned()
            }
            ["set", key] => {
                set(&node, key, b"value");
                now_us().to_string()
            }
            ["wait", key] => {
                while get(&node, key).is_none() {
                    std::thread::sleep(Duration::from_micros(500));
                }
                now_us().to_string()
            }
            ["count", key] => counter(&node, key).unwrap_or(0).to_string(),
            ["keys"] => node.shared.state().iter().count().to_string(),
            ["problems"] => node.problems().len().to_string(),
            ["says", ..] => {
                let what = line.trim_start_matches("says ");
                let problems = node.problems();
                let says = problems.iter().any(|problem| problem.what.contains(what));
                i32::from(says).to_string()
            }
            ["alive"] => {
                let nodes = node.status().nodes;
                nodes.iter().filter(|n| n.alive).count().to_string()
            }
            _ => panic!("{line}"),
        };
        println!("lab: {answer}");
    }
}

fn now_us() -> u128 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.unwrap().as_micros()
}

#[track_caller]
pub(super) fn until(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) -> Duration {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < limit, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
    began.elapsed()
}

#[test]
#[ignore = "needs root and network namespaces"]
fn a_newcomer_has_it_all_soon_though_packets_are_lost() {
    for (loss, limit) in [(0, 10), (2, 10), (5, 15), (10, 20)] {
        let lab = Lab::new(3);
        let mut first = lab.start(0);
        let mut second = lab.start(1);
        first.ask("fill k 5000").unwrap();
        until("the second to have it", Duration::from_secs(60), || {
            second.number("keys") == 5000
        });
        for at in 0..3 {
            lab.lose(at, loss);
        }
        let mut newcomer = lab.start(2);
        let took = until(
            "the newcomer to have it all",
            Duration::from_secs(limit),
            || newcomer.number("keys") == 5000,
        );
        println!(
            "{loss} % loss: a newcomer has 5000 keys of 1 KiB after {:.2} s",
            took.as_secs_f64()
        );
    }
}

#[test]
#[ignore = "needs root and network namespaces"]
fn news_is_there_at_once() {
    let lab = Lab::new(3);
    let mut nodes: Vec<Process> = (0..3).map(|at| lab.start(at)).collect();
    until("all to know each other", Duration::from_secs(20), || {
        nodes.iter_mut().all(|node| node.number("alive") == 3)
    });
    let mut times = Vec::new();
    for i in 0..200 {
        let acknowledged: u128 = nodes[i % 3]
            .ask(&format!("set k{i}"))
            .unwrap()
            .parse()
            .unwrap();
        let there: u128 = nodes[(i + 1) % 3]
            .ask(&format!("wait k{i}"))
            .unwrap()
            .parse()
            .unwrap();
        times.push(there.saturating_sub(acknowledged));
    }
    times.sort_unstable();
    println!(
        "from acknowledged to seen on another node: median {:.1} ms, p99 {:.1} ms",
        times[100] as f64 / 1000.0,
        times[198] as f64 / 1000.0
    );
    assert!(times[100] < 250_000);
    // A node that is killed and comes back is soon followed again.
    nodes[0].kill();
    nodes[0] = lab.start(0);
    let acknowledged: u128 = nodes[0].ask("set again").unwrap().parse().unwrap();
    let there: u128 = nodes[2].ask("wait again").unwrap().parse().unwrap();
    let took = there.saturating_sub(acknowledged) as f64 / 1000.0;
    println!("the first write after a restart is seen after {took:.0} ms");
    assert!(took < 3000.0);
}

/// How many datagrams, and connections, a stranger sends: one of each per millisecond.
const STRANGERS: u32 = 5000;

#[test]
#[ignore = "needs root and network namespaces"]
fn strangers_cost_little() {
    let lab = Lab::new(3);
    let mut nodes: Vec<Process> = (0..2).map(|at| lab.start(at)).collect();
    until("both to know each other", Duration::from_secs(20), || {
        nodes.iter_mut().all(|node| node.number("alive") == 2)
    });
    let idle = {
        let before = nodes[0].cpu();
        std::thread::sleep(Duration::from_secs(5));
        (nodes[0].cpu() - before) / 5.0
    };
    let mut under = Vec::new();
    for role in ["datagrams", "connections"] {
        let (before, began) = (nodes[0].cpu(), Instant::now());
        let told = stranger(&lab, 2, role).output().unwrap();
        let seconds = began.elapsed().as_secs_f64();
        let of_core = (nodes[0].cpu() - before) / seconds;
        let told = String::from_utf8_lossy(&told.stdout).into_owned();
        let (_, connected) = told.split_once("lab: ").expect("the stranger has finished");
        let connected = connected.lines().next().unwrap_or_default();
        println!(
            "{:.0} {role} a second, {connected} connected: {:.1} % of a core (idle {:.1} %)",
            f64::from(STRANGERS) / seconds,
            of_core * 100.0,
            idle * 100.0
        );
        under.push(of_core);
    }
    assert_eq!(nodes[0].ask("add n 1").unwrap(), "ok");
    until("the nodes to go on", Duration::from_secs(5), || {
        nodes[1].number("count n") == 1
    });
    for of_core in under {
        assert!(of_core - idle < 0.01, "of a core: {of_core}");
    }
}

/// An attacker of the first node, in this namespace.
fn stranger(lab: &Lab, at: usize, role: &str) -> Command {
    let mut command = Command::new("ip");
    command
        .args(["netns", "exec", &lab.namespace(&at.to_string())])
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "capability::plasma::tests::network::lab_stranger",
        ])
        .args(["--nocapture", "--ignored"])
        .env("FLARON_LAB_STRANGER", role);
    command
}

/// Each datagram and each connection comes from a different network, so nothing is known about any of
/// them: the nodes keep working, and a new one gets in.
#[test]
#[ignore = "needs root and network namespaces"]
fn strangers_from_very_many_networks_keep_nobody_out() {
    let lab = Lab::new(4);
    // All of 10.128.0.0/9 belongs to the stranger.
    run(&format!(
        "ip -n {} route add local 10.128.0.0/9 dev lo",
        lab.namespace("3")
    ));
    for at in 0..3 {
        let namespace = lab.namespace(&at.to_string());
        run(&format!(
            "ip -n {namespace} route add 10.128.0.0/9 via 10.77.0.4"
        ));
    }
    let mut nodes: Vec<Process> = (0..2).map(|at| lab.start(at)).collect();
    until("both to know each other", Duration::from_secs(20), || {
        nodes.iter_mut().all(|node| node.number("alive") == 2)
    });
    let idle = nodes[0].resident();
    for role in ["datagrams of many networks", "connections of many networks"] {
        let (before, began) = (nodes[0].cpu(), Instant::now());
        let mut attack = stranger(&lab, 3, role);
        let mut attack = attack.stdout(Stdio::piped()).spawn().unwrap();
        std::thread::sleep(Duration::from_secs(1));
        let mut newcomer = lab.start(2);
        let joined = until("a node to get in", Duration::from_secs(10), || {
            newcomer.number("alive") == 3
        });
        assert_eq!(newcomer.ask("add n 1").unwrap(), "ok");
        let total = nodes[0].number("count n").max(1);
        until("its news to arrive", Duration::from_secs(10), || {
            nodes.iter_mut().all(|node| node.number("count n") >= total)
        });
        assert!(
            attack.try_wait().unwrap().is_none(),
            "nobody attacks any more"
        );
        let mut told = String::new();
        let said = attack.stdout.as_mut().unwrap();
        std::io::Read::read_to_string(said, &mut told).unwrap();
        attack.wait().unwrap();
        let seconds = began.elapsed().as_secs_f64();
        let (_, connected) = told.split_once("lab: ").expect("the stranger has finished");
        let grown = nodes[0].resident().saturating_sub(idle) >> 10;
        println!(
            "{:.0} {role} a second, {} connected: a node got in after {:.2} s, {:.1} % of a core, \
             {grown} MiB more",
            f64::from(STRANGERS) / seconds,
            connected.lines().next().unwrap_or_default(),
            joined.as_secs_f64(),
            (nodes[0].cpu() - before) / seconds * 100.0,
        );
        assert!(grown < 32, "{grown} MiB");
        newcomer.kill();
    }
}

#[test]
#[ignore = "a stranger of the tests above"]
fn lab_stranger() {
    let Ok(role) = std::env::var("FLARON_LAB_STRANGER") else {
        return;
    };
    let address: SocketAddr = ([10, 77, 0, 1], 7000).into();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let connected = runtime.block_on(async {
        let socket = tokio::net::UdpSocket::bind("0.0.0.0:0").await.unwrap();
        let mut random = Random(7);
        let mut tick = tokio::time::interval(Duration::from_millis(1));
        let mut connections = tokio::task::JoinSet::new();
        for _ in 0..STRANGERS {
            tick.tick().await;
            let bytes: Vec<u8> = (0..100).map(|_| random.below(256) as u8).collect();
            // From 32,768 networks of 256 addresses each.
            let many = role.ends_with("of many networks");
            let (high, low) = (128 + random.below(128) as u8, random.below(256) as u8);
            let own = if many { [10, high, low, 1] } else { [0; 4] };
            if role.starts_with("datagrams") {
                let bound = match many {
                    true => Some(
                        tokio::net::UdpSocket::bind(SocketAddr::from((own, 0)))
                            .await
                            .unwrap(),
                    ),
                    false => None,
                };
                let socket = bound.as_ref().unwrap_or(&socket);
                let _ = socket.send_to(&bytes, address).await;
                continue;
            }
            // A stranger that gets no answer does not wait, but continues with the next connection.
            connections.spawn(async move {
                let socket = tokio::net::TcpSocket::new_v4().unwrap();
                socket.bind((own, 0).into()).unwrap();
                let connect = socket.connect(address);
                let connected = tokio::time::timeout(Duration::from_millis(300), connect).await;
                let Ok(Ok(mut stream)) = connected else {
                    return 0;
                };
                let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, &bytes).await;
                1
            });
        }
        connections.join_all().await.into_iter().sum::<u32>()
    });
    println!("lab: {connected}");
}

/// The result of the chaos below.
struct Told {
    acknowledged: i64,
    uncertain: i64,
}

fn chaos(lab: &Lab, nodes: &mut [Process], seed: u64, rounds: usize) -> Told {
    let mut random = Random(seed);
    let mut told = Told {
        acknowledged: 0,
        uncertain: 0,
    };
    for _ in 0..rounds {
        let at = random.below(nodes.len());
        match random.below(12) {
            0 => {
                nodes[at].kill();
                nodes[at] = lab.start(at);
            }
            1 => {
                nodes[at].signal("STOP");
                std::thread::sleep(Duration::from_millis(300));
                nodes[at].signal("CONT");
            }
            2 => lab.cut(at, true),
            3..=4 => lab.cut(at, false),
            5 => lab.lose(at, random.below(30) as u32),
            6 => {
                // Killed while a write is in progress.
                writeln!(nodes[at].stdin, "add n 1").unwrap();
                told.uncertain += 1;
                nodes[at].kill();
                nodes[at] = lab.start(at);
            }
            _ => {
                for _ in 0..20 {
                    match nodes[at].ask("add n 1").as_deref() {
                        Some("ok") => told.acknowledged += 1,
                        _ => told.uncertain += 1,
                    }
                }
            }
        }
    }
    for at in 0..nodes.len() {
        lab.cut(at, false);
        lab.lose(at, 0);
    }
    told
}

#[test]
#[ignore = "needs root and network namespaces"]
fn what_is_acknowledged_stays_on_a_real_network() {
    let mut all = (0, 0);
    for seed in 0..4 {
        let lab = Lab::new(3);
        let mut nodes: Vec<Process> = (0..3).map(|at| lab.start(at)).collect();
        let told = chaos(&lab, &mut nodes, seed, 60);
        let range = told.acknowledged..=told.acknowledged + told.uncertain;
        let mut totals = Vec::new();
        let took = until("all to agree", Duration::from_secs(30), || {
            totals = nodes.iter_mut().map(|n| n.number("count n")).collect();
            totals.iter().all(|t| range.contains(t) && *t == totals[0])
        });
        all.0 += told.acknowledged;
        println!(
            "seed {seed}: {totals:?} of {range:?}, agreed after {:.1} s",
            took.as_secs_f64()
        );
        all.1 += told.uncertain;
    }
    println!("{} acknowledged, {} left open, none lost", all.0, all.1);

    // The control: losing data is detected.
    let lab = Lab::new(3);
    let mut nodes: Vec<Process> = (0..3).map(|at| lab.start(at)).collect();
    lab.cut(2, true);
    for _ in 0..10 {
        assert_eq!(nodes[2].ask("add n 1").as_deref(), Some("ok"));
    }
    nodes[2].kill();
    std::fs::remove_file(lab.data(2)).unwrap();
    nodes[2] = lab.start(2);
    lab.cut(2, false);
    std::thread::sleep(Duration::from_secs(5));
    assert!(nodes.iter_mut().all(|node| node.number("count n") == 0));
}
