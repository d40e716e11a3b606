//! A query, decoded in place.

use core::cell::Cell;
use core::slice::Iter;

use crate::arena::ArenaBytes;
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
pub struct Query(ArenaBytes);

impl Query {
    /// A lease on a query that has been decoded.
    pub(crate) fn new(decoded: ArenaBytes) -> Query {
        Query(decoded)
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
        value_of(&self.0, name.as_bytes()).map(PackedSlice::get)
    }

    /// All pairs of name and value, in the order in which they were sent. Repeated names are kept.
    pub fn pairs(&self) -> Pairs<'_> {
        Pairs(split(&self.0, PAIR_END))
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
pub(crate) fn decode(query: &mut [u8]) {
    let cells = Cell::from_mut(query).as_slice_of_cells();
    let (mut input, mut output) = (cells.iter(), cells.iter());
    // What the next `=` becomes: only the first one in a pair ends the name.
    let mut equals = NAME_END;
    while let Some(cell) = input.next() {
        let raw = cell.get();
        let mut byte = raw;
        if raw == b'%' {
            byte = unescape(&mut input);
        } else if raw == b'+' {
            byte = b' ';
        }
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
        // There is always a place to write to, because nothing gets longer.
        if let Some(place) = output.next() {
            place.set(byte);
        }
    }
    for place in output {
        place.set(PAIR_END);
    }
}

/// Consumes the two hexadecimal digits after a `%` and returns the byte that they stand for. If there are no two
/// such digits, nothing is consumed, and the `%` stands for itself.
#[inline(always)] // size: inline-step
fn unescape(input: &mut Iter<'_, Cell<u8>>) -> u8 {
    let mut digits = input.clone();
    // A leading 1, and four bits for each digit.
    let mut code = 1;
    while let Some(digit) = digits
        .next()
        .and_then(|digit| hex_value(digit.get().into()))
    {
        code = code << 4 | digit;
        if code >> 8 != 0 {
            *input = digits;
            return code as u8;
        }
    }
    b'%'
}
