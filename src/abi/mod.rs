//! The imports of the host ABI `flaron/v1`: the only place that declares them.
//!
//! Each import is one line of the [table], and one function here of the same name, which takes
//! byte arguments as slices. On Wasm it is the real import. On native targets it asks the in-memory
//! host that has been [installed](native), and without one answers 0, "no result", so that flares can
//! be checked, documented and edited without a Wasm target.
//!
//! An import that returns data returns it as one `i64`, address and length, which
//! `arena::claim` takes.

#![allow(
    unsafe_code,
    reason = "it calls the imports, and on native targets copies what is handed to them"
)]

#[cfg(not(target_family = "wasm"))]
pub(crate) mod native;
pub(crate) mod table;

/// Bytes that are handed to the host.
///
/// # Safety
///
/// What [`raw`](Bytes::raw) points to is initialised and can be read until the host call it is an
/// argument of begins.
pub(crate) unsafe trait Bytes {
    /// Address and length. Not a reference: see `arena::payload`.
    fn raw(self) -> *const [u8];
}

// SAFETY: a reference points to initialised bytes.
unsafe impl Bytes for &[u8] {
    #[inline(always)] // size: inline-import
    fn raw(self) -> *const [u8] {
        self
    }
}

/// Declares the imports.
macro_rules! declare {
    ($(fn $name:ident($($bytes:ident),*; $($number:ident: $type:ty),*) $(-> $result:ty)?;)*) => {
        #[cfg(target_family = "wasm")]
        mod host {
            // Under Miri the program itself has the imports: see `tests/miri-wasm`.
            #[cfg_attr(not(miri), link(wasm_import_module = "flaron/v1"))]
            unsafe extern "C" {
                $(#[allow(dead_code, reason = "a module whose feature is off calls none of its imports")]
                pub(super) fn $name(
                    $($bytes: *const u8, _: usize,)*
                    $($number: $type),*
                ) $(-> $result)?;)*
            }
        }

        $(
            #[cfg(target_family = "wasm")]
            #[allow(dead_code, reason = "a module whose feature is off calls none of its imports")]
            #[inline(always)] // size: inline-import
            pub(crate) fn $name($($bytes: impl Bytes,)* $($number: $type),*) $(-> $result)? {
                $(let $bytes = $bytes.raw();)*
                // SAFETY: the declaration has the ABI's types, and `Bytes` promises that the bytes
                // can be read. The host writes nowhere but into blocks that `alloc` gave it, which
                // overlap no borrowed slice.
                unsafe { host::$name($($bytes.cast(), $bytes.len(),)* $($number),*) }
            }

            #[cfg(not(target_family = "wasm"))]
            #[allow(dead_code, reason = "a module whose feature is off calls none of its imports")]
            pub(crate) fn $name($($bytes: impl Bytes,)* $($number: $type),*) $(-> $result)? {
                // SAFETY: `Bytes` promises that the bytes can be read. They are copied before the
                // in-memory host does anything, as the real one does.
                $(let $bytes = unsafe { &*$bytes.raw() }.to_vec();)*
                let answer = native::ask(stringify!($name), &[$(&$bytes),*], &[$(i64::from($number)),*]);
                native::Answer::from_i64(answer)
            }
        )*
    };
}
table::imports!(declare);

/// Ends the invocation: what there is no other way to say. (On native targets, and where panics have
/// messages: a panic with the reason.)
#[inline(always)] // size: inline-export
pub(crate) fn trap(reason: &'static str) -> ! {
    #[cfg(all(target_family = "wasm", not(feature = "panic-message")))]
    {
        let _ = reason;
        core::arch::wasm32::unreachable()
    }
    #[cfg(not(target_family = "wasm"))]
    native::set_trap(reason);
    #[cfg(any(not(target_family = "wasm"), feature = "panic-message"))]
    panic!("{reason}")
}
