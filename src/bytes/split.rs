//! Splitting and trimming at single bytes, without the searchers of `core::str`, which take a kilobyte.

#![allow(
    unsafe_code,
    reason = "the compiler is told that what is found lies in the text"
)]

/// The index of the first occurrence of a byte; the length if there is none.
#[inline(always)] // size: byte-in-32-bits
pub(crate) fn find(text: &[u8], byte: u8) -> usize {
    let found = position(text, byte.into());
    // SAFETY: `position` gives an index of the text or its length.
    // size: found-in-text
    unsafe { core::hint::assert_unchecked(found <= text.len()) };
    found
}

#[inline(never)] // size: one-copy
fn position(text: &[u8], byte: u32) -> usize {
    let found = text.iter().position(|other| u32::from(*other) == byte);
    found.unwrap_or(text.len())
}

/// Where the first element of a list ends, whose elements have commas between them: behind its last character
/// that is no space. (Of control characters a header has none but the tab, which is a space.) 0 if it is empty.
#[cfg(feature = "request")]
#[inline(always)] // size: first-element
pub(crate) fn first_element(list: &[u8]) -> usize {
    let mut end = 0;
    for (at, &byte) in list.iter().enumerate() {
        if byte == b',' {
            break;
        }
        if byte > b' ' {
            end = at + 1;
        }
    }
    // SAFETY: it is 0, or one more than an index of the list.
    // size: found-in-text
    unsafe { core::hint::assert_unchecked(end <= list.len()) };
    end
}

/// Whether two texts are the same.
#[inline(never)] // size: same
pub(crate) fn same(mut a: &[u8], mut b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    while let ([x, rest_a @ ..], [y, rest_b @ ..]) = (a, b) {
        if x != y {
            return false;
        }
        (a, b) = (rest_a, rest_b);
    }
    true
}

/// Whether two texts are the same: `==` of slices, without linking `memcmp` or writing the comparison out.
///
/// ```
/// use flaron_sdk::text;
///
/// assert!(text::eq(b"/search", b"/search") && !text::eq(b"/search", b"/"));
/// ```
///
/// It ends at the first byte that differs: for secrets there is [`crypto::equal`](crate::crypto::equal).
#[inline(always)] // size: same
pub fn eq(a: &[u8], b: &[u8]) -> bool {
    same(a, b)
}

/// The text after `prefix`; `None` if the text does not begin with it. Does the same as the method of slices,
/// which links `memcmp`.
///
/// ```
/// use flaron_sdk::text;
///
/// assert_eq!(text::strip_prefix(b"/users/42", b"/users/"), Some(&b"42"[..]));
/// assert_eq!(text::strip_prefix(b"/items/42", b"/users/"), None);
/// ```
#[inline(always)] // size: inline-register
pub fn strip_prefix<'a>(text: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    if same(start, prefix) {
        Some(rest)
    } else {
        None
    }
}

/// The text before the first `at` and the text after it; `None` if there is no `at`.
///
/// ```
/// use flaron_sdk::text;
///
/// assert_eq!(text::split_once(b"a=b=c", b'='), Some((&b"a"[..], &b"b=c"[..])));
/// assert_eq!(text::split_once(b"a", b'='), None);
/// ```
#[inline] // size: inline-small
pub fn split_once(text: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let found = find(text, at);
    Some((text.get(..found)?, text.get(found + 1..)?))
}

/// The parts between the bytes `at`, always one more than there are such bytes.
///
/// ```
/// use flaron_sdk::text;
///
/// let mut parts = text::split(b"a,,b", b',');
/// assert_eq!(parts.next(), Some(&b"a"[..]));
/// assert_eq!(parts.next(), Some(&b""[..]));
/// assert_eq!(parts.next(), Some(&b"b"[..]));
/// assert_eq!(parts.next(), None);
/// ```
pub fn split(text: &[u8], at: u8) -> Split<'_> {
    Split {
        rest: Some(text),
        at,
    }
}

/// The parts of a text: see [`split`].
#[derive(Debug, Clone)]
pub struct Split<'a> {
    rest: Option<&'a [u8]>,
    at: u8,
}

impl<'a> Iterator for Split<'a> {
    type Item = &'a [u8];

    #[inline] // size: inline-small
    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        let found = find(rest, self.at);
        self.rest = rest.get(found + 1..);
        rest.get(..found)
    }
}

/// The segments of a path, which are the parts between its slashes, as they were sent.
///
/// ```
/// use flaron_sdk::text;
///
/// let mut segments = text::segments(b"/users/42/");
/// assert_eq!(segments.next(), Some(&b"users"[..]));
/// assert_eq!(segments.next(), Some(&b"42"[..]));
/// assert_eq!(segments.next(), Some(&b""[..]), "after the last slash");
/// assert_eq!(segments.next(), None);
/// ```
///
/// The path `/` has one segment, which is empty. Nothing is decoded: a `%2F` in a segment is not a separator.
#[inline] // size: inline-small
pub fn segments(path: &[u8]) -> Split<'_> {
    split(path.strip_prefix(b"/").unwrap_or(path), b'/')
}

/// The text without spaces and tabs at its ends, which HTTP allows around the parts of a header.
///
/// ```
/// assert_eq!(flaron_sdk::text::trim(b" \ta b "), b"a b");
/// ```
#[inline] // size: inline-small
pub fn trim(text: &[u8]) -> &[u8] {
    trim_end(trim_start(text))
}

/// The text without spaces and tabs at its beginning.
#[inline] // size: inline-small
pub fn trim_start(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = text {
        text = rest;
    }
    text
}

/// The text without spaces and tabs at its end.
#[inline] // size: inline-small
pub fn trim_end(mut text: &[u8]) -> &[u8] {
    while let [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// The bit in which a small letter differs from the capital.
const CASE: u32 = 0x20;

/// Whether two texts are the same, ignoring the case of ASCII letters.
///
/// ```
/// assert!(flaron_sdk::text::eq_ignore_case(b"Bearer", b"bEARER"));
/// ```
pub fn eq_ignore_case(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (u32::from(*a), u32::from(*b)); // size: byte-in-32-bits
        // size: case-by-a-bit
        let is_letter = (a | CASE).wrapping_sub(b'a'.into()) < 26;
        if a != b && !(is_letter && a ^ b == CASE) {
            return false;
        }
    }
    true
}
