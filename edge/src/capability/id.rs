//! Identifiers: UUID v4 and v7, ULID, KSUID, NanoID, snowflakes.
//!
//! One [`IdGenerator`] serves the whole node, from any number of threads. All randomness comes from
//! the operating system.

use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Deserialize;

use crate::capability::kv::now_ms;
use crate::sync::lock;

/// How many `snowflake_id` calls an invocation may make by default.
pub const DEFAULT_SNOWFLAKES: u32 = 100;

/// The length of a NanoID when the guest asks for 0.
pub const NANOID_DEFAULT: usize = 21;

/// The longest NanoID; greater lengths are reduced to this.
pub const NANOID_MAX: usize = 256;

/// The start of a snowflake's milliseconds: 2010-11-04T01:42:54.657Z, the epoch expected by tools
/// that decode snowflakes.
pub const SNOWFLAKE_EPOCH_MS: u64 = 1_288_834_974_657;

/// The highest node number that fits into a snowflake (10 bits).
pub const SNOWFLAKE_MAX_NODE: u16 = 1023;

const SEQUENCE_BITS: u32 = 12;
const NODE_BITS: u32 = 10;

/// 64 symbols, so that six random bits select one without bias.
const NANOID_ALPHABET: &[u8; 64] =
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";

/// Why there is no identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdError {
    /// The arguments are not the JSON object that the ABI specifies.
    Args(String),
    /// A UUID version other than `v4` and `v7`.
    Version(String),
    /// The invocation has used up its snowflakes.
    SnowflakeLimit(u32),
    /// The operating system provided no randomness.
    Random,
}

impl fmt::Display for IdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Args(what) => {
                write!(
                    f,
                    "id_uuid: the arguments must be {{\"version\": \"v4\" or \"v7\"}}: {what}"
                )
            }
            Self::Version(version) => {
                write!(
                    f,
                    "id_uuid: there is no version `{version}`; use `v4` or `v7`"
                )
            }
            Self::SnowflakeLimit(limit) => write!(
                f,
                "snowflake_id: this invocation has used all of its {limit} snowflake IDs; raise the limit in \
                 flare.toml or make fewer"
            ),
            Self::Random => write!(f, "the operating system gave no random bytes"),
        }
    }
}

impl std::error::Error for IdError {}

/// `{"version": "v4"}`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UuidArgs {
    version: String,
}

/// Generates all identifiers of one node.
pub struct IdGenerator {
    node: u64,
    /// The last snowflake's milliseconds and sequence number, in one word.
    last: AtomicU64,
    ulid: Mutex<ulid::Generator>,
}

impl fmt::Debug for IdGenerator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdGenerator")
            .field("node", &self.node)
            .finish_non_exhaustive()
    }
}

impl IdGenerator {
    /// A generator for the node with this number; only the lower 10 bits count. Two nodes with the
    /// same number can generate the same snowflake.
    pub fn new(node: u16) -> Self {
        Self {
            node: u64::from(node & SNOWFLAKE_MAX_NODE),
            last: AtomicU64::new(0),
            ulid: Mutex::new(ulid::Generator::new()),
        }
    }

    /// A generator for a node known by name. The number is taken from a hash of the name, so two
    /// names share one with a probability of 1 in 1024; assign numbers explicitly where that
    /// matters.
    pub fn for_node_name(name: &str) -> Self {
        let hash = blake3::hash(name.as_bytes());
        let [low, high, ..] = *hash.as_bytes();
        Self::new(u16::from_le_bytes([low, high]))
    }

    /// The node number in its snowflakes.
    pub fn node(&self) -> u16 {
        self.node as u16
    }

    /// `id_uuid`: a UUID in its canonical form.
    ///
    /// # Errors
    ///
    /// [`IdError::Args`] and [`IdError::Version`].
    pub fn uuid(&self, args: &[u8]) -> Result<String, IdError> {
        let args: UuidArgs =
            serde_json::from_slice(args).map_err(|e| IdError::Args(e.to_string()))?;
        match args.version.as_str() {
            "v4" => Ok(uuid::Uuid::new_v4().to_string()),
            "v7" => Ok(uuid::Uuid::now_v7().to_string()),
            _ => Err(IdError::Version(args.version)),
        }
    }

    /// `id_ulid`: 26 characters; each ULID is greater than the one before it on this node.
    pub fn ulid(&self) -> String {
        let mut generator = lock(&self.ulid);
        match generator.generate() {
            Ok(ulid) => ulid.to_string(),
            // After 2^80 in one millisecond, the carry into the time keeps the order.
            Err(overflow) => overflow.commit_overflow_increment().to_string(),
        }
    }

    /// `id_ksuid`: 27 characters, ordered by second.
    pub fn ksuid(&self) -> String {
        const KSUID_EPOCH: u64 = 1_400_000_000;
        let secs = now_ms() / 1000;
        let timestamp = u32::try_from(secs.saturating_sub(KSUID_EPOCH)).unwrap_or(u32::MAX);
        svix_ksuid::Ksuid::new_raw(timestamp, None).to_string()
    }

    /// `id_nanoid`: `length` characters of the URL-safe alphabet; 0 and less mean
    /// [`NANOID_DEFAULT`], and more than [`NANOID_MAX`] is reduced to it.
    ///
    /// # Errors
    ///
    /// [`IdError::Random`].
    pub fn nanoid(&self, length: i32) -> Result<String, IdError> {
        let length = match usize::try_from(length) {
            Ok(0) | Err(_) => NANOID_DEFAULT,
            Ok(length) => length.min(NANOID_MAX),
        };
        let mut random = [0; NANOID_MAX];
        getrandom::fill(&mut random[..length]).map_err(|_| IdError::Random)?;
        Ok(random[..length]
            .iter()
            .map(|b| char::from(NANOID_ALPHABET[usize::from(b & 63)]))
            .collect())
    }

    /// `id_snowflake`: decimal text; 41 bits of milliseconds since [`SNOWFLAKE_EPOCH_MS`], 10 bits
    /// of node, 12 bits of sequence. Each is greater than the one before it on this node.
    ///
    /// More than 4096 in one millisecond use up the next one's numbers, and so do those generated
    /// after the clock was set back: a number is never returned twice in the life of the process.
    pub fn snowflake(&self) -> String {
        let now = now_ms().saturating_sub(SNOWFLAKE_EPOCH_MS) << SEQUENCE_BITS;
        let next = |last: u64| now.max(last + 1);
        let last = self
            .last
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| {
                Some(next(last))
            })
            .unwrap_or_else(|last| last);
        let stamp = next(last);
        let (ms, sequence) = (stamp >> SEQUENCE_BITS, stamp & ((1 << SEQUENCE_BITS) - 1));
        ((ms << (NODE_BITS + SEQUENCE_BITS)) | (self.node << SEQUENCE_BITS) | sequence).to_string()
    }
}

/// Limits the snowflakes of one invocation (`snowflake_id`).
#[derive(Debug)]
pub struct SnowflakeMeter {
    limit: u32,
    left: u32,
}

impl SnowflakeMeter {
    /// A meter for one invocation.
    pub fn new(limit: u32) -> Self {
        Self { limit, left: limit }
    }

    /// One snowflake, if any is left.
    ///
    /// # Errors
    ///
    /// [`IdError::SnowflakeLimit`].
    pub fn take(&mut self, ids: &IdGenerator) -> Result<String, IdError> {
        self.left = self
            .left
            .checked_sub(1)
            .ok_or(IdError::SnowflakeLimit(self.limit))?;
        Ok(ids.snowflake())
    }
}

impl Default for SnowflakeMeter {
    fn default() -> Self {
        Self::new(DEFAULT_SNOWFLAKES)
    }
}

#[cfg(test)]
mod tests;
