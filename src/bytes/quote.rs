//! JSON strings written forward, where the text lies already.

use core::cell::Cell;
use core::slice;

/// Makes a JSON string of the first `len` bytes of a space: quoted and escaped. Tells how long it is, or
/// `None` if it does not fit into the space, which is garbage then. Bytes that are not UTF-8 stay as they
/// are.
pub(crate) fn quote_in_place(space: &mut [u8], len: usize) -> Option<usize> {
    // From the far end the text is read while the string grows towards it.
    let start = space.len().checked_sub(len)?;
    space.copy_within(..len, start);
    let cells = Cell::from_mut(space).as_slice_of_cells();
    let mut writer = Writer {
        output: cells.iter(),
        input: cells.get(start..)?.iter(),
    };
    writer.put(b'"')?;
    while let Some(cell) = writer.input.next() {
        // Up to six characters, the first one in the lowest bits.
        // size: json-escaped
        let byte = u64::from(cell.get());
        let mut escape = byte;
        if byte < u64::from(b' ') {
            let digit = byte & 15;
            let digit = digit + u64::from(if digit < 10 { b'0' } else { b'a' - 10 });
            escape = u64::from(u32::from_le_bytes(*b"\\u00"));
            escape |= digit << 40 | (u64::from(b'0') + (byte >> 4)) << 32;
        } else if byte == u64::from(b'"') || byte == u64::from(b'\\') {
            escape = byte << 8 | u64::from(b'\\');
        }
        while escape != 0 {
            writer.put(escape as u8)?;
            escape >>= 8;
        }
    }
    writer.put(b'"')?;
    Some(cells.len() - writer.output.len())
}

struct Writer<'a> {
    output: slice::Iter<'a, Cell<u8>>,
    input: slice::Iter<'a, Cell<u8>>,
}

impl Writer<'_> {
    /// Writes a byte, unless that would overwrite one that has not been read.
    #[inline(never)] // size: one-copy
    fn put(&mut self, byte: u8) -> Option<()> {
        let place = self.output.next()?;
        if self.output.len() < self.input.len() {
            return None;
        }
        place.set(byte);
        Some(())
    }
}
