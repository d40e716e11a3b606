//! One Wasm module: what is in it, what it measures, and how it is made smaller.

pub mod anatomy;
pub mod measure;
pub mod slim;
pub mod wasm_opt;
