//! The imports of `crypto`.

use wasmtime::Linker;

use crate::capability::crypto;
use crate::host::Host;
use crate::imports::define::{length_data, text_data};

/// Defines them.
///
/// # Errors
///
/// When the engine refuses a definition (a name twice).
pub(super) fn link(l: &mut Linker<Host>) -> wasmtime::Result<()> {
    text_data(l, "crypto_hash", |host, args| {
        host.ok_or_note("crypto_hash", crypto::hash(args))
    })?;
    text_data(l, "crypto_hmac", |host, args| {
        let result = crypto::hmac(args, &host.env.secrets);
        host.ok_or_note("crypto_hmac", result)
    })?;
    text_data(l, "crypto_sign_jwt", |host, args| {
        let result = crypto::sign_jwt(args, &host.env.secrets, &host.env.node.jwt);
        host.ok_or_note("crypto_sign_jwt", result)
    })?;
    text_data(l, "crypto_encrypt_aes", |host, args| {
        let result = crypto::encrypt_aes(args, &host.env.secrets);
        host.ok_or_note("crypto_encrypt_aes", result)
    })?;
    text_data(l, "crypto_decrypt_aes", |host, args| {
        let result = crypto::decrypt_aes(args, &host.env.secrets);
        host.ok_or_note("crypto_decrypt_aes", result)
    })?;
    length_data(l, "crypto_random_bytes", |host, length| {
        host.ok_or_note("crypto_random_bytes", crypto::random_bytes(length))
    })?;
    Ok(())
}
