//! The other nodes that keys are pulled from, and the messages exchanged with them.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::capability::cluster::ClusterKeys;
use crate::capability::cluster::sealed::{open, seal};
use crate::capability::kv::{OpenError, check_key};
use crate::capability::spark::error::{SparkCode, SparkError};
use crate::http::client::{causes, client_builder};

/// The purpose that the messages of a pull are sealed for, and their content type in HTTP.
pub(super) const PULL_PURPOSE: &str = "flaron-edge spark pull, v1";
pub(super) const ANSWER_PURPOSE: &str = "flaron-edge spark pull's answer, v1";
pub(super) const SEALED_TYPE: &str = "application/vnd.flaron.sealed";

/// The most keys in one pull.
pub const MAX_PULL_KEYS: usize = 1000;

/// Where [`export`](crate::capability::spark::export) is to be mounted, for POST.
pub const EXPORT_PATH: &str = "/_edge/spark/export";

/// The longest body that [`export`](crate::capability::spark::export) reads, in bytes. It has ample room for
/// [`MAX_PULL_KEYS`] keys.
pub const EXPORT_MAX_REQUEST: usize = 512 * 1024;

/// The longest answer of [`export`](crate::capability::spark::export), in bytes.
pub const EXPORT_MAX_REPLY: usize = 16 * 1024 * 1024;

/// The nodes that keys can be pulled from.
#[derive(Clone)]
pub struct SparkPeersConfig {
    /// From the name that a flare uses to the node's address: `http://host:port`.
    pub peers: BTreeMap<String, String>,
    /// A secret shared by all nodes of the cluster, to distinguish each other from strangers.
    pub token: Option<String>,
    /// The cluster's key. If there is one, requests and answers are encrypted with it, even over
    /// plain HTTP.
    pub keys: Option<ClusterKeys>,
    /// The time limit for a whole pull.
    pub timeout: Duration,
}

impl Default for SparkPeersConfig {
    /// No names, no token, no key, 5 s.
    fn default() -> Self {
        Self {
            peers: BTreeMap::new(),
            token: None,
            keys: None,
            timeout: Duration::from_secs(5),
        }
    }
}

/// The client side of pulls.
pub struct SparkPeers {
    peers: BTreeMap<String, reqwest::Url>,
    token: Option<Zeroizing<String>>,
    keys: Option<ClusterKeys>,
    client: reqwest::Client,
    runtime: tokio::runtime::Handle,
}

impl fmt::Debug for SparkPeers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SparkPeers")
            .field("peers", &self.peers)
            .finish_non_exhaustive()
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExportQuery {
    pub(super) site: String,
    pub(super) keys: Vec<String>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct ExportAnswer {
    pub(super) entries: Vec<ExportEntry>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct ExportEntry {
    pub(super) key: String,
    /// base64
    pub(super) value: String,
    /// Milliseconds left; absent means no TTL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ttl_ms: Option<u64>,
}

impl SparkPeers {
    /// The client for these peers. Requests run on `runtime`.
    ///
    /// # Errors
    ///
    /// A peer's address is not a plain `http://` or `https://` address.
    pub fn new(
        config: SparkPeersConfig,
        runtime: tokio::runtime::Handle,
    ) -> Result<Arc<Self>, OpenError> {
        let fail = |what: String| OpenError::other(format!("spark: {what}"));
        let mut peers = BTreeMap::new();
        for (name, address) in config.peers {
            let url = reqwest::Url::parse(&address)
                .ok()
                .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
                .ok_or_else(|| {
                    fail(format!(
                        "the peer `{name}` has the address `{address}`; write http://HOST:PORT"
                    ))
                })?;
            check_key(name.as_bytes()).map_err(|e| fail(format!("the peer `{name}`: {e}")))?;
            peers.insert(name, url);
        }
        let client = client_builder()
            .timeout(config.timeout)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|e| fail(e.to_string()))?;
        Ok(Arc::new(Self {
            peers,
            token: config.token.map(Zeroizing::new),
            keys: config.keys,
            client,
            runtime,
        }))
    }

    /// The address of the node that a flare calls `origin`: a configured name, or the address of a
    /// node on this machine (`127.0.0.1:8788`), so that trying it out needs no configuration.
    pub(super) fn find(&self, origin: &str) -> Result<reqwest::Url, SparkError> {
        if let Some(url) = self.peers.get(origin) {
            return Ok(url.clone());
        }
        if let Ok(address) = origin.parse::<SocketAddr>()
            && address.ip().is_loopback()
            && let Ok(url) = reqwest::Url::parse(&format!("http://{address}"))
        {
            return Ok(url);
        }
        Err(SparkError::new(
            SparkCode::NotAvailable,
            format!("no node is called `{origin}`: add it with --peer NAME=URL"),
        ))
    }

    pub(super) fn fetch(
        &self,
        base: &reqwest::Url,
        site: &str,
        keys: &[String],
    ) -> Result<ExportAnswer, SparkError> {
        let failed = |e: reqwest::Error| {
            let code = if e.is_connect() || e.is_timeout() {
                SparkCode::NotAvailable
            } else {
                SparkCode::Internal
            };
            SparkError::new(code, format!("cannot pull from {base}: {}", causes(&e)))
        };
        let bad = |what: String| SparkError::new(SparkCode::Internal, format!("{base} {what}"));
        let url = base.join(EXPORT_PATH).map_err(|e| bad(e.to_string()))?;
        let query = ExportQuery {
            site: site.to_owned(),
            keys: keys.to_vec(),
        };
        let query = serde_json::to_vec(&query).map_err(|e| bad(e.to_string()))?;
        let (query, kind) = match &self.keys {
            Some(keys) => {
                let sealed = seal(keys, PULL_PURPOSE, &[], &query);
                let sealed = sealed.ok_or_else(|| {
                    bad("cannot be asked: the system provides no randomness".to_owned())
                })?;
                (sealed, SEALED_TYPE)
            }
            None => (query, "application/json"),
        };
        self.runtime.block_on(async {
            let mut request = self
                .client
                .post(url)
                .header("content-type", kind)
                .body(query.clone());
            if let Some(token) = &self.token {
                request = request.bearer_auth(token.as_str());
            }
            let mut response = request.send().await.map_err(failed)?;
            if response.status() != 200 {
                return Err(bad(format!(
                    "refused the pull with status {}",
                    response.status()
                )));
            }
            let mut body = Vec::new();
            while let Some(chunk) = response.chunk().await.map_err(failed)? {
                if body.len() + chunk.len() > EXPORT_MAX_REPLY {
                    return Err(bad(format!(
                        "answered with more than {EXPORT_MAX_REPLY} bytes"
                    )));
                }
                body.extend_from_slice(&chunk);
            }
            if let Some(keys) = &self.keys {
                let opened = open(keys, ANSWER_PURPOSE, &query, &body);
                body = opened.ok_or_else(|| {
                    bad(
                        "did not answer with the cluster's key: give both nodes the same one"
                            .to_owned(),
                    )
                })?;
            }
            serde_json::from_slice(&body)
                .map_err(|e| bad(format!("sent an answer that is not a node's: {e}")))
        })
    }
}
