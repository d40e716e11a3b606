//! A slice in one register.

#![cfg_attr(
    target_family = "wasm",
    allow(unsafe_code, reason = "a slice becomes a number and a slice again")
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
        let start = core::ptr::with_exposed_provenance((packed >> 32) as usize);
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
