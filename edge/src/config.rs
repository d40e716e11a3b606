//! `flare.toml`: a flare's capabilities and limits.
//!
//! The file is next to the flare (in the crate's folder, or next to the `.wasm`). Without one, every
//! capability is off, as on the CDN, and every limit has its default.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::config::mistakes::{mistakes, shown};
use crate::contract::Kind;
use crate::error::{Error, Result};

mod mistakes;
mod schema;

pub use crate::config::schema::schema;

/// The name of the file: `flare.toml`.
pub const FILE_NAME: &str = "flare.toml";

/// The settings of one flare, from its `flare.toml`.
///
/// ```
/// use flaron_edge::FlareConfig;
///
/// let config = FlareConfig::parse("requires_body = true\n[limits]\nmax_time_ms = 50\n")?;
/// assert!(config.requires_body);
/// assert_eq!(config.limits.max_time_ms, 50);
/// # Ok::<(), flaron_edge::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct FlareConfig {
    /// The name in messages and on the status page. Default: the name of the crate or file.
    pub name: Option<String>,
    /// What the flare serves. Default: whatever it exports handlers for.
    pub kind: Option<Kind>,
    /// Whether the flare can read the request's body. Default: false; `req_body` then returns "no
    /// result".
    pub requires_body: bool,
    /// Whether the flare can read `Authorization`, `Cookie` and `X-Flaron-*`. Default: false;
    /// `req_header_get` then returns "no result" for them.
    pub requires_raw_auth: bool,
    /// Whether the flare can write to Spark. Default: false; writes then return code 9.
    pub writes_spark_kv: bool,
    /// Whether the flare can write to Plasma. Default: false; writes then return code 5.
    pub writes_plasma_kv: bool,
    /// The names of the secrets that the flare can read or use as keys. Default: none.
    pub allowed_secrets: Vec<String>,
    /// Where Transform and PassThrough send requests: `http://` or `https://`, a host, and
    /// optionally a path that is put before the request's. Default: none; both actions then fail.
    pub origin: Option<String>,
    /// The path prefixes that the flare serves. A request goes to the flare with the longest matching
    /// prefix. Default: `["/"]`.
    pub routes: Vec<String>,
    /// The WebSocket subprotocols that the flare speaks. The first one listed here that the client
    /// offers is chosen. Default: none; a client that offers some then gets none of them, which browsers
    /// treat as a failure.
    pub websocket_protocols: Vec<String>,
    /// The site whose keys the flare sees in Spark and Plasma; flares of the same site share them.
    /// Default: the flare's name.
    pub site: Option<String>,
    /// A file of entries to load into Spark and Plasma at the start, relative to the folder of
    /// `flare.toml`. Existing keys are left alone. Default: none.
    pub seed: Option<PathBuf>,
    /// What one invocation may use.
    pub limits: Limits,
    /// What outbound requests may reach.
    pub beam: BeamSettings,
}

/// `[limits]`: what one invocation may use. The defaults are the CDN's limits where the ABI states
/// them, and otherwise generous for a laptop.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// How long the flare may compute in one invocation, in milliseconds; waiting for a fetch or
    /// the disk does not count. Default: 1000.
    #[cfg_attr(test, schemars(range(min = 1)))]
    pub max_time_ms: u64,
    /// How large the flare's linear memory may become, in MiB (at most 4096). Default: 128.
    #[cfg_attr(test, schemars(range(min = 1, max = 4096)))]
    pub max_memory_mib: u64,
    /// How much of a request's body the flare sees, in bytes; the rest is cut off. Default:
    /// 10485760 (10 MiB).
    pub max_body_bytes: usize,
    /// `beam_fetch` calls per invocation. Default: 16.
    pub max_fetch_requests: u32,
    /// How long one `beam_fetch` may take, in milliseconds. Default: 10000.
    pub fetch_timeout_ms: u64,
    /// The largest body of a fetched response, in bytes; a fetch with a longer one fails.
    /// Default: 10485760 (10 MiB).
    pub max_fetch_bytes: usize,
    /// The largest value that Spark and Plasma take, in bytes. Default: 65536 (64 KiB).
    pub max_kv_value_bytes: usize,
    /// KV reads (get and list, Spark and Plasma each) per invocation. Default: 1000.
    pub max_kv_reads: u32,
    /// KV writes (set, delete, increment, Spark and Plasma each) per invocation. Default: 1000.
    pub max_kv_writes: u32,
    /// How much each site may store in Spark, keys and values together, in bytes; if a node's flares
    /// differ, the largest limit applies. Default: 67108864 (64 MiB).
    pub max_spark_bytes: u64,
    /// `snowflake_id` calls per invocation. Default: 100.
    pub max_snowflakes: u32,
    /// Log lines per invocation; further lines are counted and dropped. Default: 100.
    pub max_log_lines: u32,
    /// How long a log line may be, in bytes; longer ones are truncated. Default: 4096.
    pub max_log_line_bytes: usize,
    /// `ws_send` calls per event. Default: 100.
    pub max_ws_sends: u32,
    /// The largest WebSocket message, either way, in bytes. Default: 1048576 (1 MiB).
    pub max_ws_message_bytes: usize,
    /// How long a WebSocket connection may stay silent (not even answering pings), in seconds, before
    /// it is closed. Default: 60.
    pub ws_idle_secs: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_time_ms: 1000,
            max_memory_mib: 128,
            max_body_bytes: 10 << 20,
            max_fetch_requests: 16,
            fetch_timeout_ms: 10_000,
            max_fetch_bytes: 10 << 20,
            max_kv_value_bytes: 64 << 10,
            max_kv_reads: 1000,
            max_kv_writes: 1000,
            max_spark_bytes: 64 << 20,
            max_snowflakes: 100,
            max_log_lines: 100,
            max_log_line_bytes: 4 << 10,
            max_ws_sends: 100,
            max_ws_message_bytes: 1 << 20,
            ws_idle_secs: 60,
        }
    }
}

impl Limits {
    /// [`max_time_ms`](Self::max_time_ms) as a duration.
    pub fn max_time(&self) -> Duration {
        Duration::from_millis(self.max_time_ms)
    }

    /// [`max_memory_mib`](Self::max_memory_mib) in bytes.
    pub fn max_memory_bytes(&self) -> u64 {
        self.max_memory_mib << 20
    }
}

/// `[beam]`: what outbound requests may reach.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct BeamSettings {
    /// Whether fetches may go to loopback, private and link-local addresses (and so to the edge
    /// itself). Default: false. Addresses named in `hosts` are always allowed.
    pub allow_private: bool,
    /// Host names that are redirected to a local address: `"api.example.com" = "127.0.0.1:9000"`.
    /// Fetches to them go there over plain HTTP, whatever their scheme.
    pub hosts: BTreeMap<String, String>,
}

impl FlareConfig {
    /// Reads settings from TOML text.
    ///
    /// # Errors
    ///
    /// When the text is not TOML, a value has the wrong type or is out of range, or a key does not exist
    /// (the message names the most similar one that does). The message lists all mistakes, each with its line.
    pub fn parse(text: &str) -> Result<FlareConfig> {
        FlareConfig::read(text, None)
    }

    /// Reads settings from a file.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse), and when the file cannot be read.
    pub fn load(path: &Path) -> Result<FlareConfig> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Error::new(format!("cannot read {}: {error}", path.display())))?;
        let mut config = FlareConfig::read(&text, Some(path))?;
        // A relative path starts at the file's folder, wherever the node was started.
        let folder = path.parent().unwrap_or(Path::new(""));
        config.seed = config.seed.map(|seed| folder.join(seed));
        Ok(config)
    }

    /// Reads the `flare.toml` next to a flare (in the folder, or next to the file), or returns the
    /// defaults if there is none.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub fn beside(path: &Path) -> Result<FlareConfig> {
        let file = Self::file_beside(path);
        if file.is_file() {
            FlareConfig::load(&file)
        } else {
            Ok(FlareConfig::default())
        }
    }

    /// Where the `flare.toml` of the flare at `path` would be.
    pub fn file_beside(path: &Path) -> PathBuf {
        if path.is_dir() {
            path.join(FILE_NAME)
        } else {
            path.with_file_name(FILE_NAME)
        }
    }

    /// Reads text, which may come from a file.
    fn read(text: &str, file: Option<&Path>) -> Result<FlareConfig> {
        let folder = file.map(|file| file.parent().unwrap_or(Path::new("")));
        let mistakes = mistakes(text, folder);
        if !mistakes.is_empty() {
            return Err(shown(text, file, &mistakes));
        }
        toml::from_str(text)
            .map_err(|error| Error::new(error.to_string().trim_end()).within_file(file))
    }
}

/// A route is a path prefix: it begins with `/` and has no query.
pub(crate) fn check_route(route: &str) -> Result<()> {
    if !route.starts_with('/') || route.contains(['?', '#', ' ']) {
        return Err(Error::new(format!(
            "route {route:?} must be a path that begins with '/', like \"/api\""
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
