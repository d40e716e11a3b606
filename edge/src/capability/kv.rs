//! What Spark and Plasma have in common: the rules for keys, errors with a code, checksums of
//! entries, and the wall clock.

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// The longest key, in bytes.
pub const MAX_KEY_BYTES: usize = 256;

/// The longest site name, in bytes.
pub const MAX_SITE_BYTES: usize = 256;

/// The prefixes of keys reserved for the platform; flares cannot use them.
const RESERVED_PREFIXES: [&[u8]; 2] = [b"__flaron:", b"__sys:"];

/// Milliseconds since 1970. Tests supply their own.
pub(crate) type WallClock = Arc<dyn Fn() -> u64 + Send + Sync>;

pub(crate) fn wall_clock() -> WallClock {
    Arc::new(now_ms)
}

/// The wall clock's time, in milliseconds since 1970.
pub fn now_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Why a store could not be opened, or its node could not join others.
#[derive(Debug)]
pub struct OpenError(String);

impl OpenError {
    /// The store of this name did not open; `why` begins with its location.
    pub(crate) fn store(name: &str, why: impl fmt::Display) -> Self {
        Self(format!("cannot open the {name} store {why}"))
    }

    /// Something else.
    pub(crate) fn other(what: String) -> Self {
        Self(what)
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for OpenError {}

/// The status codes of one of the two stores, as the ABI numbers them.
pub trait KvCode: Copy {
    /// The store's name, for messages.
    const OF: &'static str;

    /// The ABI's number.
    fn number(self) -> i32;
}

/// Why an operation was refused or failed: the code is for the guest, the reason for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KvError<C> {
    /// The ABI's code.
    pub code: C,
    /// What happened and what to do, for the developer.
    pub reason: String,
}

impl<C: KvCode> KvError<C> {
    pub(crate) fn new(code: C, reason: impl Into<String>) -> Self {
        Self {
            code,
            reason: reason.into(),
        }
    }

    /// The ABI's number.
    pub fn code(&self) -> i32 {
        self.code.number()
    }
}

impl<C: KvCode> fmt::Display for KvError<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} (code {})", C::OF, self.reason, self.code())
    }
}

impl<C: KvCode + fmt::Debug> std::error::Error for KvError<C> {}

/// The length of an entry's checksum, in bytes.
pub(crate) const CHECK_BYTES: usize = 8;

/// A digest of an entry and its key, so that neither a changed byte nor an entry under the wrong
/// key goes unnoticed.
fn check(site: &str, key: &str, entry: &[u8]) -> [u8; CHECK_BYTES] {
    let mut hasher = blake3::Hasher::new();
    for part in [site.as_bytes(), key.as_bytes(), entry] {
        // Each part is preceded by its length, so that different parts never give the same input.
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let mut check = [0; CHECK_BYTES];
    hasher.finalize_xof().fill(&mut check);
    check
}

/// An entry in its stored form: preceded by its checksum.
pub(crate) fn with_check(site: &str, key: &str, entry: &[u8]) -> Vec<u8> {
    [&check(site, key, entry)[..], entry].concat()
}

/// The entry in the output of [`with_check`]; `None` if it was changed.
pub(crate) fn checked<'a>(site: &str, key: &str, stored: &'a [u8]) -> Option<&'a [u8]> {
    let (sum, entry) = stored.split_first_chunk::<CHECK_BYTES>()?;
    (*sum == check(site, key, entry)).then_some(entry)
}

/// Checks a key by the ABI's rule: `[a-zA-Z0-9:._-]{1,256}`, without the platform's prefixes.
pub(crate) fn check_key(key: &[u8]) -> Result<&str, String> {
    if key.is_empty() || key.len() > MAX_KEY_BYTES {
        return Err(format!(
            "a key must be 1 to {MAX_KEY_BYTES} bytes long; this one has {}",
            key.len()
        ));
    }
    let allowed = |b: &u8| b.is_ascii_alphanumeric() || b":._-".contains(b);
    if let Some(at) = key.iter().position(|b| !allowed(b)) {
        return Err(format!(
            "a key may contain only letters, digits and `:._-`; byte {at} of `{}` is something else",
            key.escape_ascii()
        ));
    }
    if let Some(prefix) = RESERVED_PREFIXES
        .iter()
        .find(|prefix| key.starts_with(prefix))
    {
        return Err(format!(
            "keys that begin with `{}` belong to the platform",
            prefix.escape_ascii()
        ));
    }
    // ASCII, as has just been checked.
    str::from_utf8(key).map_err(|e| e.to_string())
}

/// Bytes in their JSON form.
pub(crate) fn bytes_json(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => json!({ "text": text }),
        Err(_) => json!({ "base64": STANDARD.encode(bytes) }),
    }
}
