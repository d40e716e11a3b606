//! A lease whose parts may outlive it: its block is given back only when nothing is alive.

#![allow(
    unsafe_code,
    reason = "the parts deref to the arena's bytes, which the account keeps as they are"
)]

use core::marker::PhantomData;
use core::ops::Deref;

use crate::arena::block::{self, Packed};
use crate::arena::lease::{ArenaBytes, count_lease, count_unasked, uncount_lease};
use crate::arena::traits::like_str;
use crate::bytes::utf8;

/// The keys of a store: an iterator over [`Key`]s.
///
/// It is a lease on the host's list, decoded where it lies. If that is no array, there are no
/// keys; if something else than a string is in it, the keys end there.
pub struct Keys {
    packed: Packed,
    /// How much of the block has been read.
    at: u32,
    /// Keeps the lease on its thread: the arena's bookkeeping belongs to it.
    not_send: PhantomData<*mut u8>,
}

impl Keys {
    /// Takes the lease's block over, to which nobody writes any more.
    pub(crate) fn of_block(lease: ArenaBytes) -> Keys {
        Keys {
            packed: lease.into_packed(),
            at: 0,
            not_send: PhantomData,
        }
    }

    /// Hands out the next part. `find` gets the block and how much of it has been read, and gives
    /// what of it the part is. Behind the part there is a byte that ends it.
    #[inline(always)] // size: inline-step
    pub(crate) fn next_part(
        &mut self,
        find: impl for<'a> FnOnce(&'a [u8], u32) -> Option<&'a str>,
    ) -> Option<Key> {
        // SAFETY: nothing writes to the block, which stays leased (I3) until `drop`.
        let block = unsafe { block::bytes_of(self.packed) };
        let text = find(block, self.at)?;
        let start = (text.as_ptr().addr() - block.as_ptr().addr()) as u32;
        debug_assert!(block[start as usize..].starts_with(text.as_bytes()));
        self.at = start + text.len() as u32 + 1;
        let address = (self.packed.get() >> 32) + u64::from(start);
        let packed = Packed::new(address << 32 | text.len() as u64)?;
        count_lease();
        Some(Key {
            packed,
            not_send: PhantomData,
        })
    }
}

/// No keys.
impl Default for Keys {
    fn default() -> Keys {
        Keys::of_block(ArenaBytes::default())
    }
}

/// The same list, read as far; it takes no space.
impl Clone for Keys {
    fn clone(&self) -> Keys {
        count_unasked();
        Keys { ..*self }
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        release_part();
    }
}

/// A lease on a part of what the host wrote into the arena: a key of [`Keys`].
///
/// Derefs to `str`. It may outlive the [`Keys`] that it came from; the space of all of them is free
/// again when the last one is dropped (and no other lease is alive).
#[repr(transparent)]
pub struct Key {
    packed: Packed,
    /// Keeps the lease on its thread: the arena's bookkeeping belongs to it.
    not_send: PhantomData<*mut u8>,
}

impl Deref for Key {
    type Target = str;

    fn deref(&self) -> &str {
        // SAFETY: `Keys::next_part` made it from a part of its block that was `str`, and nothing writes
        // there. The block stays leased (I3) while a part of it lives: `release_part` frees it only when
        // nothing is alive (I5).
        unsafe { utf8::valid_str(block::bytes_of(self.packed)) }
    }
}

/// A lease on no text.
impl Default for Key {
    fn default() -> Key {
        count_unasked();
        Key {
            packed: block::EMPTY,
            not_send: PhantomData,
        }
    }
}

/// The same key; it takes no space.
impl Clone for Key {
    fn clone(&self) -> Key {
        count_unasked();
        Key { ..*self }
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        release_part();
    }
}

like_str!(Key, as_bytes);

/// Gives back the bytes of a block that is a part of another, or that has parts: its neighbours may
/// still live, so nothing is rolled back until nothing is alive.
fn release_part() {
    uncount_lease(|| {});
}
