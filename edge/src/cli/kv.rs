//! `flaron-edge kv`: reads and changes Spark and Plasma, whether the node runs or not.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use flaron_edge::{
    Content, Error, FlareConfig, Result, StoreName, StoredEntry, Stores, now_ms, parse_entries,
};
use http::{Method, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};

use crate::cli::args::{Kv, KvAction};
use crate::cli::output::{Output, outln};

/// The file in a data folder that says which node uses it.
const RUNNING: &str = "node.json";
/// How long a node may take to answer.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The node that uses a data folder.
#[derive(Debug, Serialize, Deserialize)]
struct NodeFile {
    node_id: String,
    /// Where it serves, while it runs.
    url: Option<String>,
}

/// Records in the data folder that this node uses it, until dropped.
pub(crate) struct Running {
    file: PathBuf,
    node_id: String,
}

impl Running {
    pub(crate) fn new(data: &Path, node_id: &str, url: &str) -> Running {
        let running = Running {
            file: data.join(RUNNING),
            node_id: node_id.to_owned(),
        };
        running.write(Some(url.to_owned()));
        running
    }

    fn write(&self, url: Option<String>) {
        let node = NodeFile {
            node_id: self.node_id.clone(),
            url,
        };
        let text = serde_json::to_string(&node).unwrap_or_default();
        if let Err(error) = std::fs::write(&self.file, text) {
            let file = self.file.display();
            tracing::warn!("`flaron-edge kv` will not find this node: {file}: {error}");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.write(None);
    }
}

/// Runs the command.
pub(crate) fn kv(kv: &Kv) -> Result<()> {
    let runtime = flaron_edge::bench_runtime()?;
    let access = runtime.block_on(Access::open(&kv.data))?;
    let done = runtime.block_on(act(&access, kv));
    // Dropping the stores waits until they have finished writing.
    drop(access);
    done
}

async fn act(access: &Access, kv: &Kv) -> Result<()> {
    let site = || match &kv.site {
        Some(site) => Ok(site.clone()),
        None => site_here(),
    };
    match &kv.action {
        KvAction::List { store } => {
            for entry in access.entries(*store, kv.site.as_deref()).await? {
                let expires = entry.expires_ms.map(|at| {
                    let left = at.saturating_sub(now_ms()).div_ceil(1000);
                    format!("  expires in {left} s")
                });
                let what = match (entry.counter, &entry.value) {
                    (Some(total), _) => format!("counter {total}"),
                    (None, Some(value)) => format!("{} bytes", value.0.len()),
                    (None, None) => String::new(),
                };
                let expires = expires.unwrap_or_default();
                outln!(
                    "{:<6}  {}  {}  {what}{expires}",
                    entry.store,
                    entry.site,
                    entry.key
                );
            }
            Ok(())
        }
        KvAction::Get { store, key } => {
            let entry = access.get(*store, &site()?, key).await?;
            let entry = entry.ok_or_else(|| no_key(*store, key))?;
            match (entry.counter, entry.value) {
                (Some(total), _) => outln!("{total}"),
                (None, value) => Output
                    .write_all(&value.unwrap_or_default().0)
                    .map_err(|error| Error::new(error.to_string()))?,
            }
            Ok(())
        }
        KvAction::Put {
            store,
            key,
            value,
            ttl,
            counter,
        } => {
            let mut entry = StoredEntry {
                store: *store,
                site: site()?,
                key: key.clone(),
                value: None,
                counter: None,
                expires_ms: ttl.map(|ttl| now_ms().saturating_add(ttl.saturating_mul(1000))),
                deleted: false,
            };
            if *counter {
                let number = value.parse().map_err(|_| {
                    Error::new(format!(
                        "{value:?} is not a 64-bit integer, which a counter is"
                    ))
                })?;
                entry.counter = Some(number);
            } else {
                entry.value = Some(Content(value_of(value)?));
            }
            access.put(&entry).await
        }
        KvAction::Delete { store, key } => match access.delete(*store, &site()?, key).await? {
            true => Ok(()),
            false => Err(no_key(*store, key)),
        },
        KvAction::Export { store } => {
            for entry in access.entries(*store, kv.site.as_deref()).await? {
                let line = serde_json::to_string(&entry);
                outln!("{}", line.map_err(|error| Error::new(error.to_string()))?);
            }
            Ok(())
        }
        KvAction::Import { file } => {
            let text = value_of(&format!("@{}", file.display()))?;
            let text = String::from_utf8_lossy(&text);
            let entries = parse_entries(&text)
                .map_err(|error| Error::new(format!("{}: {error}", file.display())))?;
            let count = entries.len();
            for (line, mut entry) in entries {
                if entry.site.is_empty() {
                    entry.site = site()?;
                }
                access.put(&entry).await.map_err(|error| {
                    Error::new(format!(
                        "{}:{line}: {error} (the lines before this one have been stored)",
                        file.display()
                    ))
                })?;
            }
            outln!("Imported {count} entries");
            Ok(())
        }
    }
}

fn no_key(store: StoreName, key: &str) -> Error {
    Error::new(format!(
        "{store} has no key {key:?} (`flaron-edge kv list` lists the keys)"
    ))
}

/// The value that an argument stands for: `@FILE` a file's content, `-` standard input, anything else itself.
fn value_of(text: &str) -> Result<Bytes> {
    let mut bytes = Vec::new();
    match text.strip_prefix('@') {
        Some("-") => std::io::stdin().read_to_end(&mut bytes).map(drop),
        Some(file) => std::fs::read(file).map(|read| bytes = read),
        None if text == "-" => std::io::stdin().read_to_end(&mut bytes).map(drop),
        None => return Ok(text.to_owned().into()),
    }
    .map_err(|error| {
        Error::new(format!(
            "cannot read {}: {error}",
            text.trim_start_matches('@')
        ))
    })?;
    Ok(bytes.into())
}

/// The site of the flare in the current folder.
fn site_here() -> Result<String> {
    let config = FlareConfig::beside(Path::new("."))?;
    let manifest = std::fs::read_to_string("Cargo.toml").unwrap_or_default();
    let name = toml::from_str::<toml::Table>(&manifest)
        .ok()
        .and_then(|manifest| {
            let name = manifest.get("package")?.get("name")?.as_str()?;
            Some(name.replace('-', "_"))
        });
    config.site.or(config.name).or(name).ok_or_else(|| {
        Error::new(
            "no site: name one with --site SITE, or run this in a flare's folder to use that flare's site",
        )
    })
}

/// How the stores are accessed.
enum Access {
    /// Directly, because no node has them open.
    Files(Stores),
    /// Through the node that has them open, at this host and port.
    Node(String),
}

impl Access {
    async fn open(data: &Path) -> Result<Access> {
        // A node that was killed is still recorded as running, but nobody answers at its address.
        if let Some(host) = running(data)
            && tokio::net::TcpStream::connect(&host).await.is_ok()
        {
            return Ok(Access::Node(host));
        }
        let node_id = node_of(data).map_or_else(|| "local".to_owned(), |node| node.node_id);
        tokio::task::block_in_place(|| Stores::open(data, &node_id)).map(Access::Files)
    }

    async fn entries(
        &self,
        store: Option<StoreName>,
        site: Option<&str>,
    ) -> Result<Vec<StoredEntry>> {
        match self {
            Access::Files(stores) => tokio::task::block_in_place(|| stores.entries(store, site)),
            Access::Node(host) => {
                let mut query = Vec::new();
                let store = store.map(|store| store.to_string());
                query.extend(store.as_deref().map(|store| ("store", store)));
                query.extend(site.map(|site| ("site", site)));
                let (_, text) = ask(host, Method::GET, &query, Bytes::new()).await?;
                let text = String::from_utf8_lossy(&text);
                Ok(parse_entries(&text)?
                    .into_iter()
                    .map(|line| line.1)
                    .collect())
            }
        }
    }

    async fn get(&self, store: StoreName, site: &str, key: &str) -> Result<Option<StoredEntry>> {
        match self {
            Access::Files(stores) => tokio::task::block_in_place(|| stores.get(store, site, key)),
            Access::Node(host) => {
                let store = store.to_string();
                let query = [("store", &*store), ("site", site), ("key", key)];
                let (found, text) = ask(host, Method::GET, &query, Bytes::new()).await?;
                let entry = found.then(|| serde_json::from_slice(&text)).transpose();
                entry.map_err(|error| {
                    Error::new(format!(
                        "the node at {host} sent an invalid answer: {error}"
                    ))
                })
            }
        }
    }

    async fn put(&self, entry: &StoredEntry) -> Result<()> {
        match self {
            Access::Files(stores) => tokio::task::block_in_place(|| stores.put(entry)),
            Access::Node(host) => {
                let body =
                    serde_json::to_vec(entry).map_err(|error| Error::new(error.to_string()))?;
                ask(host, Method::PUT, &[], body.into()).await.map(drop)
            }
        }
    }

    async fn delete(&self, store: StoreName, site: &str, key: &str) -> Result<bool> {
        match self {
            Access::Files(stores) => {
                tokio::task::block_in_place(|| stores.delete(store, site, key))
            }
            Access::Node(host) => {
                let store = store.to_string();
                let query = [("store", &*store), ("site", site), ("key", key)];
                Ok(ask(host, Method::DELETE, &query, Bytes::new()).await?.0)
            }
        }
    }
}

fn node_of(data: &Path) -> Option<NodeFile> {
    let text = std::fs::read_to_string(data.join(RUNNING)).ok()?;
    serde_json::from_str(&text).ok()
}

/// The host and port of the node that uses a data folder, according to the folder.
pub(crate) fn running(data: &Path) -> Option<String> {
    let url = node_of(data)?.url?;
    Some(url.strip_prefix("http://")?.to_owned())
}

/// A connection to a running node.
pub(crate) async fn connect(
    host: &str,
) -> std::result::Result<SendRequest<Full<Bytes>>, Box<dyn std::error::Error>> {
    let stream = tokio::net::TcpStream::connect(host).await?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

/// Sends a request to the running node. Returns whether the entry exists, and the response's body.
async fn ask(
    host: &str,
    method: Method,
    query: &[(&str, &str)],
    body: Bytes,
) -> Result<(bool, Bytes)> {
    let failed = |error: &dyn std::fmt::Display| {
        Error::new(format!("the node at {host} does not answer: {error}"))
    };
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(query)
        .finish();
    let request = http::Request::builder()
        .method(method)
        .uri(format!("/_edge/kv?{query}"))
        .header("host", host)
        .header("x-flaron-edit", "1")
        .body(Full::new(body))
        .map_err(|error| failed(&error))?;
    let exchange = async {
        let mut sender = connect(host).await.map_err(|error| failed(&error))?;
        let response = sender
            .send_request(request)
            .await
            .map_err(|error| failed(&error))?;
        let status = response.status();
        let body = response
            .into_body()
            .collect()
            .await
            .map_err(|error| failed(&error))?;
        Ok((status, body.to_bytes()))
    };
    let (status, body) = tokio::time::timeout(TIMEOUT, exchange)
        .await
        .map_err(|_| failed(&"it took longer than 30 s"))??;
    match status {
        StatusCode::OK => Ok((true, body)),
        StatusCode::NOT_FOUND => Ok((false, body)),
        _ => Err(Error::new(format!(
            "the node at {host} refused the request: {}",
            String::from_utf8_lossy(&body).trim()
        ))),
    }
}
