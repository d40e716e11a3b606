//! `/_edge/kv`: the stores, for the developer at this machine. It is protected like the status page.
//!
//! | request | answer |
//! |---|---|
//! | `GET /_edge/kv` | all entries, one line of JSON each; `?store=` and `?site=` filter |
//! | `GET /_edge/kv?store=S&site=S&key=K` | the entry, or 404 |
//! | `PUT /_edge/kv` | stores the entry in the body |
//! | `DELETE /_edge/kv?store=S&site=S&key=K` | deletes it: 204, or 404 |
//!
//! Requests that change something must have the header `x-flaron-edit`, which a page of another
//! origin cannot send.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};

use crate::error::{Error, Result};
use crate::http::body::Body;
use crate::http::reply::reply;
use crate::runtime::run_blocking;
use crate::state::State;
use crate::stores::{StoreName, StoredEntry, Stores};

/// The path.
pub(super) const PATH: &str = "/_edge/kv";
/// The header that changes must have.
const EDIT: &str = "x-flaron-edit";
/// The longest body, in bytes: there is room for a Plasma value in Base64 or with escapes.
const MAX_BODY: usize = 16 << 20;

/// Answers a request, which must come from this machine.
pub(super) async fn kv(state: &Arc<State>, request: Request<Body>) -> Response<Body> {
    let method = request.method().clone();
    let changes = method == Method::PUT || method == Method::DELETE;
    if !changes && method != Method::GET {
        return reply(
            StatusCode::METHOD_NOT_ALLOWED,
            "method",
            "GET, PUT or DELETE",
        );
    }
    if changes && !request.headers().contains_key(EDIT) {
        return reply(
            StatusCode::FORBIDDEN,
            "no-edit-header",
            "changing a store needs the header x-flaron-edit",
        );
    }
    let query = request.uri().query().unwrap_or_default();
    let query: HashMap<String, String> = form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect();
    let mut body = request.into_body();
    let body = match body.read_prefix(MAX_BODY, &state.node.budget).await {
        Ok((bytes, false)) => bytes,
        _ => {
            return reply(
                StatusCode::PAYLOAD_TOO_LARGE,
                "body",
                "the body is too large, or broke off",
            );
        }
    };
    let stores = Stores::of(&state.node.spark, &state.node.plasma);
    let answer = run_blocking(move || {
        tokio::task::block_in_place(|| answer(&stores, &method, &query, &body))
    });
    match answer.await {
        Ok(Some(text)) => {
            let mut response = Response::new(Body::from(text));
            let kind = HeaderValue::from_static("application/x-ndjson");
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
            let never = HeaderValue::from_static("no-store");
            response.headers_mut().insert(header::CACHE_CONTROL, never);
            response
        }
        Ok(None) => reply(StatusCode::NOT_FOUND, "no-key", "there is no such key"),
        Err(error) => {
            let mut response = reply(StatusCode::BAD_REQUEST, "kv", "");
            *response.body_mut() = Body::from(format!("{error}\n"));
            response.headers_mut().remove(header::CONTENT_LENGTH);
            response
        }
    }
}

/// The text of the response; `None` if there is no such key.
fn answer(
    stores: &Stores,
    method: &Method,
    query: &HashMap<String, String>,
    body: &Bytes,
) -> Result<Option<String>> {
    let store = query.get("store").map(|name| name.parse::<StoreName>());
    let store = store.transpose()?;
    let site = query.get("site");
    if method == Method::PUT {
        let entry: StoredEntry = serde_json::from_slice(body)
            .map_err(|error| Error::new(format!("the body is not an entry: {error}")))?;
        stores.put(&entry)?;
        return Ok(Some(String::new()));
    }
    let Some(key) = query.get("key") else {
        if method == Method::DELETE {
            return Err(Error::new("key is missing"));
        }
        let entries = stores.entries(store, site.map(String::as_str))?;
        return Ok(Some(entries.iter().map(line).collect()));
    };
    let (Some(store), Some(site)) = (store, site) else {
        return Err(Error::new("store and site are missing"));
    };
    if method == Method::DELETE {
        let was_there = stores.delete(store, site, key)?;
        return Ok(was_there.then(String::new));
    }
    let entry = stores.get(store, site, key)?;
    Ok(entry.as_ref().map(line))
}

fn line(entry: &StoredEntry) -> String {
    serde_json::to_string(entry).unwrap_or_default() + "\n"
}
