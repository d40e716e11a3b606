use super::*;

fn request(method: &str, target: &str, hosts: &[&str]) -> Request<()> {
    let mut request = Request::builder().method(method).uri(target);
    for host in hosts {
        request = request.header("host", *host);
    }
    request.body(()).unwrap()
}

fn outcome(method: &str, target: &str, hosts: &[&str]) -> Result<(String, String), u16> {
    let mut request = request(method, target, hosts);
    normalise(&mut request, true).map_err(|refusal| refusal.status.as_u16())?;
    let host = request.headers()["host"].to_str().unwrap().to_owned();
    Ok((host, request.uri().to_string()))
}

#[test]
fn host_and_path_become_one() {
    for (target, host, want_host, want_path) in [
        ("/a?b=1", "h:80", "h:80", "/a?b=1"),
        ("/a", "Example.COM", "example.com", "/a"),
        ("/a", "h:", "h", "/a"),
        ("/a", "[::1]:8787", "[::1]:8787", "/a"),
        ("/a", "[::FFFF:1.2.3.4]:", "[::ffff:1.2.3.4]", "/a"),
        ("/a", "h:65535", "h:65535", "/a"),
        // The target's host, not the field's.
        ("http://other:1/x?y", "h", "other:1", "/x?y"),
        ("http://other", "h", "other", "/"),
        ("http://other?q", "h", "other", "/?q"),
        // Dots.
        ("/public/../admin", "h", "h", "/admin"),
        ("/public/%2E%2e/admin?../x", "h", "h", "/admin?../x"),
        ("/public/.%2e/%2e/admin/.", "h", "h", "/admin/"),
        ("/../../a/b/..", "h", "h", "/a/"),
        ("/a//../b", "h", "h", "/a/b"),
        ("/a/...", "h", "h", "/a/..."),
        ("/a/.b/c.", "h", "h", "/a/.b/c."),
        ("/a//b/", "h", "h", "/a//b/"),
        // An encoded slash, a semicolon and a backslash are fine on their own.
        ("/@scope%2fname;v=1", "h", "h", "/@scope%2fname;v=1"),
        ("/a\\b%5C..c?x=..%2f..;", "h", "h", "/a\\b%5C..c?x=..%2f..;"),
    ] {
        assert_eq!(
            outcome("GET", target, &[host]),
            Ok((want_host.to_owned(), want_path.to_owned())),
            "{target} {host}"
        );
    }
    assert_eq!(
        outcome("OPTIONS", "*", &["h"]),
        Ok(("h".to_owned(), "*".to_owned()))
    );
}

#[test]
fn what_leaves_a_choice_is_refused() {
    for hosts in [
        &[][..],
        &["a", "b"],
        &["a", "a"],
        &[""],
        &["x/public?"],
        &["x?"],
        &["x#"],
        &["a b"],
        &["a, b"],
        &["user@h"],
        &["[]"],
        &["[zz::1]"],
        &["[::1%25eth0]"],
        &["[127.0.0.1]"],
        &["h%2f"],
        &["::1"],
        &["a:b:80"],
        &["h:+80"],
        &["h:65536"],
        &["[::1]80"],
        &["[::1"],
        &["h]"],
        &[":80"],
        &["h:port"],
        &["h:99999"],
        &[":80"],
        &["h:80:80"],
        &["\u{e4}"],
        &["a\\b"],
    ] {
        assert_eq!(outcome("GET", "/", hosts), Err(400), "{hosts:?}");
    }
    for hidden in [
        "/public/..%2fadmin",
        "/public%2F..%2fadmin",
        "/public/..\\admin",
        "/public\\%2e.\\admin",
        "/public/..%5Cadmin",
        "/public/..;/admin",
        "/public/%2e%2e%3Bx=1/admin",
        "/public/.;/admin",
    ] {
        assert_eq!(outcome("GET", hidden, &["h"]), Err(400), "{hidden}");
    }
    assert_eq!(outcome("GET", "http://u@h/", &["h"]), Err(400));
    assert_eq!(outcome("GET", "https://h/", &["h"]), Err(421));
    assert_eq!(outcome("GET", "*", &["h"]), Err(400));
    assert_eq!(outcome("GET", "h:80", &["h"]), Err(400));
    assert_eq!(outcome("CONNECT", "h:80", &["h"]), Err(501));
    let large = "x".repeat(MAX_HEAD);
    let mut request = request("GET", "/", &["h"]);
    request.headers_mut().insert("x", large.parse().unwrap());
    let refusal = normalise(&mut request, true).unwrap_err();
    assert_eq!(refusal.status, 431);
}

#[test]
fn requests_of_this_process_and_of_http_1_0_may_name_no_host() {
    let mut own = request("GET", "https://example.com/x", &[]);
    assert_eq!(normalise(&mut own, false), Ok(Scheme::HTTPS));
    assert_eq!(own.headers()["host"], "example.com");
    let mut own = request("GET", "/x", &[]);
    assert_eq!(normalise(&mut own, false), Ok(Scheme::HTTP));
    assert_eq!(own.headers()["host"], "localhost");
    let mut old = request("GET", "/x", &[]);
    *old.version_mut() = Version::HTTP_10;
    assert_eq!(normalise(&mut old, true), Ok(Scheme::HTTP));
}
