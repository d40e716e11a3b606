//! The accepted sizes.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::flares::Measured;
use crate::gate::budget::Sizes;
use crate::project::Settings;
use crate::wasm::wasm_opt;

/// `baseline.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    pub settings: Settings,
    #[serde(default)]
    pub flares: BTreeMap<String, Sizes>,
}

/// Reads a baseline; `None` if nothing has been blessed yet.
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

/// The baseline that accepts `measured`. With `all`, flares that no longer exist are removed; without, the
/// entries of flares that were not measured this time are kept.
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
                "the baseline has sizes after wasm-opt, but wasm-opt is not installed: blessing now would lose them.\n{}",
                wasm_opt::MISSING
            );
        }
        if !all {
            if old.settings != settings {
                bail!(
                    "the compiler or the settings differ from the baseline's, so you cannot bless single flares: bless all of them"
                );
            }
            flares = old.flares.clone();
        }
    }
    flares.extend(measured.iter().map(|m| (m.name.clone(), Sizes::of(m))));
    Ok(Baseline { settings, flares })
}

/// Writes a baseline that names `command` as the one that wrote it.
pub fn write_baseline(path: &Path, baseline: &Baseline, command: &str) -> Result<()> {
    let text = format!(
        "# The sizes accepted last, and what they were made with. Written by `{command}`.\n\
         # raw: bytes straight from cargo; opt: after wasm-opt; memory-pages: initial memory.\n\n{}",
        toml::to_string(baseline)?
    );
    fs::write(path, text).with_context(|| format!("could not write {}", path.display()))
}
