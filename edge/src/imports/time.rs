//! The import of `time`.

use wasmtime::Linker;

use crate::capability::time;
use crate::host::Host;
use crate::imports::define::text_data;

/// Defines them.
///
/// # Errors
///
/// When the engine refuses a definition (a name twice).
pub(super) fn link(l: &mut Linker<Host>) -> wasmtime::Result<()> {
    text_data(l, "timestamp", |host, args| {
        host.ok_or_note("timestamp", time::timestamp(args))
    })?;
    Ok(())
}
