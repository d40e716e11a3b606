use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::capability::secrets::SecretStore;

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
    // RFC 7515 appendix A.1, which gives both the signing input and the key.
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
    // Test case 3 of the same paper does not decrypt to text, so test case 1: an empty plaintext.
    let view = secrets(&[("k", &[0; 16])]);
    let sealed = hex::decode("00000000000000000000000058e2fccefa7e3061367f1d57a4e7455a").unwrap();
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
    // 32 hex digits are 32 bytes, so they are used directly as the key.
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
