//! A query, decoded where it lies.

use core::cell::Cell;

use crate::arena::ArenaBytes;
use crate::bytes::number::hex_value;
use crate::bytes::split::{Split, same, split, split_once};
use crate::bytes::utf8;

/// Ends a name.
const NAME_END: u8 = 0xfe;
/// Ends a pair.
const PAIR_END: u8 = 0xff;
/// The first of the bytes that are in no UTF-8.
const FIRST_MARK: u8 = 0xf8;

/// The pairs of a query, decoded by the rules of forms: `+` is a space, `%` and two hexadecimal digits
/// are a byte (any other `%` stands for itself), `&` separates the pairs. See
/// [`request::query`](crate::request::query).
///
/// It is a lease on what the host wrote, which is decoded there: names and values are borrowed from it.
/// A byte from 0xF8 on, which is in no text, becomes `?`.
pub struct Query(ArenaBytes);

impl Query {
    /// The query in a lease, which has been decoded.
    pub(crate) fn new(decoded: ArenaBytes) -> Query {
        Query(decoded)
    }

    /// The value of the first pair with this name, as text.
    ///
    /// `None` if there is none, and if it is not UTF-8.
    pub fn get(&self, name: &str) -> Option<&str> {
        utf8::from_utf8(self.get_bytes(name)?)
    }

    /// The value of the first pair with this name: links no UTF-8 check. Empty if there is only the
    /// name.
    pub fn get_bytes(&self, name: &str) -> Option<&[u8]> {
        split(&self.0, PAIR_END).find_map(|pair| {
            let (found, value) = pair.split_at_checked(name.len())?;
            if !same(found, name.as_bytes()) {
                return None;
            }
            match value {
                [] if !name.is_empty() => Some(value),
                [NAME_END, value @ ..] => Some(value),
                _ => None,
            }
        })
    }

    /// The pairs, name and value, in their order; of those that have a name more than once, all.
    pub fn pairs(&self) -> Pairs<'_> {
        Pairs(split(&self.0, PAIR_END))
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
            // Nothing between two `&` is no pair.
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

/// Decodes a query where it lies: the bytes move to the front. Tells how many they are.
pub(crate) fn decode(query: &mut [u8]) -> usize {
    let cells = Cell::from_mut(query).as_slice_of_cells();
    let (mut input, mut output) = (cells.iter(), cells.iter());
    let mut in_name = true;
    while let Some(cell) = input.next() {
        let mut byte = cell.get();
        match byte {
            b'&' => {
                in_name = true;
                byte = PAIR_END;
            }
            b'=' if in_name => {
                in_name = false;
                byte = NAME_END;
            }
            _ => {
                if byte == b'+' {
                    byte = b' ';
                } else if byte == b'%' {
                    if let Some(decoded) = escaped(input.as_slice()) {
                        byte = decoded;
                        input.nth(1);
                    }
                }
                if byte >= FIRST_MARK {
                    byte = b'?';
                }
            }
        }
        // There is always a place to write to, because nothing gets longer.
        if let Some(place) = output.next() {
            place.set(byte);
        }
    }
    cells.len() - output.len()
}

/// The byte that two hexadecimal digits stand for, if they are such.
fn escaped(digits: &[Cell<u8>]) -> Option<u8> {
    let mut byte = 0;
    for digit in digits.first_chunk::<2>()? {
        byte = byte << 4 | hex_value(digit.get().into())?;
    }
    Some(byte as u8)
}
