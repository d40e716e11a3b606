//! A slice in one register.

#![allow(
    unsafe_code,
    reason = "a slice becomes a number and a slice again, or a part of itself"
)]

#[cfg(target_family = "wasm")]
use core::marker::PhantomData;
#[cfg(target_family = "wasm")]
use core::num::NonZeroU64;

/// A slice in one number, as the ABI packs it, so that functions take and return it in registers.
#[derive(Clone, Copy)]
pub(crate) struct PackedSlice<'a>(
    // size: packed-slice
    #[cfg(target_family = "wasm")] (NonZeroU64, PhantomData<&'a [u8]>),
    // Native addresses do not fit.
    #[cfg(not(target_family = "wasm"))] &'a [u8],
);

#[cfg(target_family = "wasm")]
impl<'a> PackedSlice<'a> {
    #[inline(always)] // size: inline-register
    pub(crate) fn new(slice: &'a [u8]) -> PackedSlice<'a> {
        let address = slice.as_ptr().expose_provenance() as u64;
        // SAFETY: the address of a slice is not null.
        let packed = unsafe { NonZeroU64::new_unchecked(address << 32 | slice.len() as u64) };
        PackedSlice((packed, PhantomData))
    }

    #[inline(always)] // size: inline-register
    pub(crate) fn get(self) -> &'a [u8] {
        let packed = self.0.0.get();
        let start: *const u8 = core::ptr::with_exposed_provenance((packed >> 32) as usize);
        // SAFETY: the address of a slice is not null.
        // size: not-null
        unsafe { core::hint::assert_unchecked(!start.is_null()) };
        // SAFETY: address and length are those of a slice that lives as long as `'a`; `new` made
        // the number of it, and nothing else does. Addresses and lengths have 32 bits.
        unsafe { core::slice::from_raw_parts(start, packed as u32 as usize) }
    }
}

#[cfg(not(target_family = "wasm"))]
impl<'a> PackedSlice<'a> {
    pub(crate) fn new(slice: &'a [u8]) -> PackedSlice<'a> {
        PackedSlice(slice)
    }

    pub(crate) fn get(self) -> &'a [u8] {
        self.0
    }
}

#[cfg(lists_keys)]
impl<'a> PackedSlice<'a> {
    /// What is before the first such byte; `None` if there is none.
    // size: packed-before
    #[inline(always)]
    pub(crate) fn before(self, byte: u8) -> Option<PackedSlice<'a>> {
        let slice = self.get();
        for found in slice {
            if *found == byte {
                let len = core::ptr::from_ref(found).addr() - slice.as_ptr().addr();
                // SAFETY: `found` is a byte of the slice, and so many are before it.
                return Some(PackedSlice::new(unsafe { slice.get_unchecked(..len) }));
            }
        }
        None
    }
}
