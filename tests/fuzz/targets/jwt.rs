//! `crypto::verify_jwt` and `verify_hmac`: against `hmac`, `base64` and `serde_json`, for tokens that are right, nearly
//! right and garbage.
#![no_main]

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flaron_sdk::crypto::VerifyError;
use flaron_sdk::testing::Host;
use flaron_sdk::{ARENA_BYTES, crypto, request};
use hmac::{Hmac, KeyInit, Mac};
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};
use sha2::Sha256;

const NOW: u64 = 1_700_000_000;

fuzz_target!(|data: &[u8]| {
    let [how, time, rest @ ..] = data else { return };
    let mut parts = rest.splitn(3, |byte| *byte == 0xff);
    let mut next = || parts.next().unwrap_or_default();
    let (first, second, third) = (next(), next(), next());
    let token = if how & 0xe0 == 0 {
        // Anything that resembles one.
        let bytes = b"eyJ.AQgw-_19=";
        rest.iter().map(|byte| char::from(bytes[usize::from(*byte) % bytes.len()])).collect()
    } else {
        let head = match how & 3 {
            0 => br#"{"alg":"HS256","typ":"JWT"}"#.to_vec(),
            1 => [br#"{"alg" : "HS256","#, first, b"}"].concat(),
            2 => [br#"{"#, first, br#","alg":"HS256"}"#].concat(),
            _ => first.to_vec(),
        };
        let exp = NOW + u64::from(*time) - 100;
        let nbf = NOW + 60 - u64::from(*time);
        let claims = match how >> 2 & 3 {
            0 => [format!(r#"{{"exp":{exp},"a":""#).as_bytes(), second, br#""}"#].concat(),
            1 => [format!(r#"{{"nbf":{nbf},"exp":{exp} "#).as_bytes(), second, b"}"].concat(),
            2 => [b"{", second, format!(r#","exp":{exp}}}"#).as_bytes()].concat(),
            _ => second.to_vec(),
        };
        let mut signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(head), URL_SAFE_NO_PAD.encode(claims));
        if how & 0x10 != 0 && !third.is_empty() {
            // Invalid Base64url, or not the only encoding of its bytes.
            let at = usize::from(third[0]) % signed.len();
            let byte = b"AQgw-_19=+/ .B"[usize::from(*third.last().unwrap()) % 14];
            signed.replace_range(at..=at, &char::from(byte).to_string());
        }
        let mut signature = mac(&signed);
        if how & 0xe0 == 0x20 {
            signature.truncate(third.len());
            for (byte, third) in signature.iter_mut().zip(third) {
                *byte ^= third;
            }
        }
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    };

    let host = Host::new();
    host.time_ms(NOW * 1000 + 999);
    host.returns("req_header_get", format!("Bearer {token}"));
    host.on("crypto_hmac", |call| {
        // The argument of the host call is JSON, whatever is in the token.
        let argument: Value = serde_json::from_slice(&call.bytes[0]).expect("JSON");
        assert_eq!(argument["secret_key"], "key");
        Some(hex(&mac(argument["input"].as_str().unwrap())).into_bytes())
    });
    let credentials = request::credentials("bearer").expect("there is a token");
    let verified = crypto::verify_jwt("key", credentials);
    let verified = verified.map(|claims| {
        let exp = claims.number("exp");
        let text = claims.text("a").map(str::to_owned);
        (exp, text, claims.into_document().ok().and_then(|document| document.root().get("exp")?.as_u64()))
    });

    match expected(&token) {
        Expected::Yes { exp, text, is_json } => {
            let (found, found_text, read) = match verified {
                // Signing needs room for another token.
                Err(VerifyError::ArenaFull) => return assert!(token.len() * 2 > ARENA_BYTES - 200),
                other => other.unwrap_or_else(|error| panic!("{token}: {error:?}")),
            };
            assert_eq!(found, Some(exp));
            assert_eq!(found_text, text);
            assert_eq!(read, is_json.then_some(exp));
        }
        Expected::No => assert!(verified.is_err(), "{token}"),
        Expected::Unless(why) => assert!(!verified.is_err_and(|error| error == why), "{token}"),
    }
    drop(host);
    assert_ne!(flaron_sdk::guest_alloc(ARENA_BYTES as i32), 0, "everything is free again");
    flaron_sdk::reset_arena();
});

enum Expected {
    /// It is valid, and has these claims: `exp`, and a text without escapes.
    Yes {
        exp: u64,
        text: Option<String>,
        is_json: bool,
    },
    No,
    /// It is signed, but its contents are not JSON, or ambiguous: whether it is valid is not determined here.
    Unless(VerifyError),
}

fn expected(token: &str) -> Expected {
    let parts: Vec<&str> = token.splitn(3, '.').collect();
    let [head, claims, signature] = parts[..] else { return Expected::No };
    let (Ok(head_json), Ok(signature_bytes)) =
        (URL_SAFE_NO_PAD.decode(head), URL_SAFE_NO_PAD.decode(signature))
    else {
        return Expected::No;
    };
    if signature_bytes != mac(&format!("{head}.{claims}")) {
        return Expected::No;
    }
    let Ok(claims) = URL_SAFE_NO_PAD.decode(claims) else { return Expected::No };
    let unclear = Expected::Unless(VerifyError::BadSignature);
    let (Some(head), Some(members)) = (plain_object(&head_json), plain_object(&claims)) else {
        return unclear;
    };
    if head.get("alg") != Some(&Value::from("HS256")) || head.contains_key("crit") {
        return Expected::No;
    }
    let Some(exp) = members.get("exp").and_then(Value::as_u64) else { return Expected::No };
    let nbf = members.get("nbf").map(|nbf| nbf.as_u64());
    if exp <= NOW || nbf.is_some_and(|nbf| nbf.is_none_or(|nbf| nbf > NOW)) {
        return Expected::No;
    }
    let text = members.get("a").and_then(Value::as_str).map(str::to_owned);
    let deep = claims.iter().filter(|byte| b"[{".contains(byte)).count() > 31;
    if deep { unclear } else { Expected::Yes { exp, text, is_json: true } }
}

/// An unambiguous JSON object: no escapes, no duplicate names, no numbers written as floats.
fn plain_object(json: &[u8]) -> Option<Map<String, Value>> {
    let Value::Object(members) = serde_json::from_slice(json).ok()? else { return None };
    let text = std::str::from_utf8(json).ok()?;
    let names = flaron_fuzz::members(text.trim_matches(flaron_fuzz::SPACES));
    let floats = names.iter().any(|(_, value)| value.parse::<u64>().is_err() && value.parse::<f64>().is_ok());
    (names.len() == members.len() && !text.contains('\\') && !floats).then_some(members)
}

fn mac(input: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(b"secret").unwrap();
    mac.update(input.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
