//! The instructions that a flare executes in one invocation, including the host's calls of its `alloc`.
//! The engine counts them as fuel, and the count is exact, so CI can hold flares to it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use serde::Deserialize;
use wasmtime::Result;
use wasmtime::error::Context as _;

use crate::flares;
use crate::host::{Machine, Upstream};

/// The command that accepts the current numbers.
pub const BLESS: &str = "cargo run -p flaron-benches -- fuel --bless";

/// Instruction counts, and what else they depend on besides the flares' source.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// As `rustc --version` prints it.
    pub rustc: String,
    /// The version of the engine.
    pub wasmtime: String,
    /// Instructions by flare.
    pub fuel: BTreeMap<String, u64>,
}

impl Baseline {
    /// Builds our flares and counts their instructions.
    ///
    /// # Errors
    ///
    /// When a flare cannot be built, or fails.
    pub fn measure() -> Result<Baseline> {
        let machine = Machine::counting(Upstream::USUAL)?;
        let mut fuel = BTreeMap::new();
        for name in flares::names()? {
            let wasm = flares::ours(&name)?;
            let count = count(&machine, &wasm).with_context(|| name.clone())?;
            fuel.insert(name, count);
        }
        Ok(Baseline {
            rustc: flares::rustc_version()?,
            wasmtime: flares::wasmtime_version()?,
            fuel,
        })
    }

    /// Reads the committed numbers.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn committed() -> Result<Baseline> {
        let file = file();
        let text = fs::read_to_string(&file)
            .with_context(|| format!("cannot read {}; to make it: {BLESS}", file.display()))?;
        toml::from_str(&text).with_context(|| file.display().to_string())
    }

    /// Replaces the committed numbers.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn write(&self) -> Result<()> {
        fs::write(file(), self.to_toml())?;
        Ok(())
    }

    fn to_toml(&self) -> String {
        let Baseline {
            rustc,
            wasmtime,
            fuel,
        } = self;
        let mut text = format!(
            "# Instructions (the engine's fuel) of one invocation of each example flare. Accept new\n\
             # ones with: {BLESS}\n\
             rustc = {rustc:?}\nwasmtime = {wasmtime:?}\n\n[fuel]\n"
        );
        for (name, count) in fuel {
            let _ = writeln!(text, "{name} = {count}");
        }
        text
    }

    /// The differences from the committed numbers, one line each.
    pub fn changes(&self, committed: &Baseline) -> Vec<String> {
        let mut names: Vec<_> = self.fuel.keys().chain(committed.fuel.keys()).collect();
        names.sort();
        names.dedup();
        let mut changes = Vec::new();
        for name in names {
            match (committed.fuel.get(name), self.fuel.get(name)) {
                (Some(old), Some(new)) if old == new => {}
                (Some(old), Some(new)) => {
                    let percent = 100.0 * (*new as f64 / *old as f64 - 1.0);
                    changes.push(format!("{name}: {old} -> {new} ({percent:+.1}%)"));
                }
                (None, Some(new)) => changes.push(format!("{name}: {new}, and no baseline")),
                (_, None) => changes.push(format!("{name}: in the baseline, but no flare")),
            }
        }
        changes
    }

    /// Whether the numbers can be compared at all: both are from the same compiler and engine.
    pub fn is_comparable(&self, committed: &Baseline) -> bool {
        (&self.rustc, &self.wasmtime) == (&committed.rustc, &committed.wasmtime)
    }
}

/// The instructions of one invocation.
///
/// # Errors
///
/// When the flare fails.
pub fn count(machine: &Machine, wasm: &[u8]) -> Result<u64> {
    let mut instance = machine.compile(wasm)?.instantiate()?;
    let before = instance.fuel()?;
    instance.invoke()?;
    Ok(instance.fuel()? - before)
}

fn file() -> PathBuf {
    flares::root().join("benches/fuel.toml")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn baseline(fuel: &[(&str, u64)]) -> Baseline {
        Baseline {
            rustc: "rustc 1".into(),
            wasmtime: "48".into(),
            fuel: fuel
                .iter()
                .map(|(name, count)| ((*name).to_owned(), *count))
                .collect(),
        }
    }

    #[test]
    fn what_is_written_can_be_read() {
        let written = baseline(&[("beam-json", 7), ("hello", 15)]);
        assert_eq!(
            toml::from_str::<Baseline>(&written.to_toml()).unwrap(),
            written
        );
    }

    #[test]
    fn every_difference_is_a_change() {
        let old = baseline(&[("echo", 200), ("gone", 1), ("hello", 15)]);
        let new = baseline(&[("echo", 150), ("hello", 15), ("new", 3)]);
        assert_eq!(
            new.changes(&old),
            [
                "echo: 200 -> 150 (-25.0%)",
                "gone: in the baseline, but no flare",
                "new: 3, and no baseline",
            ]
        );
        assert!(old.changes(&old).is_empty());
    }

    #[test]
    fn another_version_is_not_compared() {
        let old = baseline(&[]);
        let new = Baseline {
            rustc: "rustc 2".into(),
            ..old.clone()
        };
        assert!(old.is_comparable(&old) && !new.is_comparable(&old));
    }
}
