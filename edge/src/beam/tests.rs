use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::TcpListener;

use serde_json::{Value, json};

use super::*;

/// What a test server was sent.
#[derive(Debug, Clone, Default)]
struct Received {
    /// The request line and the headers, by lines, names in lowercase.
    head: Vec<String>,
    body: String,
}

impl Received {
    fn line(&self) -> &str {
        &self.head[0]
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head[1..].iter().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            (found == name).then(|| value.trim())
        })
    }
}

type Log = Arc<Mutex<Vec<Received>>>;

fn read_request(stream: impl Read) -> Option<Received> {
    let mut reader = BufReader::new(stream);
    let mut received = Received::default();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => received.head.push(line.to_owned()),
        }
    }
    let length = received
        .header("content-length")
        .map_or(0, |n| n.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    received.body = String::from_utf8(body).unwrap();
    Some(received)
}

/// A server on loopback that answers each connection's one request with what `answer` says.
fn serve(answer: impl Fn(&Received) -> Vec<u8> + Send + 'static) -> (SocketAddr, Log) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let log = Log::default();
    let seen = log.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let Some(received) = read_request(stream.try_clone().unwrap()) else {
                continue;
            };
            let answer = answer(&received);
            seen.lock().unwrap().push(received);
            let _ = stream.write_all(&answer);
        }
    });
    (address, log)
}

fn reply(status: &str, headers: &[&str], body: &[u8]) -> Vec<u8> {
    let mut head = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n",
        body.len()
    );
    for header in headers {
        head.push_str(header);
        head.push_str("\r\n");
    }
    [head.as_bytes(), b"\r\n", body].concat()
}

struct Setup {
    beam: Arc<Beam>,
    // Fetches live on it.
    _runtime: tokio::runtime::Runtime,
}

impl Setup {
    fn new(config: BeamConfig) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let beam = Beam::new(config, runtime.handle().clone()).unwrap();
        Self {
            beam,
            _runtime: runtime,
        }
    }

    fn private() -> Self {
        Self::new(BeamConfig {
            allow_private: true,
            ..BeamConfig::default()
        })
    }

    fn mapped(hosts: &[(&str, String)]) -> Self {
        Self::new(mapped(hosts))
    }

    fn fetch(&self, url: &str) -> Result<Value, BeamRefusal> {
        self.fetch_with(url, &json!({}))
    }

    fn fetch_with(&self, url: &str, options: &Value) -> Result<Value, BeamRefusal> {
        let mut session = BeamSession::new(self.beam.clone(), DEFAULT_FETCHES);
        let json = session.fetch(url.as_bytes(), options.to_string().as_bytes())?;
        Ok(serde_json::from_slice(&json).unwrap())
    }
}

fn mapped(hosts: &[(&str, String)]) -> BeamConfig {
    BeamConfig {
        hosts: hosts
            .iter()
            .map(|(from, to)| (from.to_string(), to.clone()))
            .collect(),
        ..BeamConfig::default()
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn which_addresses_are_public() {
    for public in [
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.1",
        "169.253.0.1",
        "172.15.0.1",
        "172.32.0.1",
        "192.167.0.1",
        "198.17.0.1",
        "198.20.0.1",
        "223.255.255.255",
        "2606:4700::1111",
        "2a00::1",
        "2001:4860::1",
        "::ffff:1.1.1.1",
        "64:ff9b::1.1.1.1",
    ] {
        assert_eq!(reach(ip(public)), Reach::Public, "{public}");
    }
    for private in [
        "127.0.0.1",
        "127.255.255.255",
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.0.1",
        "100.64.0.1",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:10.1.2.3",
        "fc00::1",
        "fdff::1",
    ] {
        assert!(matches!(reach(ip(private)), Reach::Private(_)), "{private}");
    }
    for never in [
        "0.0.0.0",
        "0.1.2.3",
        "169.254.169.254",
        "192.0.0.1",
        "192.0.2.1",
        "192.88.99.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::ffff:0.0.0.0",
        "::ffff:169.254.169.254",
        "::127.0.0.1",
        "64:ff9b::127.0.0.1",
        "64:ff9b::10.0.0.1",
        "64:ff9b::169.254.169.254",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "3fff::1",
        "fd00:ec2::254",
        "fe80::1",
        "febf::1",
        "fec0::1",
        "ff02::1",
        "4000::1",
        "5f00::1",
    ] {
        assert!(matches!(reach(ip(never)), Reach::Never(_)), "{never}");
    }
}

#[test]
fn flares_cannot_reach_this_machine_or_its_networks() {
    let (address, log) = serve(|_| reply("200 OK", &[], b"secret"));
    let port = address.port();
    let setup = Setup::new(BeamConfig::default());
    for host in [
        "127.0.0.1",
        "localhost",
        "LOCALHOST",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "0.0.0.0",
        "0",
        "[::]",
        "[64:ff9b::7f00:1]",
        "169.254.169.254",
        "10.0.0.1",
        "192.168.1.1",
        "172.16.0.1",
        "100.64.0.1",
        "[fe80::1]",
        "[fd00::1]",
        "255.255.255.255",
        "224.0.0.1",
        "user:password@127.0.0.1",
        "127。0。0。1",
        "①27.0.0.1",
    ] {
        let refusal = setup.fetch(&format!("http://{host}:{port}/")).unwrap_err();
        assert!(
            matches!(refusal, BeamRefusal::Forbidden { .. }),
            "{host}: {refusal}"
        );
        assert!(refusal.to_string().contains("[beam.hosts]"), "{refusal}");
    }
    // Whether this name is known depends on the machine; that it leads nowhere does not.
    setup
        .fetch(&format!("http://localhost.:{port}/"))
        .unwrap_err();
    assert!(log.lock().unwrap().is_empty(), "something got through");
}

#[test]
fn private_networks_can_be_opened_but_not_all() {
    let (address, _) = serve(|_| reply("200 OK", &[], b"local"));
    let setup = Setup::private();
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"] {
        let response = setup
            .fetch(&format!("http://{host}:{}/", address.port()))
            .unwrap();
        assert_eq!(response["body"], "local", "{host}");
    }
    for host in [
        "169.254.169.254",
        "0.0.0.0",
        "[::]",
        "[fd00:ec2::254]",
        "255.255.255.255",
    ] {
        let refusal = setup
            .fetch(&format!("http://{host}:{}/", address.port()))
            .unwrap_err();
        assert!(
            matches!(refusal, BeamRefusal::Forbidden { .. }),
            "{host}: {refusal}"
        );
    }
}

#[test]
fn the_edge_itself_is_never_reached_unless_mapped() {
    let (address, log) = serve(|_| reply("200 OK", &[], b"edge"));
    let port = address.port();
    let urls = [
        format!("http://127.0.0.1:{port}/"),
        format!("http://localhost:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
    ];
    let everywhere = SocketAddr::from(([0, 0, 0, 0], port));
    for own in [
        address,
        everywhere,
        SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)),
    ] {
        let setup = Setup::private();
        // A connection from before the edge said that it listens there must not stay in use.
        setup.fetch(&urls[0]).unwrap();
        let before = log.lock().unwrap().len();
        setup.beam.add_own_address(own);
        for url in &urls {
            let refusal = setup.fetch(url).unwrap_err();
            assert!(
                refusal.to_string().contains("this edge itself"),
                "{url}: {refusal}"
            );
        }
        assert_eq!(log.lock().unwrap().len(), before);
    }
    // Another port on the same address is another server.
    let (other, _) = serve(|_| reply("200 OK", &[], b"other"));
    let setup = Setup::private();
    setup.beam.add_own_address(everywhere);
    assert_eq!(
        setup.fetch(&format!("http://{other}/")).unwrap()["body"],
        "other"
    );
    // The operator may say so.
    let setup = Setup::mapped(&[("edge.test", address.to_string())]);
    setup.beam.add_own_address(address);
    assert_eq!(setup.fetch("http://edge.test/").unwrap()["body"], "edge");
}

#[test]
fn redirects_are_checked_like_the_first_url() {
    let (inside, log) = serve(|_| reply("200 OK", &[], b"secret"));
    let location = format!("location: http://127.0.0.1:{}/", inside.port());
    let (outside, _) = serve(move |received| {
        let to = match received.line() {
            line if line.contains("/file") => "location: file:///etc/passwd",
            line if line.contains("/decimal") => "location: http://2130706433/",
            _ => &location,
        };
        reply("302 Found", &[to], b"")
    });
    let setup = Setup::mapped(&[("outside.test", outside.to_string())]);
    for path in ["", "decimal"] {
        let refusal = setup
            .fetch(&format!("http://outside.test/{path}"))
            .unwrap_err();
        assert!(
            matches!(refusal, BeamRefusal::Forbidden { .. }),
            "{refusal}"
        );
    }
    let refusal = setup.fetch("http://outside.test/file").unwrap_err();
    assert!(matches!(refusal, BeamRefusal::Url(_)), "{refusal}");
    assert!(log.lock().unwrap().is_empty(), "something got through");
}

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
        (r#"{"method":"GET"#, "breaks off"),
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
        (r#"{"method":"CONNECT"}"#, "not for flares"),
        (r#"{"method":"trace"}"#, "not for flares"),
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
    // A line break within a URL is dropped by the URL rules, so it cannot split the request.
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
        // Refused ones count, too: a flare cannot probe without end.
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
    // The server closes early: no half body is passed on.
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
        // The same origin keeps what was meant for it.
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
fn hosts_are_mapped_by_name_and_port() {
    let (any, _) = serve(|_| reply("200 OK", &[], b"any port"));
    let (one, _) = serve(|_| reply("200 OK", &[], b"port 8443"));
    let setup = Setup::mapped(&[
        ("API.Example.test", any.to_string()),
        (
            "api.example.test:8443",
            format!("http://localhost:{}", one.port()),
        ),
        ("api.example.test:443", format!("http://{one}/")),
        ("192.0.2.7", any.to_string()),
        ("[2001:db8::7]", any.to_string()),
    ]);
    for (url, body) in [
        ("http://api.example.test/", "any port"),
        ("https://api.example.test:8443/", "port 8443"),
        ("http://api.example.test:8443/", "port 8443"),
        ("https://api.example.test/", "port 8443"),
        ("https://API.example.TEST:99/", "any port"),
        ("http://192.0.2.7/", "any port"),
        ("https://[2001:db8::7]/", "any port"),
    ] {
        // Twice: the second time from what is remembered.
        for _ in 0..2 {
            assert_eq!(setup.fetch(url).unwrap()["body"], body, "{url}");
        }
    }
    assert!(setup.fetch("http://sub.api.example.test/").is_err());
}

#[test]
fn wrong_mappings_are_refused_at_the_start() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    for (from, to) in [
        ("http://a.test", "127.0.0.1:1"),
        ("a.test/path", "127.0.0.1:1"),
        ("user@a.test", "127.0.0.1:1"),
        ("", "127.0.0.1:1"),
        ("a.test", "127.0.0.1"),
        ("a.test", "localhost:80"),
        ("a.test", "ftp://localhost"),
        ("a.test", "http://localhost/path"),
        ("a.test", "http://localhost/?q"),
        ("a.test", ""),
    ] {
        let error =
            Beam::new(mapped(&[(from, to.to_owned())]), runtime.handle().clone()).unwrap_err();
        assert!(
            error.to_string().contains("[beam.hosts]"),
            "{from} = {to}: {error}"
        );
    }
    let config = BeamConfig {
        extra_ca: Some("/no/such/file".into()),
        ..BeamConfig::default()
    };
    let error = Beam::new(config, runtime.handle().clone()).unwrap_err();
    assert!(error.to_string().contains("/no/such/file"), "{error}");
}

/// A TLS server for `name`, and the file of the certificate that vouches for it.
fn serve_tls(name: &str, dir: &tempfile::TempDir) -> (SocketAddr, PathBuf) {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let file = dir.path().join(format!("{name}.pem"));
    std::fs::write(&file, made.cert.pem()).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = rustls::ServerConnection::new(config.clone()).unwrap();
            let mut tls = rustls::StreamOwned::new(connection, stream.unwrap());
            if let Some(received) = read_request(&mut tls) {
                let host = received.header("host").unwrap_or_default().to_owned();
                let _ = tls.write_all(&reply("200 OK", &[], host.as_bytes()));
                tls.conn.send_close_notify();
                let _ = tls.flush();
            }
        }
    });
    (address, file)
}

#[test]
fn https_is_checked_against_the_name_in_the_url() {
    let dir = tempfile::tempdir().unwrap();
    let (address, certificate) = serve_tls("api.example.test", &dir);
    let to = format!("https://{address}");
    let hosts = [("api.example.test", to.clone()), ("other.test", to)];
    let config = BeamConfig {
        extra_ca: Some(certificate),
        ..mapped(&hosts)
    };
    let trusting = Setup::new(config);
    let response = trusting.fetch("https://api.example.test/").unwrap();
    assert_eq!(response["body"], "api.example.test");
    // http is made https where the mapping says so.
    assert_eq!(
        trusting.fetch("http://api.example.test/").unwrap()["status"],
        200
    );
    let refusal = trusting.fetch("https://other.test/").unwrap_err();
    assert!(refusal.to_string().contains("certificate"), "{refusal}");
    let distrusting = Setup::mapped(&hosts);
    let refusal = distrusting.fetch("https://api.example.test/").unwrap_err();
    assert!(refusal.to_string().contains("certificate"), "{refusal}");
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
