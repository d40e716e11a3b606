//! Base64url without padding (RFC 4648, section 5), both ways: the encoding used in tokens and URLs.

use crate::bytes::base64url;
use crate::text::piece::{Backward, Sink};

/// A piece: the bytes in Base64url without padding.
///
/// ```
/// use flaron_sdk::text;
///
/// assert_eq!(text::build(("id=", text::Base64Url(b"\xfb\xff")))?, "id=-_8");
/// # Ok::<(), flaron_sdk::ArenaFull>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Base64Url<'a>(pub &'a [u8]);

impl Backward for Base64Url<'_> {
    fn prepend_to<S: Sink>(self, mut sink: S) -> S {
        for group in self.0.chunks(3).rev() {
            // One byte takes two digits, two bytes take three: the bits that are left over are 0.
            let missing = 3 - group.len();
            let bits = group
                .iter()
                .fold(0, |bits, byte| bits << 8 | u32::from(*byte));
            let mut bits = bits << (2 * missing);
            for _ in missing..4 {
                sink = sink.byte(base64url::digit(bits & 63));
                bits >>= 6;
            }
        }
        sink
    }
}

/// Decodes Base64url without padding in place: the decoded bytes move to the front. `None` if the text is malformed.
///
/// Every sequence of bytes has exactly one encoding: a text with padding, with leftover bits that are not 0, or
/// with digits of the standard alphabet (`+`, `/`) is malformed. The text is overwritten in either case.
///
/// ```
/// use flaron_sdk::text;
///
/// let mut id = *b"-_8";
/// assert_eq!(text::decode_base64url(&mut id), Some(&b"\xfb\xff"[..]));
/// ```
pub fn decode_base64url(text: &mut [u8]) -> Option<&[u8]> {
    if text.is_empty() {
        return Some(text);
    }
    base64url::decode(text).map(|decoded| &*decoded)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::arena::tests::cases;
    use crate::text::build;

    /// The vectors of RFC 4648, section 10, and digits that the standard alphabet does not have.
    const CODED: [(&[u8], &str); 9] = [
        (b"", ""),
        (b"f", "Zg"),
        (b"fo", "Zm8"),
        (b"foo", "Zm9v"),
        (b"foob", "Zm9vYg"),
        (b"fooba", "Zm9vYmE"),
        (b"foobar", "Zm9vYmFy"),
        (b"\xfb\xff\xbf", "-_-_"),
        (b"\0\0", "AAA"),
    ];

    #[test]
    fn bytes_are_encoded_as_the_rfc_says() {
        for (bytes, text) in CODED {
            assert_eq!(build(Base64Url(bytes)).unwrap(), text);
            let mut coded = text.as_bytes().to_vec();
            assert_eq!(decode_base64url(&mut coded), Some(bytes));
        }
    }

    #[test]
    fn malformed_text_is_rejected() {
        for text in ["Z", "Zg==", "Zh", "Zm9", "+/+/", "Zm9v\n", "Zm9vY", "="] {
            assert_eq!(
                decode_base64url(&mut text.as_bytes().to_vec()),
                None,
                "{text}"
            );
        }
    }

    proptest! {
        #![proptest_config(cases(1000))]

        #[test]
        fn decoding_reverses_encoding(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let coded = build(("", Base64Url(&bytes), "")).unwrap();
            prop_assert_eq!(coded.len(), (bytes.len() * 4).div_ceil(3));
            let mut coded = coded.to_vec();
            prop_assert_eq!(decode_base64url(&mut coded), Some(&bytes[..]));
        }
    }
}
