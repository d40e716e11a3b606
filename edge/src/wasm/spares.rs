//! Instances that have answered, restored to their initial state and kept for later requests.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use wasmtime::{Global, Instance, Module, ModuleExport, Store, Val};

use crate::host::Host;
use crate::sync::lock;
use crate::wasm::program::Live;

/// How many instances are kept at most, for all flares together.
pub(super) const MOST: usize = 64;

/// A flare's spare instances. There are at most as many as the machine has processors: a flare that answers quickly
/// never has more running at a time.
pub(super) struct Spares {
    kept: Mutex<Vec<Live>>,
    most: usize,
    /// How many are kept for all flares.
    all: Arc<AtomicUsize>,
    /// The globals that the module's functions change.
    globals: Vec<ModuleExport>,
    /// The state that each instance begins with.
    original: OnceLock<Original>,
}

impl Spares {
    /// None yet. `globals` are the exports that were added to the module; without one of them nothing can be kept.
    pub(super) fn new(
        module: &Module,
        globals: &[String],
        all: Arc<AtomicUsize>,
    ) -> Option<Spares> {
        let globals = globals.iter().map(|name| module.get_export_index(name));
        Some(Spares {
            kept: Mutex::default(),
            most: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            all,
            globals: globals.collect::<Option<_>>()?,
            original: OnceLock::new(),
        })
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        lock(&self.kept).len()
    }

    /// An instance's globals that its functions change.
    pub(super) fn globals(&self, instance: &Instance, store: &mut Store<Host>) -> Vec<Global> {
        let find = |export| {
            instance
                .get_module_export(&mut *store, export)?
                .into_global()
        };
        self.globals.iter().filter_map(find).collect()
    }

    /// Records the initial state of an instance that nobody has called yet.
    pub(super) fn see(&self, live: &mut Live) {
        self.original.get_or_init(|| Original::of(live));
    }

    /// A restored instance, if there is one.
    pub(super) fn take(&self) -> Option<Live> {
        let live = lock(&self.kept).pop()?;
        self.all.fetch_sub(1, Ordering::Relaxed);
        Some(live)
    }

    /// Keeps an instance whose guest has answered, if there is room for it, and restores its initial state
    /// first: nothing of a request remains in it while it waits.
    pub(super) fn keep(&self, mut live: Live) {
        if self.all.fetch_add(1, Ordering::Relaxed) < MOST
            && live.globals.len() == self.globals.len()
            && let Some(original) = self.original.get()
            && original.restore(&mut live)
        {
            let mut kept = lock(&self.kept);
            if kept.len() < self.most {
                return kept.push(live);
            }
        }
        self.all.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Spares {
    fn drop(&mut self) {
        let kept = lock(&self.kept).len();
        self.all.fetch_sub(kept, Ordering::Relaxed);
    }
}

/// The initial state of an instance.
struct Original {
    /// Its memory, up to the last byte that is not zero.
    memory: Vec<u8>,
    /// The whole memory's length.
    length: usize,
    globals: Vec<Val>,
}

impl Original {
    fn of(live: &mut Live) -> Original {
        let globals = live.globals.iter();
        let globals = globals.map(|global| global.get(&mut live.store)).collect();
        let memory = live.store.data().guest.memory;
        let memory = memory.map_or(&[][..], |memory| memory.data(&live.store));
        let used = memory.iter().rposition(|&byte| byte != 0);
        Original {
            memory: memory[..used.map_or(0, |last| last + 1)].to_vec(),
            length: memory.len(),
            globals,
        }
    }

    /// Restores this state. Returns `false` if the instance has more memory than initially, because memory cannot
    /// shrink.
    fn restore(&self, live: &mut Live) -> bool {
        let memory = live.store.data().guest.memory;
        let memory = memory.map_or(&mut [][..], |memory| memory.data_mut(&mut live.store));
        if memory.len() != self.length {
            return false;
        }
        let (begins, rest) = memory.split_at_mut(self.memory.len());
        begins.copy_from_slice(&self.memory);
        rest.fill(0);
        let mut globals = live.globals.iter().zip(&self.globals);
        globals.all(|(global, value)| global.set(&mut live.store, *value).is_ok())
    }
}
