//! Secrets: named values that an operator gives to flares.
//!
//! They come from a separate TOML file (never from `flare.toml`, which is meant to be committed)
//! and from environment variables. A flare sees only the names in its `allowed_secrets`; that list
//! also applies to the crypto imports, which take a secret's name instead of its value.
//!
//! Values are held in memory that is wiped when it is freed, and nothing here prints them: `Debug`
//! shows only names and lengths, and no error contains a value.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zeroize::{Zeroize, Zeroizing};

/// The prefix of environment variables that hold secrets: `FLARON_SECRET_API_KEY=…` is the secret
/// `API_KEY`.
pub const ENV_PREFIX: &str = "FLARON_SECRET_";

/// The longest name of a secret, in bytes.
pub const MAX_NAME_BYTES: usize = 256;

/// The longest value of a secret, in bytes. The natural limit would be the size of a guest's arena;
/// a secret that does not fit into a quarter of that is a mistake.
pub const MAX_VALUE_BYTES: usize = 64 * 1024;

/// One secret's value. Wiped on drop; `Debug` does not show it.
struct Secret(Zeroizing<Vec<u8>>);

/// Why secrets could not be read from where the operator put them.
#[derive(Debug)]
pub enum SecretsError {
    /// The file could not be read.
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The file is not a flat TOML table of strings.
    Syntax {
        /// The file, if there is one.
        path: Option<PathBuf>,
        /// Where and what, without quoting the line, because it may contain a value.
        what: String,
    },
    /// A name that no flare could request.
    Name {
        /// The name.
        name: String,
    },
    /// A value longer than [`MAX_VALUE_BYTES`].
    TooLong {
        /// The secret's name.
        name: String,
    },
}

impl fmt::Display for SecretsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { path, source } => {
                write!(
                    f,
                    "cannot read the secrets file {}: {source}",
                    path.display()
                )
            }
            Self::Syntax { path, what } => {
                match path {
                    Some(path) => write!(f, "the secrets file {}: ", path.display())?,
                    None => write!(f, "the secrets: ")?,
                }
                write!(f, "{what}; write one `name = \"value\"` a line")
            }
            Self::Name { name } => write!(
                f,
                "`{name}` cannot name a secret: use 1 to {MAX_NAME_BYTES} printable ASCII \
                 characters without spaces"
            ),
            Self::TooLong { name } => {
                write!(
                    f,
                    "the secret `{name}` is longer than {MAX_VALUE_BYTES} bytes"
                )
            }
        }
    }
}

impl std::error::Error for SecretsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// All secrets of this node. Flares see it through a [`SecretView`].
#[derive(Default)]
pub struct SecretStore {
    values: BTreeMap<String, Secret>,
}

impl SecretStore {
    /// A store without secrets.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Reads the file, if one is given, and then the environment, which takes precedence, so that a
    /// deployment can replace a value without touching the file.
    ///
    /// # Errors
    ///
    /// [`SecretsError`], which never contains a value.
    pub fn load(file: Option<&Path>) -> Result<Self, SecretsError> {
        let mut store = match file {
            None => Self::empty(),
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .map(Zeroizing::new)
                    .map_err(|source| SecretsError::Read {
                        path: path.to_owned(),
                        source,
                    })?;
                Self::parse(&text, Some(path))?
            }
        };
        store.add_env(std::env::vars_os().filter_map(|(name, value)| {
            // What is not UTF-8 can neither be a name we look for nor a value that a flare could be
            // given.
            Some((name.into_string().ok()?, value.into_string().ok()?))
        }))?;
        Ok(store)
    }

    /// Reads the text of a secrets file.
    ///
    /// # Errors
    ///
    /// [`SecretsError`], which never contains a value.
    pub fn from_toml_str(text: &str) -> Result<Self, SecretsError> {
        Self::parse(text, None)
    }

    fn parse(text: &str, path: Option<&Path>) -> Result<Self, SecretsError> {
        let path = || path.map(Path::to_owned);
        let table: BTreeMap<String, toml::Value> = toml::from_str(text).map_err(|e| {
            // The error's own text quotes the line, which may contain a secret.
            let line = e
                .span()
                .map_or(0, |s| text[..s.start.min(text.len())].matches('\n').count());
            SecretsError::Syntax {
                path: path(),
                what: format!("not TOML at line {}", line + 1),
            }
        })?;
        let mut store = Self::empty();
        for (name, value) in table {
            let toml::Value::String(value) = value else {
                return Err(SecretsError::Syntax {
                    path: path(),
                    what: format!("the value of `{name}` is not a string"),
                });
            };
            store.insert(name, value)?;
        }
        Ok(store)
    }

    fn add_env(
        &mut self,
        vars: impl IntoIterator<Item = (String, String)>,
    ) -> Result<(), SecretsError> {
        for (name, value) in vars {
            let value = Zeroizing::new(value);
            if let Some(name) = name.strip_prefix(ENV_PREFIX) {
                self.insert(name, value.as_bytes())?;
            }
        }
        Ok(())
    }

    /// Adds or replaces one secret.
    ///
    /// # Errors
    ///
    /// [`SecretsError::Name`] and [`SecretsError::TooLong`].
    pub fn insert(
        &mut self,
        name: impl Into<String>,
        value: impl Into<Vec<u8>>,
    ) -> Result<(), SecretsError> {
        let name = name.into();
        let value = Zeroizing::new(value.into());
        if !is_name(name.as_bytes()) {
            return Err(SecretsError::Name { name });
        }
        if value.len() > MAX_VALUE_BYTES {
            return Err(SecretsError::TooLong { name });
        }
        self.values.insert(name, Secret(value));
        Ok(())
    }

    /// The names, in order. Values cannot be listed.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// How many secrets there are.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}

impl fmt::Debug for SecretStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(
                self.values
                    .keys()
                    .map(|name| (name, format_args!("[hidden]"))),
            )
            .finish()
    }
}

impl Drop for SecretStore {
    fn drop(&mut self) {
        for secret in self.values.values_mut() {
            secret.0.zeroize();
        }
    }
}

fn is_name(name: &[u8]) -> bool {
    (1..=MAX_NAME_BYTES).contains(&name.len()) && name.iter().all(u8::is_ascii_graphic)
}

/// Whether this can be part of an environment variable's name.
fn is_variable(name: &str) -> bool {
    name.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Why a flare did not get a secret. Its text is for the developer's log; the guest sees `0`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretRefusal {
    /// The bytes that the guest passed cannot be a name.
    BadName,
    /// The name is not in the flare's `allowed_secrets`.
    NotAllowed {
        /// The name asked for.
        name: String,
    },
    /// It is allowed, but this node has no such secret.
    NotSet {
        /// The name asked for.
        name: String,
    },
}

impl fmt::Display for SecretRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadName => write!(
                f,
                "that cannot name a secret (1 to {MAX_NAME_BYTES} printable ASCII characters \
                 without spaces)"
            ),
            Self::NotAllowed { name } => write!(
                f,
                "this flare may not use the secret `{name}`: add it to `allowed_secrets` in \
                 flare.toml"
            ),
            // No shell can set a variable with a dash in its name.
            Self::NotSet { name } if !is_variable(name) => write!(
                f,
                "the secret `{name}` is allowed but not set: add the line `{name} = \"…\"` to \
                 flare.secrets.toml"
            ),
            Self::NotSet { name } => write!(
                f,
                "the secret `{name}` is allowed but not set: add it to the secrets file, or set \
                 {ENV_PREFIX}{name}"
            ),
        }
    }
}

impl std::error::Error for SecretRefusal {}

/// The secrets that one flare may use. Cheap to clone; created once per flare.
#[derive(Clone)]
pub struct SecretView {
    store: Arc<SecretStore>,
    allowed: Arc<BTreeSet<String>>,
}

impl SecretView {
    /// Those secrets of `store` that are named in `allowed` (the flare's `allowed_secrets`).
    pub fn new(store: Arc<SecretStore>, allowed: impl IntoIterator<Item = String>) -> Self {
        Self {
            store,
            allowed: Arc::new(allowed.into_iter().collect()),
        }
    }

    /// A view that allows nothing.
    pub fn none() -> Self {
        Self::new(Arc::new(SecretStore::empty()), [])
    }

    /// The value of a secret: what `secret_get` returns.
    ///
    /// The allowlist is checked first, so a flare cannot find out which other names are set.
    ///
    /// # Errors
    ///
    /// [`SecretRefusal`], for the log.
    pub fn get(&self, name: &[u8]) -> Result<&[u8], SecretRefusal> {
        if !is_name(name) {
            return Err(SecretRefusal::BadName);
        }
        let name = std::str::from_utf8(name).map_err(|_| SecretRefusal::BadName)?;
        if !self.allowed.contains(name) {
            return Err(SecretRefusal::NotAllowed {
                name: name.to_owned(),
            });
        }
        match self.store.values.get(name) {
            Some(secret) => Ok(&secret.0),
            None => Err(SecretRefusal::NotSet {
                name: name.to_owned(),
            }),
        }
    }

    /// The allowed names that are not set, for a warning when the flare is loaded.
    pub fn missing(&self) -> impl Iterator<Item = &str> {
        self.allowed
            .iter()
            .map(String::as_str)
            .filter(|name| !self.store.values.contains_key(*name))
    }
}

impl fmt::Debug for SecretView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretView")
            .field("allowed", &self.allowed)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
