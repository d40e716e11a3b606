//! Hard limits, written by people.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::flares::Measured;
use crate::format::thousands;

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

    pub(super) fn get(&self, what: What) -> Option<u64> {
        match what {
            What::Raw => self.raw,
            What::Opt => self.opt,
            What::MemoryPages => self.memory_pages,
        }
    }
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
    pub(super) const ALL: [Self; 3] = [Self::Raw, Self::Opt, Self::MemoryPages];

    /// `1,234 bytes raw`, and so on.
    pub(super) fn say(self, size: u64) -> String {
        let size = thousands(size);
        match self {
            Self::Raw => format!("{size} bytes"),
            Self::Opt => format!("{size} bytes after wasm-opt"),
            Self::MemoryPages => format!("{size} pages of initial memory"),
        }
    }
}

/// `budgets.toml`: a table per flare.
pub type Budgets = BTreeMap<String, Sizes>;

/// Reads `budgets.toml`.
pub fn read_budgets(path: &Path) -> Result<Budgets> {
    let text =
        fs::read_to_string(path).with_context(|| format!("could not read {}", path.display()))?;
    toml::from_str(&text).with_context(|| format!("{}", path.display()))
}
