//! Everything after cargo that makes a flare smaller, and the proof that it still does the same.
//!
//! The order matters: words can be moved while the module is as the linker left it
//! ([`words`]), `wasm-opt` then makes the most of globals, and it would undo some of what
//! comes last ([`shape`] and [`peephole`]).

use std::ops::Range;

use anyhow::{Context, Result};

use crate::wasm::behaviour::{self, Proof};
use crate::wasm::wasm_opt::WasmOpt;
use crate::wasm::{anatomy, peephole, shape, strip, words};

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
    anatomy::check(wasm)?;
    let mut best = Candidate {
        wasm: wasm.to_vec(),
        words: Vec::new(),
    };
    let mut offer = |start: &[u8], words: Vec<Range<u32>>| -> Result<()> {
        let optimise = |wasm: &[u8]| match steps.wasm_opt {
            Some(wasm_opt) => wasm_opt.optimise(wasm),
            None => strip::strip(wasm),
        };
        let once = optimise(start)?;
        // What a rule leaves behind, `wasm-opt` may do without; but it undoes others.
        let twice = optimise(&shape::shape(&once)?)?;
        for wasm in [once, twice] {
            let wasm = peephole::shorten(&shape::shape(&wasm)?)?;
            if wasm.len() < best.wasm.len() {
                best = Candidate {
                    wasm,
                    words: words.clone(),
                };
            }
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
        let advice = if self.words.is_empty() {
            ""
        } else {
            "; --keep-words leaves out the step that can be wrong about a module"
        };
        let proof = behaviour::compare(before, &self.wasm, &self.words).with_context(|| {
            format!("the smaller module is not proved to do the same, so it is not kept{advice}")
        })?;
        Ok(Slim {
            wasm: self.wasm,
            words: self.words.len(),
            proof,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEPS: Steps<'_> = Steps {
        words: true,
        wasm_opt: None,
    };

    fn flare(body: &str) -> Vec<u8> {
        let wat = format!(
            r#"(module
                (import "flaron/v1" "resp_set_status" (func $status (param i32)))
                (memory (export "memory") 1)
                (global (mut i32) (i32.const 64))
                (global (export "__data_end") i32 (i32.const 4096))
                (func (export "handle_request") (result i64) (local i32) {body}
                    (i32.store (i32.const 72) (i32.add (i32.const 3) (i32.load (i32.const 72))))
                    (call $status (i32.load (i32.const 72)))
                    (i64.const 0x100000000)))"#
        );
        wat::parse_str(wat).unwrap()
    }

    #[test]
    fn a_flare_becomes_smaller_and_only_once() {
        let wasm = flare("");
        let slim_once = slim(&wasm, STEPS).unwrap();
        assert!(slim_once.wasm.len() + 20 < wasm.len());
        assert_eq!(slim_once.words, 1);
        assert_eq!(slim(&slim_once.wasm, STEPS).unwrap().wasm, slim_once.wasm);
        let kept = slim(
            &wasm,
            Steps {
                words: false,
                ..STEPS
            },
        )
        .unwrap();
        assert_eq!(kept.words, 0);
        assert!(kept.wasm.len() > slim_once.wasm.len());
    }

    #[test]
    fn what_does_something_else_is_refused() {
        let wasm = flare("");
        let broken = |wasm: Vec<u8>| Candidate {
            wasm,
            words: Vec::new(),
        };
        assert!(broken(wasm.clone()).prove(&wasm).is_ok());
        let error = broken(flare("(call $status (i32.const 9))"))
            .prove(&wasm)
            .unwrap_err();
        assert!(format!("{error:#}").contains("is not kept"), "{error:#}");
        // A word that a pointer reaches, though no constant shows it.
        let hidden = flare(
            "(local.set 0 (i32.const 36)) (i32.store (i32.add (local.get 0) (local.get 0)) (i32.const 9))",
        );
        let error = slim(&hidden, STEPS).unwrap_err();
        assert!(
            format!("{error:#}").contains("not proved to do the same"),
            "{error:#}"
        );
        slim(
            &hidden,
            Steps {
                words: false,
                ..STEPS
            },
        )
        .unwrap();
    }
}
