//! Clients that do what no client should.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::guest::{RESPOND, http_guest, said};
use crate::socket::{LONG, connect, exchange, hello, read_all, read_response, serve};

/// The node still answers.
async fn lives(server: &flaron_edge::Server) {
    let response = exchange(
        server,
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert!(response.starts_with("HTTP/1.1 200"), "{response}");
}

/// A client that has announced a body of this length and sent a part of it, to a flare that reads
/// bodies. From here on the test controls the clock, so waiting takes no time.
async fn half_sent(length: usize, part: &str) -> (flaron_edge::Server, tokio::net::TcpStream) {
    let edge = http_guest(|_| format!("(call $reply (call $req_body)) {RESPOND}"))
        .edge_with("requires_body = true");
    tokio::time::pause();
    let server = serve(&edge).await;
    let mut stream = connect(&server).await;
    let sent = format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n{part}");
    stream.write_all(sent.as_bytes()).await.unwrap();
    (server, stream)
}

#[tokio::test]
async fn what_is_not_http_is_a_400_and_said() {
    let edge = hello();
    let server = serve(&edge).await;
    for request in [
        "hello\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "GET  / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nno colon\r\n\r\n",
        "GET / HTTP/1.1\r\nbad name: v\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n",
        "GET /\0 HTTP/1.1\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{fc}\u{3}\u{3}",
    ] {
        let before = said(&edge);
        let response = exchange(&server, request).await;
        assert!(
            response.starts_with("HTTP/1.1 400"),
            "{request:?}: {response}"
        );
        let now = said(&edge);
        let new = now.strip_prefix(&before).unwrap();
        assert!(
            new.contains("the client sent no HTTP/1.1 request: "),
            "{request:?}: {new}"
        );
    }
    lives(&server).await;
}

#[tokio::test]
async fn oversized_heads_are_a_431() {
    let server = serve(&hello()).await;
    let large = format!(
        "GET / HTTP/1.1\r\nHost: h\r\nx-large: {}\r\n\r\n",
        "x".repeat(200_000)
    );
    let many = format!(
        "GET / HTTP/1.1\r\nHost: h\r\n{}\r\n",
        "x-a: 1\r\n".repeat(500)
    );
    let uri = |size| format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "x".repeat(size));
    let fields = |size| {
        format!(
            "GET / HTTP/1.1\r\nHost: h\r\nx: {}\r\n\r\n",
            "x".repeat(size)
        )
    };
    for (request, statuses) in [
        (large, &["431"][..]),
        (many, &["431"]),
        (fields(66_000), &["431"]),
        (fields(131_000), &["431"]),
        (uri(66_000), &["414"]),
        (uri(131_000), &["414"]),
        (uri(200_000), &["414", "431"]),
    ] {
        for _ in 0..5 {
            // Everything is sent before anything is read.
            let response = exchange(&server, &request).await;
            let status = response.get(9..12).unwrap_or("none");
            assert!(statuses.contains(&status), "{}: {status}", request.len());
        }
    }
    lives(&server).await;
}

#[tokio::test]
async fn what_follows_a_request_does_not_keep_its_answer_back() {
    let server = serve(&hello()).await;
    // A stray line break after a body, as old clients send it.
    let response = exchange(
        &server,
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc\r\n",
    )
    .await;
    assert!(response.ends_with("\r\n\r\nhello"), "{response}");
    // One request, and a part of the next.
    let mut stream = connect(&server).await;
    let request = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    stream
        .write_all(format!("{request}GET / HT").as_bytes())
        .await
        .unwrap();
    let response = read_response(&mut stream).await;
    assert!(response.ends_with("\r\n\r\nhello"), "{response}");
    stream
        .write_all(b"TP/1.1\r\nHost: h\r\n\r\n")
        .await
        .unwrap();
    let response = read_response(&mut stream).await;
    assert!(response.ends_with("\r\n\r\nhello"), "{response}");
    // HTTP/2, which this port does not speak.
    let response = exchange(&server, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    assert!(response.starts_with("HTTP/1.1 505"), "{response}");
}

#[tokio::test]
async fn a_body_that_trickles_in_does_not_hold_its_room_for_ever() {
    let (_server, mut stream) = half_sent(1000, "").await;
    // With a byte every ten seconds, no pause is too long.
    let mut answer = [0; 12];
    for sent in 0.. {
        match timeout(Duration::from_secs(10), stream.read_exact(&mut answer)).await {
            Ok(read) => {
                read.unwrap();
                break;
            }
            Err(_) => stream.write_all(b"x").await.unwrap(),
        }
        assert!(sent < 60, "the body is still waited for after ten minutes");
    }
    assert_eq!(&answer, b"HTTP/1.1 408");
}

#[tokio::test]
async fn a_head_that_trickles_in_is_cut_off() {
    // The test controls the clock, so this takes no time.
    tokio::time::pause();
    let server = serve(&hello()).await;
    let mut stream = connect(&server).await;
    stream.write_all(b"GET / HTTP/1.1\r\nHo").await.unwrap();
    let started = tokio::time::Instant::now();
    let mut sent = 0;
    let mut answer = Vec::new();
    loop {
        let mut buffer = [0; 256];
        match timeout(Duration::from_secs(1), stream.read(&mut buffer)).await {
            Ok(Ok(0) | Err(_)) => break,
            Ok(Ok(n)) => answer.extend_from_slice(&buffer[..n]),
            Err(_) => {
                sent += 1;
                assert!(sent < 120, "the connection is still open after 2 minutes");
                let _ = stream.write_all(b"s").await;
            }
        }
    }
    assert!(started.elapsed() < Duration::from_secs(60));
    let answer = String::from_utf8_lossy(&answer);
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 408"),
        "{answer}"
    );
}

#[tokio::test]
async fn large_heads_come_out_of_the_nodes_memory() {
    // Room for three of them.
    let guest = http_guest(|_| RESPOND.to_owned()).wasm();
    let edge = flaron_edge::Edge::builder().flare(guest).memory(500 << 10);
    let edge = edge.build().unwrap();
    tokio::time::pause();
    let server = serve(&edge).await;
    let head = format!("GET / HTTP/1.1\r\nHost: h\r\nx: {}", "x".repeat(60_000));
    let mut streams = Vec::new();
    for _ in 0..6 {
        let mut stream = connect(&server).await;
        stream.write_all(head.as_bytes()).await.unwrap();
        streams.push(stream);
    }
    // Small ones need no room.
    lives(&server).await;
    let mut statuses = Vec::new();
    for stream in &mut streams {
        let answer = timeout(LONG, read_all(stream)).await.unwrap();
        statuses.push(answer.get(9..12).unwrap_or("none").to_owned());
    }
    statuses.sort();
    assert_eq!(statuses, ["408", "408", "408", "503", "503", "503"]);
    // Nothing of it is held any more, and each of these returns its room.
    for _ in 0..5 {
        let mut stream = connect(&server).await;
        for _ in 0..2 {
            stream
                .write_all(format!("{head}\r\n\r\n").as_bytes())
                .await
                .unwrap();
            let response = read_response(&mut stream).await;
            assert!(response.starts_with("HTTP/1.1 200"), "{response}");
        }
    }
}

#[tokio::test]
async fn a_body_that_stops_is_a_408() {
    let (_server, mut stream) = half_sent(10, "123").await;
    let mut answer = [0; 12];
    timeout(Duration::from_secs(300), stream.read_exact(&mut answer))
        .await
        .expect("the server waits forever")
        .unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408");
}

#[tokio::test]
async fn a_half_closed_socket_still_gets_its_answer() {
    let server = serve(&hello()).await;
    let mut stream = connect(&server).await;
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        .await
        .unwrap();
    stream.shutdown().await.unwrap();
    let response = read_all(&mut stream).await;
    assert!(response.ends_with("\r\n\r\nhello"), "{response}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_hang_up_leave_nothing_behind() {
    let edge = http_guest(|_| format!("(call $reply (call $req_body)) {RESPOND}"))
        .edge_with("requires_body = true");
    let server = serve(&edge).await;
    for n in 0..200 {
        let mut stream = connect(&server).await;
        let request: &[u8] = match n % 4 {
            0 => b"",
            1 => b"POST / HT",
            2 => b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nabc",
            _ => b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
        };
        stream.write_all(request).await.unwrap();
        if n % 8 < 4 {
            // A reset instead of an orderly close.
            stream.set_zero_linger().unwrap();
        }
        drop(stream);
    }
    let mut stream = connect(&server).await;
    stream
        .write_all(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc")
        .await
        .unwrap();
    let response = read_response(&mut stream).await;
    assert!(response.ends_with("abc"), "{response}");
    drop(stream);
    // Every connection's task has ended: nothing delays the shutdown.
    assert!(server.shutdown(Duration::from_secs(10)).await);
}

#[tokio::test]
async fn websocket_upgrades_that_are_none_are_refused() {
    let edge = crate::guest::Guest::new().ws("", "", "").edge();
    let server = serve(&edge).await;
    for (request, status) in [
        (
            "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\r\n",
            "400",
        ),
        (
            "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 12\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            "400",
        ),
        (
            "POST / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            "400",
        ),
        (
            "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
            "426",
        ),
    ] {
        let mut stream = connect(&server).await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let response = read_response(&mut stream).await;
        assert!(
            response.starts_with(&format!("HTTP/1.1 {status}")),
            "{request}\n{response}"
        );
    }
}
