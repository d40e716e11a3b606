//! Requests and responses.

use http::{Request, StatusCode};

use crate::guest::{Guest, RESPOND, get, http_guest, said};

#[tokio::test]
async fn a_response_has_what_was_set() {
    let edge = http_guest(|g| {
        let (name, value) = (g.text("Content-Type"), g.text("text/x"));
        let (other, first, last) = (g.text("x-a"), g.text("first"), g.text("last"));
        let (old, body) = (g.text("old"), g.text("body"));
        format!(
            "(call $resp_set_status (i32.const 418))
             (call $resp_header_set {name} {value})
             (call $resp_header_set {other} {first})
             (call $resp_header_set {other} {last})
             (call $resp_body_set {old})
             (call $resp_body_set {body})
             {RESPOND}"
        )
    })
    .edge();
    let response = get(&edge, "/").await;
    assert_eq!(response.status(), 418);
    assert_eq!(response.headers()["content-type"], "text/x");
    let all: Vec<_> = response.headers().get_all("x-a").iter().collect();
    assert_eq!(all, ["last"], "the same name again overwrites");
    assert_eq!(response.body(), "body");
}

#[tokio::test]
async fn nothing_set_is_an_empty_200() {
    let edge = Guest::new().http(RESPOND).edge();
    let response = get(&edge, "/").await;
    assert_eq!(response.status(), 200);
    assert!(response.headers().is_empty());
    assert!(response.body().is_empty());
}

#[tokio::test]
async fn the_low_half_of_the_action_is_reserved() {
    let edge = Guest::new().http("(i64.const 0x1ffffffff)").edge();
    assert_eq!(get(&edge, "/").await.status(), 200);
}

#[tokio::test]
async fn method_and_url_are_given() {
    let edge = http_guest(|_| format!("(call $reply (call $req_method)) {RESPOND}")).edge();
    let request = Request::builder()
        .method("PURGE")
        .uri("/")
        .body("")
        .unwrap();
    assert_eq!(edge.request(request).await.body(), "PURGE");

    let edge = http_guest(|_| format!("(call $reply (call $req_url)) {RESPOND}")).edge();
    let request = Request::get("/a/b?c=d%20e&f")
        .header("host", "example.com:81")
        .body("")
        .unwrap();
    assert_eq!(
        edge.request(request).await.body(),
        "http://example.com:81/a/b?c=d%20e&f"
    );
}

fn header_reader(name: &str) -> Guest {
    http_guest(|g| {
        let name = g.text(name);
        format!("(call $reply (call $req_header_get {name})) {RESPOND}")
    })
}

#[tokio::test]
async fn headers_are_read_in_any_case() {
    let request = || Request::get("/").header("X-Thing", "v").body("").unwrap();
    let edge = header_reader("x-tHING").edge();
    assert_eq!(edge.request(request()).await.body(), "v");
    let edge = header_reader("x-other").edge();
    assert_eq!(edge.request(request()).await.body(), "<none>");
    let edge = header_reader("not a name\r\n").edge();
    assert_eq!(edge.request(request()).await.body(), "<none>");
    let edge = header_reader("").edge();
    assert_eq!(edge.request(request()).await.body(), "<none>");
}

#[tokio::test]
async fn an_empty_header_is_there() {
    // An empty result has a pointer, and so is not "<none>".
    let edge = header_reader("x-empty").edge();
    let request = Request::get("/").header("x-empty", "").body("").unwrap();
    assert_eq!(edge.request(request).await.body(), "");
}

#[tokio::test]
async fn several_values_are_joined() {
    let request = || {
        Request::get("/")
            .header("accept", "a")
            .header("accept", "b")
            .header("cookie", "c=1")
            .header("cookie", "d=2")
            .body("")
            .unwrap()
    };
    let edge = header_reader("accept").edge();
    assert_eq!(edge.request(request()).await.body(), "a, b");
    let edge = header_reader("cookie").edge_with("requires_raw_auth = true");
    assert_eq!(edge.request(request()).await.body(), "c=1; d=2");
}

#[tokio::test]
async fn auth_headers_are_withheld() {
    for name in ["Authorization", "cookie", "X-Flaron-Anything"] {
        let request = || Request::get("/").header(name, "v").body("").unwrap();
        let edge = header_reader(name).edge();
        assert_eq!(edge.request(request()).await.body(), "<none>", "{name}");
        assert!(said(&edge).contains("requires_raw_auth = true"));
        let edge = header_reader(name).edge_with("requires_raw_auth = true");
        assert_eq!(edge.request(request()).await.body(), "v", "{name}");
    }
}

fn body_echo() -> Guest {
    http_guest(|_| format!("(call $reply (call $req_body)) {RESPOND}"))
}

#[tokio::test]
async fn the_body_is_given_only_if_required() {
    let request = |body: &'static str| Request::post("/").body(body).unwrap();
    let edge = body_echo().edge();
    assert_eq!(edge.request(request("secret")).await.body(), "<none>");
    assert!(said(&edge).contains("requires_body = true"));

    let edge = body_echo().edge_with("requires_body = true");
    assert_eq!(edge.request(request("hello")).await.body(), "hello");
    // An empty body exists, and is empty.
    assert_eq!(edge.request(request("")).await.body(), "");
}

#[tokio::test]
async fn the_body_is_cut_at_its_limit() {
    let edge = body_echo().edge_with("requires_body = true\n[limits]\nmax_body_bytes = 4");
    let response = edge
        .request(Request::post("/").body("12345").unwrap())
        .await;
    assert_eq!(response.body(), "1234");
    assert!(said(&edge).contains("limits.max_body_bytes"));
}

#[tokio::test]
async fn a_body_of_ten_mebibytes_fits_and_more_is_cut() {
    let edge = body_echo().edge_with("requires_body = true");
    let body: Vec<u8> = (0..(10 << 20) + 1).map(|n| n as u8).collect();
    let request = Request::post("/").body(body.clone()).unwrap();
    let response = edge.request(request).await;
    assert_eq!(response.body().len(), 10 << 20);
    assert!(response.body()[..] == body[..10 << 20]);
}

#[tokio::test]
async fn line_breaks_never_become_headers() {
    for (name, value) in [
        ("x-a", "v\r\nx-injected: 1"),
        ("x-a", "v\nx-injected: 1"),
        ("x-a", "v\0"),
        ("x-a\r\nx-injected", "1"),
        ("x-injected: 1\r\nx-a", "1"),
        ("x a", "1"),
        ("", "1"),
        ("x-é", "1"),
    ] {
        let edge = http_guest(|g| {
            let (name, value) = (g.text(name), g.text(value));
            format!("(call $resp_header_set {name} {value}) {RESPOND}")
        })
        .edge();
        let response = get(&edge, "/").await;
        assert_eq!(response.status(), 200);
        assert!(response.headers().is_empty(), "{name:?} {value:?}");
        assert!(said(&edge).contains("dropped"), "{name:?} {value:?}");
    }
}

#[tokio::test]
async fn connection_headers_stay_the_edges() {
    for name in [
        "Content-Length",
        "transfer-encoding",
        "connection",
        "upgrade",
    ] {
        let edge = http_guest(|g| {
            let (name, value) = (g.text(name), g.text("5"));
            format!("(call $resp_header_set {name} {value}) {RESPOND}")
        })
        .edge();
        assert!(get(&edge, "/").await.headers().is_empty(), "{name}");
        assert!(said(&edge).contains("dropped"), "{name}");
    }
}

#[tokio::test]
async fn statuses_out_of_range_are_ignored() {
    for status in [
        "0",
        "-1",
        "99",
        "100",
        "101",
        "199",
        "1000",
        "65736",
        "0x7fffffff",
    ] {
        let edge =
            http_guest(|_| format!("(call $resp_set_status (i32.const {status})) {RESPOND}"))
                .edge();
        assert_eq!(get(&edge, "/").await.status(), StatusCode::OK, "{status}");
        assert!(said(&edge).contains("was ignored"), "{status}");
    }
}

#[tokio::test]
async fn more_headers_than_fit_are_refused() {
    // 300 headers with different names.
    let edge = http_guest(|g| {
        let name = g.text("x-aa");
        let at = name.split(' ').nth(1).unwrap().trim_end_matches(')').parse::<u32>().unwrap();
        format!(
            "(loop $next
               (i32.store8 (i32.const {}) (i32.add (i32.const 97) (i32.rem_u (local.get $i) (i32.const 26))))
               (i32.store8 (i32.const {}) (i32.add (i32.const 97) (i32.div_u (local.get $i) (i32.const 26))))
               (call $resp_header_set {name} {name})
               (local.set $i (i32.add (local.get $i) (i32.const 1)))
               (br_if $next (i32.lt_u (local.get $i) (i32.const 300))))
             {RESPOND}",
            at + 2,
            at + 3,
        )
    })
    .edge();
    let response = get(&edge, "/").await;
    assert_eq!(response.headers().len(), 256);
    assert!(said(&edge).contains("at most 256 headers"));

    // One header that is too large.
    let edge = http_guest(|g| {
        let name = g.text("x-a");
        let value = g.text("v".repeat(60_000));
        let (other, _) = (g.text("x-b"), ());
        format!(
            "(call $resp_header_set {name} {value})
             (call $resp_header_set {other} {value})
             (call $resp_header_set {name} {value})
             {RESPOND}"
        )
    })
    .edge();
    let response = get(&edge, "/").await;
    assert_eq!(
        response.headers().len(),
        1,
        "the second is too much, the third replaces"
    );
}

#[tokio::test]
async fn every_request_has_a_fresh_instance() {
    let edge = http_guest(|_| {
        format!(
            "(i32.store (i32.const 0xff00) (i32.add (i32.load (i32.const 0xff00)) (i32.const 1)))
             (call $reply_number (i32.load (i32.const 0xff00)))
             {RESPOND}"
        )
    })
    .edge();
    for _ in 0..20 {
        assert_eq!(get(&edge, "/").await.body(), "0001");
    }
}

#[tokio::test]
async fn flares_are_chosen_by_the_longest_route() {
    let named = |name: &str| {
        http_guest(|g| {
            let name = g.text(name);
            format!("(call $resp_body_set {name}) {RESPOND}")
        })
        .wasm()
    };
    let edge = flaron_edge::Edge::builder()
        .flare(named("root"))
        .flare(named("api"))
        .route("/api")
        .flare(named("v2"))
        .route("/api/v2/")
        .build()
        .unwrap();
    for (path, name) in [
        ("/", "root"),
        ("/apis", "root"),
        ("/api", "api"),
        ("/api?x", "api"),
        ("/api/x", "api"),
        ("/api/v2", "v2"),
        ("/api/v2/x", "v2"),
    ] {
        assert_eq!(get(&edge, path).await.body(), name, "{path}");
    }
}

#[tokio::test]
async fn no_route_is_404() {
    let edge = flaron_edge::Edge::builder()
        .flare(Guest::new().http(RESPOND).wasm())
        .route("/only")
        .build()
        .unwrap();
    let response = get(&edge, "/other").await;
    assert_eq!(response.status(), 404);
    assert_eq!(response.headers()["x-flaron-error"], "no-route");
    assert_eq!(get(&edge, "/only").await.status(), 200);
}

#[tokio::test]
async fn two_flares_with_one_route_are_refused() {
    let wasm = Guest::new().http(RESPOND).wasm();
    let error = flaron_edge::Edge::builder()
        .flare(wasm.clone())
        .flare(wasm)
        .build()
        .err()
        .unwrap();
    assert!(error.to_string().contains("same route"), "{error}");
}
