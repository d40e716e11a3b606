//! Identifiers: UUID v4 and v7, ULID, KSUID, NanoID, snowflakes.
//!
//! One [`IdGenerator`] serves the whole node, from any number of threads. Everything random comes
//! from the operating system.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Deserialize;

/// How many `snowflake_id` calls one invocation may make, if its configuration says nothing.
pub const DEFAULT_SNOWFLAKES: u32 = 100;

/// The length of a NanoID when the guest asks for 0.
pub const NANOID_DEFAULT: usize = 21;

/// The longest NanoID; longer wishes are cut to it.
pub const NANOID_MAX: usize = 256;

/// Snowflakes count milliseconds from here: 2010-11-04T01:42:54.657Z, the epoch that tools which
/// decode snowflakes expect.
pub const SNOWFLAKE_EPOCH_MS: u64 = 1_288_834_974_657;

/// The highest node number that fits into a snowflake (10 bits).
pub const SNOWFLAKE_MAX_NODE: u16 = 1023;

const SEQUENCE_BITS: u32 = 12;
const NODE_BITS: u32 = 10;

/// 64 symbols, so that six random bits choose one without bias.
const NANOID_ALPHABET: &[u8; 64] =
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";

/// Why there is no identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdError {
    /// The arguments are not the JSON object that the ABI names.
    Args(String),
    /// A UUID version other than `v4` and `v7`.
    Version(String),
    /// The invocation has used up its snowflakes.
    SnowflakeLimit(u32),
    /// The operating system gave no randomness.
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
                    "id_uuid: there is no version `{version}` here; ask for `v4` or `v7`"
                )
            }
            Self::SnowflakeLimit(limit) => write!(
                f,
                "snowflake_id: this invocation has made its {limit} snowflakes; raise the limit in \
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

/// Makes all identifiers of one node.
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
    /// A generator for the node with this number; only the lower 10 bits count. Two nodes with one
    /// number can make the same snowflake.
    pub fn new(node: u16) -> Self {
        Self {
            node: u64::from(node & SNOWFLAKE_MAX_NODE),
            last: AtomicU64::new(0),
            ulid: Mutex::new(ulid::Generator::new()),
        }
    }

    /// A generator for a node known by name. The name's hash chooses the number, so two names share
    /// one with a chance of 1 in 1024: give numbers by hand where that matters.
    pub fn for_node_name(name: &str) -> Self {
        let hash = blake3::hash(name.as_bytes());
        let [low, high, ..] = *hash.as_bytes();
        Self::new(u16::from_le_bytes([low, high]))
    }

    /// The number that goes into snowflakes.
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

    /// `id_ulid`: 26 characters, each greater than the one before it on this node.
    pub fn ulid(&self) -> String {
        let mut generator = self.ulid.lock().unwrap_or_else(PoisonError::into_inner);
        match generator.generate() {
            Ok(ulid) => ulid.to_string(),
            // 2^80 in one millisecond; the carry into the time keeps the order.
            Err(overflow) => overflow.commit_overflow_increment().to_string(),
        }
    }

    /// `id_ksuid`: 27 characters, ordered by second.
    pub fn ksuid(&self) -> String {
        const KSUID_EPOCH: u64 = 1_400_000_000;
        let secs = unix_ms() / 1000;
        let timestamp = u32::try_from(secs.saturating_sub(KSUID_EPOCH)).unwrap_or(u32::MAX);
        svix_ksuid::Ksuid::new_raw(timestamp, None).to_string()
    }

    /// `id_nanoid`: `length` characters of the URL-safe alphabet; 0 and less mean
    /// [`NANOID_DEFAULT`], more than [`NANOID_MAX`] is cut to it.
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
    /// More than 4096 in one millisecond run on into the next one's numbers, and so does a clock
    /// that is set back: a number is never given twice while the process lives.
    pub fn snowflake(&self) -> String {
        let now = unix_ms().saturating_sub(SNOWFLAKE_EPOCH_MS) << SEQUENCE_BITS;
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

fn unix_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Counts the metered snowflakes of one invocation (`snowflake_id`).
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
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn uuids_have_their_version_and_variant() {
        let ids = IdGenerator::new(1);
        for (version, digit) in [("v4", '4'), ("v7", '7')] {
            let text = ids
                .uuid(format!("{{\"version\":\"{version}\"}}").as_bytes())
                .unwrap();
            assert_eq!(text.len(), 36);
            assert_eq!(text.chars().nth(14), Some(digit), "{text}");
            assert!("89ab".contains(text.chars().nth(19).unwrap()), "{text}");
            assert_eq!(text, text.to_lowercase());
        }
    }

    #[test]
    fn uuid_v7_starts_with_the_time_and_is_ordered() {
        let ids = IdGenerator::new(1);
        let made: Vec<String> = (0..1000)
            .map(|_| ids.uuid(b"{\"version\":\"v7\"}").unwrap())
            .collect();
        assert!(made.is_sorted());
        let hex: String = made[0].chars().filter(|c| *c != '-').take(12).collect();
        let ms = u64::from_str_radix(&hex, 16).unwrap();
        assert!(unix_ms().abs_diff(ms) < 5_000);
    }

    #[test]
    fn uuid_arguments_are_strict() {
        let ids = IdGenerator::new(1);
        for bad in [
            "",
            "{}",
            "{\"version\":4}",
            "{\"version\":\"v4\",\"x\":1}",
            "\"v4\"",
        ] {
            assert!(
                matches!(ids.uuid(bad.as_bytes()), Err(IdError::Args(_))),
                "{bad}"
            );
        }
        assert_eq!(
            ids.uuid(b"{\"version\":\"v1\"}"),
            Err(IdError::Version("v1".into()))
        );
    }

    #[test]
    fn ulids_are_ordered_and_say_the_time() {
        let ids = IdGenerator::new(1);
        let made: Vec<String> = (0..1000).map(|_| ids.ulid()).collect();
        assert!(made.is_sorted() && made.iter().all(|u| u.len() == 26));
        let ulid = ulid::Ulid::from_string(&made[0]).unwrap();
        assert!(unix_ms().abs_diff(ulid.timestamp_ms()) < 5_000);
    }

    #[test]
    fn ksuids_say_the_time() {
        use std::str::FromStr as _;
        let text = IdGenerator::new(1).ksuid();
        assert_eq!(text.len(), 27);
        let ksuid = svix_ksuid::Ksuid::from_str(&text).unwrap();
        let secs = u64::from(ksuid.timestamp_raw()) + 1_400_000_000;
        assert!((unix_ms() / 1000).abs_diff(secs) < 5);
    }

    #[test]
    fn nanoid_lengths() {
        let ids = IdGenerator::new(1);
        for (asked, length) in [
            (0, 21),
            (-1, 21),
            (i32::MIN, 21),
            (1, 1),
            (64, 64),
            (257, 256),
            (i32::MAX, 256),
        ] {
            let text = ids.nanoid(asked).unwrap();
            assert_eq!(text.len(), length, "{asked}");
            assert!(text.bytes().all(|b| NANOID_ALPHABET.contains(&b)), "{text}");
        }
        let symbols: HashSet<_> = NANOID_ALPHABET.iter().collect();
        assert_eq!(symbols.len(), 64);
    }

    #[test]
    fn a_snowflake_is_time_node_and_sequence() {
        let ids = IdGenerator::new(0x2a5);
        let flake: u64 = ids.snowflake().parse().unwrap();
        assert_eq!((flake >> 12) & 1023, 0x2a5);
        let ms = (flake >> 22) + SNOWFLAKE_EPOCH_MS;
        assert!(unix_ms().abs_diff(ms) < 5_000);
        assert!(flake < 1 << 63, "must be positive as a signed number");
    }

    #[test]
    fn node_numbers_from_names() {
        let a = IdGenerator::for_node_name("node-a");
        assert_eq!(a.node(), IdGenerator::for_node_name("node-a").node());
        assert_ne!(a.node(), IdGenerator::for_node_name("node-b").node());
        assert!(a.node() <= SNOWFLAKE_MAX_NODE);
        assert_eq!(IdGenerator::new(u16::MAX).node(), SNOWFLAKE_MAX_NODE);
    }

    #[test]
    fn unique_and_ordered_under_concurrency() {
        const THREADS: usize = 8;
        const EACH: usize = 5_000;
        let ids = IdGenerator::new(7);
        let mut seen: [HashSet<String>; 3] = Default::default();
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..THREADS)
                .map(|_| {
                    scope.spawn(|| {
                        let flakes: Vec<String> = (0..EACH).map(|_| ids.snowflake()).collect();
                        let ulids: Vec<String> = (0..EACH).map(|_| ids.ulid()).collect();
                        let v7 = (0..EACH).map(|_| ids.uuid(b"{\"version\":\"v7\"}").unwrap());
                        let numbers: Vec<u64> = flakes.iter().map(|f| f.parse().unwrap()).collect();
                        assert!(numbers.is_sorted() && ulids.is_sorted());
                        [flakes, ulids, v7.collect()]
                    })
                })
                .collect();
            for worker in workers {
                for (all, made) in seen.iter_mut().zip(worker.join().unwrap()) {
                    all.extend(made);
                }
            }
        });
        for all in seen {
            assert_eq!(all.len(), THREADS * EACH);
        }
    }

    #[test]
    fn the_meter_stops_at_its_limit() {
        let ids = IdGenerator::new(1);
        let mut meter = SnowflakeMeter::default();
        for _ in 0..DEFAULT_SNOWFLAKES {
            meter.take(&ids).unwrap();
        }
        assert_eq!(meter.take(&ids), Err(IdError::SnowflakeLimit(100)));
        assert_eq!(meter.take(&ids), Err(IdError::SnowflakeLimit(100)));
        assert_eq!(
            SnowflakeMeter::new(0).take(&ids),
            Err(IdError::SnowflakeLimit(0))
        );
    }
}
