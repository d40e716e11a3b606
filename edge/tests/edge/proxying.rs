//! Other people's servers as origins, and origins that behave as real ones do.

use std::io::BufRead as _;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use flaron_edge::{Edge, FlareConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::guest::{Guest, PASS, RESPOND, TRANSFORM, get, http_guest, said};
use crate::socket::{LONG, connect, exchange, read_all, read_response, serve};

fn passing(origin: &str) -> Edge {
    acting(&Guest::new().http(PASS), origin)
}

fn acting(guest: &Guest, origin: &str) -> Edge {
    Edge::builder()
        .flare(guest.wasm())
        .config(FlareConfig::parse("").unwrap())
        .origin(origin)
        .build()
        .unwrap()
}

/// An origin that serves each connection with this.
async fn origin<F>(serve: impl Fn(TcpStream, usize) -> F + Send + 'static) -> String
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut count = 0;
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, count));
            count += 1;
        }
    });
    url
}

/// Reads a head.
async fn head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

/// An origin that answers with these bytes, keeps the connection, and answers again.
async fn answering(answer: &'static str) -> String {
    origin(move |mut stream, _| async move {
        while head(&mut stream).await.is_some() {
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    })
    .await
}

const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

/// Python's web server, which speaks HTTP/1.0; killed when dropped.
struct Python(Child, String);

impl Python {
    fn start(folder: &std::path::Path) -> Option<Python> {
        let child = Command::new("python3")
            .args(["-u", "-m", "http.server", "--bind", "127.0.0.1", "0"])
            .current_dir(folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut child) = child else {
            eprintln!("SKIPPED: there is no python3 to be the origin");
            return None;
        };
        // "Serving HTTP on 127.0.0.1 port 40123 (http://127.0.0.1:40123/) ..."
        let mut line = String::new();
        let output = child.stdout.take().unwrap();
        std::io::BufReader::new(output)
            .read_line(&mut line)
            .unwrap();
        let port = line
            .split("port ")
            .nth(1)
            .and_then(|rest| rest.split(' ').next());
        let url = format!("http://127.0.0.1:{}", port.expect("python says its port"));
        Some(Python(child, url))
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_http_1_0_origin_does_not_make_the_client_speak_it() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.txt"), "from python").unwrap();
    let Some(python) = Python::start(folder.path()) else {
        return;
    };
    let edge = passing(&python.1);
    let server = serve(&edge).await;
    let mut stream = connect(&server).await;
    for _ in 0..3 {
        let request = b"GET /a.txt HTTP/1.1\r\nHost: h\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let response = read_response(&mut stream).await;
        assert!(
            response.starts_with("HTTP/1.1 200"),
            "{response}{}",
            said(&edge)
        );
        assert!(response.ends_with("\r\n\r\nfrom python"), "{response}");
        assert!(!response.contains("connection: close"), "{response}");
    }
    // A folder listing, an error, and a method that it does not support.
    for (line, expected) in [("GET /", "200"), ("GET /none", "404"), ("POST /", "501")] {
        let response = exchange(
            &server,
            format!("{line} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"),
        )
        .await;
        assert!(
            response.starts_with(&format!("HTTP/1.1 {expected}")),
            "{line}: {response}{}",
            said(&edge)
        );
    }
}

#[tokio::test]
async fn the_coding_wins_over_the_length() {
    let url = answering(
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n\
         5\r\nhello\r\n0\r\n\r\n",
    )
    .await;
    let server = serve(&passing(&url)).await;
    let request = "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    let response = exchange(&server, request).await;
    assert!(!response.contains("content-length"), "{response}");
    assert!(response.contains("hello"), "{response}");
}

#[tokio::test]
async fn a_coding_that_nobody_could_decode_goes_neither_way() {
    let url = answering(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    )
    .await;
    let edge = passing(&url);
    let server = serve(&edge).await;
    for coding in [
        "gzip, chunked",
        "chunked, chunked",
        "chunked\r\nTransfer-Encoding: chunked",
    ] {
        let request =
            format!("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: {coding}\r\n\r\n0\r\n\r\n");
        let response = exchange(&server, request).await;
        assert!(response.starts_with("HTTP/1.1 501"), "{coding}: {response}");
    }
    let mut stream = connect(&server).await;
    stream.write_all(GET.as_bytes()).await.unwrap();
    let response = read_response(&mut stream).await;
    assert!(response.starts_with("HTTP/1.1 502"), "{response}");
    let said = said(&edge);
    assert!(
        said.contains("a transfer coding that was not requested"),
        "{said}"
    );
}

#[tokio::test]
async fn no_body_where_there_must_be_none() {
    for (answer, status, length) in [
        (
            "HTTP/1.1 205 Reset\r\nContent-Length: 5\r\n\r\nhello",
            "205",
            Some("0"),
        ),
        (
            "HTTP/1.1 204 None\r\nContent-Length: 0\r\n\r\n",
            "204",
            None,
        ),
        (
            "HTTP/1.1 304 Same\r\nContent-Length: 5\r\n\r\n",
            "304",
            None,
        ),
    ] {
        let url = answering(answer).await;
        let server = serve(&passing(&url)).await;
        let mut stream = connect(&server).await;
        for _ in 0..2 {
            stream.write_all(GET.as_bytes()).await.unwrap();
            let mut response = Vec::new();
            while !response.ends_with(b"\r\n\r\n") {
                response.push(timeout(LONG, stream.read_u8()).await.unwrap().unwrap());
            }
            let response = String::from_utf8(response).unwrap();
            assert!(
                response.starts_with(&format!("HTTP/1.1 {status}")),
                "{response}"
            );
            let found = response
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            assert_eq!(found, length, "{response}");
        }
    }
}

#[tokio::test]
async fn a_head_request_has_the_length_of_what_a_get_would_get() {
    let url = answering("HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n").await;
    let request = "HEAD / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    let server = serve(&passing(&url)).await;
    let response = exchange(&server, request).await;
    assert!(response.contains("content-length: 1234\r\n"), "{response}");
    // A flare's own body counts.
    let guest = http_guest(|g| {
        let body = g.text("seven b");
        format!("(call $resp_body_set {body}) {TRANSFORM}")
    });
    let server = serve(&acting(&guest, &url)).await;
    let response = exchange(&server, request).await;
    assert!(response.contains("content-length: 7\r\n"), "{response}");
    assert!(response.ends_with("\r\n\r\n"), "{response}");
}

#[tokio::test]
async fn an_origin_is_told_that_there_is_no_body() {
    let (seen, mut heads) = tokio::sync::mpsc::unbounded_channel();
    let url = origin(move |mut stream, _| {
        let seen = seen.clone();
        async move {
            while let Some(head) = head(&mut stream).await {
                seen.send(head.to_lowercase()).unwrap();
                let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
                stream.write_all(answer).await.unwrap();
            }
        }
    })
    .await;
    let server = serve(&passing(&url)).await;
    for (method, framing, expected) in [
        ("POST", "", true),
        ("PUT", "Content-Length: 0\r\n", true),
        ("PATCH", "", true),
        ("DELETE", "", false),
        ("GET", "", false),
    ] {
        let request =
            format!("{method} / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{framing}\r\n");
        exchange(&server, &request).await;
        let head = heads.recv().await.unwrap();
        let told = head.contains("\r\ncontent-length: 0\r\n");
        assert_eq!(told, expected, "{head}");
        assert!(!head.contains("transfer-encoding"), "{head}");
    }
}

#[tokio::test]
async fn a_transformed_304_does_not_promise_a_body() {
    let url = answering("HTTP/1.1 304 Same\r\nContent-Length: 500\r\n\r\n").await;
    let guest = Guest::new().http(&format!(
        "(call $resp_set_status (i32.const 200)) {TRANSFORM}"
    ));
    let server = serve(&acting(&guest, &url)).await;
    let mut stream = connect(&server).await;
    for _ in 0..2 {
        stream.write_all(GET.as_bytes()).await.unwrap();
        let response = read_response(&mut stream).await;
        assert!(response.starts_with("HTTP/1.1 200"), "{response}");
        assert!(response.contains("content-length: 0\r\n"), "{response}");
    }
}

#[tokio::test]
async fn nothing_of_a_connection_goes_through() {
    let url = answering(
        "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nConnection: X-One, x-two\r\nX-One: 1\r\n\
         X-Two: 2\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\nTrailer: X\r\n\
         Upgrade: h2c\r\nContent-Length: 2\r\n\r\nok",
    )
    .await;
    for guest in [Guest::new().http(PASS), Guest::new().http(TRANSFORM)] {
        let server = serve(&acting(&guest, &url)).await;
        let mut stream = connect(&server).await;
        stream.write_all(GET.as_bytes()).await.unwrap();
        let response = read_response(&mut stream).await.to_lowercase();
        for field in [
            "x-one",
            "x-two",
            "keep-alive:",
            "proxy-authenticate",
            "trailer",
            "upgrade",
        ] {
            assert!(!response.contains(field), "{field} in {response}");
        }
    }
}

/// With `x-flaron-error` this node says that it answers itself; an origin and a flare cannot say so for it.
#[tokio::test]
async fn an_origins_error_is_not_this_nodes() {
    let url = answering(
        "HTTP/1.1 502 Bad Gateway\r\nX-Flaron-Error: trap\r\nContent-Length: 2\r\n\r\nno",
    )
    .await;
    for guest in [Guest::new().http(PASS), Guest::new().http(TRANSFORM)] {
        let edge = acting(&guest, &url);
        let response = get(&edge, "/").await;
        assert_eq!(response.status(), 502);
        assert_eq!(response.headers().get("x-flaron-error"), None);
        assert_eq!(response.headers()["x-flaron-origin-error"], "trap");
    }
    let edge = http_guest(|g| {
        let (name, value) = (g.text("X-Flaron-Error"), g.text("trap"));
        format!("(call $resp_header_set {name} {value}) {RESPOND}")
    })
    .edge();
    assert!(get(&edge, "/").await.headers().is_empty());
    assert!(
        said(&edge).contains("x-flaron-error was dropped"),
        "{}",
        said(&edge)
    );
}

#[tokio::test]
async fn an_unasked_switch_of_protocols_is_a_502() {
    let url = answering(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: foo\r\n\r\n",
    )
    .await;
    let edge = passing(&url);
    let server = serve(&edge).await;
    let mut stream = connect(&server).await;
    stream.write_all(GET.as_bytes()).await.unwrap();
    let response = read_response(&mut stream).await;
    assert!(response.starts_with("HTTP/1.1 502"), "{response}");
    assert!(
        said(&edge).contains("switched protocols"),
        "{}",
        said(&edge)
    );
}

#[tokio::test]
async fn an_upload_that_the_client_cuts_off_is_the_clients_fault() {
    let url = origin(|mut stream, _| async move {
        let mut all = Vec::new();
        let _ = stream.read_to_end(&mut all).await;
    })
    .await;
    let edge = passing(&url);
    let server = serve(&edge).await;
    let mut stream = connect(&server).await;
    stream
        .write_all(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nabc")
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    drop(stream);
    let wait = async {
        while !said(&edge).contains("POST /") {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(LONG, wait).await.unwrap();
    let said = said(&edge);
    assert!(
        said.contains("the client's body did not arrive completely"),
        "{said}"
    );
    assert!(!said.contains("cannot be reached"), "{said}");
    assert!(!said.contains("FAILED"), "{said}");
}

/// How many file descriptors this process has open.
fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_origin_that_answers_early_holds_nobody_up() {
    // It answers after the head and reads no more, in one of three ways.
    for way in 0..3 {
        let url = origin(move |mut stream, _| async move {
            if head(&mut stream).await.is_none() {
                return;
            }
            let answer = b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig";
            let _ = stream.write_all(answer).await;
            match way {
                // It closes at once, with unread input: a reset.
                0 => {}
                // It keeps the connection open, and reads no more.
                1 => tokio::time::sleep(LONG).await,
                // It only closes its own side.
                _ => {
                    let _ = stream.shutdown().await;
                    tokio::time::sleep(LONG).await;
                }
            }
        })
        .await;
        let edge = passing(&url);
        let server = serve(&edge).await;
        let size = 20 << 20;
        let before = descriptors();
        for _ in 0..10 {
            let started = Instant::now();
            let mut stream = connect(&server).await;
            let head = format!(
                "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).await.unwrap();
            // A client that sends everything before it reads.
            let body = vec![b'x'; size];
            timeout(LONG, stream.write_all(&body))
                .await
                .expect("the client is held up")
                .unwrap();
            let response = read_all(&mut stream).await;
            assert!(
                response.starts_with("HTTP/1.1 413"),
                "way {way}: {response}"
            );
            assert!(response.ends_with("big"), "{response}");
            assert!(started.elapsed() < Duration::from_secs(3), "way {way}");
        }
        drop(server);
        let wait = async {
            while descriptors() > before + 20 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(Duration::from_secs(10), wait)
            .await
            .expect("descriptors stay open");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_the_origin_closes_is_never_the_clients_trouble() {
    // It answers one request, and closes a moment later without announcing it: just when the next
    // one may be in transit.
    let posts = Arc::new(AtomicUsize::new(0));
    let counted = posts.clone();
    let url = origin(move |mut stream, count| {
        let counted = counted.clone();
        async move {
            let Some(head) = head(&mut stream).await else {
                return;
            };
            if head.starts_with("POST") {
                counted.fetch_add(1, Ordering::SeqCst);
                let mut body = [0; 3];
                let _ = stream.read_exact(&mut body).await;
            }
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
            let _ = stream.write_all(answer).await;
            tokio::time::sleep(Duration::from_micros(50 * (count as u64 % 20))).await;
        }
    })
    .await;
    let edge = passing(&url);
    let server = serve(&edge).await;
    let mut tasks = Vec::new();
    for client in 0..8 {
        let mut stream = connect(&server).await;
        tasks.push(tokio::spawn(async move {
            for _ in 0..200 {
                let request = match client % 2 {
                    0 => "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
                    _ => GET,
                };
                stream.write_all(request.as_bytes()).await.unwrap();
                let response = read_response(&mut stream).await;
                assert!(response.starts_with("HTTP/1.1 200"), "{response}");
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    // Requests that must not be repeated were not.
    assert_eq!(posts.load(Ordering::SeqCst), 800);
}

#[tokio::test]
async fn a_response_that_stops_is_cut_off_and_said() {
    let url = origin(move |mut stream, _| async move {
        let request = head(&mut stream).await.unwrap();
        let begin = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nab";
        stream.write_all(begin).await.unwrap();
        // First a pause that is allowed, and then one that is too long, or none.
        tokio::time::sleep(Duration::from_secs(50)).await;
        stream.write_all(b"cd").await.unwrap();
        if request.starts_with("GET /stops") {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(Duration::from_secs(50)).await;
        stream.write_all(b"ef").await.unwrap();
        let _ = stream.read_u8().await;
    })
    .await;
    let edge = passing(&url);
    let server = serve(&edge).await;
    // The test controls the clock, so this takes no time.
    tokio::time::pause();
    for (path, body, seconds) in [
        ("/stops", "abcd", 110..112),
        ("/goes-on", "abcdef", 100..102),
    ] {
        let mut stream = connect(&server).await;
        let request = format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let started = tokio::time::Instant::now();
        let mut answer = Vec::new();
        let read = timeout(Duration::from_secs(300), stream.read_to_end(&mut answer)).await;
        read.expect("the client waits forever").unwrap();
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.ends_with(&format!("\r\n\r\n{body}")), "{answer}");
        let took = started.elapsed().as_secs();
        assert!(seconds.contains(&took), "{path} took {took} s");
    }
    let said = said(&edge);
    assert!(
        said.contains("response broke off: nothing arrived for 60s"),
        "{said}"
    );
    assert_eq!(said.matches("broke off").count(), 1, "{said}");
}

#[tokio::test]
async fn a_response_that_the_origin_breaks_off_is_said() {
    let url = origin(move |mut stream, _| async move {
        head(&mut stream).await.unwrap();
        let begin = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nab";
        stream.write_all(begin).await.unwrap();
    })
    .await;
    let edge = passing(&url);
    let server = serve(&edge).await;
    let answer = exchange(&server, GET).await;
    assert!(answer.ends_with("\r\n\r\nab"), "{answer}");
    let said = said(&edge);
    assert!(said.contains("the origin's response broke off"), "{said}");
}

/// However early the origin's body breaks off, the client gets what came before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_broken_from_the_start_does_not_take_the_head_along() {
    for (chunks, got) in [
        ("ffffffffffffffffff\r\nhello", ""),
        ("-5\r\nhello", ""),
        ("5\r\nhello\r\nz\r\n", "5\r\nhello\r\n"),
    ] {
        let url = origin(move |mut stream, _| async move {
            head(&mut stream).await.unwrap();
            let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
            let answer = format!("{head}{chunks}");
            stream.write_all(answer.as_bytes()).await.unwrap();
            let _ = stream.read_u8().await;
        })
        .await;
        let edge = passing(&url);
        let server = serve(&edge).await;
        // The result depends on which task runs first.
        for _ in 0..50 {
            let answer = exchange(&server, GET).await;
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer:?}");
            assert!(answer.ends_with(&format!("\r\n\r\n{got}")), "{answer:?}");
        }
        assert!(said(&edge).contains("broke off"), "{}", said(&edge));
    }
}

/// Data in transit is charged to the node's memory budget, and however small that is, everything
/// arrives.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_share_what_room_there_is() {
    const SIZE: usize = 1 << 20;
    let url = origin(move |mut stream, _| async move {
        let request = head(&mut stream).await.unwrap();
        let mut body = vec![b'd'; SIZE];
        if request.starts_with("POST") {
            stream.read_exact(&mut body).await.unwrap();
        }
        let begin = format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n");
        let _ = stream.write_all(begin.as_bytes()).await;
        let _ = stream.write_all(&body).await;
        let _ = stream.read_u8().await;
    })
    .await;
    let edge = Edge::builder()
        .flare(Guest::new().http(PASS).wasm())
        .config(FlareConfig::parse("").unwrap())
        .origin(&url)
        .memory(100 << 10)
        .build()
        .unwrap();
    let server = serve(&edge).await;
    let mut clients = Vec::new();
    for n in 0..12 {
        let mut stream = connect(&server).await;
        clients.push(tokio::spawn(async move {
            let (method, body) = match n % 2 {
                0 => ("GET", Vec::new()),
                _ => ("POST", vec![b'u'; SIZE]),
            };
            let begin = format!(
                "{method} / HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            stream.write_all(begin.as_bytes()).await.unwrap();
            stream.write_all(&body).await.unwrap();
            let mut answer = Vec::new();
            // Some read slowly.
            if n % 3 == 0 {
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
            stream.read_to_end(&mut answer).await.unwrap();
            assert!(answer.starts_with(b"HTTP/1.1 200"));
            let sent = &answer[answer.len() - SIZE..];
            let expected = if body.is_empty() { b'd' } else { b'u' };
            assert!(sent.iter().all(|byte| *byte == expected));
        }));
    }
    for client in clients {
        timeout(LONG, client).await.expect("it hangs").unwrap();
    }
}

#[tokio::test]
async fn connections_to_an_origin_are_kept() {
    let opened = Arc::new(AtomicUsize::new(0));
    let counted = opened.clone();
    let url = origin(move |mut stream, _| {
        counted.fetch_add(1, Ordering::SeqCst);
        async move {
            while head(&mut stream).await.is_some() {
                let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
                let _ = stream.write_all(answer).await;
            }
        }
    })
    .await;
    let edge = passing(&url);
    let server = serve(&edge).await;
    let mut stream = connect(&server).await;
    for _ in 0..50 {
        stream.write_all(GET.as_bytes()).await.unwrap();
        let response = read_response(&mut stream).await;
        assert!(response.ends_with("ok"), "{response}");
    }
    assert_eq!(opened.load(Ordering::SeqCst), 1);
}
