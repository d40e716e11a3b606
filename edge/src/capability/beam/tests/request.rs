//! What is sent, and what comes back.

use super::*;

#[test]
fn the_response_is_the_abis_json() {
    let (address, _) = serve(|_| {
        reply(
            "418 I'm a teapot",
            &["X-One: 1", "x-list: a", "X-List: b", "X-Latin: caf\u{e9}"],
            b"text \"quoted\"\n\xff\xfe\xf0\x9f\xa6\x80",
        )
    });
    let setup = Setup::private();
    let response = setup.fetch(&format!("http://{address}/")).unwrap();
    let members: Vec<&String> = response.as_object().unwrap().keys().collect();
    assert_eq!(members, ["body", "headers", "status"]);
    assert_eq!(response["status"], 418);
    assert_eq!(response["headers"]["x-one"], "1");
    assert_eq!(response["headers"]["x-list"], "a, b");
    assert_eq!(response["headers"]["x-latin"], "caf\u{e9}");
    assert_eq!(
        response["body"],
        "text \"quoted\"\n\u{fffd}\u{fffd}\u{1f980}"
    );
}

#[test]
fn what_the_flare_asks_for_is_sent() {
    let (address, log) = serve(|_| reply("204 No Content", &[], b""));
    let setup = Setup::mapped(&[("api.example.test", address.to_string())]);
    let options = json!({
        "method": "post",
        "headers": {
            "X-Key": "value", "Content-Type": "text/plain", "Accept": "a/b",
            "Host": "elsewhere", "Content-Length": "3", "Transfer-Encoding": "chunked",
            "Connection": "upgrade", "Upgrade": "x", "Expect": "100-continue",
        },
        "body": "caf\u{e9}",
    });
    setup
        .fetch_with("http://api.example.test:8080/a%20b?q=1#f", &options)
        .unwrap();
    setup.fetch("https://api.example.test/").unwrap();
    let log = log.lock().unwrap();
    let sent = &log[0];
    assert_eq!(sent.line(), "POST /a%20b?q=1 HTTP/1.1");
    assert_eq!(sent.body, "caf\u{e9}");
    for (name, value) in [
        ("host", Some("api.example.test:8080")),
        ("x-key", Some("value")),
        ("content-type", Some("text/plain")),
        ("accept", Some("a/b")),
        ("content-length", Some("5")),
        ("transfer-encoding", None),
        ("connection", None),
        ("upgrade", None),
        ("expect", None),
    ] {
        assert_eq!(sent.header(name), value, "{name}");
    }
    let hosts = sent
        .head
        .iter()
        .filter(|line| line.starts_with("host:"))
        .count();
    assert_eq!(hosts, 1);
    assert_eq!(log[1].line(), "GET / HTTP/1.1");
    assert_eq!(log[1].header("host"), Some("api.example.test"));
    assert!(
        log[1]
            .header("user-agent")
            .unwrap()
            .starts_with("flaron-edge/")
    );
}

#[test]
fn no_options_are_a_plain_get() {
    let (address, log) = serve(|_| reply("200 OK", &[], b""));
    let setup = Setup::private();
    let url = format!("http://{address}/");
    for options in [&b""[..], b"{}", br#"{"method":"","headers":{}}"#] {
        BeamSession::new(setup.beam.clone(), 1)
            .fetch(url.as_bytes(), options)
            .unwrap();
    }
    for sent in log.lock().unwrap().iter() {
        assert_eq!(sent.line(), "GET / HTTP/1.1");
        assert_eq!(sent.header("content-length"), None);
    }
}

#[test]
fn options_are_strict_and_cannot_inject() {
    let (address, log) = serve(|_| reply("200 OK", &[], b""));
    let setup = Setup::private();
    let url = format!("http://{address}/");
    for (options, part) in [
        (r#"{"method":7}"#, "line 1"),
        (r#"{"methods":"GET"}"#, "unknown"),
        (r#"{"headers":{"a":1}}"#, "line 1"),
        (r#"{"body":["x"]}"#, "line 1"),
        (r#"{"method":"GET"#, "incomplete JSON"),
        ("GET", "not JSON"),
        (r#"{"headers":{"a":"x\r\nEvil: 1"}}"#, "`a`"),
        (r#"{"headers":{"a":"x\nEvil: 1"}}"#, "`a`"),
        (r#"{"headers":{"a":"x\u0000"}}"#, "`a`"),
        (r#"{"headers":{"a\r\nEvil: 1":"x"}}"#, "not a header's name"),
        (r#"{"headers":{"a b":"x"}}"#, "not a header's name"),
        (r#"{"headers":{"":"x"}}"#, "not a header's name"),
        (
            r#"{"method":"GET / HTTP/1.1\r\nEvil: 1\r\n"}"#,
            "not a method",
        ),
        (r#"{"method":"CONNECT"}"#, "flares may not use the method"),
        (r#"{"method":"trace"}"#, "flares may not use the method"),
    ] {
        let mut session = BeamSession::new(setup.beam.clone(), 1);
        let refusal = session
            .fetch(url.as_bytes(), options.as_bytes())
            .unwrap_err();
        assert!(
            matches!(refusal, BeamRefusal::Options(_)),
            "{options}: {refusal}"
        );
        assert!(refusal.to_string().contains(part), "{options}: {refusal}");
    }
    for (url, part) in [
        ("", "relative URL"),
        ("/path", "relative URL"),
        ("ftp://example.test/", "`ftp`"),
        ("file:///etc/passwd", "`file`"),
        ("javascript:alert(1)", "`javascript`"),
        ("http://", "empty host"),
        ("http://a b/", "domain"),
    ] {
        let refusal = setup.fetch(url).unwrap_err();
        assert!(matches!(refusal, BeamRefusal::Url(_)), "{url}: {refusal:?}");
        assert!(refusal.to_string().contains(part), "{url}: {refusal}");
    }
    let mut session = BeamSession::new(setup.beam.clone(), 9);
    assert!(matches!(
        session.fetch(b"http://\xff/", b""),
        Err(BeamRefusal::Url(_))
    ));
    let long = format!("http://{address}/{}", "a".repeat(9000));
    assert!(matches!(
        session.fetch(long.as_bytes(), b""),
        Err(BeamRefusal::Url(_))
    ));
    assert!(log.lock().unwrap().is_empty());
    // A line break in a URL is removed by the URL rules, so it cannot split the request.
    setup
        .fetch(&format!("http://{address}/a\r\nEvil: 1"))
        .unwrap();
    assert_eq!(log.lock().unwrap()[0].line(), "GET /aEvil:%201 HTTP/1.1");
}

#[test]
fn an_invocation_has_so_many_fetches() {
    let setup = Setup::new(BeamConfig::default());
    let mut session = BeamSession::new(setup.beam.clone(), DEFAULT_FETCHES);
    for _ in 0..16 {
        // Refused fetches count, too: a flare cannot probe endlessly.
        let refusal = session.fetch(b"http://127.0.0.1/", b"").unwrap_err();
        assert!(matches!(refusal, BeamRefusal::Forbidden { .. }));
    }
    let refusal = session.fetch(b"http://127.0.0.1/", b"").unwrap_err();
    assert_eq!(refusal, BeamRefusal::Limit(16));
    assert!(refusal.to_string().contains("max_fetch_requests"));
}

#[test]
fn slow_servers_and_long_bodies_are_no_response() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let (trickling, _) =
        serve(|_| b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly the beginning".to_vec());
    let (large, _) = serve(|_| reply("200 OK", &[], &[b'x'; 1001]));
    let (chunked, _) = serve(|_| {
        let mut reply = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
        for _ in 0..600 {
            reply.extend(b"2\r\nxx\r\n");
        }
        reply.extend(b"0\r\n\r\n");
        reply
    });
    let (exact, _) = serve(|_| reply("200 OK", &[], &[b'x'; 1000]));
    let setup = Setup::new(BeamConfig {
        allow_private: true,
        timeout: Duration::from_millis(300),
        max_response_bytes: 1000,
        ..BeamConfig::default()
    });
    let begun = Instant::now();
    let refusal = setup
        .fetch(&format!("http://{}/", silent.local_addr().unwrap()))
        .unwrap_err();
    assert_eq!(refusal, BeamRefusal::Timeout(Duration::from_millis(300)));
    assert!(begun.elapsed() < Duration::from_secs(3));
    let refusal = setup.fetch(&format!("http://{trickling}/")).unwrap_err();
    // The server closes early: a truncated body is not passed on.
    assert!(
        matches!(refusal, BeamRefusal::Transport { .. }),
        "{refusal}"
    );
    for address in [large, chunked] {
        let refusal = setup.fetch(&format!("http://{address}/")).unwrap_err();
        assert_eq!(refusal, BeamRefusal::TooLarge(1000));
    }
    let response = setup.fetch(&format!("http://{exact}/")).unwrap();
    assert_eq!(response["body"].as_str().unwrap().len(), 1000);
    let nobody = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let refusal = setup
        .fetch(&format!("http://{nobody}/?key=hidden"))
        .unwrap_err();
    assert!(
        matches!(refusal, BeamRefusal::Transport { .. }),
        "{refusal}"
    );
    assert!(!refusal.to_string().contains("hidden"), "{refusal}");
    let refusal = setup.fetch("http://no-such-host.invalid/").unwrap_err();
    assert!(
        matches!(refusal, BeamRefusal::Unresolved { .. }),
        "{refusal}"
    );
}

#[test]
fn redirects_are_followed_by_the_rules_of_http() {
    let (address, log) = serve(|received| {
        let path = received.line().split(' ').nth(1).unwrap();
        match path.split_once('/').unwrap().1 {
            "loop" => reply("302 Found", &["location: /loop"], b""),
            "other" => reply(
                "307 Temporary Redirect",
                &["location: http://other.test/end"],
                b"",
            ),
            "no-location" => reply("302 Found", &[], b"here"),
            "304" => reply("304 Not Modified", &["location: /end"], b""),
            "end" => reply("200 OK", &[], b"end"),
            status => reply(&format!("{status} x"), &["location: end"], b""),
        }
    });
    let to = address.to_string();
    let setup = Setup::mapped(&[("one.test", to.clone()), ("other.test", to)]);
    let post = json!({
        "method": "POST", "body": "data",
        "headers": { "Authorization": "a", "Cookie": "c", "X-Kept": "k", "Content-Type": "t" },
    });
    for (status, method, body) in [
        (301, "GET", ""),
        (302, "GET", ""),
        (303, "GET", ""),
        (307, "POST", "data"),
        (308, "POST", "data"),
    ] {
        log.lock().unwrap().clear();
        let response = setup
            .fetch_with(&format!("http://one.test/{status}"), &post)
            .unwrap();
        assert_eq!(response["body"], "end");
        let end = log.lock().unwrap()[1].clone();
        assert_eq!(end.line(), format!("{method} /end HTTP/1.1"), "{status}");
        assert_eq!(end.body, body, "{status}");
        assert_eq!(end.header("content-type").is_some(), method == "POST");
        // The same origin keeps its credentials.
        assert_eq!(end.header("authorization"), Some("a"));
    }
    log.lock().unwrap().clear();
    setup.fetch_with("http://one.test/other", &post).unwrap();
    let end = log.lock().unwrap()[1].clone();
    assert_eq!(end.header("host"), Some("other.test"));
    assert_eq!(end.header("x-kept"), Some("k"));
    assert_eq!(end.header("authorization"), None);
    assert_eq!(end.header("cookie"), None);

    assert_eq!(
        setup.fetch("http://one.test/no-location").unwrap()["status"],
        302
    );
    assert_eq!(setup.fetch("http://one.test/304").unwrap()["status"], 304);
    log.lock().unwrap().clear();
    assert_eq!(
        setup.fetch("http://one.test/loop"),
        Err(BeamRefusal::Redirects(10))
    );
    assert_eq!(log.lock().unwrap().len(), 11);
}

#[test]
fn fetches_run_from_async_code_too_and_side_by_side() {
    let (address, _) = serve(|_| reply("200 OK", &[], b"ok"));
    let setup = Setup::private();
    let url = format!("http://{address}/");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..10 {
                    assert_eq!(setup.fetch(&url).unwrap()["body"], "ok");
                }
            });
        }
    });
    setup._runtime.block_on(async {
        let mut session = BeamSession::new(setup.beam.clone(), 1);
        session.fetch_async(url.as_bytes(), b"").await.unwrap();
        let refusal = session.fetch_async(url.as_bytes(), b"").await.unwrap_err();
        assert_eq!(refusal, BeamRefusal::Limit(1));
    });
}

/// A response is charged to the node's memory budget, with or without a length, until the flare has
/// taken it.
#[test]
fn a_response_takes_room_until_it_is_gone() {
    let (stated, _) = serve(|_| reply("200 OK", &[], &[b'x'; 90 << 10]));
    let (chunked, _) = serve(|_| {
        let mut reply = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
        for _ in 0..90 {
            reply.extend(b"400\r\n");
            reply.extend([b'x'; 1 << 10]);
            reply.extend(b"\r\n");
        }
        reply.extend(b"0\r\n\r\n");
        reply
    });
    // Each of its bytes takes six in JSON.
    let (escaped, _) = serve(|_| reply("200 OK", &[], &[1; 16 << 10]));
    let budget = Budget::new(200 << 10);
    let config = BeamConfig {
        allow_private: true,
        max_response_bytes: 100 << 10,
        ..BeamConfig::default()
    };
    let setup = Setup::within(budget.clone(), config);
    for address in [stated, chunked, escaped] {
        let url = format!("http://{address}/");
        let mut session = BeamSession::new(setup.beam.clone(), DEFAULT_FETCHES);
        let json = session.fetch(url.as_bytes(), b"").unwrap();
        assert!(json.len() > 90 << 10);
        assert!(
            budget.try_hold(111 << 10).is_none(),
            "{} bytes are not counted",
            json.len()
        );
        assert!(
            budget.try_hold(100 << 10).is_some(),
            "more is counted than {}",
            json.len()
        );
        drop(json);
        assert!(budget.try_hold(200 << 10).is_some());
    }
}
