//! The numbers of one module.

use std::io::Write;

use anyhow::Result;
use flate2::{Compression, write::GzEncoder};
use serde::Serialize;

use crate::wasm::anatomy::{Anatomy, Section};

/// What a table row needs to know about a module.
#[derive(Debug, Clone, Serialize)]
pub struct Measure {
    pub bytes: u64,
    pub gzip: u64,
    pub brotli: u64,
    /// Every section in the order of the file, the 8-byte header first; they sum to `bytes`.
    pub sections: Vec<Section>,
    pub functions: usize,
    pub imports: usize,
    pub exports: usize,
    /// Initial memory in pages of 64 KiB; 0 for a module without memory.
    pub memory_pages: u64,
    /// Whether it was linked without flags ([`Anatomy::has_default_stack`]).
    pub default_stack: bool,
}

impl Measure {
    pub fn of(wasm: &[u8]) -> Result<Self> {
        let anatomy = Anatomy::of(wasm)?;
        Ok(Self {
            bytes: anatomy.total,
            gzip: gzip_len(wasm)?,
            brotli: brotli_len(wasm)?,
            functions: anatomy.functions.len(),
            imports: anatomy.imports.len(),
            exports: anatomy.exports.len(),
            memory_pages: anatomy.memory_pages.unwrap_or(0),
            default_stack: anatomy.has_default_stack(),
            sections: anatomy.sections,
        })
    }

    /// Bytes of all sections called `name`.
    pub fn section(&self, name: &str) -> u64 {
        let of_that_name = self.sections.iter().filter(|s| s.name == name);
        of_that_name.map(|s| s.bytes).sum()
    }
}

/// Length after gzip at level 9.
fn gzip_len(bytes: &[u8]) -> Result<u64> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?.len() as u64)
}

/// Length after brotli at quality 11, what a CDN serves for static files.
fn brotli_len(bytes: &[u8]) -> Result<u64> {
    let mut out = Vec::new();
    let params = brotli::enc::BrotliEncoderParams {
        quality: 11,
        lgwin: 22,
        size_hint: bytes.len(),
        ..Default::default()
    };
    brotli::BrotliCompress(&mut &bytes[..], &mut out, &params)?;
    Ok(out.len() as u64)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn counts_what_is_there() {
        let wasm = wat::parse_str(
            r#"(module
                (import "flaron/v1" "ws_close_conn" (func (param i32)))
                (memory (export "memory") 2)
                (func (export "alloc") (param i32) (result i32) (i32.const 0))
                (func) (func))"#,
        )
        .unwrap();
        let measure = Measure::of(&wasm).unwrap();
        assert_eq!(measure.bytes, wasm.len() as u64);
        assert_eq!(
            (measure.functions, measure.imports, measure.exports),
            (3, 1, 2)
        );
        assert_eq!(measure.memory_pages, 2);
        assert_eq!(measure.section("data"), 0);
        assert!(measure.section("code") > 0);
    }

    #[test]
    fn compressed_lengths_are_those_of_real_streams() {
        let text = b"flare ".repeat(500);
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&text).unwrap();
        let stream = encoder.finish().unwrap();
        let mut back = Vec::new();
        flate2::read::GzDecoder::new(&stream[..])
            .read_to_end(&mut back)
            .unwrap();
        assert_eq!(back, text);
        assert_eq!(gzip_len(&text).unwrap(), stream.len() as u64);
        assert!(brotli_len(&text).unwrap() < gzip_len(&text).unwrap());
    }
}
