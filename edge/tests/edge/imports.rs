//! Every capability through its imports. What they compute is tested where it is implemented; these
//! tests check that each import reaches the right one, and that limits and capabilities are
//! enforced.

use flaron_edge::{Edge, FlareConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::guest::{Guest, RESPOND, get, http_guest, said};
use crate::socket::serve;

/// The result of an import with one text argument.
async fn answer(import: &str, argument: impl AsRef<[u8]>) -> String {
    answer_with(import, argument, "").await
}

async fn answer_with(import: &str, argument: impl AsRef<[u8]>, config: &str) -> String {
    let edge = Edge::builder()
        .flare(
            http_guest(|g| {
                let argument = g.text(argument);
                format!("(call $reply (call ${import} {argument})) {RESPOND}")
            })
            .wasm(),
        )
        .config(FlareConfig::parse(config).unwrap())
        .secret("KEY", "0123456789abcdef0123456789abcdef")
        .build()
        .unwrap();
    let response = get(&edge, "/").await;
    assert_eq!(response.status(), 200, "{}", said(&edge));
    String::from_utf8_lossy(response.body()).into_owned()
}

#[tokio::test]
async fn crypto() {
    assert_eq!(
        answer("crypto_hash", r#"{"algorithm":"md5","input":"abc"}"#).await,
        "900150983cd24fb0d6963f7d28e17f72"
    );
    assert_eq!(
        answer("crypto_hash", r#"{"algorithm":"x","input":""}"#).await,
        "<none>"
    );
    assert_eq!(answer("crypto_hash", "no json").await, "<none>");

    let allowed = "allowed_secrets = [\"KEY\"]";
    let args = r#"{"secret_key":"KEY","input":"abc"}"#;
    assert_eq!(answer("crypto_hmac", args).await, "<none>", "not allowed");
    let mac = answer_with("crypto_hmac", args, allowed).await;
    assert_eq!(mac.len(), 64);

    let args = r#"{"algorithm":"HS256","secret_key":"KEY","claims":{"sub":"me"}}"#;
    let jwt = answer_with("crypto_sign_jwt", args, allowed).await;
    assert_eq!(jwt.split('.').count(), 3, "{jwt}");

    let args = r#"{"secret_key":"KEY","input":"plain"}"#;
    let sealed = answer_with("crypto_encrypt_aes", args, allowed).await;
    let args = format!(r#"{{"secret_key":"KEY","input":"{sealed}"}}"#);
    assert_eq!(
        answer_with("crypto_decrypt_aes", args, allowed).await,
        "plain"
    );
    let args = r#"{"secret_key":"KEY","input":"AAAA"}"#;
    assert_eq!(
        answer_with("crypto_decrypt_aes", args, allowed).await,
        "<none>"
    );
}

#[tokio::test]
async fn encoding() {
    for (import, argument, result) in [
        ("encoding_base64_encode", &b"\xff\xfe"[..], "//4="),
        ("encoding_base64_decode", b"aGk=", "hi"),
        ("encoding_base64_decode", b"!", "<none>"),
        ("encoding_hex_encode", b"\xff\0", "ff00"),
        ("encoding_hex_decode", b"6869", "hi"),
        ("encoding_hex_decode", b"6", "<none>"),
        ("encoding_url_encode", b"a b&c", "a+b%26c"),
        ("encoding_url_decode", b"a+b%26c", "a b&c"),
        // An empty result is a result.
        ("encoding_base64_encode", b"", ""),
        ("encoding_hex_decode", b"", ""),
    ] {
        assert_eq!(answer(import, argument).await, result, "{import}");
    }
}

#[tokio::test]
async fn identifiers_and_time() {
    assert_eq!(answer("id_uuid", r#"{"version":"v4"}"#).await.len(), 36);
    assert_eq!(answer("id_uuid", r#"{"version":"v7"}"#).await.len(), 36);
    for (call, length) in [
        ("id_ulid", 26),
        ("id_ksuid", 27),
        ("id_nanoid (i32.const 0)", 21),
        ("id_nanoid (i32.const 10)", 10),
        ("crypto_random_bytes (i32.const 0)", 64),
        ("crypto_random_bytes (i32.const 1000)", 512),
    ] {
        let edge = http_guest(|_| format!("(call $reply (call ${call})) {RESPOND}")).edge();
        assert_eq!(get(&edge, "/").await.body().len(), length, "{call}");
    }
    for import in ["id_snowflake", "snowflake_id"] {
        let edge = http_guest(|_| format!("(call $reply (call ${import})) {RESPOND}")).edge();
        let id = String::from_utf8(get(&edge, "/").await.body().to_vec()).unwrap();
        assert!(id.parse::<u64>().is_ok(), "{id}");
    }
    let unix = answer("timestamp", r#"{"format":"unix"}"#).await;
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    assert!(now.abs_diff(unix.parse().unwrap()) <= 2, "{unix}");
}

#[tokio::test]
async fn secrets() {
    assert_eq!(answer("secret_get", "KEY").await, "<none>");
    let allowed = "allowed_secrets = [\"KEY\", \"OTHER\"]";
    assert_eq!(
        answer_with("secret_get", "KEY", allowed).await,
        "0123456789abcdef0123456789abcdef"
    );
    assert_eq!(answer_with("secret_get", "OTHER", allowed).await, "<none>");
}

#[tokio::test]
async fn secrets_are_never_said() {
    let wasm = http_guest(|g| {
        let (key, other) = (g.text("KEY"), g.text("OTHER"));
        let args = g.text(r#"{"secret_key":"KEY","input":"x"}"#);
        format!(
            "(drop (call $secret_get {key})) (drop (call $secret_get {other}))
             (drop (call $crypto_hmac {args})) (drop (call $crypto_decrypt_aes {args}))
             {RESPOND}"
        )
    })
    .wasm();
    let edge = Edge::builder()
        .flare(wasm)
        .config(FlareConfig::parse("allowed_secrets = [\"KEY\"]").unwrap())
        .secret("KEY", "value-of-the-secret")
        .build()
        .unwrap();
    get(&edge, "/").await;
    let said = format!("{}{:?}{:?}", said(&edge), edge.entries(), edge.flares());
    assert!(said.contains("OTHER"), "{said}");
    assert!(!said.contains("value-of-the-secret"), "{said}");
}

/// A flare with this body, and the texts `key` and `value`.
fn kv(body: &str) -> Guest {
    http_guest(|g| {
        let (key, value) = (g.text("key"), g.text("value"));
        body.replace("KEY", &key).replace("VALUE", &value) + RESPOND
    })
}

#[tokio::test]
async fn spark_sets_gets_lists_and_deletes() {
    let get_it = "(call $reply (call $spark_get KEY))";
    let edge = Edge::builder()
        .flare(kv("(call $reply_number (call $spark_set KEY VALUE (i32.const 100)))").wasm())
        .config(
            FlareConfig::parse("writes_spark_kv = true\nsite = \"s\"\nroutes = [\"/set\"]")
                .unwrap(),
        )
        .flare(kv(get_it).wasm())
        .config(FlareConfig::parse("site = \"s\"\nroutes = [\"/get\"]").unwrap())
        .flare(kv("(call $reply (call $spark_list))").wasm())
        .config(FlareConfig::parse("site = \"s\"\nroutes = [\"/list\"]").unwrap())
        .flare(kv("(call $spark_delete KEY)").wasm())
        .config(
            FlareConfig::parse("site = \"s\"\nroutes = [\"/delete\"]\nwrites_spark_kv = true")
                .unwrap(),
        )
        .flare(kv(get_it).wasm())
        .config(FlareConfig::parse("site = \"other\"\nroutes = [\"/other\"]").unwrap())
        .build()
        .unwrap();
    assert_eq!(get(&edge, "/get").await.body(), "<none>");
    assert_eq!(get(&edge, "/list").await.body(), "[]");
    assert_eq!(get(&edge, "/set").await.body(), "0000");
    let stored = get(&edge, "/get").await.into_body();
    let ttl = u32::from_le_bytes(stored[..4].try_into().unwrap());
    assert!((98..=100).contains(&ttl), "{ttl}");
    assert_eq!(&stored[4..], b"value");
    assert_eq!(get(&edge, "/list").await.body(), "[\"key\"]");
    assert_eq!(
        get(&edge, "/other").await.body(),
        "<none>",
        "sites are apart"
    );
    get(&edge, "/delete").await;
    assert_eq!(get(&edge, "/get").await.body(), "<none>");
}

#[tokio::test]
async fn spark_codes_reach_the_flare() {
    for (call, config, code) in [
        ("KEY VALUE (i32.const 0)", "", "0009"),
        ("KEY VALUE (i32.const -1)", "writes_spark_kv = true", "0001"),
        (
            "KEY VALUE (i32.const 0)",
            "writes_spark_kv = true\nlimits.max_kv_value_bytes = 4",
            "0002",
        ),
        (
            "KEY VALUE (i32.const 0)",
            "writes_spark_kv = true\nlimits.max_kv_writes = 0",
            "0003",
        ),
        (
            "KEY VALUE (i32.const 0)",
            "writes_spark_kv = true\nlimits.max_spark_bytes = 1",
            "0004",
        ),
        (
            "(i32.const 0) (i32.const 0) VALUE (i32.const 0)",
            "writes_spark_kv = true",
            "0008",
        ),
    ] {
        let edge = kv(&format!("(call $reply_number (call $spark_set {call}))")).edge_with(config);
        assert_eq!(get(&edge, "/").await.body(), code, "{call} {config}");
        assert!(said(&edge).contains("spark_set"), "{}", said(&edge));
    }
    // Pull: 5 without such a node, 9 without the capability; both negated.
    for (config, code) in [("writes_spark_kv = true", "0005"), ("", "0009")] {
        let edge = http_guest(|g| {
            let (origin, keys) = (g.text("nowhere"), g.text("[\"a\"]"));
            format!(
                "(call $reply_number (i32.sub (i32.const 0) (call $spark_pull {origin} {keys}))) {RESPOND}"
            )
        })
        .edge_with(config);
        assert_eq!(get(&edge, "/").await.body(), code, "{}", said(&edge));
    }
}

#[tokio::test]
async fn spark_outlives_the_node() {
    let folder = tempfile::tempdir().unwrap();
    let node = |body: &str| {
        Edge::builder()
            .flare(kv(body).wasm())
            .config(FlareConfig::parse("writes_spark_kv = true").unwrap())
            .data(folder.path())
            .build()
            .unwrap()
    };
    let edge = node("(drop (call $spark_set KEY VALUE (i32.const 0)))");
    get(&edge, "/").await;
    drop(edge);
    let edge = node("(call $reply (call $spark_get KEY))");
    assert_eq!(get(&edge, "/").await.body(), "\0\0\0\0value");
}

#[tokio::test]
async fn plasma_sets_gets_counts_lists_and_deletes() {
    let settings = |route: &str| {
        FlareConfig::parse(&format!(
            "site = \"s\"\nwrites_plasma_kv = true\nroutes = [\"{route}\"]"
        ))
        .unwrap()
    };
    let mut builder = Edge::builder();
    for (route, body) in [
        ("/set", "(call $reply_number (call $plasma_set KEY VALUE))"),
        ("/get", "(call $reply (call $plasma_get KEY))"),
        ("/list", "(call $reply (call $plasma_list))"),
        ("/delete", "(call $reply_number (call $plasma_delete KEY))"),
        (
            "/up",
            "(call $reply (call $plasma_increment VALUE (i64.const 5)))",
        ),
        (
            "/down",
            "(call $reply (call $plasma_decrement VALUE (i64.const 7)))",
        ),
    ] {
        builder = builder.flare(kv(body).wasm()).config(settings(route));
    }
    let edge = builder.build().unwrap();
    assert_eq!(get(&edge, "/get").await.body(), "<none>");
    assert_eq!(get(&edge, "/set").await.body(), "0000");
    assert_eq!(get(&edge, "/get").await.body(), "value");
    assert_eq!(get(&edge, "/up").await.body()[..], 5_i64.to_le_bytes());
    assert_eq!(get(&edge, "/down").await.body()[..], (-2_i64).to_le_bytes());
    assert_eq!(get(&edge, "/list").await.body(), "[\"key\",\"value\"]");
    assert_eq!(get(&edge, "/delete").await.body(), "0000");
    assert_eq!(get(&edge, "/get").await.body(), "<none>");
}

#[tokio::test]
async fn plasma_codes_reach_the_flare() {
    for (call, config, code) in [
        ("KEY VALUE", "", "0005"),
        (
            "KEY VALUE",
            "writes_plasma_kv = true\nlimits.max_kv_value_bytes = 4",
            "0003",
        ),
        (
            "KEY VALUE",
            "writes_plasma_kv = true\nlimits.max_kv_writes = 0",
            "0002",
        ),
        (
            "(i32.const 0) (i32.const 0) VALUE",
            "writes_plasma_kv = true",
            "0004",
        ),
    ] {
        let edge = kv(&format!("(call $reply_number (call $plasma_set {call}))")).edge_with(config);
        assert_eq!(get(&edge, "/").await.body(), code, "{call} {config}");
        assert!(said(&edge).contains("plasma_set"), "{}", said(&edge));
    }
    let edge = kv("(call $reply (call $plasma_increment KEY (i64.const 1)))").edge();
    assert_eq!(get(&edge, "/").await.body(), "<none>");
    assert!(
        said(&edge).contains("writes_plasma_kv = true"),
        "{}",
        said(&edge)
    );
}

/// A server that answers every request with the same body.
async fn upstream(body: &'static str) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buffer = [0; 4096];
            let _ = stream.read(&mut buffer).await;
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            );
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    addr
}

fn fetcher(url: &str) -> Guest {
    http_guest(|g| {
        let (url, options) = (g.text(url), g.text("{}"));
        format!("(call $reply (call $beam_fetch {url} {options})) {RESPOND}")
    })
}

async fn beam_reaches_a_mapped_host() {
    let addr = upstream("fetched").await;
    let edge = fetcher("https://api.example.com/x")
        .edge_with(&format!("[beam.hosts]\n\"api.example.com\" = \"{addr}\""));
    let response = get(&edge, "/").await;
    let json: serde_json::Value =
        serde_json::from_slice(response.body()).unwrap_or_else(|_| panic!("{}", said(&edge)));
    assert_eq!(json["status"], 200);
    assert_eq!(json["body"], "fetched");
}

#[tokio::test]
async fn beam_works_on_a_single_thread() {
    beam_reaches_a_mapped_host().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn beam_works_on_the_servers_threads() {
    beam_reaches_a_mapped_host().await;
    tokio::spawn(beam_reaches_a_mapped_host()).await.unwrap();
}

#[tokio::test]
async fn beam_reaches_nothing_private() {
    let addr = upstream("fetched").await;
    let edge = fetcher(&format!("http://{addr}/")).edge();
    assert_eq!(get(&edge, "/").await.body(), "<none>");
    assert!(said(&edge).contains("beam_fetch"), "{}", said(&edge));
    let edge = fetcher(&format!("http://{addr}/")).edge_with("[beam]\nallow_private = true");
    assert_ne!(get(&edge, "/").await.body(), "<none>");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beam_does_not_fetch_from_its_own_edge() {
    // The port is only known once the edge serves, so the flare takes the URL from the request.
    let edge = http_guest(|g| {
        let options = g.text("{}");
        format!(
            "(local.set $p (call $req_url))
             (call $reply (call $beam_fetch (call $ptr (local.get $p)) (call $len (local.get $p)) {options}))
             {RESPOND}"
        )
    })
    .edge_with("[beam]\nallow_private = true");
    let server = serve(&edge).await;
    let addr = server.addr();
    let request = http::Request::get("/")
        .header("host", addr.to_string())
        .body("")
        .unwrap();
    assert_eq!(edge.request(request).await.body(), "<none>");
    assert_eq!(edge.entries().len(), 1, "{}", said(&edge));
}

#[tokio::test]
async fn fetches_are_limited() {
    let addr = upstream("fetched").await;
    let edge = http_guest(|g| {
        let (url, options) = (g.text("http://mapped/"), g.text("{}"));
        format!(
            "(loop $on
               (if (i64.ne (call $beam_fetch {url} {options}) (i64.const 0))
                 (then (local.set $n (i32.add (local.get $n) (i32.const 1)))))
               (local.set $i (i32.add (local.get $i) (i32.const 1)))
               (br_if $on (i32.lt_u (local.get $i) (i32.const 20))))
             (call $reply_number (local.get $n))
             {RESPOND}"
        )
    })
    .edge_with(&format!("[beam.hosts]\nmapped = \"{addr}\""));
    assert_eq!(get(&edge, "/").await.body(), "0016");
    assert!(said(&edge).contains("beam_fetch"), "{}", said(&edge));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn waiting_does_not_count_as_computing_and_holds_nobody_up() {
    // An upstream that takes longer than the flare may compute.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (asked, was_asked) = tokio::sync::oneshot::channel();
    let (answer, may_answer) = tokio::sync::oneshot::channel::<()>();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut buffer = [0; 4096];
        let _ = stream.read(&mut buffer).await;
        asked.send(()).unwrap();
        may_answer.await.unwrap();
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx";
        stream.write_all(answer).await.unwrap();
    });
    let slow = fetcher("http://mapped/").edge_with(&format!(
        "limits.max_time_ms = 50\n[beam.hosts]\nmapped = \"{addr}\""
    ));
    let request = {
        let slow = slow.clone();
        tokio::spawn(async move { get(&slow, "/").await })
    };
    was_asked.await.unwrap();
    // The only thread is free for others.
    let fast = Guest::new().http(RESPOND).edge();
    let other = tokio::spawn(async move { get(&fast, "/").await.status() });
    assert_eq!(other.await.unwrap(), 200);
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    answer.send(()).unwrap();
    let response = request.await.unwrap();
    assert_eq!(response.status(), 200, "{}", said(&slow));
    assert_ne!(response.body(), "<none>", "{}", said(&slow));
}
