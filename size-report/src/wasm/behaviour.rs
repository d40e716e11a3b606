//! Whether two modules do the same: both are run beside the same made-up host, and everything that
//! they tell it is compared.
//!
//! The engine is an interpreter, which starts in no time and knows nothing of the one that a node has.
//! In each run the host answers from a list of answers of the kind that the ABI promises, or with
//! nothing, something empty, something broken, or a place that it was never given; which, is decided
//! by the run's number alone, so both modules get the same. Compared are the calls in their order with
//! the bytes that they hand over, what the handlers and `alloc` return, and whether they trap.

mod answers;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use anyhow::{Context, Result, anyhow, bail, ensure};
use wasmi::{
    AsContext, Caller, Config, Engine, Error, ExternType, Func, Linker, Memory, Module, Store,
    TrapCode, Val, ValType,
};

/// How often both are run.
const RUNS: u64 = 96;

/// How many instructions one run may take: a loop that never ends must not end the comparison.
const FUEL: u64 = 500_000;

/// The handlers that a host calls.
const HANDLERS: [&str; 4] = ["handle_request", "ws_open", "ws_message", "ws_close"];

/// How much was compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proof {
    pub runs: u64,
    pub events: u64,
}

/// Compares what `before` and `after` do. `zeros` are places in the memory of `after` that have to stay zero.
///
/// # Errors
///
/// When they do not do the same, or one of them cannot be run.
pub fn compare(before: &[u8], after: &[u8], zeros: &[Range<u32>]) -> Result<Proof> {
    compare_in(RUNS, before, after, zeros)
}

/// Which runs are compared of two modules that do not come from one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runs {
    /// The one in which the host has the answers that a flare is made for.
    First,
    /// Those in which it answers as the ABI promises, also with what a flare can do nothing with.
    Well,
}

/// Compares the calls of the host that two modules make, without regard to where they have their answers put.
///
/// # Errors
///
/// When they are not the same, or one of the modules cannot be run.
pub fn compare_calls(one: &[u8], other: &[u8], runs: Runs) -> Result<Proof> {
    let engine = Engine::new(Config::default().consume_fuel(true));
    let [one, other] = [one, other].map(|wasm| Program::new(&engine, wasm));
    let (one, other) = (one?, other?);
    let mut proof = Proof { runs: 0, events: 0 };
    let last = if runs == Runs::First { 1 } else { RUNS };
    for run in (0..last).filter(|&run| answers::is_well(run)) {
        let [expected, got] = [&one, &other].map(|program| {
            let mut run = program.run(run, &[])?;
            run.events
                .retain(|event| !matches!(event, Event::Return("alloc", _)));
            Ok::<_, anyhow::Error>(run)
        });
        let (expected, got) = (expected?, got?);
        proof.runs += 1;
        proof.events += expected.events.len() as u64;
        if let Some(difference) = expected.difference(&got) {
            bail!("in run {run}, {difference}");
        }
    }
    Ok(proof)
}

fn compare_in(runs: u64, before: &[u8], after: &[u8], zeros: &[Range<u32>]) -> Result<Proof> {
    let engine = Engine::new(Config::default().consume_fuel(true));
    let [before, after] = [before, after].map(|wasm| Program::new(&engine, wasm));
    let (before, after) = (before?, after?);
    ensure!(
        before.exports == after.exports,
        "it exports {:?}, and did export {:?}",
        after.exports,
        before.exports
    );
    let mut proof = Proof { runs, events: 0 };
    for run in 0..runs {
        let expected = before.run(run, &[])?;
        let got = after.run(run, zeros)?;
        proof.events += expected.events.len() as u64;
        if let Some(difference) = expected.difference(&got) {
            bail!("in run {run} of {runs}, {difference}");
        }
    }
    Ok(proof)
}

/// What a module tells its host.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Event {
    /// It calls an import, with these numbers and bytes.
    Call(String, Vec<i64>, Vec<Vec<u8>>),
    /// A call of an export returns.
    Return(&'static str, Vec<i64>),
    /// It traps.
    Trap,
    /// It has written where it must not.
    Written(Range<u32>),
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(name, numbers, texts) => {
                write!(f, "it calls {name} with {numbers:?}")?;
                for text in texts {
                    write!(f, " {:?}", String::from_utf8_lossy(text))?;
                }
                Ok(())
            }
            Self::Return(name, results) => write!(f, "{name} returns {results:?}"),
            Self::Trap => f.write_str("it traps"),
            Self::Written(place) => write!(f, "a pointer has written to {place:?}"),
        }
    }
}

/// One run.
#[derive(Debug, PartialEq, Eq)]
struct Run {
    events: Vec<Event>,
    /// Whether it was ended before its end.
    cut: bool,
}

impl Run {
    fn difference(&self, other: &Self) -> Option<String> {
        for (number, expected) in self.events.iter().enumerate() {
            match other.events.get(number) {
                Some(got) if got == expected => {}
                Some(got) => return Some(format!("{got}, where before {expected}")),
                None if other.cut || self.cut => return None,
                None => return Some(format!("it ends where before {expected}")),
            }
        }
        let more = other.events.get(self.events.len())?;
        (!self.cut).then(|| format!("{more}, where before it ended"))
    }
}

/// The state of a run.
struct Host {
    random: answers::Random,
    events: Vec<Event>,
    memory: Option<Memory>,
    alloc: Option<Func>,
}

/// A module with its imports linked.
struct Program {
    module: Module,
    linker: Linker<Host>,
    /// What it exports, with the types, but for what only the linker exports.
    exports: BTreeMap<String, String>,
}

impl Program {
    fn new(engine: &Engine, wasm: &[u8]) -> Result<Self> {
        let module = Module::new(engine, wasm).context("the module cannot be run here")?;
        let mut linker = Linker::new(engine);
        for import in module.imports() {
            let (from, name) = (import.module().to_owned(), import.name().to_owned());
            let ExternType::Func(ty) = import.ty() else {
                bail!(
                    "the module imports {from}.{name}, which is no function, so it cannot be run here"
                );
            };
            let results: Vec<ValType> = ty.results().to_vec();
            let is_flare = from == "flaron/v1";
            let called = name.clone();
            linker
                .func_new(&from, &name, ty.clone(), move |caller, arguments, out| {
                    call(caller, &called, is_flare, arguments, &results, out)
                })
                .with_context(|| format!("cannot link {from}.{name}"))?;
        }
        let exports: BTreeMap<String, String> = module
            .exports()
            .filter(|export| {
                !(export.name().starts_with("__") && matches!(export.ty(), ExternType::Global(_)))
            })
            .map(|export| (export.name().to_owned(), format!("{:?}", export.ty())))
            .collect();
        ensure!(
            HANDLERS
                .iter()
                .any(|&handler| exports.contains_key(handler)),
            "the module has none of the handlers {}: it is no flare, so there is nothing that shows \
             what it does",
            HANDLERS.join(", ")
        );
        Ok(Self {
            module,
            linker,
            exports,
        })
    }

    fn run(&self, run: u64, zeros: &[Range<u32>]) -> Result<Run> {
        let host = Host {
            random: answers::Random::new(run),
            events: Vec::new(),
            memory: None,
            alloc: None,
        };
        let mut store = Store::new(self.module.engine(), host);
        store.set_fuel(FUEL).map_err(|error| anyhow!("{error}"))?;
        let mut events = Events::default();
        match self.linker.instantiate_and_start(&mut store, &self.module) {
            Ok(instance) => {
                store.data_mut().memory = instance.get_memory(&store, "memory");
                store.data_mut().alloc = instance.get_func(&store, "alloc");
                events.drive(&mut store, &instance, run);
            }
            Err(error) => events.ended(&mut store, &error),
        }
        if let Some(memory) = store.data().memory {
            for place in zeros {
                let bytes = memory
                    .data(&store)
                    .get(place.start as usize..place.end as usize);
                if bytes.is_none_or(|bytes| bytes.iter().any(|&byte| byte != 0)) {
                    store.data_mut().events.push(Event::Written(place.clone()));
                }
            }
        }
        Ok(Run {
            events: store.into_data().events,
            cut: events.cut,
        })
    }
}

/// Runs the exports of an instance.
#[derive(Default)]
struct Events {
    cut: bool,
    ended: bool,
}

impl Events {
    fn drive(&mut self, store: &mut Store<Host>, instance: &wasmi::Instance, run: u64) {
        // Most hosts call handlers alone; some runs ask `alloc` for everything that it may be asked for.
        if run % 8 == 7 {
            for size in [
                0,
                1,
                7,
                8,
                9,
                -1,
                i32::MIN,
                i32::MAX,
                262_144,
                100,
                262_000,
                4096,
            ] {
                self.call(store, instance, "alloc", &[Val::I32(size)]);
            }
        }
        // A second time: what the first left behind is part of what it does.
        for _ in 0..2 {
            for handler in HANDLERS {
                self.call(store, instance, handler, &[]);
            }
        }
    }

    fn call(
        &mut self,
        store: &mut Store<Host>,
        instance: &wasmi::Instance,
        name: &'static str,
        arguments: &[Val],
    ) {
        let Some(function) = instance.get_func(&*store, name) else {
            return;
        };
        let ty = function.ty(&*store);
        // A module that is called so by chance has another type.
        if self.ended || ty.params().len() != arguments.len() {
            return;
        }
        let mut results = vec![Val::I32(0); ty.results().len()];
        match function.call(&mut *store, arguments, &mut results) {
            Ok(()) => {
                let results = results.iter().map(number).collect();
                store.data_mut().events.push(Event::Return(name, results));
            }
            Err(error) => self.ended(store, &error),
        }
    }

    fn ended(&mut self, store: &mut Store<Host>, error: &Error) {
        self.ended = true;
        if error.as_trap_code() == Some(TrapCode::OutOfFuel) {
            self.cut = true;
        } else {
            store.data_mut().events.push(Event::Trap);
        }
    }
}

/// A call of the host.
fn call(
    mut caller: Caller<'_, Host>,
    name: &str,
    is_flare: bool,
    arguments: &[Val],
    results: &[ValType],
    out: &mut [Val],
) -> Result<(), Error> {
    // In the ABI, places in memory come first, in pairs of an address and a length.
    let (mut numbers, mut texts) = (Vec::new(), Vec::new());
    let mut rest = arguments;
    while let (true, [Val::I32(address), Val::I32(length), more @ ..]) = (is_flare, rest) {
        texts.push(read(&caller, *address, *length)?);
        rest = more;
    }
    numbers.extend(rest.iter().map(number));
    let event = Event::Call(name.to_owned(), numbers, texts);
    caller.data_mut().events.push(event);
    for (result, slot) in results.iter().zip(out) {
        *slot = match result {
            ValType::I64 if is_flare => Val::I64(answer(&mut caller, name)?),
            ValType::I32 if is_flare => Val::I32(caller.data_mut().random.status()),
            other => Val::default_for_ty(*other),
        };
    }
    Ok(())
}

fn read(caller: &Caller<'_, Host>, address: i32, length: i32) -> Result<Vec<u8>, Error> {
    let (start, length) = (address as u32 as usize, length as u32 as usize);
    let memory = caller.data().memory;
    memory
        .and_then(|memory| memory.data(caller.as_context()).get(start..)?.get(..length))
        .map(<[u8]>::to_vec)
        .ok_or_else(|| Error::new("an argument is outside of the memory"))
}

/// Answers with data, which is put where the guest says.
fn answer(caller: &mut Caller<'_, Host>, name: &str) -> Result<i64, Error> {
    let bytes = match caller.data_mut().random.answer(name) {
        answers::Answer::Nothing => return Ok(0),
        answers::Answer::Lie(packed) => return Ok(packed),
        answers::Answer::Bytes(bytes) => bytes,
    };
    let (Some(alloc), Some(memory)) = (caller.data().alloc, caller.data().memory) else {
        return Ok(0);
    };
    let mut address = [Val::I32(0)];
    let size = Val::I32(bytes.len().max(1) as i32);
    alloc.call(&mut *caller, &[size], &mut address)?;
    let address = number(&address[0]) as u32;
    caller
        .data_mut()
        .events
        .push(Event::Return("alloc", vec![i64::from(address)]));
    if address == 0 {
        return Ok(0);
    }
    memory
        .write(&mut *caller, address as usize, &bytes)
        .map_err(|_| Error::new("alloc answers with a place outside of the memory"))?;
    Ok(i64::from(address) << 32 | bytes.len() as i64)
}

fn number(value: &Val) -> i64 {
    match value {
        Val::I32(value) => i64::from(*value),
        Val::I64(value) => *value,
        Val::F32(value) => i64::from(value.to_bits()),
        Val::F64(value) => value.to_bits() as i64,
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
