//! The Wasm engine: its configuration, and compiling flares.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use wasmtime::{
    Config, InstanceAllocationStrategy, Linker, Module, PoolingAllocationConfig,
    WasmBacktraceDetails,
};

use crate::error::{Error, Result};
use crate::host::Host;
use crate::imports;
use crate::wasm::info::FlareInfo;
use crate::wasm::program::{Exports, Program};
use crate::wasm::renewal::Renewable;
use crate::wasm::spares::{MOST, Spares};
use crate::wasm::ticker::Ticker;

/// How many instances can exist at once: running requests, and WebSocket connections.
pub(crate) const MAX_INSTANCES: u32 = 2000;
/// The stack of a guest, in bytes. The thread's own stack must have room for it and for the host's
/// calls.
const GUEST_STACK: usize = 512 << 10;
/// How much of an instance's memory is cleared explicitly before it is used again, in bytes: a small
/// flare's stack and data, and the beginning of its arena. The rest is returned to the system, which
/// costs a page fault for each page that the next instance touches; clearing takes time for every
/// instance, whether it touches the memory or not.
const KEEP_RESIDENT: usize = 16 << 10;

/// The options of an engine.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Settings {
    /// Whether host calls are recorded.
    pub(crate) trace: bool,
    /// Whether instructions are counted, which slows guests down.
    pub(crate) count: bool,
}

/// The engine of a node, with the imports linked.
pub(crate) struct Engine {
    wasm: wasmtime::Engine,
    linker: Linker<Host>,
    ticker: Arc<Ticker>,
    counts: bool,
    /// How many instances of all flares are kept.
    spares: Arc<AtomicUsize>,
}

impl Engine {
    /// Starts an engine and the thread that enforces time limits.
    ///
    /// # Errors
    ///
    /// When the machine has too little memory for it.
    pub(crate) fn new(settings: Settings) -> Result<Engine> {
        let failed = |error: wasmtime::Error| {
            Error::new(format!("the Wasm engine could not be started: {error:#}"))
        };
        // The pool reserves a lot of address space (not memory). Where that is not available, each
        // instance allocates its own, which is slower.
        let config = |pooling| {
            let mut config = config(pooling);
            config.consume_fuel(settings.count);
            config
        };
        let wasm = wasmtime::Engine::new(&config(true))
            .or_else(|_| wasmtime::Engine::new(&config(false)))
            .map_err(failed)?;
        let mut linker = Linker::new(&wasm);
        imports::link(&mut linker).map_err(failed)?;
        if settings.trace {
            linker = imports::traced::link(&wasm, &Arc::new(linker)).map_err(failed)?;
        }
        let ticker = Ticker::start(&wasm)?;
        Ok(Engine {
            wasm,
            linker,
            ticker,
            counts: settings.count,
            spares: Arc::default(),
        })
    }

    /// How many instances of all flares wait for a request.
    #[cfg(test)]
    pub(crate) fn spares(&self) -> usize {
        self.spares.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Compiles a module and checks it against the contract.
    ///
    /// # Errors
    ///
    /// When it is not a flare; the message lists everything that is wrong with it.
    pub(crate) fn compile(&self, wasm: &[u8]) -> Result<Program> {
        // An instance that counts has counted what it takes to make one, too.
        let renewable = match self.counts {
            true => None,
            false => Renewable::from_module(wasm),
        };
        let compiled = renewable.and_then(|new| Some((self.module(&new.wasm).ok()?, new)));
        let (module, renewable) = match compiled {
            Some((module, renewable)) => (module, Some(renewable)),
            // What is wrong with it is said of the module as it is.
            None => (self.module(wasm)?, None),
        };
        let info = FlareInfo::from_module(&module, wasm);
        if let [first, more @ ..] = info.problems.as_slice() {
            let mut message = format!("not a flare: {first}");
            for problem in more {
                message.push_str("; ");
                message.push_str(problem);
            }
            return Err(Error::new(message));
        }
        let pre = self
            .linker
            .instantiate_pre(&module)
            .map_err(|error| Error::new(format!("not a flare: {error:#}")))?;
        Ok(Program {
            exports: Exports::find(&module),
            moved: renewable.as_ref().map_or(0, |renewable| renewable.moved),
            spares: renewable.and_then(|renewable| {
                Spares::new(&module, &renewable.globals, self.spares.clone())
            }),
            ticker: self.ticker.clone(),
            counts: self.counts,
            pre,
            info,
        })
    }

    /// What a module is, even if it is not a flare.
    ///
    /// # Errors
    ///
    /// When it is not valid Wasm.
    pub(crate) fn inspect(&self, wasm: &[u8]) -> Result<FlareInfo> {
        Ok(FlareInfo::from_module(&self.module(wasm)?, wasm))
    }

    fn module(&self, wasm: &[u8]) -> Result<Module> {
        if !wasm.starts_with(b"\0asm") {
            return Err(Error::new(
                "not a Wasm module: it does not begin with the bytes \"\\0asm\"",
            ));
        }
        // The layer in the header: 0 is a module, 1 a component.
        if wasm.get(6..8) == Some(&[1, 0]) {
            return Err(Error::new(
                "this is a WebAssembly component, and flares are modules: build for \
                 wasm32-unknown-unknown (not wasm32-wasip2), as a cdylib, and do not run it through \
                 `wasm-tools component`",
            ));
        }
        Module::from_binary(&self.wasm, wasm)
            .map_err(|error| Error::new(format!("not a valid Wasm module: {error:#}")))
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.ticker.end();
    }
}

fn config(pooling: bool) -> Config {
    let mut config = Config::new();
    config.epoch_interruption(true);
    config.max_wasm_stack(GUEST_STACK);
    // If a module has names and lines, failures show them; this costs nothing until one happens.
    config.wasm_backtrace_details(WasmBacktraceDetails::Enable);
    if pooling {
        let mut pool = PoolingAllocationConfig::new();
        // Those that are kept for later take nobody's place.
        let most = MAX_INSTANCES + MOST as u32;
        pool.total_core_instances(most);
        pool.total_memories(most);
        pool.total_tables(most);
        pool.max_memory_size(4 << 30);
        pool.linear_memory_keep_resident(KEEP_RESIDENT);
        pool.table_keep_resident(KEEP_RESIDENT);
        pool.max_unused_warm_slots(256);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    }
    config
}
