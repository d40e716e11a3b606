//! A query, decoded in place.

use crate::arena::ArenaBytes;
use crate::bytes::in_place::{Ahead, InPlace};
use crate::bytes::number::hex_value;
use crate::bytes::packed::PackedSlice;
use crate::bytes::split::{Split, find, split, split_once, strip_prefix};
use crate::bytes::utf8;

/// Ends a name.
const NAME_END: u8 = 0xfe;
/// Ends a pair.
const PAIR_END: u8 = 0xff;
/// The first of the bytes that never occur in UTF-8.
const FIRST_MARK: u8 = 0xf8;

/// The pairs of a query, form-decoded: `+` is a space, `%` and two hexadecimal digits are a byte (any other
/// `%` stands for itself), `&` separates the pairs. See [`request::query`](crate::request::query).
///
/// It is a lease on the URL that the host wrote, decoded in place: names and values borrow from it.
/// A byte of 0xF8 or above, which occurs in no UTF-8, becomes `?`.
// size: lease-of-all
pub struct Query {
    /// The URL, or what is left of it.
    url: ArenaBytes,
    /// Where its path ends.
    path_end: usize,
    /// Where its query ends.
    end: usize,
}

impl Query {
    /// Decodes the query of a URL, or of a path and a query, which ends at `end`.
    #[inline(always)] // size: inline-register
    pub(crate) fn decode(mut url: ArenaBytes, end: usize) -> Query {
        let path_end = find(url.get(..end).unwrap_or_default(), b'?');
        // Its question mark stays what it is.
        decode(url.as_mut().get_mut(path_end..end).unwrap_or_default());
        Query { url, path_end, end }
    }

    /// The query, decoded.
    #[inline(always)] // size: inline-register
    fn decoded(&self) -> &[u8] {
        let start = self.end.min(self.path_end + 1);
        self.url.get(start..self.end).unwrap_or_default()
    }

    /// The path of the URL that the query is from, as it was sent: see [`path`](crate::request::path).
    ///
    /// It is looked for in each call: keep it in a variable.
    pub fn path(&self) -> &[u8] {
        let end = self.url.len().min(self.path_end);
        let before = self.url.get(..end).unwrap_or_default();
        // As in `claim_url`, where one place in the code for both would take more bytes.
        // size: path-start
        let slash = find(before, b'/');
        let mut path = before;
        if slash != 0 {
            let authority = before.get(end.min(slash + 2)..).unwrap_or_default();
            path = authority.get(find(authority, b'/')..).unwrap_or_default();
        }
        if path.is_empty() { b"/" } else { path }
    }

    /// The value of the first pair with this name, as text.
    ///
    /// `None` if there is no such pair, or if the value is not UTF-8.
    #[inline(always)] // size: inline-register
    pub fn get(&self, name: &str) -> Option<&str> {
        utf8::from_utf8(self.get_bytes(name)?)
    }

    /// The value of the first pair with this name, as bytes: this does not link the UTF-8 check. Empty if
    /// there is only the name.
    #[inline(always)] // size: inline-register
    pub fn get_bytes(&self, name: &str) -> Option<&[u8]> {
        value_of(self.decoded(), name.as_bytes()).map(PackedSlice::get)
    }

    /// All pairs of name and value, in the order in which they were sent. Repeated names are kept.
    pub fn pairs(&self) -> Pairs<'_> {
        Pairs(split(self.decoded(), PAIR_END))
    }
}

/// The value of the first pair with this name in a decoded query.
#[inline] // size: packed-slice
fn value_of<'a>(mut rest: &'a [u8], name: &[u8]) -> Option<PackedSlice<'a>> {
    loop {
        let (pair, behind) = rest.split_at_checked(find(rest, PAIR_END))?;
        match strip_prefix(pair, name) {
            Some([NAME_END, value @ ..]) => return Some(PackedSlice::new(value)),
            Some([]) if !name.is_empty() => return Some(PackedSlice::new(b"")),
            _ => {}
        }
        rest = behind.get(1..)?;
    }
}

/// The pairs of a query: see [`Query::pairs`].
#[derive(Debug, Clone)]
pub struct Pairs<'a>(Split<'a>);

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        loop {
            let pair = self.0.next()?;
            // An empty part between two `&` is not a pair.
            if !pair.is_empty() {
                return Some(split_once(pair, NAME_END).unwrap_or((pair, b"")));
            }
        }
    }
}

impl core::fmt::Debug for Query {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries(self.pairs()).finish()
    }
}

/// Decodes a query in place: the decoded bytes move to the front, and the rest become ends of pairs, which are none.
// size: query-rest
fn decode(query: &mut [u8]) {
    let mut text = InPlace::new(query);
    // What the next `=` becomes: only the first one in a pair ends the name.
    let mut equals = NAME_END;
    loop {
        let (raw, mut room) = match text.next_or_rest() {
            Ok(read) => read,
            Err(rest) => return rest.fill(PAIR_END),
        };
        let mut byte = raw;
        if raw == b'%' {
            let code;
            (code, room) = room.read_if(unescape);
            byte = code.unwrap_or(b'%');
        }
        // A `+` becomes a space.
        // size: plus-by-sum
        byte -= u8::from(raw == b'+') * (b'+' - b' ');
        if byte >= FIRST_MARK {
            byte = b'?';
        }
        if raw == b'&' {
            byte = PAIR_END;
            equals = NAME_END;
        } else if raw == b'=' {
            byte = equals;
            equals = b'=';
        }
        text = room.write(byte);
    }
}

/// The byte that two hexadecimal digits behind a `%` stand for.
#[inline(always)] // size: inline-step
fn unescape(digits: &mut Ahead<'_>) -> Option<u8> {
    // A leading 1, and four bits for each digit.
    let mut code = 1;
    loop {
        code = code << 4 | hex_value(digits.next()?.into())?;
        if code >> 8 != 0 {
            return Some(code as u8);
        }
    }
}
