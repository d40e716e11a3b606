//! Instances that have answered, made as new, and kept for the next requests.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use wasmtime::{Global, Instance, Module, ModuleExport, Store, Val};

use crate::host::Host;
use crate::sync::lock;
use crate::wasm::program::Live;

/// How many instances of all flares are kept at most.
pub(super) const MOST: usize = 64;

/// The instances of a flare that are kept. There are no more of them than the machine has processors: of a flare that
/// answers quickly, no more run at a time.
pub(super) struct Spares {
    kept: Mutex<Vec<Live>>,
    most: usize,
    /// How many are kept of all flares.
    all: Arc<AtomicUsize>,
    /// Where the module has the globals that its functions change.
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

    /// The globals of an instance that its functions change.
    pub(super) fn globals(&self, instance: &Instance, store: &mut Store<Host>) -> Vec<Global> {
        let find = |export| {
            instance
                .get_module_export(&mut *store, export)?
                .into_global()
        };
        self.globals.iter().filter_map(find).collect()
    }

    /// Takes note of the state of an instance that nobody has called yet.
    pub(super) fn see(&self, live: &mut Live) {
        self.original.get_or_init(|| Original::of(live));
    }

    /// One that is as new, if there is one.
    pub(super) fn take(&self) -> Option<Live> {
        let live = lock(&self.kept).pop()?;
        self.all.fetch_sub(1, Ordering::Relaxed);
        Some(live)
    }

    /// Keeps an instance whose guest has answered, if there is room for it, and makes it as new: nothing of a
    /// request remains in it while it waits.
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

/// What an instance begins with.
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

    /// Gives an instance this state; `false` if it has more memory than it began with, which cannot be taken from it.
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
