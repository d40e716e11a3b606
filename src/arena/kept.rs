//! Texts that are borrowed or leased, side by side: what a builder collects until it is used.

#![allow(
    unsafe_code,
    reason = "it reads texts that it keeps leased through references of its own"
)]

use core::marker::PhantomData;

use crate::arena::alloc::ArenaFull;
use crate::arena::lease::uncount_lease;
use crate::arena::str::ArenaStr;

/// `N` texts. A lease among them stays counted for as long as this lives, even when another text has
/// taken its place, and its space is not given back until no lease is alive.
#[derive(Debug)]
pub(crate) struct KeptTexts<'a, const N: usize> {
    /// Those of leases live as long as this does, and not `'a`: they must not be handed out for longer.
    texts: [&'a str; N],
    leases: Leases,
    is_full: bool,
}

/// How many leases were forgotten, to be counted off later. It stands apart from the texts so that what is
/// borrowed need not outlive them.
#[derive(Debug)]
struct Leases {
    count: u32,
    /// Keeps them on their thread: the arena's bookkeeping belongs to it.
    not_send: PhantomData<*mut u8>,
}

impl Drop for Leases {
    #[inline(always)] // size: inline-step
    fn drop(&mut self) {
        for _ in 0..self.count {
            uncount_lease(|| {});
        }
    }
}

impl<'a, const N: usize> KeptTexts<'a, N> {
    const fn of(texts: [&'a str; N], count: u32) -> KeptTexts<'a, N> {
        KeptTexts {
            texts,
            leases: Leases {
                count,
                not_send: PhantomData,
            },
            is_full: false,
        }
    }

    /// Empty texts.
    pub(crate) const fn new() -> KeptTexts<'a, N> {
        KeptTexts::of([""; N], 0)
    }

    /// Whether there was no room in the arena for one of them.
    pub(crate) fn is_full(&self) -> bool {
        self.is_full
    }

    /// A text; an empty one if there are not so many.
    #[inline(always)] // size: inline-step
    pub(crate) fn get(&self, at: usize) -> &str {
        self.texts.get(at).copied().unwrap_or_default()
    }

    /// Puts a text in a place, if there are so many.
    #[inline(always)] // size: inline-step
    pub(crate) fn put(&mut self, at: usize, text: KeptTexts<'a, 1>) {
        if let Some(place) = self.texts.get_mut(at) {
            *place = text.texts[0];
        }
        self.is_full |= text.is_full;
        // With more than can be counted, some stay alive for ever.
        self.leases.count = self.leases.count.saturating_add(text.leases.count);
        core::mem::forget(text.leases);
    }
}

impl<'a> KeptTexts<'a, 1> {
    /// A text that outlives the builder.
    #[inline(always)] // size: inline-step
    pub(crate) const fn borrowed(text: &'a str) -> KeptTexts<'a, 1> {
        KeptTexts::of([text], 0)
    }

    /// A text that the builder keeps alive.
    pub(crate) fn leased(lease: ArenaStr) -> KeptTexts<'a, 1> {
        // SAFETY: the lease is forgotten, so its bytes stay leased (I3) and are not written to any more: by this
        // deref they are UTF-8. It is counted off when `leases` is dropped, which goes wherever the text goes,
        // and the text is not handed out for longer than that. Nothing is rolled back then, so it does not
        // matter which leases on top of it are still alive.
        let text = unsafe { &*core::ptr::from_ref::<str>(&lease) };
        core::mem::forget(lease);
        KeptTexts::of([text], 1)
    }

    /// A copy in the arena of a text that nobody keeps alive.
    pub(crate) fn copied(text: &str) -> KeptTexts<'a, 1> {
        let mut copy = ArenaStr::default();
        match copy.try_push_str(text) {
            Ok(()) => KeptTexts::leased(copy),
            Err(ArenaFull) => KeptTexts {
                is_full: true,
                ..KeptTexts::new()
            },
        }
    }
}

impl<const N: usize> Default for KeptTexts<'_, N> {
    fn default() -> Self {
        KeptTexts::new()
    }
}

/// The same texts. If some are leased, all are copied.
impl<'a, const N: usize> Clone for KeptTexts<'a, N> {
    fn clone(&self) -> KeptTexts<'a, N> {
        let mut copy = KeptTexts::new();
        copy.is_full = self.is_full;
        if self.leases.count == 0 {
            copy.texts = self.texts;
        } else {
            for at in 0..N {
                copy.put(at, KeptTexts::copied(self.get(at)));
            }
        }
        copy
    }
}
