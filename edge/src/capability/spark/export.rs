//! The answer to another node's pull.

use std::fmt;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::capability::cluster::ClusterKeys;
use crate::capability::cluster::sealed::{open, seal};
use crate::capability::kv::{MAX_SITE_BYTES, check_key};
use crate::capability::spark::peers::{
    ANSWER_PURPOSE, EXPORT_MAX_REPLY, EXPORT_MAX_REQUEST, ExportAnswer, ExportEntry, ExportQuery,
    MAX_PULL_KEYS, PULL_PURPOSE, SEALED_TYPE,
};
use crate::capability::spark::{Entry, Spark};

/// Who may read this node's keys over HTTP.
#[derive(Clone, Default)]
pub struct ExportPolicy {
    /// With a token, only those that present it; without one, only this machine. Behind a reverse
    /// proxy everyone appears to be this machine, so set a token there.
    pub token: Option<String>,
    /// With the cluster's key, those that have it; others need the token.
    pub keys: Option<ClusterKeys>,
}

impl fmt::Debug for ExportPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExportPolicy")
            .field("has_token", &self.token.is_some())
            .field("keys", &self.keys)
            .finish()
    }
}

/// A request to [`EXPORT_PATH`](crate::capability::spark::EXPORT_PATH), as parsed by the HTTP server.
#[derive(Debug, Clone, Copy)]
pub struct ExportRequest<'a> {
    /// The address that the connection comes from.
    pub remote: IpAddr,
    /// The `Authorization` header.
    pub authorization: Option<&'a str>,
    /// The `Origin` header. Browsers send it; nodes do not.
    pub origin: Option<&'a str>,
    /// The body, at most [`EXPORT_MAX_REQUEST`] bytes.
    pub body: &'a [u8],
}

/// The result of [`export`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportReply {
    /// The HTTP status.
    pub status: u16,
    /// JSON, or encrypted JSON.
    pub body: Vec<u8>,
    /// Its `Content-Type`.
    pub content_type: &'static str,
}

/// Answers another node's pull. It reads from disk, so call it from a thread that may block.
///
/// 200 with the entries that exist; 400 for a body that is not `{"site", "keys"}` with valid keys;
/// 403 for strangers, and for browsers, whatever page made them send the request; 413 if the
/// request or the answer is too large; 500 if the store cannot be read.
pub fn export(store: &Spark, policy: &ExportPolicy, request: ExportRequest<'_>) -> ExportReply {
    let refuse = |status, reason: &str| ExportReply {
        status,
        content_type: "application/json",
        body: serde_json::json!({ "error": reason })
            .to_string()
            .into_bytes(),
    };
    if request.origin.is_some() {
        return refuse(403, "this is not for browsers");
    }
    if request.body.len() > EXPORT_MAX_REQUEST {
        return refuse(413, "the request is too large");
    }
    let opened = policy
        .keys
        .as_ref()
        .and_then(|keys| Some((keys, open(keys, PULL_PURPOSE, &[], request.body)?)));
    let known = match (&opened, &policy.token) {
        (Some(_), _) => true,
        (None, Some(token)) => request
            .authorization
            .and_then(|value| value.strip_prefix("Bearer "))
            .is_some_and(|given| same_secret(given, token)),
        (None, None) => policy.keys.is_none() && request.remote.to_canonical().is_loopback(),
    };
    if !known {
        return refuse(
            403,
            "only nodes of the same cluster may pull: give them the same key or token",
        );
    }
    let body = opened.as_ref().map_or(request.body, |(_, body)| body);
    let query: ExportQuery = match serde_json::from_slice(body) {
        Ok(query) => query,
        Err(error) => return refuse(400, &format!("not a pull: {error}")),
    };
    if query.keys.len() > MAX_PULL_KEYS || query.site.len() > MAX_SITE_BYTES {
        return refuse(413, "too many keys, or too long a site");
    }
    let mut entries = Vec::new();
    let mut bytes = 0;
    for key in query.keys {
        if let Err(reason) = check_key(key.as_bytes()) {
            return refuse(400, &reason);
        }
        match store.peek(&query.site, &key) {
            // An entry that expires within this millisecond is not worth sending.
            Ok(
                None
                | Some(Entry {
                    ttl_left_ms: Some(0),
                    ..
                }),
            ) => {}
            Ok(Some(Entry {
                value,
                ttl_left_ms: ttl_ms,
            })) => {
                let value = STANDARD.encode(value);
                bytes += key.len() + value.len() + 64;
                if bytes > EXPORT_MAX_REPLY {
                    return refuse(413, "the answer is too large; pull fewer keys at once");
                }
                entries.push(ExportEntry { key, value, ttl_ms });
            }
            Err(error) => {
                tracing::error!(%error, "spark: cannot answer a pull");
                return refuse(500, "the store cannot be read");
            }
        }
    }
    let Ok(body) = serde_json::to_vec(&ExportAnswer { entries }) else {
        return refuse(500, "the answer cannot be written");
    };
    let Some((keys, _)) = opened else {
        return ExportReply {
            status: 200,
            body,
            content_type: "application/json",
        };
    };
    // Bound to the request, so that a recorded answer cannot be used for another one.
    match seal(keys, ANSWER_PURPOSE, request.body, &body) {
        Some(body) => ExportReply {
            status: 200,
            body,
            content_type: SEALED_TYPE,
        },
        None => refuse(500, "the answer cannot be encrypted"),
    }
}

/// Compares digests, so that the time it takes does not reveal where two tokens differ.
fn same_secret(a: &str, b: &str) -> bool {
    // blake3's comparison of hashes is constant-time.
    blake3::hash(a.as_bytes()) == blake3::hash(b.as_bytes())
}
