//! Sixteen bytes looked at at once, in a flare that is compiled with the target feature `simd128`.

#![allow(
    unsafe_code,
    reason = "it reads and writes blocks where there are cells of bytes"
)]

use core::arch::wasm32::{i8x16_bitmask, u8x16_eq, u8x16_ge, u8x16_lt, u8x16_splat, v128, v128_or};
use core::cell::Cell;
use core::slice;

/// A block of bytes, from the first on.
pub(crate) type Block = v128;

/// How many bytes a block has.
pub(crate) const BLOCK: usize = size_of::<Block>();

/// The index of the first byte of a block that is one of two; [`BLOCK`] if there is none.
#[inline(always)] // size: inline-step
pub(crate) fn find(block: Block, stops: [u8; 2]) -> usize {
    first_of(either(block, stops))
}

/// Which bytes of a block are one of two.
#[inline(always)] // size: inline-step
fn either(block: Block, [one, other]: [u8; 2]) -> Block {
    v128_or(
        u8x16_eq(block, u8x16_splat(one)),
        u8x16_eq(block, u8x16_splat(other)),
    )
}

/// The index of the first byte of which all bits are set; [`BLOCK`] if there is none. (The others are 0.)
#[inline(always)] // size: inline-step
fn first_of(found: Block) -> usize {
    (u32::from(i8x16_bitmask(found)) | 1 << BLOCK).trailing_zeros() as usize
}

/// Moves bytes from where one iterator is to where the other is, up to the first that is one of two, less than
/// `least`, or not less than `limit`, as long as there are whole blocks. The two may go over the same bytes.
#[inline(always)] // size: inline-step
pub(crate) fn move_run(
    from: &mut slice::Iter<'_, Cell<u8>>,
    to: &mut slice::Iter<'_, Cell<u8>>,
    stops: [u8; 2],
    least: u8,
    limit: u8,
) {
    loop {
        let (input, output) = (from.as_slice(), to.as_slice());
        if input.len() < BLOCK || output.len() < BLOCK {
            return;
        }
        // SAFETY: there are as many cells as a block has bytes; any bytes are a block.
        let block = unsafe { input.as_ptr().cast::<Block>().read_unaligned() };
        let out_of_range = v128_or(
            u8x16_lt(block, u8x16_splat(least)),
            u8x16_ge(block, u8x16_splat(limit)),
        );
        let len = first_of(v128_or(either(block, stops), out_of_range));
        // SAFETY: as many cells again at least, which may be written to although they are shared. No other
        // thread could look at them (cells are not `Sync`), and there is no reference to what is in them.
        unsafe {
            core::ptr::copy(
                input.as_ptr().cast::<u8>(),
                output.as_ptr().cast_mut().cast::<u8>(),
                len,
            );
        }
        *from = input.get(len..).unwrap_or_default().iter();
        *to = output.get(len..).unwrap_or_default().iter();
        if len < BLOCK {
            return;
        }
    }
}
