//! Building text without `core::fmt` and without a heap, and the UTF-8 check.
//!
//! Text is given as *pieces*: strings, bytes, numbers, leases on what the host sent, and tuples of
//! pieces. They are copied once, straight to where they are needed:
//!
//! ```
//! use flaron_sdk::text::{self, Hex};
//!
//! let text = text::build(("order ", 42_u32, " is 0x", Hex(0x2a), "\n"))?;
//! assert_eq!(&text[..], b"order 42 is 0x2a\n");
//! # Ok::<(), flaron_sdk::ArenaFull>(())
//! ```
//!
//! [`build`] puts the text into the arena's scratch; [`TextBuf`] into a buffer of the caller's, and
//! piece by piece. Functions that end in `_pieces` ([`response::set_body_pieces`] and others) build
//! what they send and give the space back at once. A lease by itself is not copied: it goes to the host
//! from where it lies, and is given back.
//!
//! Text that does not fit is an error, never a cut-off string.
//!
//! # Pieces that ask the host
//!
//! Functions that end in `_piece`, such as [`request::url_piece`], make a piece of what their
//! namesakes return. The host is asked when the text is built, each piece in its turn, and writes
//! its answer where the text has got to:
//!
//! ```
//! # #[cfg(all(feature = "request", feature = "response"))] {
//! use flaron_sdk::{request, response};
//!
//! response::set_body_pieces((request::method_piece(), " ", request::url_piece()))?;
//! # }
//! # Ok::<(), flaron_sdk::ArenaFull>(())
//! ```
//!
//! So there is no lease to keep account of, and no room to find for a copy: a body like this one takes
//! some 170 bytes less than with `request::method()` and `request::url()`
//! (`size-report/PRICES.md` has both).
//!
//! A piece that the host does not answer is an error like one that does not fit: the text is not
//! built. [`arena_refused`] tells the two apart.
//!
//! [`response::set_body_pieces`]: crate::response::set_body_pieces
//! [`request::url_piece`]: crate::request::url_piece
//! [`arena_refused`]: crate::arena_refused

use core::fmt;

pub use crate::arena::Text;
use crate::arena::{ArenaBytes, ArenaFull, ArenaStr, Built, Draft, Growth};

mod sealed {
    use crate::arena::{ArenaBytes, Built, Draft, Growth};

    /// Where pieces go: from the last byte to the first.
    pub trait Sink: Sized {
        /// Puts bytes in front of what is already there.
        fn bytes(self, bytes: &[u8]) -> Self;

        /// Puts the bytes of a lease in front, and drops it.
        #[inline(always)]
        fn lease(self, lease: ArenaBytes) -> Self {
            self.bytes(&lease)
        }

        /// Puts one byte in front.
        #[inline(always)]
        fn byte(self, byte: u8) -> Self {
            self.bytes(&[byte])
        }
    }

    /// What [`super::Pieces`] can do; out of reach, so that no piece of a stranger's can call the
    /// flare, or the host out of turn, while a text is being built.
    pub trait Piece: Sized {
        /// Whether it asks the host. A text with such a piece is built upwards, with `append_to`;
        /// any other downwards, with `prepend_to`.
        const ASKS: bool = false;

        /// Writes the piece in front of what is there. It asks nobody.
        fn prepend_to<S: Sink>(self, sink: S) -> S;

        /// Writes the piece behind what is there.
        #[inline(always)]
        fn append_to(self, text: Growth) -> Growth {
            text.draft(self)
        }

        /// What is to be sent: a text of the pieces, or a lease as it is, which needs none.
        #[inline(always)]
        fn built(self) -> Option<Built> {
            if Self::ASKS {
                Growth::built(self)
            } else {
                Draft::built(self)
            }
        }
    }
}
pub(crate) use sealed::{Piece, Sink};

/// What text is built of.
///
/// - `&str`, `&[u8]`, `&[u8; N]`: their bytes;
/// - `u8` to `u64`, `i8` to `i64`, `usize`, `isize`: the number in decimal;
/// - [`Hex`]: a number in lowercase hexadecimal;
/// - [`ArenaStr`], [`ArenaBytes`], `&Text`: their bytes as they are, links no UTF-8 check;
/// - what the functions that end in `_piece` give: the host's answer;
/// - `Option` of a piece: the piece, or nothing;
/// - `()` and tuples of up to eight pieces: one after the other; tuples nest.
#[must_use = "pieces are nothing until a text is built of them"]
pub trait Pieces: Piece {}
impl<T: Piece> Pieces for T {}

impl Piece for &[u8] {
    #[inline(always)]
    fn prepend_to<S: Sink>(self, sink: S) -> S {
        sink.bytes(self)
    }

    #[inline(always)]
    fn append_to(self, text: Growth) -> Growth {
        text.bytes(self)
    }
}

/// Pieces that are bytes by another name.
macro_rules! bytes_pieces {
    ($($(#[$attribute:meta])* [$($generics:tt)*] $type:ty, $self:ident => $bytes:expr;)*) => {$(
        $(#[$attribute])*
        impl $($generics)* Piece for $type {
            #[inline(always)]
            fn prepend_to<S: Sink>($self, sink: S) -> S {
                sink.bytes($bytes)
            }

            #[inline(always)]
            fn append_to($self, text: Growth) -> Growth {
                text.bytes($bytes)
            }
        }
    )*};
}

bytes_pieces! {
    [] &str, self => self.as_bytes();
    [<const N: usize>] &[u8; N], self => self;
    [] &ArenaStr, self => self.raw();
    [] &ArenaBytes, self => self;
    [] &Text, self => self;
}

impl Piece for ArenaBytes {
    #[inline(always)]
    fn prepend_to<S: Sink>(self, sink: S) -> S {
        sink.lease(self)
    }

    #[inline(always)]
    fn append_to(self, text: Growth) -> Growth {
        text.lease(self)
    }

    #[inline(always)]
    fn built(self) -> Option<Built> {
        Some(Built::from(self))
    }
}

impl Piece for ArenaStr {
    #[inline(always)]
    fn prepend_to<S: Sink>(self, sink: S) -> S {
        sink.lease(self.into_bytes())
    }

    #[inline(always)]
    fn append_to(self, text: Growth) -> Growth {
        text.lease(self.into_bytes())
    }

    #[inline(always)]
    fn built(self) -> Option<Built> {
        self.into_bytes().built()
    }
}

impl<T: Piece> Piece for Option<T> {
    const ASKS: bool = T::ASKS;

    #[inline(always)]
    fn prepend_to<S: Sink>(self, sink: S) -> S {
        match self {
            Some(piece) => piece.prepend_to(sink),
            None => sink,
        }
    }

    #[inline(always)]
    fn append_to(self, text: Growth) -> Growth {
        match self {
            Some(piece) => piece.append_to(text),
            None => text,
        }
    }
}

/// Whether pieces ask the host.
pub(crate) const fn asks<P: Piece>(_: &P) -> bool {
    P::ASKS
}

/// A piece that the host is asked for: a call of one import, and nothing else.
pub(crate) struct Ask<F>(pub(crate) F);

impl<F: FnOnce() -> i64> Piece for Ask<F> {
    const ASKS: bool = true;

    fn prepend_to<S: Sink>(self, _: S) -> S {
        unreachable!("a text that asks grows upwards")
    }

    #[inline(always)]
    fn append_to(self, text: Growth) -> Growth {
        text.ask(self.0)
    }
}

/// Writes a number in decimal, last digit first. One for each word size, because 64-bit
/// arithmetic costs more.
macro_rules! decimal {
    ($name:ident: $word:ty) => {
        #[inline(never)] // shared by all numbers of this size
        fn $name<S: Sink>(mut number: $word, mut sink: S) -> S {
            loop {
                sink = sink.byte(b'0' + (number % 10) as u8);
                number /= 10;
                if number == 0 {
                    return sink;
                }
            }
        }
    };
}
decimal!(decimal_u32: u32);
decimal!(decimal_u64: u64);

macro_rules! number_pieces {
    ($($unsigned:ty, $signed:ty => $decimal:ident($word:ty);)*) => {$(
        impl Piece for $unsigned {
            #[inline(always)]
            fn prepend_to<S: Sink>(self, sink: S) -> S {
                $decimal(self as $word, sink)
            }
        }

        impl Piece for $signed {
            #[inline(always)]
            fn prepend_to<S: Sink>(self, sink: S) -> S {
                let sink = $decimal(self.unsigned_abs() as $word, sink);
                if self < 0 { sink.byte(b'-') } else { sink }
            }
        }
    )*};
}

number_pieces! {
    u8, i8 => decimal_u32(u32);
    u16, i16 => decimal_u32(u32);
    u32, i32 => decimal_u32(u32);
    u64, i64 => decimal_u64(u64);
}
#[cfg(target_pointer_width = "32")]
number_pieces! { usize, isize => decimal_u32(u32); }
#[cfg(not(target_pointer_width = "32"))]
number_pieces! { usize, isize => decimal_u64(u64); }

/// A piece: the number in lowercase hexadecimal, without prefix and leading zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hex(pub u64);

impl Piece for Hex {
    fn prepend_to<S: Sink>(self, mut sink: S) -> S {
        let mut number = self.0;
        loop {
            let digit = (number & 15) as u8;
            sink = sink.byte(if digit < 10 {
                b'0' + digit
            } else {
                b'a' - 10 + digit
            });
            number >>= 4;
            if number == 0 {
                return sink;
            }
        }
    }
}

impl Piece for () {
    #[inline(always)]
    fn prepend_to<S: Sink>(self, sink: S) -> S {
        sink
    }

    #[inline(always)]
    fn append_to(self, text: Growth) -> Growth {
        text
    }
}

/// Tuples: the last piece is written first, or last.
macro_rules! tuple_pieces {
    ($($piece:ident)* ; $($reversed:ident)*) => {
        impl<$($piece: Piece),*> Piece for ($($piece,)*) {
            const ASKS: bool = false $(|| $piece::ASKS)*;

            #[inline(always)]
            #[allow(non_snake_case)]
            fn prepend_to<Out: Sink>(self, sink: Out) -> Out {
                let ($($piece,)*) = self;
                $(let sink = $reversed.prepend_to(sink);)*
                sink
            }

            #[inline(always)]
            #[allow(non_snake_case)]
            fn append_to(self, text: Growth) -> Growth {
                let ($($piece,)*) = self;
                $(let text = $piece.append_to(text);)*
                text
            }
        }
    };
}
tuple_pieces!(A; A);
tuple_pieces!(A B; B A);
tuple_pieces!(A B C; C B A);
tuple_pieces!(A B C D; D C B A);
tuple_pieces!(A B C D E; E D C B A);
tuple_pieces!(A B C D E F; F E D C B A);
tuple_pieces!(A B C D E F G; G F E D C B A);
tuple_pieces!(A B C D E F G H; H G F E D C B A);

/// Builds text in the arena's scratch.
///
/// # Errors
///
/// [`ArenaFull`] when the free part of the arena is smaller than the text.
pub fn build(pieces: impl Pieces) -> Result<Text, ArenaFull> {
    Draft::keep(pieces)
}

/// The error of a [`TextBuf`]: the rest of the buffer is smaller than what was to be appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextFull;

impl fmt::Display for TextFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the text does not fit into its buffer")
    }
}

impl core::error::Error for TextFull {}

/// Text in a buffer of the caller's, from front to back.
///
/// ```
/// use flaron_sdk::text::TextBuf;
///
/// let mut buffer = [0; 32];
/// let mut text = TextBuf::new(&mut buffer);
/// for hits in [7_u32, 11] {
///     text.push((hits, "\n"))?;
/// }
/// assert_eq!(text.as_bytes(), b"7\n11\n");
/// # Ok::<(), flaron_sdk::text::TextFull>(())
/// ```
///
/// It implements [`core::fmt::Write`], so `write!` works, at the price of `core::fmt`.
pub struct TextBuf<'a> {
    buffer: &'a mut [u8],
    len: usize,
}

impl<'a> TextBuf<'a> {
    /// Empty text in `buffer`.
    pub fn new(buffer: &'a mut [u8]) -> TextBuf<'a> {
        TextBuf { buffer, len: 0 }
    }

    /// Appends pieces: all of them, or nothing and an error.
    ///
    /// # Errors
    ///
    /// [`TextFull`] when the rest of the buffer is too small.
    pub fn push(&mut self, pieces: impl Pieces) -> Result<(), TextFull> {
        if asks(&pieces) {
            let text = build(pieces).map_err(|ArenaFull| TextFull)?;
            return self.push(&text);
        }
        let rest = self.buffer.get_mut(self.len..).unwrap_or_default();
        // The pieces come backwards: they are built at the far end, then moved up.
        let Some(free) = pieces.prepend_to(Tail(Some(rest))).0 else {
            return Err(TextFull);
        };
        let free = free.len();
        self.buffer.copy_within(self.len + free.., self.len);
        self.len = self.buffer.len() - free;
        Ok(())
    }

    /// What has been built.
    pub fn as_bytes(&self) -> &[u8] {
        self.buffer.get(..self.len).unwrap_or_default()
    }

    /// What has been built as `str`, or `None` when a piece of it was not UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        from_utf8(self.as_bytes())
    }
}

impl fmt::Write for TextBuf<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text).map_err(|_| fmt::Error)
    }
}

/// The far end of a buffer; `None` once something did not fit.
struct Tail<'a>(Option<&'a mut [u8]>);

impl Sink for Tail<'_> {
    #[inline]
    fn bytes(self, bytes: &[u8]) -> Self {
        let fit = self.0.and_then(|space| {
            let rest = space.len().checked_sub(bytes.len())?;
            let (rest, tail) = space.split_at_mut_checked(rest)?;
            tail.copy_from_slice(bytes);
            Some(rest)
        });
        Tail(fit)
    }
}

/// The bytes as text, if they are UTF-8: what `core::str::from_utf8` answers, in a fraction of
/// its size.
pub fn from_utf8(bytes: &[u8]) -> Option<&str> {
    crate::arena::checked_str(bytes)
}

/// Where UTF-8 ends to be valid: the index of the first byte, from `start` on, that begins no
/// character; the length if there is none.
///
/// Sequences that are too long, surrogates and what lies beyond U+10FFFF are not valid.
#[inline] // shared
pub(crate) fn valid_up_to(bytes: &[u8], start: usize) -> usize {
    let mut rest = bytes.get(start..).unwrap_or_default().iter();
    loop {
        let at = bytes.len() - rest.len();
        let Some(&first) = rest.next() else {
            return at;
        };
        if first >= 0x80 && decode_char(first, || rest.next().copied()).is_none() {
            return at;
        }
    }
}

/// Decodes a character of UTF-8 whose first byte is `first`, and the others what `next` gives;
/// `None` if they make no character.
#[inline(always)]
pub(crate) fn decode_char(first: u8, mut next: impl FnMut() -> Option<u8>) -> Option<u32> {
    // The smallest number that needs as many bytes as `first` announces, and how many follow.
    let (smallest, more, mut code) = match first {
        0..0x80 => return Some(first.into()),
        0xc0..0xe0 => (0x80, 1, u32::from(first) & 0x1f),
        0xe0..0xf0 => (0x800, 2, u32::from(first) & 0xf),
        0xf0..0xf8 => (0x1_0000, 3, u32::from(first) & 7),
        _ => return None,
    };
    for _ in 0..more {
        let byte = next()?;
        if byte & 0xc0 != 0x80 {
            return None;
        }
        code = code << 6 | u32::from(byte) & 0x3f;
    }
    (code >= smallest && char::from_u32(code).is_some()).then_some(code)
}

/// The value of a hexadecimal digit in either case. (As a number of 32 bits, because one of 8 costs a
/// mask wherever it is looked at.)
pub(crate) fn hex_value(digit: u32) -> Option<u32> {
    let decimal = digit.wrapping_sub(0x30);
    if decimal < 10 {
        return Some(decimal);
    }
    let letter = (digit | 0x20).wrapping_sub(0x61);
    if letter < 6 { Some(letter + 10) } else { None }
}

/// Decodes hexadecimal where it lies: the bytes move to the front. Tells how many they are, or
/// `None` if it is no hexadecimal text.
pub(crate) fn decode_hex(text: &mut [u8]) -> Option<usize> {
    let text = core::cell::Cell::from_mut(text).as_slice_of_cells();
    let mut decoded = text.iter();
    for pair in text.chunks(2) {
        let [high, low] = pair else { return None };
        let byte = hex_value(high.get().into())? << 4 | hex_value(low.get().into())?;
        decoded.next()?.set(byte as u8);
    }
    Some(text.len() / 2)
}

/// A decimal number without a sign: digits and nothing else. `None` if it is too large as well.
pub(crate) fn parse_u64(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    let mut number: u64 = 0;
    for &digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        // Not `checked_mul`, which takes a 128-bit product.
        if number > u64::MAX / 10 {
            return None;
        }
        number = (number * 10).checked_add(digit.into())?;
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{arena_is_free, assert_error, leave_free};
    use core::fmt::Write;
    use proptest::prelude::*;
    use std::format;
    use std::string::{String, ToString};

    fn built(pieces: impl Pieces) -> String {
        String::from_utf8(build(pieces).unwrap().to_vec()).unwrap()
    }

    #[test]
    fn numbers_are_decimal() {
        assert_eq!(
            built((0_u8, " ", u8::MAX, " ", 0_i8, " ", i8::MIN)),
            "0 255 0 -128"
        );
        assert_eq!(
            built((u16::MAX, " ", i16::MIN, " ", i16::MAX)),
            "65535 -32768 32767"
        );
        assert_eq!(built((u32::MAX, " ", i32::MIN)), "4294967295 -2147483648");
        assert_eq!(
            built((u64::MAX, " ", i64::MIN)),
            "18446744073709551615 -9223372036854775808"
        );
        assert_eq!(
            built((usize::MAX, " ", isize::MIN)),
            format!("{} {}", usize::MAX, isize::MIN)
        );
        assert_eq!(
            built((Hex(0), " ", Hex(0xa9), " ", Hex(u64::MAX))),
            "0 a9 ffffffffffffffff"
        );
    }

    #[test]
    fn pieces_come_one_after_the_other() {
        assert_eq!(built(()), "");
        assert_eq!(built(("a",)), "a");
        assert_eq!(
            built(("a", &b"b"[..], b"c", 3_u8, Some("e"), None::<&str>)),
            "abc3e"
        );
        assert_eq!(
            built((1_u8, 2_u8, 3_u8, 4_u8, 5_u8, 6_u8, 7_u8, 8_u8)),
            "12345678"
        );
        assert_eq!(
            built((("a", ("b", "c")), ((), "d"), "e", "f", "g", "h", "i")),
            "abcdefghi"
        );
        assert!(arena_is_free());
    }

    #[test]
    fn a_text_that_does_not_fit_is_an_error_wherever_it_ends() {
        let _full = leave_free(8);
        assert_eq!(build(("1234", "56789")), Err(ArenaFull));
        assert_eq!(build(("123456789", "")), Err(ArenaFull));
        assert_eq!(build(("", "123456789", 1_u8)), Err(ArenaFull));
        assert_eq!(
            build((1_u8, 2_u8, 3_u8, 4_u8, 5_u8, 6_u8, 7_u8, 89_u8)),
            Err(ArenaFull)
        );
        assert_eq!(build((u64::MAX, "")), Err(ArenaFull));
        assert_eq!(built(("1234", 5678_u16)), "12345678");
    }

    #[test]
    fn a_buffer_takes_pieces_whole_or_not_at_all() {
        let mut buffer = [0; 8];
        let mut text = TextBuf::new(&mut buffer);
        assert_eq!(text.as_bytes(), b"");
        assert_eq!(text.push(("a", 12_u8)), Ok(()));
        assert_eq!(text.push("123456"), Err(TextFull));
        assert_eq!(text.as_str(), Some("a12"));
        assert_eq!(text.push(("b", (), b"\xc3")), Ok(()));
        assert_eq!((text.as_bytes(), text.as_str()), (&b"a12b\xc3"[..], None));
        assert_eq!(text.push(("x", "yz")), Ok(()));
        assert_eq!(text.push(()), Ok(()));
        assert_eq!(text.push(0_u8), Err(TextFull));
        assert_eq!(text.as_bytes(), b"a12b\xc3xyz");
        assert_error(TextFull, "the text does not fit into its buffer");
    }

    #[test]
    fn a_buffer_can_be_written_to() {
        let mut buffer = [0; 8];
        let mut text = TextBuf::new(&mut buffer);
        write!(text, "{}-{:02x}", 7, 10).unwrap();
        assert_eq!(text.as_str(), Some("7-0a"));
        assert!(write!(text, "12345").is_err());
        assert_eq!(text.as_str(), Some("7-0a"));
        let mut text = TextBuf::new(&mut []);
        assert_eq!((text.push(()), text.push("a")), (Ok(()), Err(TextFull)));
    }

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
    }

    #[test]
    fn hexadecimal_is_decoded_to_the_front() {
        for (text, decoded) in [
            (&b""[..], Some(&b""[..])),
            (b"00ff", Some(b"\x00\xff")),
            (b"aBCd", Some(b"\xab\xcd")),
            (b"0", None),
            (b"000", None),
            (b"0g", None),
            (b"g0", None),
            (b"\xff\xff", None),
        ] {
            let mut bytes = text.to_vec();
            let len = decode_hex(&mut bytes);
            assert_eq!(len.map(|len| &bytes[..len]), decoded, "{text:?}");
        }
    }

    proptest! {
        #![proptest_config(crate::arena::tests::cases(1000))]

        #[test]
        fn numbers_are_written_and_read_as_rust_does(
            a in any::<u64>(), b in any::<i64>(), c in any::<u32>(), d in any::<i16>(), shift in 0..64
        ) {
            let (a, b) = (a >> shift, b >> shift);
            prop_assert_eq!(built((a, " ", b, " ", c, " ", d)), format!("{a} {b} {c} {d}"));
            prop_assert_eq!(built(Hex(a)), format!("{a:x}"));
            prop_assert_eq!(parse_u64(a.to_string().as_bytes()), Some(a));
        }

        #[test]
        fn digits_are_read_as_rust_does(digits in "[0-9]{0,22}|[0-9+ -]{1,4}") {
            // Rust takes a sign.
            let expected = digits.parse().ok().filter(|_: &u64| !digits.starts_with('+'));
            prop_assert_eq!(parse_u64(digits.as_bytes()), expected);
        }
    }
}
