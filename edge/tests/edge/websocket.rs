//! WebSockets through real sockets.

use std::time::Duration;

use flaron_edge::{Edge, Server};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::guest::{Guest, said};
use crate::socket::{LONG, connect, serve};

type Client = WebSocketStream<TcpStream>;

async fn client(server: &Server) -> Client {
    let stream = connect(server).await;
    let url = format!("ws://{}/chat", server.addr());
    tokio_tungstenite::client_async(url, stream)
        .await
        .unwrap()
        .0
}

async fn next(client: &mut Client) -> Message {
    timeout(LONG, client.next())
        .await
        .expect("nothing came")
        .expect("the connection ended")
        .unwrap()
}

async fn text(client: &mut Client) -> String {
    match next(client).await {
        Message::Text(text) => text.to_string(),
        other => panic!("{other:?}"),
    }
}

/// The code the connection is closed with.
async fn closed(client: &mut Client) -> u16 {
    loop {
        match next(client).await {
            Message::Close(Some(frame)) => return frame.code.into(),
            Message::Close(None) => return 1005,
            _ => {}
        }
    }
}

/// Waits until the journal has an entry that contains this.
async fn until_said(edge: &Edge, what: &str) {
    let wait = async {
        while !said(edge).contains(what) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    if timeout(LONG, wait).await.is_err() {
        panic!("{what:?} was never said:\n{}", said(edge));
    }
}

/// Answers with "type:", the data (or "<none>"), and the number of events it has counted in memory.
fn teller() -> Guest {
    let tell = "(call $send (call $ws_event_type)) (call $send (call $ws_event_data))";
    let mut guest = Guest::new();
    let closed = guest.text("closed");
    guest.ws(
        tell,
        tell,
        &format!(
            "(call $log_info {closed})
             (call $log_info (call $ptr (call $ws_event_type)) (i32.const 5))
             (if (i32.eq (call $ws_close_code) (i32.const 4001))
               (then (call $log_warn {closed})))"
        ),
    )
}

#[tokio::test]
async fn events_come_in_order_with_their_data() {
    let edge = teller().edge();
    let server = serve(&edge).await;
    let mut client = client(&server).await;
    assert_eq!(text(&mut client).await, "open");
    assert_eq!(text(&mut client).await, "<none>");
    for n in 0..100 {
        client.send(Message::text(format!("m{n}"))).await.unwrap();
    }
    for n in 0..100 {
        assert_eq!(text(&mut client).await, "message");
        assert_eq!(text(&mut client).await, format!("m{n}"));
    }
    // An empty message is an event, too.
    client.send(Message::text("")).await.unwrap();
    assert_eq!(text(&mut client).await, "message");
    assert_eq!(text(&mut client).await, "");

    let frame = CloseFrame {
        code: CloseCode::from(4001),
        reason: "bye".into(),
    };
    client.close(Some(frame)).await.unwrap();
    assert_eq!(closed(&mut client).await, 4001);
    until_said(&edge, "close 4001").await;
    let logs = edge.logs();
    let texts: Vec<_> = logs.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(texts, ["closed", "close", "closed"]);
}

#[tokio::test]
async fn text_and_binary_go_both_ways() {
    let echo = "(call $send (call $ws_event_data))";
    let server = serve(&Guest::new().ws("", echo, "").edge()).await;
    let mut client = client(&server).await;
    client
        .send(Message::binary(vec![0xff, 0, 1]))
        .await
        .unwrap();
    assert_eq!(next(&mut client).await, Message::binary(vec![0xff, 0, 1]));
    client.send(Message::text("é")).await.unwrap();
    assert_eq!(next(&mut client).await, Message::text("é"));
    // UTF-8 is sent as text, however it arrived.
    client
        .send(Message::binary("abc".as_bytes()))
        .await
        .unwrap();
    assert_eq!(next(&mut client).await, Message::text("abc"));
}

#[tokio::test]
async fn one_instance_lives_as_long_as_its_connection() {
    let count = "(i32.store8 (i32.const 0xff00)
                   (i32.add (i32.const 1) (i32.load8_u (i32.const 0xff00))))
                 (drop (call $ws_send (i32.const 0xff00) (i32.const 1)))";
    let server = serve(&Guest::new().ws("", count, "").edge()).await;
    let mut first = client(&server).await;
    let mut second = client(&server).await;
    for n in 1..10_u8 {
        first.send(Message::text("x")).await.unwrap();
        assert_eq!(next(&mut first).await.into_data(), vec![n]);
    }
    second.send(Message::text("x")).await.unwrap();
    assert_eq!(next(&mut second).await.into_data(), vec![1]);
}

#[tokio::test]
async fn connections_have_identifiers_of_their_own() {
    let server = serve(
        &Guest::new()
            .ws("(call $send (call $ws_conn_id))", "", "")
            .edge(),
    )
    .await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        let id = text(&mut client(&server).await).await;
        assert!(!id.is_empty() && !ids.contains(&id));
        ids.push(id);
    }
}

#[tokio::test]
async fn the_upgrade_request_can_be_read() {
    let server = serve(
        &Guest::new()
            .ws("(call $send (call $req_url))", "", "")
            .edge(),
    )
    .await;
    let mut client = client(&server).await;
    assert_eq!(
        text(&mut client).await,
        format!("http://{}/chat", server.addr())
    );
}

#[tokio::test]
async fn a_flare_can_close() {
    for (code, sent) in [
        (1000_i32, 1000_i32),
        (4242, 4242),
        (1013, 1013),
        (0, 1000),
        (1005, 1000),
        (99999, 1000),
        (-1_i32, 1000),
    ] {
        let mut guest = Guest::new();
        let bye = guest.text("bye");
        let edge = guest
            .ws(
                "",
                &format!(
                    "(drop (call $ws_send {bye}))
                     (call $ws_close_conn (i32.const {code}))
                     (call $ws_close_conn (i32.const 3000))
                     (if (i32.ne (call $ws_send {bye}) (i32.const 3)) (then (unreachable)))"
                ),
                &format!("(if (i32.ne (call $ws_send {bye}) (i32.const 3)) (then (unreachable)))"),
            )
            .edge();
        let server = serve(&edge).await;
        let mut client = client(&server).await;
        client.send(Message::text("go")).await.unwrap();
        client
            .send(Message::text("not seen any more"))
            .await
            .unwrap();
        assert_eq!(text(&mut client).await, "bye");
        assert_eq!(i32::from(closed(&mut client).await), sent, "{code}");
        assert!(client.next().await.is_none());
        until_said(&edge, &format!("close {sent}")).await;
        let said = said(&edge);
        assert_eq!(said.matches("message [").count(), 1, "{said}");
        assert!(!said.contains("FAILED"), "{said}");
        assert_eq!(
            said.contains("endpoints must not send this code"),
            code != sent,
            "{said}"
        );
    }
}

#[tokio::test]
async fn a_flare_can_close_at_once() {
    let edge = Guest::new()
        .ws("(call $ws_close_conn (i32.const 4000))", "", "")
        .edge();
    let server = serve(&edge).await;
    assert_eq!(closed(&mut client(&server).await).await, 4000);
}

#[tokio::test]
async fn a_close_without_a_code_is_1005_and_a_break_1006() {
    let edge = Guest::new().ws("", "", "").edge();
    let server = serve(&edge).await;
    let mut polite = client(&server).await;
    polite.close(None).await.unwrap();
    until_said(&edge, "close 1005").await;

    let rude = client(&server).await;
    drop(rude);
    until_said(&edge, "close 1006").await;
}

#[tokio::test]
async fn sends_are_limited_in_number() {
    let many = "(loop $on
                  (if (i32.eqz (call $ws_send (i32.const 16) (i32.const 1)))
                    (then (local.set $i (i32.add (local.get $i) (i32.const 1))) (br $on))))
                (if (i32.ne (call $ws_send (i32.const 16) (i32.const 1)) (i32.const 1))
                  (then (unreachable)))";
    let edge = Guest::new()
        .ws("", many, "")
        .edge_with("[limits]\nmax_ws_sends = 7");
    let server = serve(&edge).await;
    let mut client = client(&server).await;
    for _ in 0..2 {
        client.send(Message::text("go")).await.unwrap();
        for _ in 0..7 {
            next(&mut client).await;
        }
    }
    until_said(&edge, "limits.max_ws_sends").await;
    assert!(!said(&edge).contains("FAILED"), "{}", said(&edge));
}

#[tokio::test]
async fn messages_are_limited_in_size_both_ways() {
    let large = "(if (i32.ne (call $ws_send (i32.const 0) (i32.const 1001)) (i32.const 2))
                   (then (unreachable)))
                 (drop (call $ws_send (i32.const 0) (i32.const 1000)))";
    let edge = Guest::new()
        .ws("", large, "")
        .edge_with("[limits]\nmax_ws_message_bytes = 1000");
    let server = serve(&edge).await;
    let mut client = client(&server).await;
    client.send(Message::text("x".repeat(1000))).await.unwrap();
    assert_eq!(next(&mut client).await.len(), 1000);
    client.send(Message::text("x".repeat(1001))).await.unwrap();
    assert_eq!(closed(&mut client).await, 1009);
    until_said(&edge, "close 1009").await;
    assert!(said(&edge).contains("limits.max_ws_message_bytes"));
}

#[tokio::test]
async fn a_trap_closes_with_1011_and_ends_the_instance() {
    let edge = Guest::new().ws("", "(unreachable)", "(unreachable)").edge();
    let server = serve(&edge).await;
    let mut client = client(&server).await;
    client.send(Message::text("go")).await.unwrap();
    assert_eq!(closed(&mut client).await, 1011);
    assert!(client.next().await.is_none());
    let said = said(&edge);
    assert_eq!(
        said.matches("FAILED").count(),
        1,
        "no close event after a trap: {said}"
    );
}

#[tokio::test]
async fn an_event_that_loops_is_stopped() {
    let edge = Guest::new()
        .ws("", "(loop $on (br $on))", "")
        .edge_with("[limits]\nmax_time_ms = 30");
    let server = serve(&edge).await;
    let mut client = client(&server).await;
    client.send(Message::text("go")).await.unwrap();
    assert_eq!(closed(&mut client).await, 1011);
    assert!(said(&edge).contains("longer than 30 ms"));
}

#[tokio::test]
async fn time_counts_for_each_event_anew() {
    // 20 events of about 10 ms each, with a limit of 100 ms.
    let busy = "(loop $on
                  (local.set $i (i32.add (local.get $i) (i32.const 1)))
                  (br_if $on (i32.lt_u (local.get $i) (i32.const 5000000))))
                (drop (call $ws_send (i32.const 16) (i32.const 1)))";
    let edge = Guest::new()
        .ws("", busy, "")
        .edge_with("[limits]\nmax_time_ms = 400");
    let server = serve(&edge).await;
    let mut client = client(&server).await;
    for _ in 0..200 {
        client.send(Message::text("go")).await.unwrap();
        assert!(!next(&mut client).await.is_close());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_connections_at_once() {
    let echo = "(call $send (call $ws_event_data))";
    let edge = Guest::new().ws("", echo, "").edge();
    let server = serve(&edge).await;
    let mut clients = Vec::new();
    for _ in 0..100 {
        clients.push(client(&server).await);
    }
    for round in 0..5 {
        for (n, client) in clients.iter_mut().enumerate() {
            client
                .send(Message::text(format!("{round} {n}")))
                .await
                .unwrap();
        }
        for (n, client) in clients.iter_mut().enumerate() {
            assert_eq!(text(client).await, format!("{round} {n}"));
        }
    }
    assert_eq!(edge.flares()[0].stats.sockets, 100);
    drop(clients);
    let gone = async {
        while edge.flares()[0].stats.sockets > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LONG, gone).await.expect("connections are left");
}

#[tokio::test]
async fn pings_are_answered() {
    let server = serve(&Guest::new().ws("", "", "").edge()).await;
    let mut client = client(&server).await;
    client
        .send(Message::Ping(vec![1, 2, 3].into()))
        .await
        .unwrap();
    assert_eq!(next(&mut client).await, Message::Pong(vec![1, 2, 3].into()));
}

/// An upgraded connection without a client library.
async fn raw(server: &Server) -> TcpStream {
    let mut stream = connect(server).await;
    stream
        .write_all(
            b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
              Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )
        .await
        .unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(timeout(LONG, stream.read_u8()).await.unwrap().unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
    stream
}

#[tokio::test]
async fn frames_that_break_the_protocol_close_the_connection() {
    let edge = Guest::new().ws("", "", "").edge();
    let server = serve(&edge).await;
    for (frame, code) in [
        // Not masked.
        (&[0x81, 0x01, b'x'][..], 1002),
        // Reserved bits.
        (&[0xf1, 0x81, 0, 0, 0, 0, b'x'], 1002),
        // An unknown opcode.
        (&[0x83, 0x80, 0, 0, 0, 0], 1002),
        // A continuation of nothing.
        (&[0x80, 0x80, 0, 0, 0, 0], 1002),
        // A control frame in pieces.
        (&[0x09, 0x80, 0, 0, 0, 0], 1002),
        // Text that is not UTF-8.
        (&[0x81, 0x81, 0, 0, 0, 0, 0xff], 1007),
        // A length of 2^63.
        (&[0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4], 1009),
    ] {
        let mut stream = raw(&server).await;
        stream.write_all(frame).await.unwrap();
        let mut answer = Vec::new();
        let _ = timeout(LONG, stream.read_to_end(&mut answer))
            .await
            .expect("still open");
        assert_eq!(answer[0], 0x88, "{frame:x?}: {answer:x?}");
        assert_eq!(
            u16::from_be_bytes([answer[2], answer[3]]),
            code,
            "{frame:x?}"
        );
    }
}

#[tokio::test]
async fn a_client_that_sends_half_a_frame_and_goes_is_forgotten() {
    let edge = Guest::new().ws("", "", "").edge();
    let server = serve(&edge).await;
    let mut stream = raw(&server).await;
    stream.write_all(&[0x81, 0x85, 0, 0]).await.unwrap();
    drop(stream);
    until_said(&edge, "close 1006").await;
}

#[tokio::test]
async fn a_silent_client_is_pinged_and_then_closed() {
    let edge = Guest::new()
        .ws("", "", "")
        .edge_with("[limits]\nws_idle_secs = 1");
    let server = serve(&edge).await;
    let mut stream = raw(&server).await;
    // The client never answers.
    let mut answer = Vec::new();
    let _ = timeout(LONG, stream.read_to_end(&mut answer))
        .await
        .expect("still open");
    assert_eq!(answer[..2], [0x89, 0], "a ping");
    assert!(
        answer.windows(4).any(|w| w == [0x88, 2, 0x03, 0xe9]),
        "{answer:x?}"
    );
    until_said(&edge, "silent for 1 s").await;
}

#[tokio::test]
async fn shutdown_closes_with_1001() {
    let edge = Guest::new().ws("", "", "").edge();
    let server = serve(&edge).await;
    let mut client = client(&server).await;
    client.send(Message::Ping(vec![].into())).await.unwrap();
    next(&mut client).await;
    let stopped = tokio::spawn(server.shutdown(LONG));
    assert_eq!(closed(&mut client).await, 1001);
    assert!(client.next().await.is_none());
    assert!(stopped.await.unwrap());
    until_said(&edge, "close 1001").await;
}

#[tokio::test]
async fn a_reload_leaves_open_connections_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("f.wasm");
    let named = |name: &str| {
        let mut guest = Guest::new();
        let name = guest.text(name);
        guest
            .ws("", &format!("(drop (call $ws_send {name}))"), "")
            .wasm()
    };
    std::fs::write(&file, named("one")).unwrap();
    let edge = Edge::builder().flare(file.as_path()).build().unwrap();
    let server = serve(&edge).await;
    let mut old = client(&server).await;
    old.send(Message::text("x")).await.unwrap();
    assert_eq!(text(&mut old).await, "one");
    std::fs::write(&file, named("two")).unwrap();
    edge.reload().unwrap();
    old.send(Message::text("x")).await.unwrap();
    assert_eq!(text(&mut old).await, "one");
    let mut new = client(&server).await;
    new.send(Message::text("x")).await.unwrap();
    assert_eq!(text(&mut new).await, "two");
}

#[tokio::test]
async fn handlers_may_return_i32_or_nothing() {
    for result in ["", "(result i32)"] {
        let value = if result.is_empty() {
            ""
        } else {
            "(i32.const 0)"
        };
        let wasm = wat::parse_str(format!(
            r#"(module
                 (import "flaron/v1" "ws_send" (func $send (param i32 i32) (result i32)))
                 (memory (export "memory") 1)
                 (data (i32.const 16) "hi")
                 (func (export "ws_open") {result} (drop (call $send (i32.const 16) (i32.const 2))) {value})
                 (func (export "ws_message") {result} {value})
                 (func (export "ws_close") {result} {value}))"#
        ))
        .unwrap();
        let edge = Edge::builder().flare(wasm).build().unwrap();
        let server = serve(&edge).await;
        assert_eq!(text(&mut client(&server).await).await, "hi");
    }
}

#[tokio::test]
async fn one_flare_can_serve_both() {
    let mut guest = Guest::new();
    let hi = guest.text("hi");
    let edge = guest
        .http(&format!(
            "(call $resp_body_set {hi}) (i64.const 0x100000000)"
        ))
        .ws(&format!("(drop (call $ws_send {hi}))"), "", "")
        .edge();
    let server = serve(&edge).await;
    assert_eq!(crate::guest::get(&edge, "/").await.body(), "hi");
    assert_eq!(text(&mut client(&server).await).await, "hi");
}
