//! UTF-8 and numbers, against what the standard library says.

use proptest::prelude::*;

use crate::bytes::base64url::decode as decode_base64url;
#[cfg(feature = "crypto")]
use crate::bytes::number::decode_hex;
use crate::bytes::number::{parse_u32, parse_u64};
use crate::bytes::split::{eq, eq_ignore_case};
use crate::bytes::utf8::{from_utf8, valid_up_to};

#[test]
fn every_character_is_utf8_and_every_other_sequence_is_not() {
    for char in (0..=0x10_ffff).step_by(if cfg!(miri) { 997 } else { 1 }) {
        let Some(char) = char::from_u32(char) else {
            continue;
        };
        let mut bytes = [0; 4];
        let bytes = char.encode_utf8(&mut bytes).as_bytes();
        assert_eq!(valid_up_to(bytes, 0), bytes.len());
    }
    for bytes in [
        &b"\x80"[..],
        b"\xbf",
        b"\xc0\x80",
        b"\xc1\xbf",
        b"\xc2",
        b"\xe0\x9f\xbf",
        b"\xe0\xa0",
        b"\xed\xa0\x80",
        b"\xed\xbf\xbf",
        b"\xf0\x8f\xbf\xbf",
        b"\xf4\x90\x80\x80",
        b"\xf5\x80\x80\x80",
        b"\xf8\x88\x80\x80\x80",
        b"\xfe",
        b"\xff",
        b"\xc3\xc3",
        b"\xe2\x82\xc0",
    ] {
        assert!(
            from_utf8(bytes).is_none() && core::str::from_utf8(bytes).is_err(),
            "{bytes:?}"
        );
    }
    assert_eq!(from_utf8(b""), Some(""));
    // What four bytes can say beyond the last character.
    for code in (0x11_0000..=0x1f_ffff_u32).step_by(if cfg!(miri) { 9973 } else { 1 }) {
        let part = |shift: u32| 0x80 | (code >> shift & 0x3f) as u8;
        let bytes = [0xf0 | (code >> 18) as u8, part(12), part(6), part(0)];
        assert_eq!(valid_up_to(&bytes, 0), 0, "{code:x}");
    }
}

#[test]
#[cfg(feature = "crypto")]
fn hexadecimal_is_decoded_to_the_front() {
    for (text, decoded) in [
        (&b""[..], Some(&b""[..])),
        (b"00ff", Some(b"\x00\xff")),
        (b"aBCd", Some(b"\xab\xcd")),
        (b"0", None),
        (b"000", None),
        (b"0g", None),
        (b"g0", None),
        // The neighbours of the digits.
        (b"0:", None),
        (b":0", None),
        (b"/0", None),
        (b"@0", None),
        (b"G0", None),
        (b"`0", None),
        (b"\xff\xff", None),
    ] {
        let mut bytes = text.to_vec();
        let len = decode_hex(&mut bytes);
        assert_eq!(len.map(|len| &bytes[..len]), decoded, "{text:?}");
    }
}

#[test]
fn numbers_of_32_bits_are_all_that_fit() {
    for (digits, number) in [
        ("0", Some(0)),
        ("0019", Some(19)),
        ("4294967295", Some(u32::MAX)),
        ("4294967296", None),
        ("42949672950", None),
        ("", None),
        // The neighbours of the digits.
        ("1/", None),
        (":1", None),
        ("-1", None),
    ] {
        assert_eq!(parse_u32(digits.as_bytes()), number, "{digits}");
    }
}

#[test]
fn texts_that_differ_in_more_than_their_case_differ() {
    assert!(eq_ignore_case(b"a-Z", b"A-z") && eq_ignore_case(b"", b""));
    assert!(!eq_ignore_case(b"a", b"b") && !eq_ignore_case(b"a", b"aa"));
    assert!(!eq_ignore_case(b"[", b"{") && !eq_ignore_case(b"{", b"["));
    assert!(!eq_ignore_case(b"@", b"`") && !eq_ignore_case(b"\xc3\xa9", b"\xc3\x89"));
}

proptest! {
    #![proptest_config(crate::arena::tests::cases(1000))]

    #[test]
    fn digits_are_read_as_rust_does(digits in "[0-9]{0,22}|[0-9+ -]{1,4}") {
        // Rust takes a sign.
        let expected = digits.parse().ok().filter(|_: &u64| !digits.starts_with('+'));
        prop_assert_eq!(parse_u64(digits.as_bytes()), expected);
    }
}

#[test]
fn each_byte_is_its_base64url_digit_or_none() {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for byte in 0..=255 {
        let mut text = [b'A', b'A', b'A', byte];
        let bits = DIGITS.iter().position(|digit| *digit == byte);
        assert_eq!(
            decode_base64url(&mut text).map(|bytes| bytes.len()),
            bits.map(|_| 3),
            "{byte}"
        );
        if let Some(bits) = bits {
            assert_eq!(text[..3], [0, 0, bits as u8], "{byte}");
        }
    }
}

#[test]
fn bytes_are_equal_if_all_of_them_are() {
    for a in [&b""[..], b"a", b"b", b"A", b"ab", b"ba", b"ab\xff"] {
        for b in [&b""[..], b"a", b"b", b"A", b"ab", b"ba", b"ab\xff"] {
            assert_eq!(eq(a, b), a == b, "{a:?} {b:?}");
        }
    }
}
