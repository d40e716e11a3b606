//! `probes.toml`: the flares whose sizes the prices are.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// The empty flare's name among the probes.
pub(super) const EMPTY: &str = "an empty flare";

/// `probes.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Probes {
    /// Public functions that have no price of their own, and why.
    #[serde(default)]
    pub(super) unpriced: BTreeMap<String, String>,
    pub(super) probe: Vec<Probe>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::command) struct Probe {
    /// The heading it stands under.
    pub(in crate::command) group: String,
    /// What is called: `request::method`. With a space in it: more than a call.
    pub(in crate::command) name: String,
    /// Features of the SDK it needs.
    #[serde(default)]
    pub(in crate::command) features: Vec<String>,
    /// The body of the handler.
    #[serde(default)]
    pub(in crate::command) code: String,
    /// Items next to the handler.
    #[serde(default)]
    pub(in crate::command) items: String,
    /// What to use in place of `handle_request!(probe)`.
    #[serde(default)]
    pub(in crate::command) entry: String,
    /// The functions it is the price of, if they are not its name.
    #[serde(default)]
    pub(in crate::command) covers: Vec<String>,
}

/// Reads `probes.toml`.
pub(super) fn read_probes(path: &Path) -> Result<Probes> {
    let text =
        fs::read_to_string(path).with_context(|| format!("could not read {}", path.display()))?;
    let probes: Probes = toml::from_str(&text).with_context(|| format!("{}", path.display()))?;
    let mut packages = BTreeSet::new();
    for probe in &probes.probe {
        ensure!(
            packages.insert(package(&probe.name)),
            "{}: two probes are called {}",
            path.display(),
            probe.name
        );
    }
    Ok(probes)
}

/// The package name of a probe: `request::method` is `probe-request-method`.
pub(in crate::command) fn package(name: &str) -> String {
    let letters = name.chars().map(|c| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            ' '
        }
    });
    let words: String = letters.collect();
    let words: Vec<&str> = words.split_whitespace().collect();
    format!("probe-{}", words.join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn package_names_are_fit_for_cargo() {
        assert_eq!(package("request::method"), "probe-request-method");
        assert_eq!(package("write! of a number"), "probe-write-of-a-number");
    }
}
