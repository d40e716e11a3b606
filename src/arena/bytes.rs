//! Iterating over the bytes of a lease by value, like a `Vec`.

use core::iter::FusedIterator;
use core::ops::Range;

use crate::arena::lease::ArenaBytes;

/// The bytes of an [`ArenaBytes`], from front to back.
#[derive(Debug, Clone)]
pub struct ArenaBytesIter {
    lease: ArenaBytes,
    /// The range of the remaining bytes.
    left: Range<usize>,
}

impl Iterator for ArenaBytesIter {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        self.lease.get(self.left.next()?).copied()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.left.size_hint()
    }
}

impl DoubleEndedIterator for ArenaBytesIter {
    fn next_back(&mut self) -> Option<u8> {
        self.lease.get(self.left.next_back()?).copied()
    }
}

impl ExactSizeIterator for ArenaBytesIter {}
impl FusedIterator for ArenaBytesIter {}

impl IntoIterator for ArenaBytes {
    type Item = u8;
    type IntoIter = ArenaBytesIter;

    fn into_iter(self) -> ArenaBytesIter {
        ArenaBytesIter {
            left: 0..self.len(),
            lease: self,
        }
    }
}

impl<'a> IntoIterator for &'a ArenaBytes {
    type Item = &'a u8;
    type IntoIter = core::slice::Iter<'a, u8>;

    fn into_iter(self) -> core::slice::Iter<'a, u8> {
        self.iter()
    }
}

impl<const N: usize> PartialEq<ArenaBytes> for [u8; N] {
    fn eq(&self, other: &ArenaBytes) -> bool {
        *other == *self
    }
}

impl Extend<u8> for ArenaBytes {
    fn extend<T: IntoIterator<Item = u8>>(&mut self, bytes: T) {
        bytes
            .into_iter()
            .for_each(|byte| self.extend_from_slice(&[byte]));
    }
}

impl ArenaBytes {
    /// The bytes: an explicit deref.
    pub fn as_slice(&self) -> &[u8] {
        self
    }
}

/// An array, if the length matches exactly; otherwise the lease is returned as the error.
impl<const N: usize> TryFrom<ArenaBytes> for [u8; N] {
    type Error = ArenaBytes;

    fn try_from(bytes: ArenaBytes) -> Result<[u8; N], ArenaBytes> {
        match (*bytes).try_into() {
            Ok(array) => Ok(array),
            Err(_) => Err(bytes),
        }
    }
}
