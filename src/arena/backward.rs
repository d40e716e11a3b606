//! Writing text from its last byte to its first, at the top end of the free space.
//!
//! Backward, because then one address is the whole state: a number needs no buffer to turn its digits
//! around in, and nothing has to know its length beforehand.
//!
//! The writer takes no space of its own: it writes between `LEASED` and `TOP` while nothing but pieces
//! of text run, which call neither the host nor the flare (`text::Pieces` is sealed). What is to outlive
//! the building becomes scratch then.

#![allow(unsafe_code, reason = "it writes into the arena's free space")]

#[cfg(all(feature = "beam", feature = "request"))]
use crate::abi::Bytes;
use crate::arena::alloc::top;
use crate::arena::block::at_address;
use crate::arena::lease::ArenaBytes;
use crate::arena::payload::Payload;
use crate::arena::storage::{self, LEASED};

/// Where the text begins that is being built: an address, as the host counts (the arena's own words are
/// offsets). It is 0 once something did not fit, and stays so.
pub(crate) struct BackwardWriter(u32);

impl BackwardWriter {
    /// Builds a text for a host call that follows at once. `write` calls neither the host nor the flare.
    #[inline(always)] // size: inline-step
    pub(crate) fn build(write: impl FnOnce(BackwardWriter) -> BackwardWriter) -> Option<Payload> {
        let end = storage::origin() + top();
        match BackwardWriter::write_from(end, write) {
            0 => None,
            start => Some(Payload::new(start, end)),
        }
    }

    /// Builds a text that ends at `end`, an address up to which all is free; where it begins, or 0.
    #[inline(always)] // size: inline-step
    pub(super) fn write_from(
        end: u32,
        write: impl FnOnce(BackwardWriter) -> BackwardWriter,
    ) -> u32 {
        write(BackwardWriter(end)).0
    }

    /// Puts bytes in front.
    #[inline(always)] // size: inline-step
    pub(crate) fn bytes(self, bytes: &[u8]) -> BackwardWriter {
        // SAFETY: a reference points to initialised bytes; `self.0` is the writer's.
        BackwardWriter(unsafe { prepend(self.0, bytes) })
    }

    /// Puts the bytes of a lease in front, and gives it back.
    #[inline(always)] // size: inline-step
    pub(crate) fn lease(self, lease: ArenaBytes) -> BackwardWriter {
        BackwardWriter(prepend_lease(self.0, lease))
    }

    /// Puts what has been built in front, which is read at once.
    #[cfg(all(feature = "beam", feature = "request"))]
    #[inline(always)] // size: inline-step
    pub(crate) fn payload(self, payload: Payload) -> BackwardWriter {
        // SAFETY: the host or a writer has written the bytes. They are free space by now, but nothing is written
        // there before they are read. `self.0` is the writer's.
        BackwardWriter(unsafe { prepend(self.0, payload.raw()) })
    }

    /// Where the text begins so far: an address.
    #[cfg(any(feature = "spark", feature = "plasma", feature = "beam"))]
    #[inline(always)] // size: inline-step
    pub(crate) fn mark(&self) -> u32 {
        self.0
    }

    /// Puts one byte in front.
    #[inline(always)] // size: inline-step
    pub(crate) fn byte(self, byte: u8) -> BackwardWriter {
        if self.0 <= floor() {
            return BackwardWriter(0);
        }
        let start = self.0 - 1;
        // SAFETY: as in `prepend`.
        unsafe { *at_address(start) = byte }
        BackwardWriter(start)
    }
}

/// The most digits that a number can have, and a sign.
const LONGEST_U32: u32 = 10 + 1;
const LONGEST_U64: u32 = 20 + 1;

/// Writing a number in decimal, last digit first. One for each word size, because 64-bit arithmetic costs
/// more.
macro_rules! decimal {
    ($(#[$inline:meta])* $decimal:ident, $digits:ident: $word:ty, $longest:ident) => {
        impl BackwardWriter {
            /// Puts a number in front, in decimal, with a minus sign before it if it is negative. It needs
            /// room for the longest of its size, however short it is.
            $(#[$inline])*
            pub(crate) fn $decimal(self, number: $word, is_negative: bool) -> BackwardWriter {
                let end = self.0;
                if u64::from(floor()) + u64::from($longest) > u64::from(end) {
                    return BackwardWriter(0); // size: decimal-room
                }
                // SAFETY: there is room for the longest number and a sign.
                let start = unsafe { $digits(end, number, is_negative) };
                // SAFETY: it wrote a digit at least, and no more than that, above the leases; and no address
                // in the arena is 0. (Callers then know that what comes in front of it fits, if it ends where
                // there is much more room.)
                unsafe {
                    core::hint::assert_unchecked(
                        end - $longest <= start && start < end && start != 0,
                    );
                }
                BackwardWriter(start)
            }
        }

        /// Writes digits and the sign in front of `at`; the new beginning.
        ///
        /// # Safety
        ///
        /// `at` is where a [`BackwardWriter`]'s text begins, and the room in front of it is at least as large
        /// as the longest number with a sign.
        #[inline] // size: one-copy
        unsafe fn $digits(mut at: u32, mut number: $word, is_negative: bool) -> u32 {
            loop {
                at -= 1;
                // SAFETY: a number of this size has no more digits than there is room for, which is free as in
                // `prepend`.
                unsafe { *at_address(at) = b'0' + (number % 10) as u8 };
                number /= 10;
                if number == 0 {
                    break;
                }
            }
            if is_negative {
                at -= 1;
                // SAFETY: and one byte more.
                unsafe { *at_address(at) = b'-' };
            }
            at
        }
    };
}
decimal!(
    #[inline] // size: one-copy
    decimal_u32, digits_u32: u32, LONGEST_U32
);
decimal!(
    #[inline(always)] // size: inline-step
    decimal_u64, digits_u64: u64, LONGEST_U64
);

/// Writes bytes in front of `at`, if there is room; the new beginning, or 0 if there is not.
///
/// # Safety
///
/// The bytes are initialised and can be read. `at` is where a [`BackwardWriter`]'s text begins.
#[inline(never)] // size: one-copy
pub(super) unsafe fn prepend(at: u32, bytes: *const [u8]) -> u32 {
    // In 64 bits nothing overflows, wherever in memory the arena lies and however long the slice is.
    let floor = u64::from(storage::origin()) + u64::from(LEASED.get());
    if floor + bytes.len() as u64 > u64::from(at) {
        return 0; // size: one-comparison
    }
    let start = at - bytes.len() as u32;
    // SAFETY: `at` began as `TOP` and only went down, and `LEASED` is not above `start`: this is
    // free space, in which no lease and no text lies and into which no reference leads (I3, I4, I7). The bytes may
    // lie there themselves (those of a growing text do).
    unsafe { core::ptr::copy(bytes.cast::<u8>(), at_address(start), bytes.len()) }
    start
}

/// Writes the bytes of a lease in front of `at` and gives the lease back.
#[inline] // size: prepend-lease
fn prepend_lease(at: u32, lease: ArenaBytes) -> u32 {
    // SAFETY: a reference points to initialised bytes; `at` is the writer's.
    unsafe { prepend(at, &*lease) }
}

/// The address below which the writer must not write.
#[inline] // size: inline-small
fn floor() -> u32 {
    storage::origin() + LEASED.get()
}
