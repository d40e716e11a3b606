//! Everything after cargo that makes a flare smaller, and the proof that it still does the same.
//!
//! The order matters: words can be moved while the module is as the linker left it
//! ([`words`](crate::wasm::words)), `wasm-opt` then makes the most of globals, and it would undo what
//! comes last ([`peephole`](crate::wasm::peephole)).

use std::ops::Range;

use anyhow::{Context, Result};

use crate::wasm::behaviour::{self, Proof};
use crate::wasm::wasm_opt::WasmOpt;
use crate::wasm::{peephole, strip, words};

/// What may be done.
#[derive(Debug, Clone, Copy)]
pub struct Steps<'a> {
    /// Move words of memory to globals.
    pub words: bool,
    /// Run `wasm-opt`.
    pub wasm_opt: Option<&'a WasmOpt>,
}

/// A module that has been made smaller.
#[derive(Debug)]
pub struct Slim {
    pub wasm: Vec<u8>,
    /// How many words are globals now.
    pub words: usize,
    pub proof: Proof,
}

/// Makes `wasm` smaller. It stays as it is where nothing helps.
///
/// # Errors
///
/// When it is no flare, or what came out does not do what went in.
pub fn slim(wasm: &[u8], steps: Steps<'_>) -> Result<Slim> {
    let mut best = Candidate {
        wasm: wasm.to_vec(),
        words: Vec::new(),
    };
    let mut offer = |start: &[u8], words| -> Result<()> {
        let wasm = match steps.wasm_opt {
            Some(wasm_opt) => wasm_opt.optimise(start)?,
            None => strip::strip(start)?,
        };
        let wasm = peephole::shorten(&wasm)?;
        if wasm.len() < best.wasm.len() {
            best = Candidate { wasm, words };
        }
        Ok(())
    };
    offer(wasm, Vec::new())?;
    if steps.words {
        let moved = words::move_to_globals(wasm)?;
        if !moved.words.is_empty() {
            offer(&moved.wasm, moved.words)?;
        }
    }
    best.prove(wasm)
}

struct Candidate {
    wasm: Vec<u8>,
    words: Vec<Range<u32>>,
}

impl Candidate {
    fn prove(self, before: &[u8]) -> Result<Slim> {
        let proof = behaviour::compare(before, &self.wasm, &self.words)
            .context("the smaller module is not proved to do the same, so it is not kept")?;
        Ok(Slim {
            wasm: self.wasm,
            words: self.words.len(),
            proof,
        })
    }
}
