#![allow(
    clippy::needless_borrows_for_generic_args,
    reason = "by reference is how most claims are given"
)]

use super::*;
use crate::arena_refused;
use crate::testing::{ARENA_FULL, Host, arena_is_free, assert_error, leave_free};
use crate::text;

const NO_CLAIMS: [(&str, &str); 0] = [];

#[test]
fn arguments_are_those_of_the_abi() {
    let host = Host::new();
    let _ = hash("sha256", "a\"b\\\n");
    let _ = hmac("key", "\u{e9}\u{1f600}");
    let _ = sign_jwt("HS256", "key", &[("sub", "u\t1"), ("iss", "f")]);
    let _ = sign_jwt("HS512", "key", &NO_CLAIMS);
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
    assert_eq!(sign_jwt("HS384", "k", &NO_CLAIMS).unwrap(), "a.b.c");
    assert_eq!(encrypt_aes("k", "foo").unwrap(), "Zm9v");
    assert_eq!(decrypt_aes("k", "Zm9v").unwrap(), b"\xff\0");
    assert!(arena_is_free());
}

#[test]
fn no_result_is_not_did_not_fit() {
    let _host = Host::new();
    assert!(hash("none", "").is_none() && !arena_refused());
    assert!(hmac("none", "").is_none() && !arena_refused());
    assert!(sign_jwt("none", "", &NO_CLAIMS).is_none() && !arena_refused());
    assert!(hash_json("{}").is_none() && !arena_refused());
    assert!(hmac_json("{}").is_none() && !arena_refused());
    assert!(sign_jwt_json("{}").is_none() && !arena_refused());
    assert_eq!(encrypt_aes("none", ""), Err(CryptoError::NoResult));
    assert_eq!(decrypt_aes("none", ""), Err(CryptoError::NoResult));
}

/// As the published crate has it: hosts differ in what they take for Base64 (white space and all).
#[test]
fn what_is_base64_the_host_decides() {
    let host = Host::new();
    for text in ["", "a", "a===", "ab-_", "YWJj\nZGVm", "\u{e9}b="] {
        assert_eq!(
            decrypt_aes("k", text),
            Err(CryptoError::NoResult),
            "{text:?}"
        );
    }
    assert_eq!(host.calls_of("crypto_decrypt_aes").len(), 6);
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
    assert!(sign_jwt("HS256", "key", &[("a", long.as_str())]).is_none() && arena_refused());
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
    assert_error(
        CryptoError::NoResult,
        "crypto: host returned no result: is the secret in allowed_secrets?",
    );
    assert_error(CryptoError::BadBase64, "crypto: invalid base64 ciphertext");
    assert_error(CryptoError::ArenaFull, ARENA_FULL);
    assert_error(
        RandomBytesError::NoData,
        "random_bytes: host returned no data",
    );
    assert_error(
        RandomBytesError::BadHex,
        "random_bytes: host returned malformed hex",
    );
    assert_error(RandomBytesError::ArenaFull, ARENA_FULL);
    assert_eq!(std::format!("{:?}", CryptoError::NoResult), "NoResult");
}

#[cfg(feature = "request")]
mod verify;

#[test]
fn arguments_may_take_nearly_all_of_the_arena() {
    let host = Host::new();
    // Miri would take minutes: by the rules of Tree Borrows the time grows with the square of the length.
    let share = if cfg!(miri) { 500 } else { 1 };
    // Quotes take two bytes each, once they are escaped.
    let long = "x".repeat(200_000 / share) + &"\"".repeat(20_000 / share);
    let escaped = long.replace('"', "\\\"");
    host.on("crypto_hash", {
        let escaped = escaped.clone();
        move |call| {
            let argument = call.text(0);
            assert!(argument.contains(&escaped) && argument.len() > 240_000 / share);
            Some(b"hash".into())
        }
    });
    assert_eq!(hash("sha256", &long).unwrap(), "hash");
    host.on("crypto_sign_jwt", move |call| {
        assert!(call.text(0).contains(&escaped));
        // The answer may be as long: the host has read the argument.
        Some(std::vec![b'a'; 250_000 / share])
    });
    assert_eq!(
        sign_jwt("HS256", "key", &[("a", &*long)]).unwrap().len(),
        250_000 / share
    );
    assert!(arena_is_free());
}
