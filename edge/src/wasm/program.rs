//! A compiled flare, and its instances.

use std::sync::Arc;

use wasmtime::{
    InstancePre, Module, ModuleExport, Store, StoreContextMut, TypedFunc, UpdateDeadline,
};

use crate::contract::WS_HANDLERS;
use crate::host::Host;
use crate::host::socket::WsEvent;
use crate::journal::Used;
use crate::wasm::failure::Failure;
use crate::wasm::info::FlareInfo;
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
    pre: InstancePre<Host>,
    exports: Exports,
    ticker: Arc<Ticker>,
    /// Whether the engine counts instructions.
    counts: bool,
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
    store: Store<Host>,
    program: Arc<Program>,
    instance: wasmtime::Instance,
}

impl Program {
    /// A compiled and linked module.
    pub(crate) fn new(
        pre: InstancePre<Host>,
        exports: Exports,
        ticker: Arc<Ticker>,
        counts: bool,
        info: FlareInfo,
    ) -> Self {
        Program {
            pre,
            exports,
            ticker,
            counts,
            info,
        }
    }

    /// A fresh instance.
    ///
    /// # Errors
    ///
    /// When there is no room for one, or its start function fails; with what was recorded until
    /// then.
    pub(crate) fn instantiate(
        self: &Arc<Self>,
        host: Host,
    ) -> Result<Instance, Box<(Host, Failure)>> {
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
                let failure = Failure::from_error(&error, store.data());
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
        Ok(Instance {
            store,
            program: self.clone(),
            instance,
        })
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
        let export = self.program.exports.handle_request.as_ref();
        let Some(function) =
            export.and_then(|export| typed::<(), i64>(&self.instance, &mut self.store, export))
        else {
            return Err(Failure::Missing("handle_request"));
        };
        let running = self.program.ticker.guest();
        let outcome = function.call(&mut self.store, ());
        drop(running);
        self.store.data_mut().end();
        match outcome {
            Ok(packed) => match packed as u64 >> 32 {
                1 => Ok(Action::Respond),
                2 => Ok(Action::Transform),
                3 => Ok(Action::PassThrough),
                _ => Err(Failure::BadAction(packed)),
            },
            Err(error) => Err(Failure::from_error(&error, self.store.data())),
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
                self.instance
                    .get_module_export(&mut self.store, export)?
                    .into_func()
            })
        else {
            return Err(Failure::Missing(name));
        };
        self.store.set_epoch_deadline(1);
        // The result is ignored, so it may be of any type, or none.
        let mut results = [wasmtime::Val::I64(0)];
        let count = function.ty(&self.store).results().len();
        let running = self.program.ticker.guest();
        let outcome = function.call(&mut self.store, &[], &mut results[..count]);
        drop(running);
        self.store.data_mut().end();
        outcome.map_err(|error| Failure::from_error(&error, self.store.data()))
    }

    /// What it has used so far, if the engine counts.
    pub(crate) fn used(&self) -> Option<Used> {
        let left = self.program.counts.then(|| self.store.get_fuel().ok())??;
        let memory = self.store.data().guest.memory;
        Some(Used {
            instructions: u64::MAX - left,
            memory: memory.map_or(0, |memory| memory.data_size(&self.store) as u64),
        })
    }

    /// The state.
    pub(crate) fn host(&mut self) -> &mut Host {
        self.store.data_mut()
    }

    /// Ends the instance and gives its state back.
    pub(crate) fn into_host(self) -> Host {
        self.store.into_data()
    }
}
