//! Hashes, HMAC, JSON Web Tokens, AES-GCM and random bytes.
//!
//! All arguments but one are JSON objects, read strictly: a missing, unknown or ill-typed member
//! is an error whose text names it. `secret_key` is always a secret's *name*; the flare's
//! [`SecretView`] guards it. Every failure is "no result" for the guest and a reason for the log;
//! no reason holds a secret, an input or a plaintext.
//!
//! The algorithms are those of the RustCrypto project and of BLAKE3's authors.

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

use crate::secrets::{SecretRefusal, SecretView};

/// How many bytes [`random_bytes`] makes when the guest asks for 0 or less.
pub const RANDOM_DEFAULT: usize = 32;

/// The most bytes [`random_bytes`] makes.
pub const RANDOM_MAX: usize = 256;

/// The bytes of an AES-GCM nonce.
const NONCE_BYTES: usize = 12;

/// The bytes of an AES-GCM tag.
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
    /// No such algorithm.
    Algorithm {
        /// What was asked for.
        asked: String,
        /// What there is.
        known: &'static str,
    },
    /// The secret is not allowed, not set, or not a name.
    Secret(SecretRefusal),
    /// The secret is set, to nothing: a key of no bytes protects nothing.
    EmptySecret(String),
    /// The input of a decryption is not base64.
    NotBase64,
    /// The input of a decryption is shorter than a nonce and a tag.
    TooShort,
    /// Another key made it, or it was changed on the way.
    NotAuthentic,
    /// The operating system gave no randomness.
    Random,
}

impl fmt::Display for CryptoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Args { import, what } => write!(f, "{import}: bad arguments: {what}"),
            Self::Algorithm { asked, known } => {
                write!(f, "there is no algorithm `{asked}` here; there are {known}")
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

/// The error without the values it may quote: an ill-typed `input` must not reach the log.
fn describe(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.split_once(':') {
        // `invalid type: string "the plaintext", expected …` quotes; `missing field …` does not.
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

/// `crypto_hmac`: `{"secret_key", "input"}` to the lowercase hex of HMAC-SHA256. The secret's bytes
/// are the key, as they are.
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
    /// `exp` is this long after `iat`; whole seconds count.
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
/// (now) and `exp` by its `policy`, as numbers. The host's two win over claims of the same name: a
/// flare's could only be text, which RFC 7519 does not allow there, and how long a token lives is
/// the operator's to say.
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

/// An AES key, of 128 or 256 bits, made of a secret.
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

    /// The first of these that fits, chosen by the secret's form alone so that it never changes:
    ///
    /// 1. exactly 16 or 32 bytes: the key itself;
    /// 2. hex of 32 bytes (64 digits; 32 digits are 32 bytes, see above);
    /// 3. base64 of 16 or 32 bytes, with or without padding;
    /// 4. anything else: its SHA-256, a 256-bit key. That is no password hash: a secret that
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
/// AES-GCM with a random nonce of 12 bytes, a tag of 16 and no associated data. The secret makes
/// the key by the first of these rules that fits: it is 16 or 32 bytes long and is the key
/// (AES-128, AES-256); it is the hex of 32 bytes; it is the base64 of 16 or 32 bytes; otherwise
/// its SHA-256 is the key.
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

/// `crypto_random_bytes`: lowercase hex of as many random bytes as asked for, at most
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
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use crate::secrets::SecretStore;

    fn secrets(values: &[(&str, &[u8])]) -> SecretView {
        let mut store = SecretStore::empty();
        for (name, value) in values {
            store.insert(*name, *value).unwrap();
        }
        store.insert("forbidden", "x").unwrap();
        let allowed: Vec<String> = values
            .iter()
            .map(|(name, _)| name.to_string())
            .chain(["absent".to_owned()])
            .collect();
        SecretView::new(Arc::new(store), allowed)
    }

    fn hashed(algorithm: &str, input: &str) -> String {
        hash(
            json!({ "algorithm": algorithm, "input": input })
                .to_string()
                .as_bytes(),
        )
        .unwrap()
    }

    #[test]
    fn hashes_of_abc() {
        for (algorithm, digest) in [
            // FIPS 180-2 appendices A.1 (SHA-1), B.1, D.1 and C.1, as NIST's example values.
            ("sha1", "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (
                "sha256",
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            ),
            (
                "sha384",
                "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed\
                 8086072ba1e7cc2358baeca134c825a7",
            ),
            (
                "sha512",
                "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                 2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
            ),
            // RFC 1321 appendix A.5.
            ("md5", "900150983cd24fb0d6963f7d28e17f72"),
            // RFC 7693 appendices A and B.
            (
                "blake2b",
                "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1\
                 7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923",
            ),
            (
                "blake2s",
                "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982",
            ),
        ] {
            assert_eq!(hashed(algorithm, "abc"), digest, "{algorithm}");
        }
    }

    #[test]
    fn hashes_of_nothing_and_more() {
        // RFC 1321 A.5; the empty message of NIST's CAVP for SHA-1 and SHA-256.
        assert_eq!(hashed("md5", ""), "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(
            hashed("sha1", ""),
            "da39a3ee5e6b4b0d3255bfef95601890afd80709"
        );
        assert_eq!(
            hashed("sha256", ""),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        // FIPS 180-2 B.2: two blocks.
        assert_eq!(
            hashed(
                "sha256",
                "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"
            ),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        );
        // BLAKE3's test_vectors.json, input_len 0 and 1 (the byte 0), first 32 bytes.
        assert_eq!(
            hashed("blake3", ""),
            "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
        );
        assert_eq!(
            hashed("blake3", "\0"),
            "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213"
        );
    }

    #[test]
    fn hash_arguments_are_strict_and_reasons_say_what() {
        for (args, part) in [
            ("", "EOF"),
            ("{}", "algorithm"),
            (r#"{"algorithm":"sha256"}"#, "input"),
            (r#"{"algorithm":"sha256","input":"a","more":1}"#, "more"),
            (
                r#"{"algorithm":"sha256","input":["a"]}"#,
                "expected a string",
            ),
            (r#"["sha256"]"#, "invalid length"),
        ] {
            let error = hash(args.as_bytes()).unwrap_err();
            assert!(
                matches!(error, CryptoError::Args { .. }),
                "{args}: {error:?}"
            );
            assert!(error.to_string().contains(part), "{args}: {error}");
        }
        let error = hash(br#"{"algorithm":"SHA-256","input":""}"#).unwrap_err();
        assert!(error.to_string().contains("`SHA-256`") && error.to_string().contains("blake3"));
    }

    #[test]
    fn reasons_do_not_quote_inputs() {
        let view = secrets(&[]);
        let error = hmac(br#"{"secret_key":"k","input":12345678}"#, &view).unwrap_err();
        assert!(!error.to_string().contains("12345678"), "{error}");
        let error = sign_jwt(
            br#"{"algorithm":"HS256","secret_key":"k","claims":"classified"}"#,
            &view,
            &JwtPolicy::default(),
        )
        .unwrap_err();
        assert!(!error.to_string().contains("classified"), "{error}");
    }

    #[test]
    fn hmac_sha256_of_rfc_4231() {
        // Test cases 1, 2, 6 and 7: those whose data is text. 6 and 7 have keys above the block size.
        let long = [0xaa; 131];
        let view = secrets(&[("one", &[0x0b; 20]), ("two", b"Jefe"), ("six", &long)]);
        for (key, input, digest) in [
            (
                "one",
                "Hi There",
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
            ),
            (
                "two",
                "what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                "six",
                "Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
            (
                "six",
                "This is a test using a larger than block-size key and a larger than block-size \
                 data. The key needs to be hashed before being used by the HMAC algorithm.",
                "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
            ),
        ] {
            let args = json!({ "secret_key": key, "input": input }).to_string();
            assert_eq!(hmac(args.as_bytes(), &view).unwrap(), digest, "{key}");
        }
    }

    #[test]
    fn secrets_are_guarded_everywhere() {
        let view = secrets(&[("empty", b"")]);
        let policy = JwtPolicy::default();
        for (name, expected) in [
            (
                "forbidden",
                CryptoError::Secret(SecretRefusal::NotAllowed {
                    name: "forbidden".into(),
                }),
            ),
            (
                "absent",
                CryptoError::Secret(SecretRefusal::NotSet {
                    name: "absent".into(),
                }),
            ),
            ("", CryptoError::Secret(SecretRefusal::BadName)),
            ("empty", CryptoError::EmptySecret("empty".into())),
        ] {
            let keyed = json!({ "secret_key": name, "input": "eA==" }).to_string();
            let jwt = json!({ "algorithm": "HS256", "secret_key": name, "claims": {} }).to_string();
            assert_eq!(hmac(keyed.as_bytes(), &view), Err(expected.clone()));
            assert_eq!(encrypt_aes(keyed.as_bytes(), &view), Err(expected.clone()));
            assert_eq!(decrypt_aes(keyed.as_bytes(), &view), Err(expected.clone()));
            assert_eq!(sign_jwt(jwt.as_bytes(), &view, &policy), Err(expected));
        }
    }

    #[test]
    fn jwt_signatures_of_rfc_7515_and_rfc_4231() {
        // RFC 7515 appendix A.1: the signing input and the key are given there as they are.
        let key = URL_SAFE_NO_PAD
            .decode("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")
            .unwrap();
        let signed = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.\
                      eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        assert_eq!(
            URL_SAFE_NO_PAD.encode(jwt_signature("HS256", &key, signed.as_bytes())),
            "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
        );
        // RFC 4231 test case 2, for the two longer ones.
        let data = b"what do ya want for nothing?";
        assert_eq!(
            hex::encode(jwt_signature("HS384", b"Jefe", data)),
            "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e\
             8e2240ca5e69e2c78b3239ecfab21649"
        );
        assert_eq!(
            hex::encode(jwt_signature("HS512", b"Jefe", data)),
            "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554\
             9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"
        );
    }

    fn decoded(part: &str) -> Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    }

    #[test]
    fn a_jwt_is_header_claims_and_signature() {
        let view = secrets(&[("k", b"your-256-bit-secret")]);
        let now = UNIX_EPOCH + Duration::from_millis(1_700_000_000_999);
        for (algorithm, bytes) in [("HS256", 32), ("HS384", 48), ("HS512", 64)] {
            let args = json!({
                "algorithm": algorithm, "secret_key": "k",
                "claims": { "sub": "user \"1\"\n\u{1f980}", "role": "admin" },
            });
            let policy = JwtPolicy {
                ttl: Duration::from_secs(90),
            };
            let token = sign_jwt_at(args.to_string().as_bytes(), &view, &policy, now).unwrap();
            let parts: Vec<&str> = token.split('.').collect();
            let [header, claims, signature] = parts[..] else {
                panic!("{token}")
            };
            assert_eq!(decoded(header), json!({ "alg": algorithm, "typ": "JWT" }));
            assert_eq!(
                decoded(claims),
                json!({
                    "sub": "user \"1\"\n\u{1f980}", "role": "admin",
                    "iat": 1_700_000_000, "exp": 1_700_000_090,
                })
            );
            let signed = token.rsplit_once('.').unwrap().0;
            let expected = jwt_signature(algorithm, b"your-256-bit-secret", signed.as_bytes());
            assert_eq!(expected.len(), bytes);
            assert_eq!(URL_SAFE_NO_PAD.decode(signature).unwrap(), expected);
        }
    }

    #[test]
    fn the_hosts_iat_and_exp_win() {
        let view = secrets(&[("k", b"key")]);
        let args =
            br#"{"algorithm":"HS256","secret_key":"k","claims":{"exp":"99999999999","iat":"0"}}"#;
        let now = UNIX_EPOCH + Duration::from_secs(1_000);
        let token = sign_jwt_at(args, &view, &JwtPolicy::default(), now).unwrap();
        let claims = token.split('.').nth(1).unwrap();
        assert_eq!(decoded(claims), json!({ "iat": 1_000, "exp": 4_600 }));
    }

    #[test]
    fn jwt_arguments_are_strict() {
        let view = secrets(&[("k", b"key")]);
        for (args, part) in [
            (
                r#"{"algorithm":"HS256","secret_key":"k","claims":{"n":1}}"#,
                "expected a string",
            ),
            (
                r#"{"algorithm":"none","secret_key":"k","claims":{}}"#,
                "`none`",
            ),
            (
                r#"{"algorithm":"hs256","secret_key":"k","claims":{}}"#,
                "`hs256`",
            ),
            (
                r#"{"algorithm":"RS256","secret_key":"k","claims":{}}"#,
                "`RS256`",
            ),
            (r#"{"secret_key":"k","claims":{}}"#, "algorithm"),
        ] {
            let error = sign_jwt(args.as_bytes(), &view, &JwtPolicy::default()).unwrap_err();
            assert!(error.to_string().contains(part), "{args}: {error}");
        }
    }

    #[test]
    fn aes_gcm_test_vectors() {
        // McGrew and Viega, "The Galois/Counter Mode of Operation" (NIST), test cases 1, 2, 3, 13, 14
        // and 15: AES-128 and AES-256, 96-bit nonces, no associated data.
        let plaintext = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72\
                         1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255";
        let zero16 = "00000000000000000000000000000000";
        let zero32 = &zero16.repeat(2);
        let zero_nonce = "000000000000000000000000";
        let long_nonce = "cafebabefacedbaddecaf888";
        for (key, nonce, plaintext, sealed) in [
            (zero16, zero_nonce, "", "58e2fccefa7e3061367f1d57a4e7455a"),
            (
                zero16,
                zero_nonce,
                zero16,
                "0388dace60b6a392f328c2b971b2fe78ab6e47d42cec13bdf53a67b21257bddf",
            ),
            (
                "feffe9928665731c6d6a8f9467308308",
                long_nonce,
                plaintext,
                "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e\
                 21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091473f5985\
                 4d5c2af327cd64a62cf35abd2ba6fab4",
            ),
            (zero32, zero_nonce, "", "530f8afbc74536b9a963b4f1c4cb738b"),
            (
                zero32,
                zero_nonce,
                zero16,
                "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919",
            ),
            (
                "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
                long_nonce,
                plaintext,
                "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa\
                 8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad\
                 b094dac5d93471bdec1a502270e3cc6c",
            ),
        ] {
            let key = AesKey::from_bytes(&hex::decode(key).unwrap()).unwrap();
            let nonce = hex::decode(nonce).unwrap().try_into().unwrap();
            let plaintext = hex::decode(plaintext).unwrap();
            let sealed = hex::decode(sealed).unwrap();
            assert_eq!(key.encrypt(&nonce, &plaintext).unwrap(), sealed);
            assert_eq!(key.decrypt(&nonce, &sealed).unwrap(), plaintext);
        }
    }

    #[test]
    fn a_published_vector_through_the_import() {
        // Test case 3 of the same paper cannot come back as text, so test case 1: an empty plaintext.
        let view = secrets(&[("k", &[0; 16])]);
        let sealed =
            hex::decode("00000000000000000000000058e2fccefa7e3061367f1d57a4e7455a").unwrap();
        let args = json!({ "secret_key": "k", "input": STANDARD.encode(sealed) }).to_string();
        assert_eq!(decrypt_aes(args.as_bytes(), &view).unwrap(), b"");
    }

    #[test]
    fn what_is_encrypted_can_be_decrypted() {
        let view = secrets(&[("k", b"a pass phrase, hashed"), ("other", b"another")]);
        let plaintext = "text with \"quotes\", \n and \u{1f980}";
        let args = json!({ "secret_key": "k", "input": plaintext }).to_string();
        let sealed = encrypt_aes(args.as_bytes(), &view).unwrap();
        let again = encrypt_aes(args.as_bytes(), &view).unwrap();
        assert_ne!(sealed, again, "the nonce must be new each time");
        assert_eq!(
            STANDARD.decode(&sealed).unwrap().len(),
            12 + plaintext.len() + 16
        );

        let open = |key: &str, input: &str| {
            decrypt_aes(
                json!({ "secret_key": key, "input": input })
                    .to_string()
                    .as_bytes(),
                &view,
            )
        };
        assert_eq!(open("k", &sealed).unwrap(), plaintext.as_bytes());
        assert_eq!(open("other", &sealed), Err(CryptoError::NotAuthentic));
        let mut bytes = STANDARD.decode(&sealed).unwrap();
        for at in [0, 12, bytes.len() - 1] {
            bytes[at] ^= 1;
            assert_eq!(
                open("k", &STANDARD.encode(&bytes)),
                Err(CryptoError::NotAuthentic)
            );
            bytes[at] ^= 1;
        }
        assert_eq!(open("k", "not base64!"), Err(CryptoError::NotBase64));
        assert_eq!(open("k", ""), Err(CryptoError::TooShort));
        assert_eq!(
            open("k", &STANDARD.encode([0; 27])),
            Err(CryptoError::TooShort)
        );
    }

    #[test]
    fn keys_are_derived_by_form() {
        let bytes = |secret: &[u8]| match AesKey::derive(secret) {
            AesKey::Bits128(key) => key.to_vec(),
            AesKey::Bits256(key) => key.to_vec(),
        };
        let (short, long) = ([7; 16], [9; 32]);
        assert_eq!(bytes(&short), short);
        assert_eq!(bytes(&long), long);
        assert_eq!(bytes(hex::encode(long).as_bytes()), long);
        assert_eq!(bytes(hex::encode_upper(long).as_bytes()), long);
        assert_eq!(bytes(STANDARD.encode(short).as_bytes()), short);
        assert_eq!(bytes(STANDARD.encode(long).as_bytes()), long);
        assert_eq!(bytes(STANDARD_NO_PAD.encode(long).as_bytes()), long);
        assert_eq!(
            bytes(format!("{}\n", STANDARD.encode(long)).as_bytes()),
            long
        );
        // 32 hex digits are 32 bytes, so they are the key as they are.
        assert_eq!(
            bytes(hex::encode(short).as_bytes()),
            hex::encode(short).as_bytes()
        );
        assert_eq!(
            bytes(b"pass phrase"),
            Sha256::digest(b"pass phrase").to_vec()
        );
    }

    #[test]
    fn random_lengths() {
        for (asked, bytes) in [
            (0, 32),
            (-5, 32),
            (i32::MIN, 32),
            (1, 1),
            (256, 256),
            (257, 256),
            (i32::MAX, 256),
        ] {
            let text = random_bytes(asked).unwrap();
            assert_eq!(text.len(), bytes * 2, "{asked}");
            assert!(
                text.bytes()
                    .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
            );
        }
        assert_ne!(random_bytes(32).unwrap(), random_bytes(32).unwrap());
    }
}
