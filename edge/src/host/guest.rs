//! The parts of a guest that the host calls and reads.

use wasmtime::{Memory, TypedFunc};

/// The guest's memory and allocator, found once per instance.
#[derive(Default)]
pub(crate) struct Guest {
    /// The exported memory.
    pub(crate) memory: Option<Memory>,
    /// The exported `alloc`.
    pub(crate) alloc: Option<TypedFunc<i32, i32>>,
    /// Whether the host waits for `alloc` at this moment. A guest whose `alloc` calls an import
    /// that needs `alloc` would otherwise go round in circles.
    pub(crate) allocating: bool,
}
