//! Base64, hexadecimal and URL encoding, done by the host.
//!
//! The host reads the argument in place and writes the result into the arena: the flare copies nothing.
//! Functions that end in `_piece` return the result as a [piece](crate::text#pieces-that-ask-the-host) of text.

use crate::abi;
use crate::arena::claim::{claim, claim_or_trap};
use crate::arena::{ArenaBytes, ArenaStr};
use crate::error::{Error, claim_or_error};
use crate::text::Pieces;
use crate::text::ask::Ask;

/// Standard Base64 with padding.
///
/// # Traps
///
/// If the result does not fit into the arena; [`try_base64_encode`] returns an error instead.
pub fn base64_encode(data: &[u8]) -> ArenaStr {
    claim_or_trap(abi::encoding_base64_encode(data)).into_text()
}

/// [`base64_encode`], or why there is no result.
///
/// # Errors
///
/// [`Error`]: the result does not fit into the arena.
pub fn try_base64_encode(data: &[u8]) -> Result<ArenaStr, Error> {
    claim_or_error(abi::encoding_base64_encode(data)).map(ArenaBytes::into_text)
}

/// [`base64_encode`], as a piece of text.
pub fn base64_encode_piece(data: &[u8]) -> impl Pieces {
    Ask(move || abi::encoding_base64_encode(data))
}

/// Decodes standard Base64 with padding.
///
/// `None` if the input is not Base64, or if the result does not fit into the arena.
pub fn base64_decode(input: &str) -> Option<ArenaBytes> {
    claim(abi::encoding_base64_decode(input.as_bytes()))
}

/// Lowercase hexadecimal.
///
/// # Traps
///
/// If the result does not fit into the arena; [`try_hex_encode`] returns an error instead.
pub fn hex_encode(data: &[u8]) -> ArenaStr {
    claim_or_trap(abi::encoding_hex_encode(data)).into_text()
}

/// [`hex_encode`], or why there is no result.
///
/// # Errors
///
/// [`Error`]: the result does not fit into the arena.
pub fn try_hex_encode(data: &[u8]) -> Result<ArenaStr, Error> {
    claim_or_error(abi::encoding_hex_encode(data)).map(ArenaBytes::into_text)
}

/// [`hex_encode`], as a piece of text.
pub fn hex_encode_piece(data: &[u8]) -> impl Pieces {
    Ask(move || abi::encoding_hex_encode(data))
}

/// Decodes hexadecimal.
///
/// `None` if the input is not hexadecimal, or if the result does not fit into the arena.
pub fn hex_decode(input: &str) -> Option<ArenaBytes> {
    claim(abi::encoding_hex_decode(input.as_bytes()))
}

/// Encodes text for a URL, as forms do: a space becomes `+`.
///
/// # Traps
///
/// If the result does not fit into the arena; [`try_url_encode`] returns an error instead.
pub fn url_encode(input: &str) -> ArenaStr {
    claim_or_trap(abi::encoding_url_encode(input.as_bytes())).into_text()
}

/// [`url_encode`], or why there is no result.
///
/// # Errors
///
/// [`Error`]: the result does not fit into the arena.
pub fn try_url_encode(input: &str) -> Result<ArenaStr, Error> {
    claim_or_error(abi::encoding_url_encode(input.as_bytes())).map(ArenaBytes::into_text)
}

/// [`url_encode`], as a piece of text.
pub fn url_encode_piece(input: &str) -> impl Pieces {
    Ask(move || abi::encoding_url_encode(input.as_bytes()))
}

/// Decodes text from a URL, as forms do: `+` becomes a space.
///
/// `None` if a `%` is not followed by two hexadecimal digits, or if the result does not fit into
/// the arena.
pub fn url_decode(input: &str) -> Option<ArenaStr> {
    claim(abi::encoding_url_decode(input.as_bytes())).map(ArenaBytes::into_text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Host, arena_is_free, leave_free, traps};
    use crate::{arena_refused, text};

    #[test]
    fn pieces_are_encoded_too() {
        let _host = Host::new();
        let data = b"fo".to_vec();
        let pieces = (
            base64_encode_piece(&data),
            hex_encode_piece(&data),
            url_encode_piece("a b"),
        );
        assert_eq!(text::build(pieces).unwrap(), "Zm8=666fa+b");
    }

    #[test]
    fn base64_of_rfc_4648() {
        let _host = Host::new();
        for (plain, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64_encode(plain.as_bytes()), text);
            assert_eq!(base64_decode(text).unwrap(), plain.as_bytes());
        }
        for bad in [
            "Zg", "Zg=", "Z===", "====", "Zh==", "Zm9v\n", "-_8=", "\u{e9}",
        ] {
            assert!(base64_decode(bad).is_none(), "{bad:?}");
        }
        assert!(!arena_refused());
        assert!(arena_is_free());
    }

    #[test]
    fn hexadecimal_of_rfc_4648() {
        let _host = Host::new();
        assert_eq!(hex_encode(b"\xde\xad\x00"), "dead00");
        assert_eq!(hex_decode("DEad00").unwrap(), b"\xde\xad\x00");
        assert_eq!(hex_encode(b""), "");
        assert_eq!(hex_decode("").unwrap(), b"");
        for bad in ["0", "0g", "+1", "0x00"] {
            assert!(hex_decode(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn urls_by_the_rules_of_forms() {
        let _host = Host::new();
        assert_eq!(url_encode("a b&\u{e9}~*"), "a+b%26%C3%A9%7E*");
        assert_eq!(url_decode("a+b%26%c3%A9~").unwrap(), "a b&\u{e9}~");
        assert_eq!(&*url_decode("%ff").unwrap(), "?");
        for bad in ["%", "%4", "%4g", "%+1", "100%"] {
            assert!(url_decode(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn arguments_go_to_the_host_as_they_are() {
        let host = Host::new();
        let _ = base64_encode(b"\xff\0");
        let _ = hex_encode(b"\"");
        let _ = url_encode("\n");
        let bytes: std::vec::Vec<_> = host.calls().into_iter().map(|call| call.bytes).collect();
        assert_eq!(bytes, [[&b"\xff\0"[..]], [b"\""], [b"\n"]]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let _host = Host::new();
        let _full = leave_free(8);
        assert!(traps(|| base64_encode(b"1234567")) && arena_refused());
        assert!(try_base64_encode(b"1234567").unwrap_err().is_arena_full());
        assert!(traps(|| hex_encode(b"12345")) && arena_refused());
        assert!(try_hex_encode(b"12345").unwrap_err().is_arena_full());
        assert!(traps(|| url_encode("123456789")) && arena_refused());
        assert!(try_url_encode("123456789").unwrap_err().is_arena_full());
        assert!(base64_decode("MTIzNDU2Nzg5").is_none() && arena_refused());
        assert!(base64_decode("?").is_none() && !arena_refused());
        assert!(hex_decode("313233343536373839").is_none() && arena_refused());
        assert!(hex_decode("?").is_none() && !arena_refused());
        assert!(url_decode("123456789").is_none() && arena_refused());
        assert_eq!(try_hex_encode(b"1234").unwrap(), "31323334");
        assert!(!arena_refused());
    }
}
