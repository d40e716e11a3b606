//! The parts of the request's URL, and its decoded query: against what it was built from, `url` and `form_urlencoded`.
#![no_main]

use flaron_fuzz::query::query;
use flaron_sdk::request;
use flaron_sdk::testing::Host;
use libfuzzer_sys::fuzz_target;
use url::Url;

const AUTHORITIES: [&str; 8] =
    ["h", "flare.example:8080", "[::1]", "[2001:db8::1]:443", "u:p@h", "u@h", "h.", "127.0.0.1"];

fuzz_target!(|data: &[u8]| {
    let [how, rest @ ..] = data else { return };
    if how & 1 == 0 {
        garbage(rest);
    } else {
        parts(usize::from(how >> 1), rest);
    }
});

/// Anything as the URL: the functions agree with each other, and return nothing that was not in it.
fn garbage(url: &[u8]) {
    let host = Host::new();
    host.returns("req_url", url);
    let target = request::try_target().expect("there is room");
    let path = request::path().into_bytes();
    assert_eq!(path, target.path());
    assert_eq!(target.as_bytes(), [target.path(), target.search()].concat());
    assert_eq!(target.search().strip_prefix(b"?").unwrap_or_default(), target.query());
    assert!(path.first().is_none_or(|first| *first == b'/'));
    assert!(path.len() <= 1 || url.windows(path.len()).any(|part| path == *part));
    assert!(!target.as_bytes().contains(&b'#') && !path.contains(&b'?'));
    let url = String::from_utf8_lossy(url).into_owned();
    if let Ok(parsed) = Url::parse(&url)
        && matches!(parsed.scheme(), "http" | "https")
        && parsed.as_str() == url
    {
        assert_eq!(path, parsed.path().as_bytes(), "{url}");
        assert_eq!(target.query(), parsed.query().unwrap_or_default().as_bytes(), "{url}");
    }
    query(target);
}

/// A URL built from an authority, a path, a query and a fragment, or some of these.
fn parts(how: usize, data: &[u8]) {
    let mut parts = data.splitn(3, |byte| *byte == 0xff).map(<[u8]>::to_vec);
    let mut next = |but_not: &[u8]| {
        let part = parts.next();
        part.map(|part| part.into_iter().filter(|byte| !but_not.contains(byte)).collect::<Vec<u8>>())
    };
    let (path, query_part, fragment) = (next(b"?#"), next(b"#"), next(b""));
    let mut path = path.unwrap_or_default();
    if !path.is_empty() && path[0] != b'/' {
        path.insert(0, b'/');
    }
    let authority = AUTHORITIES[how % 8];
    // A URL that is only a path has none.
    let is_path = how & 8 != 0 && !path.is_empty();
    let mut url = if is_path { vec![] } else { format!("https://{authority}").into_bytes() };
    url.extend(&path);
    for (before, part) in [(b'?', &query_part), (b'#', &fragment)] {
        if let Some(part) = part {
            url.push(before);
            url.extend(part);
        }
    }

    let host = Host::new();
    host.returns("req_url", &url);
    let expected: &[u8] = if path.is_empty() { b"/" } else { &path };
    assert_eq!(request::path().into_bytes(), expected);
    let target = request::target();
    assert_eq!(target.path(), expected);
    assert_eq!(target.query(), query_part.as_deref().unwrap_or_default());
    // Compared with `url`, if that changes nothing.
    if let Ok(text) = String::from_utf8(url)
        && let Ok(parsed) = Url::parse(&text)
        && parsed.as_str() == text
    {
        assert_eq!(target.path(), parsed.path().as_bytes());
        assert_eq!(target.query(), parsed.query().unwrap_or_default().as_bytes());
    }
    query(target);
}
