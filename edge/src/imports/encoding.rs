//! The imports of `encoding`.

use bytes::Bytes;
use wasmtime::Linker;

use crate::capability::encoding;
use crate::host::Host;
use crate::imports::define::text_data;

/// Defines them.
///
/// # Errors
///
/// When the engine refuses a definition (a name twice).
pub(super) fn link(l: &mut Linker<Host>) -> wasmtime::Result<()> {
    text_data(l, "encoding_base64_encode", |_, bytes| {
        Some(encoding::base64_encode(bytes).into())
    })?;
    text_data(l, "encoding_base64_decode", |_, text| {
        encoding::base64_decode(text).map(Bytes::from)
    })?;
    text_data(l, "encoding_hex_encode", |_, bytes| {
        Some(encoding::hex_encode(bytes).into())
    })?;
    text_data(l, "encoding_hex_decode", |_, text| {
        encoding::hex_decode(text).map(Bytes::from)
    })?;
    text_data(l, "encoding_url_encode", |_, bytes| {
        Some(encoding::url_encode(bytes).into())
    })?;
    text_data(l, "encoding_url_decode", |_, text| {
        encoding::url_decode(text).map(Bytes::from)
    })?;
    Ok(())
}
