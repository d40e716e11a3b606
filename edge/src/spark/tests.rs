use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;

const SITE: &str = "example.test";

fn writable() -> SparkLimits {
    SparkLimits {
        writes_allowed: true,
        ..SparkLimits::default()
    }
}

fn session(store: &Arc<Spark>) -> SparkSession {
    SparkSession::new(Some(store.clone()), SITE, writable(), None)
}

fn in_memory() -> Arc<Spark> {
    Spark::open(SparkConfig::default()).unwrap()
}

/// A store whose time stands still until it is moved.
fn with_clock(config: SparkConfig) -> (Arc<Spark>, Arc<AtomicU64>) {
    let now = Arc::new(AtomicU64::new(1_700_000_000_000));
    let clock = now.clone();
    let store =
        Spark::open_with_clock(config, Arc::new(move || clock.load(Ordering::SeqCst))).unwrap();
    (store, now)
}

fn code<T: fmt::Debug>(result: Result<T, SparkError>) -> i32 {
    let error = result.unwrap_err();
    assert!(!error.reason.is_empty());
    error.code()
}

fn list(s: &mut SparkSession) -> Vec<String> {
    serde_json::from_slice(&s.list().unwrap()).unwrap()
}

#[test]
fn what_is_set_can_be_got_listed_and_deleted() {
    let store = in_memory();
    let mut s = session(&store);
    assert_eq!(s.get(b"a").unwrap(), None);
    s.set(b"b", b"", 0).unwrap();
    s.set(b"a", b"one", 0).unwrap();
    s.set(b"a", b"two", 60).unwrap();
    assert_eq!(s.get(b"a").unwrap().unwrap(), b"\x3c\0\0\0two");
    assert_eq!(s.get(b"b").unwrap().unwrap(), b"\0\0\0\0");
    assert_eq!(s.list().unwrap(), br#"["a","b"]"#);
    s.delete(b"a").unwrap();
    s.delete(b"never-there").unwrap();
    assert_eq!(s.get(b"a").unwrap(), None);
    assert_eq!(list(&mut s), ["b"]);
}

#[test]
fn expiry_is_exact_to_the_millisecond() {
    let (store, now) = with_clock(SparkConfig {
        // Never swept, so what hides the value is the deadline alone.
        sweep_interval: Duration::from_secs(3600),
        ..SparkConfig::default()
    });
    let mut s = session(&store);
    let start = now.load(Ordering::SeqCst);
    s.set(b"k", b"v", 2).unwrap();
    for (after, ttl) in [(0, 2), (1, 2), (999, 2), (1000, 1), (1001, 1), (1999, 1)] {
        now.store(start + after, Ordering::SeqCst);
        let got = s.get(b"k").unwrap().expect("alive");
        assert_eq!(got[..4], u32::to_le_bytes(ttl), "after {after} ms");
        assert_eq!(list(&mut s), ["k"]);
    }
    for after in [2000, 2001, 1_000_000] {
        now.store(start + after, Ordering::SeqCst);
        assert_eq!(s.get(b"k").unwrap(), None, "after {after} ms");
        assert!(list(&mut s).is_empty());
        assert_eq!(store.peek(SITE, "k").unwrap(), None);
    }
    // Still on disk: it was hidden, not swept.
    assert_eq!(store.usage().unwrap()[0].keys, 1);
}

#[test]
fn a_new_ttl_replaces_the_old_one() {
    let (store, now) = with_clock(SparkConfig::default());
    let mut s = session(&store);
    s.set(b"longer", b"", 1).unwrap();
    s.set(b"longer", b"", 100).unwrap();
    s.set(b"forever", b"", 1).unwrap();
    s.set(b"forever", b"", 0).unwrap();
    s.set(b"shorter", b"", 100).unwrap();
    s.set(b"shorter", b"", 1).unwrap();
    now.fetch_add(50_000, Ordering::SeqCst);
    assert_eq!(list(&mut s), ["forever", "longer"]);
}

#[test]
fn expired_entries_are_swept_from_disk() {
    let (store, now) = with_clock(SparkConfig {
        sweep_interval: Duration::from_millis(5),
        ..SparkConfig::default()
    });
    let mut s = session(&store);
    for i in 0..10 {
        s.set(format!("k{i}").as_bytes(), b"value", 1).unwrap();
    }
    s.set(b"stays", b"value", 100).unwrap();
    now.fetch_add(1000, Ordering::SeqCst);
    let deadline = Instant::now() + Duration::from_secs(5);
    while store.usage().unwrap()[0].keys != 1 {
        assert!(Instant::now() < deadline, "not swept");
        std::thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(store.usage().unwrap()[0].bytes, cost("stays", 5));
    assert_eq!(list(&mut s), ["stays"]);
}

#[test]
fn every_status_code_of_the_abi() {
    let store = in_memory();
    let key = [b'k'; 256];
    let mut s = session(&store);
    // 1
    assert_eq!(code(s.set(b"k", b"", -1)), 1);
    assert_eq!(code(s.set(b"k", b"", i32::MIN)), 1);
    let cap = s.limits.max_ttl_secs as i32;
    assert_eq!(code(s.set(b"k", b"", cap + 1)), 1);
    s.set(b"k", b"", cap).unwrap();
    // 2
    s.set(b"k", &[0; 65_536], 0).unwrap();
    assert_eq!(code(s.set(b"k", &[0; 65_537], 0)), 2);
    // 3 and 7
    let limits = SparkLimits {
        max_reads: 2,
        max_writes: 2,
        ..writable()
    };
    let mut few = SparkSession::new(Some(store.clone()), SITE, limits, None);
    few.set(&key, b"", 0).unwrap();
    few.delete(&key).unwrap();
    assert_eq!(code(few.set(b"k", b"", 0)), 3);
    assert_eq!(code(few.delete(b"k")), 3);
    few.get(b"k").unwrap();
    few.list().unwrap();
    assert_eq!(code(few.get(b"k")), 7);
    assert_eq!(code(few.list()), 7);
    // 4
    let small = SparkConfig {
        quota_bytes: 100,
        ..SparkConfig::default()
    };
    let small = Spark::open(small).unwrap();
    assert_eq!(code(session(&small).set(b"k", &[0; 68], 0)), 4);
    session(&small).set(b"k", &[0; 67], 0).unwrap();
    // 5
    let mut none = SparkSession::new(None, SITE, writable(), None);
    assert_eq!(code(none.get(b"k")), 5);
    assert_eq!(code(none.set(b"k", b"", 0)), 5);
    assert_eq!(code(none.delete(b"k")), 5);
    assert_eq!(code(none.list()), 5);
    assert_eq!(code(none.pull(b"o", b"[]")), 5);
    // 8
    let mut s = session(&store);
    for bad in [
        &b""[..],
        &[b'k'; 257],
        b"a b",
        b"a/b",
        b"\xc3\xa9",
        b"a\0",
        b"__flaron:x",
        b"__sys:",
    ] {
        assert_eq!(code(s.get(bad)), 8, "{bad:?}");
        assert_eq!(code(s.set(bad, b"", 0)), 8, "{bad:?}");
        assert_eq!(code(s.delete(bad)), 8, "{bad:?}");
    }
    s.set(b"aZ09:._-", b"", 0).unwrap();
    s.set(b"__flaro:", b"", 0).unwrap();
    // 9
    let mut reader = SparkSession::new(Some(store), SITE, SparkLimits::default(), None);
    assert_eq!(code(reader.set(b"k", b"", 0)), 9);
    assert_eq!(code(reader.delete(b"k")), 9);
    assert_eq!(code(reader.pull(b"o", b"[]")), 9);
    reader.get(b"k").unwrap();
}

#[test]
fn a_store_that_failed_answers_internal() {
    let store = in_memory();
    let (jobs, queue) = mpsc::channel();
    // As if the writing thread had died.
    let mut store = Arc::into_inner(store).unwrap();
    store.jobs = Some(jobs);
    drop(queue);
    let store = Arc::new(store);
    assert_eq!(code(session(&store).set(b"k", b"", 0)), 6);
}

#[test]
fn sites_do_not_see_each_other() {
    let store = in_memory();
    let limits = writable();
    // Names chosen so that joining site and key in one text would mix them up.
    let mut a = SparkSession::new(Some(store.clone()), "a", limits.clone(), None);
    let mut ab = SparkSession::new(Some(store.clone()), "a:b", limits.clone(), None);
    let mut empty = SparkSession::new(Some(store.clone()), "", limits, None);
    a.set(b"b:c", b"of a", 0).unwrap();
    ab.set(b"c", b"of a:b", 5).unwrap();
    empty.set(b"a", b"of nobody", 0).unwrap();
    assert_eq!(a.get(b"c").unwrap(), None);
    assert_eq!(&ab.get(b"c").unwrap().unwrap()[4..], b"of a:b");
    assert_eq!(ab.get(b"b:c").unwrap(), None);
    assert_eq!(list(&mut a), ["b:c"]);
    assert_eq!(list(&mut ab), ["c"]);
    assert_eq!(list(&mut empty), ["a"]);
    ab.delete(b"b:c").unwrap();
    assert_eq!(list(&mut a), ["b:c"]);
    let sites: Vec<String> = store.usage().unwrap().into_iter().map(|u| u.site).collect();
    assert_eq!(sites, ["", "a", "a:b"]);
}

#[test]
fn the_quota_counts_what_is_alive() {
    let config = SparkConfig {
        quota_bytes: 3 * cost("k0", 100),
        sweep_interval: Duration::from_secs(3600),
        ..SparkConfig::default()
    };
    let (store, now) = with_clock(config);
    let mut s = session(&store);
    let value = [0; 100];
    s.set(b"k0", &value, 1).unwrap();
    s.set(b"k1", &value, 0).unwrap();
    s.set(b"k2", &value, 0).unwrap();
    assert_eq!(code(s.set(b"k3", b"", 0)), 4);
    // Replacing counts the difference only.
    s.set(b"k1", &value, 0).unwrap();
    assert_eq!(code(s.set(b"k1", &[0; 101], 0)), 4);
    // Refused means unchanged.
    assert_eq!(s.get(b"k1").unwrap().unwrap().len(), 104);
    // Another site has a quota of its own.
    SparkSession::new(Some(store.clone()), "other", writable(), None)
        .set(b"k0", &value, 0)
        .unwrap();
    // What has expired makes room at once, swept or not.
    now.fetch_add(1000, Ordering::SeqCst);
    s.set(b"k3", &value, 0).unwrap();
    s.delete(b"k3").unwrap();
    s.set(b"k4", &value, 0).unwrap();
    assert_eq!(code(s.set(b"k5", b"", 0)), 4);
}

#[test]
fn usage_returns_to_nothing() {
    let store = in_memory();
    let mut s = session(&store);
    for i in 0..20 {
        s.set(
            format!("k{}", i % 7).as_bytes(),
            &vec![0; i * 10],
            i as i32 % 3,
        )
        .unwrap();
    }
    let usage = &store.usage().unwrap()[0];
    let entries = store.entries(SITE).unwrap();
    assert_eq!(usage.keys, 7);
    assert_eq!(
        usage.bytes,
        entries
            .iter()
            .map(|e| cost(&e.key, e.value_bytes))
            .sum::<u64>()
    );
    for i in 0..7 {
        s.delete(format!("k{i}").as_bytes()).unwrap();
    }
    assert!(store.usage().unwrap().is_empty());
}

#[test]
fn writers_in_parallel_all_get_their_answer() {
    let dir = tempfile::tempdir().unwrap();
    let config = SparkConfig {
        path: Some(dir.path().join("spark.redb")),
        ..SparkConfig::default()
    };
    let store = Spark::open(config).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let mut s = session(&store);
            scope.spawn(move || {
                for i in 0..25 {
                    let key = format!("{thread}-{i}");
                    s.set(key.as_bytes(), key.as_bytes(), 0).unwrap();
                    assert_eq!(
                        &s.get(key.as_bytes()).unwrap().unwrap()[4..],
                        key.as_bytes()
                    );
                }
            });
        }
    });
    assert_eq!(store.usage().unwrap()[0].keys, 200);
}

#[test]
fn a_store_is_reopened_with_its_deadlines() {
    let dir = tempfile::tempdir().unwrap();
    let config = SparkConfig {
        path: Some(dir.path().join("made/spark.redb")),
        ..SparkConfig::default()
    };
    let (store, now) = with_clock(config.clone());
    let mut s = session(&store);
    s.set(b"short", b"1", 10).unwrap();
    s.set(b"long", b"2", 100).unwrap();
    s.set(b"forever", b"3", 0).unwrap();
    let busy = Spark::open(config.clone()).unwrap_err();
    assert!(busy.to_string().contains("another process"), "{busy}");
    drop(s);
    drop(store);
    let later = now.load(Ordering::SeqCst) + 10_000;
    let store = Spark::open_with_clock(config, Arc::new(move || later)).unwrap();
    let mut s = session(&store);
    assert_eq!(list(&mut s), ["forever", "long"]);
    assert_eq!(s.get(b"long").unwrap().unwrap(), b"\x5a\0\0\x002");
}

#[test]
fn a_file_that_is_no_store_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("spark.redb");
    std::fs::write(&path, b"not a store").unwrap();
    let error = Spark::open(SparkConfig {
        path: Some(path),
        ..SparkConfig::default()
    })
    .unwrap_err();
    assert!(error.to_string().contains("spark.redb"), "{error}");
}

/// The child of [`answered_writes_survive_kill_9`]: writes for ever, and says after each answer
/// which write it was. Does nothing unless it is started as that child.
#[test]
fn kill_9_child() {
    let Some(path) = std::env::var_os("SPARK_KILL_TEST") else {
        return;
    };
    let store = Spark::open(SparkConfig {
        path: Some(path.into()),
        ..SparkConfig::default()
    })
    .unwrap();
    // stdout, past the test harness's capture.
    let mut out = std::fs::File::options()
        .write(true)
        .open("/dev/stdout")
        .unwrap();
    for i in 0u32.. {
        let mut s = session(&store);
        let value = i.to_le_bytes().repeat(1 + i as usize % 300);
        s.set(format!("k{}", i % 50).as_bytes(), &value, 3600)
            .unwrap();
        writeln!(out, "answered {i}").unwrap();
    }
}

#[test]
fn answered_writes_survive_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("spark.redb");
    let mut last: Option<u32> = None;
    // Several lives on one file, each cut off at another point.
    for writes in [1, 60, 137] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "spark::tests::kill_9_child", "--nocapture"])
            .env("SPARK_KILL_TEST", &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut answered = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .map_while(Result::ok)
            .filter_map(|line| line.split_once("answered ")?.1.parse::<u32>().ok());
        last = answered.by_ref().find(|i| *i >= writes);
        child.kill().unwrap();
        // What it said between the last line read and its death was answered, too.
        last = answered.last().or(last);
        child.wait().unwrap();

        let store = Spark::open(SparkConfig {
            path: Some(path.clone()),
            ..SparkConfig::default()
        })
        .unwrap();
        let last = last.expect("the child wrote nothing");
        for i in last.saturating_sub(49)..=last {
            let got = session(&store)
                .get(format!("k{}", i % 50).as_bytes())
                .unwrap()
                .unwrap();
            let newest = u32::from_le_bytes(got[4..8].try_into().unwrap());
            // One write more may have reached the disk before its answer was heard.
            assert!(
                newest == i || newest == last + 1,
                "k{}: {newest}, not {i}",
                i % 50
            );
            assert_eq!(got.len(), 4 + 4 * (1 + newest as usize % 300));
        }
    }
    assert!(last.is_some());
}

/// Serves a store's export on loopback, one request a connection, as plainly as can be.
fn serve(store: Arc<Spark>, policy: ExportPolicy) -> SocketAddr {
    let reply = move |authorization: Option<&str>, body: &[u8]| {
        let request = ExportRequest {
            remote: [127, 0, 0, 1].into(),
            authorization,
            origin: None,
            body,
        };
        export(&store, &policy, request)
    };
    serve_http(move |head, body| {
        assert!(
            head.starts_with(&format!("POST {EXPORT_PATH} HTTP/1.1")),
            "{head}"
        );
        let authorization = head
            .lines()
            .find_map(|line| line.strip_prefix("authorization: "));
        let reply = reply(authorization, body);
        (reply.status, reply.body)
    })
}

fn serve_http(answer: impl Fn(&str, &[u8]) -> (u16, Vec<u8>) + Send + 'static) -> SocketAddr {
    use std::io::Read as _;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut head, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                if let Some(value) = line.strip_prefix("content-length: ") {
                    length = value.trim().parse().unwrap();
                }
                if line.trim().is_empty() {
                    break;
                }
                head.push_str(&line.replace("\r\n", "\n"));
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let (status, body) = answer(&head, &body);
            let head = format!(
                "HTTP/1.1 {status} x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(&[head.as_bytes(), &body].concat());
        }
    });
    address
}

struct Network {
    runtime: tokio::runtime::Runtime,
}

impl Network {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build();
        Self {
            runtime: runtime.unwrap(),
        }
    }

    fn peers(&self, peers: &[(&str, SocketAddr)], token: Option<&str>) -> Arc<SparkPeers> {
        let config = SparkPeersConfig {
            peers: peers
                .iter()
                .map(|(name, addr)| (name.to_string(), format!("http://{addr}")))
                .collect(),
            token: token.map(str::to_owned),
            timeout: Duration::from_secs(2),
        };
        SparkPeers::new(config, self.runtime.handle().clone()).unwrap()
    }

    fn session(&self, store: &Arc<Spark>, peers: &Arc<SparkPeers>) -> SparkSession {
        SparkSession::new(Some(store.clone()), SITE, writable(), Some(peers.clone()))
    }
}

#[test]
fn pull_copies_keys_with_their_ttl() {
    let network = Network::new();
    let (there, here) = (in_memory(), in_memory());
    let mut s = session(&there);
    s.set(b"ttl", b"\0\xff", 60).unwrap();
    s.set(b"forever", b"new", 0).unwrap();
    s.set(b"not-asked-for", b"", 0).unwrap();
    SparkSession::new(Some(there.clone()), "other-site", writable(), None)
        .set(b"theirs", b"", 0)
        .unwrap();
    session(&here).set(b"forever", b"old", 5).unwrap();

    let address = serve(there, ExportPolicy::default());
    let peers = network.peers(&[("edge-a", address)], None);
    let mut s = network.session(&here, &peers);
    let keys = br#"["ttl","forever","missing","theirs"]"#;
    assert_eq!(s.pull(b"edge-a", keys).unwrap(), 2);
    let ttl = s.get(b"ttl").unwrap().unwrap();
    assert_eq!(&ttl[4..], b"\0\xff");
    let left = u32::from_le_bytes(ttl[..4].try_into().unwrap());
    assert!((58..=60).contains(&left), "{left}");
    assert_eq!(s.get(b"forever").unwrap().unwrap(), b"\0\0\0\0new");
    assert_eq!(list(&mut s), ["forever", "ttl"]);
    // Once an invocation; a new one may again. A loopback address needs no name.
    assert_eq!(code(s.pull(b"edge-a", keys)), 3);
    let mut again = network.session(&here, &peers);
    assert_eq!(again.pull(address.to_string().as_bytes(), keys).unwrap(), 2);
    assert_eq!(
        network
            .session(&here, &peers)
            .pull(b"edge-a", b"[]")
            .unwrap(),
        0
    );
}

#[test]
fn the_time_on_the_way_is_taken_off() {
    let network = Network::new();
    let here = in_memory();
    let slow = serve_http(|_, _| {
        std::thread::sleep(Duration::from_millis(60));
        let answer = r#"{"entries":[{"key":"late","value":"","ttl_ms":50},
                                    {"key":"kept","value":"","ttl_ms":60050}]}"#;
        (200, answer.into())
    });
    let peers = network.peers(&[("slow", slow)], None);
    let pulled = network
        .session(&here, &peers)
        .pull(b"slow", br#"["late","kept"]"#);
    assert_eq!(pulled.unwrap(), 1, "what ran out on the way is not there");
    let left = here
        .peek(SITE, "kept")
        .unwrap()
        .unwrap()
        .ttl_left_ms
        .unwrap();
    assert!(left <= 59_990, "{left}");
}

#[test]
fn pull_uses_the_codes_that_the_abi_gives_it() {
    let network = Network::new();
    let here = in_memory();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let broken = serve_http(|_, _| (200, b"<html>".to_vec()));
    let refusing = serve_http(|_, _| (403, Vec::new()));
    let pushing = serve_http(|_, _| (200, br#"{"entries":[{"key":"other","value":""}]}"#.to_vec()));
    let large = serve_http(|_, _| {
        let value = STANDARD.encode(vec![0; 65_537]);
        (
            200,
            format!(r#"{{"entries":[{{"key":"k","value":"{value}"}}]}}"#).into_bytes(),
        )
    });
    let endless = serve_http(|_, _| (200, vec![b' '; EXPORT_MAX_REPLY + 1]));
    let peers = network.peers(
        &[
            ("nobody", nobody),
            ("broken", broken),
            ("refusing", refusing),
            ("pushing", pushing),
            ("large", large),
            ("endless", endless),
        ],
        None,
    );
    let many = serde_json::to_vec(&vec!["k"; MAX_PULL_KEYS + 1]).unwrap();
    for (origin, keys, expected) in [
        (&b"unknown"[..], &b"[\"k\"]"[..], 5),
        (b"192.0.2.1:80", b"[\"k\"]", 5),
        (b"nobody", b"[\"k\"]", 5),
        (b"broken", b"[\"k\"]", 6),
        (b"refusing", b"[\"k\"]", 6),
        (b"pushing", b"[\"k\"]", 6),
        (b"large", b"[\"k\"]", 6),
        (b"endless", b"[\"k\"]", 6),
        (b"", b"[]", 8),
        (b"http://evil/", b"[]", 8),
        (b"broken", b"", 8),
        (b"broken", b"{}", 8),
        (b"broken", b"[1]", 8),
        (b"broken", b"[\"a b\"]", 8),
        (b"broken", b"[\"__sys:x\"]", 8),
        (b"broken", &many, 3),
    ] {
        let result = network.session(&here, &peers).pull(origin, keys);
        assert_eq!(code(result), expected, "{}", origin.escape_ascii());
    }
    assert!(
        here.usage().unwrap().is_empty(),
        "a failed pull must write nothing"
    );

    let small = Spark::open(SparkConfig {
        quota_bytes: 40,
        ..SparkConfig::default()
    })
    .unwrap();
    let there = in_memory();
    session(&there).set(b"k1", b"value", 0).unwrap();
    session(&there).set(b"k2", b"value", 0).unwrap();
    let address = serve(there, ExportPolicy::default());
    let peers = network.peers(&[("full", address)], None);
    let result = network
        .session(&small, &peers)
        .pull(b"full", br#"["k1","k2"]"#);
    assert_eq!(code(result), 6);
    assert!(small.usage().unwrap().is_empty(), "all or none");
}

#[test]
fn a_shared_token_opens_the_export() {
    let network = Network::new();
    let (there, here) = (in_memory(), in_memory());
    session(&there).set(b"k", b"v", 0).unwrap();
    let address = serve(
        there,
        ExportPolicy {
            token: Some("shared".to_owned()),
        },
    );
    for (token, expected) in [
        (Some("shared"), Ok(1)),
        (Some("other"), Err(6)),
        (None, Err(6)),
    ] {
        let peers = network.peers(&[("a", address)], token);
        let result = network.session(&here, &peers).pull(b"a", b"[\"k\"]");
        assert_eq!(result.map_err(|e| e.code()), expected, "{token:?}");
    }
}

#[test]
fn export_answers_nodes_only() {
    let store = in_memory();
    session(&store).set(b"k", b"v", 0).unwrap();
    let open = ExportPolicy::default();
    let guarded = ExportPolicy {
        token: Some("t".to_owned()),
    };
    assert!(!format!("{guarded:?}").contains("\"t\""));
    let body = br#"{"site":"example.test","keys":["k","none"]}"#;
    let good = ExportRequest {
        remote: [127, 0, 0, 1].into(),
        authorization: None,
        origin: None,
        body,
    };
    let mapped: IpAddr = "::ffff:127.0.0.1".parse().unwrap();
    let far: IpAddr = "10.0.0.1".parse().unwrap();
    let bearer = Some("Bearer t");
    let huge = vec![b' '; EXPORT_MAX_REQUEST + 1];
    for (policy, request, status) in [
        (&open, good, 200),
        (
            &open,
            ExportRequest {
                remote: mapped,
                ..good
            },
            200,
        ),
        (
            &open,
            ExportRequest {
                remote: far,
                ..good
            },
            403,
        ),
        (
            &open,
            ExportRequest {
                origin: Some("null"),
                ..good
            },
            403,
        ),
        (&guarded, good, 403),
        (
            &guarded,
            ExportRequest {
                authorization: bearer,
                ..good
            },
            200,
        ),
        (
            &guarded,
            ExportRequest {
                authorization: bearer,
                remote: far,
                ..good
            },
            200,
        ),
        (
            &guarded,
            ExportRequest {
                authorization: Some("Bearer tt"),
                ..good
            },
            403,
        ),
        (
            &guarded,
            ExportRequest {
                authorization: Some("t"),
                ..good
            },
            403,
        ),
        (&open, ExportRequest { body: b"", ..good }, 400),
        (
            &open,
            ExportRequest {
                body: br#"{"site":"s","keys":["a b"]}"#,
                ..good
            },
            400,
        ),
        (
            &open,
            ExportRequest {
                body: br#"{"site":"s","keys":[],"x":1}"#,
                ..good
            },
            400,
        ),
        (
            &open,
            ExportRequest {
                body: &huge,
                ..good
            },
            413,
        ),
    ] {
        assert_eq!(
            export(&store, policy, request).status,
            status,
            "{request:?}"
        );
    }
    let reply = export(&store, &open, good);
    assert_eq!(reply.body, br#"{"entries":[{"key":"k","value":"dg=="}]}"#);
}

#[test]
fn peers_have_addresses() {
    let network = Network::new();
    for (name, address) in [("a", "127.0.0.1:1"), ("a", "ftp://x"), ("a b", "http://x")] {
        let config = SparkPeersConfig {
            peers: [(name.to_owned(), address.to_owned())].into(),
            ..SparkPeersConfig::default()
        };
        let error = SparkPeers::new(config, network.runtime.handle().clone()).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
    }
}
