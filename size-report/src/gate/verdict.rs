//! The gate: compares flares with their budgets and the baseline.

use std::fmt;

use serde::Serialize;

use crate::flares::Measured;
use crate::format::thousands;
use crate::gate::baseline::Baseline;
use crate::gate::budget::{Budgets, Sizes, What};
use crate::project::Settings;
use crate::wasm::wasm_opt;

/// A reason for the gate to fail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "finding", rename_all = "kebab-case")]
pub enum Finding {
    OverBudget {
        flare: String,
        what: What,
        size: u64,
        budget: u64,
    },
    Differs {
        flare: String,
        what: What,
        size: u64,
        baseline: u64,
    },
    NoBudget {
        flare: String,
    },
    NotBlessed {
        flare: String,
    },
    /// In the budgets or the baseline, and no longer among the flares.
    Gone {
        flare: String,
        file: &'static str,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::OverBudget {
                flare,
                what,
                size,
                budget,
            } => {
                write!(
                    f,
                    "{flare}: {}, {} over its budget of {}",
                    what.say(*size),
                    thousands(size - budget),
                    thousands(*budget)
                )
            }
            Self::Differs {
                flare,
                what,
                size,
                baseline,
            } if size > baseline => {
                write!(
                    f,
                    "{flare}: {}, {} more than the baseline of {}",
                    what.say(*size),
                    thousands(size - baseline),
                    thousands(*baseline)
                )
            }
            Self::Differs {
                flare,
                what,
                size,
                baseline,
            } => {
                write!(
                    f,
                    "{flare}: {}, {} less than the baseline of {} (well done; bless it to keep it)",
                    what.say(*size),
                    thousands(baseline - size),
                    thousands(*baseline)
                )
            }
            Self::NoBudget { flare } => write!(f, "{flare}: has no budget"),
            Self::NotBlessed { flare } => write!(f, "{flare}: is not in the baseline"),
            Self::Gone { flare, file } => write!(
                f,
                "{flare}: is in {file}, and no flare of that name is in examples/"
            ),
        }
    }
}

/// What the gate found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    pub findings: Vec<Finding>,
    /// The checks that were skipped, and why.
    pub notes: Vec<String>,
}

impl Verdict {
    pub fn passed(&self) -> bool {
        self.findings.is_empty()
    }
}

/// Compares flares with their budgets and the baseline.
///
/// `all` says that `measured` has every flare, so that entries without a flare are findings, too.
pub fn gate(
    measured: &[Measured],
    budgets: &Budgets,
    baseline: Option<&Baseline>,
    now: &Settings,
    all: bool,
) -> Verdict {
    let mut verdict = Verdict::default();
    let comparable = comparable(baseline, now, &mut verdict.notes);
    let opt_is_held = |sizes: &Sizes| sizes.opt.is_some();
    let opt_wanted = budgets.values().any(opt_is_held)
        || baseline.is_some_and(|baseline| baseline.flares.values().any(opt_is_held));
    if now.wasm_opt.is_none() && opt_wanted {
        verdict.notes.push(wasm_opt::MISSING.into());
    }

    for flare in measured.iter().filter(|flare| flare.raw.default_stack) {
        verdict.notes.push(format!(
            "{}: was linked without the flags for small flares: its stack is 1 MiB, the linker's own. \
             Cargo reads them from .cargo/config.toml in the folder that it is run in and those above \
             (not from --manifest-path), and for the target named there only",
            flare.name
        ));
    }
    for flare in measured {
        let name = || flare.name.clone();
        let sizes = Sizes::of(flare);
        let budget = budgets.get(&flare.name);
        if budget.is_none() {
            verdict.findings.push(Finding::NoBudget { flare: name() });
        }
        let accepted = baseline.and_then(|baseline| baseline.flares.get(&flare.name));
        if accepted.is_none() && comparable != Comparable::Nothing {
            verdict.findings.push(Finding::NotBlessed { flare: name() });
        }
        for what in What::ALL {
            let Some(size) = sizes.get(what) else {
                continue;
            };
            if let Some(budget) = budget.and_then(|b| b.get(what)).filter(|&b| size > b) {
                verdict.findings.push(Finding::OverBudget {
                    flare: name(),
                    what,
                    size,
                    budget,
                });
            }
            let compared = match what {
                What::Opt => comparable == Comparable::All,
                What::Raw | What::MemoryPages => comparable != Comparable::Nothing,
            };
            let differs = accepted
                .and_then(|a| a.get(what))
                .filter(|&a| compared && a != size);
            if let Some(baseline) = differs {
                verdict.findings.push(Finding::Differs {
                    flare: name(),
                    what,
                    size,
                    baseline,
                });
            }
        }
    }

    if all {
        let here = |name: &String| measured.iter().any(|m| m.name == *name);
        let gone = |names: Vec<&String>, file| {
            let names = names.into_iter().filter(|name| !here(name)).cloned();
            names
                .map(|flare| Finding::Gone { flare, file })
                .collect::<Vec<_>>()
        };
        verdict
            .findings
            .extend(gone(budgets.keys().collect(), "budgets.toml"));
        let blessed = baseline
            .map(|b| b.flares.keys().collect())
            .unwrap_or_default();
        verdict.findings.extend(gone(blessed, "baseline.toml"));
    }
    verdict
}

/// Which of the baseline's sizes are comparable with the tools at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparable {
    Nothing,
    /// Everything but the sizes after `wasm-opt`.
    WithoutOpt,
    All,
}

fn comparable(baseline: Option<&Baseline>, now: &Settings, notes: &mut Vec<String>) -> Comparable {
    let Some(baseline) = baseline else {
        notes.push(
            "there is no baseline yet, so sizes are held to the budgets only; --bless makes one"
                .into(),
        );
        return Comparable::Nothing;
    };
    let then = &baseline.settings;
    if then.rustc != now.rustc {
        notes.push(format!(
            "the baseline was made with {}, this is {}: sizes are held to the budgets only",
            then.rustc, now.rustc
        ));
        return Comparable::Nothing;
    }
    if then.rustflags != now.rustflags || then.profile != now.profile {
        notes.push("the link flags or the release profile changed since the baseline was made; that alone can change sizes".into());
    }
    match (&then.wasm_opt, &now.wasm_opt) {
        (Some(then_opt), Some(now_opt)) if then_opt != now_opt => {
            notes.push(format!(
                "the baseline was made with {then_opt}, this is {now_opt}: sizes after it are held to the budgets only"
            ));
            Comparable::WithoutOpt
        }
        (None, Some(_)) => {
            notes.push(
                "the baseline has no sizes after wasm-opt: they are held to the budgets only"
                    .into(),
            );
            Comparable::WithoutOpt
        }
        (_, None) => Comparable::WithoutOpt,
        (Some(_), Some(_)) => Comparable::All,
    }
}
