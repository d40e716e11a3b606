//! The imports of `id`.

use wasmtime::Linker;

use crate::host::Host;
use crate::imports::define::{data, length_data, text_data};

/// Defines them.
///
/// # Errors
///
/// When the engine refuses a definition (a name twice).
pub(super) fn link(l: &mut Linker<Host>) -> wasmtime::Result<()> {
    text_data(l, "id_uuid", |host, args| {
        let result = host.env.node.ids.uuid(args);
        host.ok_or_note("id_uuid", result)
    })?;
    data(l, "id_ulid", |host| Some(host.env.node.ids.ulid().into()))?;
    data(l, "id_ksuid", |host| Some(host.env.node.ids.ksuid().into()))?;
    data(l, "id_snowflake", |host| {
        Some(host.env.node.ids.snowflake().into())
    })?;
    data(l, "snowflake_id", |host| host.snowflake_id())?;
    length_data(l, "id_nanoid", |host, length| {
        let result = host.env.node.ids.nanoid(length);
        host.ok_or_note("id_nanoid", result)
    })?;
    Ok(())
}
