//! How long flares take to start and to run, ours and the published ones measured alternately.

use std::time::{Duration, Instant};

use wasmtime::error::Context as _;
use wasmtime::{Result, ensure};

use crate::flares;
use crate::fuel;
use crate::host::{Machine, Outcome, Upstream};

/// The results for one flare. Times are in nanoseconds, each the minimum of many samples.
#[derive(Debug, Clone)]
pub struct Side {
    /// The size of the module, in bytes.
    pub bytes: usize,
    /// Compiling the module from its bytes, on all cores.
    pub compile: f64,
    /// The same on one core, which is the total work.
    pub compile_alone: f64,
    /// Creating an instance of the compiled module.
    pub instantiate: f64,
    /// One invocation of a fresh instance.
    pub invoke: f64,
    /// The instructions of one invocation.
    pub fuel: u64,
    /// The same with an upstream that echoes what was posted.
    pub fuel_echo: u64,
    /// The guest's peak memory, in bytes.
    pub memory: usize,
}

impl Side {
    /// From the bytes of the module to an instance, compiled on all cores.
    pub fn cold_start(&self) -> f64 {
        self.compile + self.instantiate
    }

    /// From the bytes of the module to an instance, compiled on one core.
    pub fn cold_start_alone(&self) -> f64 {
        self.compile_alone + self.instantiate
    }
}

/// One flare, built with both SDKs.
#[derive(Debug, Clone)]
pub struct Pair {
    /// Its name.
    pub name: String,
    /// Built with our SDK.
    pub ours: Side,
    /// Built with the published one.
    pub published: Side,
}

impl Pair {
    /// By what factor ours takes less of something.
    pub fn times_less(&self, of: fn(&Side) -> f64) -> f64 {
        of(&self.published) / of(&self.ours)
    }
}

/// The modules of one flare: ours, and the published one.
pub struct Modules {
    /// The flare's name.
    pub name: String,
    /// Both modules' bytes.
    pub wasm: [Vec<u8>; 2],
}

/// Builds all flares.
///
/// # Errors
///
/// When one cannot be built.
pub fn build() -> Result<Vec<Modules>> {
    let mut all = Vec::new();
    for name in flares::names()? {
        eprintln!("building {name}");
        let wasm = [flares::ours(&name)?, flares::published(&name)?];
        all.push(Modules { name, wasm });
    }
    Ok(all)
}

/// Measures one flare. With `quick` there are too few samples for good numbers, but every step runs.
///
/// # Errors
///
/// When it fails, or the two do not do the same.
pub fn measure(modules: &Modules, quick: bool) -> Result<Pair> {
    let name = modules.name.clone();
    let [ours, published] = sides(&modules.wasm, quick).context(name.clone())?;
    Ok(Pair {
        name,
        ours,
        published,
    })
}

fn sides(wasm: &[Vec<u8>; 2], quick: bool) -> Result<[Side; 2]> {
    let counting = Machine::counting(Upstream::USUAL)?;
    let echo = Machine::counting(Upstream::Echo)?;
    let machine = Machine::timed(true)?;
    let alone = Machine::timed(false)?;
    let programs = [machine.compile(&wasm[0])?, machine.compile(&wasm[1])?];
    let mut sides = Vec::new();
    let mut outcomes = Vec::new();
    for (wasm, program) in wasm.iter().zip(&programs) {
        let mut instance = program.instantiate()?;
        instance.invoke()?;
        outcomes.push(meaning(instance.outcome()));
        sides.push(Side {
            bytes: wasm.len(),
            compile: f64::INFINITY,
            compile_alone: f64::INFINITY,
            instantiate: f64::INFINITY,
            invoke: f64::INFINITY,
            fuel: fuel::count(&counting, wasm)?,
            fuel_echo: fuel::count(&echo, wasm)?,
            memory: instance.memory(),
        });
    }
    ensure!(
        outcomes[0] == outcomes[1],
        "the two do not do the same: {:?} and {:?}",
        outcomes[0],
        outcomes[1]
    );

    let (rounds, time) = match quick {
        true => (1, Duration::ZERO),
        false => (300, Duration::from_secs(10)),
    };
    let start = Instant::now();
    for round in 0..rounds {
        if round >= 3 && start.elapsed() > time {
            break;
        }
        for (side, wasm) in sides.iter_mut().zip(wasm) {
            least(&mut side.compile, || machine.compile(wasm))?;
            least(&mut side.compile_alone, || alone.compile(wasm))?;
        }
    }
    for _ in 0..20 * rounds {
        for (side, program) in sides.iter_mut().zip(&programs) {
            let mut instance = least(&mut side.instantiate, || program.instantiate())?;
            least(&mut side.invoke, || instance.invoke())?;
        }
    }
    let sides: [Side; 2] = sides.try_into().expect("there are two");
    Ok(sides)
}

/// Runs something and keeps the time if it is the lowest so far.
fn least<T>(time: &mut f64, job: impl FnOnce() -> Result<T>) -> Result<T> {
    let start = Instant::now();
    let done = job();
    *time = time.min(start.elapsed().as_secs_f64() * 1e9);
    done
}

/// The outcome in normal form: JSON regardless of the order of its members, and 200 as the default status.
fn meaning(outcome: &Outcome) -> Outcome {
    let mut meaning = outcome.clone();
    meaning.status = Some(outcome.status.unwrap_or(200));
    if let Ok(json) = serde_json::from_slice::<serde_json::Value>(&outcome.body) {
        meaning.body = json.to_string().into_bytes();
    }
    meaning
}
