//! Budgets, the baseline, and the gate made of both.
//!
//! A *budget* is a hard limit a person wrote down. The *baseline* is what was accepted last,
//! written by `--bless`, with the compiler and the settings that made it. The gate lets a flare
//! pass that is within its budget and exactly as large as the baseline says. Sizes depend on the
//! compiler, so under another rustc than the baseline's only the budgets hold.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::flares::Measured;
use crate::project::Settings;
use crate::report::thousands;

/// Limits or accepted sizes of one flare.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Sizes {
    /// Bytes straight from cargo.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw: Option<u64>,
    /// Bytes after `wasm-opt`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opt: Option<u64>,
    /// Initial memory in pages of 64 KiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_pages: Option<u64>,
}

impl Sizes {
    pub fn of(measured: &Measured) -> Self {
        Self {
            raw: Some(measured.raw.bytes),
            opt: measured.opt.as_ref().map(|opt| opt.bytes),
            memory_pages: Some(measured.raw.memory_pages),
        }
    }

    fn get(&self, what: What) -> Option<u64> {
        match what {
            What::Raw => self.raw,
            What::Opt => self.opt,
            What::MemoryPages => self.memory_pages,
        }
    }
}

/// `budgets.toml`: a table per flare.
pub type Budgets = BTreeMap<String, Sizes>;

/// `baseline.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    pub settings: Settings,
    #[serde(default)]
    pub flares: BTreeMap<String, Sizes>,
}

/// Reads `budgets.toml`.
pub fn read_budgets(path: &Path) -> Result<Budgets> {
    let text =
        fs::read_to_string(path).with_context(|| format!("could not read {}", path.display()))?;
    toml::from_str(&text).with_context(|| format!("{}", path.display()))
}

/// Reads a baseline; `None` if nothing was blessed yet.
pub fn read_baseline(path: &Path) -> Result<Option<Baseline>> {
    if !path.exists() {
        return Ok(None);
    }
    let text =
        fs::read_to_string(path).with_context(|| format!("could not read {}", path.display()))?;
    Ok(Some(
        toml::from_str(&text).with_context(|| format!("{}", path.display()))?,
    ))
}

/// The baseline that accepts `measured`. With `all`, flares that are no longer there are
/// forgotten; without, the entries of flares that were not measured this time stay.
pub fn bless(
    old: Option<&Baseline>,
    measured: &[Measured],
    settings: Settings,
    all: bool,
) -> Result<Baseline> {
    let mut flares = BTreeMap::new();
    if let Some(old) = old {
        if settings.wasm_opt.is_none() && old.settings.wasm_opt.is_some() {
            bail!(
                "the baseline holds sizes after wasm-opt, and wasm-opt is not here: blessing now would lose them.\n{}",
                crate::binaryen::MISSING
            );
        }
        if !all {
            if old.settings != settings {
                bail!(
                    "the compiler or the settings are not those of the baseline, so single flares cannot be blessed: bless all of them"
                );
            }
            flares = old.flares.clone();
        }
    }
    flares.extend(measured.iter().map(|m| (m.name.clone(), Sizes::of(m))));
    Ok(Baseline { settings, flares })
}

/// Writes a baseline, with `command` named as what wrote it.
pub fn write_baseline(path: &Path, baseline: &Baseline, command: &str) -> Result<()> {
    let text = format!(
        "# The sizes accepted last, and what they were made with. Written by `{command}`.\n\
         # raw: bytes straight from cargo; opt: after wasm-opt; memory-pages: initial memory.\n\n{}",
        toml::to_string(baseline)?
    );
    fs::write(path, text).with_context(|| format!("could not write {}", path.display()))
}

/// Which of a flare's sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    Raw,
    Opt,
    MemoryPages,
}

impl What {
    const ALL: [Self; 3] = [Self::Raw, Self::Opt, Self::MemoryPages];

    /// `1,234 bytes raw`, and so on.
    fn say(self, size: u64) -> String {
        let size = thousands(size);
        match self {
            Self::Raw => format!("{size} bytes"),
            Self::Opt => format!("{size} bytes after wasm-opt"),
            Self::MemoryPages => format!("{size} pages of initial memory"),
        }
    }
}

/// A reason for the gate to stay shut.
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
                    "{flare}: {}, {} less than the baseline of {} (well done; bless it, so that it stays)",
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
    /// What was not checked, and why.
    pub notes: Vec<String>,
}

impl Verdict {
    pub fn passed(&self) -> bool {
        self.findings.is_empty()
    }
}

/// Holds flares to their budgets and to the baseline.
///
/// `all` says that `measured` is every flare there is, so that entries without a flare are
/// findings too.
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
        verdict.notes.push(crate::binaryen::MISSING.into());
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

/// Which of the baseline's sizes mean something under the tools at hand.
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

/// Reads a number of bytes as people write it: `2048`, `2,048`, `2KiB`, `1.5 KiB`, `2kB`.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let help = || format!("{text:?} is no number of bytes; write 2048, 2KiB or 2kB");
    let text = text.trim();
    let end = text
        .find(|c: char| c.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let factor = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "kib" | "k" => 1024.0,
        "kb" => 1000.0,
        "mib" | "m" => 1024.0 * 1024.0,
        "mb" => 1000.0 * 1000.0,
        _ => return Err(help()),
    };
    let number: f64 = number
        .trim()
        .replace([',', '_'], "")
        .parse()
        .map_err(|_| help())?;
    let bytes = number * factor;
    if !(0.0..=1e15).contains(&bytes) {
        return Err(help());
    }
    // A fraction of a byte is nobody's: the budget of 1.5 KiB is 1536, that of 0.3 KiB is 307.
    Ok(bytes.floor() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Measure;

    fn settings(rustc: &str, wasm_opt: Option<&str>) -> Settings {
        Settings {
            rustc: rustc.into(),
            wasm_opt: wasm_opt.map(Into::into),
            wasm_opt_flags: Vec::new(),
            rustflags: vec!["-Clink-arg=-zstack-size=4096".into()],
            profile: toml::Table::new(),
        }
    }

    fn flare(name: &str, raw: u64, opt: Option<u64>, memory_pages: u64) -> Measured {
        let measure = |bytes| Measure {
            bytes,
            gzip: 0,
            brotli: 0,
            sections: Vec::new(),
            functions: 0,
            imports: 0,
            exports: 0,
            memory_pages,
        };
        Measured {
            name: name.into(),
            raw: measure(raw),
            opt: opt.map(measure),
        }
    }

    fn sizes(raw: u64, opt: u64, memory_pages: u64) -> Sizes {
        Sizes {
            raw: Some(raw),
            opt: Some(opt),
            memory_pages: Some(memory_pages),
        }
    }

    fn budgets() -> Budgets {
        Budgets::from([
            ("echo".into(), sizes(740, 615, 6)),
            ("hello".into(), sizes(375, 310, 6)),
        ])
    }

    fn measured() -> Vec<Measured> {
        vec![
            flare("echo", 730, Some(600), 5),
            flare("hello", 350, Some(300), 5),
        ]
    }

    fn blessed() -> Baseline {
        bless(None, &measured(), settings("rustc 1", Some("132")), true).unwrap()
    }

    fn check(measured: &[Measured], baseline: &Baseline, now: &Settings) -> Verdict {
        gate(measured, &budgets(), Some(baseline), now, true)
    }

    #[test]
    fn what_was_blessed_passes() {
        let verdict = check(&measured(), &blessed(), &settings("rustc 1", Some("132")));
        assert_eq!(verdict, Verdict::default());
    }

    #[test]
    fn a_flare_over_its_budget_fails_by_name_and_amount() {
        let mut measured = measured();
        measured[0] = flare("echo", 3000, Some(2615), 7);
        let verdict = check(&measured, &blessed(), &settings("another", Some("132")));
        let said: Vec<String> = verdict.findings.iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "echo: 3,000 bytes, 2,260 over its budget of 740",
                "echo: 2,615 bytes after wasm-opt, 2,000 over its budget of 615",
                "echo: 7 pages of initial memory, 1 over its budget of 6",
            ]
        );
    }

    #[test]
    fn a_budget_is_the_largest_size_allowed() {
        let measured = [
            flare("echo", 740, Some(615), 6),
            flare("hello", 375, Some(310), 6),
        ];
        assert!(check(&measured, &blessed(), &settings("another", Some("132"))).passed());
    }

    #[test]
    fn growth_and_shrinking_within_the_budget_fail_under_the_same_rustc() {
        let measured = [
            flare("echo", 731, Some(600), 5),
            flare("hello", 350, Some(298), 5),
        ];
        let verdict = check(&measured, &blessed(), &settings("rustc 1", Some("132")));
        let said: Vec<String> = verdict.findings.iter().map(ToString::to_string).collect();
        assert_eq!(said.len(), 2, "{said:?}");
        assert_eq!(said[0], "echo: 731 bytes, 1 more than the baseline of 730");
        assert!(
            said[1].starts_with("hello: 298 bytes after wasm-opt, 2 less than the baseline of 300")
        );
    }

    #[test]
    fn another_rustc_is_held_to_the_budgets_only_and_says_so() {
        let measured = [
            flare("echo", 731, Some(600), 5),
            flare("hello", 350, Some(298), 5),
        ];
        let verdict = check(&measured, &blessed(), &settings("rustc 2", Some("132")));
        assert!(verdict.passed());
        assert_eq!(
            verdict.notes,
            [
                "the baseline was made with rustc 1, this is rustc 2: sizes are held to the budgets only"
            ]
        );
    }

    #[test]
    fn another_wasm_opt_or_none_still_compares_what_cargo_made() {
        let measured = [
            flare("echo", 731, Some(590), 5),
            flare("hello", 350, Some(298), 5),
        ];
        let verdict = check(&measured, &blessed(), &settings("rustc 1", Some("131")));
        assert_eq!(verdict.findings.len(), 1);
        assert!(verdict.notes[0].contains("131"));

        let measured = [flare("echo", 731, None, 5), flare("hello", 350, None, 5)];
        let verdict = check(&measured, &blessed(), &settings("rustc 1", None));
        assert_eq!(verdict.findings.len(), 1);
        assert!(verdict.notes[0].contains("cargo size setup"));
    }

    #[test]
    fn flares_without_budget_or_baseline_and_entries_without_flare_fail() {
        let measured = [
            flare("echo", 730, Some(600), 5),
            flare("new", 10, Some(10), 5),
        ];
        let now = settings("rustc 1", Some("132"));
        let verdict = check(&measured, &blessed(), &now);
        let new = || "new".to_string();
        let gone = |file| Finding::Gone {
            flare: "hello".into(),
            file,
        };
        assert_eq!(
            verdict.findings,
            [
                Finding::NoBudget { flare: new() },
                Finding::NotBlessed { flare: new() },
                gone("budgets.toml"),
                gone("baseline.toml"),
            ]
        );
        // When only some flares were asked for, the others are not missed.
        assert!(gate(&measured[..1], &budgets(), Some(&blessed()), &now, false).passed());
    }

    #[test]
    fn without_a_baseline_the_budgets_hold() {
        let now = settings("rustc 1", Some("132"));
        let verdict = gate(&measured(), &budgets(), None, &now, true);
        assert!(verdict.passed());
        assert!(verdict.notes[0].contains("--bless"));
        let over = [flare("echo", 741, None, 5)];
        assert!(!gate(&over, &budgets(), None, &now, false).passed());
    }

    #[test]
    fn blessing_keeps_what_was_not_measured_and_forgets_what_is_gone() {
        let now = || settings("rustc 1", Some("132"));
        let smaller = [flare("echo", 700, Some(500), 5)];
        let some = bless(Some(&blessed()), &smaller, now(), false).unwrap();
        assert_eq!(some.flares["echo"], sizes(700, 500, 5));
        assert_eq!(some.flares["hello"], sizes(350, 300, 5));
        let all = bless(Some(&blessed()), &smaller, now(), true).unwrap();
        assert!(!all.flares.contains_key("hello"));
    }

    #[test]
    fn blessing_never_mixes_compilers_and_never_loses_opt_sizes() {
        let one = [flare("echo", 700, Some(500), 5)];
        let other = settings("rustc 2", Some("132"));
        assert!(bless(Some(&blessed()), &one, other.clone(), false).is_err());
        assert!(bless(Some(&blessed()), &one, other, true).is_ok());
        let error = bless(Some(&blessed()), &one, settings("rustc 1", None), true).unwrap_err();
        assert!(error.to_string().contains("would lose them"));
    }

    #[test]
    fn a_baseline_survives_the_disk() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("baseline.toml");
        assert_eq!(read_baseline(&path).unwrap(), None);
        write_baseline(&path, &blessed(), "cargo size --bless").unwrap();
        assert_eq!(read_baseline(&path).unwrap(), Some(blessed()));
    }

    #[test]
    fn a_misspelled_budget_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("budgets.toml");
        fs::write(&path, "[hello]\nraww = 3").unwrap();
        assert!(read_budgets(&path).is_err());
    }

    #[test]
    fn bytes_as_people_write_them() {
        for (text, bytes) in [
            ("2KiB", 2048),
            ("2 kB", 2000),
            ("1.5KiB", 1536),
            ("2,048", 2048),
            ("0.3 KiB", 307),
            ("64b", 64),
        ] {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
        for text in ["", "KiB", "2 GiB", "-1", "two", "NaN"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
    }
}
