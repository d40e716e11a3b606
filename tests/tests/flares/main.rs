//! What takes flares built to Wasm, or the programs: one binary, so that the engine is linked once, and what waits for
//! cargo in one test leaves the processor to others. `cargo test -p flaron-tests --test flares imports` runs a part.

mod action;
mod author_day;
mod compat;
mod compile_fail;
mod examples;
mod gallery;
mod heap;
mod hostile_host;
mod imports;
mod install;
mod leaks;
mod memory;
mod migrating;
mod new_flare;
mod process;
mod published;
mod quick_start;
mod refusals;
mod simd;
mod targets;
mod templates;
mod traces;
mod unnamed;
