//! A hostile host, against the SDK as real Wasm: every function of the SDK is called while the
//! imports return nothing, random numbers, wild pointers, bytes that are not text, or malicious JSON. A
//! call may return an error or an empty value, and those in
//! `TRAPS`, which have no way to say so, may trap as documented; no other call may trap, and none may
//! give away bytes from outside the arena, or text that is not UTF-8, change what is leased
//! to somebody else, or write anywhere but into the arena and the stack.

use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use flaron_tests::cargo::{Crate, workspace};
use flaron_tests::random::Random;
use wasmparser::{DataKind, Operator, Parser, Payload};
use wasmtime::{
    Caller, Config, Engine, Error, Extern, Instance, Linker, Memory, Module, Result, Store, Trap,
    TypedFunc, Val, ValType,
};

const PROBE: &str = include_str!("../../hostile/probe.rs");

/// The functions that give a bare value, and are documented to trap if the host refuses or lies: at
/// `unreachable`, and only where they are called by themselves. (All else that the probe calls has an
/// error or an empty value for it.)
const TRAPS: [&str; 21] = [
    "request::method",
    "request::method_is",
    "request::url",
    "request::path",
    "request::target",
    "request::query",
    "request::body",
    "spark::list",
    "plasma::list",
    "encoding::base64_encode",
    "encoding::hex_encode",
    "encoding::url_encode",
    "time::now",
    "time::now_ms",
    "time::now_unix",
    "time::now_rfc3339",
    "time::now_http",
    "ws::conn_id",
    "ws::event_type",
    "ws::event_data",
    "ws::event_text",
];

/// The seed of all random choices.
const SEED: u64 = 0x5eed_0001;
/// How many calls the host makes while another is running: all but the last, which leaks.
const NESTED: usize = 175;
/// The fuel of an invocation: far more than any needs, so only an endless loop runs out of it.
const FUEL: u64 = 200_000_000;
/// What the honest answer is, and the text that the flare keeps in its scratch.
const HELD: &[u8] = b"what is held must stay as it is: \xff\xfe";
const KEPT: &[u8] = b"kept feedbeef.";
/// The value that free bytes of the arena are filled with.
const FREE: u8 = 0xa5;
/// The bookkeeping of the arena: six words, two of twice the size, and what aligns them; it lies right
/// before the arena.
const WORDS: usize = 12 * 4;
/// Where in it the host's last answer to a text that asks is: any two numbers.
const ANSWER: Range<usize> = 6 * 4..8 * 4;

/// How an import answers.
#[derive(Debug, Clone)]
enum Trick {
    /// A packed value as it is, and a status code.
    Value(i64, i32),
    /// Any numbers.
    Random,
    /// An address and a length, with a block allocated before or not. The address counts from the
    /// arena's beginning, its end, the memory's end, or 0.
    Anywhere {
        allocate: i32,
        from: From,
        by: i64,
        len: u32,
    },
    /// These bytes in a block of their own, and then their place and length, distorted.
    Bytes {
        bytes: Vec<u8>,
        start: i64,
        len: i64,
    },
    /// Several blocks, of which this one is returned, or all as one.
    Blocks {
        sizes: &'static [i32],
        which: usize,
    },
    /// All of the arena that is free, full of these bytes; `short` bytes are left over.
    Full {
        with: &'static [u8],
        short: i32,
    },
    /// All of it, in small blocks, until there is none, and then nothing.
    Exhausted,
    /// All of it, to the last byte, and then nothing.
    Forgotten,
    /// All of it where nothing can be returned, and then that from a call which allocates nothing.
    Earlier,
    /// What is leased already, or the argument of the call itself.
    Held,
    Argument,
    /// The flare is called again meanwhile; then these bytes.
    Nested(usize),
    /// One of the others at random for each call.
    Any,
}

#[derive(Debug, Clone, Copy)]
enum From {
    Zero,
    Arena,
    ArenaEnd,
    MemoryEnd,
}

/// The host's state.
struct Host {
    memory: Option<Memory>,
    arena: Range<usize>,
    tricks: &'static [Trick],
    trick: Trick,
    random: Random,
    /// The next answer must be honest.
    honest: bool,
    /// Where the honest answer lies, as it was packed.
    held: i64,
    /// What was allocated in a call that returns no data.
    earlier: i64,
    /// The nesting depth of invocations.
    depth: usize,
    /// The calls in progress, the innermost last.
    running: Vec<usize>,
    /// Up to where blocks were allocated, and from where on the flare's own text lies.
    low: usize,
    high: usize,
    /// Whether a text may have grown, upwards, behind the blocks: how many times as long as they are; 0
    /// if none has.
    grew: usize,
    /// What the flare showed: how often `held` and `kept`, and any values.
    shown: [usize; 3],
}

type Context<'a> = Caller<'a, Host>;

fn wrong<T>(what: impl Into<String>) -> Result<T> {
    Err(Error::msg(what.into()))
}

/// Calls the flare's `alloc`, which must answer 0 or the address of a block in the arena.
fn alloc(caller: &mut Context<'_>, size: i32) -> Result<usize> {
    let export = caller.get_export("alloc").and_then(Extern::into_func);
    let alloc = export.unwrap().typed::<i32, i32>(&caller)?;
    let at = match alloc.call(&mut *caller, size) {
        Ok(at) => at as u32 as usize,
        // This is never a documented trap.
        Err(error) => return wrong(format!("alloc({size}): {error:?}")),
    };
    let host = caller.data_mut();
    if at == 0 {
        return Ok(0);
    }
    if size <= 0
        || !at.is_multiple_of(8)
        || at < host.arena.start
        || at + size as usize > host.arena.end
    {
        let (arena, memory) = (host.arena.clone(), host.memory.unwrap());
        let words = &memory.data(&caller)[words(&arena)];
        return wrong(format!(
            "alloc({size}) is {at:#x} of {arena:#x?}, words {words:x?}"
        ));
    }
    host.low = host.low.max(at + size as usize);
    Ok(at)
}

/// A block with these bytes, or 0 if there is none.
fn block(caller: &mut Context<'_>, bytes: &[u8]) -> Result<usize> {
    let at = alloc(caller, bytes.len().max(1) as i32)?;
    if at != 0 {
        let memory = caller.data().memory.unwrap();
        memory.write(&mut *caller, at, bytes)?;
    }
    Ok(at)
}

fn packed(at: i64, len: i64) -> i64 {
    i64::from(at as u32) << 32 | i64::from(len as u32)
}

/// Answers a call of an import.
fn answer(
    caller: &mut Context<'_>,
    arguments: &[Range<usize>],
    has_data: bool,
) -> Result<(i64, i32)> {
    if std::mem::take(&mut caller.data_mut().honest) {
        let at = block(caller, HELD)?;
        let host = caller.data_mut();
        host.held = match at {
            0 if host.depth == 0 => return wrong("an invocation begins without room"),
            // The one around it may have all of the arena.
            0 => 0,
            at => packed(at as i64, HELD.len() as i64),
        };
        return Ok((host.held, 0));
    }
    let host = caller.data_mut();
    let mut trick = host.trick.clone();
    if let Trick::Any = trick {
        let at = host.random.below(host.tricks.len());
        trick = host.tricks[at].clone();
    }
    let code = host.random.number() as i32 % 12;
    let value = match trick {
        Trick::Value(value, code) => return Ok((value, code)),
        Trick::Random => {
            let value = caller.data_mut().random.number() as i64;
            return Ok((value, caller.data_mut().random.number() as i32));
        }
        Trick::Anywhere {
            allocate,
            from,
            by,
            len,
        } => {
            if allocate != 0 {
                alloc(caller, allocate)?;
            }
            let host = caller.data();
            let from = match from {
                From::Zero => 0,
                From::Arena => host.arena.start,
                From::ArenaEnd => host.arena.end,
                From::MemoryEnd => host.memory.unwrap().data_size(&caller),
            };
            packed(from as i64 + by, len.into())
        }
        Trick::Bytes { bytes, start, len } => match block(caller, &bytes)? {
            0 => 0,
            at => packed(at as i64 + start, bytes.len() as i64 + len),
        },
        Trick::Blocks { sizes, which } => {
            let mut blocks = Vec::new();
            for &size in sizes {
                blocks.push((alloc(caller, size)?, size));
            }
            match blocks.get(which) {
                Some(&(at, size)) => packed(at as i64, size.into()),
                None => {
                    let (first, (last, size)) = (blocks[0].0, blocks[blocks.len() - 1]);
                    packed(first as i64, last as i64 + i64::from(size) - first as i64)
                }
            }
        }
        Trick::Full { with, short } => {
            let room = room(caller)? - short;
            let room = room.max(0) as usize;
            let mut bytes = with.repeat(room / with.len() + 1);
            bytes.truncate(room);
            match block(caller, &bytes)? {
                0 => 0,
                at => packed(at as i64, bytes.len() as i64),
            }
        }
        Trick::Exhausted => {
            let (mut size, mut last) = (1 << 16, 0);
            while size > 0 {
                match alloc(caller, size)? {
                    0 => size /= 2,
                    at => last = packed(at as i64, size.into()),
                }
            }
            if code % 2 == 0 { 0 } else { last }
        }
        Trick::Forgotten => {
            let room = room(caller)?;
            if room > 0 {
                alloc(caller, room)?;
            }
            0
        }
        Trick::Earlier => {
            if !has_data {
                let room = room(caller)?;
                let at = alloc(caller, room)?;
                caller.data_mut().earlier = packed(at as i64, room.into());
            }
            caller.data().earlier
        }
        Trick::Held => caller.data().held,
        Trick::Argument => match arguments.last() {
            Some(argument) => packed(argument.start as i64, argument.len() as i64),
            None => caller.data().held,
        },
        Trick::Nested(call) => {
            if caller.data().depth == 0 {
                let held = caller.data().held;
                let host = caller.data_mut();
                host.grew = host.grew.max(grows(call));
                host.running.push(call);
                let export = caller.get_export("probe").and_then(Extern::into_func);
                let probe = export.unwrap().typed::<u32, ()>(&caller)?;
                caller.data_mut().depth += 1;
                probe.call(&mut *caller, call as u32)?;
                let host = caller.data_mut();
                host.depth -= 1;
                host.running.pop();
                host.held = held;
            }
            match block(caller, b"{\"status\":200,\"headers\":{},\"body\":\"x\"}")? {
                0 => 0,
                at => packed(at as i64, 38),
            }
        }
        Trick::Any => unreachable!(),
    };
    Ok((value, code))
}

/// The largest block that can be allocated.
fn room(caller: &mut Context<'_>) -> Result<i32> {
    // What `alloc` refuses costs nothing, and what it grants is a block less.
    let arena = caller.data().arena.clone();
    let (mut granted, mut refused) = (0, arena.len() as i32 + 1);
    let memory = caller.data().memory.unwrap();
    let words = words(&arena);
    let before = memory.data(&caller)[words.clone()].to_vec();
    let low = caller.data().low;
    while refused - granted > 1 {
        let size = granted + (refused - granted) / 2;
        match alloc(caller, size)? {
            0 => refused = size,
            _ => granted = size,
        }
        // Only a probe, so the state is restored.
        memory.write(&mut *caller, words.start, &before)?;
        caller.data_mut().low = low;
    }
    Ok(granted)
}

fn words(arena: &Range<usize>) -> Range<usize> {
    arena.start - WORDS..arena.start
}

/// Names and arguments of an import as the ABI has them: bytes first, then numbers.
fn link(linker: &mut Linker<Host>, module: &Module) {
    for import in module.imports() {
        let ty = import.ty();
        let ty = ty.unwrap_func().clone();
        let result = ty.results().next();
        let ints = ty.params().filter(|ty| matches!(ty, ValType::I32)).count();
        let name = import.name().to_owned();
        let ours = import.module() == "probe";
        assert!(ours || import.module() == "flaron/v1", "{name}");
        let call = move |mut caller: Context<'_>, params: &[Val], results: &mut [Val]| {
            let mut arguments = Vec::new();
            for pair in params[..ints / 2 * 2].chunks(2) {
                let (at, len) = (pair[0].unwrap_i32() as u32, pair[1].unwrap_i32() as u32);
                let argument = at as usize..at as usize + len as usize;
                let memory = caller.data().memory.unwrap();
                if argument.end > memory.data_size(&caller) {
                    return wrong(format!("{name} gets {argument:#x?}, outside of the memory"));
                }
                note(caller.data_mut(), &argument);
                arguments.push(argument);
            }
            if ours {
                return shown(&mut caller, &name, arguments.pop());
            }
            check_arguments(&caller, &name, &arguments)?;
            let has_data = matches!(result, Some(ValType::I64));
            let (value, code) = answer(&mut caller, &arguments, has_data)?;
            match &result {
                Some(ValType::I64) => results[0] = Val::I64(value),
                Some(_) => results[0] = Val::I32(code),
                None => {}
            }
            Ok(())
        };
        linker
            .func_new(import.module(), import.name(), ty, call)
            .unwrap();
    }
}

/// Remembers how far down the flare's own text reaches: what lies in the arena above all blocks. What
/// begins right behind them has grown from there.
fn note(host: &mut Host, bytes: &Range<usize>) {
    if bytes.is_empty() || bytes.start < host.low || bytes.end > host.arena.end {
        return;
    }
    if host.grew != 0 && bytes.start < host.low + 8 {
        host.low = bytes.end;
    } else {
        host.high = host.high.min(bytes.start);
    }
}

/// What the flare writes itself is JSON where the ABI says so, whatever went into it.
fn check_arguments(caller: &Context<'_>, name: &str, arguments: &[Range<usize>]) -> Result<()> {
    let json = name.starts_with("crypto_") && name != "crypto_random_bytes"
        || matches!(name, "beam_fetch" | "id_uuid" | "timestamp" | "spark_pull");
    let Some(argument) = arguments.last().filter(|_| json) else {
        return Ok(());
    };
    let memory = caller.data().memory.unwrap();
    let bytes = &memory.data(caller)[argument.clone()];
    let text = String::from_utf8_lossy(bytes);
    let running = caller.data().running.last();
    let running = running.map_or("", |call| &sources()[*call]);
    let forwards = running.starts_with("beam::forward(");
    if forwards && !text.starts_with("{\"headers\":{") {
        // A host that enters the flare while a text grows can have its beginning written over: see SECURITY.md.
        return Ok(());
    }
    if !forwards && !running.starts_with("crypto::verify_") {
        // Those take bytes, which stay as they are if they are no text; the others take text.
        if let Err(error) = std::str::from_utf8(bytes) {
            return wrong(format!("{name} gets {text:?}: {error}"));
        }
    }
    match serde_json::from_str::<serde_json::Value>(&text) {
        Ok(_) => Ok(()),
        Err(error) => wrong(format!("{name} gets {text:?}: {error}")),
    }
}

/// The flare passes something to the host for inspection.
fn shown(caller: &mut Context<'_>, name: &str, bytes: Option<Range<usize>>) -> Result<()> {
    let Some(bytes) = bytes else {
        caller.data_mut().honest = true;
        return Ok(());
    };
    let memory = caller.data().memory.unwrap();
    let content = &memory.data(&caller)[bytes.clone()];
    let arena = &caller.data().arena;
    let which = match name {
        "held" if content == HELD || content.is_empty() && caller.data().held == 0 => 0,
        "kept" if content == KEPT => 1,
        "held" | "kept" => return wrong(format!("{name} is {content:x?}")),
        "panicked" => {
            return wrong(format!("a panic in {}", String::from_utf8_lossy(content)));
        }
        "text" if std::str::from_utf8(content).is_err() => {
            return wrong(format!("text is {content:x?}"));
        }
        // A value of the host's lies in the arena; what the probe writes, on the stack.
        _ if bytes.is_empty() || bytes.end <= arena.start => 2,
        _ if bytes.start >= arena.start && bytes.end <= arena.end => 2,
        _ => {
            return wrong(format!(
                "{name} lies at {bytes:#x?}, the arena at {arena:#x?}"
            ));
        }
    };
    caller.data_mut().shown[which] += 1;
    Ok(())
}

/// The probe, built and compiled, and what is known of its memory.
struct Probe {
    engine: Engine,
    module: Module,
    linker: Linker<Host>,
    /// The stack, which is first, and the data segments.
    stack: Range<usize>,
    data: Vec<Range<usize>>,
    tricks: Vec<Trick>,
}

fn probe() -> &'static Probe {
    static PROBE_ONCE: OnceLock<Probe> = OnceLock::new();
    PROBE_ONCE.get_or_init(|| {
        let all = [
            "request", "response", "beam", "spark", "plasma", "secrets", "crypto", "encoding",
            "id", "time", "logging", "ws", "json",
        ];
        let mut krate = Crate::new("hostile", &all);
        krate.add("probe", PROBE);
        let wasm = std::fs::read(&krate.build()["probe"]).unwrap();

        let (mut stack, mut data) = (0..0, Vec::new());
        for payload in Parser::new(0).parse_all(&wasm) {
            match payload.unwrap() {
                Payload::GlobalSection(section) => {
                    // The first is the stack pointer.
                    let first = section.into_iter().next().unwrap().unwrap();
                    assert!(first.ty.mutable);
                    stack = 0..constant(first.init_expr);
                }
                Payload::DataSection(section) => {
                    for segment in section {
                        let segment = segment.unwrap();
                        let DataKind::Active { offset_expr, .. } = segment.kind else {
                            panic!("a passive segment")
                        };
                        let start = constant(offset_expr);
                        data.push(start..start + segment.data.len());
                    }
                }
                _ => {}
            }
        }
        assert!(!stack.is_empty() && !data.is_empty());
        assert!(data.iter().all(|segment| segment.start >= stack.end));

        let mut config = Config::new();
        config.consume_fuel(true);
        let engine = Engine::new(&config).unwrap();
        let module = Module::new(&engine, &wasm).unwrap();
        let mut linker = Linker::new(&engine);
        link(&mut linker, &module);
        Probe {
            engine,
            module,
            linker,
            stack,
            data,
            tricks: tricks(),
        }
    })
}

fn constant(expression: wasmparser::ConstExpr<'_>) -> usize {
    match expression.get_operators_reader().read().unwrap() {
        Operator::I32Const { value } => value as usize,
        other => panic!("{other:?}"),
    }
}

/// An instance of the probe.
struct Run {
    store: Store<Host>,
    instance: Instance,
    memory: Memory,
    /// The memory as it was before anything ran.
    before: Vec<u8>,
    probe: TypedFunc<u32, ()>,
    alloc: TypedFunc<i32, i32>,
    reset: TypedFunc<(), ()>,
    /// A full arena of free bytes.
    free: Vec<u8>,
}

impl Run {
    fn new(seed: u64) -> Run {
        let probe = probe();
        let host = Host {
            memory: None,
            arena: 0..0,
            tricks: &probe.tricks,
            trick: Trick::Value(0, 0),
            random: Random(seed | 1),
            honest: false,
            held: 0,
            earlier: 0,
            depth: 0,
            running: Vec::new(),
            low: 0,
            high: 0,
            grew: 0,
            shown: [0; 3],
        };
        let mut store = Store::new(&probe.engine, host);
        store.set_fuel(FUEL).unwrap();
        let instance = probe.linker.instantiate(&mut store, &probe.module).unwrap();
        let memory = instance.get_memory(&mut store, "memory").unwrap();
        let before = memory.data(&store).to_vec();
        let alloc: TypedFunc<i32, i32> = instance.get_typed_func(&mut store, "alloc").unwrap();
        let size: TypedFunc<(), u32> = instance.get_typed_func(&mut store, "arena_bytes").unwrap();
        let size = size.call(&mut store, ()).unwrap() as usize;
        // The first block of a fresh instance is where the arena begins.
        let start = alloc.call(&mut store, 1).unwrap() as usize;
        let arena = start..start + size;
        assert!(arena.end <= before.len());
        let words = words(&arena);
        for segment in [&probe.stack].into_iter().chain(&probe.data) {
            assert!(segment.end <= words.start || segment.start >= arena.end);
        }
        store.data_mut().memory = Some(memory);
        store.data_mut().arena = arena;
        let reset = instance.get_typed_func(&mut store, "reset").unwrap();
        let export = instance.get_typed_func(&mut store, "probe").unwrap();
        Run {
            store,
            instance,
            memory,
            before,
            probe: export,
            alloc,
            reset,
            free: vec![FREE; size],
        }
    }

    /// One invocation, and everything that must hold afterwards. `Err` tells what does not; `false` that
    /// the call trapped as it may, after which the instance must not be entered again.
    fn invoke(&mut self, call: u32, trick: &Trick, leaks: bool) -> Result<bool> {
        let arena = self.store.data().arena.clone();
        if !leaks {
            // Nothing is alive: all of it is free, and can be recognised.
            self.memory.data_mut(&mut self.store)[arena.clone()].copy_from_slice(&self.free);
        }
        let host = self.store.data_mut();
        host.trick = trick.clone();
        host.honest = false;
        host.depth = 0;
        host.held = 0;
        host.running = vec![call as usize];
        host.earlier = 0;
        (host.low, host.high) = (arena.start, arena.end);
        host.grew = grows(call as usize);
        host.shown = [0; 3];
        self.store.set_fuel(FUEL)?;
        if let Err(error) = self.probe.call(&mut self.store, call) {
            self.trapped(error)?;
            return Ok(false);
        }

        let host = self.store.data();
        if host.shown[0] == 0 {
            return wrong("nothing was held");
        }
        let (mut low, mut high) = (host.low, host.high);
        let plenty = low < arena.start + arena.len() / 8;
        if host.grew != 0 {
            // Such a text may end behind the blocks, and may be moved to below the flare's other text.
            // It is made of what lies in the blocks and of little else.
            let longest = host.grew * (low - arena.start) + 1024;
            low += longest;
            high = high.saturating_sub(longest);
        }
        let memory = self.memory.data(&self.store);
        unchanged(&self.before, memory, &arena)?;
        // Between the blocks and the flare's own text nothing was written, as long as there was
        // room for all of it.
        if plenty && !leaks && low < high && memory[low..high] != self.free[..high - low] {
            let at = memory[low..high].iter().position(|byte| *byte != FREE);
            return wrong(format!("written at {at:?} of {low:#x}..{high:#x}"));
        }
        if !leaks {
            // No space is lost: what was allocated and never returned the next invocation gives
            // up, and all the rest has been dropped.
            self.reset.call(&mut self.store, ())?;
            if self.alloc.call(&mut self.store, arena.len() as i32)? as usize != arena.start {
                return wrong("the arena is not free afterwards");
            }
        }
        Ok(true)
    }

    /// What must hold when an invocation has ended with an error: it is the documented trap, of a call
    /// that is documented to trap, and nothing was written that is not the call's.
    fn trapped(&self, error: Error) -> Result<()> {
        let host = self.store.data();
        let may_trap = host.running.last().is_some_and(|call| may_trap(*call));
        if !may_trap || error.downcast_ref::<Trap>() != Some(&Trap::UnreachableCodeReached) {
            return Err(error);
        }
        let memory = self.memory.data(&self.store);
        unchanged(&self.before, memory, &host.arena)?;
        let at = (host.held as u64 >> 32) as usize;
        if at != 0 && !memory[at..].starts_with(HELD) {
            return wrong("what was held has changed before the trap");
        }
        Ok(())
    }
}

/// Outside of the arena, its words and the stack, the memory is as it was.
fn unchanged(before: &[u8], now: &[u8], arena: &Range<usize>) -> Result<()> {
    if before.len() != now.len() {
        return wrong(format!("the memory grew to {}", now.len()));
    }
    let words = words(arena);
    for part in [probe().stack.end..words.start, arena.end..before.len()] {
        if before[part.clone()] != now[part.clone()] {
            let mut at = part.clone();
            let at = at.find(|at| before[*at] != now[*at]).unwrap();
            return wrong(format!(
                "{at:#x} was written, outside of the arena {arena:#x?}"
            ));
        }
    }
    for (at, word) in now[words].chunks(4).enumerate() {
        let word = u32::from_le_bytes(word.try_into().unwrap());
        if !ANSWER.contains(&(4 * at)) && word as usize > arena.len() {
            return wrong(format!("the arena's word {at} is {word:#x}"));
        }
    }
    Ok(())
}

/// Text, JSON and numbers that a host should not send, or should.
fn contents() -> Vec<Vec<u8>> {
    let mut contents: Vec<Vec<u8>> = Vec::new();
    let envelope = concat!(
        r#" { "status" : 200 , "headers" : { "content-type" : "a\/b" , "x-long" : "\u00e9\ud83d"#,
        r#"\ude00\n\"\\" } , "body" : "\u0000\b\f\r\t\u007f\uFFFF" , "more" : [ 1 , -2.5e+7 ,"#,
        r#" true , false , null , { } , [ ] , "x" ] } "#,
    );
    contents.push(envelope.into());
    // Cut off at every other byte, and every other byte changed.
    let mut random = Random(SEED);
    for at in 0..envelope.len() {
        let mut bytes = envelope.as_bytes().to_vec();
        match (at % 2, random.below(3)) {
            (0, _) => bytes.truncate(at),
            (_, 0) => bytes[at] = random.number() as u8,
            (_, 1) => bytes[at] = b"\"\\{}[],:\0 \x1f\x80\xff"[random.below(13)],
            _ => bytes[at] ^= 1 << random.below(8),
        }
        contents.push(bytes);
    }
    let list = r#"["hits","a\u0062","","\ud800","\ud83d\ude00","a"]"#;
    for at in 0..=list.len() {
        contents.push(list.as_bytes()[..at].to_vec());
    }
    for (unit, count) in [
        ("[", 10_000),
        ("{\"a\":", 5000),
        ("[[[]],", 3000),
        ("\"", 3001),
        ("\\", 3000),
        (" ", 100_000),
        ("\u{0}", 3000),
        ("9", 5000),
        ("\u{1f600}", 3000),
        ("[\"\\udc00\\ud800\",", 2000),
    ] {
        contents.push(unit.repeat(count).into());
    }
    for depth in [30, 31, 32, 33, 64] {
        contents.push(format!("{}{}", "[".repeat(depth), "]".repeat(depth)).into());
        let (open, close) = ("{\"body\":".repeat(depth), "}".repeat(depth));
        contents.push(format!("{open}\"x\"{close}").into());
    }
    let spaces = " \t\r\n".repeat(20_000);
    contents.push(format!("{{{spaces}\"status\"{spaces}:7,\"body\":\"\\u{spaces}\"}}").into());
    contents.push(format!("[{}\"\"]", "\"k\",".repeat(2000)).into());
    for body in [
        r#"{"status":200,"status":404,"body":"a","body":"b","headers":{"a":"1","a":"2"}}"#,
        r#"{"status":65536,"headers":{},"body":""}"#,
        r#"{"status":-1,"headers":{},"body":""}"#,
        r#"{"status":2e2,"headers":{},"body":""}"#,
        r#"{"status":18446744073709551816,"headers":{},"body":""}"#,
        r#"{"status":200,"headers":[],"body":{}}"#,
        r#"{"status":200,"headers":{"a":{"b":"c"},"x-long":[]},"body":null}"#,
        r#"{"status":200,"headers":"a","body":"\ud800\u0041\udfff\ud83d\ud83d"}"#,
        r#"{"stat\u0075s":200}"#,
        r#"{"status":200,"body":"\u12"}"#,
        r#"{"status":200,"body":"\x41"}"#,
        r#"{"status":0200}"#,
        r#"{"status":1e99999999999999999999}"#,
        r#"{"status":200}{"status":201}"#,
        "[\"a\" \"b\"]",
        "[,]",
        "[\"a\",]",
        "{\"a\":1,}",
        "nul",
        "truefalse",
        "-",
        "1.",
        "\u{feff}{}",
        "18446744073709551615",
        "18446744073709551616",
        "00000000000000000000000000000001",
        "-0",
        "1e3",
        "0x10",
        "0123456789abcdefABCDEF",
        "abc",
        "a:",
        "YQ==",
    ] {
        contents.push(body.into());
    }
    // A method, URLs, and headers that have parts.
    for text in [
        "GET",
        "https://u:p@a.example?x=1&&=&a=%c3%a9%f8%zz%+&a=&a",
        "https://a/b%2Fc/d?a=%ff%00&a==b&%61=c#?f",
        "https://a",
        "https:///",
        "https://",
        "//a?b",
        "/",
        "?",
        "#",
        "//",
        "a?",
        "Bearer abc.def",
        "Bearer ",
        "Bearer",
        "bAsIc  dTpw",
        "Basic YQ==",
        "a=1; k=\"v\" ;k=2",
        "k=",
        ";;k;k =1;\tk=1\t",
        " , a ,b",
        "10.0.0.1 , b",
        ",",
        "*",
        "W/\"a\", \"k\"",
        "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjF9.AA",
        "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjF9.",
        "eyJhbGciOiJIUzI1NiJ9..",
        "..",
        ".",
    ] {
        contents.push(text.into());
    }
    for bytes in [
        &b"\x80"[..],
        b"\xff\xff\xff\xff\xff\xff\xff\xff",
        b"a\xc0\xafb",
        b"\xed\xa0\x80\xed\xb0\x80",
        b"\xf4\x90\x80\x80",
        b"\xf0\x9f\x98",
        b"\xf0\x9f\x98\xf0\x9f\x98\x80\xe2\x82",
        b"\xc3",
        b"{\"status\":200,\"body\":\"\xff\xc3\",\"headers\":{\"\xfe\":\"\x80\"}}",
        b"[\"\xff\",\"\xed\xa0\x80\",\"ok\"]",
        b"\"\x1f\"",
    ] {
        contents.push(bytes.to_vec());
    }
    // Times to live and counters, of too few bytes and too many.
    for len in 0..=9 {
        contents.push(vec![0xff; len]);
        contents.push(vec![0; len]);
    }
    contents.push(b"\xff\xff\xff\xff18446744073709551616".to_vec());
    contents.push(b"\x01\x00\x00\x0042".to_vec());
    for _ in 0..100 {
        let len = random.below(64);
        contents.push((0..len).map(|_| random.number() as u8).collect());
    }
    contents
}

fn tricks() -> Vec<Trick> {
    let mut tricks = vec![
        Trick::Exhausted,
        Trick::Forgotten,
        Trick::Earlier,
        Trick::Held,
        Trick::Argument,
    ];
    for code in (-10..=12).chain([i32::MIN, i32::MIN + 1, i32::MAX, 77]) {
        tricks.push(Trick::Value(0, code));
    }
    tricks.extend((0..10).map(|_| Trick::Random));
    for value in [1, -1, i64::MIN, i64::MAX, 1 << 32, u32::MAX.into()] {
        tricks.push(Trick::Value(value, 0));
    }
    for from in [From::Zero, From::Arena, From::ArenaEnd, From::MemoryEnd] {
        for by in [-4096, -8, -1, 0, 1, 8, 64, 1 << 31] {
            for len in [0, 1, 64, 262_144, i32::MAX as u32, 1 << 31, u32::MAX] {
                // A host that has allocated can lie about what it has written where.
                let allocate = if (by + i64::from(len)) % 3 == 0 {
                    0
                } else {
                    64
                };
                tricks.push(Trick::Anywhere {
                    allocate,
                    from,
                    by,
                    len,
                });
            }
        }
    }
    for bytes in contents() {
        tricks.push(Trick::Bytes {
            bytes,
            start: 0,
            len: 0,
        });
    }
    for (start, len) in [
        (0, 1),
        (0, 7),
        (0, 8),
        (0, -1),
        (0, -64),
        (1, -1),
        (3, -3),
        (63, -63),
        (64, -64),
        (65, -64),
        (1, 0),
        (8, 0),
        (-1, 0),
        (-8, 0),
        (-1, 1),
        (-64, 64),
        (0, i64::from(u32::MAX) - 64),
        (0, 1 << 31),
        (8, -16),
    ] {
        tricks.push(Trick::Bytes {
            bytes: b"[\"0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqr\"]"[..64]
                .to_vec(),
            start,
            len,
        });
    }
    for sizes in [
        &[8, 16, 24][..],
        &[1, 1, 1],
        &[64, -1, 64],
        &[100, 0, i32::MAX],
    ] {
        tricks.extend((0..=3).map(|which| Trick::Blocks { sizes, which }));
    }
    for with in [
        &b" "[..],
        b"a",
        b"[",
        b"\"",
        b"\\",
        b"\\u0041",
        b"\xff",
        b"\xe2\x82",
        b"0",
        b"[\"k\",",
        b"{\"a\":{},",
    ] {
        tricks.extend([0, 9].map(|short| Trick::Full { with, short }));
    }
    tricks.extend((0..NESTED).map(Trick::Nested));
    tricks
}

/// The sources of the probe's calls.
fn calls(run: &mut Run) -> Vec<String> {
    let (store, instance) = (&mut run.store, run.instance);
    let count: TypedFunc<(), u32> = instance.get_typed_func(&mut *store, "calls").unwrap();
    let source: TypedFunc<u32, u64> = instance.get_typed_func(&mut *store, "source").unwrap();
    let count = count.call(&mut *store, ()).unwrap();
    (0..count)
        .map(|call| {
            let source = source.call(&mut *store, call).unwrap();
            let (at, len) = ((source >> 32) as usize, source as u32 as usize);
            String::from_utf8(run.memory.data(&*store)[at..at + len].to_vec()).unwrap()
        })
        .collect()
}

/// The same, asked once.
fn sources() -> &'static [String] {
    static SOURCES: OnceLock<Vec<String>> = OnceLock::new();
    SOURCES.get_or_init(|| calls(&mut Run::new(SEED)))
}

/// Whether the probe's call builds a text that the host need not have seen, and how many times as long as what the
/// host gave it may be. Growing texts are such, in which a quoted byte becomes up to six; so is what `verify_jwt`
/// would have sent, had the token been one.
fn grows(call: usize) -> usize {
    let Some(source) = sources().get(call) else {
        return 0;
    };
    let grow = ["_piece(", "_keyed(", "beam::fetch_pieces("];
    match source {
        _ if source.contains("beam::forward(") => 12,
        _ if grow.iter().any(|grow| source.contains(grow)) => 2,
        _ if source.contains("crypto::verify_jwt(") => 1,
        _ => 0,
    }
}

/// Whether the probe's call is documented to trap: it is one of `TRAPS` and nothing else.
fn may_trap(call: usize) -> bool {
    let function = sources()
        .get(call)
        .and_then(|source| source.split('(').next());
    function.is_some_and(|function| TRAPS.contains(&function))
}

#[test]
fn every_call_survives_every_trick() {
    let calls = sources();
    assert_eq!(NESTED, calls.len() - 1);
    let next = AtomicUsize::new(0);
    let invocations = AtomicUsize::new(0);
    let gave = AtomicUsize::new(0);
    let traps = AtomicUsize::new(0);
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(call) = calls.get(number) else {
                return;
            };
            let leaks = call.contains("mem::forget");
            assert_eq!(leaks, number + 1 == calls.len(), "{call}");
            let mut run = Run::new(SEED + number as u64);
            let (mut shown, mut trapped) = (0, 0);
            for trick in &probe().tricks {
                if leaks {
                    run = Run::new(SEED);
                }
                let lives = match run.invoke(number as u32, trick, leaks) {
                    Ok(lives) => lives,
                    Err(error) => panic!("{call}\n{trick:?}\n{error:?}"),
                };
                // Not what a nested call gave, or how it ended: that may be in any call.
                let own = !matches!(trick, Trick::Nested(_));
                if own {
                    shown += run.store.data().shown[2];
                }
                if !lives {
                    trapped += usize::from(own);
                    traps.fetch_add(1, Ordering::Relaxed);
                    run = Run::new(SEED + (number + trapped) as u64);
                }
            }
            // Those that may trap do, and give something as well; the others do not.
            assert_eq!(trapped > 0, may_trap(number), "{call}");
            assert!(shown > 0 || trapped == 0, "{call}");
            invocations.fetch_add(probe().tricks.len(), Ordering::Relaxed);
            gave.fetch_add(usize::from(shown > 0), Ordering::Relaxed);
        }
    };
    std::thread::scope(|scope| {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
    });
    let (invocations, gave) = (invocations.into_inner(), gave.into_inner());
    let traps = traps.into_inner();
    println!(
        "{} calls, {invocations} invocations, {traps} traps, {gave} gave",
        calls.len()
    );
    assert_eq!(invocations, calls.len() * probe().tricks.len());
    // The host is not only hostile: nearly every call has given something, but for those that
    // have nothing to give.
    assert!(gave > calls.len() * 3 / 4, "{gave} of {}", calls.len());
}

/// Calls and tricks at random, one after the other on one instance.
#[test]
fn long_lives_survive_anything() {
    let mut random = Random(SEED);
    let calls = sources().len();
    for seed in 0..2 {
        let mut run = Run::new(SEED + seed);
        for step in 0..4000 {
            // All but the last, which leaks.
            let call = random.below(calls - 1) as u32;
            match run.invoke(call, &Trick::Any, false) {
                Ok(true) => {}
                // Trapped, as documented: the instance's life is over.
                Ok(false) => run = Run::new(SEED + seed + step),
                Err(error) => panic!("seed {seed}, step {step}, call {call}: {error:?}"),
            }
        }
    }
}

/// The other documented trap, besides that of `TRAPS`: the handler's own error.
#[test]
fn a_handlers_error_is_unreachable() {
    for code in [0, 1, 9, 10, -1, i32::MIN, i32::MAX] {
        let mut run = Run::new(SEED);
        run.store.data_mut().trick = Trick::Value(0, code);
        let handle: TypedFunc<(), i64> = run
            .instance
            .get_typed_func(&mut run.store, "handle_request")
            .unwrap();
        let result = handle.call(&mut run.store, ());
        match code {
            0 => assert_eq!(result.unwrap(), 1 << 32),
            _ => {
                let trap = result.unwrap_err().downcast::<Trap>().unwrap();
                assert_eq!(trap, Trap::UnreachableCodeReached);
            }
        }
        let arena = run.store.data().arena.clone();
        unchanged(&run.before, run.memory.data(&run.store), &arena).unwrap();
    }
}

/// The probe calls every public function of every module; those that are documented to trap are `TRAPS`.
#[test]
fn no_function_is_forgotten() {
    let mut traps = Vec::new();
    for module in [
        "request", "response", "beam", "spark", "plasma", "secrets", "crypto", "encoding", "id",
        "time", "logging", "ws", "json", "text",
    ] {
        // What a module's own files have is public in the module.
        let src = workspace().join("src");
        let mut files = vec![src.join(format!("{module}.rs"))];
        if let Ok(folder) = src.join(module).read_dir() {
            files.extend(folder.map(|file| file.unwrap().path()));
        }
        files.retain(|file| file.is_file() && !file.ends_with("tests.rs"));
        let mut names = 0;
        for file in files {
            let source = std::fs::read_to_string(file).unwrap();
            let mut may_trap = false;
            for line in source.lines() {
                match line.strip_prefix("pub fn ") {
                    Some(rest) => {
                        let name = rest.split(['(', '<']).next().unwrap();
                        let function = format!("{module}::{name}");
                        assert!(PROBE.contains(&format!("{function}(")), "{function}");
                        names += 1;
                        if may_trap {
                            traps.push(function);
                        }
                    }
                    None if line == "/// # Traps" => may_trap = true,
                    // The rest of the function's documentation, or its attributes.
                    None if line.starts_with("///") || line.starts_with("#[") => continue,
                    None => {}
                }
                may_trap &= line == "/// # Traps";
            }
        }
        assert!(names > 0, "{module}");
    }
    let mut documented = TRAPS.map(str::to_owned);
    documented.sort();
    traps.sort();
    assert_eq!(traps, documented);
}
