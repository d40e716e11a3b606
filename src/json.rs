//! JSON without a heap: writing it as [pieces](crate::text), reading it where it lies.
//!
//! Four host calls take JSON arguments and three answer in JSON; this is what the SDK uses for them,
//! and what a flare can use for small JSON of its own.
//!
//! # Writing
//!
//! [`Str`], [`Object`] and [`Array`] are pieces that escape completely: quotes, backslashes and every
//! control character. The rest is plain text:
//!
//! ```
//! use flaron_sdk::{json, text};
//!
//! let name = "Zoë \"Z\"";
//! let text = text::build(("{\"name\":", json::Str(name), ",\"hits\":", 3_u32, "}"))?;
//! assert_eq!(text.as_str(), Some(r#"{"name":"Zoë \"Z\"","hits":3}"#));
//! # Ok::<(), flaron_sdk::ArenaFull>(())
//! ```
//!
//! What is known at compile time is written at compile time, by [`json!`](crate::json!), and links
//! no writer:
//!
//! ```
//! const ARGUMENTS: &str = flaron_sdk::json!({ "format": "rfc3339", "depth": 2 });
//! assert_eq!(ARGUMENTS, r#"{"format":"rfc3339","depth":2}"#);
//! ```
//!
//! # Reading
//!
//! [`parse`] checks a whole text strictly by RFC 8259 and gives a view on it, which allocates and
//! copies nothing:
//!
//! ```
//! use flaron_sdk::json;
//!
//! let order = json::parse(br#"{"id": 7, "items": ["caf\u00e9", "tea"]}"#)?;
//! assert_eq!(order.get("id").and_then(|id| id.as_i64()), Some(7));
//! for item in order.get("items").into_iter().flat_map(|items| items.elements()) {
//!     assert!(item == "café" || item == "tea");
//! }
//! # Ok::<(), json::JsonError>(())
//! ```
//!
//! # Limits
//!
//! Values nest at most [`MAX_DEPTH`] deep. Lone surrogates (`\ud800`) become U+FFFD. Of equal member
//! names the first counts.

use core::cell::Cell;
use core::fmt;

use crate::text::{self, Prepend, Sink};

/// How deep arrays and objects may nest in what is read.
pub const MAX_DEPTH: usize = 31;

// ------------------------------------------------------------------------------------- writing

/// A piece: the text as a JSON string, quoted and escaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Str<'a>(pub &'a str);

impl Prepend for Str<'_> {
    #[inline(always)]
    fn prepend_to<S: Sink>(self, sink: S) -> S {
        quoted(self.0.as_bytes(), sink)
    }
}

/// A piece: pairs of strings as a JSON object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Object<'a>(pub &'a [(&'a str, &'a str)]);

impl Prepend for Object<'_> {
    fn prepend_to<S: Sink>(self, sink: S) -> S {
        let mut sink = sink.byte(b'}');
        for (i, (name, value)) in self.0.iter().enumerate().rev() {
            sink = quoted(value.as_bytes(), sink);
            sink = quoted(name.as_bytes(), sink.byte(b':'));
            if i != 0 {
                sink = sink.byte(b',');
            }
        }
        sink.byte(b'{')
    }
}

/// A piece: strings as a JSON array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Array<'a>(pub &'a [&'a str]);

impl Prepend for Array<'_> {
    fn prepend_to<S: Sink>(self, sink: S) -> S {
        let mut sink = sink.byte(b']');
        for (i, item) in self.0.iter().enumerate().rev() {
            sink = quoted(item.as_bytes(), sink);
            if i != 0 {
                sink = sink.byte(b',');
            }
        }
        sink.byte(b'[')
    }
}

/// Writes a string from its closing quote to its opening one.
#[inline(never)] // one copy for all strings
fn quoted<S: Sink>(text: &[u8], sink: S) -> S {
    let mut sink = sink.byte(b'"');
    for &byte in text.iter().rev() {
        if byte < b' ' {
            sink = sink.byte(hex_digit(byte & 15));
            sink = sink.byte(b'0' + (byte >> 4));
            sink = sink.bytes(b"\\u00");
        } else {
            sink = sink.byte(byte);
            if byte == b'"' || byte == b'\\' {
                sink = sink.byte(b'\\');
            }
        }
    }
    sink.byte(b'"')
}

const fn hex_digit(value: u8) -> u8 {
    if value < 10 {
        b'0' + value
    } else {
        b'a' - 10 + value
    }
}

/// Writes JSON at compile time: the result is a `&'static str`.
///
/// Members and elements are string, number and `true`/`false` literals, `null`, and objects and
/// arrays of these.
///
/// ```
/// use flaron_sdk::json;
///
/// const CLAIMS: &str = json!({ "sub": "say \"hi\"", "admin": false, "ids": [1, 2.5, null] });
/// assert_eq!(CLAIMS, r#"{"sub":"say \"hi\"","admin":false,"ids":[1,2.5,null]}"#);
/// ```
#[cfg(feature = "json")]
#[macro_export]
macro_rules! json {
    ({ $($name:literal : $value:tt),* $(,)? }) => {
        $crate::json!(@build "{", "}", [$([
            $crate::json::Part::string($name), $crate::json::Part::raw(":"), $crate::json!(@part $value)
        ],)*])
    };
    ([ $($value:tt),* $(,)? ]) => {
        $crate::json!(@build "[", "]", [$([
            $crate::json::Part::raw(""), $crate::json::Part::raw(""), $crate::json!(@part $value)
        ],)*])
    };
    (@part null) => { $crate::json::Part::raw("null") };
    (@part { $($inside:tt)* }) => { $crate::json::Part::raw($crate::json!({ $($inside)* })) };
    (@part [ $($inside:tt)* ]) => { $crate::json::Part::raw($crate::json!([ $($inside)* ])) };
    (@part $value:literal) => { $crate::json::Part::literal(concat!($value), stringify!($value)) };
    (@build $open:literal, $close:literal, [$($item:expr,)*]) => {{
        const ITEMS: &[[$crate::json::Part; 3]] = &[$($item,)*];
        const LEN: usize = $crate::json::literal_len(ITEMS);
        const BYTES: [u8; LEN] = $crate::json::literal($open, ITEMS, $close);
        const TEXT: &str = match ::core::str::from_utf8(&BYTES) {
            Ok(text) => text,
            Err(_) => unreachable!(),
        };
        TEXT
    }};
}
/// A part of a literal.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct Part {
    text: &'static str,
    quoted: bool,
}

#[doc(hidden)]
impl Part {
    pub const fn raw(text: &'static str) -> Part {
        Part {
            text,
            quoted: false,
        }
    }

    pub const fn string(text: &'static str) -> Part {
        Part { text, quoted: true }
    }

    /// A literal, as its value and as its source: `"`, or `r` for a raw string, tells a string.
    pub const fn literal(value: &'static str, source: &'static str) -> Part {
        let first = source.as_bytes()[0];
        Part {
            text: value,
            quoted: first == b'"' || first == b'r',
        }
    }

    const fn write<const N: usize>(self, into: &mut [u8; N], mut at: usize) -> usize {
        let text = self.text.as_bytes();
        if self.quoted {
            at = put(into, at, b'"');
        }
        let mut i = 0;
        while i < text.len() {
            let byte = text[i];
            if self.quoted && byte < b' ' {
                at = put(into, at, b'\\');
                at = put(into, at, b'u');
                at = put(into, at, b'0');
                at = put(into, at, b'0');
                at = put(into, at, b'0' + (byte >> 4));
                at = put(into, at, hex_digit(byte & 15));
            } else {
                if self.quoted && (byte == b'"' || byte == b'\\') {
                    at = put(into, at, b'\\');
                }
                at = put(into, at, byte);
            }
            i += 1;
        }
        if self.quoted {
            at = put(into, at, b'"');
        }
        at
    }
}

/// Puts a byte if it is within the array, and counts it in any case.
const fn put<const N: usize>(into: &mut [u8; N], at: usize, byte: u8) -> usize {
    if at < N {
        into[at] = byte;
    }
    at + 1
}

const fn write_literal<const N: usize>(
    open: &str,
    items: &[[Part; 3]],
    close: &str,
) -> ([u8; N], usize) {
    let mut bytes = [0; N];
    let mut at = put(&mut bytes, 0, open.as_bytes()[0]);
    let mut i = 0;
    while i < items.len() {
        if i != 0 {
            at = put(&mut bytes, at, b',');
        }
        let mut j = 0;
        while j < 3 {
            at = items[i][j].write(&mut bytes, at);
            j += 1;
        }
        i += 1;
    }
    at = put(&mut bytes, at, close.as_bytes()[0]);
    (bytes, at)
}

#[doc(hidden)]
pub const fn literal_len(items: &[[Part; 3]]) -> usize {
    write_literal::<0>("{", items, "}").1
}

#[doc(hidden)]
pub const fn literal<const N: usize>(open: &str, items: &[[Part; 3]], close: &str) -> [u8; N] {
    write_literal::<N>(open, items, close).0
}

// ------------------------------------------------------------------------------------- reading

/// JSON text under a reader: bytes that may be there to be overwritten, or not.
pub(crate) trait Source {
    fn byte(&self, at: usize) -> Option<u8>;
}

impl Source for &[u8] {
    #[inline(always)]
    fn byte(&self, at: usize) -> Option<u8> {
        self.get(at).copied()
    }
}

impl Source for &[Cell<u8>] {
    #[inline(always)]
    fn byte(&self, at: usize) -> Option<u8> {
        self.get(at).map(Cell::get)
    }
}

/// A strict reader of text that it need not own.
#[derive(Clone)]
pub(crate) struct Reader<S> {
    source: S,
    at: usize,
}

impl<S: Source> Reader<S> {
    pub(crate) fn new(source: S) -> Reader<S> {
        Reader { source, at: 0 }
    }

    fn next_byte(&mut self) -> Option<u8> {
        let byte = self.source.byte(self.at)?;
        self.at += 1;
        Some(byte)
    }

    /// The next byte that is no white space, left where it is; 0 at the end.
    pub(crate) fn peek(&mut self) -> u8 {
        loop {
            match self.source.byte(self.at) {
                Some(b' ' | b'\t' | b'\n' | b'\r') => self.at += 1,
                Some(byte) => return byte,
                None => return 0,
            }
        }
    }

    /// Takes `byte`, white space before it included, if it is what comes next.
    pub(crate) fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == byte;
        if there {
            self.at += 1;
        }
        there
    }

    /// Takes `byte`, or refuses the text.
    pub(crate) fn expect(&mut self, byte: u8) -> Option<()> {
        self.take(byte).then_some(())
    }

    /// Reads a string and gives its content to `put`, un-escaped, a character at a time.
    #[inline(always)]
    fn string(&mut self, mut put: impl FnMut(u32)) -> Option<()> {
        self.expect(b'"')?;
        while let Some(code) = self.character()? {
            put(code);
        }
        Some(())
    }

    /// The next character inside a string: `Some(None)` at the closing quote.
    fn character(&mut self) -> Option<Option<u32>> {
        let first = self.next_byte()?;
        match first {
            b'"' => Some(None),
            b'\\' => self.escape().map(Some),
            0..b' ' => None,
            _ => text::decode_char(first, || self.next_byte()).map(Some),
        }
    }

    /// The character behind a backslash.
    fn escape(&mut self) -> Option<u32> {
        let code = match self.next_byte()? {
            byte @ (b'"' | b'\\' | b'/') => byte,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let high = self.hex4()?;
                if high & 0xf800 != 0xd800 {
                    return Some(high);
                }
                // A surrogate: the low one of a pair has to follow a high one.
                if high < 0xdc00
                    && self.source.byte(self.at) == Some(b'\\')
                    && self.source.byte(self.at + 1) == Some(b'u')
                {
                    let back = self.at;
                    self.at += 2;
                    let low = self.hex4()?;
                    if low & 0xfc00 == 0xdc00 {
                        return Some(0x1_0000 + ((high & 0x3ff) << 10 | low & 0x3ff));
                    }
                    self.at = back;
                }
                return Some(0xfffd);
            }
            _ => return None,
        };
        Some(code.into())
    }

    fn hex4(&mut self) -> Option<u32> {
        let mut code = 0;
        for _ in 0..4 {
            code = code << 4 | text::hex_value(self.next_byte()?)?;
        }
        Some(code)
    }

    /// Reads a value of any shape and forgets it.
    #[inline(never)]
    pub(crate) fn skip(&mut self) -> Option<()> {
        // One bit for each open array (0) or object (1), below a leading 1.
        let mut open = 1_u32;
        loop {
            match self.peek() {
                b'"' => self.string(|_| ())?,
                opening @ (b'[' | b'{') => {
                    self.at += 1;
                    let object = opening == b'{';
                    if !self.take(opening + 2) {
                        if open >> MAX_DEPTH != 0 {
                            return None;
                        }
                        open = open << 1 | u32::from(object);
                        if object {
                            self.name()?;
                        }
                        continue;
                    }
                }
                b't' => self.word(b"true")?,
                b'f' => self.word(b"false")?,
                b'n' => self.word(b"null")?,
                _ => self.number()?,
            }
            // Behind a value: close what is done.
            loop {
                if open == 1 {
                    return Some(());
                }
                let object = open & 1 != 0;
                if self.take(b',') {
                    if object {
                        self.name()?;
                    }
                    break;
                }
                self.expect(if object { b'}' } else { b']' })?;
                open >>= 1;
            }
        }
    }

    /// Reads a member's name, colon included, and forgets it.
    fn name(&mut self) -> Option<()> {
        self.string(|_| ())?;
        self.expect(b':')
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        for &byte in word {
            if self.next_byte()? != byte {
                return None;
            }
        }
        Some(())
    }

    fn number(&mut self) -> Option<()> {
        if self.source.byte(self.at) == Some(b'-') {
            self.at += 1;
        }
        if self.source.byte(self.at) == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.source.byte(self.at) == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.source.byte(self.at) {
            self.at += 1;
            if let Some(b'+' | b'-') = self.source.byte(self.at) {
                self.at += 1;
            }
            self.digits()?;
        }
        Some(())
    }

    /// One digit or more.
    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.source.byte(self.at) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    /// Reads a whole number from 1 to 65,535.
    pub(crate) fn status(&mut self) -> Option<u16> {
        if let b'0' = self.peek() {
            return None;
        }
        let mut status: u32 = 0;
        while let Some(digit @ b'0'..=b'9') = self.source.byte(self.at) {
            self.at += 1;
            status = status * 10 + u32::from(digit - b'0');
            if status > 65_535 {
                return None;
            }
        }
        (status != 0).then_some(status as u16)
    }

    /// Nothing but white space is left.
    pub(crate) fn end(&mut self) -> Option<()> {
        (self.peek() == 0 && self.source.byte(self.at).is_none()).then_some(())
    }
}

/// A reader that decodes strings where they lie: what it has decoded moves to the front of the
/// bytes it has read, because un-escaping never makes text longer.
pub(crate) struct InPlace<'a> {
    reader: Reader<&'a [Cell<u8>]>,
    /// Where the next decoded byte goes; never ahead of the reader.
    out: usize,
}

impl<'a> InPlace<'a> {
    pub(crate) fn new(bytes: &'a mut [u8]) -> InPlace<'a> {
        let source = Cell::from_mut(bytes).as_slice_of_cells();
        InPlace {
            reader: Reader::new(source),
            out: 0,
        }
    }

    pub(crate) fn reader(&mut self) -> &mut Reader<&'a [Cell<u8>]> {
        &mut self.reader
    }

    /// How far the reader is.
    pub(crate) fn at(&self) -> usize {
        self.reader.at
    }

    /// How far the decoded text is.
    pub(crate) fn out(&self) -> usize {
        self.out
    }

    /// Goes on decoding at `out`, which must not be ahead of the reader.
    pub(crate) fn set_out(&mut self, out: usize) {
        self.out = out;
    }

    /// Appends a byte to what is decoded.
    #[inline(always)]
    pub(crate) fn put(&mut self, byte: u8) {
        if let Some(cell) = self.reader.source.get(self.out) {
            cell.set(byte);
        }
        self.out += 1;
    }

    /// Decodes a string: its content is the text from the old `out` to the new one, valid UTF-8.
    #[inline(never)]
    pub(crate) fn string(&mut self) -> Option<()> {
        self.reader.expect(b'"')?;
        loop {
            // What needs no decoding.
            while let Some(byte @ (b' ' | b'!' | b'#'..=b'[' | b']'..=0x7f)) =
                self.reader.source.byte(self.reader.at)
            {
                self.reader.at += 1;
                self.put(byte);
            }
            match self.reader.character()? {
                None => return Some(()),
                Some(code) => text::encode_char(code, |byte| self.put(byte)),
            }
        }
    }

    /// Whether what has been decoded from `start` on is this text.
    pub(crate) fn decoded_is(&self, start: usize, text: &str) -> bool {
        let decoded = self.reader.source.get(start..self.out).unwrap_or_default();
        decoded.iter().map(Cell::get).eq(text.bytes())
    }
}

/// The error of [`parse`]: the text is not JSON, or nests deeper than [`MAX_DEPTH`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonError;

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not JSON, or nested deeper than 31 levels")
    }
}

impl core::error::Error for JsonError {}

/// Checks that `text` is one JSON value, with white space around it at most, and gives a view on
/// it. Takes time in proportion to the length of the text.
///
/// # Errors
///
/// [`JsonError`] when it is anything else, or nests deeper than [`MAX_DEPTH`].
pub fn parse(text: &[u8]) -> Result<Value<'_>, JsonError> {
    let mut reader = Reader::new(text);
    reader.peek();
    let start = reader.at;
    reader.skip().and_then(|()| reader.end()).ok_or(JsonError)?;
    Ok(Value {
        text: text.get(start..).unwrap_or_default(),
    })
}

/// A JSON value in a text that [`parse`] has checked; it borrows from that text.
///
/// What it is, its first byte tells; asking for something else gives `None`, or an empty iterator.
/// Looking for a member or an element takes time in proportion to the length of what is before it.
#[derive(Clone, Copy)]
pub struct Value<'a> {
    /// From the value's first byte on; what is behind the value follows.
    text: &'a [u8],
}

impl<'a> Value<'a> {
    fn first(&self) -> u8 {
        self.text.first().copied().unwrap_or_default()
    }

    fn reader(&self) -> Reader<&'a [u8]> {
        Reader::new(self.text)
    }

    /// The value as it is written, without white space around it.
    pub fn as_raw(&self) -> &'a [u8] {
        let mut reader = self.reader();
        reader.skip();
        self.text.get(..reader.at).unwrap_or_default()
    }

    /// Whether it is `null`.
    pub fn is_null(&self) -> bool {
        self.first() == b'n'
    }

    /// `true` or `false`.
    pub fn as_bool(&self) -> Option<bool> {
        match self.first() {
            b't' => Some(true),
            b'f' => Some(false),
            _ => None,
        }
    }

    /// A whole number in the range of `i64`, written without fraction and exponent.
    pub fn as_i64(&self) -> Option<i64> {
        let (negative, digits) = match self.text {
            [b'-', digits @ ..] => (true, digits),
            digits => (false, digits),
        };
        let number = whole_number(digits)?;
        if negative {
            0_i64.checked_sub_unsigned(number)
        } else {
            i64::try_from(number).ok()
        }
    }

    /// A whole number in the range of `u64`, written without sign, fraction and exponent.
    pub fn as_u64(&self) -> Option<u64> {
        whole_number(self.text)
    }

    /// The characters of a string, un-escaped; `None` if it is no string.
    pub fn chars(&self) -> Option<Chars<'a>> {
        let mut reader = self.reader();
        reader.take(b'"').then_some(Chars { reader })
    }

    /// A string, un-escaped into a buffer of the caller's.
    ///
    /// `None` if it is no string, or if the buffer is too small; as long as the value's source is
    /// always enough.
    pub fn copy_str<'b>(&self, buffer: &'b mut [u8]) -> Option<&'b str> {
        let mut len = 0;
        for char in self.chars()? {
            let rest = buffer.get_mut(len..)?;
            let mut fits = 0;
            text::encode_char(char.into(), |byte| {
                if let Some(place) = rest.get_mut(fits) {
                    *place = byte;
                }
                fits += 1;
            });
            if fits > rest.len() {
                return None;
            }
            len += fits;
        }
        text::from_utf8(buffer.get(..len)?)
    }

    /// The member of an object with this name; of several the first.
    pub fn get(&self, name: &str) -> Option<Value<'a>> {
        self.members()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value)
    }

    /// The members of an object, name and value; nothing if it is no object.
    pub fn members(&self) -> Members<'a> {
        Members(Inside::of(*self, b'{'))
    }

    /// The elements of an array; nothing if it is no array.
    pub fn elements(&self) -> Elements<'a> {
        Elements(Inside::of(*self, b'['))
    }
}

/// A string with the same text.
impl PartialEq<str> for Value<'_> {
    fn eq(&self, other: &str) -> bool {
        self.chars().is_some_and(|chars| chars.eq(other.chars()))
    }
}

/// A string with the same text.
impl PartialEq<&str> for Value<'_> {
    fn eq(&self, other: &&str) -> bool {
        *self == **other
    }
}

/// As it is written.
impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(text::from_utf8(self.as_raw()).unwrap_or_default())
    }
}

/// A piece: the value as it is written.
impl Prepend for Value<'_> {
    fn prepend_to<S: Sink>(self, sink: S) -> S {
        sink.bytes(self.as_raw())
    }
}

/// The number at the beginning of the text, if it is a whole one.
fn whole_number(text: &[u8]) -> Option<u64> {
    let end = text
        .iter()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(text.len());
    match text.get(end) {
        Some(b'.' | b'e' | b'E') => None,
        _ => text::parse_u64(text.get(..end)?),
    }
}

/// The characters of a string in JSON: see [`Value::chars`].
#[derive(Clone)]
pub struct Chars<'a> {
    reader: Reader<&'a [u8]>,
}

impl Iterator for Chars<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        let back = self.reader.at;
        let Some(Some(code)) = self.reader.character() else {
            // Stay at the closing quote, so that it is the end again.
            self.reader.at = back;
            return None;
        };
        char::from_u32(code)
    }
}

/// What is left inside an array or an object.
#[derive(Clone)]
struct Inside<'a> {
    /// Before the next item, or before the closing bracket; `None` if there is nothing inside.
    reader: Option<Reader<&'a [u8]>>,
}

impl<'a> Inside<'a> {
    fn of(value: Value<'a>, opening: u8) -> Inside<'a> {
        let mut reader = value.reader();
        let there = reader.take(opening) && reader.peek() != opening + 2;
        Inside {
            reader: there.then_some(reader),
        }
    }

    /// Reads a value where the reader is.
    fn value(&mut self) -> Option<Value<'a>> {
        let reader = self.reader.as_mut()?;
        reader.peek();
        let text = reader.source.get(reader.at..)?;
        reader.skip()?;
        Some(Value { text })
    }

    /// Goes on to the next item, if there is one.
    fn advance(&mut self) {
        if let Some(reader) = &mut self.reader {
            if !reader.take(b',') {
                self.reader = None;
            }
        }
    }
}

/// The elements of an array: see [`Value::elements`].
#[derive(Clone)]
pub struct Elements<'a>(Inside<'a>);

impl<'a> Iterator for Elements<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        let value = self.0.value()?;
        self.0.advance();
        Some(value)
    }
}

/// The members of an object, name and value: see [`Value::members`].
#[derive(Clone)]
pub struct Members<'a>(Inside<'a>);

impl<'a> Iterator for Members<'a> {
    type Item = (Value<'a>, Value<'a>);

    fn next(&mut self) -> Option<(Value<'a>, Value<'a>)> {
        let name = self.0.value()?;
        self.0.reader.as_mut()?.expect(b':')?;
        let value = self.0.value()?;
        self.0.advance();
        Some((name, value))
    }
}
