//! The Wasm engine: compiling flares once, running an instance for each invocation.

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;
use std::time::Duration;

use wasmtime::{
    Cache, CacheConfig, Config, ExternType, InstanceAllocationStrategy, InstancePre, Linker,
    Module, ModuleExport, PoolConcurrencyLimitError, PoolingAllocationConfig, Store,
    StoreContextMut, Trap, TypedFunc, UpdateDeadline, WasmBacktrace,
};

use crate::abi::{self, Import};
use crate::config::Kind;
use crate::error::{Error, Result};
use crate::host::{Host, TimeUp};

/// How often guests that compute are looked at.
const TICK: Duration = Duration::from_millis(2);
/// How many instances can live at once: requests that run, and WebSocket connections.
const MAX_INSTANCES: u32 = 2000;
/// The stack of a guest, in bytes. The thread's own must have room for it and the host's calls.
const GUEST_STACK: usize = 512 << 10;
/// How much of an instance's memory is cleared by hand when it is used again, in bytes; what lies
/// beyond goes back to the system, which costs a system call and page faults.
const KEEP_RESIDENT: usize = 64 << 10;

/// The engine of a node, with the imports linked.
pub(crate) struct Engine {
    wasm: wasmtime::Engine,
    linker: Linker<Host>,
    ticker: Arc<Ticker>,
}

impl Engine {
    /// Starts an engine and the thread that keeps its time. What it compiles is kept in the folder,
    /// if one is given, and not compiled again.
    ///
    /// # Errors
    ///
    /// When the machine has no room for it.
    pub fn new(cache: Option<&Path>) -> Result<Engine> {
        let failed = |error: wasmtime::Error| {
            Error::new(format!("the Wasm engine could not be started: {error:#}"))
        };
        // The pool reserves much address space (not memory). Where that is not to be had, each
        // instance gets its own, which is slower.
        let cache = cache.and_then(open_cache);
        let wasm = wasmtime::Engine::new(&config(true, cache.clone()))
            .or_else(|_| wasmtime::Engine::new(&config(false, cache)))
            .map_err(failed)?;
        let mut linker = Linker::new(&wasm);
        abi::link(&mut linker).map_err(failed)?;
        let ticker = Ticker::start(&wasm)?;
        Ok(Engine {
            wasm,
            linker,
            ticker,
        })
    }

    /// Compiles a module and checks it against the contract.
    ///
    /// # Errors
    ///
    /// When it is not a flare; the message lists everything that is wrong with it.
    pub fn compile(&self, wasm: &[u8]) -> Result<Program> {
        let module = self.module(wasm)?;
        let info = FlareInfo::of(&module, wasm.len());
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
            exports: Exports::of(&module),
            pre,
            info,
            ticker: self.ticker.clone(),
        })
    }

    /// What a module is, without the demand that it be a flare.
    ///
    /// # Errors
    ///
    /// When it is not valid Wasm.
    pub fn inspect(&self, wasm: &[u8]) -> Result<FlareInfo> {
        Ok(FlareInfo::of(&self.module(wasm)?, wasm.len()))
    }

    fn module(&self, wasm: &[u8]) -> Result<Module> {
        if !wasm.starts_with(b"\0asm") {
            return Err(Error::new(
                "not a Wasm module: it does not begin with the bytes \"\\0asm\"",
            ));
        }
        Module::from_binary(&self.wasm, wasm)
            .map_err(|error| Error::new(format!("not a valid Wasm module: {error:#}")))
    }
}

/// The thread that keeps the time of guests that run. It sleeps while none does, so an idle node
/// does nothing at all.
struct Ticker {
    /// How many guests run.
    running: AtomicUsize,
    /// Whether the thread sleeps until it is woken.
    asleep: AtomicBool,
    thread: OnceLock<Thread>,
    /// Whether the engine is gone.
    ended: AtomicBool,
}

/// How many ticks without a guest send the ticker to sleep.
const IDLE_TICKS: u32 = 100;

impl Ticker {
    fn start(engine: &wasmtime::Engine) -> Result<Arc<Ticker>> {
        let ticker = Arc::new(Ticker {
            running: AtomicUsize::new(0),
            asleep: AtomicBool::new(false),
            thread: OnceLock::new(),
            ended: AtomicBool::new(false),
        });
        let weak = engine.weak();
        let shared = ticker.clone();
        let thread = std::thread::Builder::new()
            .name("flaron-epoch".into())
            .spawn(move || shared.run(&weak))
            .map_err(|error| Error::new(format!("cannot start a thread: {error}")))?;
        let _ = ticker.thread.set(thread.thread().clone());
        Ok(ticker)
    }

    fn run(&self, engine: &wasmtime::EngineWeak) {
        let mut idle = 0;
        while !self.ended.load(Ordering::SeqCst)
            && let Some(engine) = engine.upgrade()
        {
            engine.increment_epoch();
            drop(engine);
            if self.running.load(Ordering::SeqCst) > 0 {
                idle = 0;
            } else {
                idle += 1;
            }
            if idle < IDLE_TICKS {
                std::thread::sleep(TICK);
                continue;
            }
            // Either this sees a guest that has just begun, or the guest sees this asleep.
            self.asleep.store(true, Ordering::SeqCst);
            while self.asleep.load(Ordering::SeqCst)
                && self.running.load(Ordering::SeqCst) == 0
                && !self.ended.load(Ordering::SeqCst)
            {
                std::thread::park();
            }
            self.asleep.store(false, Ordering::SeqCst);
            idle = 0;
        }
    }

    /// Says that a guest runs, until the returned guard is dropped.
    fn guest(self: &Arc<Self>) -> Running {
        self.running.fetch_add(1, Ordering::SeqCst);
        if self.asleep.load(Ordering::SeqCst) {
            self.wake();
        }
        Running(self.clone())
    }

    fn wake(&self) {
        self.asleep.store(false, Ordering::SeqCst);
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }
}

/// A guest runs while this lives.
struct Running(Arc<Ticker>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.ticker.ended.store(true, Ordering::SeqCst);
        self.ticker.wake();
    }
}

/// The cache of compiled modules in a folder; none, and a word about it, if it cannot be had.
fn open_cache(folder: &Path) -> Option<Cache> {
    let open = || {
        std::fs::create_dir_all(folder)?;
        let mut config = CacheConfig::new();
        config.with_directory(folder.canonicalize()?);
        Cache::new(config)
    };
    open()
        .inspect_err(|error| {
            tracing::warn!(
                "compiled flares are not kept in {}: {error:#}",
                folder.display()
            );
        })
        .ok()
}

fn config(pooling: bool, cache: Option<Cache>) -> Config {
    let mut config = Config::new();
    config.cache(cache);
    config.epoch_interruption(true);
    config.max_wasm_stack(GUEST_STACK);
    if pooling {
        let mut pool = PoolingAllocationConfig::new();
        pool.total_core_instances(MAX_INSTANCES);
        pool.total_memories(MAX_INSTANCES);
        pool.total_tables(MAX_INSTANCES);
        pool.max_memory_size(4 << 30);
        pool.linear_memory_keep_resident(KEEP_RESIDENT);
        pool.table_keep_resident(KEEP_RESIDENT);
        pool.max_unused_warm_slots(256);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    }
    config
}

/// What a module is: its size, imports, exports and memory.
#[derive(Debug, Clone)]
pub struct FlareInfo {
    /// The size of the `.wasm`, in bytes.
    pub size: usize,
    /// The `flaron/v1` imports, in the order of the contract.
    pub imports: Vec<&'static Import>,
    /// The names of the exports, in the module's order.
    pub exports: Vec<String>,
    /// The memory at the start, in bytes.
    pub memory: u64,
    /// The most that the module itself declares its memory may grow to, in bytes.
    pub max_memory: Option<u64>,
    /// What it serves by its exports; `None` if nothing.
    pub kind: Option<Kind>,
    /// What keeps it from being a flare, in words; empty for one that runs.
    pub problems: Vec<String>,
}

impl FlareInfo {
    fn of(module: &Module, size: usize) -> FlareInfo {
        let mut problems = Vec::new();
        let mut imports = Vec::new();
        for import in module.imports() {
            let full = format!("{}.{}", import.module(), import.name());
            if import.module() != abi::MODULE {
                problems.push(format!(
                    "it imports `{full}`, but flares import from `{}` only",
                    abi::MODULE
                ));
                continue;
            }
            let Some(known) = Import::named(import.name()) else {
                let nearest = abi::IMPORTS
                    .iter()
                    .min_by_key(|known| strsim::damerau_levenshtein(known.name, import.name()));
                let hint = nearest.map_or(String::new(), |known| {
                    format!(" (the nearest is `{}`)", known.name)
                });
                problems.push(format!(
                    "it imports `{full}`, which {} does not have{hint}",
                    abi::MODULE
                ));
                continue;
            };
            match import.ty() {
                ExternType::Func(ty) if known.accepts(&ty) => imports.push(known),
                ExternType::Func(ty) => problems.push(format!(
                    "it imports `{full}` as {}, but its type is {}",
                    abi::signature_of(&ty),
                    known.signature()
                )),
                _ => problems.push(format!(
                    "it imports `{full}`, but not as a function of type {}",
                    known.signature()
                )),
            }
        }
        imports.sort_by_key(|import| abi::IMPORTS.iter().position(|known| known == *import));
        imports.dedup();

        let export = |name| module.get_export(name);
        let (memory, max_memory) = match export("memory") {
            Some(ExternType::Memory(memory)) if !memory.is_64() && !memory.is_shared() => (
                memory.minimum() * memory.page_size(),
                memory.maximum().map(|max| max * memory.page_size()),
            ),
            Some(_) => {
                problems.push("its export `memory` is not a 32-bit memory".to_owned());
                (0, None)
            }
            None => {
                if imports.iter().any(|i| i.reads_memory() || i.allocates()) {
                    problems.push("it has no export `memory`".to_owned());
                }
                (0, None)
            }
        };
        // Whether there is such an export; one of another type (the first of the results is the
        // contract's, the others are accepted too) is a problem of its own.
        let mut has = |name: &'static str, params: &[abi::Val], results: &[Option<abi::Val>]| {
            let got = match export(name) {
                None => return false,
                Some(ExternType::Func(ty)) => {
                    if results
                        .iter()
                        .any(|&result| abi::is_type(&ty, params, result))
                    {
                        return true;
                    }
                    abi::signature_of(&ty)
                }
                Some(_) => "no function".to_owned(),
            };
            problems.push(format!(
                "its export `{name}` is {got}, but its type is {}",
                abi::signature(params, results[0])
            ));
            true
        };
        use abi::Val::{I32, I64};
        let has_alloc = has("alloc", &[I32], &[Some(I32)]);
        let has_http = has("handle_request", &[], &[Some(I64)]);
        // The C SDK's handlers have an i32; none is used.
        let handlers = WS_HANDLERS.map(|name| has(name, &[], &[Some(I64), Some(I32), None]));
        if !has_alloc && let Some(import) = imports.iter().find(|import| import.allocates()) {
            problems.push(format!(
                "it has no export `alloc` of type (i32) -> i32, but imports `{}`, whose result \
                 needs it",
                import.name
            ));
        }
        let has_ws = handlers.iter().any(|&has| has);
        if has_ws {
            for (name, has) in WS_HANDLERS.iter().zip(handlers) {
                if !has {
                    problems.push(format!(
                        "it has no export `{name}` of type () -> i64, but other WebSocket handlers"
                    ));
                }
            }
        }
        let kind = match (has_http, has_ws) {
            (true, true) => Some(Kind::Both),
            (true, false) => Some(Kind::Http),
            (false, true) => Some(Kind::WebSocket),
            (false, false) => {
                problems.push(
                    "it has neither the export `handle_request` of type () -> i64 (HTTP) nor \
                     `ws_open`, `ws_message`, `ws_close` (WebSocket)"
                        .to_owned(),
                );
                None
            }
        };
        FlareInfo {
            size,
            imports,
            exports: module
                .exports()
                .map(|export| export.name().to_owned())
                .collect(),
            memory,
            max_memory,
            kind,
            problems,
        }
    }
}

const WS_HANDLERS: [&str; 3] = ["ws_open", "ws_message", "ws_close"];

/// Where a module has the exports that the host uses.
struct Exports {
    memory: Option<ModuleExport>,
    alloc: Option<ModuleExport>,
    handle_request: Option<ModuleExport>,
    ws: [Option<ModuleExport>; 3],
}

impl Exports {
    fn of(module: &Module) -> Exports {
        Exports {
            memory: module.get_export_index("memory"),
            alloc: module.get_export_index("alloc"),
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
    /// What it is.
    pub info: FlareInfo,
}

/// What a flare wants done with the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Respond,
    Transform,
    PassThrough,
}

/// A WebSocket event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WsEvent {
    Open,
    Message,
    Close,
}

/// An instance of a flare with its state. Once an invocation has failed it must be dropped: a trap
/// runs no destructors, so what is in its memory is not to be trusted.
pub(crate) struct Instance {
    store: Store<Host>,
    program: Arc<Program>,
    instance: wasmtime::Instance,
}

impl Program {
    /// A fresh instance.
    ///
    /// # Errors
    ///
    /// When there is no room for one, or its start function fails; with what was said meanwhile.
    pub fn instantiate(self: &Arc<Self>, host: Host) -> Result<Instance, Box<(Host, Failure)>> {
        let mut store = Store::new(self.pre.module().engine(), host);
        store.limiter(|host| &mut host.memory);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|mut store: StoreContextMut<'_, Host>| {
            store.data_mut().clock.tick()?;
            Ok(UpdateDeadline::Continue(1))
        });
        let running = self.ticker.guest();
        let instance = self.pre.instantiate(&mut store);
        drop(running);
        let instance = match instance {
            Ok(instance) => instance,
            Err(error) => {
                let failure = Failure::of(&error, store.data());
                return Err(Box::new((store.into_data(), failure)));
            }
        };
        let exports = &self.exports;
        let memory = exports.memory.as_ref().and_then(|export| {
            instance
                .get_module_export(&mut store, export)?
                .into_memory()
        });
        let alloc = exports
            .alloc
            .as_ref()
            .and_then(|export| typed(&instance, &mut store, export));
        let guest = &mut store.data_mut().guest;
        guest.memory = memory;
        guest.alloc = alloc;
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
    /// Handles the request of its state.
    ///
    /// # Errors
    ///
    /// When the guest fails or answers with no action.
    pub fn handle_request(&mut self) -> Result<Action, Failure> {
        let export = self.program.exports.handle_request.as_ref();
        let Some(function) =
            export.and_then(|export| typed::<(), i64>(&self.instance, &mut self.store, export))
        else {
            return Err(Failure::Missing("handle_request"));
        };
        let running = self.program.ticker.guest();
        let outcome = function.call(&mut self.store, ());
        drop(running);
        match outcome {
            Ok(packed) => match packed as u64 >> 32 {
                1 => Ok(Action::Respond),
                2 => Ok(Action::Transform),
                3 => Ok(Action::PassThrough),
                _ => Err(Failure::BadAction(packed)),
            },
            Err(error) => Err(Failure::of(&error, self.store.data())),
        }
    }

    /// Handles a WebSocket event, which its state already tells of.
    ///
    /// # Errors
    ///
    /// When the guest fails.
    pub fn handle_event(&mut self, event: WsEvent) -> Result<(), Failure> {
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
        let _running = self.program.ticker.guest();
        function
            .call(&mut self.store, &[], &mut results[..count])
            .map_err(|error| Failure::of(&error, self.store.data()))
    }

    /// The state.
    pub fn host(&mut self) -> &mut Host {
        self.store.data_mut()
    }

    /// Ends the instance and gives its state back.
    pub fn into_host(self) -> Host {
        self.store.into_data()
    }
}

/// Why an invocation failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The guest trapped: the engine's words for it, and where.
    Trap(String),
    /// It computed for longer than it may.
    Timeout { limit_ms: u64 },
    /// It wanted more memory than it may have, and did not survive the refusal.
    Memory {
        wanted: usize,
        limit_mib: u64,
        trap: String,
    },
    /// It called itself too deeply.
    Stack,
    /// It returned no action.
    BadAction(i64),
    /// It has no such handler.
    Missing(&'static str),
    /// All instances are in use.
    Busy,
}

impl Failure {
    fn of(error: &wasmtime::Error, host: &Host) -> Failure {
        let limits = &host.flare.config.limits;
        if error.is::<TimeUp>() {
            return Failure::Timeout {
                limit_ms: limits.max_time_ms,
            };
        }
        if error.is::<PoolConcurrencyLimitError>() {
            return Failure::Busy;
        }
        let trap = error.downcast_ref::<Trap>();
        if trap == Some(&Trap::StackOverflow) {
            return Failure::Stack;
        }
        let mut message = match trap {
            Some(trap) => trap.to_string(),
            None => error.root_cause().to_string(),
        };
        if let Some(place) = place(error) {
            message = format!("{message}, {place}");
        }
        match host.memory.denied {
            Some(wanted) => Failure::Memory {
                wanted,
                limit_mib: limits.max_memory_mib,
                trap: message,
            },
            None => Failure::Trap(message),
        }
    }

    /// The status that the client gets.
    pub fn status(&self) -> http::StatusCode {
        use http::StatusCode;
        match self {
            Failure::Trap(_) | Failure::Stack | Failure::BadAction(_) => StatusCode::BAD_GATEWAY,
            Failure::Timeout { .. } => StatusCode::GATEWAY_TIMEOUT,
            Failure::Memory { .. } => StatusCode::INSUFFICIENT_STORAGE,
            Failure::Missing(_) => StatusCode::NOT_FOUND,
            Failure::Busy => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// One word for the client: the value of `x-flaron-error`.
    pub fn word(&self) -> &'static str {
        match self {
            Failure::Trap(_) => "trap",
            Failure::Timeout { .. } => "timeout",
            Failure::Memory { .. } => "memory",
            Failure::Stack => "stack",
            Failure::BadAction(_) => "bad-action",
            Failure::Missing(_) => "no-handler",
            Failure::Busy => "busy",
        }
    }
}

/// Where in the guest an error happened: the innermost functions that have names, or an offset.
fn place(error: &wasmtime::Error) -> Option<String> {
    let backtrace = error.downcast_ref::<WasmBacktrace>()?;
    let names: Vec<&str> = backtrace
        .frames()
        .iter()
        .filter_map(|frame| frame.func_name())
        .take(5)
        .collect();
    if names.is_empty() {
        let frame = backtrace.frames().first()?;
        return Some(match frame.module_offset() {
            Some(offset) => format!("in function {} at {offset:#x}", frame.func_index()),
            None => format!("in function {}", frame.func_index()),
        });
    }
    Some(format!("in {}", names.join(" < ")))
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Trap(trap) => write!(f, "the flare trapped: {trap}"),
            Failure::Timeout { limit_ms } => write!(
                f,
                "the flare computed for longer than {limit_ms} ms and was stopped \
                 (limits.max_time_ms)"
            ),
            Failure::Memory {
                wanted,
                limit_mib,
                trap,
            } => write!(
                f,
                "the flare ran out of memory: it asked for {wanted} bytes, and may have \
                 {limit_mib} MiB (limits.max_memory_mib); then: {trap}"
            ),
            Failure::Stack => write!(
                f,
                "the flare's stack overflowed: it calls itself too deeply, or without end"
            ),
            Failure::BadAction(packed) => write!(
                f,
                "handle_request returned {packed:#x}, which is no action: the high 32 bits must \
                 be 1 (Respond), 2 (Transform) or 3 (PassThrough)"
            ),
            Failure::Missing(name) => write!(f, "the flare has no export `{name}`"),
            Failure::Busy => write!(
                f,
                "all {MAX_INSTANCES} instances are in use; this request was turned away"
            ),
        }
    }
}
