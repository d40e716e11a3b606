//! Transform and PassThrough against an origin.

use std::sync::{Arc, Mutex};

use flaron_edge::{Edge, FlareConfig};
use http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::guest::{Guest, PASS, TRANSFORM, get, http_guest, said};
use crate::socket::{connect, exchange, read_all, serve};

/// An origin that answers every connection with the same bytes, and keeps what it receives.
struct Origin {
    url: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Origin {
    async fn start(answer: &'static str) -> Origin {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = seen.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let kept = kept.clone();
                tokio::spawn(async move {
                    let mut request = Vec::new();
                    let mut buffer = [0; 65536];
                    while let Ok(n) = stream.read(&mut buffer).await
                        && n > 0
                    {
                        request.extend_from_slice(&buffer[..n]);
                        if complete(&request) {
                            break;
                        }
                    }
                    kept.lock()
                        .unwrap()
                        .push(String::from_utf8(request).unwrap());
                    let _ = stream.write_all(answer.as_bytes()).await;
                });
            }
        });
        Origin { url, seen }
    }

    fn request(&self) -> String {
        self.seen.lock().unwrap().last().unwrap().clone()
    }
}

/// Whether a request is complete.
fn complete(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let head = head.to_lowercase();
    if head.contains("transfer-encoding: chunked") {
        return body.ends_with("0\r\n\r\n");
    }
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.parse().unwrap());
    body.len() >= length
}

fn edge(guest: &Guest, config: &str, origin: &str) -> Edge {
    Edge::builder()
        .flare(guest.wasm())
        .config(FlareConfig::parse(config).unwrap())
        .origin(origin)
        .build()
        .unwrap()
}

const ANSWER: &str = "HTTP/1.1 201 Created\r\nX-Upstream: u\r\nX-Both: up\r\nSet-Cookie: a=1\r\n\
    Set-Cookie: b=2\r\nKeep-Alive: timeout=5\r\nETag: \"e\"\r\nContent-Length: 8\r\n\
    Connection: close\r\n\r\nupstream";

/// A guest that sets a status, headers and a body, and then returns this action.
fn setter(action: &str) -> Guest {
    http_guest(|g| {
        let (both, mine, value) = (g.text("x-both"), g.text("x-mine"), g.text("flare"));
        let body = g.text("from the flare");
        format!(
            "(call $resp_set_status (i32.const 299))
             (call $resp_header_set {both} {value})
             (call $resp_header_set {mine} {value})
             (call $resp_body_set {body})
             {action}"
        )
    })
}

#[tokio::test]
async fn transform_applies_what_was_set() {
    let origin = Origin::start(ANSWER).await;
    let edge = edge(&setter(TRANSFORM), "", &origin.url);
    let response = get(&edge, "/p?q").await;
    assert_eq!(response.status(), 299);
    let headers = response.headers();
    assert_eq!(headers["x-upstream"], "u");
    assert_eq!(headers["x-both"], "flare");
    assert_eq!(headers["x-mine"], "flare");
    assert_eq!(headers.get_all("set-cookie").iter().count(), 2);
    assert!(!headers.contains_key("keep-alive"));
    assert!(!headers.contains_key("etag"), "it tells of another body");
    assert_eq!(response.body(), "from the flare");
}

#[tokio::test]
async fn transform_leaves_what_was_not_set() {
    let origin = Origin::start(ANSWER).await;
    let edge = edge(&Guest::new().http(TRANSFORM), "", &origin.url);
    let response = get(&edge, "/").await;
    assert_eq!(response.status(), 201);
    assert_eq!(response.headers()["etag"], "\"e\"");
    assert_eq!(response.body(), "upstream");
}

#[tokio::test]
async fn pass_through_ignores_what_was_set() {
    let origin = Origin::start(ANSWER).await;
    let edge = edge(&setter(PASS), "", &origin.url);
    let response = get(&edge, "/").await;
    assert_eq!(response.status(), 201);
    assert_eq!(response.headers()["x-both"], "up");
    assert!(!response.headers().contains_key("x-mine"));
    assert_eq!(response.body(), "upstream");
}

#[tokio::test]
async fn the_request_arrives_as_it_was() {
    let origin = Origin::start(ANSWER).await;
    for config in [
        "",
        "requires_body = true",
        "requires_body = true\nlimits.max_body_bytes = 2",
    ] {
        let edge = edge(
            &Guest::new().http(PASS),
            config,
            &format!("{}/base", origin.url),
        );
        let request = Request::builder()
            .method("PATCH")
            .uri("/a/./b%2F?c=d")
            .header("host", "site.example")
            .header("authorization", "secret")
            .header("connection", "x-hop")
            .header("x-hop", "1")
            .header("x-kept", "k")
            .body("the body")
            .unwrap();
        assert_eq!(edge.request(request).await.status(), 201, "{}", said(&edge));
        let seen = origin.request();
        assert!(
            seen.starts_with("PATCH /base/a/b%2F?c=d HTTP/1.1\r\n"),
            "{seen}"
        );
        let seen = seen.to_lowercase();
        let host = origin.url.trim_start_matches("http://");
        assert!(seen.contains(&format!("host: {host}\r\n")), "{seen}");
        assert!(
            seen.contains("x-forwarded-host: site.example\r\n"),
            "{seen}"
        );
        assert!(seen.contains("authorization: secret\r\n"), "{seen}");
        assert!(seen.contains("x-kept: k\r\n"), "{seen}");
        assert!(!seen.contains("x-hop"), "{seen}");
        assert!(seen.ends_with("\r\n\r\nthe body"), "{seen}");
    }
}

#[tokio::test]
async fn a_body_longer_than_the_flare_sees_is_sent_on_whole() {
    let origin = Origin::start(ANSWER).await;
    let config = "requires_body = true\n[limits]\nmax_body_bytes = 1000";
    let edge = edge(&Guest::new().http(PASS), config, &origin.url);
    let server = serve(&edge).await;
    let mut stream = connect(&server).await;
    let body = "0123456789".repeat(100_000);
    let head = format!(
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body.as_bytes()).await.unwrap();
    let response = read_all(&mut stream).await;
    assert!(response.starts_with("HTTP/1.1 201"), "{response}");
    let seen = origin.request();
    assert!(seen.ends_with(&body), "{} bytes arrived", seen.len());
    assert!(
        seen.contains("x-forwarded-for: 127.0.0.1"),
        "{}",
        &seen[..300]
    );
}

#[tokio::test]
async fn responses_are_streamed_through_sockets() {
    let answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n\
                  3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n";
    let origin = Origin::start(answer).await;
    let edge = edge(&Guest::new().http(PASS), "", &origin.url);
    let server = serve(&edge).await;
    let response = exchange(
        &server,
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert!(
        response.contains("transfer-encoding: chunked"),
        "{response}"
    );
    let (_, body) = response.split_once("\r\n\r\n").unwrap();
    assert!(body.contains("abc") && body.contains("def"), "{body}");
}

#[tokio::test]
async fn no_origin_is_a_502_that_says_what_to_do() {
    for action in [PASS, TRANSFORM] {
        let edge = Guest::new().http(action).edge();
        let response = get(&edge, "/").await;
        assert_eq!(response.status(), 502);
        assert_eq!(response.headers()["x-flaron-error"], "no-origin");
        assert!(said(&edge).contains("--origin URL"), "{}", said(&edge));
    }
}

#[tokio::test]
async fn an_origin_that_is_not_there_is_a_502() {
    // A port that was free a moment ago.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let edge = edge(&Guest::new().http(PASS), "", &url);
    let response = get(&edge, "/").await;
    assert_eq!(response.status(), 502);
    assert_eq!(response.headers()["x-flaron-error"], "origin");
    assert!(said(&edge).contains("cannot be reached"), "{}", said(&edge));
}

#[tokio::test]
async fn an_origin_that_answers_nonsense_is_a_502() {
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(200));
    let many: &'static str = many.leak();
    let long = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(200_000));
    let long: &'static str = long.leak();
    for (answer, why) in [
        (
            "",
            "the origin broke off: it closed the connection without a response",
        ),
        (
            "nonsense\r\n\r\n",
            "the origin's answer is not valid HTTP: ",
        ),
        (
            "HTTP/1.1 999999 X\r\n\r\n",
            "the origin's answer is not valid HTTP: ",
        ),
        (
            many,
            "its head has more than 100 fields, or more than 64 KiB",
        ),
        (
            long,
            "its head has more than 100 fields, or more than 64 KiB",
        ),
    ] {
        let origin = Origin::start(answer).await;
        let edge = edge(&Guest::new().http(PASS), "", &origin.url);
        let response = get(&edge, "/").await;
        let begins = &answer[..answer.len().min(40)];
        assert_eq!(response.status(), 502, "{begins:?}");
        assert!(said(&edge).contains(why), "{begins:?}: {}", said(&edge));
    }
}

#[tokio::test]
async fn what_an_origin_says_before_its_response_ends_here() {
    let origin = Origin::start(
        "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n\
         HTTP/1.1 102 Processing\r\n\r\n\
         HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    )
    .await;
    let server = serve(&edge(&Guest::new().http(PASS), "", &origin.url)).await;
    let request = "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    let response = exchange(&server, request).await;
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
    assert!(!response.contains("a.css"), "{response}");
    assert!(response.ends_with("\r\n\r\nok"), "{response}");
}

#[tokio::test]
async fn trailers_end_here_and_what_they_follow_does_not() {
    let origin = Origin::start(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n\
         5\r\nhello\r\n0\r\nX-Sum: 7\r\n\r\n",
    )
    .await;
    let server = serve(&edge(&Guest::new().http(PASS), "", &origin.url)).await;
    let mut stream = connect(&server).await;
    for last in [false, true] {
        let close = if last { "Connection: close\r\n" } else { "" };
        let request = format!(
            "POST / HTTP/1.1\r\nHost: h\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\n{close}\r\n\
             3\r\nabc\r\n0\r\nX-Mine: 1\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        if !last {
            let response = read_chunked(&mut stream).await;
            assert!(
                response.ends_with("\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
                "{response}"
            );
            assert!(!response.to_lowercase().contains("x-sum"), "{response}");
        }
    }
    let rest = read_all(&mut stream).await;
    assert!(rest.starts_with("HTTP/1.1 200 OK\r\n"), "{rest}");
    let sent = origin.request();
    assert!(sent.contains("abc"), "{sent}");
    assert!(!sent.to_lowercase().contains("x-mine"), "{sent}");
}

/// Reads a chunked response to its last chunk.
async fn read_chunked(stream: &mut tokio::net::TcpStream) -> String {
    let mut response = Vec::new();
    while !response.ends_with(b"0\r\n\r\n") {
        response.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(response).unwrap()
}

#[tokio::test]
async fn the_flares_own_origin_is_used() {
    let origin = Origin::start(ANSWER).await;
    let edge = Guest::new()
        .http(PASS)
        .edge_with(&format!("origin = {:?}", origin.url));
    assert_eq!(get(&edge, "/").await.status(), 201);
}
