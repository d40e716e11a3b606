//! What the nine example flares do, checked through real sockets. The same checks hold for the
//! flares that are built with the published crate.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use flaron_edge::FlareConfig;
use flaron_edge::spark::{SparkLimits, SparkSession};
use futures_util::{SinkExt, StreamExt};
use hmac::{Hmac, KeyInit, Mac};
use http::Response;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use crate::http::{Upstream, get, nobody, send};
use crate::node::{Node, settings};

/// Makes each check a test. The argument is the function that builds a flare.
#[macro_export]
macro_rules! nine {
    ($build:path) => {
        $crate::nine! { $build =>
            hello "hello",
            echo "echo",
            spark_counter "spark-counter",
            plasma_counter "plasma-counter",
            secret_jwt "secret-jwt",
            websocket_echo "websocket-echo",
            beam_fetch "beam-fetch",
            beam_json "beam-json",
            edge_ops "edge-ops",
        }
    };
    ($build:path => $($check:ident $flare:literal,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $check() {
                let wasm = tokio::task::block_in_place(|| $build($flare));
                $crate::nine::$check(&wasm).await;
            }
        )*
    };
}

/// Status 200, `text/plain`, a constant text.
pub async fn hello(wasm: &Path) {
    let node = Node::start(wasm, settings("hello"), &[]).await;
    for (method, path) in [("GET", "/"), ("POST", "/a/b?c=d"), ("DELETE", "/")] {
        let answer = send(node.addr, method, path, "").await;
        answer.is(200, "text/plain", "hello from the edge");
    }
    node.has_no_complaints();
}

/// The method, a space, and the full URL.
pub async fn echo(wasm: &Path) {
    let node = Node::start(wasm, settings("echo"), &[]).await;
    for (method, path, seen) in [
        ("PUT", "/a?b=1", "/a?b=1"),
        ("GET", "/", "/"),
        ("POST", "/%F0%9F%98%80?%22=%5C&x", "/%F0%9F%98%80?%22=%5C&x"),
        // The edge resolves dot segments before a flare sees the path.
        ("M-SEARCH", "/a//b/../c?", "/a//c?"),
    ] {
        let answer = send(node.addr, method, path, "a body").await;
        let expected = format!("{method} http://{}{seen}", node.addr);
        answer.is(200, "text/plain", &expected);
    }
    node.has_no_complaints();
}

/// Counts in Spark, with a TTL of one day.
pub async fn spark_counter(wasm: &Path) {
    let config = FlareConfig {
        site: Some("shop".to_owned()),
        ..settings("spark-counter")
    };
    let node = Node::start(wasm, config, &[]).await;
    for hits in 1..=12 {
        let answer = get(node.addr).await;
        answer.is(200, "text/plain", &format!("hits: {hits}"));
    }
    let spark = node.edge.spark();
    let entries = spark.entries("shop").unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!((&*entries[0].key, entries[0].value_bytes), ("hits", 2));
    let ttl = entries[0].ttl_left_secs.unwrap();
    assert!((86_300..=86_400).contains(&ttl), "{ttl}");
    node.has_no_complaints();

    // The stored value is a decimal number, from which the flare counts on; anything else starts it over.
    let mut session = SparkSession::new(
        Some(spark.clone()),
        "shop",
        SparkLimits {
            writes_allowed: true,
            ..SparkLimits::default()
        },
        None,
    );
    let stored = session.get(b"hits").unwrap().unwrap();
    assert_eq!(&stored[4..], b"12");
    for (stored, hits) in [("4294967295", "4294967296"), ("many", "1"), ("", "1")] {
        session.set(b"hits", stored.as_bytes(), 0).unwrap();
        let answer = get(node.addr).await;
        answer.is(200, "text/plain", &format!("hits: {hits}"));
    }
    node.has_no_complaints();
}

/// Counts in Plasma, and says so if it is not permitted to.
pub async fn plasma_counter(wasm: &Path) {
    let node = Node::start(wasm, settings("plasma-counter"), &[]).await;
    for hits in 1..=12 {
        let answer = get(node.addr).await;
        answer.is(200, "text/plain", &format!("global hits: {hits}"));
    }
    let keys = node.edge.plasma().status().keys;
    assert_eq!(keys.len(), 1);
    assert_eq!(keys[0].key, "global_hits");
    node.has_no_complaints();

    let node = Node::start(wasm, FlareConfig::default(), &[]).await;
    get(node.addr).await.is_failure(500, "plasma error");
    node.has_note("writes_plasma_kv");
    assert!(node.edge.plasma().status().keys.is_empty());
}

/// The seconds since 1970.
pub fn now() -> i64 {
    secs(SystemTime::now())
}

fn secs(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).unwrap().as_secs() as i64
}

/// Signs a token, and says so if it is not permitted to.
pub async fn secret_jwt(wasm: &Path) {
    const KEY: &str = "correct horse battery staple, long enough for SHA-256";
    let node = Node::start(wasm, settings("secret-jwt"), &[("jwt-key", KEY)]).await;
    let before = now();
    let answer = get(node.addr).await;
    let after = now();
    let token = answer.text().to_owned();
    answer.is(200, "application/jwt", &token);

    let (signed, signature) = token.rsplit_once('.').unwrap();
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(KEY.as_bytes()).unwrap();
    mac.update(signed.as_bytes());
    let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
    mac.verify_slice(&signature).unwrap();
    let (header, claims) = signed.split_once('.').unwrap();
    let decoded = |part: &str| -> Value {
        let json = BASE64_URL_SAFE_NO_PAD.decode(part).unwrap();
        serde_json::from_slice(&json).unwrap()
    };
    assert_eq!(decoded(header), json!({ "alg": "HS256", "typ": "JWT" }));
    let claims = decoded(claims);
    let issued = claims["iat"].as_i64().unwrap();
    let expires = claims["exp"].as_i64().unwrap();
    assert!((before..=after).contains(&issued), "{claims}");
    assert!(expires > after, "{claims}");
    let rest = json!({ "sub": "demo-user", "iss": "flaron", "iat": issued, "exp": expires });
    assert_eq!(claims, rest);
    node.has_no_complaints();

    // A secret that the flare is not permitted to use, and one that does not exist.
    let node = Node::start(wasm, FlareConfig::default(), &[("jwt-key", KEY)]).await;
    get(node.addr).await.is_failure(500, "jwt sign failed");
    node.has_note("allowed_secrets");
    let node = Node::start(wasm, settings("secret-jwt"), &[("other", KEY)]).await;
    get(node.addr).await.is_failure(500, "jwt sign failed");
}

/// Greets, echoes every message that is not empty, and sends nothing when the connection is closed.
pub async fn websocket_echo(wasm: &Path) {
    let node = Node::start(wasm, settings("websocket-echo"), &[]).await;
    let mut socket = connect(&node).await;
    assert_eq!(next(&mut socket).await, Message::text("welcome"));
    let long = "edge ".repeat(20_000);
    for message in [
        Message::text("hello"),
        Message::text("grüße \u{1f600} \0"),
        Message::text(long),
        Message::binary(vec![0, 159, 146, 150, 255]),
        Message::binary((0..=255).cycle().take(100_000).collect::<Vec<u8>>()),
    ] {
        socket.send(message.clone()).await.unwrap();
        assert_eq!(next(&mut socket).await, message);
    }
    // Empty messages are not answered: the next answer belongs to the message after them.
    for message in [Message::text(""), Message::binary(""), Message::text("x")] {
        socket.send(message).await.unwrap();
    }
    assert_eq!(next(&mut socket).await, Message::text("x"));

    // A second, concurrent connection.
    let mut second = connect(&node).await;
    assert_eq!(next(&mut second).await, Message::text("welcome"));

    let frame = CloseFrame {
        code: CloseCode::Library(4321),
        reason: Utf8Bytes::from_static("enough"),
    };
    socket.close(Some(frame)).await.unwrap();
    match next(&mut socket).await {
        Message::Close(Some(frame)) => assert_eq!(frame.code, CloseCode::Library(4321)),
        other => panic!("{other:?}"),
    }
    let end = tokio::time::timeout(TIMEOUT, socket.next()).await.unwrap();
    assert!(end.is_none(), "{end:?}");

    second.send(Message::text("still here")).await.unwrap();
    assert_eq!(next(&mut second).await, Message::text("still here"));
    node.has_no_complaints();

    assert_eq!(get(node.addr).await.status(), 426);
}

/// How long a message may take.
const TIMEOUT: Duration = Duration::from_secs(30);

async fn connect(node: &Node) -> WebSocketStream<TcpStream> {
    let stream = TcpStream::connect(node.addr).await.unwrap();
    let url = format!("ws://{}/room?a=b", node.addr);
    let (socket, response) = tokio_tungstenite::client_async(url, stream).await.unwrap();
    assert_eq!(response.status(), 101);
    socket
}

/// The next message, skipping pings, which the library answers.
async fn next(socket: &mut WebSocketStream<TcpStream>) -> Message {
    let message = async {
        loop {
            match socket.next().await.unwrap().unwrap() {
                Message::Ping(_) => {}
                message => return message,
            }
        }
    };
    tokio::time::timeout(TIMEOUT, message).await.unwrap()
}

/// An example's settings, with a host name mapped to a local address.
fn mapped(example: &str, host: &str, addr: std::net::SocketAddr) -> FlareConfig {
    let mut config = settings(example);
    config.beam.hosts.insert(host.to_owned(), addr.to_string());
    config
}

/// Fetches a page and shows the host's JSON.
pub async fn beam_fetch(wasm: &Path) {
    let body = "<p>\"caf\u{e9}\" \\ \u{1f600}\t\u{1}</p>\r\n";
    for status in [200, 404] {
        let page = Response::builder()
            .status(status)
            .header("Content-Type", "text/html; charset=utf-8")
            .header("X-Quoted", "\"a\\b\"");
        let upstream = Upstream::start(page.body(body).unwrap()).await;
        let config = mapped("beam-fetch", "example.com", upstream.addr);
        let node = Node::start(wasm, config, &[]).await;
        let answer = get(node.addr).await;
        assert_eq!(answer.status(), 200, "{answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let envelope: Value = serde_json::from_str(answer.text()).unwrap();
        assert_eq!(envelope.as_object().unwrap().len(), 3, "{envelope}");
        assert_eq!(envelope["status"], status);
        assert_eq!(envelope["body"], body);
        let headers = &envelope["headers"];
        assert_eq!(headers["content-type"], "text/html; charset=utf-8");
        assert_eq!(headers["x-quoted"], "\"a\\b\"");

        let seen = upstream.request();
        assert_eq!((seen.method().as_str(), seen.uri().path()), ("GET", "/"));
        assert_eq!(seen.headers()["host"], "example.com");
        assert!(seen.body().is_empty());
        node.has_no_complaints();
    }

    let config = mapped("beam-fetch", "example.com", nobody().await);
    let node = Node::start(wasm, config, &[]).await;
    let answer = get(node.addr).await;
    answer.is_failure(502, "upstream fetch failed");
}

/// Posts JSON and passes on the API's response.
pub async fn beam_json(wasm: &Path) {
    let body = "{\"said\":\"\u{48}\u{e9} \\\"\\\\ \u{1f600}\u{7f}\",\"n\":[1,2]}\n\t\u{2028}\u{0}";
    for (status, content_type) in [
        (201, "application/problem+json"),
        (418, "text/x-odd; a=\"b\""),
    ] {
        let answer = Response::builder()
            .status(status)
            .header("content-type", content_type);
        let upstream = Upstream::start(answer.body(body).unwrap()).await;
        let config = mapped("beam-json", "api.example.com", upstream.addr);
        let node = Node::start(wasm, config, &[]).await;
        get(node.addr).await.is(status, content_type, body);

        let seen = upstream.request();
        assert_eq!(
            (seen.method().as_str(), seen.uri().path()),
            ("POST", "/echo")
        );
        let headers = seen.headers();
        assert_eq!(headers["host"], "api.example.com");
        assert_eq!(headers["content-type"], "application/json");
        assert_eq!(headers["authorization"], "Bearer demo-token");
        assert_eq!(seen.body(), "{\"hello\":\"world\"}");
        node.has_no_complaints();
    }

    // If the upstream sends no content type, neither does the flare.
    let answer = Response::builder().status(200).body("plain").unwrap();
    let upstream = Upstream::start(answer).await;
    let config = mapped("beam-json", "api.example.com", upstream.addr);
    let node = Node::start(wasm, config, &[]).await;
    let answer = get(node.addr).await;
    assert_eq!(
        (answer.status(), answer.text()),
        (200, "plain"),
        "{answer:?}"
    );
    assert_eq!(answer.header("content-type"), None, "{answer:?}");
    node.has_no_complaints();

    let config = mapped("beam-json", "api.example.com", nobody().await);
    let node = Node::start(wasm, config, &[]).await;
    let answer = get(node.addr).await;
    answer.is_failure(502, "upstream fetch failed");
}

/// A hash, an identifier, and the time.
pub async fn edge_ops(wasm: &Path) {
    let node = Node::start(wasm, settings("edge-ops"), &[]).await;
    let before = now();
    let answer = get(node.addr).await;
    let after = now();
    let text = answer.text().to_owned();
    answer.is(200, "text/plain", &text);
    assert!(text.ends_with('\n'), "{text}");
    let lines: Vec<&str> = text.lines().collect();
    let [hash, uuid, time] = lines[..] else {
        panic!("three lines, not {text}")
    };
    // The published test vector of SHA-256 for "hello".
    let sha = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    assert_eq!(hash, format!("sha256(\"hello\") = {sha}"));

    let uuid = uuid.strip_prefix("uuid v7        = ").unwrap();
    let parsed: uuid::Uuid = uuid.parse().unwrap();
    assert_eq!(parsed.get_version(), Some(uuid::Version::SortRand));
    assert_eq!(parsed.hyphenated().to_string(), uuid);
    let (made, _) = parsed.get_timestamp().unwrap().to_unix();
    assert!((before..=after).contains(&(made as i64)), "{uuid}");

    let time = time.strip_prefix("edge time      = ").unwrap();
    let told = humantime::parse_rfc3339(time).unwrap();
    assert!((before..=after).contains(&secs(told)), "{time}");

    // Each request has a new identifier.
    let again = get(node.addr).await;
    assert!(!again.text().contains(uuid), "{again:?}");
    node.has_no_complaints();
}
