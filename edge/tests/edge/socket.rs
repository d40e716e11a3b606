//! HTTP through real sockets, and the helpers for it.

use std::time::Duration;

use flaron_edge::{Edge, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::guest::{Guest, RESPOND, http_guest, said};

/// The time limit for anything in these tests.
pub const LONG: Duration = Duration::from_secs(20);

/// Serves a node on a free port.
pub async fn serve(edge: &Edge) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    edge.serve(listener).unwrap()
}

/// Connects to a server.
pub async fn connect(server: &Server) -> TcpStream {
    TcpStream::connect(server.addr()).await.unwrap()
}

/// Sends bytes and reads until the server closes.
pub async fn exchange(server: &Server, request: impl AsRef<[u8]>) -> String {
    let mut stream = connect(server).await;
    stream.write_all(request.as_ref()).await.unwrap();
    read_all(&mut stream).await
}

/// Reads until the server closes (or resets).
pub async fn read_all(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let _ = timeout(LONG, stream.read_to_end(&mut bytes))
        .await
        .expect("the server did not close");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Reads one response whose body has a `content-length`.
pub async fn read_response(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .map_or(0, |length| length.parse().unwrap());
            if body.len() >= length {
                return text;
            }
        }
        let mut buffer = [0; 4096];
        let read = timeout(LONG, stream.read(&mut buffer)).await;
        match read.expect("no response").unwrap() {
            0 => return text,
            n => bytes.extend_from_slice(&buffer[..n]),
        }
    }
}

pub fn hello() -> Edge {
    http_guest(|g| {
        let body = g.text("hello");
        format!("(call $resp_body_set {body}) {RESPOND}")
    })
    .edge()
}

#[tokio::test]
async fn a_request_through_a_socket() {
    let edge = http_guest(|_| format!("(call $reply (call $req_url)) {RESPOND}")).edge();
    let server = serve(&edge).await;
    let addr = server.addr();
    let response = exchange(
        &server,
        format!("GET /a?b HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n"),
    )
    .await;
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
    assert!(response.contains("\r\ndate: "), "{response}");
    assert!(
        response.ends_with(&format!("\r\n\r\nhttp://{addr}/a?b")),
        "{response}"
    );
}

#[tokio::test]
async fn a_connection_serves_many_requests() {
    let edge = hello();
    let server = serve(&edge).await;
    let mut stream = connect(&server).await;
    for _ in 0..10 {
        let request = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let response = read_response(&mut stream).await;
        assert!(response.ends_with("\r\n\r\nhello"), "{response}");
    }
    // All at once.
    let request = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n".repeat(20);
    stream.write_all(&request).await.unwrap();
    stream.shutdown().await.unwrap();
    let responses = read_all(&mut stream).await;
    assert_eq!(responses.matches("hello").count(), 20);
}

#[tokio::test]
async fn http_1_0_is_served() {
    let server = serve(&hello()).await;
    let response = exchange(&server, "GET / HTTP/1.0\r\n\r\n").await;
    assert!(response.starts_with("HTTP/1.0 200 OK"), "{response}");
    assert!(response.ends_with("\r\n\r\nhello"), "{response}");
}

#[tokio::test]
async fn head_and_bodiless_statuses_have_no_body() {
    let server = serve(&hello()).await;
    let response = exchange(
        &server,
        "HEAD / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert!(response.contains("content-length: 5\r\n"), "{response}");
    assert!(response.ends_with("\r\n\r\n"), "{response}");

    for status in [204, 304] {
        let edge = http_guest(|g| {
            let body = g.text("not sent");
            format!(
                "(call $resp_set_status (i32.const {status})) (call $resp_body_set {body}) {RESPOND}"
            )
        })
        .edge();
        let server = serve(&edge).await;
        let response = exchange(
            &server,
            "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        )
        .await;
        assert!(response.starts_with(&format!("HTTP/1.1 {status}")));
        assert!(response.ends_with("\r\n\r\n"), "{response}");
    }
}

#[tokio::test]
async fn a_body_of_ten_mebibytes_goes_both_ways() {
    let edge = http_guest(|_| format!("(call $reply (call $req_body)) {RESPOND}"))
        .edge_with("requires_body = true");
    let server = serve(&edge).await;
    let mut stream = connect(&server).await;
    let size = 10 << 20;
    let head = format!(
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&vec![b'x'; size]).await.unwrap();
    let response = read_all(&mut stream).await;
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert_eq!(body.len(), size);
}

#[tokio::test]
async fn a_chunked_body_is_read() {
    let edge = http_guest(|_| format!("(call $reply (call $req_body)) {RESPOND}"))
        .edge_with("requires_body = true");
    let server = serve(&edge).await;
    let response = exchange(
        &server,
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n\
         3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
    )
    .await;
    assert!(response.ends_with("\r\n\r\nabcde"), "{response}");
}

#[tokio::test]
async fn a_body_that_nobody_reads_does_not_break_the_connection() {
    let server = serve(&hello()).await;
    let mut stream = connect(&server).await;
    let size = 3 << 20;
    for _ in 0..2 {
        let head = format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {size}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&vec![b'x'; size]).await.unwrap();
        let response = read_response(&mut stream).await;
        assert!(response.starts_with("HTTP/1.1 200"), "{response}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shutdown_lets_requests_end_and_takes_no_more() {
    let edge = http_guest(|g| {
        let body = g.text("done");
        format!(
            "(loop $on
               (local.set $i (i32.add (local.get $i) (i32.const 1)))
               (drop (call $ws_close_code))
               (br_if $on (i32.lt_u (local.get $i) (i32.const 3000000))))
             (call $resp_body_set {body})
             {RESPOND}"
        )
    })
    .edge_with("[limits]\nmax_time_ms = 10000");
    let server = serve(&edge).await;
    let addr = server.addr();
    let mut idle = connect(&server).await;
    let mut busy = connect(&server).await;
    busy.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        .await
        .unwrap();
    // The request is in progress once the edge has begun to run it. A moment is enough; if it were
    // not, the test would only be easier.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let stopped = tokio::spawn(server.shutdown(LONG));
    let response = read_all(&mut busy).await;
    assert!(response.ends_with("done"), "{response}");
    assert_eq!(read_all(&mut idle).await, "");
    assert!(stopped.await.unwrap(), "not everything ended");
    assert!(TcpStream::connect(addr).await.is_err());
    assert!(said(&edge).contains("GET / 200"));
}

#[tokio::test]
async fn a_websocket_flare_asks_for_an_upgrade() {
    let server = serve(&Guest::new().ws("", "", "").edge()).await;
    let response = exchange(
        &server,
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert!(response.starts_with("HTTP/1.1 426"), "{response}");
    assert!(response.contains("upgrade: websocket"), "{response}");
}
