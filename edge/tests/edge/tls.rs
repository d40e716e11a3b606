//! TLS, and HTTP/2 over it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use flaron_edge::{Certificate, Edge, Server};
use futures_util::{SinkExt as _, StreamExt as _};
use http::{Request, Response, StatusCode, Version};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::Message;

use crate::guest::{Guest, RESPOND, http_guest};
use crate::process::{PROGRAM, Process};
use crate::socket::LONG;

/// A node that serves TLS, and the folder of its certificate.
struct Encrypted {
    server: Server,
    folder: TempDir,
}

impl Encrypted {
    async fn serve(edge: &Edge) -> Encrypted {
        let folder = tempfile::tempdir().unwrap();
        let certificate = Certificate::self_made(folder.path()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = edge.serve_tls(listener, &certificate).unwrap();
        Encrypted { server, folder }
    }

    /// Connects as a client that trusts the certificate and offers these protocols.
    async fn connect(&self, protocols: &[&str]) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        let file = self.folder.path().join("certificate.pem");
        roots
            .add(CertificateDer::from_pem_file(file).unwrap())
            .unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|p| p.as_bytes().to_vec()).collect();
        let stream = TcpStream::connect(self.server.addr()).await?;
        let name = "localhost".try_into().unwrap();
        TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
    }

    async fn http2(&self) -> SendRequest<Full<Bytes>> {
        let stream = self.connect(&["h2", "http/1.1"]).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let (sender, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
            .handshake(TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        sender
    }
}

async fn text(response: Response<Incoming>) -> String {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

fn get(uri: &str) -> http::request::Builder {
    Request::get(uri)
}

fn no_body() -> Full<Bytes> {
    Full::default()
}

fn url_reader() -> Guest {
    http_guest(|_| format!("(call $reply (call $req_url)) {RESPOND}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_requests_share_an_http2_connection() {
    let node = Encrypted::serve(&url_reader().edge()).await;
    let sender = node.http2().await;
    // More than the limit of concurrent requests.
    let requests = (0..150).map(|number| {
        let mut sender = sender.clone();
        async move {
            let url = format!("https://localhost/{number}?a=b");
            let response = sender.send_request(get(&url).body(no_body()).unwrap());
            let response = response.await.unwrap();
            assert_eq!(response.version(), Version::HTTP_2);
            assert_eq!(text(response).await, url);
        }
    });
    timeout(LONG, futures_util::future::join_all(requests))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_without_http2_speaks_http1() {
    let node = Encrypted::serve(&url_reader().edge()).await;
    for protocols in [&["http/1.1"][..], &[]] {
        let mut stream = node.connect(protocols).await.unwrap();
        stream
            .write_all(b"GET /a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .await
            .unwrap();
        let mut response = String::new();
        // With a close notification: without one this would be an error.
        let read = timeout(LONG, stream.read_to_string(&mut response)).await;
        read.unwrap().unwrap();
        assert!(
            response.ends_with("\r\n\r\nhttps://localhost/a"),
            "{response}"
        );
    }
    // Neither of the two protocols.
    assert!(node.connect(&["spdy/3"]).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_request_of_http2_is_what_it_is_in_http1() {
    let cookies = http_guest(|g| {
        let name = g.text("cookie");
        format!("(call $reply (call $req_header_get {name})) {RESPOND}")
    });
    let node = Encrypted::serve(&cookies.edge_with("requires_raw_auth = true")).await;
    let mut sender = node.http2().await;
    let mut ask = async |request: http::request::Builder| {
        let request = request.body(no_body()).unwrap();
        sender.ready().await.unwrap();
        sender.send_request(request).await.unwrap()
    };
    let url = "https://localhost/";
    // Cookies may be split into several fields.
    let response = ask(get(url).header("cookie", "a=1").header("cookie", "b=2")).await;
    assert_eq!(text(response).await, "a=1; b=2");
    // A host that differs from the authority.
    let response = ask(get(url).header("host", "other.test")).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert_eq!(response.headers()["x-flaron-error"], "bad-host");
    let response = ask(get(url).header("host", "localhost")).await;
    assert_eq!(response.status(), StatusCode::OK);
    // The scheme of another kind of connection.
    let response = ask(get("http://localhost/")).await;
    assert_eq!(response.status(), StatusCode::MISDIRECTED_REQUEST);
    // A head that is too large. The exact limit differs: HTTP/2 adds 32 for each field.
    let response = ask(get(url).header("x", "y".repeat(70_000))).await;
    assert_eq!(
        response.status(),
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
    );
    // Connection-specific fields set by a flare are not sent.
    assert!(response.headers().get("connection").is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_go_both_ways_and_are_bounded() {
    let echo = http_guest(|_| format!("(call $reply (call $req_body)) {RESPOND}"));
    let settings = "requires_body = true\n[limits]\nmax_body_bytes = 300000";
    let edge = echo.edge_with(settings);
    let node = Encrypted::serve(&edge).await;
    let mut sender = node.http2().await;
    for (sent, seen) in [(200_000, 200_000), (400_000, 300_000)] {
        let body = Full::from(vec![b'x'; sent]);
        let request = Request::post("https://localhost/").body(body).unwrap();
        let response = sender.send_request(request).await.unwrap();
        assert_eq!(text(response).await.len(), seen);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn websockets_go_over_tls() {
    let mut guest = Guest::new();
    let hello = guest.text("hello");
    let guest = guest.ws(&format!("(drop (call $ws_send {hello}))"), "", "");
    let node = Encrypted::serve(&guest.edge()).await;
    let stream = node.connect(&["http/1.1"]).await.unwrap();
    let (mut socket, _) = tokio_tungstenite::client_async("wss://localhost/", stream)
        .await
        .unwrap();
    let message = timeout(LONG, socket.next())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert_eq!(message.into_data(), "hello");
    socket.send(Message::Close(None)).await.unwrap();
    let closed = timeout(LONG, socket.next()).await.unwrap();
    assert!(matches!(closed, Some(Ok(Message::Close(_)))), "{closed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_without_a_request_ends() {
    let node = Encrypted::serve(&url_reader().edge()).await;
    // One client never says hello, one never begins HTTP/2, and one sends plain HTTP.
    let mut silent = TcpStream::connect(node.server.addr()).await.unwrap();
    let mut agreed = node.connect(&["h2"]).await.unwrap();
    let mut plain = TcpStream::connect(node.server.addr()).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let began = Instant::now();
    let mut rest = Vec::new();
    let _ = timeout(LONG, plain.read_to_end(&mut rest)).await.unwrap();
    assert!(!rest.starts_with(b"HTTP"), "{rest:?}");
    let mut rest = Vec::new();
    let patience = 2 * LONG;
    let _ = timeout(patience, silent.read_to_end(&mut rest))
        .await
        .unwrap();
    let _ = timeout(patience, agreed.read_to_end(&mut rest))
        .await
        .unwrap();
    assert!(began.elapsed() > Duration::from_secs(10));
}

#[test]
fn a_certificate_is_kept_and_its_key_is_nobody_elses() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("tls");
    let first = Certificate::self_made(&folder).unwrap();
    let again = Certificate::self_made(&folder).unwrap();
    assert_eq!(first.fingerprint(), again.fingerprint());
    assert_eq!(first.fingerprint().split(':').count(), 32);
    let (chain, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(&key).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0);
    }
    // A certificate that is about to expire is replaced.
    let old = std::time::SystemTime::now() - Duration::from_secs(380 * 24 * 60 * 60);
    let file = std::fs::File::options().append(true).open(&chain).unwrap();
    file.set_modified(old).unwrap();
    let new = Certificate::self_made(&folder).unwrap();
    assert_ne!(first.fingerprint(), new.fingerprint());

    let message = |chain: &std::path::Path, key: &std::path::Path| {
        let error = Certificate::from_files(chain, key).err().unwrap();
        error.to_string()
    };
    let said = message(&key, &key);
    assert!(said.contains("it contains no certificate"), "{said}");
    let said = message(&chain, &chain);
    assert!(said.contains("it contains no key"), "{said}");
    let missing = folder.join("missing.pem");
    let said = message(&missing, &key);
    assert!(
        said.contains("cannot read") && said.contains("missing.pem"),
        "{said}"
    );
    let other = tempfile::tempdir().unwrap();
    Certificate::self_made(other.path()).unwrap();
    let said = message(&chain, &other.path().join("key.pem"));
    assert!(said.contains("are not a certificate and its key"), "{said}");
}

#[test]
fn the_program_serves_https_and_is_asked_without() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("flare.wasm"), url_reader().wasm()).unwrap();
    let run = |options: &[&str]| {
        let mut command = std::process::Command::new(PROGRAM);
        command
            .args(["run", "flare.wasm", "--listen", "127.0.0.1:0"])
            .args(options)
            .current_dir(folder.path());
        command
    };
    let mut command = run(&["--tls"]);
    command.stdout(std::process::Stdio::piped());
    let node = Process::of_tls(command);
    let put = std::process::Command::new(PROGRAM)
        .args(["kv", "put", "spark", "k", "v", "--site", "flare"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(put.status.success(), "{put:?}");
    assert!(node.get("/_edge/status.json").contains("\"k\""));
    let output = run(&["--tls-cert", "missing.pem", "--tls-key", "missing.pem"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(
        said.trim_end(),
        "error: cannot read missing.pem: I/O error: No such file or directory (os error 2)"
    );
}
