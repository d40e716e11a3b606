//! One Wasm module: what is in it, what it measures, and how it is made smaller.

pub mod anatomy;
pub mod behaviour;

pub mod measure;
pub mod peephole;
mod rewrite;
pub mod shape;
pub mod slim;
pub mod strip;
pub mod wasm_opt;
pub mod words;
