//! Shows what a flare's bytes are made of.
//!
//! Lowest layer first; a module uses only those above it in this list:
//!
//! | module | what it does |
//! |---|---|
//! | [`format`](mod@format), [`output`] | numbers for people; printing |
//! | [`wasm`] | one module: parsing, measuring, shrinking, running it |
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
