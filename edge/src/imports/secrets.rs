//! The import of `secrets`.

use bytes::Bytes;
use wasmtime::Linker;

use crate::host::Host;
use crate::imports::define::text_data;

/// Defines them.
///
/// # Errors
///
/// When the engine refuses a definition (a name twice).
pub(super) fn link(l: &mut Linker<Host>) -> wasmtime::Result<()> {
    text_data(l, "secret_get", |host, name| {
        let result = host.env.secrets.get(name).map(Bytes::copy_from_slice);
        host.ok_or_note("secret_get", result)
    })?;
    Ok(())
}
