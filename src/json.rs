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
//! [`parse`] checks a whole text strictly by RFC 8259 and decodes it where it lies; [`Document`]
//! does the same in a lease. What they give is a view: nothing is allocated or copied.
//!
//! ```
//! use flaron_sdk::json;
//!
//! let mut text = *br#"{"id": 7, "items": ["caf\u00e9", "tea"]}"#;
//! let order = json::parse(&mut text)?;
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
use core::num::NonZeroUsize;

use crate::arena::ArenaBytes;
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
#[inline] // one copy for all strings
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
            at = put_literal(into, at, b'"');
        }
        let mut i = 0;
        while i < text.len() {
            let byte = text[i];
            if self.quoted && byte < b' ' {
                at = put_literal(into, at, b'\\');
                at = put_literal(into, at, b'u');
                at = put_literal(into, at, b'0');
                at = put_literal(into, at, b'0');
                at = put_literal(into, at, b'0' + (byte >> 4));
                at = put_literal(into, at, hex_digit(byte & 15));
            } else {
                if self.quoted && (byte == b'"' || byte == b'\\') {
                    at = put_literal(into, at, b'\\');
                }
                at = put_literal(into, at, byte);
            }
            i += 1;
        }
        if self.quoted {
            at = put_literal(into, at, b'"');
        }
        at
    }
}

/// Puts a byte if it is within the array, and counts it in any case.
const fn put_literal<const N: usize>(into: &mut [u8; N], at: usize, byte: u8) -> usize {
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
    let mut at = put_literal(&mut bytes, 0, open.as_bytes()[0]);
    let mut i = 0;
    while i < items.len() {
        if i != 0 {
            at = put_literal(&mut bytes, at, b',');
        }
        let mut j = 0;
        while j < 3 {
            at = items[i][j].write(&mut bytes, at);
            j += 1;
        }
        i += 1;
    }
    at = put_literal(&mut bytes, at, close.as_bytes()[0]);
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
//
// Reading has two steps. `flatten` checks the text and turns it, in place, into something simpler:
// the same JSON without white space, its strings un-escaped, their quotes replaced by bytes that are
// in no UTF-8. None of that makes anything longer. `Value` and its like walk over that without any
// further checks.

/// Ends a string in flattened JSON.
const END: u8 = 0xff;
/// Begins a string that is a value.
const TEXT: u8 = 0xfe;
/// Begins a string that is a name, with the depth of its object added, which is 1 and up, or
/// [`DEEP`] at most.
///
/// So the members of an object that is not deep can be told from those of the objects inside of it
/// without counting brackets.
const NAME: u8 = 0xf8;
const DEEP: u8 = 5;

/// The grammar: three bytes a step, the state, what may come in it, the next state.
///
/// In a small letter, or `^` at the beginning, the text is between two things: `^` a value is next,
/// `a` a value or `]`, `n` a name, `o` a name or `}`, `c` a colon. In a capital a value is complete:
/// in `V` for good, in `A` to `D` it is a number that may go on, in `E` a word. In any other state a
/// number or a word is not complete. What follows a comma depends on where it is. The digits 2 to 9
/// are spelt like 1. The same as code takes more bytes.
const GRAMMAR: &[u8; 147] = b"\
    ^\"V^{o^[an\"cc:^o}Va]VV,_V}VV]V\
    ^-0^0A^1B00A01BB0BB1BA.1B.110C11CC0CC1CAe2Be2Ce2AE2BE2CE22+32-320D21D30D31DD0DD1D\
    ^t44r55u66eE^f77a88l99s6^n::u;;l<<lE";

/// The step from a state with a byte. (Bytes are numbers of 32 bits here and below: those of 8 bits
/// cost a mask each time they are looked at, 150 bytes in all.)
fn step(state: u32, byte: u32) -> Option<u32> {
    let byte = if byte.wrapping_sub(0x32) < 8 {
        0x31
    } else {
        byte
    };
    let mut steps = GRAMMAR.chunks_exact(3);
    let step = steps.find(|step| u32::from(step[0]) == state && u32::from(step[1]) == byte)?;
    Some(step[2].into())
}

// The bytes and states that the code below names.
const QUOTE: u32 = 0x22;
const COMMA: u32 = 0x2c;
const OBJECT: u32 = 0x7b;
const BACKSLASH: u32 = 0x5c;
const NEXT_VALUE: u32 = 0x5e;
const NEXT_NAME: u32 = 0x6e;
const NEXT_COLON: u32 = 0x63;
const COMPLETE: u32 = 0x56;

/// Checks a text and flattens it; the length of what it has become, or `None` if it is not JSON.
///
/// The outer loop goes by the grammar and writes one byte each round; a string is one round, in which
/// the inner loop un-escapes it.
#[inline(never)] // shared
pub(crate) fn flatten(text: &mut [u8]) -> Option<NonZeroUsize> {
    let cells = Cell::from_mut(text).as_slice_of_cells();
    let (mut input, mut output) = (cells.iter(), cells.iter());
    // There is always a place to write to, because nothing gets longer.
    macro_rules! put {
        ($byte:expr) => {
            if let Some(place) = output.next() {
                place.set($byte as u8);
            }
        };
    }

    let mut state = NEXT_VALUE;
    // One bit for each open array (0) or object (1), below a leading 1.
    let mut open = 1_u32;
    while let Some(cell) = input.next() {
        let mut byte = u32::from(cell.get());
        if byte <= 0x20 && 1_u64 << byte & 0x1_0000_2600 != 0 {
            // White space: a number or a word ends here.
            if state < 0x41 {
                return None;
            }
            if state < COMPLETE {
                state = COMPLETE;
            }
            continue;
        }
        loop {
            if let Some(next) = step(state, byte) {
                state = next;
                break;
            }
            // What may come in this state may come in those, too.
            state = match state {
                0x61 => NEXT_VALUE,
                0x6f => NEXT_NAME,
                0x41..COMPLETE => COMPLETE,
                _ => return None,
            };
        }
        if byte == QUOTE {
            byte = TEXT.into();
            if state == NEXT_COLON {
                byte = u32::from(NAME) + (31 - open.leading_zeros()).min(DEEP.into());
            }
            // The high half of a surrogate pair, and where it was written to.
            let (mut high, mut back) = (0, output.clone());
            loop {
                put!(byte);
                byte = input.next()?.get().into();
                if byte == QUOTE {
                    break;
                }
                if byte != BACKSLASH {
                    // Control characters have to be escaped; the others are in no UTF-8.
                    if byte.wrapping_sub(0x20) >= 0xf8 - 0x20 {
                        return None;
                    }
                    continue;
                }
                byte = input.next()?.get().into();
                if byte != 0x75 {
                    let known = *b"\"\\/bfnrt\"\\/\x08\x0c\n\r\t";
                    let at = known[..8]
                        .iter()
                        .position(|known| u32::from(*known) == byte)?;
                    byte = known[at + 8].into();
                    continue;
                }
                // `u` and four digits.
                byte = 0;
                for _ in 0..4 {
                    byte = byte << 4 | text::hex_value(input.next()?.get())?;
                }
                // Surrogates. The high half is U+FFFD, three bytes, until the low one follows.
                if byte >> 10 == 0xdc00 >> 10 && high != 0 && back.len() - output.len() == 3 {
                    output = back.clone();
                    byte = 0x1_0000 + ((high & 0x3ff) << 10 | byte & 0x3ff);
                    high = 0;
                } else if byte >> 11 == 0xd800 >> 11 {
                    high = if byte < 0xdc00 { byte } else { 0 };
                    back = output.clone();
                    byte = 0xfffd;
                }
                // UTF-8; the last byte is written above.
                if byte >= 0x80 {
                    let mut more = 1 + u32::from(byte >= 0x800) + u32::from(byte >= 0x1_0000);
                    put!((byte >> (6 * more)).wrapping_sub(0x80 >> more));
                    while more > 1 {
                        more -= 1;
                        put!(byte >> (6 * more) & 0x3f | 0x80);
                    }
                    byte = byte & 0x3f | 0x80;
                }
            }
            byte = END.into();
        } else if byte | 0x20 == OBJECT {
            if open >> MAX_DEPTH != 0 {
                return None;
            }
            open = open << 1 | u32::from(byte == OBJECT);
        } else if byte == COMMA {
            if open == 1 {
                return None;
            }
            state = if open & 1 != 0 { NEXT_NAME } else { NEXT_VALUE };
        } else if byte | 0x20 == OBJECT + 2 {
            if open == 1 || (open ^ byte >> 5) & 1 != 0 {
                return None;
            }
            open >>= 1;
        }
        put!(byte);
    }
    if open != 1 || !(0x41..=COMPLETE).contains(&state) {
        return None;
    }
    NonZeroUsize::new(cells.len() - output.len())
}

/// Checks the text in a lease and flattens it.
pub(crate) fn flatten_lease(mut lease: ArenaBytes) -> Option<ArenaBytes> {
    let len = flatten(lease.as_mut())?.get();
    Some(lease.truncate(len as u32))
}

/// The string at the beginning of flattened JSON, if it is one that is a value.
pub(crate) fn string(json: &[u8]) -> Option<&[u8]> {
    let (&TEXT, rest) = json.split_first()? else {
        return None;
    };
    let len = rest.iter().position(|byte| *byte == END)?;
    rest.get(..len)
}

/// A value in flattened JSON: where it begins, and for a string where that ends; 0 for others.
///
/// Packed into one number, low half and high half, because that is returned in a register.
#[derive(Clone, Copy)]
pub(crate) struct Span(u64);

impl Span {
    /// The root.
    pub(crate) const ROOT: Span = Span(0);

    /// Where the value begins, for a string behind its mark; behind everything if there is none.
    pub(crate) fn start(self) -> usize {
        self.0 as u32 as usize
    }

    /// Whether it is a string.
    pub(crate) fn is_string(self) -> bool {
        self.0 >> 32 != 0
    }

    /// The string, if it is one.
    #[inline(always)]
    pub(crate) fn string(self, json: &[u8]) -> Option<&[u8]> {
        json.get(self.start()..(self.0 >> 32) as usize)
    }
}

/// The member with this name of an object in flattened JSON, the names of which are at this depth,
/// less than [`DEEP`]. The first one, if there are several.
///
/// `case` is 0, or 32 for a name in any ASCII case where those in the JSON are in lower case.
#[inline(never)] // shared
pub(crate) fn member(json: &[u8], object: Span, depth: u8, name: &str, case: u8) -> Span {
    let mut rest = json.get(object.start()..).unwrap_or_default().iter();
    // A name that is less deep ends the object.
    while rest.find(|byte| (NAME + 1..=NAME + depth).contains(*byte)) == Some(&(NAME + depth)) {
        let mut name = name.bytes();
        while let Some(found) = rest.next() {
            let Some(mut expected) = name.next() else {
                if *found == END {
                    // Behind the colon.
                    rest.next();
                    let mut start = json.len() - rest.len();
                    let mut end = 0;
                    if rest.next() == Some(&TEXT) {
                        start += 1;
                        rest.find(|byte| **byte == END);
                        end = json.len() - rest.len() - 1;
                    }
                    return Span((end as u64) << 32 | start as u64);
                }
                break;
            };
            if expected.is_ascii_uppercase() {
                expected |= case;
            }
            if *found != expected {
                break;
            }
        }
    }
    Span(json.len() as u64)
}

/// The members of the object at the beginning of flattened JSON.
pub(crate) fn first_members(mut json: &[u8]) -> Members<'_> {
    take(&mut json).unwrap_or_default().members()
}

/// The error of reading: the text is not JSON, or nests deeper than [`MAX_DEPTH`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonError;

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not JSON, or nested deeper than 31 levels")
    }
}

impl core::error::Error for JsonError {}

/// Checks that `text` is one JSON value, with white space around it at most, decodes it where it
/// lies and gives a view on it. Takes time in proportion to the length of the text.
///
/// The text is not JSON any more afterwards, whether it was before or not.
///
/// # Errors
///
/// [`JsonError`] when it is anything else, or nests deeper than [`MAX_DEPTH`].
pub fn parse(text: &mut [u8]) -> Result<Value<'_>, JsonError> {
    let len = flatten(text).ok_or(JsonError)?.get();
    Ok(Value(text.get(..len).unwrap_or_default()))
}

/// JSON that the host wrote into the arena, decoded in its lease.
///
/// ```
/// # #[cfg(feature = "request")] {
/// use flaron_sdk::{json::Document, request};
///
/// if let Ok(order) = Document::parse(request::body()) {
///     let id = order.root().get("id").and_then(|id| id.as_i64());
/// }
/// # }
/// ```
pub struct Document(ArenaBytes);

impl Document {
    /// Checks and decodes what is leased, as [`parse`] does.
    ///
    /// # Errors
    ///
    /// [`JsonError`] when it is not JSON, or nests deeper than [`MAX_DEPTH`].
    pub fn parse(lease: ArenaBytes) -> Result<Document, JsonError> {
        flatten_lease(lease).map(Document).ok_or(JsonError)
    }

    /// The value that the document is. It borrows from the document.
    pub fn root(&self) -> Value<'_> {
        Value(&self.0)
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.root(), f)
    }
}

/// A JSON value that has been checked and decoded; it borrows from where that lies.
///
/// What it is, its first byte tells; asking for something else gives `None`, or an empty iterator.
/// Looking for a member or an element takes time in proportion to the length of what is before it.
#[derive(Clone, Copy, Default)]
pub struct Value<'a>(
    /// Flattened JSON: the value and nothing else.
    &'a [u8],
);

impl<'a> Value<'a> {
    fn first(&self) -> u8 {
        self.0.first().copied().unwrap_or_default()
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
        match self.0 {
            [b'-', digits @ ..] => 0_i64.checked_sub_unsigned(text::parse_u64(digits)?),
            digits => text::parse_u64(digits)?.try_into().ok(),
        }
    }

    /// A whole number in the range of `u64`, written without sign, fraction and exponent.
    pub fn as_u64(&self) -> Option<u64> {
        text::parse_u64(self.0)
    }

    /// A number, as it is written.
    pub fn as_number(&self) -> Option<&'a str> {
        match self.first() {
            b'-' | b'0'..=b'9' => text::from_utf8(self.0),
            _ => None,
        }
    }

    /// A string, un-escaped. `None` too if it is not UTF-8.
    pub fn as_str(&self) -> Option<&'a str> {
        text::from_utf8(self.as_bytes()?)
    }

    /// A string, un-escaped, as bytes: links no UTF-8 check.
    pub fn as_bytes(&self) -> Option<&'a [u8]> {
        string(self.0)
    }

    /// The member of an object with this name; of several the first.
    pub fn get(&self, name: &str) -> Option<Value<'a>> {
        self.members()
            .find(|(found, _)| *found == name.as_bytes())
            .map(|(_, value)| value)
    }

    /// The members of an object, name (as bytes) and value; nothing if it is no object.
    pub fn members(&self) -> Members<'a> {
        Members(self.inside(b'{'))
    }

    /// The elements of an array; nothing if it is no array.
    pub fn elements(&self) -> Elements<'a> {
        Elements(self.inside(b'['))
    }

    /// What is behind the opening bracket, if it is this one.
    fn inside(&self, opening: u8) -> &'a [u8] {
        match self.0 {
            [first, inside @ ..] if *first == opening => inside,
            _ => b"",
        }
    }
}

/// Takes the value at the beginning of the inside of an array or an object; what is left begins
/// behind the comma that follows it.
fn take<'a>(inside: &mut &'a [u8]) -> Option<Value<'a>> {
    let mut rest = *inside;
    let mut open = 0;
    let mut in_string = false;
    while let Some((byte, behind)) = rest.split_first() {
        match *byte {
            END => in_string = false,
            NAME..END => in_string = true,
            _ if in_string => {}
            b'{' | b'[' => open += 1,
            b'}' | b']' | b',' if open == 0 => break,
            b'}' | b']' => open -= 1,
            _ => {}
        }
        rest = behind;
    }
    let value = inside.get(..inside.len() - rest.len())?;
    // Behind a closing bracket there is no more.
    *inside = rest.strip_prefix(b",").unwrap_or_default();
    if value.is_empty() {
        None
    } else {
        Some(Value(value))
    }
}

/// A string with the same text.
impl PartialEq<str> for Value<'_> {
    fn eq(&self, other: &str) -> bool {
        self.as_bytes() == Some(other.as_bytes())
    }
}

/// A string with the same text.
impl PartialEq<&str> for Value<'_> {
    fn eq(&self, other: &&str) -> bool {
        *self == **other
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.first() {
            b'{' => {
                let mut map = f.debug_map();
                for (name, value) in self.members() {
                    map.entry(&text::from_utf8(name).unwrap_or_default(), &value);
                }
                map.finish()
            }
            b'[' => f.debug_list().entries(self.elements()).finish(),
            TEXT => fmt::Debug::fmt(self.as_str().unwrap_or_default(), f),
            b't' => f.write_str("true"),
            b'f' => f.write_str("false"),
            b'n' => f.write_str("null"),
            _ => f.write_str(self.as_number().unwrap_or_default()),
        }
    }
}

/// The elements of an array: see [`Value::elements`].
#[derive(Clone)]
pub struct Elements<'a>(&'a [u8]);

impl<'a> Iterator for Elements<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        take(&mut self.0)
    }
}

/// The members of an object, name and value: see [`Value::members`].
#[derive(Clone)]
pub struct Members<'a>(&'a [u8]);

impl<'a> Iterator for Members<'a> {
    type Item = (&'a [u8], Value<'a>);

    fn next(&mut self) -> Option<(&'a [u8], Value<'a>)> {
        // The mark, the name, its end, the colon.
        let name = self.0.get(1..)?.split(|byte| *byte == END).next()?;
        self.0 = self.0.get(name.len() + 3..)?;
        Some((name, take(&mut self.0)?))
    }
}

#[cfg(test)]
mod tests;
