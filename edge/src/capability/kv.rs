//! What Spark and Plasma have in common: the rules of keys, the database file, the wall clock.

use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use redb::Database;

/// The longest key, in bytes.
pub const MAX_KEY_BYTES: usize = 256;

/// The longest site name, in bytes.
pub const MAX_SITE_BYTES: usize = 256;

/// What keys of the platform itself begin with; flares cannot use them.
const RESERVED_PREFIXES: [&[u8]; 2] = [b"__flaron:", b"__sys:"];

/// The store's page cache. redb would take a gigabyte.
const CACHE_BYTES: usize = 32 * 1024 * 1024;

/// Milliseconds since 1970. A test puts its own in.
pub(crate) type WallClock = Arc<dyn Fn() -> u64 + Send + Sync>;

pub(crate) fn wall_clock() -> WallClock {
    Arc::new(|| {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

/// Opens a redb file, or one in memory, with this crate's settings.
pub(crate) fn open_database(path: Option<&Path>) -> Result<Database, String> {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES);
    let Some(path) = path else {
        return builder
            .create_with_backend(redb::backends::InMemoryBackend::new())
            .map_err(|e| e.to_string());
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|e| e.to_string())?;
    }
    builder.create(path).map_err(|e| match e {
        redb::DatabaseError::DatabaseAlreadyOpen => {
            "another process has it open; give each node a \
                                                     --data folder of its own"
                .to_owned()
        }
        other => other.to_string(),
    })
}

/// Checks a key by the ABI's rule: `[a-zA-Z0-9:._-]{1,256}`, without the platform's own prefixes.
pub(crate) fn check_key(key: &[u8]) -> Result<&str, String> {
    if key.is_empty() || key.len() > MAX_KEY_BYTES {
        return Err(format!(
            "a key has 1 to {MAX_KEY_BYTES} bytes, this one has {}",
            key.len()
        ));
    }
    let allowed = |b: &u8| b.is_ascii_alphanumeric() || b":._-".contains(b);
    if let Some(at) = key.iter().position(|b| !allowed(b)) {
        return Err(format!(
            "a key is made of letters, digits and `:._-`; byte {at} of `{}` is not",
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
    // ASCII, as was just seen.
    str::from_utf8(key).map_err(|e| e.to_string())
}
