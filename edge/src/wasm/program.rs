//! A compiled flare, and its instances.

use std::sync::Arc;

use wasmtime::{
    Global, InstancePre, Module, ModuleExport, Store, StoreContextMut, TypedFunc, UpdateDeadline,
};

use crate::contract::WS_HANDLERS;
use crate::host::socket::WsEvent;
use crate::host::{Host, Left};
use crate::journal::Used;
use crate::wasm::failure::Failure;
use crate::wasm::info::FlareInfo;
use crate::wasm::spares::Spares;
use crate::wasm::ticker::Ticker;

/// The exports of a module that the host uses.
pub(crate) struct Exports {
    memory: Option<ModuleExport>,
    handle_request: Option<ModuleExport>,
    ws: [Option<ModuleExport>; 3],
}

impl Exports {
    /// Finds them.
    pub(crate) fn find(module: &Module) -> Exports {
        Exports {
            memory: module.get_export_index("memory"),
            handle_request: module.get_export_index("handle_request"),
            ws: WS_HANDLERS.map(|name| module.get_export_index(name)),
        }
    }
}

/// A compiled flare, ready to be instantiated.
pub(crate) struct Program {
    pub(super) pre: InstancePre<Host>,
    pub(super) exports: Exports,
    pub(super) ticker: Arc<Ticker>,
    /// Whether the engine counts instructions.
    pub(super) counts: bool,
    /// By how many bytes its code was moved before it was compiled.
    pub(super) moved: usize,
    /// Instances that have answered, if they can be made as new.
    pub(super) spares: Option<Spares>,
    /// What it is.
    pub(crate) info: FlareInfo,
}

/// What a flare wants to happen with the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Respond,
    Transform,
    PassThrough,
}

/// An instance of a flare with its state. Once an invocation has failed it must be dropped: a trap
/// runs no destructors, so its memory cannot be trusted.
pub(crate) struct Instance {
    live: Live,
    program: Arc<Program>,
    /// Whether its guest has answered, and so left nothing undone.
    answered: bool,
}

/// What the engine has of an instance.
pub(super) struct Live {
    pub(super) store: Store<Host>,
    instance: wasmtime::Instance,
    /// The handler, once it was called.
    handle_request: Option<TypedFunc<(), i64>>,
    /// What has to be restored before another request may see it, besides the memory.
    pub(super) globals: Vec<Global>,
}

impl Program {
    /// An instance that no request has seen, or that is as if none had.
    ///
    /// # Errors
    ///
    /// When there is no room for one, or its start function fails; with what was recorded until
    /// then.
    pub(crate) fn instantiate(
        self: &Arc<Self>,
        host: Host,
    ) -> Result<Instance, Box<(Host, Failure)>> {
        let live = match self.spares.as_ref().and_then(Spares::take) {
            Some(mut live) => {
                live.begin(host);
                live
            }
            None => self.fresh(host)?,
        };
        Ok(Instance {
            live,
            program: self.clone(),
            answered: false,
        })
    }

    /// How many instances wait for a request.
    #[cfg(test)]
    pub(crate) fn kept(&self) -> usize {
        self.spares.as_ref().map_or(0, Spares::count)
    }

    fn fresh(&self, host: Host) -> Result<Live, Box<(Host, Failure)>> {
        let mut store = Store::new(self.pre.module().engine(), host);
        store.limiter(|host| &mut host.memory);
        if self.counts {
            // An error would mean that the engine does not count.
            let _ = store.set_fuel(u64::MAX);
        }
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|mut store: StoreContextMut<'_, Host>| {
            store.data_mut().tick()?;
            Ok(UpdateDeadline::Continue(1))
        });
        let running = self.ticker.guest();
        let instance = self.pre.instantiate(&mut store);
        drop(running);
        let instance = match instance {
            Ok(instance) => instance,
            Err(error) => {
                let failure = Failure::from_error(&error, store.data(), self.moved);
                return Err(Box::new((store.into_data(), failure)));
            }
        };
        let exports = &self.exports;
        let memory = exports.memory.as_ref().and_then(|export| {
            instance
                .get_module_export(&mut store, export)?
                .into_memory()
        });
        store.data_mut().guest.memory = memory;
        let mut live = Live {
            store,
            instance,
            handle_request: None,
            globals: Vec::new(),
        };
        if let Some(spares) = &self.spares {
            live.globals = spares.globals(&live.instance, &mut live.store);
            spares.see(&mut live);
        }
        Ok(live)
    }
}

impl Live {
    /// Begins the next request.
    fn begin(&mut self, mut host: Host) {
        let before = self.store.data_mut();
        // The exports that were found are the instance's.
        host.guest = std::mem::take(&mut before.guest);
        *before = host;
        self.store.set_epoch_deadline(1);
    }
}

fn typed<P: wasmtime::WasmParams, R: wasmtime::WasmResults>(
    instance: &wasmtime::Instance,
    store: &mut Store<Host>,
    export: &ModuleExport,
) -> Option<TypedFunc<P, R>> {
    let func = instance
        .get_module_export(&mut *store, export)?
        .into_func()?;
    func.typed(&*store).ok()
}

impl Instance {
    /// Handles the request in its state.
    ///
    /// # Errors
    ///
    /// When the guest fails or returns no action.
    pub(crate) fn handle_request(&mut self) -> Result<Action, Failure> {
        let Live {
            store,
            instance,
            handle_request,
            ..
        } = &mut self.live;
        if handle_request.is_none() {
            let export = self.program.exports.handle_request.as_ref();
            *handle_request =
                export.and_then(|export| typed::<(), i64>(instance, &mut *store, export));
        }
        let Some(function) = handle_request else {
            return Err(Failure::Missing("handle_request"));
        };
        let running = self.program.ticker.guest();
        let outcome = function.call(&mut *store, ());
        drop(running);
        store.data_mut().end();
        self.answered = outcome.is_ok();
        match outcome {
            Ok(packed) => match packed as u64 >> 32 {
                1 => Ok(Action::Respond),
                2 => Ok(Action::Transform),
                3 => Ok(Action::PassThrough),
                _ => Err(Failure::BadAction(packed)),
            },
            Err(error) => Err(Failure::from_error(
                &error,
                store.data(),
                self.program.moved,
            )),
        }
    }

    /// Handles a WebSocket event, which its state already describes.
    ///
    /// # Errors
    ///
    /// When the guest fails.
    pub(crate) fn handle_event(&mut self, event: WsEvent) -> Result<(), Failure> {
        let name = WS_HANDLERS[event as usize];
        let Some(function) = self.program.exports.ws[event as usize]
            .as_ref()
            .and_then(|export| {
                self.live
                    .instance
                    .get_module_export(&mut self.live.store, export)?
                    .into_func()
            })
        else {
            return Err(Failure::Missing(name));
        };
        let store = &mut self.live.store;
        store.set_epoch_deadline(1);
        // The result is ignored, so it may be of any type, or none.
        let mut results = [wasmtime::Val::I64(0)];
        let count = function.ty(&*store).results().len();
        let running = self.program.ticker.guest();
        let outcome = function.call(&mut *store, &[], &mut results[..count]);
        drop(running);
        store.data_mut().end();
        let moved = self.program.moved;
        outcome.map_err(|error| Failure::from_error(&error, store.data(), moved))
    }

    /// What it has used so far, if the engine counts.
    pub(crate) fn used(&self) -> Option<Used> {
        let store = &self.live.store;
        let left = self.program.counts.then(|| store.get_fuel().ok())??;
        let memory = store.data().guest.memory;
        Some(Used {
            instructions: u64::MAX - left,
            memory: memory.map_or(0, |memory| memory.data_size(store) as u64),
        })
    }

    /// The state.
    pub(crate) fn host(&mut self) -> &mut Host {
        self.live.store.data_mut()
    }

    /// Ends the invocation: what is left of it. If the guest has answered, the instance may be kept for another.
    pub(crate) fn end(mut self) -> Left {
        let left = self.host().leave();
        if let Some(spares) = &self.program.spares
            && self.answered
        {
            spares.keep(self.live);
        }
        left
    }
}
