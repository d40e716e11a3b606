//! Pulls from other nodes.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{IpAddr, SocketAddr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::capability::cluster::ClusterKeys;

/// Serves a store's export on loopback, one request per connection, as simply as possible.
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
            ..SparkPeersConfig::default()
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
    // Once per invocation; a new one may pull again. A loopback address needs no name.
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
    // The advice for a node without a name is an option that there is.
    let unknown = network.session(&here, &peers).pull(b"unknown", b"[\"k\"]");
    let reason = unknown.unwrap_err().reason;
    assert!(reason.contains("--peer NAME=URL"), "{reason}");
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
            ..ExportPolicy::default()
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
fn the_clusters_key_opens_the_export_and_hides_what_is_pulled() {
    let network = Network::new();
    let here = in_memory();
    let made = || ClusterKeys::parse(&ClusterKeys::generate().unwrap()).unwrap();
    let (keys, others) = (made(), made());
    let there = in_memory();
    session(&there).set(b"k", b"a secret value", 0).unwrap();
    let policy = ExportPolicy {
        keys: Some(keys.clone()),
        ..ExportPolicy::default()
    };
    let heard: Arc<std::sync::Mutex<Vec<u8>>> = Arc::default();
    let wire = heard.clone();
    let address = serve_http(move |_, body| {
        let request = ExportRequest {
            remote: [127, 0, 0, 1].into(),
            authorization: None,
            origin: None,
            body,
        };
        let reply = export(&there, &policy, request);
        let mut wire = wire.lock().unwrap();
        wire.extend_from_slice(body);
        wire.extend_from_slice(&reply.body);
        (reply.status, reply.body)
    });
    for (keys, expected) in [
        (Some(keys.clone()), Ok(1)),
        (Some(others), Err(6)),
        (None, Err(6)), // not even from this machine
    ] {
        let config = SparkPeersConfig {
            peers: [("a".to_owned(), format!("http://{address}"))].into(),
            keys: keys.clone(),
            ..SparkPeersConfig::default()
        };
        let peers = SparkPeers::new(config, network.runtime.handle().clone()).unwrap();
        let is_first = expected.is_ok();
        let result = network.session(&here, &peers).pull(b"a", b"[\"k\"]");
        assert_eq!(result.map_err(|e| e.code()), expected, "{keys:?}");
        if is_first {
            let heard = heard.lock().unwrap();
            assert!(heard.len() > 50);
            for secret in [&b"example.test"[..], b"secret", b"\"k\""] {
                assert!(!heard.windows(secret.len()).any(|at| at == secret));
            }
        }
    }
    assert_eq!(
        session(&here).get(b"k").unwrap().unwrap(),
        b"\0\0\0\0a secret value"
    );
}

#[test]
fn export_answers_nodes_only() {
    let store = in_memory();
    session(&store).set(b"k", b"v", 0).unwrap();
    let open = ExportPolicy::default();
    let guarded = ExportPolicy {
        token: Some("t".to_owned()),
        ..ExportPolicy::default()
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
