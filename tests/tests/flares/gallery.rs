//! Ten realistic flares, built with this repository's SDK and tested through real sockets.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use flaron_edge::FlareConfig;
use flaron_tests::cargo::example;
use flaron_tests::http::{Answer, Upstream, ask};
use flaron_tests::node::{Node, settings};
use futures_util::{SinkExt, StreamExt};
use hmac::{Hmac, KeyInit, Mac};
use http::Response;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

fn wasm(flare: &str) -> PathBuf {
    tokio::task::block_in_place(|| example(flare))
}

/// An origin that can be recognised by its response.
async fn origin() -> Upstream {
    let answer = Response::builder().header("x-origin", "1");
    Upstream::start(answer.body("from the origin").unwrap()).await
}

/// A node with one of the flares, its own settings and an origin.
async fn node(flare: &str, origin: &Upstream, secrets: &[(&str, &str)]) -> Node {
    let config = FlareConfig {
        origin: Some(format!("http://{}", origin.addr)),
        ..settings(flare)
    };
    Node::start(&wasm(flare), config, secrets).await
}

async fn get(node: &Node, path: &str, headers: &[(&str, &str)]) -> Answer {
    ask(node.addr, "GET", path, headers, b"").await
}

fn json_of(answer: &Answer) -> Value {
    serde_json::from_slice(answer.0.body()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn router() {
    let node = Node::start(&wasm("router"), settings("router"), &[]).await;
    for (path, status, body) in [
        ("/", 200, json!({ "name": "demo-api", "version": 1 })),
        ("/?q=1", 200, json!({ "name": "demo-api", "version": 1 })),
        ("/users/42", 200, json!({ "id": 42, "name": "User 42" })),
        (
            "/search?q=caf%C3%A9+%22x%22&page=3",
            200,
            json!({ "q": "caf\u{e9} \"x\"", "page": 3, "results": [] }),
        ),
        (
            "/search?page=2&q=a%26b%3Dc",
            200,
            json!({ "q": "a&b=c", "page": 2, "results": [] }),
        ),
        (
            "/search?x=1&q=",
            200,
            json!({ "q": "", "page": 1, "results": [] }),
        ),
        ("/search?q=%C3%28", 400, json!({ "error": "q: not text" })),
        (
            "/search?q=a&page=x",
            400,
            json!({ "error": "not a number" }),
        ),
        (
            "/users/99999999999",
            400,
            json!({ "error": "not a number" }),
        ),
        ("/users/42/x", 404, json!({ "error": "not found" })),
        ("/nope", 404, json!({ "error": "not found" })),
    ] {
        let answer = get(&node, path, &[]).await;
        assert_eq!(
            (answer.status(), json_of(&answer)),
            (status, body),
            "{path}"
        );
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
    let answer = ask(node.addr, "POST", "/users/42", &[], b"").await;
    assert_eq!(
        (answer.status(), answer.header("allow")),
        (405, Some("GET"))
    );
    node.has_no_complaints();
}

/// A token signed with this key (HS256).
fn token(head: &Value, claims: &Value, key: &str) -> String {
    let part = |json: &Value| BASE64_URL_SAFE_NO_PAD.encode(json.to_string());
    let signed = format!("{}.{}", part(head), part(claims));
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(signed.as_bytes());
    let signature = BASE64_URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
    format!("{signed}.{signature}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jwt_gate() {
    const KEY: &str = "correct horse battery staple, long enough for SHA-256";
    let origin = origin().await;
    let node = node("jwt-gate", &origin, &[("jwt-key", KEY)]).await;
    let now = flaron_tests::nine::now();
    let head = json!({ "alg": "HS256", "typ": "JWT" });
    let claims = json!({ "exp": now + 600, "sub": "zoe", "data": "x".repeat(600) });
    let good = token(&head, &claims, KEY);

    let answer = get(
        &node,
        "/api?x",
        &[("authorization", &format!("bearer {good}"))],
    )
    .await;
    assert_eq!(
        (answer.status(), answer.header("x-user")),
        (200, Some("zoe")),
        "{answer:?}"
    );
    assert_eq!(answer.header("x-origin"), Some("1"));
    assert_eq!(origin.request().uri().path(), "/api");

    for bad in [
        token(&head, &json!({ "exp": now - 1, "sub": "zoe" }), KEY),
        token(&head, &json!({ "exp": now + 600, "nbf": now + 300 }), KEY),
        token(&head, &json!({ "sub": "zoe" }), KEY),
        token(&head, &claims, "another key, which is long enough as well"),
        token(&json!({ "alg": "none" }), &claims, KEY),
        token(&json!({ "alg": "HS256", "crit": ["exp"] }), &claims, KEY),
        good[..good.len() - 1].to_owned(),
        format!("{good}A"),
        "a.b.c".to_owned(),
    ] {
        let answer = get(
            &node,
            "/api",
            &[("authorization", &format!("Bearer {bad}"))],
        )
        .await;
        assert_eq!(answer.status(), 401, "{bad}");
        assert!(
            answer
                .header("www-authenticate")
                .unwrap()
                .contains("invalid_token")
        );
    }
    assert_eq!(get(&node, "/api", &[]).await.status(), 401);
    assert_eq!(
        get(&node, "/api", &[("authorization", "Basic abc")])
            .await
            .status(),
        401
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rate_limit() {
    let origin = origin().await;
    let node = node("rate-limit", &origin, &[]).await;
    // The minute may change in between, once.
    let mut limited = None;
    for _ in 0..202 {
        let answer = get(&node, "/x", &[("x-forwarded-for", "203.0.113.9, 10.0.0.1")]).await;
        assert_eq!(answer.header("x-ratelimit-limit"), Some("100"));
        if answer.status() == 429 {
            limited = Some(answer);
            break;
        }
        assert_eq!(
            (answer.status(), answer.header("x-origin")),
            (200, Some("1"))
        );
    }
    let limited = limited.unwrap();
    let wait: u64 = limited.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait));
    assert_eq!(limited.header("x-ratelimit-remaining"), Some("0"));
    let other = get(&node, "/x", &[("x-forwarded-for", "2001:db8::1")]).await;
    assert_eq!(
        (other.status(), other.header("x-ratelimit-remaining")),
        (200, Some("99"))
    );
    assert_eq!(
        get(&node, "/x", &[("x-forwarded-for", "no key/../")])
            .await
            .status(),
        200
    );
    assert_eq!(get(&node, "/x", &[]).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ab_test() {
    let origin = origin().await;
    let node = node("ab-test", &origin, &[]).await;
    let mut drawn = std::collections::BTreeSet::new();
    for _ in 0..64 {
        let answer = get(&node, "/p", &[]).await;
        let variant = answer.header("x-variant").unwrap().to_owned();
        let cookie =
            format!("ab-variant={variant}; Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax");
        assert_eq!(answer.header("set-cookie"), Some(&*cookie));
        assert_eq!(answer.header("x-origin"), Some("1"));
        drawn.insert(variant);
    }
    assert!(drawn.iter().eq(["a", "b"]), "{drawn:?}");
    let kept = get(&node, "/p", &[("cookie", "x=1; ab-variant=b; y=2")]).await;
    assert_eq!(
        (kept.header("x-variant"), kept.header("set-cookie")),
        (Some("b"), None)
    );
    for cookie in ["xab-variant=b", "ab-variant=z"] {
        assert!(
            get(&node, "/p", &[("cookie", cookie)])
                .await
                .header("set-cookie")
                .is_some()
        );
    }
    node.has_no_complaints();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redirects() {
    let origin = origin().await;
    let node = node("redirects", &origin, &[]).await;
    for (path, location) in [
        ("/about-us", "/about"),
        ("/docs/v1/api?x=1&y=%20", "/docs/v2/reference?x=1&y=%20"),
        ("/login?next=/a", "https://app.example.com/login?next=/a"),
    ] {
        let answer = get(&node, path, &[]).await;
        assert_eq!(
            (answer.status(), answer.header("location")),
            (301, Some(location)),
            "{path}"
        );
    }
    let answer = get(&node, "/?u=http://x/about-us", &[]).await;
    assert_eq!(
        (answer.status(), answer.header("x-origin")),
        (200, Some("1"))
    );
    assert_eq!(origin.request().uri().to_string(), "/?u=http://x/about-us");
    node.has_no_complaints();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cors_proxy() {
    let big = "z".repeat(125_000);
    let answer = Response::builder()
        .status(404)
        .header("content-type", "text/x");
    let upstream = Upstream::start(answer.body(big.clone()).unwrap()).await;
    let mut config = settings("cors-proxy");
    let address = upstream.addr.to_string();
    config
        .beam
        .hosts
        .insert("api.example.com".to_owned(), address);
    let node = Node::start(&wasm("cors-proxy"), config, &[]).await;

    let preflight = [
        ("origin", "https://a.example"),
        ("access-control-request-method", "POST"),
    ];
    let answer = ask(node.addr, "OPTIONS", "/v1/x", &preflight, b"").await;
    assert_eq!(
        (
            answer.status(),
            answer.header("access-control-allow-origin")
        ),
        (204, Some("https://a.example"))
    );
    assert!(
        answer
            .header("access-control-allow-methods")
            .unwrap()
            .contains("POST")
    );

    let headers = [
        ("authorization", "Bearer t"),
        ("content-type", "application/json"),
        ("x-other", "stays"),
    ];
    let answer = ask(node.addr, "POST", "/v1/x?y=1", &headers, big.as_bytes()).await;
    assert_eq!(
        (answer.status(), answer.header("content-type")),
        (404, Some("text/x"))
    );
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert!(answer.text() == big, "125 kB go there and back");
    let seen = upstream.request();
    assert_eq!(
        (seen.method().as_str(), seen.uri().to_string().as_str()),
        ("POST", "/v1/x?y=1")
    );
    assert_eq!(seen.headers()["authorization"], "Bearer t");
    assert_eq!(seen.headers()["content-type"], "application/json");
    assert!(!seen.headers().contains_key("x-other"));
    assert!(seen.body() == &big);
    node.has_no_complaints();

    let text = "{\"a\":\"\u{e9}\\n\\\"q\\\"\u{1}\"}";
    ask(node.addr, "PUT", "/", &[], text.as_bytes()).await;
    assert_eq!(upstream.request().body(), text);
    // A body that is not text cannot be forwarded, and it is not altered and forwarded, either.
    assert_eq!(ask(node.addr, "PUT", "/", &[], b"\xff").await.status(), 502);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kv_api() {
    let node = Node::start(&wasm("kv-api"), settings("kv-api"), &[]).await;
    assert_eq!(json_of(&get(&node, "/kv", &[]).await), json!([]));
    assert_eq!(get(&node, "/kv/a", &[]).await.status(), 404);
    for (key, value) in [("a", &b"hello \xff"[..]), ("b.c", b"")] {
        let answer = ask(node.addr, "PUT", &format!("/kv/{key}"), &[], value).await;
        assert_eq!(answer.status(), 204, "{answer:?}");
        let answer = get(&node, &format!("/kv/{key}"), &[]).await;
        assert_eq!((answer.status(), &answer.0.body()[..]), (200, value));
    }
    assert_eq!(json_of(&get(&node, "/kv/", &[]).await), json!(["a", "b.c"]));
    assert_eq!(
        ask(node.addr, "DELETE", "/kv/a", &[], b"").await.status(),
        204
    );
    assert_eq!(get(&node, "/kv/a", &[]).await.status(), 404);
    assert_eq!(
        ask(node.addr, "PUT", "/kv/a%20b", &[], b"x").await.status(),
        400
    );
    for (len, status) in [(70_000, 413), (300_000, 500)] {
        let answer = ask(node.addr, "PUT", "/kv/big", &[], &vec![b'z'; len]).await;
        assert_eq!(answer.status(), status, "nothing is lost silently");
    }
    assert_eq!(get(&node, "/kv/big", &[]).await.status(), 404);
    let answer = ask(node.addr, "POST", "/kv/a", &[], b"").await;
    assert_eq!(
        (answer.status(), answer.header("allow")),
        (405, Some("GET, PUT, DELETE"))
    );
    assert_eq!(get(&node, "/kvx", &[]).await.status(), 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn basic_auth() {
    let origin = origin().await;
    let node = node("basic-auth", &origin, &[("basic-auth", "admin:hunter2")]).await;
    let with = |credentials: &str| format!("Basic {}", BASE64_STANDARD.encode(credentials));
    let answer = get(&node, "/x", &[("authorization", &with("admin:hunter2"))]).await;
    assert_eq!(
        (answer.status(), answer.header("x-origin")),
        (200, Some("1"))
    );
    for bad in [
        with("admin:hunter3"),
        with(""),
        "Basic !!!".to_owned(),
        "Bearer x".to_owned(),
    ] {
        let answer = get(&node, "/x", &[("authorization", &bad)]).await;
        assert_eq!(answer.status(), 401, "{bad}");
        assert!(
            answer
                .header("www-authenticate")
                .unwrap()
                .starts_with("Basic")
        );
    }
    assert_eq!(get(&node, "/x", &[]).await.status(), 401);
}

type Socket = WebSocketStream<TcpStream>;

async fn connect(node: &Node) -> Socket {
    let stream = TcpStream::connect(node.addr).await.unwrap();
    let url = format!("ws://{}/", node.addr);
    tokio_tungstenite::client_async(url, stream)
        .await
        .unwrap()
        .0
}

/// The next message's JSON.
async fn next(socket: &mut Socket) -> Value {
    let message = async {
        loop {
            if let Message::Text(text) = socket.next().await.unwrap().unwrap() {
                return serde_json::from_str(&text).unwrap();
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), message)
        .await
        .unwrap()
}

async fn say(socket: &mut Socket, message: &str) -> Value {
    socket.send(Message::text(message)).await.unwrap();
    next(socket).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chat() {
    let node = Node::start(&wasm("chat"), settings("chat"), &[]).await;
    let (mut a, mut b) = (connect(&node).await, connect(&node).await);
    let (one, other) = (next(&mut a).await, next(&mut b).await);
    assert_eq!(one["event"], "welcome");
    assert_ne!(one["id"], other["id"]);
    assert_eq!(
        say(&mut a, r#"{"cmd":"say","text":"hi"}"#).await["event"],
        "error"
    );
    let joined = |room, present| json!({ "event": "joined", "room": room, "present": present });
    assert_eq!(
        say(&mut a, r#"{"cmd":"join","room":"x"}"#).await,
        joined("x", 1)
    );
    assert_eq!(
        say(&mut b, r#"{"cmd":"join","room":"x"}"#).await,
        joined("x", 2)
    );
    let said = say(&mut a, r#"{"cmd":"say","text":"h\"i\n\u00e9"}"#).await;
    assert_eq!(
        said,
        json!({ "event": "said", "room": "x", "text": "h\"i\n\u{e9}" })
    );
    assert_eq!(
        say(&mut a, r#"{"cmd":"join","room":"y"}"#).await,
        joined("y", 1)
    );
    assert_eq!(
        say(&mut a, r#"{"cmd":"leave"}"#).await,
        json!({ "event": "left" })
    );
    assert_eq!(
        say(&mut a, r#"{"cmd":"join","room":"x"}"#).await,
        joined("x", 2)
    );
    let long = json!({ "cmd": "join", "room": "x".repeat(33) }).to_string();
    for bad in [
        "nonsense",
        r#"{"cmd":"fly"}"#,
        r#"{"cmd":"join","room":"has space"}"#,
        &long,
    ] {
        assert_eq!(say(&mut a, bad).await["event"], "error", "{bad}");
    }
    // `has space` is not a valid key, so `a` has left its room by then; `b` leaves when it closes.
    b.close(None).await.unwrap();
    while let Some(Ok(_)) = b.next().await {}
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    loop {
        let answer = say(&mut a, r#"{"cmd":"join","room":"x"}"#).await;
        if answer == joined("x", 1) {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "{answer}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn etag_page() {
    let node = Node::start(&wasm("etag-page"), settings("etag-page"), &[]).await;
    let answer = get(&node, "/", &[]).await;
    let tag = answer.header("etag").unwrap().to_owned();
    assert_eq!((answer.status(), tag.len()), (200, 18));
    assert!(answer.text().contains("All systems"));
    assert_eq!(answer.header("x-frame-options"), Some("DENY"));
    for tags in [tag.clone(), format!("\"x\", W/{tag}"), "*".to_owned()] {
        let answer = get(&node, "/", &[("if-none-match", &tags)]).await;
        assert_eq!((answer.status(), answer.text()), (304, ""), "{tags}");
        assert_eq!(answer.header("etag"), Some(&*tag));
    }
    assert_eq!(
        get(&node, "/", &[("if-none-match", "\"x\"")])
            .await
            .status(),
        200
    );
    let answer = ask(node.addr, "POST", "/", &[], b"").await;
    assert_eq!(
        (answer.status(), answer.header("allow")),
        (405, Some("GET, HEAD"))
    );
    let answer = ask(node.addr, "HEAD", "/", &[], b"").await;
    assert_eq!((answer.status(), answer.text()), (200, ""));
    node.has_no_complaints();
}
