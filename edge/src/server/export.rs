//! The page that other nodes pull keys from, and who may access the node's own pages.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};

use crate::capability::spark::{self, EXPORT_MAX_REQUEST, ExportRequest};
use crate::http::body::Body;
use crate::http::reply::reply;
use crate::runtime::run_blocking;
use crate::state::State;

/// Whether a request was made on this machine, by someone who meant this node.
pub(super) fn is_local(request: &Request<Body>, peer: Option<IpAddr>) -> bool {
    let headers = request.headers();
    let proxied =
        headers.contains_key("x-forwarded-for") || headers.contains_key(header::FORWARDED);
    let host = match headers.get(header::HOST) {
        None => true,
        Some(host) => host.to_str().is_ok_and(is_local_name),
    };
    peer.is_none_or(|peer| peer.to_canonical().is_loopback()) && !proxied && host
}

/// Whether the `Host` is an address or `localhost`, and not a name that anyone could point here.
fn is_local_name(host: &str) -> bool {
    let Ok(authority) = host.parse::<http::uri::Authority>() else {
        return false;
    };
    let name = authority.host();
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    bare.parse::<IpAddr>().is_ok() || name.eq_ignore_ascii_case("localhost")
}

/// Answers another node's pull.
pub(super) async fn export(
    state: &Arc<State>,
    mut request: Request<Body>,
    peer: Option<IpAddr>,
) -> Response<Body> {
    if request.method() != Method::POST {
        return reply(StatusCode::METHOD_NOT_ALLOWED, "method", "only POST");
    }
    let Ok((body, _)) = request
        .body_mut()
        .read_prefix(EXPORT_MAX_REQUEST + 1, &state.node.budget)
        .await
    else {
        return reply(
            StatusCode::BAD_REQUEST,
            "body-broken",
            "the body did not arrive",
        );
    };
    let state = state.clone();
    let headers = request.headers().clone();
    let answer = run_blocking(move || {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let request = ExportRequest {
            remote: peer.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            authorization: text(header::AUTHORIZATION),
            origin: text(header::ORIGIN),
            body: &body,
        };
        tokio::task::block_in_place(|| {
            spark::export(&state.node.spark, &state.node.export, request)
        })
    })
    .await;
    let mut response = Response::new(Body::from(Bytes::from(answer.body)));
    *response.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(answer.content_type),
    );
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_anyone_could_have_lead_here_are_not_local() {
        for host in [
            "localhost",
            "LOCALHOST:8787",
            "127.0.0.1:80",
            "[::1]:8787",
            "10.0.0.1",
        ] {
            assert!(is_local_name(host), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example:8787",
            "127.0.0.1.evil.example",
            "",
        ] {
            assert!(!is_local_name(host), "{host}");
        }
    }

    #[test]
    fn strangers_are_refused() {
        let request = |header: Option<(&str, &str)>| {
            let mut request = Request::get("/_edge");
            if let Some((name, value)) = header {
                request = request.header(name, value);
            }
            request.body(Body::Empty).unwrap()
        };
        let loopback = Some("127.0.0.1".parse().unwrap());
        assert!(is_local(&request(None), None));
        assert!(is_local(&request(None), loopback));
        assert!(is_local(&request(None), Some("::1".parse().unwrap())));
        assert!(is_local(
            &request(None),
            Some("::ffff:127.0.0.1".parse().unwrap())
        ));
        assert!(!is_local(
            &request(None),
            Some("192.168.1.5".parse().unwrap())
        ));
        assert!(!is_local(
            &request(Some(("x-forwarded-for", "1.2.3.4"))),
            loopback
        ));
        assert!(!is_local(
            &request(Some(("forwarded", "for=1.2.3.4"))),
            loopback
        ));
        assert!(!is_local(
            &request(Some(("host", "evil.example"))),
            loopback
        ));
    }
}
