//! Hashes, HMAC, JSON Web Tokens, AES-GCM and random bytes.
//!
//! All arguments but one are JSON objects, read strictly: a missing or unknown member, or one of
//! the wrong type, is an error whose text names it. `secret_key` is always a secret's *name*, and
//! the flare's [`SecretView`] decides whether it may be used. For every failure the guest gets "no
//! result" and the log gets a reason, which never contains a secret, an input or a plaintext.
//!
//! The algorithms are implemented by the RustCrypto project and by BLAKE3's authors.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aes_gcm::aead::{Aead as _, KeyInit};
use aes_gcm::{Aes128Gcm, Aes256Gcm, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use hmac::Hmac;
use serde::Deserialize;
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use zeroize::Zeroizing;

use crate::capability::secrets::{SecretRefusal, SecretView};

/// How many bytes [`random_bytes`] generates when the guest asks for 0 or less.
pub const RANDOM_DEFAULT: usize = 32;

/// The most bytes that [`random_bytes`] generates.
pub const RANDOM_MAX: usize = 256;

/// The length of an AES-GCM nonce, in bytes.
const NONCE_BYTES: usize = 12;

/// The length of an AES-GCM tag, in bytes.
const TAG_BYTES: usize = 16;

/// Why there is no result. For the log; the guest sees `0`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CryptoError {
    /// The arguments are not the JSON object that the import takes.
    Args {
        /// The import.
        import: &'static str,
        /// What is wrong, and where.
        what: String,
    },
    /// There is no such algorithm.
    Algorithm {
        /// What was asked for.
        asked: String,
        /// The algorithms there are.
        known: &'static str,
    },
    /// The secret is not allowed or not set, or the name is not valid.
    Secret(SecretRefusal),
    /// The secret is set but empty, and an empty key protects nothing.
    EmptySecret(String),
    /// The input of a decryption is not base64.
    NotBase64,
    /// The input of a decryption is shorter than a nonce and a tag.
    TooShort,
    /// It was made with another key, or changed since.
    NotAuthentic,
    /// The operating system provided no randomness.
    Random,
}

impl fmt::Display for CryptoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Args { import, what } => write!(f, "{import}: bad arguments: {what}"),
            Self::Algorithm { asked, known } => {
                write!(f, "there is no algorithm `{asked}`; there are {known}")
            }
            Self::Secret(refusal) => refusal.fmt(f),
            Self::EmptySecret(name) => {
                write!(f, "the secret `{name}` is empty and cannot be a key")
            }
            Self::NotBase64 => write!(
                f,
                "crypto_decrypt_aes: `input` is not standard base64 with padding; pass what \
                 crypto_encrypt_aes returned"
            ),
            Self::TooShort => write!(
                f,
                "crypto_decrypt_aes: `input` is too short to hold a nonce ({NONCE_BYTES} bytes) and \
                 a tag ({TAG_BYTES} bytes)"
            ),
            Self::NotAuthentic => write!(
                f,
                "crypto_decrypt_aes: not authentic: the secret is another one than it was encrypted \
                 with, or the text was changed"
            ),
            Self::Random => write!(f, "the operating system gave no random bytes"),
        }
    }
}

impl std::error::Error for CryptoError {}

impl From<SecretRefusal> for CryptoError {
    fn from(refusal: SecretRefusal) -> Self {
        Self::Secret(refusal)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HashArgs {
    algorithm: String,
    input: String,
}

/// The arguments of HMAC, encryption and decryption.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyedArgs {
    secret_key: String,
    input: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JwtArgs {
    algorithm: String,
    secret_key: String,
    #[serde(default)]
    claims: BTreeMap<String, String>,
}

fn parse<'a, T: Deserialize<'a>>(import: &'static str, args: &'a [u8]) -> Result<T, CryptoError> {
    serde_json::from_slice(args).map_err(|e| CryptoError::Args {
        import,
        what: describe(&e),
    })
}

/// The error without the values it may quote: an `input` of the wrong type must not reach the log.
fn describe(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.split_once(':') {
        // `invalid type: string "the plaintext", expected …` quotes the value; `missing field …`
        // does not.
        Some((kind @ ("invalid type" | "invalid value"), rest)) => {
            let expected = rest.rsplit_once(", expected ").map_or("", |(_, e)| e);
            format!("{kind}, expected {expected}")
        }
        _ => text,
    }
}

fn key<'a>(secrets: &'a SecretView, name: &str) -> Result<&'a [u8], CryptoError> {
    match secrets.get(name.as_bytes())? {
        [] => Err(CryptoError::EmptySecret(name.to_owned())),
        key => Ok(key),
    }
}

/// `crypto_hash`: `{"algorithm", "input"}` to lowercase hex.
///
/// `sha1`, `sha256`, `sha384`, `sha512`, `md5`, `blake2b` (512 bits), `blake2s` (256 bits),
/// `blake3` (256 bits). The input's UTF-8 bytes are hashed.
///
/// # Errors
///
/// [`CryptoError::Args`], [`CryptoError::Algorithm`].
pub fn hash(args: &[u8]) -> Result<String, CryptoError> {
    let HashArgs { algorithm, input } = parse("crypto_hash", args)?;
    let input = input.as_bytes();
    Ok(match algorithm.as_str() {
        "sha1" => hex::encode(sha1::Sha1::digest(input)),
        "sha256" => hex::encode(Sha256::digest(input)),
        "sha384" => hex::encode(Sha384::digest(input)),
        "sha512" => hex::encode(Sha512::digest(input)),
        "md5" => hex::encode(md5::Md5::digest(input)),
        "blake2b" => hex::encode(blake2::Blake2b512::digest(input)),
        "blake2s" => hex::encode(blake2::Blake2s256::digest(input)),
        "blake3" => hex::encode(blake3::hash(input).as_bytes()),
        _ => {
            return Err(CryptoError::Algorithm {
                asked: algorithm,
                known: "sha1, sha256, sha384, sha512, md5, blake2b, blake2s and blake3",
            });
        }
    })
}

fn mac<M: hmac::digest::KeyInit + hmac::Mac>(key: &[u8], message: &[u8]) -> Vec<u8> {
    // HMAC takes a key of any length (RFC 2104 section 2); the error cannot occur.
    let mut mac = <M as hmac::digest::KeyInit>::new_from_slice(key).expect("HMAC takes any key");
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

/// `crypto_hmac`: `{"secret_key", "input"}` to the lowercase hex of HMAC-SHA256. The key is the
/// secret's bytes, unchanged.
///
/// # Errors
///
/// [`CryptoError::Args`], [`CryptoError::Secret`], [`CryptoError::EmptySecret`].
pub fn hmac(args: &[u8], secrets: &SecretView) -> Result<String, CryptoError> {
    let KeyedArgs { secret_key, input } = parse("crypto_hmac", args)?;
    Ok(hex::encode(mac::<Hmac<Sha256>>(
        key(secrets, &secret_key)?,
        input.as_bytes(),
    )))
}

/// What the host adds to every JSON Web Token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JwtPolicy {
    /// How long after `iat` the token expires (`exp`); fractions of a second are dropped.
    pub ttl: Duration,
}

impl Default for JwtPolicy {
    /// One hour.
    fn default() -> Self {
        Self {
            ttl: Duration::from_secs(3600),
        }
    }
}

/// `crypto_sign_jwt`: `{"algorithm", "secret_key", "claims": {name: text}}` to a compact JWT.
///
/// `HS256`, `HS384`, `HS512`. The claims are text, as the flare gave them, and the host adds `iat`
/// (now) and `exp` (according to `policy`) as numbers. These two replace claims of the same name: a
/// flare's could only be text, which RFC 7519 does not allow there, and the lifetime of a token is
/// the operator's decision.
///
/// # Errors
///
/// [`CryptoError::Args`], [`CryptoError::Algorithm`], [`CryptoError::Secret`],
/// [`CryptoError::EmptySecret`].
pub fn sign_jwt(
    args: &[u8],
    secrets: &SecretView,
    policy: &JwtPolicy,
) -> Result<String, CryptoError> {
    sign_jwt_at(args, secrets, policy, SystemTime::now())
}

fn sign_jwt_at(
    args: &[u8],
    secrets: &SecretView,
    policy: &JwtPolicy,
    now: SystemTime,
) -> Result<String, CryptoError> {
    let JwtArgs {
        algorithm,
        secret_key,
        claims,
    } = parse("crypto_sign_jwt", args)?;
    if !matches!(algorithm.as_str(), "HS256" | "HS384" | "HS512") {
        return Err(CryptoError::Algorithm {
            asked: algorithm,
            known: "HS256, HS384 and HS512",
        });
    }
    let key = key(secrets, &secret_key)?;
    let iat = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let mut payload: serde_json::Map<String, serde_json::Value> = claims
        .into_iter()
        .map(|(name, text)| (name, text.into()))
        .collect();
    payload.insert("iat".to_owned(), iat.into());
    payload.insert(
        "exp".to_owned(),
        iat.saturating_add(policy.ttl.as_secs()).into(),
    );
    let header = serde_json::json!({ "alg": algorithm, "typ": "JWT" });
    let signed = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header.to_string()),
        URL_SAFE_NO_PAD.encode(serde_json::Value::Object(payload).to_string()),
    );
    let signature = jwt_signature(&algorithm, key, signed.as_bytes());
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

fn jwt_signature(algorithm: &str, key: &[u8], signed: &[u8]) -> Vec<u8> {
    match algorithm {
        "HS512" => mac::<Hmac<Sha512>>(key, signed),
        "HS384" => mac::<Hmac<Sha384>>(key, signed),
        _ => mac::<Hmac<Sha256>>(key, signed),
    }
}

/// An AES key of 128 or 256 bits, derived from a secret.
enum AesKey {
    Bits128(Zeroizing<[u8; 16]>),
    Bits256(Zeroizing<[u8; 32]>),
}

impl AesKey {
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if let Ok(key) = <[u8; 16]>::try_from(bytes) {
            return Some(Self::Bits128(Zeroizing::new(key)));
        }
        <[u8; 32]>::try_from(bytes)
            .ok()
            .map(|key| Self::Bits256(Zeroizing::new(key)))
    }

    /// The first of these rules that applies. It depends on the secret's form alone, so it never
    /// changes:
    ///
    /// 1. exactly 16 or 32 bytes: the key itself;
    /// 2. hex of 32 bytes (64 digits; 32 digits are 32 bytes, see above);
    /// 3. base64 of 16 or 32 bytes, with or without padding;
    /// 4. anything else: its SHA-256, a 256-bit key. That is not a password hash: a secret that
    ///    people made up is as weak afterwards as it was before.
    fn derive(secret: &[u8]) -> Self {
        let decoded = || {
            let text = secret.trim_ascii_end();
            hex::decode(text)
                .ok()
                .or_else(|| STANDARD.decode(text).ok())
                .or_else(|| STANDARD_NO_PAD.decode(text).ok())
                .map(Zeroizing::new)
        };
        Self::from_bytes(secret)
            .or_else(|| Self::from_bytes(&decoded()?))
            .unwrap_or_else(|| Self::Bits256(Zeroizing::new(Sha256::digest(secret).into())))
    }

    fn encrypt(&self, nonce: &[u8; NONCE_BYTES], plaintext: &[u8]) -> Option<Vec<u8>> {
        let nonce = Nonce::from(*nonce);
        match self {
            Self::Bits128(key) => Aes128Gcm::new((&**key).into())
                .encrypt(&nonce, plaintext)
                .ok(),
            Self::Bits256(key) => Aes256Gcm::new((&**key).into())
                .encrypt(&nonce, plaintext)
                .ok(),
        }
    }

    fn decrypt(&self, nonce: &[u8; NONCE_BYTES], sealed: &[u8]) -> Option<Vec<u8>> {
        let nonce = Nonce::from(*nonce);
        match self {
            Self::Bits128(key) => Aes128Gcm::new((&**key).into()).decrypt(&nonce, sealed).ok(),
            Self::Bits256(key) => Aes256Gcm::new((&**key).into()).decrypt(&nonce, sealed).ok(),
        }
    }
}

/// `crypto_encrypt_aes`: `{"secret_key", "input"}` to the base64 of nonce ‖ ciphertext ‖ tag.
///
/// AES-GCM with a random nonce of 12 bytes, a tag of 16 and no associated data. The key is derived
/// from the secret by the first of these rules that applies: if it is 16 or 32 bytes long, it is
/// the key (AES-128, AES-256); if it is the hex of 32 bytes, or the base64 of 16 or 32 bytes, those
/// are the key; otherwise the key is its SHA-256.
///
/// # Errors
///
/// [`CryptoError::Args`], [`CryptoError::Secret`], [`CryptoError::EmptySecret`],
/// [`CryptoError::Random`].
pub fn encrypt_aes(args: &[u8], secrets: &SecretView) -> Result<String, CryptoError> {
    let KeyedArgs { secret_key, input } = parse("crypto_encrypt_aes", args)?;
    let key = AesKey::derive(key(secrets, &secret_key)?);
    let mut nonce = [0; NONCE_BYTES];
    getrandom::fill(&mut nonce).map_err(|_| CryptoError::Random)?;
    let sealed = key
        .encrypt(&nonce, input.as_bytes())
        .ok_or_else(|| CryptoError::Args {
            import: "crypto_encrypt_aes",
            what: "`input` is longer than AES-GCM can take".to_owned(),
        })?;
    Ok(STANDARD.encode([&nonce[..], &sealed].concat()))
}

/// `crypto_decrypt_aes`: `{"secret_key", "input"}`, where `input` is what [`encrypt_aes`] returned,
/// to the plaintext's bytes.
///
/// # Errors
///
/// [`CryptoError::Args`], [`CryptoError::Secret`], [`CryptoError::EmptySecret`],
/// [`CryptoError::NotBase64`], [`CryptoError::TooShort`], [`CryptoError::NotAuthentic`].
pub fn decrypt_aes(args: &[u8], secrets: &SecretView) -> Result<Vec<u8>, CryptoError> {
    let KeyedArgs { secret_key, input } = parse("crypto_decrypt_aes", args)?;
    let key = AesKey::derive(key(secrets, &secret_key)?);
    let bytes = STANDARD
        .decode(input.as_bytes())
        .map_err(|_| CryptoError::NotBase64)?;
    let (nonce, sealed) = bytes
        .split_first_chunk::<NONCE_BYTES>()
        .ok_or(CryptoError::TooShort)?;
    if sealed.len() < TAG_BYTES {
        return Err(CryptoError::TooShort);
    }
    key.decrypt(nonce, sealed).ok_or(CryptoError::NotAuthentic)
}

/// `crypto_random_bytes`: lowercase hex of as many random bytes as requested, at most
/// [`RANDOM_MAX`]; 0 and less mean [`RANDOM_DEFAULT`].
///
/// # Errors
///
/// [`CryptoError::Random`].
pub fn random_bytes(length: i32) -> Result<String, CryptoError> {
    let length = match usize::try_from(length) {
        Ok(0) | Err(_) => RANDOM_DEFAULT,
        Ok(length) => length.min(RANDOM_MAX),
    };
    let mut bytes = Zeroizing::new([0; RANDOM_MAX]);
    getrandom::fill(&mut bytes[..length]).map_err(|_| CryptoError::Random)?;
    Ok(hex::encode(&bytes[..length]))
}

#[cfg(test)]
mod tests;
