//! `cargo bench`: everything that is measured, with ratios; `cargo bench -- --quick` with too few
//! samples for good numbers.

use flaron_benches::report::Report;

fn main() -> wasmtime::Result<()> {
    let quick = std::env::args().any(|arg| arg == "--quick");
    print!("{}", Report::measure(quick)?.markdown());
    Ok(())
}
