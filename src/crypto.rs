//! Cryptography, done by the host: hashes, MACs, tokens, encryption, random bytes.
//!
//! Keys are named, not given: `secret_key` is the name of a secret (see [`crate::secrets`]) that the
//! host looks up itself.
//!
//! Each function writes its arguments as JSON into the arena's scratch. Those that end in `_json`
//! take them ready-made, for arguments that are known at compile time: with
//! [`json!`](crate::json!) (feature `json`) they are written by the compiler, and the flare links
//! no JSON writer.

use core::fmt;

use crate::arena::{ArenaBytes, ArenaStr, Draft, arena_refused, lease};
use crate::text::{Ask, Pieces};
use crate::{abi, json, text};

/// The hash of `input`, in lowercase hexadecimal.
///
/// Algorithms: `sha1`, `sha256`, `sha384`, `sha512`, `md5`, `blake2b`, `blake2s`, `blake3`.
///
/// `None` if the host does not know the algorithm, or if the arguments or the result do not fit
/// into the arena ([`arena_refused`] tells).
pub fn hash(algorithm: &str, input: &str) -> Option<ArenaStr> {
    let arguments = (
        "{\"algorithm\":",
        json::Str(algorithm),
        ",\"input\":",
        json::Str(input),
        "}",
    );
    Draft::call(arguments, abi::crypto_hash).map(ArenaBytes::into_text)
}

/// [`hash`] with ready-made arguments: `{"algorithm": …, "input": …}`.
pub fn hash_json(arguments: &str) -> Option<ArenaStr> {
    lease(abi::crypto_hash(arguments.as_bytes())).map(ArenaBytes::into_text)
}

/// [`hash_json`], as a [piece](crate::text#pieces-that-ask-the-host) of text.
pub fn hash_json_piece(arguments: &str) -> impl Pieces {
    Ask(move || abi::crypto_hash(arguments.as_bytes()))
}

/// The HMAC-SHA256 of `input` under a secret, in lowercase hexadecimal.
///
/// `None` if the flare may not use the secret, or if something does not fit into the arena.
pub fn hmac(secret_key: &str, input: &str) -> Option<ArenaStr> {
    Draft::call(keyed(secret_key, input), abi::crypto_hmac).map(ArenaBytes::into_text)
}

/// [`hmac`] with ready-made arguments: `{"secret_key": …, "input": …}`.
pub fn hmac_json(arguments: &str) -> Option<ArenaStr> {
    lease(abi::crypto_hmac(arguments.as_bytes())).map(ArenaBytes::into_text)
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
pub fn sign_jwt(algorithm: &str, secret_key: &str, claims: &[(&str, &str)]) -> Option<ArenaStr> {
    let arguments = (
        (
            "{\"algorithm\":",
            json::Str(algorithm),
            ",\"secret_key\":",
            json::Str(secret_key),
        ),
        (",\"claims\":", json::Object(claims), "}"),
    );
    Draft::call(arguments, abi::crypto_sign_jwt).map(ArenaBytes::into_text)
}

/// [`sign_jwt`] with ready-made arguments:
/// `{"algorithm": …, "secret_key": …, "claims": {"name": "text", …}}`.
pub fn sign_jwt_json(arguments: &str) -> Option<ArenaStr> {
    lease(abi::crypto_sign_jwt(arguments.as_bytes())).map(ArenaBytes::into_text)
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
#[inline]
pub fn encrypt_aes(secret_key: &str, plaintext: &str) -> Result<ArenaStr, CryptoError> {
    let result = Draft::call(keyed(secret_key, plaintext), abi::crypto_encrypt_aes);
    result
        .map(ArenaBytes::into_text)
        .ok_or_else(CryptoError::of_none)
}

/// Decrypts what [`encrypt_aes`] made.
///
/// # Errors
///
/// [`CryptoError::BadBase64`] if `ciphertext_b64` is no standard Base64 with padding;
/// [`CryptoError::NoResult`] if the flare may not use the secret, or the secret is not the one it
/// was encrypted with, or the ciphertext has been tampered with; [`CryptoError::ArenaFull`] if
/// something does not fit into the arena.
#[inline]
pub fn decrypt_aes(secret_key: &str, ciphertext_b64: &str) -> Result<ArenaBytes, CryptoError> {
    if !is_base64(ciphertext_b64.as_bytes()) {
        return Err(CryptoError::BadBase64);
    }
    let result = Draft::call(keyed(secret_key, ciphertext_b64), abi::crypto_decrypt_aes);
    result.ok_or_else(CryptoError::of_none)
}

/// Random bytes from the host's cryptographic source, decoded where they lie.
///
/// The host gives at most 256 bytes however many are asked for, and 32 for a `length` of 0.
///
/// # Errors
///
/// [`RandomBytesError`]. Treat every one as final: there is nothing random to go on with.
#[inline]
pub fn random_bytes(length: u32) -> Result<ArenaBytes, RandomBytesError> {
    // More than `i32::MAX` would be negative in the ABI, and mean 32.
    let length = i32::try_from(length).unwrap_or(i32::MAX);
    let Some(mut hex) = lease(abi::crypto_random_bytes(length)) else {
        return Err(if arena_refused() {
            RandomBytesError::ArenaFull
        } else {
            RandomBytesError::NoData
        });
    };
    match text::decode_hex(hex.as_mut()) {
        Some(len) => Ok(hex.truncate(len as u32)),
        None => Err(RandomBytesError::BadHex),
    }
}

/// The arguments of everything that has a key and an input.
fn keyed<'a>(secret_key: &'a str, input: &'a str) -> impl text::Pieces + use<'a> {
    (
        "{\"secret_key\":",
        json::Str(secret_key),
        ",\"input\":",
        json::Str(input),
        "}",
    )
}

/// Whether the text is standard Base64 with padding, as far as its alphabet and length go.
fn is_base64(text: &[u8]) -> bool {
    let digits = text.len()
        - text
            .iter()
            .rev()
            .take(2)
            .take_while(|byte| **byte == b'=')
            .count();
    text.len() % 4 == 0
        && text
            .iter()
            .take(digits)
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
}

/// Why there is no ciphertext or plaintext.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CryptoError {
    /// The host gave no result: the secret is not among the flare's `allowed_secrets`, or does not
    /// exist, or the input is not what it says it is.
    NoResult,
    /// The ciphertext is not Base64; the host was not asked.
    BadBase64,
    /// The arguments or the result do not fit into the free part of the arena.
    ArenaFull,
}

impl CryptoError {
    #[inline(always)]
    fn of_none() -> CryptoError {
        if arena_refused() {
            CryptoError::ArenaFull
        } else {
            CryptoError::NoResult
        }
    }
}

impl fmt::Display for CryptoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CryptoError::NoResult => f.write_str("crypto: the host gave no result"),
            CryptoError::BadBase64 => f.write_str("crypto: the ciphertext is not Base64"),
            CryptoError::ArenaFull => fmt::Display::fmt(&crate::ArenaFull, f),
        }
    }
}

impl core::error::Error for CryptoError {}

/// Why there are no random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RandomBytesError {
    /// The host gave none.
    NoData,
    /// What the host gave is no hexadecimal text.
    BadHex,
    /// They do not fit into the free part of the arena.
    ArenaFull,
}

impl fmt::Display for RandomBytesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RandomBytesError::NoData => f.write_str("random bytes: the host gave none"),
            RandomBytesError::BadHex => f.write_str("random bytes: the host gave no hexadecimal"),
            RandomBytesError::ArenaFull => fmt::Display::fmt(&crate::ArenaFull, f),
        }
    }
}

impl core::error::Error for RandomBytesError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ARENA_FULL, Host, arena_is_free, assert_error, leave_free};

    #[test]
    fn arguments_are_those_of_the_abi() {
        let host = Host::new();
        let _ = hash("sha256", "a\"b\\\n");
        let _ = hmac("key", "\u{e9}\u{1f600}");
        let _ = sign_jwt("HS256", "key", &[("sub", "u\t1"), ("iss", "f")]);
        let _ = sign_jwt("HS512", "key", &[]);
        let _ = encrypt_aes("key", "plain\u{7f}");
        let _ = decrypt_aes("key", "YQ==");
        let calls: std::vec::Vec<_> = host
            .calls()
            .iter()
            .map(|call| (call.import, call.text(0)))
            .collect();
        let expected = [
            (
                "crypto_hash",
                r#"{"algorithm":"sha256","input":"a\"b\\\u000a"}"#,
            ),
            (
                "crypto_hmac",
                "{\"secret_key\":\"key\",\"input\":\"\u{e9}\u{1f600}\"}",
            ),
            (
                "crypto_sign_jwt",
                r#"{"algorithm":"HS256","secret_key":"key","claims":{"sub":"u\u00091","iss":"f"}}"#,
            ),
            (
                "crypto_sign_jwt",
                r#"{"algorithm":"HS512","secret_key":"key","claims":{}}"#,
            ),
            (
                "crypto_encrypt_aes",
                "{\"secret_key\":\"key\",\"input\":\"plain\u{7f}\"}",
            ),
            (
                "crypto_decrypt_aes",
                r#"{"secret_key":"key","input":"YQ=="}"#,
            ),
        ];
        assert_eq!(calls, expected.map(|(import, text)| (import, text.into())));
        assert!(arena_is_free());
    }

    #[test]
    fn ready_made_arguments_go_as_they_are() {
        let host = Host::new();
        host.returns("crypto_hash", "1")
            .returns("crypto_hmac", "2")
            .returns("crypto_sign_jwt", "3");
        assert_eq!(hash_json("{\"a\":1}").unwrap(), "1");
        assert_eq!(hmac_json("{\"b\":1}").unwrap(), "2");
        assert_eq!(sign_jwt_json("{\"c\":1}").unwrap(), "3");
        let pieces = (
            hash_json_piece("{\"a\":1}"),
            hmac_json_piece("{\"b\":1}"),
            sign_jwt_json_piece("{\"c\":1}"),
        );
        assert_eq!(text::build(pieces).unwrap(), "123");
        for calls in host.calls().chunks_exact(3) {
            assert_eq!(calls[0].text(0), "{\"a\":1}");
            assert_eq!(calls[1].text(0), "{\"b\":1}");
            assert_eq!(calls[2].text(0), "{\"c\":1}");
        }
        assert_eq!(host.calls().len(), 6);
    }

    #[test]
    fn results_are_the_hosts() {
        let host = Host::new();
        host.returns("crypto_hash", "ab01")
            .returns("crypto_hmac", "cd23")
            .returns("crypto_sign_jwt", "a.b.c")
            .returns("crypto_encrypt_aes", "Zm9v")
            .returns("crypto_decrypt_aes", b"\xff\0");
        assert_eq!(hash("sha1", "").unwrap(), "ab01");
        assert_eq!(hmac("k", "").unwrap(), "cd23");
        assert_eq!(sign_jwt("HS384", "k", &[]).unwrap(), "a.b.c");
        assert_eq!(encrypt_aes("k", "foo").unwrap(), "Zm9v");
        assert_eq!(decrypt_aes("k", "Zm9v").unwrap(), b"\xff\0");
        assert!(arena_is_free());
    }

    #[test]
    fn no_result_is_not_did_not_fit() {
        let _host = Host::new();
        assert!(hash("none", "").is_none() && !arena_refused());
        assert!(hmac("none", "").is_none() && !arena_refused());
        assert!(sign_jwt("none", "", &[]).is_none() && !arena_refused());
        assert!(hash_json("{}").is_none() && !arena_refused());
        assert!(hmac_json("{}").is_none() && !arena_refused());
        assert!(sign_jwt_json("{}").is_none() && !arena_refused());
        assert_eq!(encrypt_aes("none", ""), Err(CryptoError::NoResult));
        assert_eq!(decrypt_aes("none", ""), Err(CryptoError::NoResult));
    }

    #[test]
    fn what_is_no_base64_is_not_sent() {
        let host = Host::new();
        for bad in [
            "a", "ab", "abc", "abcde", "a===", "====", "ab=c", "ab c", "ab-_", "abc\n", "\u{e9}b=",
        ] {
            assert_eq!(
                decrypt_aes("k", bad),
                Err(CryptoError::BadBase64),
                "{bad:?}"
            );
        }
        assert!(host.calls().is_empty());
        for good in ["", "abcd", "abc=", "ab==", "+/09AZaz"] {
            assert_eq!(
                decrypt_aes("k", good),
                Err(CryptoError::NoResult),
                "{good:?}"
            );
        }
        assert_eq!(host.calls().len(), 5);
    }

    #[test]
    fn random_bytes_are_decoded_where_they_lie() {
        let host = Host::new();
        let a = random_bytes(16).unwrap();
        let b = random_bytes(16).unwrap();
        assert_eq!((a.len(), b.len()), (16, 16));
        assert_ne!(a, b);
        drop((a, b));
        assert_eq!(random_bytes(0).unwrap().len(), 32);
        assert_eq!(random_bytes(256).unwrap().len(), 256);
        assert_eq!(random_bytes(257).unwrap().len(), 256);
        assert_eq!(random_bytes(u32::MAX).unwrap().len(), 256);
        let calls = host.calls_of("crypto_random_bytes");
        assert_eq!(calls.last().unwrap().numbers, [i64::from(i32::MAX)]);
        host.returns("crypto_random_bytes", "00fFA0");
        assert_eq!(random_bytes(3).unwrap(), b"\x00\xff\xa0");
        host.returns("crypto_random_bytes", "");
        assert_eq!(random_bytes(3).unwrap(), b"");
        assert!(arena_is_free());
    }

    #[test]
    fn random_bytes_that_are_not_there_are_an_error() {
        let host = Host::new();
        for bad in ["0", "000", "0g", "g0", "0x", " 00 ", "\u{e9}"] {
            host.returns("crypto_random_bytes", bad);
            assert_eq!(random_bytes(1), Err(RandomBytesError::BadHex), "{bad:?}");
        }
        host.on("crypto_random_bytes", |_| None);
        assert_eq!(random_bytes(1), Err(RandomBytesError::NoData));
        assert!(arena_is_free());
    }

    #[test]
    fn what_does_not_fit_is_an_error_of_its_own() {
        let host = Host::new();
        let full = leave_free(40);
        for import in ["crypto_hash", "crypto_hmac", "crypto_sign_jwt"] {
            host.returns(
                import,
                "a long result that fits only if nothing else is there",
            );
        }
        host.returns("crypto_encrypt_aes", [b'a'; 48])
            .returns("crypto_decrypt_aes", [0; 48]);
        // The arguments.
        let long = "x".repeat(32);
        assert!(hash("sha256", &long).is_none() && arena_refused());
        assert!(hmac("key", &long).is_none() && arena_refused());
        assert!(sign_jwt("HS256", "key", &[("a", &long)]).is_none() && arena_refused());
        assert_eq!(encrypt_aes("key", &long), Err(CryptoError::ArenaFull));
        assert_eq!(decrypt_aes("key", &long), Err(CryptoError::ArenaFull));
        assert!(host.calls().is_empty());
        // The results.
        assert!(hash("md5", "a").is_none() && arena_refused());
        assert!(hmac("key", "a").is_none() && arena_refused());
        assert!(hash_json("{}").is_none() && arena_refused());
        assert!(hmac_json("{}").is_none() && arena_refused());
        assert!(sign_jwt_json("{}").is_none() && arena_refused());
        assert_eq!(encrypt_aes("key", "a"), Err(CryptoError::ArenaFull));
        assert_eq!(decrypt_aes("key", ""), Err(CryptoError::ArenaFull));
        assert_eq!(random_bytes(32), Err(RandomBytesError::ArenaFull));
        assert_eq!(host.calls().len(), 8);
        drop(full);
        assert!(hash("md5", "a").is_some() && !arena_refused());
        assert!(arena_is_free());
    }

    #[test]
    fn errors_say_what_they_are() {
        assert_error(CryptoError::NoResult, "crypto: the host gave no result");
        assert_error(
            CryptoError::BadBase64,
            "crypto: the ciphertext is not Base64",
        );
        assert_error(CryptoError::ArenaFull, ARENA_FULL);
        assert_error(RandomBytesError::NoData, "random bytes: the host gave none");
        assert_error(
            RandomBytesError::BadHex,
            "random bytes: the host gave no hexadecimal",
        );
        assert_error(RandomBytesError::ArenaFull, ARENA_FULL);
        assert_eq!(std::format!("{:?}", CryptoError::NoResult), "NoResult");
    }
}
