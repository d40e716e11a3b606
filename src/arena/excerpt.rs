//! A part of what the host returned, while it is looked for.

use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use core::slice::SliceIndex;

/// A part of one block, at first all of it. An excerpt can only be made of a larger one, and that of the block
/// alone: `'a` stands for this block and for no other. So it never reaches out of the block, and nobody has to
/// check that.
// size: excerpt
pub(crate) struct Excerpt<'a> {
    bytes: &'a mut [u8],
    /// Neither a longer nor a shorter life will do.
    block: PhantomData<fn(&'a ()) -> &'a ()>,
}

impl<'a> Excerpt<'a> {
    /// All of a block.
    #[inline(always)] // size: inline-register
    pub(super) fn of_block(bytes: &'a mut [u8]) -> Excerpt<'a> {
        Excerpt {
            bytes,
            block: PhantomData,
        }
    }

    /// A part of it; `None` if it does not reach so far.
    #[inline(always)] // size: inline-register
    pub(crate) fn part(self, range: impl SliceIndex<[u8], Output = [u8]>) -> Option<Excerpt<'a>> {
        Some(Excerpt::of_block(self.bytes.get_mut(range)?))
    }

    /// Two parts of it, side by side; `None` if it does not reach so far.
    #[inline(always)] // size: inline-register
    pub(crate) fn split_at(self, middle: usize) -> Option<(Excerpt<'a>, Excerpt<'a>)> {
        let (before, behind) = self.bytes.split_at_mut_checked(middle)?;
        Some((Excerpt::of_block(before), Excerpt::of_block(behind)))
    }

    /// What is left without the spaces and tabs at the beginning. (Of control characters a header has none but the
    /// tab.)
    #[inline(always)] // size: inline-register
    pub(crate) fn trim_start(mut self) -> Excerpt<'a> {
        // size: space-or-less
        while let [0..=b' ', rest @ ..] = self.bytes {
            self.bytes = rest;
        }
        self
    }

    /// What is left without the spaces and tabs at the end.
    #[inline(always)] // size: inline-register
    pub(crate) fn trim_end(mut self) -> Excerpt<'a> {
        while let [rest @ .., 0..=b' '] = self.bytes {
            self.bytes = rest;
        }
        self
    }
}

impl Deref for Excerpt<'_> {
    type Target = [u8];

    #[inline(always)] // size: inline-register
    fn deref(&self) -> &[u8] {
        self.bytes
    }
}

impl DerefMut for Excerpt<'_> {
    #[inline(always)] // size: inline-register
    fn deref_mut(&mut self) -> &mut [u8] {
        self.bytes
    }
}
