//! One hop among others: what is passed on, what ends here, and request loops.

use flaron_edge::{Edge, FlareConfig, Server};
use tokio::net::TcpListener;

use crate::guest::{Guest, PASS, RESPOND, http_guest, said};
use crate::one_request::mirror;
use crate::socket::{exchange, serve};

fn passing(origin: &str) -> Edge {
    Edge::builder()
        .flare(Guest::new().http(PASS).wasm())
        .config(FlareConfig::parse("").unwrap())
        .origin(origin)
        .build()
        .unwrap()
}

async fn ask(server: &Server, line: &str, fields: &str) -> String {
    exchange(server, format!("{line}\r\nHost: h\r\n{fields}\r\n")).await
}

#[tokio::test]
async fn the_origin_is_told_of_the_way() {
    let edge = passing(&mirror().await);
    let server = serve(&edge).await;
    let fields = "Via: 1.1 before\r\nConnection: close\r\n";
    let seen = ask(&server, "GET / HTTP/1.1", fields).await;
    assert!(
        seen.contains("\r\nvia: 1.1 before\r\nvia: 1.1 flaron-"),
        "{seen}"
    );
    let seen = ask(&server, "GET / HTTP/1.0", "").await;
    assert!(seen.contains("\r\nvia: 1.0 flaron-"), "{seen}");
}

#[tokio::test]
async fn a_request_does_not_go_in_a_circle() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let edge = passing(&format!("http://{}", listener.local_addr().unwrap()));
    let server = edge.serve(listener).unwrap();
    let response = ask(&server, "GET / HTTP/1.1", "Connection: close\r\n").await;
    assert!(response.starts_with("HTTP/1.1 508 "), "{response}");
    // To the node it was its origin that said so.
    assert!(
        response.contains("x-flaron-origin-error: loop"),
        "{response}"
    );
    // Once as the client's, and once as its own.
    assert_eq!(edge.entries().len(), 2);
    assert!(
        said(&edge).contains("leads back to this node"),
        "{}",
        said(&edge)
    );
}

#[tokio::test]
async fn a_request_that_may_go_no_further_is_answered_here() {
    let edge = passing(&mirror().await);
    let server = serve(&edge).await;
    for (method, left, expected) in [
        ("OPTIONS", "0", "HTTP/1.1 204 "),
        ("TRACE", "0", "HTTP/1.1 501 "),
        ("OPTIONS", "3", "\r\nmax-forwards: 2\r\n"),
        // Other methods do not count hops.
        ("GET", "0", "\r\nmax-forwards: 0\r\n"),
    ] {
        let line = format!("{method} /x HTTP/1.1");
        let fields = format!("Max-Forwards: {left}\r\nConnection: close\r\n");
        let response = ask(&server, &line, &fields).await;
        assert!(response.contains(expected), "{method} {left}: {response}");
    }
}

#[tokio::test]
async fn a_field_for_this_hop_alone_is_shown_to_nobody() {
    let fields = "X-Role: admin\r\nConnection: close, X-Role, Host\r\n";
    // The flare sees the same request as the origin.
    let edge = http_guest(|g| {
        let role = g.text("x-role");
        format!("(call $reply (call $req_header_get {role})) {RESPOND}")
    })
    .edge();
    let server = serve(&edge).await;
    let response = ask(&server, "GET / HTTP/1.1", fields).await;
    assert!(!response.contains("admin"), "{response}");

    let edge = passing(&mirror().await);
    let server = serve(&edge).await;
    let seen = ask(&server, "GET / HTTP/1.1", fields).await;
    assert!(!seen.contains("admin"), "{seen}");
    // The requested host does not belong to a single hop.
    assert!(seen.contains("\r\nx-forwarded-host: h\r\n"), "{seen}");
}

/// A client cannot use another spelling of a field to override what the node says about it.
#[tokio::test]
async fn the_origin_hears_the_same_of_the_client_in_every_spelling() {
    let edge = passing(&mirror().await);
    let server = serve(&edge).await;
    let fields = "Forwarded: for=6.6.6.6;host=evil\r\nX_Forwarded_Host: evil\r\nX-Forwarded_For: 6.6.6.6\r\n\
                  X-Mine: kept\r\nConnection: close\r\n";
    let seen = ask(&server, "GET / HTTP/1.1", fields).await;
    // Earlier members are kept, and come first.
    let hop = "\r\nforwarded: for=6.6.6.6;host=evil\r\n\
               forwarded: for=127.0.0.1;proto=http;host=\"h\"\r\n";
    assert!(seen.contains(hop), "{seen}");
    assert!(
        seen.contains("\r\nx-forwarded-for: 127.0.0.1\r\n"),
        "{seen}"
    );
    assert!(seen.contains("\r\nx-mine: kept\r\n"), "{seen}");
    assert!(!seen.contains('_'), "{seen}");

    let seen = ask(&server, "GET / HTTP/1.1", "Connection: close\r\n").await;
    assert!(!seen.contains("\r\nforwarded:"), "{seen}");
}

/// To a server that makes variables of fields an underscore is a hyphen: `Content_Length` would be a body's length, and
/// `X_Role` a field that the flare was not shown.
#[tokio::test]
async fn a_name_that_some_servers_read_otherwise_goes_no_further() {
    let fields =
        "Content_Length: 5\r\nTransfer_Encoding: chunked\r\nX_Role: admin\r\nConnection: close\r\n";
    let edge = passing(&mirror().await);
    let server = serve(&edge).await;
    let seen = ask(&server, "GET / HTTP/1.1", fields).await;
    assert!(!seen.contains('_') && !seen.contains("admin"), "{seen}");
    let told = said(&edge);
    assert!(
        told.contains("content_length and 2 more was dropped"),
        "{told}"
    );

    let edge = http_guest(|g| {
        let role = g.text("x_role");
        format!("(call $reply (call $req_header_get {role})) {RESPOND}")
    })
    .edge();
    let server = serve(&edge).await;
    let response = ask(&server, "GET / HTTP/1.1", fields).await;
    assert!(!response.contains("admin"), "{response}");
}
