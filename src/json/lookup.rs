//! Finding one member in flattened JSON, without making a [`Value`](crate::json::Value) of each member before
//! it: what reading the host's answers needs.

use crate::bytes::packed::PackedSlice;
use crate::json::flatten::{END, mark};
use crate::json::value::{Members, string, take};

/// Where [`member`] looks: in the outermost object.
pub(crate) const OUTER: u32 = place(1);
/// Where [`member`] looks: in an object that is a member of the outermost one.
pub(crate) const INNER: u32 = place(2);

/// A [`mark`], counted from the one in the outermost object. `depth` is as there.
// size: json-place
const fn place(depth: u32) -> u32 {
    mark(depth) - mark(1)
}

/// Finds a member of an object in flattened JSON: the rest of the text from its value on, or nothing. If several
/// have this name, it is the first.
///
/// The text is the root, or begins with the value of one of its members; `place` tells which: [`OUTER`] or
/// [`INNER`]. Capitals in `name` stand for small letters; see [`asks_for`].
#[inline(never)] // size: json-member
pub(crate) fn member<'a>(json: PackedSlice<'a>, place: u32, name: &str) -> PackedSlice<'a> {
    let mut rest = json.get();
    while let [byte, behind @ ..] = rest {
        rest = behind;
        let found_at = u32::from(*byte).wrapping_sub(mark(1));
        if found_at == place {
            if let Some((found, [end, colon, value @ ..])) = rest.split_at_checked(name.len()) {
                // size: json-member-end
                let ends = u16::from_le_bytes([*end, *colon]) == u16::from_le_bytes([END, b':']);
                let is_same = |(found, byte): (&u8, u8)| asks_for(byte, *found);
                if ends && found.iter().zip(name.bytes()).all(is_same) {
                    return PackedSlice::new(value);
                }
            }
        } else if found_at == OUTER {
            // The inner object has ended.
            break;
        }
    }
    PackedSlice::new(b"")
}

/// Whether a byte of the wanted name stands for a byte of a name in the text: the same byte, or its small letter.
///
/// `@` and control characters stand for another character, too. No header has them in its name.
#[inline(always)] // size: json-member-case
fn asks_for(byte: u8, found: u8) -> bool {
    let byte = u32::from(byte);
    let lowercase = if byte <= b'Z'.into() {
        byte | 0x20
    } else {
        byte
    };
    u32::from(found) == lowercase
}

/// Finds a member as [`member`] does, and returns its text if it is a string.
// size: json-string-member
#[inline(never)] // size: json-member
pub(crate) fn string_member<'a>(
    json: PackedSlice<'a>,
    place: u32,
    name: &str,
) -> Option<PackedSlice<'a>> {
    string(member(json, place, name))
}

/// The members of the object at the beginning of flattened JSON.
pub(crate) fn first_members(json: &[u8]) -> Members<'_> {
    take(&mut json.iter()).unwrap_or_default().members()
}
