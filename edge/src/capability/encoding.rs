//! The encodings of the ABI: standard base64 with padding, lowercase hex, and URL encoding by the
//! rules of HTML forms.
//!
//! Each function takes the guest's raw bytes and returns the raw result. Decoding is strict:
//! invalid input gives `None`, which the guest sees as "no result".

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Standard alphabet, with padding (RFC 4648 section 4).
pub fn base64_encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// The inverse of [`base64_encode`]. Padding is required, and nothing else is accepted, such as
/// line breaks.
pub fn base64_decode(text: &[u8]) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// Two lowercase digits for each byte.
pub fn hex_encode(bytes: &[u8]) -> String {
    hex::encode(bytes)
}

/// The inverse of [`hex_encode`]; accepts both cases.
pub fn hex_decode(text: &[u8]) -> Option<Vec<u8>> {
    hex::decode(text).ok()
}

/// Form rules (`application/x-www-form-urlencoded`): letters, digits and `*-._` are kept, a space
/// becomes `+`, and every other byte becomes `%XX`.
pub fn url_encode(bytes: &[u8]) -> String {
    form_urlencoded::byte_serialize(bytes).collect()
}

/// The inverse of [`url_encode`]: `+` is a space, `%XX` a byte, in either case; other characters
/// are kept. A `%` that is not followed by two hex digits makes the whole input invalid.
pub fn url_decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(&byte) = rest.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                // The crates that decode percent escapes leave a broken one as it is; the ABI
                // requires "no result" for it.
                let pair = rest.as_slice().get(..2)?;
                rest = rest.as_slice()[2..].iter();
                let mut decoded = [0];
                hex::decode_to_slice(pair, &mut decoded).ok()?;
                decoded[0]
            }
            other => other,
        });
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_test_vectors_of_rfc_4648() {
        // Section 10.
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64_encode(plain.as_bytes()), coded);
            assert_eq!(base64_decode(coded.as_bytes()).unwrap(), plain.as_bytes());
        }
    }

    #[test]
    fn base64_is_strict() {
        assert_eq!(base64_encode(&[0xfb, 0xff]), "+/8=");
        for bad in [
            "Zg",
            "Zg=",
            "Z===",
            "Zm9v\n",
            "Zm9v Zm9v",
            "-_8=",
            "Zh==",
            "\u{e9}",
        ] {
            assert_eq!(base64_decode(bad.as_bytes()), None, "{bad:?}");
        }
    }

    #[test]
    fn hex_test_vectors_of_rfc_4648() {
        for (plain, coded) in [
            ("", ""),
            ("f", "66"),
            ("fooba", "666f6f6261"),
            ("foobar", "666f6f626172"),
        ] {
            assert_eq!(hex_encode(plain.as_bytes()), coded);
            assert_eq!(hex_decode(coded.as_bytes()).unwrap(), plain.as_bytes());
        }
        assert_eq!(hex_decode(b"DEADbeef").unwrap(), [0xde, 0xad, 0xbe, 0xef]);
        for bad in ["6", "6g", "0x66", "66 66"] {
            assert_eq!(hex_decode(bad.as_bytes()), None, "{bad:?}");
        }
    }

    #[test]
    fn url_coding_follows_form_rules() {
        assert_eq!(
            url_encode("a b&c=d/é~*-._".as_bytes()),
            "a+b%26c%3Dd%2F%C3%A9%7E*-._"
        );
        assert_eq!(
            url_decode(b"a+b%26c%3dd%2F%C3%A9~").unwrap(),
            "a b&c=d/é~".as_bytes()
        );
        assert_eq!(url_decode(b"").unwrap(), b"");
        assert_eq!(url_decode(b"%00%ff").unwrap(), [0, 0xff]);
    }

    #[test]
    fn broken_percent_escapes_are_no_result() {
        for bad in ["%", "%4", "a%", "%zz", "%4g", "%%41", "%+1", "100%"] {
            assert_eq!(url_decode(bad.as_bytes()), None, "{bad:?}");
        }
    }

    #[test]
    fn every_byte_survives_every_round_trip() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(base64_decode(base64_encode(&all).as_bytes()).unwrap(), all);
        assert_eq!(hex_decode(hex_encode(&all).as_bytes()).unwrap(), all);
        assert_eq!(url_decode(url_encode(&all).as_bytes()).unwrap(), all);
    }
}
