//! MACs and tokens. The in-memory host has no cryptography: its MAC is what a test says.

use proptest::prelude::*;
use std::format;
use std::string::String;
use std::vec::Vec;

use crate::arena::tests::cases;
use crate::bytes::base64url;
use crate::crypto::claims::{member, number};
use crate::crypto::{VerifyError, equal, random_u32, verify_hmac, verify_hmac_pieces, verify_jwt};
use crate::request::{body_piece, credentials};
use crate::testing::{Host, arena_is_free, leave_free};

/// Base64url, written by another rule than it is read: bit by bit.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits: Vec<u8> = bytes
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1))
        .collect();
    bits.chunks(6)
        .map(|six| {
            let digit = (0..6).fold(0, |digit, at| digit << 1 | six.get(at).unwrap_or(&0));
            char::from(DIGITS[usize::from(digit)])
        })
        .collect()
}

const MAC: [u8; 32] = *b"0123456789abcdef\x00\xff\x80\x7f0123456789ab";
const NOW: u64 = 1_775_560_333;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn token(head: &str, claims: &str, mac: &[u8]) -> String {
    format!(
        "{}.{}.{}",
        base64(head.as_bytes()),
        base64(claims.as_bytes()),
        base64(mac)
    )
}

/// What is said of a token by a host whose MAC of everything is `MAC`.
fn verified(token: &str) -> Result<Option<String>, VerifyError> {
    let host = Host::new();
    host.requires_raw_auth(true)
        .header("authorization", &format!("Bearer {token}"))
        .returns("crypto_hmac", hex(&MAC));
    let claims = verify_jwt("jwt-key", credentials("Bearer").unwrap());
    let subject = claims.map(|claims| claims.text("sub").map(String::from));
    assert!(arena_is_free());
    subject
}

const HS256: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

#[test]
fn a_valid_token_has_its_claims() {
    let claims = format!(
        r#"{{ "exp" : {} ,"nbf":{NOW}, "sub": "zoe", "n": 7, "o": {{"sub": 1}}, "e": "\n" }}"#,
        NOW + 1
    );
    assert_eq!(
        verified(&token(HS256, &claims, &MAC)),
        Ok(Some("zoe".into()))
    );

    let host = Host::new();
    host.requires_raw_auth(true)
        .header(
            "authorization",
            &format!("Bearer {}", token(HS256, &claims, &MAC)),
        )
        .returns("crypto_hmac", hex(&MAC));
    let claims = verify_jwt("jwt-key", credentials("bearer").unwrap()).unwrap();
    assert_eq!(
        (claims.number("n"), claims.number("sub"), claims.number("x")),
        (Some(7), None, None)
    );
    assert_eq!(
        (claims.text("n"), claims.text("e"), claims.text("o")),
        (None, None, None)
    );
    let call = &host.calls_of("crypto_hmac")[0];
    let signed = token(HS256, "", b"");
    let signed = signed.trim_end_matches('.');
    assert!(call.text(0).starts_with(&format!(
        "{{\"secret_key\":\"jwt-key\",\"input\":\"{signed}."
    )));
    #[cfg(feature = "json")]
    {
        let document = claims.into_document().unwrap();
        assert_eq!(
            document.root().get("e").and_then(|e| e.as_str()),
            Some("\n")
        );
    }
}

#[test]
fn other_tokens_are_refused_for_what_they_are() {
    let later = format!(r#"{{"exp":{}}}"#, NOW + 60);
    let good = token(HS256, &later, &MAC);
    assert_eq!(verified(&good), Ok(None));
    use VerifyError::{BadAlgorithm, BadSignature, Expired, Malformed, NotYetValid};
    for (token, error) in [
        (token(r#"{"alg":"none"}"#, &later, &MAC), BadAlgorithm),
        (token(r#"{"alg":"HS384"}"#, &later, &MAC), BadAlgorithm),
        (token(r#"{"typ":"HS256"}"#, &later, &MAC), BadAlgorithm),
        (
            token(r#"{"x":{"alg":"HS256"}}"#, &later, &MAC),
            BadAlgorithm,
        ),
        (
            token(r#"{"x":"alg","y":"HS256"}"#, &later, &MAC),
            BadAlgorithm,
        ),
        (
            token(r#"{"alg":"none","alg":"HS256"}"#, &later, &MAC),
            BadAlgorithm,
        ),
        (
            token(r#"{"alg":"HS256","crit":["x"]}"#, &later, &MAC),
            BadAlgorithm,
        ),
        (
            token(r#"{"alg":"HS256","\u0063rit":["x"]}"#, &later, &MAC),
            BadAlgorithm,
        ),
        (token("[]", &later, &MAC), BadAlgorithm),
        (token(HS256, &later, &[0; 32]), BadSignature),
        (token(HS256, &later, &MAC[..31]), BadSignature),
        (token(HS256, &later, b""), BadSignature),
        (good[..good.len() - 1].into(), BadSignature),
        (format!("{good}A"), BadSignature),
        (format!("{good}="), BadSignature),
        (format!("{good}.x"), BadSignature),
        (token(HS256, &format!(r#"{{"exp":{NOW}}}"#), &MAC), Expired),
        (token(HS256, r#"{"exp":0}"#, &MAC), Expired),
        (token(HS256, r#"{"sub":"x"}"#, &MAC), Malformed),
        (token(HS256, r#"{"exp":"99999999999"}"#, &MAC), Malformed),
        (token(HS256, r#"{"exp":1e99}"#, &MAC), Malformed),
        (token(HS256, r#"{"exp":-1}"#, &MAC), Malformed),
        (
            token(HS256, r#"{"exp":99999999999999999999}"#, &MAC),
            Malformed,
        ),
        (
            token(HS256, r#"{"x":{"exp":99999999999}}"#, &MAC),
            Malformed,
        ),
        (token(HS256, "{\"exp\":99999999999", &MAC), Malformed),
        (
            token(
                HS256,
                &format!(r#"{{"exp":{},"nbf":{}}}"#, NOW + 9, NOW + 1),
                &MAC,
            ),
            NotYetValid,
        ),
        (
            token(
                HS256,
                &format!(r#"{{"exp":{},"nbf":"{}"}}"#, NOW + 9, NOW - 1),
                &MAC,
            ),
            Malformed,
        ),
        (
            token(
                HS256,
                &format!(r#"{{"exp":{},"\u006ebf":{}}}"#, NOW + 9, NOW + 1),
                &MAC,
            ),
            Malformed,
        ),
        ("a".into(), Malformed),
        ("....".into(), Malformed),
        (String::new(), Malformed),
        ("a b.c.d".into(), Malformed),
    ] {
        assert_eq!(verified(&token), Err(error), "{token}");
    }
    let long = format!(r#"{{"alg":"HS256","kid":"{}"}}"#, "x".repeat(256));
    assert_eq!(verified(&token(&long, &later, &MAC)), Ok(None));
}

#[test]
fn a_token_that_would_need_escapes_never_reaches_the_host() {
    let good = token(HS256, &format!(r#"{{"exp":{}}}"#, NOW + 60), &MAC);
    let claims_at = good.find('.').unwrap() + 1;
    for at in [
        0,
        claims_at - 1,
        claims_at,
        good.rfind('.').unwrap() - 1,
        good.len(),
    ] {
        for bad in ["\"", "\\", "\u{7f}", "\u{e9}"] {
            let mut token = good.clone();
            token.insert_str(at, bad);
            let host = Host::new();
            host.returns("req_header_get", format!("Bearer {token}"))
                .returns("crypto_hmac", hex(&MAC));
            assert!(verify_jwt("jwt-key", credentials("Bearer").unwrap()).is_err());
            assert_eq!(host.calls_of("crypto_hmac").len(), 0, "{token}");
        }
    }
}

#[test]
fn without_a_key_a_clock_or_room_no_token_is_valid() {
    let host = Host::new();
    let good = token(HS256, &format!(r#"{{"exp":{}}}"#, NOW + 60), &MAC);
    host.requires_raw_auth(true)
        .header("authorization", &format!("Bearer {good}"));
    let verify = || verify_jwt("jwt-key", credentials("Bearer").unwrap()).map(drop);
    assert_eq!(verify(), Err(VerifyError::NoKey));
    host.returns("crypto_hmac", hex(&MAC))
        .on("timestamp", |_| None);
    assert_eq!(verify(), Err(VerifyError::NoClock));
    host.off("timestamp");
    assert_eq!(verify(), Ok(()));
    for name in ["\"", "a\\", "a\n"] {
        let token = credentials("Bearer").unwrap();
        let calls = host.calls_of("crypto_hmac").len();
        assert_eq!(verify_jwt(name, token).map(drop), Err(VerifyError::NoKey));
        assert_eq!(host.calls_of("crypto_hmac").len(), calls, "nobody is asked");
    }
    let token = credentials("Bearer").unwrap();
    let _full = crate::text::build(&std::vec![0; crate::ARENA_BYTES.saturating_sub(400)][..]);
    assert_eq!(
        verify_jwt("a long name of a secret ".repeat(20).as_str(), token).map(drop),
        Err(VerifyError::ArenaFull)
    );
}

#[test]
fn the_text_of_a_mac_may_be_pieces_of_any_kind() {
    let host = Host::new();
    host.returns("crypto_hmac", hex(&MAC));
    host.requires_body(true).body("\"b\u{1f}\\");
    let mac = hex(&MAC);
    let mac = mac.as_bytes();
    let verified = [
        verify_hmac_pieces("k\n", ("a\"", 7_u8, ('\\', b"\x01")), mac),
        verify_hmac_pieces("k", ("a", body_piece(), -1_i64), mac),
        verify_hmac_pieces("k", (), mac),
    ];
    assert_eq!(verified, [Ok(()); 3]);
    let arguments = host.calls_of("crypto_hmac");
    let arguments = [0, 1, 2].map(|call| arguments[call].text(0));
    assert_eq!(
        arguments,
        [
            r#"{"secret_key":"k\u000a","input":"a\"7\\\u0001"}"#,
            r#"{"secret_key":"k","input":"a\"b\u001f\\-1"}"#,
            r#"{"secret_key":"k","input":""}"#,
        ]
    );
    assert_eq!(
        verify_hmac_pieces("k", ("a", 7_u8), &mac[1..]),
        Err(VerifyError::BadSignature)
    );
    assert!(arena_is_free());
}

#[test]
fn macs_are_compared_as_they_are() {
    let host = Host::new();
    host.returns("crypto_hmac", hex(&MAC));
    let mac = hex(&MAC);
    assert_eq!(verify_hmac("k", b"a\"b", mac.as_bytes()), Ok(()));
    assert_eq!(
        host.calls_of("crypto_hmac")[0].text(0),
        r#"{"secret_key":"k","input":"a\"b"}"#
    );
    for bad in ["", &mac[1..], &mac.to_uppercase(), &format!("{mac}0")] {
        assert_eq!(
            verify_hmac("k", b"", bad.as_bytes()),
            Err(VerifyError::BadSignature)
        );
    }
    host.off("crypto_hmac");
    assert_eq!(
        verify_hmac("k", b"", mac.as_bytes()),
        Err(VerifyError::NoKey)
    );
    let _full = leave_free(8);
    assert_eq!(verify_hmac("k", b"", b""), Err(VerifyError::ArenaFull));
    assert_eq!(
        verify_hmac_pieces("k", ("a", body_piece()), b""),
        Err(VerifyError::ArenaFull)
    );
    assert!(equal(b"", b"") && !equal(b"a", b"") && !equal(b"a", b"b") && equal(b"ab", b"ab"));
}

#[test]
fn a_random_number_has_32_bits_of_the_hosts() {
    let host = Host::new();
    host.returns("crypto_random_bytes", "dEadBeef");
    assert_eq!(random_u32(), Ok(0xdead_beef));
    assert_eq!(host.calls_of("crypto_random_bytes")[0].numbers, [4]);
    for bad in ["", "deadbee", "deadbeeg"] {
        host.returns("crypto_random_bytes", bad);
        assert!(random_u32().is_err());
    }
    assert!(arena_is_free());
}

proptest! {
    #![proptest_config(cases(1000))]

    #[test]
    fn base64url_is_decoded_to_the_front(bytes in prop::collection::vec(any::<u8>(), 1..40)) {
        let mut text = base64(&bytes).into_bytes();
        let len = base64url::decode(&mut text).unwrap().len();
        prop_assert_eq!(&text[..len], &bytes[..]);
    }

    #[test]
    fn there_is_one_base64url_for_any_bytes(text in "[A-Za-z0-9_=+/-]{0,9}") {
        let mut bytes = text.clone().into_bytes();
        if let Some(decoded) = base64url::decode(&mut bytes) {
            prop_assert_eq!(base64(decoded), text);
        }
    }
}

#[test]
fn a_claim_is_found_behind_whatever_is_nested() {
    for before in [
        r#""o":{"x":1}"#,
        r#""o":[1,2]"#,
        r#""o":[{"sub":[{}]},[]]"#,
        r#""o":{"sub":[{"sub":2}]}"#,
    ] {
        let json = format!("{{{before},\"sub\":7}}");
        let found = member(json.as_bytes(), "sub").map(|found| number(found.get()));
        assert_eq!(found, Some(7), "{json}");
        let json = format!("{{{before}}}");
        assert!(member(json.as_bytes(), "sub").is_none(), "{json}");
    }
}
