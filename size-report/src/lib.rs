//! What a flare's bytes are made of.
//!
//! Lowest first; a module names those above it in this list only:
//!
//! | module | what it does |
//! |---|---|
//! | [`format`](mod@format), [`output`] | numbers as people write them; printing |
//! | [`wasm`] | one module: taken apart, measured, made smaller, run |
//! | [`project`] | where the repository is, and the settings that its flares are built with |
//! | [`flares`] | finds, builds and measures the example flares |
//! | [`gate`](mod@gate) | hard limits, the accepted baseline, and the gate made of both |
//! | [`report`] | the report: terminal, Markdown, JSON |
//! | [`chart`] | the same as a picture (SVG) |
//! | [`command`] | the commands: `cargo size`, `why`, `diff`, `check`, `slim`, `prices`, `floors`, `peers` |
//! | [`cli`] | the command line |

pub mod chart;
pub mod cli;
pub mod command;
pub mod flares;
pub mod format;
pub mod gate;
pub mod output;
pub mod project;
pub mod report;
pub mod wasm;
