//! Modules that nobody would write: generated from random bytes by wasm-smith, and broken ones made
//! of them. Each goes the way of a flare that was saved while the node serves: it is loaded, or
//! refused with a reason; if it is loaded, it gets a request, and whatever it does with that, the
//! node answers and lives on.
//!
//! What is generated depends on the seed alone. `FLARON_SMITH_MODULES` and `FLARON_SMITH_SEED` in
//! the environment make a run longer or another one.

use std::fmt::{Debug, Write as _};
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use flaron_edge::contract::{IMPORTS, Val};
use flaron_edge::{Edge, FlareConfig};
use wasm_smith::{Config, InstructionKind, InstructionKinds, Module};

use crate::guest::get;

/// How many modules of each sort are generated, where nothing else is said; of the broken ones,
/// most of which are refused in no time, three times as many.
const MODULES: u64 = 60;
/// How long one may take, with its compilation by an engine that is not optimised. A guest has
/// [`TIME_MS`] of that; more than this is a hang.
const STUCK: Duration = Duration::from_secs(60);
const TIME_MS: u64 = 20;
const MEMORY_MIB: u64 = 4;
/// How much more memory the process may have at the end than at the beginning: the other tests run
/// meanwhile, and the journal remembers up to 8 MiB. Had each of the modules that run left its
/// memory behind, it would be more after a few.
const GROWTH_MIB: u64 = 400;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    /// Any valid module, with all that Wasm has; the exports are a flare's or any.
    Any,
    /// A module with the imports and exports of a flare, and random code.
    Flare,
    /// One of the former two with some bytes changed.
    Broken,
}

/// What came of one module.
#[derive(Debug)]
enum Outcome {
    Refused(String),
    /// It had a request; the word is that of `x-flaron-error`, if the edge answered for it.
    Ran {
        word: Option<String>,
        /// The host had something to say of how the guest called it.
        noted: bool,
    },
}

/// What came of all modules of a sort.
#[derive(Debug, Default)]
struct Count {
    refused: u64,
    ran: u64,
    /// Of those that ran: what returned from `handle_request`, whatever it returned.
    returned: u64,
    /// … what called an import in a way that the host found worth a note.
    noted: u64,
}

#[test]
fn generated_modules_are_refused_or_run_and_the_node_lives_on() {
    let number = |name: &str, default: u64| match std::env::var(name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{name}={text:?} is no number")),
        Err(_) => default,
    };
    let modules = number("FLARON_SMITH_MODULES", MODULES);
    let seed = number("FLARON_SMITH_SEED", 1);

    let (send, progress) = channel();
    let worker = std::thread::spawn(move || run(seed, modules, |now| send.send(now).unwrap()));
    let mut last = "the start".to_owned();
    loop {
        match progress.recv_timeout(STUCK) {
            Ok(now) => last = now,
            Err(RecvTimeoutError::Timeout) => panic!("stuck at {last}"),
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    let [any, flares, broken] = match worker.join() {
        Ok(counts) => counts,
        Err(_) => panic!("it panicked at {last}; the module can be made again with that seed"),
    };
    println!("seed {seed}: any {any:?}\nflares {flares:?}\nbroken {broken:?}");

    // Without these, the test would prove little: that what is generated is refused.
    assert!(any.refused > 0, "{any:?}");
    assert!(any.ran * 20 >= modules, "{any:?}");
    assert!(flares.ran * 10 >= modules * 9, "{flares:?}");
    assert!(flares.returned * 12 >= modules, "{flares:?}");
    assert!(flares.noted * 12 >= modules, "{flares:?}");
    assert!(broken.refused > 0, "{broken:?}");
    assert!(broken.ran * 20 >= modules, "{broken:?}");
}

fn run(seed: u64, modules: u64, mut now: impl FnMut(String)) -> [Count; 3] {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("generated.wasm");
    // Small, because it is loaded each time too.
    let hello = r#"(module
        (import "flaron/v1" "resp_body_set" (func $body (param i32 i32)))
        (memory (export "memory") 1)
        (data (i32.const 8) "hello")
        (func (export "handle_request") (result i64)
            (call $body (i32.const 8) (i32.const 5))
            (i64.const 0x100000000)))"#;
    let hello = wat::parse_str(hello).unwrap();
    // What a flare may do, it is to do here; but no real name is asked for, and no fetch leaves.
    let config = FlareConfig::parse(&format!(
        "requires_body = true\nrequires_raw_auth = true\nwrites_spark_kv = true\n\
         writes_plasma_kv = true\nallowed_secrets = [\"\"]\n\
         [limits]\nmax_time_ms = {TIME_MS}\nmax_memory_mib = {MEMORY_MIB}\nfetch_timeout_ms = 50\n"
    ))
    .unwrap();
    // One node for all: what a module breaks, the next ones find broken.
    std::fs::write(&file, &hello).unwrap();
    let edge = Edge::builder()
        .flare(file.as_path())
        .config(config)
        .flare(hello)
        .route("/hello")
        .build()
        .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let before = resident_mib();
    let sorts = [Sort::Any, Sort::Flare, Sort::Broken];
    let counts = sorts.map(|sort| {
        let mut count = Count::default();
        let modules = match sort {
            Sort::Broken => 3 * modules,
            Sort::Any | Sort::Flare => modules,
        };
        for n in 0..modules {
            let what = format!("FLARON_SMITH_SEED={seed}, {sort:?} number {n}");
            now(what.clone());
            let wasm = generate(sort, seed, n);
            match runtime.block_on(one(&edge, &file, &wasm)) {
                Outcome::Refused(why) => {
                    count.refused += 1;
                    assert!(is_a_reason(&why), "{what}: {why:?}");
                }
                Outcome::Ran { word, noted } => {
                    count.ran += 1;
                    count.noted += u64::from(noted);
                    count.returned += u64::from(matches!(
                        word.as_deref(),
                        None | Some("bad-action" | "no-origin")
                    ));
                }
            }
            let answer = runtime.block_on(get(&edge, "/hello"));
            assert_eq!(answer.body(), "hello", "after {what}");
        }
        count
    });
    if let (Some(before), Some(after)) = (before, resident_mib()) {
        let ran: u64 = counts.iter().map(|count| count.ran).sum();
        println!("{before} MiB before, {after} MiB after {ran} modules that ran");
        assert!(
            after < before + GROWTH_MIB,
            "{before} MiB, then {after} MiB"
        );
    }
    counts
}

/// Loads a module and asks it once.
async fn one(edge: &Edge, file: &Path, wasm: &[u8]) -> Outcome {
    std::fs::write(file, wasm).unwrap();
    if let Err(error) = edge.reload() {
        return Outcome::Refused(error.to_string());
    }
    let request = http::Request::post("/a?b=c").header("authorization", "x");
    let response = edge.request(request.body("a body").unwrap()).await;
    let entry = edge.entries().pop().expect("it is in the journal");
    let word = response
        .headers()
        .get("x-flaron-error")
        .map(|word| word.to_str().unwrap().to_owned());
    // The edge says that it failed, and then says why; or the flare answered.
    assert_eq!(
        word.is_some(),
        entry.error.is_some(),
        "{entry}\n{response:?}"
    );
    if let Some(error) = &entry.error {
        assert!(response.status().is_server_error(), "{entry}");
        assert!(!error.is_empty());
    }
    Outcome::Ran {
        word,
        noted: !entry.notes.is_empty(),
    }
}

/// Whether an error tells why the module is refused: each begins with the file and one of these.
fn is_a_reason(error: &str) -> bool {
    error
        .split_once("generated.wasm: ")
        .is_some_and(|(_, reason)| {
            [
                "not a flare: ",
                "not a Wasm module: ",
                "not a valid Wasm module: ",
                "the flare begins with ",
            ]
            .iter()
            .any(|begin| {
                reason
                    .strip_prefix(begin)
                    .is_some_and(|rest| !rest.is_empty())
            })
        })
}

/// The memory of this process, where the system tells it.
fn resident_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024)
}

/// Random bytes that are the same for the same seed, sort and number.
fn random(seed: u64, sort: impl Debug, n: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    let key = format!("{seed} {sort:?} {n}");
    blake3::Hasher::new()
        .update(key.as_bytes())
        .finalize_xof()
        .fill(&mut bytes);
    bytes
}

fn generate(sort: Sort, seed: u64, n: u64) -> Vec<u8> {
    let bytes = random(seed, sort, n, 4096);
    let mut u = Unstructured::new(&bytes);
    let made = match sort {
        Sort::Any => any(&mut u),
        Sort::Flare => flare(&mut u),
        Sort::Broken => broken(&mut u),
    };
    made.expect("there are bytes enough, and afterwards it goes on with zeros")
}

/// Any module, but not a large one: an engine that is not optimised compiles slowly.
fn any(u: &mut Unstructured) -> arbitrary::Result<Vec<u8>> {
    let mut config = Config {
        max_funcs: 10,
        max_instructions: 50,
        max_nesting_depth: 6,
        max_imports: 10,
        max_exports: 10,
        max_types: 20,
        max_globals: 10,
        ..Config::arbitrary(u)?
    };
    if u.ratio(2, 3)? {
        // One that could run: without imports there are none of the wrong ones.
        config.exports = Some(exports("1 3"));
        config.max_imports = 0;
        config.min_imports = 0;
        config.min_memories = 0;
        config.max_memories = 0;
        config.max_type_size = 10_000;
    }
    Ok(Module::new(config, u)?.to_bytes())
}

/// A module with a flare's exports and this memory.
fn exports(memory: &str) -> Vec<u8> {
    let module = format!(
        "(module (memory (export \"memory\") {memory})
           (func (export \"alloc\") (param i32) (result i32) unreachable)
           (func (export \"handle_request\") (result i64) unreachable))"
    );
    wat::parse_str(module).unwrap()
}

/// A module that begins as a flare: imports of the contract, the exports that it asks for, some of
/// several memories.
fn flare(u: &mut Unstructured) -> arbitrary::Result<Vec<u8>> {
    let memory = u.choose(&["0", "1", "1 1", "2 4", "1 65536"])?;
    let config = Config {
        available_imports: Some(contract(u)?),
        exports: Some(exports(memory)),
        // Imports count as functions and types.
        max_funcs: 30,
        max_type_size: 10_000,
        max_instructions: 50,
        max_nesting_depth: 6,
        // None but the exported one.
        max_memories: 0,
        max_table_elements: 1000,
        allow_start_export: u.ratio(1, 4)?,
        // Of the rest (floats, vectors, tables of references) there is enough in `Sort::Any`.
        allowed_instructions: InstructionKinds::new(&[
            InstructionKind::NumericInt,
            InstructionKind::Variable,
            InstructionKind::Parametric,
            InstructionKind::MemoryInt,
            InstructionKind::Control,
            InstructionKind::Aggregate,
        ]),
        // What this engine is not built with is what `Sort::Any` is for.
        gc_enabled: false,
        exceptions_enabled: false,
        threads_enabled: false,
        reference_types_enabled: false,
        compact_imports_enabled: false,
        wide_arithmetic_enabled: false,
        ..Config::default()
    };
    Ok(Module::new(config, u)?.to_bytes())
}

/// A module that imports some of the contract: of all at once, each costs a while to compile.
fn contract(u: &mut Unstructured) -> arbitrary::Result<Vec<u8>> {
    let mut wat = String::from("(module\n");
    for import in IMPORTS {
        if !u.ratio(1, 3)? {
            continue;
        }
        let name = |val: &Val| match val {
            Val::I32 => "i32",
            Val::I64 => "i64",
        };
        let params: Vec<_> = import.params.iter().map(name).collect();
        let result = import.result.map(|val| format!("(result {})", name(&val)));
        let _ = writeln!(
            wat,
            "(import \"flaron/v1\" \"{}\" (func (param {}) {}))",
            import.name,
            params.join(" "),
            result.unwrap_or_default()
        );
    }
    Ok(wat::parse_str(wat + ")").unwrap())
}

/// A module with a few bytes of it changed, one place cut out, or its end cut off.
fn broken(u: &mut Unstructured) -> arbitrary::Result<Vec<u8>> {
    // First what is done, while there are random bytes left; then the module.
    let cut = u.int_in_range(0..=9)?;
    let mut changes = Vec::new();
    for _ in 0..u.int_in_range(1..=2)? {
        changes.push((
            u.arbitrary::<u32>()?,
            u.arbitrary::<u8>()?,
            u.arbitrary::<bool>()?,
        ));
    }
    let cut_at: u32 = u.arbitrary()?;
    let mut wasm = if u.ratio(3, 4)? { flare(u)? } else { any(u)? };
    for (at, byte, flip) in changes {
        let at = at as usize % wasm.len();
        // One bit of it, or all.
        wasm[at] = if flip {
            wasm[at] ^ (1 << (byte % 8))
        } else {
            byte
        };
    }
    let cut_at = cut_at as usize % wasm.len();
    match cut {
        0 => wasm.truncate(cut_at),
        1 => drop(wasm.remove(cut_at)),
        _ => {}
    }
    Ok(wasm)
}
