//! What a flare's bytes are made of.
//!
//! The command line is in `main.rs`; here is what it is made of, bottom first:
//!
//! | module | what it does |
//! |---|---|
//! | [`anatomy`] | takes a Wasm module apart: functions, data, imports, exports, each with its bytes |
//! | [`measure`] | the numbers of one module: bytes, gzip, brotli, sections, counts |
//! | [`slim`] | removes what a deployed flare does not need |
//! | [`binaryen`] | finds and runs `wasm-opt` |
//! | [`project`] | where the repository is, and running cargo in it |
//! | [`flares`] | finds, builds and measures the example flares |
//! | [`budget`] | hard limits, the accepted baseline, and the gate made of both |
//! | [`report`] | the tables: terminal, Markdown, JSON |
//! | [`chart`] | the same as a picture (SVG) |
//! | [`output`] | printing what was made of it |
//! | [`why`] | `cargo size why` |
//! | [`diff`] | `cargo size diff` |
//! | [`prices`] | `cargo size prices` |
//! | [`peers`] | `cargo size peers` |
//! | [`check`] | `cargo size check`, for anybody's `.wasm` |

pub mod anatomy;
pub mod binaryen;
pub mod budget;
pub mod chart;
pub mod check;
pub mod diff;
pub mod flares;
pub mod measure;
pub mod output;
pub mod peers;
pub mod prices;
pub mod project;
pub mod report;
pub mod slim;
pub mod why;
