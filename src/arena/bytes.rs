//! The bytes of a lease one by one, as a `Vec` gives them.

use core::iter::FusedIterator;

use crate::arena::lease::ArenaBytes;

/// The bytes of an [`ArenaBytes`], from front to back.
#[derive(Debug, Clone)]
pub struct ArenaBytesIter {
    lease: ArenaBytes,
    at: usize,
}

impl Iterator for ArenaBytesIter {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let byte = *self.lease.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.lease.len() - self.at;
        (left, Some(left))
    }
}

impl ExactSizeIterator for ArenaBytesIter {}
impl FusedIterator for ArenaBytesIter {}

impl IntoIterator for ArenaBytes {
    type Item = u8;
    type IntoIter = ArenaBytesIter;

    fn into_iter(self) -> ArenaBytesIter {
        ArenaBytesIter { lease: self, at: 0 }
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
