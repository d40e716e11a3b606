//! The response to the client, from what the flare set.

use http::{HeaderName, HeaderValue, Method, Response, StatusCode, header};
use http_body::Body as _;

use crate::host::response::ResponseDraft;
use crate::http::body::Body;
use crate::http::headers::strip_connection_headers;
use crate::http::reply::reply;

/// The response that a flare built: Respond.
pub(super) fn respond(draft: ResponseDraft) -> Response<Body> {
    if draft.over_budget {
        return over_budget();
    }
    let mut response = Response::new(draft.body.map_or(Body::Empty, Body::from));
    if let Some(status) = draft.status {
        *response.status_mut() = status;
    }
    *response.headers_mut() = draft.headers;
    response
}

/// The response when the node has no room.
pub(super) fn over_budget() -> Response<Body> {
    let mut response = reply(
        StatusCode::SERVICE_UNAVAILABLE,
        "over-budget",
        "the node has no memory left for this request; try again later",
    );
    let soon = HeaderValue::from_static("1");
    response.headers_mut().insert(header::RETRY_AFTER, soon);
    response
}

/// Makes a response valid for its status and the request's method, wherever it comes from: no body
/// where none is allowed, a length that matches the body, and no connection-specific fields (RFC
/// 9110, sections 6.4, 8.6 and 15).
pub(super) fn fit(method: &Method, mut response: Response<Body>) -> Response<Body> {
    strip_connection_headers(response.headers_mut());
    let stated = response.headers_mut().remove(header::CONTENT_LENGTH);
    let status = response.status();
    let never = status == StatusCode::NO_CONTENT || status == StatusCode::RESET_CONTENT;
    if !never && *method != Method::HEAD && status != StatusCode::NOT_MODIFIED {
        // The server sets the length of what it sends.
        return response;
    }
    let body = std::mem::take(response.body_mut());
    if never {
        return response;
    }
    // The length is that of the body that a GET would get: what the origin states for a body it did
    // not send either, or the length of the flare's.
    let own = body.size_hint().exact().filter(|length| *length > 0);
    if let Some(length) = own.map(HeaderValue::from).or(stated) {
        response
            .headers_mut()
            .insert(header::CONTENT_LENGTH, length);
    }
    response
}

/// Applies what the flare set to the origin's response: Transform.
pub(super) fn transform(mut response: Response<Body>, draft: ResponseDraft) -> Response<Body> {
    if draft.over_budget {
        return over_budget();
    }
    if let Some(status) = draft.status {
        *response.status_mut() = status;
    }
    if let Some(body) = draft.body {
        // These describe the body that is being replaced.
        for name in [
            header::CONTENT_LENGTH,
            header::CONTENT_ENCODING,
            header::CONTENT_RANGE,
            header::ETAG,
            header::LAST_MODIFIED,
            HeaderName::from_static("content-digest"),
            HeaderName::from_static("repr-digest"),
        ] {
            response.headers_mut().remove(name);
        }
        *response.body_mut() = body.into();
    }
    for (name, value) in draft.headers {
        if let Some(name) = name {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
