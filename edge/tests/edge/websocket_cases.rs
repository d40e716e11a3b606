//! The cases of RFC 6455, with a client of its own that can send what no library would; based on the
//! list of the Autobahn test suite, whose numbers are in the names.

use std::time::Duration;

use flaron_edge::{Edge, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::guest::{Guest, said};
use crate::socket::{LONG, connect, serve};

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;
const FIN: u8 = 0x80;

/// A flare that sends back what it receives.
fn echo(settings: &str) -> Edge {
    let echo = "(call $send (call $ws_event_data))";
    Guest::new().ws("", echo, "").edge_with(settings)
}

/// A frame as a client sends it, masked.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..126 => bytes.push(0x80 | length as u8),
        length @ 126..65536 => {
            bytes.push(0x80 | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        length => {
            bytes.push(0x80 | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    let mask = [0x12, 0x34, 0x56, 0x78];
    bytes.extend(mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(b, m)| b ^ m));
    bytes
}

fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    let mut payload = code.to_be_bytes().to_vec();
    payload.extend(reason);
    frame(FIN | CLOSE, &payload)
}

const UPGRADE: &[u8] =
    b"GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// The head of the response to [`UPGRADE`].
async fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(timeout(LONG, stream.read_u8()).await.unwrap().unwrap());
    }
    String::from_utf8(head).unwrap()
}

async fn open(server: &Server) -> TcpStream {
    let mut stream = connect(server).await;
    stream.write_all(UPGRADE).await.unwrap();
    let head = head(&mut stream).await;
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    stream
}

/// What the server sent until the end of the connection: opcodes with payloads.
async fn received(stream: &mut TcpStream) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    loop {
        let read = async {
            let first = stream.read_u8().await.ok()?;
            assert_eq!(first & 0xf0, FIN, "the edge sends whole messages");
            let length = match stream.read_u8().await.ok()? {
                126 => usize::from(stream.read_u16().await.ok()?),
                127 => usize::try_from(stream.read_u64().await.ok()?).unwrap(),
                short @ 0..126 => usize::from(short),
                masked => panic!("a server masks nothing: {masked}"),
            };
            let mut payload = vec![0; length];
            stream.read_exact(&mut payload).await.ok()?;
            Some((first & 0x0f, payload))
        };
        match timeout(LONG, read)
            .await
            .expect("the connection stays open")
        {
            Some(frame) => frames.push(frame),
            None => return frames,
        }
    }
}

/// One case: what is sent, and what comes back, each ending with a close.
struct Case {
    name: String,
    sent: Vec<u8>,
    /// How many bytes are written at once.
    chop: usize,
    messages: Vec<(u8, Vec<u8>)>,
    code: Option<u16>,
}

struct Cases(Vec<Case>);

impl Cases {
    /// Sends this and then a close with 1000, and expects these messages.
    fn good(&mut self, name: impl Into<String>, frames: &[Vec<u8>], messages: &[(u8, &[u8])]) {
        let mut sent = frames.concat();
        sent.extend(close(1000, b"done"));
        self.add(name, sent, messages, Some(1000));
    }

    /// Sends this, and expects a close with this code.
    fn bad(
        &mut self,
        name: impl Into<String>,
        frames: &[Vec<u8>],
        messages: &[(u8, &[u8])],
        code: u16,
    ) {
        self.add(name, frames.concat(), messages, Some(code));
    }

    fn add(
        &mut self,
        name: impl Into<String>,
        sent: Vec<u8>,
        messages: &[(u8, &[u8])],
        code: Option<u16>,
    ) {
        self.0.push(Case {
            name: name.into(),
            sent,
            chop: usize::MAX,
            messages: messages
                .iter()
                .map(|(kind, payload)| (*kind, payload.to_vec()))
                .collect(),
            code,
        });
    }

    /// The last case again, in small pieces.
    fn and_chopped(&mut self, chop: usize) {
        let last = self.0.last().unwrap();
        self.0.push(Case {
            name: format!("{} in pieces of {chop}", last.name),
            sent: last.sent.clone(),
            chop,
            messages: last.messages.clone(),
            code: last.code,
        });
    }
}

fn all() -> Vec<Case> {
    let mut cases = Cases(Vec::new());
    let c = &mut cases;
    // 1: sizes. Bytes that are not UTF-8 come back as binary.
    for size in [0, 125, 126, 127, 128, 65535, 65536] {
        let text = vec![b'*'; size];
        let bytes = vec![0xfe; size];
        let kind = if size == 0 { TEXT } else { BINARY };
        c.good(
            format!("1.1 text of {size}"),
            &[frame(FIN | TEXT, &text)],
            &[(TEXT, &text)],
        );
        c.and_chopped(997);
        c.good(
            format!("1.2 binary of {size}"),
            &[frame(FIN | BINARY, &bytes)],
            &[(kind, &bytes)],
        );
        c.and_chopped(997);
    }
    // 2: pings and pongs.
    for payload in [&b""[..], b"Hello, world!", &[0, 0xff, 0xfe], &[0xfe; 125]] {
        c.good(
            "2.1-4 ping",
            &[frame(FIN | PING, payload)],
            &[(PONG, payload)],
        );
        c.and_chopped(1);
    }
    c.bad(
        "2.5 long ping",
        &[frame(FIN | PING, &[0xfe; 126])],
        &[],
        1002,
    );
    c.good("2.7 unasked pong", &[frame(FIN | PONG, b"")], &[]);
    c.good(
        "2.8 unasked pong with payload",
        &[frame(FIN | PONG, b"x")],
        &[],
    );
    c.good(
        "2.9 unasked pong, then ping",
        &[frame(FIN | PONG, b"x"), frame(FIN | PING, b"y")],
        &[(PONG, b"y")],
    );
    let pings: Vec<_> = (0..10).map(|n| frame(FIN | PING, &[b'0' + n])).collect();
    let payloads: Vec<_> = (0..10).map(|n| [b'0' + n]).collect();
    let pongs: Vec<_> = payloads.iter().map(|p| (PONG, &p[..])).collect();
    c.good("2.10 ten pings", &pings, &pongs);
    c.and_chopped(1);
    // 3: reserved bits.
    for bits in 1..8_u8 {
        for opcode in [TEXT, PING, CLOSE] {
            let bad = frame(FIN | bits << 4 | opcode, b"");
            let hello = frame(FIN | TEXT, b"hello");
            c.bad(
                format!("3 bits {bits} of {opcode}"),
                &[hello, bad],
                &[(TEXT, b"hello")],
                1002,
            );
        }
    }
    // 4: reserved opcodes.
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        for payload in [&b""[..], b"x"] {
            c.bad(
                format!("4 opcode {opcode}"),
                &[frame(FIN | opcode, payload)],
                &[],
                1002,
            );
        }
    }
    // 5: fragments.
    let part = |first, text: &str| frame(first, text.as_bytes());
    c.bad(
        "5.1 ping in two",
        &[part(PING, "a"), part(FIN, "b")],
        &[],
        1002,
    );
    c.bad(
        "5.2 pong in two",
        &[part(PONG, "a"), part(FIN, "b")],
        &[],
        1002,
    );
    c.good(
        "5.3 text in two",
        &[part(TEXT, "a"), part(FIN, "b")],
        &[(TEXT, b"ab")],
    );
    c.and_chopped(1);
    c.good(
        "5.6 ping between",
        &[part(TEXT, "a"), part(FIN | PING, "p"), part(FIN, "b")],
        &[(PONG, b"p"), (TEXT, b"ab")],
    );
    c.and_chopped(1);
    c.bad(
        "5.9 continuation of nothing",
        &[part(FIN, "a"), part(FIN | TEXT, "b")],
        &[],
        1002,
    );
    c.bad(
        "5.12 unfinished continuation of nothing",
        &[part(0, "a")],
        &[],
        1002,
    );
    c.bad(
        "5.15 continuation after a message",
        &[
            part(TEXT, "a"),
            part(FIN, "b"),
            part(0, "c"),
            part(FIN | TEXT, "d"),
        ],
        &[(TEXT, b"ab")],
        1002,
    );
    c.bad(
        "5.18 text within text",
        &[part(TEXT, "a"), part(FIN | TEXT, "b")],
        &[],
        1002,
    );
    let pieces = [
        part(TEXT, "1"),
        part(0, "2"),
        part(FIN | PING, "p"),
        part(0, "3"),
        part(0, "4"),
        part(FIN | PING, "q"),
        part(FIN, "5"),
    ];
    c.good(
        "5.19 pings between five",
        &pieces,
        &[(PONG, b"p"), (PONG, b"q"), (TEXT, b"12345")],
    );
    c.and_chopped(1);
    c.good(
        "5.x empty fragments",
        &[part(TEXT, ""), part(0, ""), part(FIN, "")],
        &[(TEXT, b"")],
    );
    c.good(
        "5.x empty fragments around",
        &[part(TEXT, ""), part(0, "middle"), part(FIN, "")],
        &[(TEXT, b"middle")],
    );
    // 6: UTF-8.
    let valid = "κόσμε \u{10ffff} \u{ffff} \u{d7ff} \u{e000} \u{80} \u{800} \u{10000} €";
    c.good(
        "6.2 valid",
        &[frame(FIN | TEXT, valid.as_bytes())],
        &[(TEXT, valid.as_bytes())],
    );
    c.and_chopped(1);
    let (front, back) = valid.as_bytes().split_at(3);
    c.good(
        "6.2 cut within a character",
        &[frame(TEXT, front), frame(FIN, back)],
        &[(TEXT, valid.as_bytes())],
    );
    let each: Vec<_> = valid
        .bytes()
        .enumerate()
        .map(|(n, byte)| frame(if n == 0 { TEXT } else { 0 }, &[byte]))
        .chain([frame(FIN, b"")])
        .collect();
    c.good("6.2 each byte a frame", &each, &[(TEXT, valid.as_bytes())]);
    for bytes in [
        &[0xce, 0xba, 0xe1, 0xbd, 0xb9, 0xed, 0xa0, 0x80][..], // A surrogate.
        &[0xed, 0xbf, 0xbf],
        &[0xf4, 0x90, 0x80, 0x80], // Beyond the last character.
        &[0xf8, 0x88, 0x80, 0x80, 0x80],
        &[0xfc, 0x84, 0x80, 0x80, 0x80, 0x80],
        &[0x80],
        &[0xbf],
        &[0xc0, 0xaf], // Too long.
        &[0xe0, 0x80, 0xaf],
        &[0xf0, 0x80, 0x80, 0xaf],
        &[0xc1, 0xbf],
        &[0xfe],
        &[0xff],
        &[0xc3], // Not complete.
        &[0xe2, 0x82],
        &[0xf0, 0x9f, 0x98],
        &[b'a', 0xc3, b'('],
    ] {
        c.bad(
            format!("6.3-20 {bytes:x?}"),
            &[frame(FIN | TEXT, bytes)],
            &[],
            1007,
        );
        c.and_chopped(1);
    }
    // It is refused at once, while the message is still being sent.
    c.bad(
        "6.4 fails fast over frames",
        &[frame(TEXT, b"a\xf4"), frame(0, b"\x90")],
        &[],
        1007,
    );
    let mut half = frame(FIN | TEXT, b"abc\xffdefghijk");
    half.truncate(half.len() - 4);
    c.bad("6.4 fails fast within a frame", &[half], &[], 1007);
    // 7: closes.
    c.add(
        "7.1 close without a code",
        frame(FIN | CLOSE, b""),
        &[],
        None,
    );
    c.bad(
        "7.1.2 two closes",
        &[close(1000, b""), close(1000, b"")],
        &[],
        1000,
    );
    c.bad(
        "7.1.3 ping after close",
        &[close(1000, b""), frame(FIN | PING, b"p")],
        &[],
        1000,
    );
    c.bad(
        "7.1.4 text after close",
        &[close(1000, b""), frame(FIN | TEXT, b"t")],
        &[],
        1000,
    );
    c.bad(
        "7.1.5 close within a message",
        &[part(TEXT, "a"), close(1000, b""), part(FIN, "b")],
        &[],
        1000,
    );
    c.bad(
        "7.3.2 a payload of one",
        &[frame(FIN | CLOSE, b"x")],
        &[],
        1002,
    );
    c.bad("7.3.4 a reason", &[close(1000, b"Hello World!")], &[], 1000);
    c.bad(
        "7.3.5 the longest reason",
        &[close(1000, &[b'*'; 123])],
        &[],
        1000,
    );
    c.bad(
        "7.3.6 one that is longer",
        &[close(1000, &[b'*'; 124])],
        &[],
        1002,
    );
    c.bad(
        "7.5.1 a reason that is not UTF-8",
        &[close(1000, b"\xce\xba\xed\xa0\x80")],
        &[],
        1007,
    );
    for code in [
        1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000,
        4999,
    ] {
        c.bad(format!("7.7 code {code}"), &[close(code, b"")], &[], code);
    }
    for code in [
        0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535,
    ] {
        c.bad(format!("7.9 code {code}"), &[close(code, b"")], &[], 1002);
    }
    // 9 and 10: large messages, in one frame and in many.
    for size in [64 << 10, 256 << 10, 1 << 20] {
        let text = vec![b'*'; size];
        c.good(
            format!("9.1 text of {size}"),
            &[frame(FIN | TEXT, &text)],
            &[(TEXT, &text)],
        );
        let bytes = vec![0xfe; size];
        c.good(
            format!("9.2 binary of {size}"),
            &[frame(FIN | BINARY, &bytes)],
            &[(BINARY, &bytes)],
        );
        for fragment in [1300, 16 << 10] {
            let count = size.div_ceil(fragment);
            let frames: Vec<_> = text
                .chunks(fragment)
                .enumerate()
                .map(|(n, part)| {
                    let opcode = if n == 0 { TEXT } else { 0 };
                    frame(opcode | if n + 1 == count { FIN } else { 0 }, part)
                })
                .collect();
            c.good(
                format!("9.3 {size} in frames of {fragment}"),
                &frames,
                &[(TEXT, &text)],
            );
        }
    }
    let many: Vec<_> = (0..500)
        .map(|_| frame(FIN | TEXT, b"1234567890123456"))
        .collect();
    let back: Vec<_> = (0..500).map(|_| (TEXT, &b"1234567890123456"[..])).collect();
    c.good("9.7 five hundred messages", &many, &back);
    cases.0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_case_ends_as_the_protocol_says() {
    let edge = echo("");
    let server = serve(&edge).await;
    let cases = all();
    let count = cases.len();
    for case in cases {
        let stream = open(&server).await;
        let (mut read, mut write) = stream.into_split();
        let name = case.name.clone();
        let writer = tokio::spawn(async move {
            for piece in case.sent.chunks(case.chop) {
                // The server may have closed before the end.
                if write.write_all(piece).await.is_err() {
                    break;
                }
                if case.chop < 100 {
                    tokio::task::yield_now().await;
                }
            }
            write
        });
        let frames = {
            // Back into a TcpStream, for the reader.
            let mut frames = Vec::new();
            let mut bytes = Vec::new();
            let _ = timeout(LONG, read.read_to_end(&mut bytes))
                .await
                .unwrap_or_else(|_| panic!("{name}: the connection stays open"));
            let mut rest = &bytes[..];
            while let [first, length, tail @ ..] = rest {
                assert_eq!(first & 0xf0, FIN, "{name}: the edge sends whole messages");
                let (length, tail) = match *length {
                    126 => {
                        let (size, tail) = tail.split_at(2);
                        (u16::from_be_bytes(size.try_into().unwrap()).into(), tail)
                    }
                    127 => {
                        let (size, tail) = tail.split_at(8);
                        let size = u64::from_be_bytes(size.try_into().unwrap());
                        (usize::try_from(size).unwrap(), tail)
                    }
                    short => (short.into(), tail),
                };
                let (payload, tail) = tail.split_at(length);
                frames.push((first & 0x0f, payload.to_vec()));
                rest = tail;
            }
            frames
        };
        drop(writer.await.unwrap());
        let (last, messages) = frames.split_last().expect("nothing came back");
        assert_eq!(last.0, CLOSE, "{name}: {last:x?}");
        let code = match last.1[..] {
            [] => None,
            [high, low, ..] => Some(u16::from_be_bytes([high, low])),
            _ => panic!("{name}: {last:x?}"),
        };
        assert_eq!(code, case.code, "{name}");
        assert!(
            messages == case.messages,
            "{name}: {} messages",
            messages.len()
        );
    }
    assert!(count > 180, "{count} cases");
    println!("{count} cases");
    assert!(!said(&edge).contains("FAILED"));
}

#[tokio::test]
async fn a_frame_in_the_same_packet_as_the_upgrade_is_read() {
    let server = serve(&echo("")).await;
    let mut stream = connect(&server).await;
    let mut packet = UPGRADE.to_vec();
    packet.extend(frame(FIN | TEXT, b"early"));
    packet.extend(close(1000, b""));
    stream.write_all(&packet).await.unwrap();
    let head = head(&mut stream).await;
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    let frames = received(&mut stream).await;
    assert_eq!(frames[0], (TEXT, b"early".to_vec()));
    assert_eq!(frames[1].0, CLOSE);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_over_the_limit_is_a_1009_and_not_a_reset() {
    let server = serve(&echo("[limits]\nmax_ws_message_bytes = 1000")).await;
    for size in [1001, 100_000, 3 << 20] {
        for _ in 0..20 {
            let mut stream = open(&server).await;
            // Everything is sent before anything is read, as browsers do.
            stream
                .write_all(&frame(FIN | TEXT, &vec![b'x'; size]))
                .await
                .unwrap();
            let frames = received(&mut stream).await;
            assert_eq!(frames, [(CLOSE, 1009_u16.to_be_bytes().to_vec())], "{size}");
        }
    }
}

#[tokio::test]
async fn a_subprotocol_is_chosen_or_missed() {
    for (settings, offered, chosen) in [
        ("", "Sec-WebSocket-Protocol: chat\r\n", None),
        (
            "websocket_protocols = [\"v2\", \"v1\"]",
            "Sec-WebSocket-Protocol: v0, v1\r\nSec-WebSocket-Protocol: v2\r\n",
            Some("v2"),
        ),
        (
            "websocket_protocols = [\"v2\"]",
            "Sec-WebSocket-Protocol: v1\r\n",
            None,
        ),
        ("websocket_protocols = [\"v2\"]", "", None),
    ] {
        let edge = echo(settings);
        let server = serve(&edge).await;
        let mut stream = connect(&server).await;
        let request = String::from_utf8(UPGRADE.to_vec()).unwrap();
        let request = request.replace("Host: h\r\n", &format!("Host: h\r\n{offered}"));
        stream.write_all(request.as_bytes()).await.unwrap();
        let head = head(&mut stream).await.to_lowercase();
        assert!(head.starts_with("http/1.1 101"), "{head}");
        let found = head
            .lines()
            .find_map(|line| line.strip_prefix("sec-websocket-protocol: "));
        assert_eq!(found, chosen, "{head}");
        let missed = !offered.is_empty() && chosen.is_none();
        assert_eq!(
            said(&edge).contains("subprotocols"),
            missed,
            "{}",
            said(&edge)
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_lets_every_flare_see_the_close() {
    let edge = echo("");
    let server = serve(&edge).await;
    let mut clients = Vec::new();
    for _ in 0..20 {
        let mut stream = open(&server).await;
        // The flare has handled the open event.
        stream.write_all(&frame(FIN | TEXT, b"x")).await.unwrap();
        let mut back = [0; 3];
        timeout(LONG, stream.read_exact(&mut back))
            .await
            .unwrap()
            .unwrap();
        clients.push(stream);
    }
    let stopped = tokio::spawn(server.shutdown(LONG));
    for mut stream in clients {
        tokio::spawn(async move {
            let mut bytes = [0; 4];
            stream.read_exact(&mut bytes).await.unwrap();
            // A slow client.
            tokio::time::sleep(Duration::from_millis(200)).await;
            stream.write_all(&close(1001, b"")).await.unwrap();
            received(&mut stream).await;
        });
    }
    assert!(stopped.await.unwrap(), "not everything ended");
    // The program would exit here.
    assert_eq!(said(&edge).matches("close 1001").count(), 20);
}
