//! What the local edge, `cargo size`, the tests and the benches share: building flares with cargo, and printing tables.
//!
//! | module | what it does |
//! |---|---|
//! | [`build`](mod@build) | one `cargo build`, and the files it produced |
//! | [`flares`] | the example flares, and the same ones built with the published SDK |
//! | [`environment`] | cargo, without the effects of environment variables meant for other builds |
//! | [`manifest`] | what a flare's manifest says about its SDK |
//! | [`table`] | tables, for the terminal and as Markdown |
//! | [`toolchain`] | the Rust target for Wasm, and the compiler's version |

pub mod build;
pub mod environment;
mod error;
pub mod flares;
pub mod manifest;
pub mod table;
pub mod toolchain;

pub use build::{Artifacts, Build, WasmFile};
pub use environment::isolated_cargo;
pub use error::{Error, Result};
pub use toolchain::{WASM_TARGET, ensure_target, rustc_version};
