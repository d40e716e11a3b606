//! The cluster's secret: how it is written, and which of two keys is used during a rotation.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

/// The length of a key, in bytes.
const KEY_BYTES: usize = 32;

/// The most keys at once: the one in use, and the one before or after it.
const MAX_KEYS: usize = 2;

/// Why a text is not a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterKeyError(&'static str);

impl fmt::Display for ClusterKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the cluster key is not valid: {}. A key is 64 hex digits; `flaron-edge new-key` prints a new one",
            self.0
        )
    }
}

impl std::error::Error for ClusterKeyError {}

/// A key, with the number by which nodes refer to it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Key {
    /// Says which key a message was made with, and reveals nothing about the key itself.
    pub(crate) number: [u8; 4],
    pub(crate) secret: Zeroizing<[u8; KEY_BYTES]>,
}

/// The keys of a cluster: this node seals with the first, and opens what others sealed with any of
/// them.
///
/// To replace a key while the cluster runs, give every node, one after the other, first `old,new`,
/// then `new,old`, then `new`.
#[derive(Clone, PartialEq, Eq)]
pub struct ClusterKeys {
    keys: Arc<[Key]>,
    is_public: bool,
}

impl ClusterKeys {
    /// Reads one key, or two separated by a comma or white space.
    ///
    /// # Errors
    ///
    /// [`ClusterKeyError`]: not 64 hex digits, no key, more than two, or the same key twice.
    pub fn parse(text: &str) -> Result<Self, ClusterKeyError> {
        let mut keys = Vec::new();
        for word in text
            .split(|c: char| c == ',' || c.is_whitespace())
            .filter(|word| !word.is_empty())
        {
            let mut secret = Zeroizing::new([0; KEY_BYTES]);
            hex::decode_to_slice(word, &mut secret[..])
                .map_err(|_| ClusterKeyError("it is not 64 hex digits"))?;
            if secret.iter().all(|byte| *byte == secret[0]) {
                return Err(ClusterKeyError("all its bytes are the same"));
            }
            let key = Key::new(secret);
            if keys.contains(&key) {
                return Err(ClusterKeyError("the same key is given twice"));
            }
            keys.push(key);
        }
        match keys.len() {
            0 => Err(ClusterKeyError("it is empty")),
            1..=MAX_KEYS => Ok(Self {
                keys: keys.into(),
                is_public: false,
            }),
            _ => Err(ClusterKeyError("there are more than two")),
        }
    }

    /// Takes the place of a key where there is none. It is known to everyone: it protects against
    /// accidents (two clusters that meet), not against attackers.
    pub fn public(cluster: &str) -> Self {
        let secret =
            blake3::derive_key("flaron-edge cluster without a key, v1", cluster.as_bytes());
        Self {
            keys: [Key::new(Zeroizing::new(secret))].into(),
            is_public: true,
        }
    }

    /// A new key, in the format that [`ClusterKeys::parse`] reads.
    ///
    /// # Errors
    ///
    /// When the operating system provides no randomness.
    pub fn generate() -> Result<Zeroizing<String>, getrandom::Error> {
        let mut secret = Zeroizing::new([0; KEY_BYTES]);
        getrandom::fill(&mut secret[..])?;
        Ok(Zeroizing::new(hex::encode(&secret[..])))
    }

    /// Whether anyone can have made what these keys open.
    pub fn is_public(&self) -> bool {
        self.is_public
    }

    /// The key to seal with.
    pub(crate) fn current(&self) -> &Key {
        &self.keys[0]
    }

    /// The key with the number that a message names.
    pub(crate) fn find(&self, number: [u8; 4]) -> Option<&Key> {
        self.keys.iter().find(|key| key.number == number)
    }
}

impl fmt::Debug for ClusterKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterKeys")
            .field("count", &self.keys.len())
            .field("is_public", &self.is_public)
            .finish()
    }
}

impl Key {
    fn new(secret: Zeroizing<[u8; KEY_BYTES]>) -> Self {
        let digest = blake3::derive_key("flaron-edge cluster key number, v1", &secret[..]);
        let mut number = [0; 4];
        number.copy_from_slice(&digest[..4]);
        Self { number, secret }
    }
}
