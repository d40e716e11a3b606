//! Budgets, the baseline, and the gate made of both.
//!
//! A *budget* is a hard limit a person wrote down. The *baseline* is what was accepted last,
//! written by `--bless`, with the compiler and the settings that made it. The gate lets a flare
//! pass that is within its budget and exactly as large as the baseline says. Sizes depend on the
//! compiler, so under another rustc than the baseline's only the budgets hold.

pub mod baseline;
pub mod budget;
mod verdict;

pub use baseline::Baseline;
pub use budget::{Budgets, Sizes};
pub use verdict::{Finding, Verdict, gate};

#[cfg(test)]
mod tests;
