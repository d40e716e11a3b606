//! The client's response, from what the flare set.

use http::{Response, header};

use crate::host::response::ResponseDraft;
use crate::http::body::Body;

/// The response that a flare built: Respond.
pub(super) fn respond(draft: ResponseDraft) -> Response<Body> {
    let mut response = Response::new(draft.body.map_or(Body::Empty, Body::from));
    if let Some(status) = draft.status {
        *response.status_mut() = status;
    }
    *response.headers_mut() = draft.headers;
    response
}

/// Applies what the flare set to the origin's response: Transform.
pub(super) fn transform(mut response: Response<Body>, draft: ResponseDraft) -> Response<Body> {
    if let Some(status) = draft.status {
        *response.status_mut() = status;
    }
    if let Some(body) = draft.body {
        // These describe the body that is replaced.
        for name in [
            header::CONTENT_LENGTH,
            header::CONTENT_ENCODING,
            header::CONTENT_RANGE,
            header::ETAG,
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
