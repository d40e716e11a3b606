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
//! Strings are read byte by byte, which takes the fewest bytes of code. For a flare that reads long
//! texts the feature `fast-json` adds a loop that takes a word at a time where nothing is escaped.
//!
//! # Limits
//!
//! Values nest at most [`MAX_DEPTH`] deep. A lone surrogate (`\ud800` without its other half) is no
//! character and refused. Of equal member names the first counts.

use core::cell::Cell;
use core::fmt;

use crate::arena::ArenaBytes;
use crate::bytes::number;
use crate::bytes::packed::PackedSlice;
use crate::text;
use crate::text::piece::{Backward, Sink};

/// How deep arrays and objects may nest in what is read.
pub const MAX_DEPTH: usize = 31;

// ------------------------------------------------------------------------------------- writing

/// A piece: the text as a JSON string, quoted and escaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Str<'a>(pub &'a str);

impl Backward for Str<'_> {
    #[inline(always)]
    fn prepend_to<S: Sink>(self, sink: S) -> S {
        quoted(self.0.as_bytes(), sink)
    }
}

/// A piece: pairs of strings as a JSON object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Object<'a>(pub &'a [(&'a str, &'a str)]);

impl Backward for Object<'_> {
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

impl Backward for Array<'_> {
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
/// The first of the bytes that begin a string; see [`mark`].
const FIRST_MARK: u8 = 0xf5;
/// Where [`member`] looks: in the outermost object.
pub(crate) const OUTER: u32 = from_outer(0b11);
/// Where [`member`] looks: in an object that is a member of the outermost one.
pub(crate) const INNER: u32 = from_outer(0b111);

/// What begins a string. It tells where: `open` has one bit for each array (0) or object (1) around
/// it, below a leading 1.
///
/// So the members of the two outermost objects can be told from those of the objects inside of them
/// without counting brackets.
const fn mark(open: u32) -> u32 {
    FIRST_MARK as u32 - 1 + if open < 8 { open } else { 8 }
}

/// The same, counted from the mark in the outermost object: as arguments such small numbers take a
/// byte less each.
const fn from_outer(open: u32) -> u32 {
    mark(open) - mark(0b11)
}

/// A step of the grammar: the byte, and the state that comes next.
type Step = [u8; 2];

// The states: where in `GRAMMAR` the steps begin that may be taken, in bytes. (Counted in steps, the
// compiler makes a mask of 64 bits of the last steps, which takes 30 bytes more.)
//
// Those up to `LAST_COMPLETE` have a complete value behind them, which a number may go on. White space
// may be before each step of those up to `LAST_SPACED`; the others are in the middle of a number or a
// word. (What the code names often is below 64, where a number takes one byte.)
const INTEGER: u32 = 0;
const ZERO: u32 = 4;
const COMPLETE: u32 = 10;
const FRACTION: u32 = 16;
const EXPONENT: u32 = 30;
const LAST_COMPLETE: u32 = EXPONENT;
const COLON: u32 = 40;
const NAME_OR_CLOSE: u32 = 42;
const NEXT_NAME: u32 = 44;
const VALUE_OR_CLOSE: u32 = 46;
const VALUE: u32 = 48;
const LAST_SPACED: u32 = VALUE;
const POINT: u32 = 66;
const E: u32 = 70;
const E_SIGN: u32 = 74;
const MINUS: u32 = 78;
const TRUE: u32 = 82;
const FALSE: u32 = 88;
const NULL: u32 = 96;
const ESCAPED: u32 = 102;
const SPACE: u32 = 118;

/// Added to the state behind a string while the string lasts. It is odd, and no state is; with it
/// added, each is behind `LAST_SPACED`.
const IN_STRING: u32 = 39;
/// Where white space leads to: to no other state.
const NOWHERE: u32 = 1;
const _: () = assert!(COMPLETE + IN_STRING > LAST_SPACED && COLON + IN_STRING < LAST as u32);

// The bytes that the code below names.
const QUOTE: u32 = 0x22;
const OBJECT: u32 = 0x7b;
const BACKSLASH: u32 = 0x5c;
const SMALL_U: u32 = 0x75;

/// Marks the last step of a state; what has it not goes on with the next state's steps.
const LAST: u8 = 0x80;

/// The grammar. The digits 2 to 9 are spelt like 1. What follows a comma in an object is decided
/// elsewhere. (The same as code takes more bytes.)
const GRAMMAR: [Step; 64] = [
    // INTEGER
    [b'0', INTEGER as u8],
    [b'1', INTEGER as u8],
    // ZERO
    [b'.', POINT as u8],
    [b'e', E as u8],
    [b'E', E as u8],
    // COMPLETE
    [b',', NEXT_NAME as u8],
    [b'}', COMPLETE as u8],
    [b']', COMPLETE as u8 | LAST],
    // FRACTION
    [b'0', FRACTION as u8],
    [b'1', FRACTION as u8],
    [b'e', E as u8],
    [b'E', E as u8],
    [b',', NEXT_NAME as u8],
    [b'}', COMPLETE as u8],
    [b']', COMPLETE as u8 | LAST],
    // EXPONENT
    [b'0', EXPONENT as u8],
    [b'1', EXPONENT as u8],
    [b',', NEXT_NAME as u8],
    [b'}', COMPLETE as u8],
    [b']', COMPLETE as u8 | LAST],
    // COLON
    [b':', VALUE as u8 | LAST],
    // NAME_OR_CLOSE
    [b'}', COMPLETE as u8],
    // NEXT_NAME
    [b'"', (COLON + IN_STRING) as u8 | LAST],
    // VALUE_OR_CLOSE
    [b']', COMPLETE as u8],
    // VALUE
    [b'"', (COMPLETE + IN_STRING) as u8],
    [b'{', NAME_OR_CLOSE as u8],
    [b'[', VALUE_OR_CLOSE as u8],
    [b'1', INTEGER as u8],
    [b'0', ZERO as u8],
    [b'-', MINUS as u8],
    [b't', TRUE as u8],
    [b'f', FALSE as u8],
    [b'n', NULL as u8 | LAST],
    // POINT
    [b'0', FRACTION as u8],
    [b'1', FRACTION as u8 | LAST],
    // E
    [b'+', E_SIGN as u8],
    [b'-', E_SIGN as u8],
    // E_SIGN
    [b'0', EXPONENT as u8],
    [b'1', EXPONENT as u8 | LAST],
    // MINUS
    [b'0', ZERO as u8],
    [b'1', INTEGER as u8 | LAST],
    // TRUE
    [b'r', (TRUE + 2) as u8 | LAST],
    [b'u', (TRUE + 4) as u8 | LAST],
    [b'e', COMPLETE as u8 | LAST],
    // FALSE
    [b'a', (FALSE + 2) as u8 | LAST],
    [b'l', (FALSE + 4) as u8 | LAST],
    [b's', (FALSE + 6) as u8 | LAST],
    [b'e', COMPLETE as u8 | LAST],
    // NULL
    [b'u', (NULL + 2) as u8 | LAST],
    [b'l', (NULL + 4) as u8 | LAST],
    [b'l', COMPLETE as u8 | LAST],
    // ESCAPED: what is behind a backslash, and what it stands for.
    [b'"', b'"'],
    [b'\\', b'\\'],
    [b'n', b'\n'],
    [b'/', b'/'],
    [b'r', b'\r'],
    [b't', b'\t'],
    [b'b', 0x08],
    [b'f', 0x0c | LAST],
    // SPACE: white space.
    [b' ', NOWHERE as u8],
    [b'\n', NOWHERE as u8],
    [b'\r', NOWHERE as u8],
    [b'\t', NOWHERE as u8 | LAST],
    // Nothing leads here: it fills the table up, see `STEPS`.
    [0, LAST],
];

/// The grammar as bytes: any of 7 bits is the place of one, which needs no check.
static STEPS: [u8; 128] = {
    let mut bytes = [0; 128];
    let mut at = 0;
    while at < bytes.len() {
        bytes[at] = GRAMMAR[at / 2][at % 2];
        at += 1;
    }
    bytes
};

/// Whether a string lasts; see [`IN_STRING`].
const fn in_string(state: u32) -> bool {
    state & 1 != 0
}

/// Whether all bytes of a word are ASCII, and none of them is a quote, a backslash or a control
/// character: what a string has as it is.
#[cfg(feature = "fast-json")]
fn are_plain(word: usize) -> bool {
    const ONES: usize = usize::MAX / 0xff;
    // A byte from which more is taken than it has gets its highest bit set. What it borrows can set
    // that of the byte above, too: then the answer is "no" for a word that is plain, never the other
    // way round. The quote (0x22) changes places with the space (0x20), so that it comes to lie
    // among the control characters.
    let no_quote_nor_control = (word ^ (ONES * 0x02)).wrapping_sub(ONES * 0x21);
    let no_backslash = (word ^ (ONES * 0x5c)).wrapping_sub(ONES);
    (word | no_quote_nor_control | no_backslash) & (ONES * 0x80) == 0
}

/// The UTF-8 of a character that is not ASCII: its first byte in the lowest bits, the others above it.
///
/// (A loop takes 13 bytes less, and the engine 2 % more time.)
#[inline(always)]
fn utf8(char: u32) -> u32 {
    // As if it took four bytes, of which each has six bits: 18 and 12 to the left in the low half of a
    // word, 6 and 0 in the high half. What is too many is shifted out.
    let halves = char >> 12 | char << 16;
    let mut bytes = ((halves & 0x3f_003f) << 8 | halves >> 6 & 0x3f_003f) + 0x8080_80f0;
    if char < 0x1_0000 {
        bytes = (bytes >> 8) + 0xe0 - 0x80;
    }
    if char < 0x800 {
        bytes = (bytes >> 8) + 0xc0 - 0x80;
    }
    bytes
}

/// Checks a text and flattens it; the length of what it has become, or `None` if it is not JSON.
///
/// The outer loop goes by the grammar, a step for each byte outside of strings and for each that is
/// escaped. The inner one writes what that has come to, and goes on in a string up to the next
/// backslash or the end.
///
/// (Each loop and each function costs the engine as much time as 30 bytes of code. So there is one
/// way back in each: of a loop with several the compiler makes two.)
#[inline] // in a flare that reads JSON at one place only, that takes 49 bytes less
pub(crate) fn flatten(text: &mut [u8]) -> Option<usize> {
    let cells = Cell::from_mut(text).as_slice_of_cells();
    let (mut input, mut output) = (cells.iter(), cells.iter());

    // Goes on to the next place to write to. At the end of a round, not at once, so that there is one way
    // back; `move_words` needs it at once.
    macro_rules! advance {
        () => {
            #[cfg(not(feature = "fast-json"))]
            output.next();
        };
    }

    let mut state = VALUE;
    // One bit for each open array (0) or object (1), below a leading 1.
    let mut open = 1_u32;
    // Above 0 behind `\u`: a leading 1, and the digits so far.
    let mut digits = 0_i32;
    // Bytes are numbers of 32 bits: those of 8 bits cost a mask each time they are looked at. (The first
    // is not the text's: white space, which changes nothing there, so that one place reads all others.)
    let mut byte = u32::from(b' ');
    loop {
        'byte: {
            if digits > 0 {
                // With the fourth digit the leading 1 becomes the sign.
                digits = digits << 4 | number::hex_value(byte)? as i32;
                if digits >= 0 {
                    break 'byte;
                }
                byte = digits as u32;
                if byte >> 11 == 0x8000_d800 >> 11 {
                    // Half of a surrogate pair: the digits of the other follow. (Two bytes at once, which
                    // takes 19 bytes less than one by one.)
                    let [a, b] = input.as_slice().first_chunk()?;
                    if u16::from_le_bytes([a.get(), b.get()]) != u16::from_le_bytes(*b"\\u") {
                        return None;
                    }
                    input.nth(1)?;
                    // The leading 1 again, and the high half: 0x8400 and its ten bits.
                    digits = (byte - 0x8000_5400) as i32;
                    break 'byte;
                }
                byte -= 0x8000_0000;
                if byte > 0xffff {
                    if byte & 0xfc00_fc00 != 0x0400_dc00 {
                        return None;
                    }
                    // ((high - 0x400) << 10) + (low - 0xdc00) + 0x1_0000
                    byte = byte - (byte >> 16) * 0xfc00 - 0x0f_dc00;
                }
                if byte >= 0x80 {
                    byte = utf8(byte);
                }
            } else {
                let mut from = state;
                if in_string(state) {
                    if byte == SMALL_U {
                        digits = 0x8000;
                        break 'byte;
                    }
                    from = ESCAPED;
                }
                // (Not a function of its own, which would cost the engine time, nor inlined, of which the
                // compiler makes two loops.)
                let is_2_to_9 = byte.wrapping_sub(0x32) < 8;
                let sought = if is_2_to_9 { 0x31 } else { byte };
                let next = loop {
                    let here = (from & 126) as usize;
                    let (taken_with, next) = (STEPS[here], STEPS[here + 1]);
                    if sought == u32::from(taken_with) {
                        break u32::from(next & !LAST);
                    }
                    from += 2;
                    if next & LAST != 0 {
                        // White space, at most.
                        if state > LAST_SPACED || from > SPACE {
                            return None;
                        }
                        from = SPACE;
                    }
                };
                if in_string(state) {
                    byte = next;
                } else if next == NOWHERE {
                    // A number ends here.
                    if state <= LAST_COMPLETE {
                        state = COMPLETE;
                    }
                    break 'byte;
                } else {
                    state = next;
                    if byte == QUOTE {
                        byte = mark(open);
                    } else if byte | 0x20 == OBJECT {
                        if open >> MAX_DEPTH != 0 {
                            return None;
                        }
                        open = open << 1 | u32::from(byte == OBJECT);
                    } else if state == NEXT_NAME {
                        // A comma.
                        if open <= 1 {
                            return None;
                        }
                        if open & 1 == 0 {
                            state = VALUE;
                        }
                    } else if byte | 0x20 == OBJECT + 2 {
                        // Bit 5 tells a brace from a bracket. After one too many there is no 1 in `open`,
                        // and nothing but more of them is accepted.
                        if (open ^ byte >> 5) & 1 != 0 {
                            return None;
                        }
                        open >>= 1;
                    }
                }
            }
            loop {
                // There is always a place to write to, because nothing gets longer.
                output.as_slice().first()?.set(byte as u8);
                #[cfg(feature = "fast-json")]
                output.next();
                byte >>= 8;
                // (Otherwise it is the next byte of a character that was escaped.)
                if byte == 0 {
                    if !in_string(state) {
                        advance!();
                        break 'byte;
                    }
                    #[cfg(feature = "fast-json")]
                    crate::bytes::words::move_words(&mut input, &mut output, are_plain);
                    byte = input.next()?.get().into();
                    if byte == BACKSLASH {
                        advance!();
                        break 'byte;
                    }
                    if byte == QUOTE {
                        state -= IN_STRING;
                        byte = END.into();
                    } else if !(0x20..FIRST_MARK as u32).contains(&byte) {
                        // Control characters have to be escaped; the marks are in no UTF-8.
                        return None;
                    }
                }
                advance!();
            }
        }
        match input.next() {
            Some(cell) => byte = cell.get().into(),
            None => break,
        }
    }
    if open != 1 || state > LAST_COMPLETE {
        return None;
    }
    // (The difference of the lengths would take 3 bytes more.)
    Some(output.as_slice().as_ptr().addr() - cells.as_ptr().addr())
}

/// Checks the text in a lease and flattens it.
pub(crate) fn flatten_lease(mut lease: ArenaBytes) -> Option<ArenaBytes> {
    let len = flatten(lease.as_mut())?;
    Some(lease.truncate(len as u32))
}

/// The string at the beginning of flattened JSON, if there is one.
#[inline] // shared
pub(crate) fn string(json: PackedSlice<'_>) -> Option<PackedSlice<'_>> {
    let [FIRST_MARK..=END, text @ ..] = json.get() else {
        return None;
    };
    let len = text.iter().position(|byte| *byte == END)?;
    Some(PackedSlice::new(text.get(..len)?))
}

/// Looks for a member of an object in flattened JSON: what begins with its value, or nothing. Of
/// several with this name it is the first one's.
///
/// The text is the root or begins with the value of one of its members, and `place` tells which:
/// [`OUTER`] or [`INNER`]. Capitals in `name` stand for small letters. (`@` and control characters
/// stand for something else, too. No header's name has them, and to leave them out takes 7 bytes.)
#[inline(never)] // shared
pub(crate) fn member<'a>(json: PackedSlice<'a>, place: u32, name: &str) -> PackedSlice<'a> {
    let mut rest = json.get();
    while let [byte, behind @ ..] = rest {
        rest = behind;
        let found_at = u32::from(*byte).wrapping_sub(mark(0b11));
        if found_at == place {
            if let Some((found, [end, colon, value @ ..])) = rest.split_at_checked(name.len()) {
                // (Both at once takes 9 bytes less than one by one.)
                let ends = u16::from_le_bytes([*end, *colon]) == u16::from_le_bytes([END, b':']);
                let is_same = |(found, byte): (&u8, u8)| {
                    let byte = u32::from(byte);
                    u32::from(*found)
                        == if byte <= b'Z'.into() {
                            byte | 0x20
                        } else {
                            byte
                        }
                };
                if ends && found.iter().zip(name.bytes()).all(is_same) {
                    return PackedSlice::new(value);
                }
            }
        } else if found_at == OUTER {
            // The inner object ended before.
            break;
        }
    }
    PackedSlice::new(b"")
}

/// Looks for a member as [`member`] does: the text of the string that it is, if it is one.
///
/// (Both in one function, because then it is of the same type as `member`: each type of its own costs 5
/// bytes, and the engine time.)
#[inline(never)] // shared
pub(crate) fn string_member<'a>(
    json: PackedSlice<'a>,
    place: u32,
    name: &str,
) -> Option<PackedSlice<'a>> {
    string(member(json, place, name))
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
    let len = flatten(text).ok_or(JsonError)?;
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
            [b'-', digits @ ..] => 0_i64.checked_sub_unsigned(number::parse_u64(digits)?),
            digits => number::parse_u64(digits)?.try_into().ok(),
        }
    }

    /// A whole number in the range of `u64`, written without sign, fraction and exponent.
    pub fn as_u64(&self) -> Option<u64> {
        number::parse_u64(self.0)
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
        match self.0 {
            [FIRST_MARK..=END, text @ .., END] => Some(text),
            _ => None,
        }
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
            FIRST_MARK.. => in_string = true,
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
            FIRST_MARK.. => fmt::Debug::fmt(self.as_str().unwrap_or_default(), f),
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
