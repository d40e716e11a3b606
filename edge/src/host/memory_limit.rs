//! How large a flare's memory may become.

/// Enforces a flare's memory limit, and remembers when it was exceeded.
#[derive(Debug)]
pub(crate) struct MemoryLimit {
    limit: usize,
    /// What the guest requested and was denied, in bytes.
    pub(crate) denied: Option<usize>,
}

impl MemoryLimit {
    /// A limit in bytes.
    pub(crate) fn new(limit: usize) -> Self {
        MemoryLimit {
            limit,
            denied: None,
        }
    }
}

/// How many elements a flare's tables may have in total.
const MAX_TABLE_ELEMENTS: usize = 100_000;

impl wasmtime::ResourceLimiter for MemoryLimit {
    fn memory_growing(
        &mut self,
        _current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let allowed = desired <= self.limit;
        if !allowed || maximum.is_some_and(|maximum| desired > maximum) {
            self.denied = Some(desired);
        }
        Ok(allowed)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= MAX_TABLE_ELEMENTS)
    }
}
