//! One round: wrk's results for a server, and the system's figures for its process meanwhile.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde::Deserialize;
use wasmtime::error::Context as _;
use wasmtime::{Result, ensure, format_err};

use crate::flares;
use crate::load::Settings;
use crate::load::server::Server;

/// The results of one round.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Round {
    pub(super) requests: u64,
    pub(super) micros: u64,
    pub(super) p50: u64,
    pub(super) p99: u64,
    pub(super) errors: u64,
    /// The server's CPU time, where the system reports it.
    #[serde(skip)]
    pub(super) cpu: Option<Duration>,
    /// The server's memory at the end of the round in bytes, likewise.
    #[serde(skip)]
    pub(super) memory: Option<u64>,
}

impl Round {
    pub(super) fn per_second(&self) -> Option<f64> {
        Some(self.requests as f64 / (self.micros as f64 / 1e6))
    }

    pub(super) fn p50_micros(&self) -> Option<f64> {
        Some(self.p50 as f64)
    }

    pub(super) fn p99_micros(&self) -> Option<f64> {
        Some(self.p99 as f64)
    }

    pub(super) fn cpu_micros(&self) -> Option<f64> {
        Some(self.cpu?.as_secs_f64() * 1e6 / self.requests as f64)
    }

    pub(super) fn memory_mib(&self) -> Option<f64> {
        Some(self.memory? as f64 / f64::from(1 << 20))
    }
}

/// Loads a server for one round.
///
/// # Errors
///
/// When wrk fails, or there was no response.
pub(super) fn load(
    wrk: &Path,
    server: &Server,
    settings: &Settings,
    seconds: u32,
) -> Result<Round> {
    let before = server.cpu();
    let output = Command::new(wrk)
        .arg(format!("-t{}", settings.threads))
        .arg(format!("-c{}", settings.connections))
        .arg(format!("-d{seconds}s"))
        .arg("-s")
        .arg(flares::root().join("benches/src/load/wrk.lua"))
        .arg(format!("http://{}/", server.addr()))
        .stdin(Stdio::null())
        .output()
        .context("cannot run wrk")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut round = measured(&text).ok_or_else(|| {
        format_err!(
            "wrk did not say what it measured, but: {text}{}",
            String::from_utf8_lossy(&output.stderr)
        )
    })?;
    ensure!(round.requests > 0, "{} answered nothing", server.name());
    round.cpu = server
        .cpu()
        .zip(before)
        .and_then(|(after, before)| after.checked_sub(before));
    round.memory = server.memory();
    Ok(round)
}

/// The line that `wrk.lua` prints.
fn measured(output: &str) -> Option<Round> {
    let line = output.lines().find_map(|line| line.strip_prefix("LOAD "))?;
    serde_json::from_str(line).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_wrk_says_is_understood() {
        let text =
            "Running\nLOAD {\"requests\":4,\"micros\":2000000,\"p50\":5,\"p99\":6,\"errors\":7}\n";
        let round = measured(text).unwrap();
        assert_eq!(
            (round.per_second(), round.p50, round.p99),
            (Some(2.0), 5, 6)
        );
        assert_eq!(round.errors, 7);
        assert_eq!(round.cpu_micros(), None);
        assert!(measured("unable to connect").is_none());
    }
}
