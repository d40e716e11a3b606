//! Header fields that belong to a single connection, and those that describe the client to the
//! origin.

use std::net::IpAddr;

use http::uri::Scheme;
use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Whether a field belongs to the connection, and is managed by the server itself.
pub(crate) fn is_connection_header(name: &HeaderName) -> bool {
    [
        header::CONNECTION,
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        header::TE,
        header::TRAILER,
    ]
    .contains(name)
        || [
            "keep-alive",
            "proxy-connection",
            "proxy-authenticate",
            "proxy-authorization",
            "http2-settings",
        ]
        .contains(&name.as_str())
}

/// Removes the fields named by `Connection`, which are for the next hop alone. `Host` is not one of
/// them: naming it would make the edge forget which host the request is for.
pub(crate) fn strip_named_by_connection(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = list(headers, &header::CONNECTION)
        .filter_map(|name| HeaderName::try_from(name).ok())
        .filter(|name| *name != header::HOST)
        .collect();
    for name in named {
        headers.remove(name);
    }
}

/// Removes what belongs to a single connection: the fields defined by HTTP, and those named by
/// `Connection`. The body's length is kept, unless a transfer coding was applied to the body: then
/// the coding determines where it ends, and the length cannot be trusted (RFC 9112, section 6.3).
pub(crate) fn strip_connection_headers(headers: &mut HeaderMap) {
    strip_named_by_connection(headers);
    let coded = headers.contains_key(header::TRANSFER_ENCODING);
    let own: Vec<HeaderName> = headers
        .keys()
        .filter(|name| is_connection_header(name) && (coded || **name != header::CONTENT_LENGTH))
        .cloned()
        .collect();
    for name in own {
        headers.remove(name);
    }
}

/// Whether a body has no transfer coding other than `chunked`, once. Any other coding remains in
/// what is read, but the field that names it is not forwarded: nobody could decode it.
pub(crate) fn is_plainly_coded(headers: &HeaderMap) -> bool {
    if !headers.contains_key(header::TRANSFER_ENCODING) {
        return true;
    }
    let codings = || list(headers, &header::TRANSFER_ENCODING);
    let is = |given: &str, coding: &str| given.eq_ignore_ascii_case(coding);
    codings().all(|coding| is(coding, "chunked") || is(coding, "identity"))
        && codings().filter(|coding| is(coding, "chunked")).count() <= 1
}

/// Takes out the fields whose names have an underscore, and says so in a note. To a server that makes variables of fields
/// (CGI, WSGI) `Content_Length` is `Content-Length`, and `X_Forwarded_For` is what this node says of the client: a request
/// that means one thing here would mean another there. nginx and Apache do the same.
pub(crate) fn strip_underscored(headers: &mut HeaderMap) -> Option<String> {
    let named: Vec<HeaderName> = headers
        .keys()
        .filter(|name| name.as_str().contains('_'))
        .cloned()
        .collect();
    for name in &named {
        headers.remove(name);
    }
    let first = named.first()?;
    let more = match named.len() - 1 {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Some(format!(
        "the field {first}{more} was dropped: some servers read an underscore in a field's name as a hyphen"
    ))
}

/// Describes the client to the origin: `X-Forwarded-Host`, `-Proto` and `-For`, and `Forwarded` where the
/// client came with one, since an origin may believe that one instead (RFC 7239).
pub(crate) fn add_forwarded(
    headers: &mut HeaderMap,
    host: Option<HeaderValue>,
    scheme: &Scheme,
    client: Option<IpAddr>,
) {
    if headers.contains_key(header::FORWARDED) {
        let hop = forwarded_hop(host.as_ref(), scheme, client);
        if let Ok(hop) = HeaderValue::try_from(hop) {
            headers.append(header::FORWARDED, hop);
        }
    }
    if let Some(host) = host {
        headers.insert("x-forwarded-host", host);
    }
    if let Ok(scheme) = HeaderValue::try_from(scheme.as_str()) {
        headers.insert("x-forwarded-proto", scheme);
    }
    let Some(client) = client else { return };
    let mut chain = String::new();
    for before in headers.get_all("x-forwarded-for") {
        if let Ok(before) = before.to_str() {
            chain.push_str(before);
            chain.push_str(", ");
        }
    }
    chain.push_str(&client.to_string());
    if let Ok(chain) = HeaderValue::try_from(chain) {
        headers.insert("x-forwarded-for", chain);
    }
}

/// This node's member of `Forwarded`.
fn forwarded_hop(host: Option<&HeaderValue>, scheme: &Scheme, client: Option<IpAddr>) -> String {
    let client = match client {
        Some(IpAddr::V4(address)) => address.to_string(),
        Some(IpAddr::V6(address)) => format!("\"[{address}]\""),
        None => "unknown".to_owned(),
    };
    let hop = format!("for={client};proto={scheme}");
    match host.and_then(|host| host.to_str().ok()) {
        // A quoted string; a host contains neither quotes nor backslashes.
        Some(host) => format!("{hop};host=\"{host}\""),
        None => hop,
    }
}

/// `Via`: the intermediaries that a request has passed through (RFC 9110, section 7.6.3).
pub(crate) mod via {
    use http::{HeaderMap, HeaderValue, Version, header};

    use crate::http::headers::list;

    /// Whether a request has passed through the intermediary of this name.
    pub(crate) fn has(headers: &HeaderMap, name: &str) -> bool {
        // A member is a protocol, a name, and possibly a comment.
        list(headers, &header::VIA).any(|hop| hop.split_whitespace().nth(1) == Some(name))
    }

    /// Appends this intermediary; `received` is the version in which the request arrived.
    pub(crate) fn add(headers: &mut HeaderMap, received: Version, name: &str) {
        let protocol = match received == Version::HTTP_10 {
            true => "1.0",
            false => "1.1",
        };
        if let Ok(hop) = HeaderValue::try_from(format!("{protocol} {name}")) {
            headers.append(header::VIA, hop);
        }
    }
}

/// The members of a list field, whether it was sent on one line or on several.
pub(crate) fn list<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|member| !member.is_empty())
}

/// Whether such a list has this member, ignoring case.
pub(crate) fn list_has(headers: &HeaderMap, name: &HeaderName, member: &str) -> bool {
    list(headers, name).any(|given| given.eq_ignore_ascii_case(member))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_chunked_is_the_only_coding() {
        for (fields, plain) in [
            (&[][..], true),
            (&["chunked"], true),
            (&["Chunked"], true),
            (&["identity"], true),
            (&["gzip, chunked"], false),
            (&["gzip", "chunked"], false),
            (&["chunked", "chunked"], false),
            (&["chunked, chunked"], false),
        ] {
            let mut headers = HeaderMap::new();
            for field in fields {
                headers.append(header::TRANSFER_ENCODING, field.parse().unwrap());
            }
            assert_eq!(is_plainly_coded(&headers), plain, "{fields:?}");
        }
    }

    #[test]
    fn an_intermediary_knows_itself_in_via() {
        let mut headers = HeaderMap::new();
        assert!(!via::has(&headers, "me"));
        headers.append(header::VIA, "1.0 fred, 1.1 p.example (me)".parse().unwrap());
        assert!(!via::has(&headers, "me"));
        via::add(&mut headers, http::Version::HTTP_10, "me");
        assert!(via::has(&headers, "me"));
        let last = headers.get_all(header::VIA).iter().next_back();
        assert_eq!(last.unwrap(), "1.0 me");
    }

    #[test]
    fn connection_headers_are_stripped() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, X-Mine, Host"),
            ("host", "h"),
            ("x-mine", "1"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("keep-alive", "1"),
            ("accept", "a"),
        ] {
            headers.append(name, value.parse().unwrap());
        }
        strip_connection_headers(&mut headers);
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["accept", "host"]);
    }
}
