//! Wasm: compiling flares once, and running an instance for each invocation.

pub(crate) mod engine;
pub(crate) mod failure;
pub(crate) mod info;
pub(crate) mod linking;
mod place;
pub(crate) mod program;
mod renewal;
mod spares;
mod ticker;
