//! Budgets, the baseline, and the gate made of both.
//!
//! A *budget* is a hard limit that a person wrote. The *baseline* has the accepted sizes; `--bless` writes it,
//! with the compiler and the settings that were used. A flare passes the gate if it is within its budget and
//! exactly as large as the baseline says. Sizes depend on the compiler, so with a rustc other than the
//! baseline's only the budgets apply.

pub mod baseline;
pub mod budget;
mod verdict;

pub use baseline::Baseline;
pub use budget::{Budgets, Sizes};
pub use verdict::{Finding, Verdict, gate};

#[cfg(test)]
mod tests;
