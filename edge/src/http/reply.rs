//! The edge's own short responses.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};

use crate::http::body::Body;

/// With this field the edge says that it answers itself, and why.
pub(crate) const ERROR: HeaderName = HeaderName::from_static("x-flaron-error");

/// An answer of the edge itself, marked as such: `word` is the value of `x-flaron-error`.
pub(crate) fn reply(
    status: StatusCode,
    word: &'static str,
    message: &'static str,
) -> Response<Body> {
    let mut response = Response::new(Body::Full(Bytes::from(format!("{message}\n"))));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(ERROR, HeaderValue::from_static(word));
    response
}
