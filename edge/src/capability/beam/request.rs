//! One request of a fetch: the first, built from what a flare passes, or one that follows a
//! redirect.

use std::collections::BTreeMap;

use reqwest::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;

use crate::capability::beam::error::BeamRefusal;

/// The longest URL, in bytes.
const MAX_URL_BYTES: usize = 8 * 1024;

/// Headers that belong to the connection, or that the client writes itself. A flare that forwards a
/// request's headers may well set them; they are left out, so that nothing a flare sets can
/// contradict the message it is in.
const DROPPED_HEADERS: [&str; 11] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authorization",
    "upgrade",
    "trailer",
    "te",
    "expect",
];

/// What a flare passes in addition to the URL.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    method: Option<String>,
    headers: Option<BTreeMap<String, String>>,
    body: Option<String>,
}

/// One request of a fetch; redirects modify it.
pub(super) struct Request {
    pub(super) url: Url,
    pub(super) method: Method,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Vec<u8>>,
}

pub(super) fn first_request(url: &[u8], options: &[u8]) -> Result<Request, BeamRefusal> {
    if url.len() > MAX_URL_BYTES {
        return Err(BeamRefusal::Url(format!(
            "it is longer than {MAX_URL_BYTES} bytes"
        )));
    }
    let url = str::from_utf8(url).map_err(|_| BeamRefusal::Url("it is not UTF-8".to_owned()))?;
    let url = Url::parse(url).map_err(|e| BeamRefusal::Url(e.to_string()))?;
    check_url(&url)?;

    let bad = |what: String| BeamRefusal::Options(what);
    let options: Options = match options {
        [] => Options::default(),
        json => serde_json::from_slice(json).map_err(|e| {
            // Line, column and kind only; the error's own text may quote a header's value.
            bad(format!(
                "not {{\"method\"?, \"headers\"?, \"body\"?}}: {}",
                kind_of(&e)
            ))
        })?,
    };
    let method = match options.method.as_deref() {
        None | Some("") => Method::GET,
        // Methods are case-sensitive, but nobody who writes `post` means anything but `POST`.
        Some(name) => Method::from_bytes(name.to_ascii_uppercase().as_bytes())
            .map_err(|_| bad(format!("`{}` is not a method", name.escape_debug())))?,
    };
    if matches!(method, Method::CONNECT | Method::TRACE) {
        return Err(bad(format!("flares may not use the method {method}")));
    }
    let mut headers = HeaderMap::new();
    for (name, value) in options.headers.unwrap_or_default() {
        let shown = name.escape_debug();
        let header = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| bad(format!("`{shown}` is not a header's name")))?;
        let value = HeaderValue::try_from(value).map_err(|_| {
            bad(format!(
                "the value of the header `{shown}` holds a line break or another control character"
            ))
        })?;
        if !DROPPED_HEADERS.contains(&header.as_str()) {
            headers.insert(header, value);
        }
    }
    Ok(Request {
        url,
        method,
        headers,
        body: options.body.map(String::into_bytes),
    })
}

fn kind_of(error: &serde_json::Error) -> String {
    let kind = match error.classify() {
        serde_json::error::Category::Data => "a member that is unknown, duplicate, or not a string",
        serde_json::error::Category::Eof => "incomplete JSON",
        _ => "not JSON",
    };
    format!("{kind} (line {}, column {})", error.line(), error.column())
}

/// The next request, if the response is a redirect that can be followed (RFC 9110 section 15.4).
pub(super) fn redirect(
    request: &Request,
    status: StatusCode,
    headers: &HeaderMap,
) -> Result<Option<Request>, BeamRefusal> {
    let Some(location) = headers.get(LOCATION) else {
        return Ok(None);
    };
    let to_get = match status.as_u16() {
        303 => request.method != Method::HEAD,
        301 | 302 => request.method == Method::POST,
        307 | 308 => false,
        _ => return Ok(None),
    };
    let wrong = |what: &str| BeamRefusal::Url(format!("it redirects to {what}"));
    let location = str::from_utf8(location.as_bytes()).map_err(|_| wrong("what is not UTF-8"))?;
    let url = request
        .url
        .join(location)
        .map_err(|_| wrong("something that is not a URL"))?;
    check_url(&url)?;
    let mut next = Request {
        method: request.method.clone(),
        headers: request.headers.clone(),
        body: request.body.clone(),
        url,
    };
    if to_get {
        next.method = Method::GET;
        next.body = None;
        next.headers.remove("content-type");
        next.headers.remove("content-encoding");
        next.headers.remove("content-language");
    }
    // Credentials for one origin are not sent to another.
    if next.url.origin() != request.url.origin() {
        next.headers.remove(AUTHORIZATION);
        next.headers.remove(COOKIE);
    }
    Ok(Some(next))
}

fn check_url(url: &Url) -> Result<(), BeamRefusal> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(BeamRefusal::Url(format!(
            "its scheme is `{}`, not http or https",
            url.scheme()
        )));
    }
    match url.host_str() {
        Some(host) if !host.is_empty() => Ok(()),
        _ => Err(BeamRefusal::Url("it has no host".to_owned())),
    }
}
