//! Builds flares with cargo: what the local edge, `cargo size`, the tests and the benches have in
//! common.
//!
//! | module | what it does |
//! |---|---|
//! | [`build`](mod@build) | one `cargo build`, and the files it made |
//! | [`flares`] | the example flares, and the same made with the published SDK |
//! | [`environment`] | cargo, shielded from what the environment sets for other builds |
//! | [`manifest`] | what a flare's manifest says of its SDK |
//! | [`toolchain`] | the Rust target for Wasm, and the compiler's version |

pub mod build;
pub mod environment;
mod error;
pub mod flares;
pub mod manifest;
pub mod toolchain;

pub use build::{Artifacts, Build, WasmFile};
pub use environment::isolated_cargo;
pub use error::{Error, Result};
pub use toolchain::{WASM_TARGET, ensure_target, rustc_version};
