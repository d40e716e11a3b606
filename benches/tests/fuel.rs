//! The gate: the instructions of every example flare, exactly.

use flaron_benches::flares;
use flaron_benches::fuel::{self, Baseline};
use flaron_benches::host::{Machine, Upstream};

#[test]
fn the_flares_execute_the_instructions_of_the_baseline() {
    let committed = Baseline::committed().unwrap();
    let now = Baseline::measure().unwrap();
    let changes = now.changes(&committed).join("\n");
    if !now.is_comparable(&committed) {
        eprintln!(
            "Not compared: the baseline is of {}, wasmtime {}; this is {}, wasmtime {}.\n{changes}",
            committed.rustc, committed.wasmtime, now.rustc, now.wasmtime
        );
        return;
    }
    assert!(
        changes.is_empty(),
        "the flares execute other numbers of instructions than benches/fuel.toml says:\n{changes}\n\
         If that is as it should be, accept them and commit the file: {}",
        fuel::BLESS
    );
}

/// What reading an upstream's answer costs grows as the answer does, and no faster.
#[test]
fn reading_json_takes_linear_time() {
    let wasm = flares::ours("beam-json").unwrap();
    let count =
        |bytes| fuel::count(&Machine::counting(Upstream::List(bytes)).unwrap(), &wasm).unwrap();
    let [one, two, four] = [20_000, 40_000, 80_000].map(count);
    let (first, second) = (two - one, four - two);
    // Twice as much more for twice as much more, within 2 percent.
    assert!(
        (198..=202).contains(&(100 * second / first)),
        "{one}, {two}, {four}"
    );
}
