//! The parts of a guest that the host calls and reads.

use wasmtime::{Memory, TypedFunc};

/// The guest's memory, looked up once per instance, and its allocator, looked up when it is first
/// called: a flare that only answers needs none.
#[derive(Default)]
pub(crate) struct Guest {
    /// The exported memory.
    pub(crate) memory: Option<Memory>,
    /// The exported `alloc`.
    pub(crate) alloc: Option<TypedFunc<i32, i32>>,
    /// Whether the host is waiting for `alloc` at this moment. A guest whose `alloc` calls an
    /// import that needs `alloc` would otherwise recurse endlessly.
    pub(crate) allocating: bool,
}
