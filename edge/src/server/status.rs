//! The status page at `/_edge`: what the node runs and stores, and what happens, live.
//!
//! | path | what |
//! |---|---|
//! | `/_edge` | the page |
//! | `/_edge/status.json` | its contents, as JSON |
//! | `/_edge/events` | each invocation as it ends, as server-sent events |
//! | `/_edge/metrics` | the node's metrics, for Prometheus |
//! | `/_edge/kv` | the contents of the stores, and changing them |
//! | `/_edge/health` | whether the node works: 200 or 503 |
//! | `/_edge/spark/export` | where other nodes pull keys from |
//!
//! It is for the developer at this machine. Refused are other addresses, requests that came through
//! a proxy, and host names that are not this machine's (a web page whose name points here).

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{mpsc, watch};

use crate::capability::spark::EXPORT_PATH;
use crate::contract::Capability;
use crate::http::body::Body;
use crate::http::reply::reply;
use crate::runtime::run_blocking;
use crate::server::export::{export, is_local};
use crate::server::health::{health, problems};
use crate::server::{kv, metrics};
use crate::shutdown::stopped;
use crate::state::State;

const PAGE: &str = include_str!("status.html");

/// How many keys of each site the page lists, and how many invocations it shows at first.
const LISTED: usize = 200;
/// How many invocations the event stream contains per window, and the length of a window: more than
/// anyone can read, and no more than a page can show while doing something else.
const SHOWN: usize = 50;
const WINDOW: Duration = Duration::from_millis(250);
/// How often a quiet event stream sends a sign of life.
const ALIVE: Duration = Duration::from_secs(15);

/// Whether a path belongs to the node, and not to a flare.
pub(super) fn owns(path: &str) -> bool {
    path == "/_edge" || path.starts_with("/_edge/")
}

/// Answers a request for one of these paths. A request without a socket has no `peer`; it comes
/// from this process.
pub(super) async fn handle(
    state: &Arc<State>,
    request: Request<Body>,
    peer: Option<IpAddr>,
    stop: Option<watch::Receiver<bool>>,
) -> Response<Body> {
    let path = request.uri().path();
    if path == EXPORT_PATH {
        return export(state, request, peer).await;
    }
    if path == "/_edge/health" {
        return health(state, is_local(&request, peer));
    }
    if !state.status_page || !is_local(&request, peer) {
        return reply(
            StatusCode::FORBIDDEN,
            "not-local",
            "the status page is for the machine that the edge runs on",
        );
    }
    if path == metrics::PATH {
        return metrics::metrics(state);
    }
    if path == kv::PATH {
        return kv::kv(state, request).await;
    }
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return reply(StatusCode::METHOD_NOT_ALLOWED, "method", "only GET");
    }
    let (kind, body) = match path {
        "/_edge" | "/_edge/" => (
            "text/html; charset=utf-8",
            Body::from(Bytes::from_static(PAGE.as_bytes())),
        ),
        "/_edge/status.json" => {
            let state = state.clone();
            // It reads from disk.
            let status = run_blocking(move || tokio::task::block_in_place(|| status(&state))).await;
            ("application/json", Body::from(status.to_string()))
        }
        "/_edge/events" => ("text/event-stream", events(state, stop)),
        _ => return reply(StatusCode::NOT_FOUND, "no-page", "there is no such page"),
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
             connect-src 'self'",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Everything that the page shows.
fn status(state: &State) -> Value {
    let flares: Vec<Value> = state
        .slots
        .iter()
        .map(|slot| {
            let flare = slot.current();
            let info = &flare.program.info;
            let stats = slot.stats.snapshot();
            let mut capabilities: Vec<Capability> = info
                .imports
                .iter()
                .map(|import| import.capability)
                .collect();
            capabilities.dedup();
            let names: Vec<&str> = capabilities.iter().map(|c| c.name()).collect();
            let imports: Vec<&str> = info.imports.iter().map(|import| import.name).collect();
            json!({
                "name": &*flare.name,
                "site": &*flare.env.site,
                "kind": format!("{:?}", flare.kind).to_lowercase(),
                "file": flare.file,
                "routes": flare.routes,
                "origin": flare.origin.as_ref().map(ToString::to_string),
                "size": info.size,
                "memory": info.memory,
                "capabilities": names,
                "imports": imports,
                "exports": info.exports,
                "requests": stats.requests,
                "errors": stats.errors,
                "sockets": stats.sockets,
                "p50_us": stats.p50.as_secs_f64() * 1e6,
                "p90_us": stats.p90.as_secs_f64() * 1e6,
                "p99_us": stats.p99.as_secs_f64() * 1e6,
            })
        })
        .collect();
    let recent = state.journal.recent();
    let recent: Vec<Value> = recent
        .iter()
        .rev()
        .take(LISTED)
        .rev()
        .map(|entry| entry.to_json())
        .collect();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_secs": state.started.elapsed().as_secs(),
        "flares": flares,
        "spark": spark_json(state),
        "plasma": plasma_json(state),
        "problems": problems(state),
        "recent": recent,
    })
}

fn spark_json(state: &State) -> Value {
    let sites = match state.node.spark.usage() {
        Ok(sites) => sites,
        Err(error) => return json!({ "error": error.to_string() }),
    };
    let sites: Vec<Value> = sites
        .iter()
        .map(|usage| {
            let keys: Vec<Value> = state
                .node
                .spark
                .entries(&usage.site)
                .unwrap_or_default()
                .iter()
                .take(LISTED)
                .map(|key| {
                    json!({
                        "key": key.key,
                        "bytes": key.value_bytes,
                        "ttl_left_secs": key.ttl_left_secs,
                    })
                })
                .collect();
            json!({
                "site": usage.site,
                "count": usage.keys,
                "bytes": usage.bytes,
                "quota": usage.quota_bytes,
                "keys": keys,
            })
        })
        .collect();
    json!({ "sites": sites })
}

fn plasma_json(state: &State) -> Value {
    let mut status = state.node.plasma.status();
    let count = status.keys.len();
    status.keys.truncate(LISTED);
    let mut value = serde_json::to_value(&status).unwrap_or_default();
    if let Some(object) = value.as_object_mut() {
        object.insert("count".to_owned(), count.into());
        // JavaScript's numbers are exact only up to 2^53.
        for key in object
            .get_mut("keys")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            if let Some(counter) = key
                .pointer_mut("/kind/counter")
                .and_then(Value::as_object_mut)
            {
                let exact = counter
                    .get("total")
                    .map_or_else(String::new, Value::to_string);
                counter.insert("exact".to_owned(), exact.into());
            }
        }
    }
    value
}

/// The stream of invocations.
fn events(state: &Arc<State>, stop: Option<watch::Receiver<bool>>) -> Body {
    let (send, body) = mpsc::channel(64);
    let mut entries = state.journal.subscribe();
    tokio::spawn(async move {
        let ending = async {
            match stop {
                Some(mut stop) => stopped(&mut stop).await,
                None => std::future::pending().await,
            }
        };
        let mut ending = std::pin::pin!(ending);
        // The head is sent with the first bytes.
        let mut text = ": here\n\n".to_owned();
        let mut window = Instant::now();
        let (mut shown, mut missed) = (0, 0);
        loop {
            if !text.is_empty() && send.send(Bytes::from(text)).await.is_err() {
                return; // The reader is gone.
            }
            let wait = match missed {
                0 => ALIVE,
                _ => WINDOW.saturating_sub(window.elapsed()),
            };
            let next = tokio::select! {
                next = tokio::time::timeout(wait, entries.recv()) => next,
                () = &mut ending => return,
            };
            if window.elapsed() >= WINDOW {
                window = Instant::now();
                shown = 0;
            }
            text = String::new();
            if missed > 0 && shown == 0 {
                text = format!("event: missed\ndata: {missed}\n\n");
                missed = 0;
            }
            match next {
                Ok(Ok(entry)) if shown < SHOWN => {
                    shown += 1;
                    text += &format!("data: {}\n\n", entry.to_json());
                }
                Ok(Ok(_)) => missed += 1,
                Ok(Err(RecvError::Lagged(more))) => missed += more,
                Ok(Err(RecvError::Closed)) => return,
                Err(_) if text.is_empty() => ": alive\n\n".clone_into(&mut text),
                Err(_) => {}
            }
        }
    });
    Body::Channel(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_own_paths_are_owned() {
        for path in ["/_edge", "/_edge/", "/_edge/status.json"] {
            assert!(owns(path), "{path}");
        }
        for path in ["/", "/_edges", "/x/_edge", "/_edg"] {
            assert!(!owns(path), "{path}");
        }
    }
}
