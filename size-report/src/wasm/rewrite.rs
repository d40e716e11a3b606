//! Reads a module, changes it on the way, and writes it.

use std::convert::Infallible;

use anyhow::{Context, Result};
use wasm_encoder::Module;
use wasm_encoder::reencode::Reencode;
use wasmparser::Parser;

/// `wasm` as `change` leaves it. `what` it does, for the message where no valid module comes of it: one that
/// cannot be loaded must never leave this function, whatever was put in.
pub(super) fn rewrite(
    wasm: &[u8],
    change: &mut impl Reencode<Error = Infallible>,
    what: &str,
) -> Result<Vec<u8>> {
    let mut module = Module::new();
    change
        .parse_core_module(&mut module, Parser::new(0), wasm)
        .context("could not rewrite the module")?;
    let changed = module.finish();
    wasmparser::validate(&changed)
        .with_context(|| format!("{what} broke the module; please report this"))?;
    Ok(changed)
}
