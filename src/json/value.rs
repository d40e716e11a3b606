//! Views of flattened JSON. It was checked when it was flattened, so nothing is checked again here.

use core::fmt;
use core::slice::Iter;

use crate::bytes::number;
use crate::bytes::packed::PackedSlice;
use crate::bytes::split::{find, same};
use crate::bytes::utf8;
use crate::json::flatten::{END, FIRST_MARK};
use crate::json::writer::escaped;
use crate::text::piece::{Backward, Sink};

/// A JSON value that has been checked and decoded; it borrows from the decoded text.
///
/// Asking for another type than the value has gives `None`, or an empty iterator. Finding a member or an
/// element takes time proportional to the length of everything before it.
#[derive(Clone, Copy, Default)]
pub struct Value<'a>(
    /// The value, as flattened JSON, and nothing else.
    pub(crate) &'a [u8],
);

impl<'a> Value<'a> {
    /// The first byte, which tells the type; 0 if there is none.
    pub(crate) fn first(&self) -> u8 {
        self.0.first().copied().unwrap_or_default()
    }

    /// Whether the value is `null`.
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

    /// An integer in the range of `i64`, written without a fraction or an exponent.
    pub fn as_i64(&self) -> Option<i64> {
        number::parse_i64(self.0)
    }

    /// An integer in the range of `u64`, written without a sign, a fraction or an exponent.
    pub fn as_u64(&self) -> Option<u64> {
        number::parse_u64(self.0)
    }

    /// A number, as it was written.
    pub fn as_number(&self) -> Option<&'a str> {
        match self.first() {
            b'-' | b'0'..=b'9' => utf8::from_utf8(self.0),
            _ => None,
        }
    }

    /// A string, unescaped. Also `None` if it is not UTF-8.
    pub fn as_str(&self) -> Option<&'a str> {
        utf8::from_utf8(self.as_bytes()?)
    }

    /// A string, unescaped, as bytes: this does not link the UTF-8 check.
    #[inline(always)] // size: inline-register
    pub fn as_bytes(&self) -> Option<&'a [u8]> {
        Some(text(self.0)?.get())
    }

    /// The member of an object with this name; if there are several, the first.
    #[inline(always)] // size: inline-register
    pub fn get(&self, name: &str) -> Option<Value<'a>> {
        Some(Value(member(*self, name)?.get()))
    }

    /// The bytes of the member with this name, if it is a string: [`get`](Self::get) and
    /// [`as_bytes`](Self::as_bytes) in one call, which takes less code.
    #[inline(always)] // size: inline-register
    pub fn get_bytes(&self, name: &str) -> Option<&'a [u8]> {
        Some(member_text(*self, name)?.get())
    }

    /// The members of an object, name (as bytes) and value; empty if the value is not an object.
    pub fn members(&self) -> Members<'a> {
        Members(self.inside(b'{').iter())
    }

    /// The elements of an array; empty if the value is not an array.
    pub fn elements(&self) -> Elements<'a> {
        Elements(self.inside(b'[').iter())
    }

    /// Everything after the opening bracket, if it is this one.
    fn inside(&self, opening: u8) -> &'a [u8] {
        match self.0 {
            [first, inside @ ..] if *first == opening => inside,
            _ => b"",
        }
    }
}

/// The text of a string.
#[inline] // size: packed-slice
fn text(value: &[u8]) -> Option<PackedSlice<'_>> {
    match value {
        [FIRST_MARK..=END, text @ .., END] => Some(PackedSlice::new(text)),
        _ => None,
    }
}

/// The member of an object with this name.
#[inline] // size: packed-slice
fn member<'a>(object: Value<'a>, name: &str) -> Option<PackedSlice<'a>> {
    let mut rest = object.inside(b'{').iter();
    loop {
        let found = take_name(&mut rest)?;
        let value = take(&mut rest)?;
        if same(found, name.as_bytes()) {
            return Some(PackedSlice::new(value.0));
        }
    }
}

/// The text of the member of an object with this name.
#[inline] // size: packed-slice
fn member_text<'a>(object: Value<'a>, name: &str) -> Option<PackedSlice<'a>> {
    text(member(object, name)?.get())
}

/// Takes the name at the beginning of the inside of an object; the rest begins with its value.
fn take_name<'a>(inside: &mut Iter<'a, u8>) -> Option<&'a [u8]> {
    // The mark, the name, its end, the colon.
    inside.next()?;
    let name = inside.as_slice();
    let name = name.get(..find(name, END))?;
    inside.nth(name.len() + 1)?;
    Some(name)
}

/// Takes the value at the beginning of the inside of an array or an object; the rest begins after the comma
/// that follows it. After a closing bracket nothing is left.
#[inline] // size: inline-shared
pub(crate) fn take<'a>(inside: &mut Iter<'a, u8>) -> Option<Value<'a>> {
    let value = inside.as_slice();
    let mut open = 0;
    let left = loop {
        let left = inside.len();
        let Some(&byte) = inside.next() else {
            break left;
        };
        if byte >= FIRST_MARK {
            inside.nth(find(inside.as_slice(), END));
        } else if byte | 0x20 == b'{' {
            open += 1;
        } else if byte | 0x20 == b'}' {
            if open == 0 {
                *inside = [].iter();
                break left;
            }
            open -= 1;
        } else if byte == b',' && open == 0 {
            break left;
        }
    };
    let value = value.get(..value.len() - left)?;
    if value.is_empty() {
        None
    } else {
        Some(Value(value))
    }
}

/// The string at the beginning of flattened JSON, if there is one.
#[cfg(lists_keys)]
#[inline] // size: json-string
pub(crate) fn string(json: PackedSlice<'_>) -> Option<PackedSlice<'_>> {
    let [FIRST_MARK..=END, text @ ..] = json.get() else {
        return None;
    };
    PackedSlice::new(text).before(END)
}

/// As a piece of text: the value as JSON.
impl Backward for Value<'_> {
    fn prepend_to<S: Sink>(self, mut sink: S) -> S {
        for &byte in self.0.iter().rev() {
            sink = match byte {
                FIRST_MARK..=END => sink.byte(b'"'),
                byte => escaped(byte, sink),
            };
        }
        sink
    }
}

/// A string with the same text.
impl PartialEq<str> for Value<'_> {
    fn eq(&self, other: &str) -> bool {
        self.as_bytes()
            .is_some_and(|text| same(text, other.as_bytes()))
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
            b'{' => fmt::Debug::fmt(&self.members(), f),
            b'[' => fmt::Debug::fmt(&self.elements(), f),
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
pub struct Elements<'a>(Iter<'a, u8>);

/// Shows the remaining elements.
impl fmt::Debug for Elements<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        take(&mut self.0)
    }
}

/// The members of an object, name and value: see [`Value::members`].
#[derive(Clone)]
pub struct Members<'a>(Iter<'a, u8>);

/// Shows the remaining members.
impl fmt::Debug for Members<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for (name, value) in self.clone() {
            map.entry(&utf8::from_utf8(name).unwrap_or_default(), &value);
        }
        map.finish()
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a [u8], Value<'a>);

    fn next(&mut self) -> Option<(&'a [u8], Value<'a>)> {
        let name = take_name(&mut self.0)?;
        Some((name, take(&mut self.0)?))
    }
}
