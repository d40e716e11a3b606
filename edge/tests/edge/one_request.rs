//! What the flare sees, what is routed and what the origin receives are the same request.

use flaron_edge::{Edge, FlareConfig, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::guest::{Guest, RESPOND, http_guest};
use crate::socket::{exchange, serve};

/// Passes requests below `/public`, according to the path in the URL it sees, and answers 403 to
/// anything else. The path begins at the third slash.
fn guard() -> Guest {
    let mut guest = Guest::new();
    let public = guest.text("/public");
    let public = public.split(')').next().unwrap().to_owned() + ")";
    guest.http(&format!(
        r"(local.set $p (call $req_url))
          (local.set $i (call $ptr (local.get $p)))
          ;; $n counts slashes.
          (block $found (loop $on
            (if (i32.eq (i32.load8_u (local.get $i)) (i32.const 47))
              (then (local.set $n (i32.add (local.get $n) (i32.const 1)))))
            (br_if $found (i32.eq (local.get $n) (i32.const 3)))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br $on)))
          (if (i32.and
                (i32.eq (i32.load (local.get $i)) (i32.load {public}))
                (i32.eq (i32.load offset=3 (local.get $i)) (i32.load offset=3 {public})))
            (then (return (i64.const 0x300000000))))
          (call $resp_set_status (i32.const 403))
          {RESPOND}"
    ))
}

/// An origin that answers with the request it received.
pub async fn mirror() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = Vec::new();
                while !request.windows(4).any(|w| w == b"\r\n\r\n") {
                    let mut buffer = [0; 4096];
                    match stream.read(&mut buffer).await {
                        Ok(0) | Err(_) => return,
                        Ok(n) => request.extend_from_slice(&buffer[..n]),
                    }
                }
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    request.len()
                );
                let _ = stream.write_all(head.as_bytes()).await;
                let _ = stream.write_all(&request).await;
            });
        }
    });
    url
}

fn status(response: &str) -> &str {
    response.get(9..12).unwrap_or("none")
}

async fn guarded() -> (Edge, Server) {
    let edge = Edge::builder()
        .flare(guard().wasm())
        .config(FlareConfig::parse("").unwrap())
        .origin(mirror().await)
        .build()
        .unwrap();
    let server = serve(&edge).await;
    (edge, server)
}

#[tokio::test]
async fn a_guarded_path_cannot_be_reached_by_writing_it_otherwise() {
    let (_edge, server) = guarded().await;
    for (target, host, expected) in [
        ("/public/x", "h", "200"),
        ("/admin", "h", "403"),
        // The host would have become the beginning of the path.
        ("/admin", "x/public?", "400"),
        ("/admin", "x/public#", "400"),
        ("/admin", "x/public/", "400"),
        // Dot segments that the origin would resolve.
        ("/public/../admin", "h", "403"),
        ("/public/%2e%2e/admin", "h", "403"),
        ("/public/.%2E/admin", "h", "403"),
        ("/x/../public/y", "h", "200"),
        // Dot segments that some origins would resolve.
        ("/public/..%2fadmin", "h", "400"),
        ("/public/..\\admin", "h", "400"),
        ("/public/..;/admin", "h", "400"),
        // The target names the host.
        ("http://other/admin", "h", "403"),
        ("http://other/public", "h", "200"),
        ("http://other/admin", "x/public?", "400"),
        ("http://x/public/../admin", "h", "403"),
    ] {
        let response = exchange(
            &server,
            format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"),
        )
        .await;
        assert_eq!(status(&response), expected, "{target} {host}\n{response}");
        if expected == "200" {
            let (_, seen) = response.split_once("\r\n\r\n").unwrap();
            assert!(seen.starts_with("GET /public"), "{seen}");
        }
    }
}

#[tokio::test]
async fn a_host_that_is_missing_doubled_or_malformed_is_a_400() {
    let edge = http_guest(|_| format!("(call $reply (call $req_url)) {RESPOND}")).edge();
    let server = serve(&edge).await;
    for hosts in [
        "",
        "Host: a\r\nHost: b\r\n",
        "Host: a\r\nHost: a\r\n",
        "Host:\r\n",
        "Host: a b\r\n",
        "Host: a,b\r\n",
        "Host: a@b\r\n",
        "Host: a:b\r\n",
        "Host: http://a\r\n",
    ] {
        let request = format!("GET / HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n");
        let response = exchange(&server, request).await;
        // How hyper treats a list is its own business; to the edge this is not a list.
        let fine = hosts.contains("a,b") && status(&response) == "200";
        assert!(status(&response) == "400" || fine, "{hosts}{response}");
    }
    // HTTP/1.0 did not have the field.
    let response = exchange(&server, "GET /x HTTP/1.0\r\n\r\n").await;
    assert!(response.ends_with("http://localhost/x"), "{response}");
}

#[tokio::test]
async fn with_a_full_target_its_host_is_the_host_everywhere() {
    let edge = http_guest(|g| {
        let host = g.text("host");
        format!("(call $reply (call $req_header_get {host})) {RESPOND}")
    })
    .edge();
    let server = serve(&edge).await;
    let request =
        "GET http://Target.example:81/a HTTP/1.1\r\nHost: field\r\nConnection: close\r\n\r\n";
    let response = exchange(&server, request).await;
    assert!(
        response.ends_with("\r\n\r\ntarget.example:81"),
        "{response}"
    );

    let edge = Edge::builder()
        .flare(Guest::new().http(crate::guest::PASS).wasm())
        .origin(mirror().await)
        .build()
        .unwrap();
    let server = serve(&edge).await;
    let seen = exchange(&server, request).await.to_lowercase();
    assert!(
        seen.contains("x-forwarded-host: target.example:81\r\n"),
        "{seen}"
    );
    assert!(!seen.contains("field"), "{seen}");
}

#[tokio::test]
async fn what_is_no_request_to_a_server_is_refused() {
    let edge = http_guest(|_| format!("(call $reply (call $req_url)) {RESPOND}")).edge();
    let server = serve(&edge).await;
    for (line, expected) in [
        ("OPTIONS *", "204"),
        // The HTTP library makes `/` of a URL's empty path.
        ("OPTIONS http://h", "200"),
        ("GET *", "400"),
        ("CONNECT h:80", "501"),
        ("GET https://h/", "421"),
        ("GET ftp://h/", "421"),
    ] {
        let response = exchange(
            &server,
            format!("{line} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"),
        )
        .await;
        assert_eq!(status(&response), expected, "{line}: {response}");
    }
}
