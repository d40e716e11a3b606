//! Texts that are borrowed or leased, side by side: what a builder collects until it is used.

#![allow(
    unsafe_code,
    reason = "it reads texts that it keeps leased through references of its own"
)]

use core::marker::PhantomData;

use crate::arena::alloc::ArenaFull;
use crate::arena::lease::uncount_lease;
use crate::arena::str::ArenaStr;
use crate::bytes::split::same;

/// A text. If it is leased, the lease stays counted for as long as this lives, and its space is not given
/// back until no lease is alive.
#[derive(Debug, Default)]
pub(crate) struct KeptText<'a> {
    /// That of a lease lives as long as this does, and not `'a`: it must not be handed out for longer.
    text: &'a str,
    leases: Leases,
}

/// Up to `N` pairs of texts, likewise; a lease stays counted even when another text has taken its place.
#[derive(Debug)]
pub(crate) struct KeptPairs<'a, const N: usize> {
    /// As in [`KeptText`].
    pairs: [(&'a str, &'a str); N],
    /// How many there are; more than `N` were not kept.
    len: usize,
    leases: Leases,
}

/// How many leases were forgotten, to be counted off later. It stands apart from the texts so that what is
/// borrowed need not outlive them.
#[derive(Debug, Default)]
struct Leases {
    count: u32,
    /// Whether there was no room in the arena for one.
    is_full: bool,
    /// Keeps them on their thread: the arena's bookkeeping belongs to it.
    not_send: PhantomData<*mut u8>,
}

impl Leases {
    const fn new(count: u32) -> Leases {
        Leases {
            count,
            is_full: false,
            not_send: PhantomData,
        }
    }

    /// Takes those of another over.
    #[inline(always)] // size: inline-step
    fn take(&mut self, other: Leases) {
        self.is_full |= other.is_full;
        // With more than can be counted, some stay alive for ever.
        self.count = self.count.saturating_add(other.count);
        core::mem::forget(other);
    }
}

impl Drop for Leases {
    #[inline(always)] // size: inline-step
    fn drop(&mut self) {
        if self.count != 0 {
            uncount(self.count);
        }
    }
}

/// Counts leases off.
fn uncount(count: u32) {
    for _ in 0..count {
        uncount_lease(|| {});
    }
}

impl<'a> KeptText<'a> {
    /// A text that outlives the builder.
    #[inline(always)] // size: inline-step
    pub(crate) const fn borrowed(text: &'a str) -> KeptText<'a> {
        KeptText {
            text,
            leases: Leases::new(0),
        }
    }

    /// A text that the builder keeps alive.
    pub(crate) fn leased(lease: ArenaStr) -> KeptText<'a> {
        // SAFETY: the lease is forgotten, so its bytes stay leased (I3) and are not written to any more: by this
        // deref they are UTF-8. It is counted off when `leases` is dropped, which goes wherever the text goes,
        // and the text is not handed out for longer than that. Nothing is rolled back then, so it does not
        // matter which leases on top of it are still alive.
        let text = unsafe { &*core::ptr::from_ref::<str>(&lease) };
        core::mem::forget(lease);
        KeptText {
            text,
            leases: Leases::new(1),
        }
    }

    /// A copy in the arena of a text that nobody keeps alive.
    pub(crate) fn copied(text: &str) -> KeptText<'a> {
        let mut copy = ArenaStr::default();
        match copy.try_push_str(text) {
            Ok(()) => KeptText::leased(copy),
            Err(ArenaFull) => {
                let mut kept = KeptText::borrowed("");
                kept.leases.is_full = true;
                kept
            }
        }
    }

    /// The text.
    #[inline(always)] // size: inline-step
    pub(crate) fn get(&self) -> &str {
        self.text
    }

    /// Whether there was no room in the arena for it.
    #[inline(always)] // size: inline-step
    pub(crate) fn is_full(&self) -> bool {
        self.leases.is_full
    }
}

/// The same text; a copy of it if it is leased.
impl Clone for KeptText<'_> {
    fn clone(&self) -> Self {
        let mut clone = match self.leases.count {
            0 => KeptText::borrowed(self.text),
            _ => KeptText::copied(self.text),
        };
        clone.leases.is_full |= self.leases.is_full;
        clone
    }
}

impl<'a, const N: usize> KeptPairs<'a, N> {
    /// None yet.
    pub(crate) const fn new() -> KeptPairs<'a, N> {
        KeptPairs {
            pairs: [("", ""); N],
            len: 0,
            leases: Leases::new(0),
        }
    }

    /// The pairs.
    #[inline(always)] // size: inline-step
    pub(crate) fn as_slice<'s>(&'s self) -> &'s [(&'s str, &'s str)] {
        self.pairs.get(..self.len).unwrap_or(&self.pairs)
    }

    /// Adds a pair, or replaces the one of this name.
    #[inline(always)] // size: inline-step
    pub(crate) fn insert(&mut self, name: KeptText<'a>, value: KeptText<'a>) {
        let same = |pair: &(&str, &str)| same(pair.0.as_bytes(), name.text.as_bytes());
        let at = self.as_slice().iter().position(same).unwrap_or(self.len);
        if let Some(place) = self.pairs.get_mut(at) {
            *place = (name.text, value.text);
        }
        if at == self.len {
            self.len += 1;
        }
        self.leases.take(name.leases);
        self.leases.take(value.leases);
    }

    /// Whether there are more than are kept.
    #[inline(always)] // size: inline-step
    pub(crate) fn is_over(&self) -> bool {
        self.len > N
    }

    /// Whether there was no room in the arena for one of them.
    #[inline(always)] // size: inline-step
    pub(crate) fn is_full(&self) -> bool {
        self.leases.is_full
    }
}

impl<const N: usize> Default for KeptPairs<'_, N> {
    fn default() -> Self {
        KeptPairs::new()
    }
}

/// The same pairs; copies of them if any is leased.
impl<const N: usize> Clone for KeptPairs<'_, N> {
    fn clone(&self) -> Self {
        let keep = |text| match self.leases.count {
            0 => KeptText::borrowed(text),
            _ => KeptText::copied(text),
        };
        let mut clone = KeptPairs::new();
        clone.leases.is_full = self.leases.is_full;
        for (place, (name, value)) in clone.pairs.iter_mut().zip(&self.pairs) {
            let (name, value) = (keep(name), keep(value));
            *place = (name.text, value.text);
            clone.leases.take(name.leases);
            clone.leases.take(value.leases);
        }
        clone.len = self.len;
        clone
    }
}
