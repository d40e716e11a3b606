//! The status page.

use http::Request;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::guest::{Guest, RESPOND, get, http_guest};
use crate::socket::{LONG, connect, exchange, serve};

async fn status(edge: &flaron_edge::Edge) -> Value {
    let response = get(edge, "/_edge/status.json").await;
    assert_eq!(response.status(), 200);
    serde_json::from_slice(response.body()).unwrap()
}

#[tokio::test]
async fn it_tells_flares_counts_keys_and_log() {
    let edge = http_guest(|g| {
        let (key, line) = (g.text("visits"), g.text("<b>hi</b>"));
        format!(
            "(call $log_warn {line})
             (drop (call $spark_set {key} {line} (i32.const 60)))
             (drop (call $plasma_increment {key} (i64.const 3)))
             {RESPOND}"
        )
    })
    .edge_with("name = \"shop\"\nwrites_spark_kv = true\nwrites_plasma_kv = true");
    for _ in 0..3 {
        get(&edge, "/x?y").await;
    }
    let status = status(&edge).await;
    let flare = &status["flares"][0];
    assert_eq!(flare["name"], "shop");
    assert_eq!(
        (&flare["requests"], &flare["errors"]),
        (&3.into(), &0.into())
    );
    assert!(flare["p99_us"].as_f64() > Some(0.0));
    assert!(
        flare["capabilities"]
            .as_array()
            .unwrap()
            .contains(&"spark".into())
    );
    let site = &status["spark"]["sites"][0];
    assert_eq!(
        (&site["site"], &site["keys"][0]["key"]),
        (&"shop".into(), &"visits".into())
    );
    assert_eq!(status["plasma"]["keys"][0]["kind"]["counter"]["total"], 9);
    assert_eq!(status["plasma"]["nodes"][0]["node_id"], "local");
    let entry = &status["recent"][2];
    assert_eq!(
        (&entry["path"], &entry["status"]),
        (&"/x?y".into(), &200.into())
    );
    assert_eq!(entry["lines"][0]["text"], "<b>hi</b>");
    // The page's own requests are not in its log.
    assert_eq!(status["recent"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn the_page_is_self_contained() {
    let edge = Guest::new().http(RESPOND).edge();
    for path in ["/_edge", "/_edge/"] {
        let response = get(&edge, path).await;
        assert_eq!(
            response.headers()["content-type"],
            "text/html; charset=utf-8"
        );
        let page = std::str::from_utf8(response.body()).unwrap();
        assert!(page.contains("<title>Flaron edge</title>"));
        assert!(!page.contains("http://") && !page.contains("https://"));
        assert!(!page.contains("innerHTML"));
    }
    assert_eq!(get(&edge, "/_edge/other").await.status(), 404);
    let post = Request::post("/_edge").body("").unwrap();
    assert_eq!(edge.request(post).await.status(), 405);
}

#[tokio::test]
async fn only_this_machine_is_answered() {
    let edge = Guest::new().http(RESPOND).edge();
    let server = serve(&edge).await;
    let ask = async |header: &str| {
        let request = format!("GET /_edge HTTP/1.1\r\nConnection: close\r\n{header}\r\n\r\n");
        exchange(&server, request).await[..12].to_owned()
    };
    assert_eq!(
        ask(&format!("Host: {}", server.addr())).await,
        "HTTP/1.1 200"
    );
    assert_eq!(ask("Host: localhost:1").await, "HTTP/1.1 200");
    assert_eq!(ask("Host: evil.example").await, "HTTP/1.1 403");
    let proxied = "Host: localhost\r\nX-Forwarded-For: 1.2.3.4";
    assert_eq!(ask(proxied).await, "HTTP/1.1 403");
}

#[tokio::test]
async fn it_can_be_turned_off() {
    let edge = flaron_edge::Edge::builder()
        .flare(Guest::new().http(RESPOND).wasm())
        .status_page(false)
        .build()
        .unwrap();
    assert_eq!(get(&edge, "/_edge").await.status(), 403);
    assert_eq!(get(&edge, "/").await.status(), 200);
}

#[tokio::test]
async fn events_are_sent_as_they_happen_and_end_with_the_server() {
    let edge = http_guest(|g| {
        let line = g.text("line\nwith break");
        format!("(call $log_info {line}) {RESPOND}")
    })
    .edge();
    let server = serve(&edge).await;
    let mut stream = connect(&server).await;
    stream
        .write_all(b"GET /_edge/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    let mut seen = String::new();
    while !seen.contains(": here") {
        seen.push_str(&some(&mut stream).await);
    }
    assert!(seen.contains("text/event-stream"), "{seen}");
    get(&edge, "/seen").await;
    while !seen.contains("data: ") || !seen.ends_with("\r\n") {
        seen.push_str(&some(&mut stream).await);
    }
    let data = seen.split_once("data: ").unwrap().1.lines().next().unwrap();
    let entry: Value = serde_json::from_str(data).unwrap();
    assert_eq!(entry["path"], "/seen");
    assert_eq!(entry["lines"][0]["text"], "line\nwith break");
    // An open stream does not keep the server from stopping.
    assert!(server.shutdown(LONG).await);
}

async fn some(stream: &mut tokio::net::TcpStream) -> String {
    let mut buffer = [0; 4096];
    let read = timeout(LONG, stream.read(&mut buffer)).await;
    let read = read.expect("nothing came").unwrap();
    assert!(read > 0, "the stream ended");
    String::from_utf8_lossy(&buffer[..read]).into_owned()
}
