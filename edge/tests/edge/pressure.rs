//! Hostile clients of the program as users run it: its memory is bounded, and others are served in
//! the meantime.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::guest::{Guest, PASS, RESPOND, http_guest};
use crate::process::{Process, get};

/// How much memory a node may use on top of what it uses when idle, in MiB.
const BOUND: u64 = 256;
/// How long anyone else may have to wait in the meantime.
const PROMPT: Duration = Duration::from_secs(1);
/// By how much all answers together may exceed that. A node that is held up is late again and
/// again, or for as long as the attack lasts; a machine that is busy with something else takes time
/// from one of the two processes for a few moments.
const LATE: Duration = Duration::from_secs(2);

/// A request for a WebSocket.
const UPGRADE: &[u8] =
    b"GET /flare HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// These tests measure memory and time, so there is one of them at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// The program with a flare at `/flare`, and `hello` at `/hello`.
struct Node {
    process: Process,
    /// A second node that is not attacked: what it takes is due to the machine.
    control: Process,
    idle: u64,
    _folder: tempfile::TempDir,
}

impl Node {
    fn start(guest: &Guest, settings: &str, args: &[&str]) -> Node {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let hello = http_guest(|g| {
            let body = g.text("hello");
            format!("(call $resp_body_set {body}) {RESPOND}")
        });
        std::fs::create_dir(path("a")).unwrap();
        std::fs::create_dir(path("b")).unwrap();
        std::fs::write(path("a/flare.wasm"), guest.wasm()).unwrap();
        std::fs::write(path("a/flare.toml"), settings).unwrap();
        std::fs::write(path("b/hello.wasm"), hello.wasm()).unwrap();
        let routes = [
            format!("/flare={}", path("a/flare.wasm")),
            format!("/hello={}", path("b/hello.wasm")),
        ];
        let data = path("data");
        let mut all = vec!["--quiet", "--data", &data];
        all.extend(["--route", &routes[0], "--route", &routes[1]]);
        all.extend(args);
        let process = Process::start(&all);
        let control_data = path("control");
        let control = Process::start(&["--quiet", "--data", &control_data, "--route", &routes[1]]);
        assert_eq!(process.get("/hello"), "hello");
        let idle = resident(process.id());
        Node {
            process,
            control,
            idle,
            _folder: folder,
        }
    }

    fn connect(&self) -> TcpStream {
        connect(self.process.addr())
    }

    /// Requests `/hello` and checks the memory until the attack is over.
    fn watch<R: Send>(&self, attack: impl FnOnce(&dyn Fn() -> TcpStream) -> R + Send) -> R {
        self.watch_within(BOUND, attack)
    }

    /// The same with this bound, in MiB.
    fn watch_within<R: Send>(
        &self,
        bound: u64,
        attack: impl FnOnce(&dyn Fn() -> TcpStream) -> R + Send,
    ) -> R {
        let (addr, control) = (self.process.addr(), self.control.addr());
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let attack = scope.spawn(|| {
                let result = attack(&|| connect(addr));
                over.store(true, Ordering::SeqCst);
                result
            });
            let (mut most, mut slowest, mut late) = (0, Duration::ZERO, Duration::ZERO);
            while !attack.is_finished() {
                // Both at the same moment, so that the machine's load affects both.
                let (own, usual) = std::thread::scope(|scope| {
                    let usual = scope.spawn(|| ask(control));
                    (ask(addr), usual.join().unwrap())
                });
                slowest = slowest.max(own);
                late += own.saturating_sub(PROMPT + 2 * usual);
                most = most.max(resident(self.process.id()));
                std::thread::sleep(Duration::from_millis(20));
            }
            let result = attack.join().unwrap();
            let over = most.saturating_sub(self.idle) >> 10;
            eprintln!(
                "{over} MiB over idle at most, /hello in {slowest:?} at most, late by {late:?} in all"
            );
            assert!(over < bound, "{over} MiB over the idle size");
            assert!(
                late < LATE,
                "/hello took {slowest:?}; its answers came {late:?} later than is prompt beside a node \
                 that nobody attacks"
            );
            result
        })
    }
}

/// How long `/hello` takes.
fn ask(node: SocketAddr) -> Duration {
    let started = Instant::now();
    assert_eq!(get(node, "/hello"), "hello");
    started.elapsed()
}

fn connect(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    stream
}

/// A process's resident memory, in KiB.
fn resident(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn alone() -> std::sync::MutexGuard<'static, ()> {
    ALONE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn echo() -> Guest {
    http_guest(|_| format!("(call $reply (call $req_body)) {RESPOND}"))
}

/// An origin that sends this many bytes as fast as they are read.
fn large_origin(bytes: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            std::thread::spawn(move || {
                let mut head = [0; 4096];
                let _ = stream.read(&mut head);
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {bytes}\r\n\r\n");
                let _ = stream.write_all(head.as_bytes());
                let part = vec![b'x'; 1 << 20];
                for _ in 0..bytes >> 20 {
                    if stream.write_all(&part).is_err() {
                        return;
                    }
                }
            });
        }
    });
    addr
}

#[test]
fn pipelined_requests_whose_answers_nobody_reads() {
    let _alone = alone();
    // Each response has a mebibyte.
    let guest = Guest::new().http(&format!(
        "(call $resp_body_set (i32.const 0) (i32.const 0x100000)) {RESPOND}"
    ));
    let node = Node::start(&guest, "", &[]);
    node.watch(|connect| {
        let mut stream = connect();
        let requests = "GET /flare HTTP/1.1\r\nHost: h\r\n\r\n".repeat(1000);
        stream
            .set_write_timeout(Some(Duration::from_secs(1)))
            .unwrap();
        let _ = stream.write_all(requests.as_bytes());
        std::thread::sleep(Duration::from_secs(3));
    });
}

#[test]
fn slow_readers_of_a_large_origin() {
    let _alone = alone();
    let origin = format!("http://{}", large_origin(300 << 20));
    let node = Node::start(&Guest::new().http(PASS), "", &["--origin", &origin]);
    node.watch(|connect| {
        let mut streams: Vec<TcpStream> = (0..4).map(|_| connect()).collect();
        for stream in &mut streams {
            stream
                .write_all(b"GET /flare HTTP/1.1\r\nHost: h\r\n\r\n")
                .unwrap();
        }
        for _ in 0..20 {
            for stream in &mut streams {
                let mut some = [0; 10_000];
                stream.read_exact(&mut some).unwrap();
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    });
}

#[test]
fn large_answers_to_fetches() {
    let _alone = alone();
    let origin = large_origin(9 << 20);
    // The guest takes none of it, because this is not about its own memory.
    let alloc = r#"(func $alloc (export "alloc") (param $size i32) (result i32) (i32.const 0))"#;
    let mut guest = Guest::new().alloc(alloc);
    let url = guest.text(format!("http://{origin}/"));
    let guest = guest.http(&format!(
        "(call $reply (call $beam_fetch {url} (i32.const 0) (i32.const 0))) {RESPOND}"
    ));
    let node = Node::start(&guest, "[beam]\nallow_private = true", &[]);
    node.watch(|connect| {
        // 900 MiB in total.
        let clients: Vec<_> = (0..100)
            .map(|_| {
                let mut stream = connect();
                std::thread::spawn(move || {
                    let request = b"GET /flare HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
                    stream.write_all(request).unwrap();
                    let _ = stream.read_to_end(&mut Vec::new());
                })
            })
            .collect();
        for client in clients {
            client.join().unwrap();
        }
    });
}

#[test]
fn half_sent_bodies() {
    let _alone = alone();
    let node = Node::start(&echo(), "requires_body = true", &[]);
    let statuses = node.watch(|connect| {
        let size = 10 << 20;
        let head = format!("POST /flare HTTP/1.1\r\nHost: h\r\nContent-Length: {size}\r\n\r\n");
        let part = Arc::new(vec![b'x'; size - 10]);
        let clients: Vec<_> = (0..100)
            .map(|_| {
                let (mut stream, head, part) = (connect(), head.clone(), part.clone());
                std::thread::spawn(move || {
                    stream
                        .set_write_timeout(Some(Duration::from_secs(20)))
                        .unwrap();
                    stream.write_all(head.as_bytes()).unwrap();
                    // Some are never read from, because there is no room for them.
                    let _ = stream.write_all(&part);
                    let mut answer = [0; 12];
                    stream
                        .set_read_timeout(Some(Duration::from_secs(30)))
                        .unwrap();
                    let read = stream.read_exact(&mut answer);
                    read.map(|()| String::from_utf8_lossy(&answer[9..]).into_owned())
                })
            })
            .collect();
        let answers: Vec<_> = clients.into_iter().map(|c| c.join().unwrap()).collect();
        answers
            .into_iter()
            .map(Result::unwrap_or_default)
            .collect::<Vec<_>>()
    });
    let count = |status: &str| statuses.iter().filter(|s| *s == status).count();
    // Those that had room paused for too long; the others were rejected.
    assert!(count("503") >= 60, "{statuses:?}");
    assert!(count("408") >= 10, "{statuses:?}");
    // There is room again.
    let mut stream = node.connect();
    let head =
        "POST /flare HTTP/1.1\r\nHost: h\r\nContent-Length: 20000\r\nConnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&[b'y'; 20_000]).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{}", &answer[..100]);
}

/// What bounds the number of connections is descriptors, so there are fewer than a node accepts, and
/// less memory.
#[test]
fn large_heads_that_never_end() {
    let _alone = alone();
    let node = Node::start(&echo(), "", &["--memory", "4"]);
    let statuses = node.watch_within(24, |connect| {
        let head = format!(
            "GET /flare HTTP/1.1\r\nHost: h\r\nx: {}",
            "x".repeat(155_000)
        );
        let mut streams: Vec<TcpStream> = (0..200).map(|_| connect()).collect();
        for stream in &mut streams {
            // What is not read stays in the buffers of the two sockets.
            stream.set_nonblocking(true).unwrap();
            let _ = stream.write(head.as_bytes());
        }
        let statuses: Vec<String> = streams
            .iter_mut()
            .map(|stream| {
                stream.set_nonblocking(false).unwrap();
                let mut answer = [0; 12];
                let read = stream.read_exact(&mut answer);
                read.map(|()| String::from_utf8_lossy(&answer[9..]).into_owned())
                    .unwrap_or_default()
            })
            .collect();
        statuses
    });
    let count = |status: &str| statuses.iter().filter(|s| *s == status).count();
    // Those that had room did not use it; the others were rejected.
    assert!(count("408") >= 10, "{statuses:?}");
    assert!(count("503") >= 100, "{statuses:?}");
    assert_eq!(count("408") + count("503"), 200, "{statuses:?}");
}

/// A head uses its memory for as long as its request is in progress, and not only while it arrives.
#[test]
fn large_heads_whose_bodies_never_come() {
    let _alone = alone();
    let node = Node::start(&echo(), "requires_body = true", &["--memory", "8"]);
    let statuses = node.watch_within(32, |connect| {
        let field = "x".repeat(60_000);
        let head =
            format!("POST /flare HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\nx: {field}\r\n\r\n");
        let mut streams: Vec<TcpStream> = (0..800)
            .map(|_| {
                let mut stream = connect();
                // What is not read stays in the buffers of the two sockets.
                stream.set_nonblocking(true).unwrap();
                let _ = stream.write(head.as_bytes());
                stream
            })
            .collect();
        let answer = |stream: &mut TcpStream| {
            stream.set_nonblocking(false).unwrap();
            let mut answer = [0; 12];
            let read = stream.read_exact(&mut answer);
            read.map(|()| String::from_utf8_lossy(&answer[9..]).into_owned())
                .unwrap_or_default()
        };
        streams.iter_mut().map(answer).collect::<Vec<String>>()
    });
    let count = |status: &str| statuses.iter().filter(|s| *s == status).count();
    assert!(count("408") >= 50, "{statuses:?}");
    assert!(count("503") >= 300, "{statuses:?}");
}

/// Without a length nobody knows that a body is larger than the whole budget.
#[test]
fn a_body_without_a_length_gets_its_room_alone() {
    let _alone = alone();
    // Its own response is small: a large one would not be waited for.
    let answers = http_guest(|g| {
        let body = g.text("taken");
        format!("(call $resp_body_set {body}) {RESPOND}")
    });
    let node = Node::start(&answers, "requires_body = true", &["--memory", "4"]);
    let (addr, began) = (node.process.addr(), Instant::now());
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| {
                let mut stream = connect(addr);
                let head = "POST /flare HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\
                            Transfer-Encoding: chunked\r\n\r\n";
                let chunk = format!("8000\r\n{}\r\n", "x".repeat(0x8000));
                let body = format!("{head}{}0\r\n\r\n", chunk.repeat(4));
                stream.write_all(body.as_bytes()).unwrap();
                let mut answer = String::new();
                stream.read_to_string(&mut answer).unwrap();
                assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            });
        }
    });
    assert!(
        began.elapsed() < Duration::from_secs(8),
        "{:?}",
        began.elapsed()
    );
}

#[test]
fn guests_that_compute_do_not_hold_others_up() {
    let _alone = alone();
    // About 30 ms each.
    let guest = Guest::new().http(&format!(
        "(loop $on
           (local.set $i (i32.add (local.get $i) (i32.const 1)))
           (br_if $on (i32.lt_u (local.get $i) (i32.const 30000000))))
         {RESPOND}"
    ));
    let node = Node::start(&guest, "[limits]\nmax_time_ms = 10000", &[]);
    node.watch(|connect| {
        let clients: Vec<_> = (0..300)
            .map(|_| {
                let mut stream = connect();
                std::thread::spawn(move || {
                    let request = "GET /flare HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
                    stream.write_all(request.as_bytes()).unwrap();
                    let mut answer = String::new();
                    stream.read_to_string(&mut answer).unwrap();
                    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
                })
            })
            .collect();
        for client in clients {
            client.join().unwrap();
        }
    });
}

#[test]
fn websocket_messages_that_never_end() {
    // A binary message of 10 MiB, of which 9 are sent.
    let head = [0x82, 0xff, 0, 0, 0, 0, 0, 0xa0, 0, 0, 0, 0, 0, 0];
    never_ending([&head[..], &vec![1; 9 << 20]].concat());
}

#[test]
fn websocket_messages_in_parts_that_never_end() {
    // The same in parts that are too small to be counted individually.
    let part = |opcode| [&[opcode, 0xfe, 0x1f, 0x40, 0, 0, 0, 0][..], &[1; 8000]].concat();
    never_ending([part(2), part(0).repeat((9 << 20) / 8000)].concat());
}

/// Clients that send this much of a message, and no more.
fn never_ending(sent: Vec<u8>) {
    let _alone = alone();
    let node = Node::start(
        &Guest::new().ws("", "", ""),
        "[limits]\nmax_ws_message_bytes = 10485760\nws_idle_secs = 5",
        &[],
    );
    let sent: Arc<[u8]> = sent.into();
    node.watch(|connect| {
        // 900 MiB in total.
        let clients: Vec<_> = (0..100)
            .map(|_| {
                let (mut stream, sent) = (connect(), sent.clone());
                std::thread::spawn(move || {
                    stream.write_all(UPGRADE).unwrap();
                    stream
                        .set_write_timeout(Some(Duration::from_secs(5)))
                        .unwrap();
                    let _ = stream.write_all(&sent);
                    std::thread::sleep(Duration::from_secs(3));
                })
            })
            .collect();
        for client in clients {
            client.join().unwrap();
        }
    });
}

/// Frames that cost their sender six bytes, as fast as they are taken, from clients that read nothing.
#[test]
fn floods_of_small_websocket_frames() {
    let _alone = alone();
    let node = Node::start(
        &Guest::new().ws("", "(drop (call $ws_send (i32.const 0) (i32.const 1)))", ""),
        "[limits]\nws_idle_secs = 5",
        &[],
    );
    let frame = |first: u8| [first, 0x80, 0, 0, 0, 0].repeat(10_000);
    let floods = [
        // Pings, pongs, and messages of no bytes, which the flare answers.
        frame(0x89),
        frame(0x8a),
        frame(0x82),
        // A message in parts of no bytes that does not end.
        [&[0x02, 0x80, 0, 0, 0, 0][..], &frame(0x00)].concat(),
    ];
    node.watch(|connect| {
        std::thread::scope(|scope| {
            for flood in floods.iter().cycle().take(12) {
                let mut stream = connect();
                scope.spawn(move || {
                    stream
                        .set_write_timeout(Some(Duration::from_secs(1)))
                        .unwrap();
                    stream.write_all(UPGRADE).unwrap();
                    let until = Instant::now() + Duration::from_secs(5);
                    let mut next = &flood[..];
                    while Instant::now() < until {
                        match stream.write(next) {
                            Ok(written) => next = &next[written..],
                            // Nobody takes it: the node is right.
                            Err(_) => std::thread::sleep(Duration::from_millis(100)),
                        }
                        if next.is_empty() {
                            // A message goes on with its parts.
                            next = &flood[if flood[0] == 0x02 { 6 } else { 0 }..];
                        }
                    }
                });
            }
        });
    });
}
