//! Cryptography, done by the host: hashes, MACs, tokens, encryption, random bytes.
//!
//! Keys are passed by name: `secret_key` is the name of a secret (see [`crate::secrets`]) that the host looks up
//! itself.
//!
//! Each function writes its arguments as JSON into the arena's scratch. Functions that end in `_json` take them
//! ready-made, for arguments that are known at compile time: [`json!`](crate::json!) (feature `json`) lets the
//! compiler write them, and the flare links no JSON writer.

use crate::abi;
use crate::arena::claim::{claim, claim_with};
use crate::arena::{ArenaBytes, ArenaStr};
use crate::bytes::number::{decode_hex, hex_value};
use crate::error::no_result;
use crate::json::{self, Escaped};
use crate::text::ask::Ask;
use crate::text::{Pieces, send};

mod claims;
mod pairs;
mod verify;

pub use crate::bytes::equal::equal;
pub use claims::Claims;
pub use pairs::JwtClaims;
#[cfg(heap)]
pub use pairs::Pair;
pub use verify::{VerifyError, verify_hmac, verify_hmac_pieces, verify_jwt};

/// The hash of `input`, in lowercase hexadecimal.
///
/// Algorithms: `sha1`, `sha256`, `sha384`, `sha512`, `md5`, `blake2b`, `blake2s`, `blake3`.
///
/// `None` if the host does not know the algorithm, or if the arguments or the result do not fit into the arena,
/// in which case [`arena_refused`](crate::arena_refused) is true.
pub fn hash(algorithm: &str, input: &str) -> Option<ArenaStr> {
    let arguments = (
        "{\"algorithm\":\"",
        Escaped::new(algorithm),
        "\",\"input\":\"",
        Escaped::new(input),
        "\"}",
    );
    send::call(arguments, abi::crypto_hash).map(ArenaBytes::into_text)
}

/// [`hash`] with ready-made arguments: `{"algorithm": …, "input": …}`.
pub fn hash_json(arguments: &str) -> Option<ArenaStr> {
    claim(abi::crypto_hash(arguments.as_bytes())).map(ArenaBytes::into_text)
}

/// [`hash_json`], as a [piece](crate::text#pieces-that-ask-the-host) of text.
pub fn hash_json_piece(arguments: &str) -> impl Pieces {
    Ask(move || abi::crypto_hash(arguments.as_bytes()))
}

/// The HMAC-SHA256 of `input` under a secret, in lowercase hexadecimal.
///
/// `None` if the flare may not use the secret, or if something does not fit into the arena.
pub fn hmac(secret_key: &str, input: &str) -> Option<ArenaStr> {
    send::call(keyed(secret_key, input), abi::crypto_hmac).map(ArenaBytes::into_text)
}

/// [`hmac`] with ready-made arguments: `{"secret_key": …, "input": …}`.
pub fn hmac_json(arguments: &str) -> Option<ArenaStr> {
    claim(abi::crypto_hmac(arguments.as_bytes())).map(ArenaBytes::into_text)
}

/// [`hmac_json`], as a [piece](crate::text#pieces-that-ask-the-host) of text.
pub fn hmac_json_piece(arguments: &str) -> impl Pieces {
    Ask(move || abi::crypto_hmac(arguments.as_bytes()))
}

/// A signed JSON Web Token, in its compact form.
///
/// Algorithms: `HS256`, `HS384`, `HS512`. The host adds the claims `iat` and `exp`.
///
/// ```
/// use flaron_sdk::crypto;
///
/// let token = crypto::sign_jwt("HS256", "session-key", &[("sub", "user-42")]);
/// ```
///
/// `None` if the host does not know the algorithm, if the flare may not use the secret, or if
/// something does not fit into the arena.
#[inline] // size: inline-reason
pub fn sign_jwt(algorithm: &str, secret_key: &str, claims: impl JwtClaims) -> Option<ArenaStr> {
    claims.with(|claims| sign_pairs(algorithm, secret_key, claims))
}

fn sign_pairs(algorithm: &str, secret_key: &str, claims: &[(&str, &str)]) -> Option<ArenaStr> {
    let arguments = (
        (
            "{\"algorithm\":\"",
            Escaped::new(algorithm),
            "\",\"secret_key\":\"",
            Escaped::new(secret_key),
        ),
        ("\",\"claims\":", json::Object(claims), "}"),
    );
    send::call(arguments, abi::crypto_sign_jwt).map(ArenaBytes::into_text)
}

/// [`sign_jwt`] with ready-made arguments:
/// `{"algorithm": …, "secret_key": …, "claims": {"name": "text", …}}`.
#[inline] // size: inline-small
pub fn sign_jwt_json(arguments: &str) -> Option<ArenaStr> {
    claim(abi::crypto_sign_jwt(arguments.as_bytes())).map(ArenaBytes::into_text)
}

/// [`sign_jwt_json`], as a [piece](crate::text#pieces-that-ask-the-host) of text.
pub fn sign_jwt_json_piece(arguments: &str) -> impl Pieces {
    Ask(move || abi::crypto_sign_jwt(arguments.as_bytes()))
}

/// Encrypts text with AES-GCM under a secret. The result is the Base64 of nonce, ciphertext and
/// tag, which [`decrypt_aes`] takes.
///
/// # Errors
///
/// [`CryptoError::NoResult`] if the flare may not use the secret; [`CryptoError::ArenaFull`] if the
/// arguments or the result do not fit into the arena.
#[inline] // size: inline-reason
pub fn encrypt_aes(secret_key: &str, plaintext: &str) -> Result<ArenaStr, CryptoError> {
    let result = send::call(keyed(secret_key, plaintext), abi::crypto_encrypt_aes);
    result
        .map(ArenaBytes::into_text)
        .ok_or_else(CryptoError::no_result)
}

/// Decrypts the output of [`encrypt_aes`].
///
/// # Errors
///
/// [`CryptoError::NoResult`] if the flare may not use the secret, or the secret is not the one it
/// was encrypted with, or `ciphertext_b64` is not Base64 or has been tampered with;
/// [`CryptoError::ArenaFull`] if something does not fit into the arena.
#[inline] // size: inline-reason
pub fn decrypt_aes(secret_key: &str, ciphertext_b64: &str) -> Result<ArenaBytes, CryptoError> {
    let result = send::call(keyed(secret_key, ciphertext_b64), abi::crypto_decrypt_aes);
    result.ok_or_else(CryptoError::no_result)
}

/// Random bytes from the host's cryptographic source, decoded in place.
///
/// The host returns at most 256 bytes, however many are asked for, and 32 for a `length` of 0.
///
/// # Errors
///
/// [`RandomBytesError`]. Treat every one as final: there are no random bytes to carry on with.
#[inline] // size: inline-reason
pub fn random_bytes(length: u32) -> Result<ArenaBytes, RandomBytesError> {
    // More than `i32::MAX` would be negative in the ABI, and mean 32.
    let length = i32::try_from(length).unwrap_or(i32::MAX);
    let Some(mut hex) = claim(abi::crypto_random_bytes(length)) else {
        return Err(no_result(
            RandomBytesError::ArenaFull,
            RandomBytesError::NoData,
        ));
    };
    match decode_hex(hex.as_mut()) {
        Some(len) => Ok(hex.truncate(len as u32)),
        None => Err(RandomBytesError::BadHex),
    }
}

/// A random 32-bit number from the host's cryptographic source, for example to pick one of several variants. It
/// takes no lease, so it takes less code than [`random_bytes`].
///
/// # Errors
///
/// Like [`random_bytes`].
#[inline] // size: inline-reason
pub fn random_u32() -> Result<u32, RandomBytesError> {
    let random = claim_with(abi::crypto_random_bytes(4), |hex| {
        let mut number = 0;
        for digit in hex.first_chunk::<8>()? {
            number = number << 4 | hex_value(u32::from(*digit))?;
        }
        Some(number)
    });
    random.ok_or_else(|| no_result(RandomBytesError::ArenaFull, RandomBytesError::NoData))
}

/// The arguments of every call that takes a key and an input.
fn keyed<'a>(secret_key: &'a str, input: &'a str) -> impl Pieces + use<'a> {
    (
        "{\"secret_key\":\"",
        Escaped::new(secret_key),
        "\",\"input\":\"",
        Escaped::new(input),
        "\"}",
    )
}

/// Why there is no ciphertext or plaintext.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CryptoError {
    /// The host returned no result: the secret is not among the flare's `allowed_secrets` or does not exist, or
    /// the input is malformed.
    NoResult,
    /// The ciphertext is not Base64. No function returns it, because the host does not tell this case apart from
    /// [`NoResult`](Self::NoResult); it is here because the published crate has it.
    BadBase64,
    /// The arguments or the result do not fit into the free part of the arena.
    ArenaFull,
}

impl CryptoError {
    #[inline(always)] // size: inline-step
    fn no_result() -> CryptoError {
        no_result(CryptoError::ArenaFull, CryptoError::NoResult)
    }
}

crate::error::messages! {
    CryptoError {
        NoResult: CryptoNoResult,
        BadBase64: CryptoBadBase64,
    }
}

/// Why there are no random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RandomBytesError {
    /// The host returned none.
    NoData,
    /// The host's answer is not hexadecimal.
    BadHex,
    /// They do not fit into the free part of the arena.
    ArenaFull,
}

crate::error::messages! {
    RandomBytesError {
        NoData: RandomBytesNoData,
        BadHex: RandomBytesBadHex,
    }
}

#[cfg(test)]
mod tests;
