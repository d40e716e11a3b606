//! What the local edge, `cargo size`, the tests and the benches share: building flares with cargo, and printing tables.
//!
//! | module | what it does |
//! |---|---|
//! | [`build`](mod@build) | one `cargo build`, and the files it made |
//! | [`flares`] | the example flares, and the same made with the published SDK |
//! | [`environment`] | cargo, shielded from what the environment sets for other builds |
//! | [`manifest`] | what a flare's manifest says of its SDK |
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
