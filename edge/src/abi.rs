//! The `flaron/v1` contract: every import by name and type, how arguments are read from a guest's
//! memory and how results get into it.
//!
//! This is the only place that names the imports. [`IMPORTS`] is the table that start-up checks
//! and `inspect` use, `link` is where each gets its implementation, and a test holds the two
//! together.

use std::fmt;

use bytes::Bytes;
use wasmtime::{Caller, Linker, Memory, TypedFunc};

use crate::host::Host;
use crate::logging::Level;
use crate::plasma::{PlasmaCode, PlasmaError, PlasmaSession};
use crate::spark::{SparkCode, SparkError};
use crate::{crypto, encoding, time, ws};

/// The name of the import module.
pub const MODULE: &str = "flaron/v1";

/// What a group of imports gives a flare; named like the SDK's modules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)] // The names say it.
pub enum Capability {
    Request,
    Response,
    Beam,
    Logging,
    Crypto,
    Encoding,
    Id,
    Time,
    Spark,
    Plasma,
    Secrets,
    Ws,
}

impl Capability {
    /// The SDK module's name.
    pub fn name(self) -> &'static str {
        match self {
            Capability::Request => "request",
            Capability::Response => "response",
            Capability::Beam => "beam",
            Capability::Logging => "logging",
            Capability::Crypto => "crypto",
            Capability::Encoding => "encoding",
            Capability::Id => "id",
            Capability::Time => "time",
            Capability::Spark => "spark",
            Capability::Plasma => "plasma",
            Capability::Secrets => "secrets",
            Capability::Ws => "ws",
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A parameter or result of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Val {
    /// A 32-bit integer: a pointer, a length, a code.
    I32,
    /// A 64-bit integer: a packed pointer and length, or a counter's step.
    I64,
}

impl Val {
    /// The engine's name for the type.
    fn matches(self, ty: &wasmtime::ValType) -> bool {
        match self {
            Val::I32 => ty.is_i32(),
            Val::I64 => ty.is_i64(),
        }
    }
}

/// One import of `flaron/v1`.
#[derive(Debug, PartialEq, Eq)]
pub struct Import {
    /// Its name.
    pub name: &'static str,
    /// Its parameters.
    pub params: &'static [Val],
    /// Its result, if it has one.
    pub result: Option<Val>,
    /// What it is part of.
    pub capability: Capability,
}

impl Import {
    /// The import of this name.
    pub fn named(name: &str) -> Option<&'static Import> {
        IMPORTS.iter().find(|import| import.name == name)
    }

    /// Whether a guest's declared type is this import's.
    pub(crate) fn accepts(&self, ty: &wasmtime::FuncType) -> bool {
        is_type(ty, self.params, self.result)
    }

    /// Whether the host puts a result into the guest's memory: what makes `alloc` necessary.
    pub fn allocates(&self) -> bool {
        self.result == Some(Val::I64)
    }

    /// Whether it takes pointers into the guest's memory.
    pub fn reads_memory(&self) -> bool {
        self.params.len() >= 2
    }

    /// The type in the notation of Wasm text: `(i32, i32) -> i64`.
    pub fn signature(&self) -> String {
        signature(self.params, self.result)
    }
}

/// Whether a function type is this one.
pub(crate) fn is_type(ty: &wasmtime::FuncType, params: &[Val], result: Option<Val>) -> bool {
    let same = |want: &[Val], got: Vec<wasmtime::ValType>| {
        want.len() == got.len() && want.iter().zip(&got).all(|(want, got)| want.matches(got))
    };
    same(params, ty.params().collect()) && same(result.as_slice(), ty.results().collect())
}

/// A type in the notation of Wasm text: `(i32, i32) -> i64`.
pub(crate) fn signature(params: &[Val], result: Option<Val>) -> String {
    let name = |val: &Val| match val {
        Val::I32 => "i32",
        Val::I64 => "i64",
    };
    let params: Vec<_> = params.iter().map(name).collect();
    match &result {
        Some(result) => format!("({}) -> {}", params.join(", "), name(result)),
        None => format!("({})", params.join(", ")),
    }
}

/// A guest's function type in the same notation.
pub(crate) fn signature_of(ty: &wasmtime::FuncType) -> String {
    let params: Vec<_> = ty.params().map(|ty| ty.to_string()).collect();
    let results: Vec<_> = ty.results().map(|ty| ty.to_string()).collect();
    let mut text = format!("({})", params.join(", "));
    if !results.is_empty() {
        text.push_str(" -> ");
        text.push_str(&results.join(", "));
    }
    text
}

const fn import(
    capability: Capability,
    name: &'static str,
    params: &'static [Val],
    result: Option<Val>,
) -> Import {
    Import {
        name,
        params,
        result,
        capability,
    }
}

/// All imports of `flaron/v1`, in the order of the contract.
pub const IMPORTS: &[Import] = {
    use Capability::*;
    use Val::{I32, I64};
    const DATA: Option<Val> = Some(I64);
    const CODE: Option<Val> = Some(I32);
    &[
        import(Request, "req_method", &[], DATA),
        import(Request, "req_url", &[], DATA),
        import(Request, "req_header_get", &[I32, I32], DATA),
        import(Request, "req_body", &[], DATA),
        import(Response, "resp_set_status", &[I32], None),
        import(Response, "resp_header_set", &[I32, I32, I32, I32], None),
        import(Response, "resp_body_set", &[I32, I32], None),
        import(Beam, "beam_fetch", &[I32, I32, I32, I32], DATA),
        import(Logging, "log_info", &[I32, I32], None),
        import(Logging, "log_warn", &[I32, I32], None),
        import(Logging, "log_error", &[I32, I32], None),
        import(Crypto, "crypto_hash", &[I32, I32], DATA),
        import(Crypto, "crypto_hmac", &[I32, I32], DATA),
        import(Crypto, "crypto_sign_jwt", &[I32, I32], DATA),
        import(Crypto, "crypto_encrypt_aes", &[I32, I32], DATA),
        import(Crypto, "crypto_decrypt_aes", &[I32, I32], DATA),
        import(Crypto, "crypto_random_bytes", &[I32], DATA),
        import(Encoding, "encoding_base64_encode", &[I32, I32], DATA),
        import(Encoding, "encoding_base64_decode", &[I32, I32], DATA),
        import(Encoding, "encoding_hex_encode", &[I32, I32], DATA),
        import(Encoding, "encoding_hex_decode", &[I32, I32], DATA),
        import(Encoding, "encoding_url_encode", &[I32, I32], DATA),
        import(Encoding, "encoding_url_decode", &[I32, I32], DATA),
        import(Id, "id_uuid", &[I32, I32], DATA),
        import(Id, "id_ulid", &[], DATA),
        import(Id, "id_ksuid", &[], DATA),
        import(Id, "id_snowflake", &[], DATA),
        import(Id, "snowflake_id", &[], DATA),
        import(Id, "id_nanoid", &[I32], DATA),
        import(Time, "timestamp", &[I32, I32], DATA),
        import(Spark, "spark_get", &[I32, I32], DATA),
        import(Spark, "spark_set", &[I32, I32, I32, I32, I32], CODE),
        import(Spark, "spark_delete", &[I32, I32], None),
        import(Spark, "spark_list", &[], DATA),
        import(Spark, "spark_pull", &[I32, I32, I32, I32], CODE),
        import(Plasma, "plasma_get", &[I32, I32], DATA),
        import(Plasma, "plasma_set", &[I32, I32, I32, I32], CODE),
        import(Plasma, "plasma_delete", &[I32, I32], CODE),
        import(Plasma, "plasma_increment", &[I32, I32, I64], DATA),
        import(Plasma, "plasma_decrement", &[I32, I32, I64], DATA),
        import(Plasma, "plasma_list", &[], DATA),
        import(Secrets, "secret_get", &[I32, I32], DATA),
        import(Ws, "ws_send", &[I32, I32], CODE),
        import(Ws, "ws_close_conn", &[I32], None),
        import(Ws, "ws_conn_id", &[], DATA),
        import(Ws, "ws_event_type", &[], DATA),
        import(Ws, "ws_event_data", &[], DATA),
        import(Ws, "ws_close_code", &[], CODE),
    ]
};

/// What an import gives back to the guest: bytes, or "no result".
type Answer = Option<Bytes>;

/// The parts of a guest that the host calls and reads, found once per instance.
#[derive(Default)]
pub(crate) struct Guest {
    /// The exported memory.
    pub memory: Option<Memory>,
    /// The exported `alloc`.
    pub alloc: Option<TypedFunc<i32, i32>>,
    /// Whether the host waits for `alloc` at this moment. A guest whose `alloc` calls an import
    /// that needs `alloc` would otherwise go round in circles.
    allocating: bool,
}

/// The guest's memory. While the module's start function runs the instance is not there yet, and
/// the export is looked up by name.
fn memory(caller: &mut Caller<'_, Host>) -> Option<Memory> {
    match caller.data().guest.memory {
        Some(memory) => Some(memory),
        None => caller.get_export("memory")?.into_memory(),
    }
}

/// The guest's memory and the host's state, side by side.
fn split<'a>(caller: &'a mut Caller<'_, Host>) -> (&'a [u8], &'a mut Host) {
    match memory(caller) {
        Some(memory) => {
            let (data, host) = memory.data_and_store_mut(caller);
            (data, host)
        }
        None => (&[], caller.data_mut()),
    }
}

/// The bytes that an argument points at; `None` (and a word to the developer) if they are not all
/// in the guest's memory. Nothing at all may be anywhere.
fn arg<'m>(memory: &'m [u8], host: &mut Host, name: &str, ptr: i32, len: i32) -> Option<&'m [u8]> {
    if len == 0 {
        return Some(&[]);
    }
    let start = ptr as u32 as usize;
    let end = start.checked_add(len as u32 as usize)?;
    let bytes = memory.get(start..end);
    if bytes.is_none() {
        host.note("argument out of range", || {
            format!(
                "{name} was given {} bytes at {start}, which is outside the flare's memory of {} bytes",
                len as u32,
                memory.len(),
            )
        });
    }
    bytes
}

/// Puts a result into the guest's memory and packs where it is; 0 is "no result".
///
/// # Errors
///
/// When the guest's `alloc` traps.
fn give(caller: &mut Caller<'_, Host>, name: &str, answer: Answer) -> wasmtime::Result<i64> {
    let Some(bytes) = answer else { return Ok(0) };
    let alloc = match &caller.data().guest.alloc {
        Some(alloc) => alloc.clone(),
        None => {
            let Some(function) = caller
                .get_export("alloc")
                .and_then(wasmtime::Extern::into_func)
            else {
                return Ok(0);
            };
            function.typed(&mut *caller)?
        }
    };
    if caller.data().guest.allocating {
        caller.data_mut().note("alloc called back", || {
            format!("{name} was called from within alloc, where it can have no result")
        });
        return Ok(0);
    }
    // An empty result that exists has a pointer of its own, so one byte is asked for.
    let Ok(size) = i32::try_from(bytes.len().max(1)) else {
        return Ok(0);
    };
    caller.data_mut().guest.allocating = true;
    let outcome = alloc.call(&mut *caller, size);
    caller.data_mut().guest.allocating = false;
    let ptr = outcome? as u32;
    if ptr == 0 {
        caller.data_mut().note("alloc refused", || {
            format!(
                "{name} had {} bytes for the flare, but its alloc had no room: \"no result\"",
                bytes.len()
            )
        });
        return Ok(0);
    }
    // The alignment is not looked at: the published SDKs align blocks from their arena's beginning,
    // which itself may lie anywhere, and bytes need none.
    let written = match memory(caller) {
        // The whole block must be there, the one byte of an empty result too.
        Some(memory) => {
            let data = memory.data_mut(&mut *caller);
            let start = ptr as usize;
            match data.get_mut(start..start + size as usize) {
                Some(block) => {
                    block[..bytes.len()].copy_from_slice(&bytes);
                    true
                }
                None => false,
            }
        }
        None => false,
    };
    if !written {
        caller.data_mut().note("alloc lied", || {
            format!(
                "{name}: the flare's alloc({size}) answered {ptr}, which is not a block in its \
                 memory: \"no result\""
            )
        });
        return Ok(0);
    }
    Ok(((u64::from(ptr) << 32) | bytes.len() as u64) as i64)
}

/// Gives every import its implementation.
///
/// # Errors
///
/// When the engine refuses a definition (a name twice).
pub(crate) fn link(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    let l = linker;

    data(l, "req_method", |host| host.req_method())?;
    data(l, "req_url", |host| host.req_url())?;
    text_data(l, "req_header_get", |host, name| host.req_header_get(name))?;
    data(l, "req_body", |host| host.req_body())?;

    l.func_wrap(
        MODULE,
        "resp_set_status",
        |mut caller: Caller<'_, Host>, status: i32| {
            caller.data_mut().resp_set_status(status);
        },
    )?;
    l.func_wrap(
        MODULE,
        "resp_header_set",
        |mut caller: Caller<'_, Host>, name: i32, name_len: i32, value: i32, value_len: i32| {
            let (memory, host) = split(&mut caller);
            let name = arg(memory, host, "resp_header_set", name, name_len);
            let value = arg(memory, host, "resp_header_set", value, value_len);
            if let (Some(name), Some(value)) = (name, value) {
                host.resp_header_set(name, value);
            }
        },
    )?;
    text(l, "resp_body_set", |host, body| host.resp_body_set(body))?;

    text(l, "log_info", |host, line| host.log(Level::Info, line))?;
    text(l, "log_warn", |host, line| host.log(Level::Warn, line))?;
    text(l, "log_error", |host, line| host.log(Level::Error, line))?;

    text_data(l, "crypto_hash", |host, args| {
        host.told("crypto_hash", crypto::hash(args))
    })?;
    text_data(l, "crypto_hmac", |host, args| {
        let result = crypto::hmac(args, &host.flare.secrets);
        host.told("crypto_hmac", result)
    })?;
    text_data(l, "crypto_sign_jwt", |host, args| {
        let result = crypto::sign_jwt(args, &host.flare.secrets, &host.flare.node.jwt);
        host.told("crypto_sign_jwt", result)
    })?;
    text_data(l, "crypto_encrypt_aes", |host, args| {
        let result = crypto::encrypt_aes(args, &host.flare.secrets);
        host.told("crypto_encrypt_aes", result)
    })?;
    text_data(l, "crypto_decrypt_aes", |host, args| {
        let result = crypto::decrypt_aes(args, &host.flare.secrets);
        host.told("crypto_decrypt_aes", result)
    })?;
    length_data(l, "crypto_random_bytes", |host, length| {
        host.told("crypto_random_bytes", crypto::random_bytes(length))
    })?;

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

    text_data(l, "id_uuid", |host, args| {
        let result = host.flare.node.ids.uuid(args);
        host.told("id_uuid", result)
    })?;
    data(l, "id_ulid", |host| Some(host.flare.node.ids.ulid().into()))?;
    data(l, "id_ksuid", |host| {
        Some(host.flare.node.ids.ksuid().into())
    })?;
    data(l, "id_snowflake", |host| {
        Some(host.flare.node.ids.snowflake().into())
    })?;
    data(l, "snowflake_id", |host| host.snowflake_id())?;
    length_data(l, "id_nanoid", |host, length| {
        let result = host.flare.node.ids.nanoid(length);
        host.told("id_nanoid", result)
    })?;

    text_data(l, "timestamp", |host, args| {
        host.told("timestamp", time::timestamp(args))
    })?;

    text_data(l, "spark_get", |host, key| {
        let result = host.spark().0.get(key).transpose()?;
        host.told("spark_get", result)
    })?;
    l.func_wrap(
        MODULE,
        "spark_set",
        |mut caller: Caller<'_, Host>,
         key: i32,
         key_len: i32,
         value: i32,
         value_len: i32,
         ttl: i32| {
            let (memory, host) = split(&mut caller);
            let Some(key) = arg(memory, host, "spark_set", key, key_len) else {
                return SparkCode::BadKey as i32;
            };
            let Some(value) = arg(memory, host, "spark_set", value, value_len) else {
                return SparkCode::Internal as i32;
            };
            let (spark, clock) = host.spark();
            let result = clock.wait(|| spark.set(key, value, ttl));
            host.code("spark_set", result, SparkError::code)
        },
    )?;
    text(l, "spark_delete", |host, key| {
        let (spark, clock) = host.spark();
        let result = clock.wait(|| spark.delete(key));
        host.code("spark_delete", result, SparkError::code);
    })?;
    data(l, "spark_list", |host| {
        let result = host.spark().0.list();
        host.told("spark_list", result)
    })?;
    l.func_wrap(
        MODULE,
        "spark_pull",
        |mut caller: Caller<'_, Host>, origin: i32, origin_len: i32, keys: i32, keys_len: i32| {
            let (memory, host) = split(&mut caller);
            let origin = arg(memory, host, "spark_pull", origin, origin_len);
            let keys = arg(memory, host, "spark_pull", keys, keys_len);
            let (Some(origin), Some(keys)) = (origin, keys) else {
                return -(SparkCode::BadKey as i32);
            };
            let (spark, clock) = host.spark();
            match clock.wait(|| spark.pull(origin, keys)) {
                Ok(count) => i32::try_from(count).unwrap_or(i32::MAX),
                Err(error) => -host.code("spark_pull", Err(error), SparkError::code),
            }
        },
    )?;

    text_data(l, "plasma_get", |host, key| {
        let result = host.plasma().0.get(key).transpose()?;
        host.told("plasma_get", result)
    })?;
    l.func_wrap(
        MODULE,
        "plasma_set",
        |mut caller: Caller<'_, Host>, key: i32, key_len: i32, value: i32, value_len: i32| {
            let (memory, host) = split(&mut caller);
            let Some(key) = arg(memory, host, "plasma_set", key, key_len) else {
                return PlasmaCode::BadKey as i32;
            };
            let Some(value) = arg(memory, host, "plasma_set", value, value_len) else {
                return PlasmaCode::Internal as i32;
            };
            let (plasma, clock) = host.plasma();
            let result = clock.wait(|| plasma.set(key, value));
            host.code("plasma_set", result, PlasmaError::code)
        },
    )?;
    l.func_wrap(
        MODULE,
        "plasma_delete",
        |mut caller: Caller<'_, Host>, key: i32, key_len: i32| {
            let (memory, host) = split(&mut caller);
            let Some(key) = arg(memory, host, "plasma_delete", key, key_len) else {
                return PlasmaCode::BadKey as i32;
            };
            let (plasma, clock) = host.plasma();
            let result = clock.wait(|| plasma.delete(key));
            host.code("plasma_delete", result, PlasmaError::code)
        },
    )?;
    counter(l, "plasma_increment", PlasmaSession::increment)?;
    counter(l, "plasma_decrement", PlasmaSession::decrement)?;
    data(l, "plasma_list", |host| {
        let result = host.plasma().0.list();
        host.told("plasma_list", result)
    })?;

    text_data(l, "secret_get", |host, name| {
        let result = host.flare.secrets.get(name).map(Bytes::copy_from_slice);
        host.told("secret_get", result)
    })?;

    l.func_wrap(
        MODULE,
        "beam_fetch",
        |mut caller: Caller<'_, Host>, url: i32, url_len: i32, options: i32, options_len: i32| {
            let (memory, host) = split(&mut caller);
            let url = arg(memory, host, "beam_fetch", url, url_len);
            let options = arg(memory, host, "beam_fetch", options, options_len);
            let answer = match (url, options) {
                (Some(url), Some(options)) => {
                    let (beam, clock) = host.beam();
                    let result = clock.wait(|| beam.fetch(url, options));
                    host.told("beam_fetch", result)
                }
                _ => None,
            };
            give(&mut caller, "beam_fetch", answer)
        },
    )?;

    l.func_wrap(
        MODULE,
        "ws_send",
        |mut caller: Caller<'_, Host>, ptr: i32, len: i32| {
            let (memory, host) = split(&mut caller);
            match arg(memory, host, "ws_send", ptr, len) {
                Some(bytes) => host.ws_send(bytes),
                None => ws::SEND_FAILED,
            }
        },
    )?;
    l.func_wrap(
        MODULE,
        "ws_close_conn",
        |mut caller: Caller<'_, Host>, code: i32| caller.data_mut().ws_close_conn(code),
    )?;
    data(l, "ws_conn_id", |host| host.ws_conn_id())?;
    data(l, "ws_event_type", |host| host.ws_event_type())?;
    data(l, "ws_event_data", |host| host.ws_event_data())?;
    l.func_wrap(MODULE, "ws_close_code", |mut caller: Caller<'_, Host>| {
        caller.data_mut().ws_close_code()
    })?;
    Ok(())
}

/// Defines an import of type `() -> i64`.
fn data(
    linker: &mut Linker<Host>,
    name: &'static str,
    answer: fn(&mut Host) -> Answer,
) -> wasmtime::Result<()> {
    linker.func_wrap(MODULE, name, move |mut caller: Caller<'_, Host>| {
        let answer = answer(caller.data_mut());
        give(&mut caller, name, answer)
    })?;
    Ok(())
}

/// Defines an import of type `(length) -> i64`.
fn length_data(
    linker: &mut Linker<Host>,
    name: &'static str,
    answer: fn(&mut Host, i32) -> Answer,
) -> wasmtime::Result<()> {
    linker.func_wrap(
        MODULE,
        name,
        move |mut caller: Caller<'_, Host>, length: i32| {
            let answer = answer(caller.data_mut(), length);
            give(&mut caller, name, answer)
        },
    )?;
    Ok(())
}

/// Defines an import of type `(ptr, len) -> i64`.
fn text_data(
    linker: &mut Linker<Host>,
    name: &'static str,
    answer: fn(&mut Host, &[u8]) -> Answer,
) -> wasmtime::Result<()> {
    linker.func_wrap(
        MODULE,
        name,
        move |mut caller: Caller<'_, Host>, ptr: i32, len: i32| {
            let (memory, host) = split(&mut caller);
            let answer = arg(memory, host, name, ptr, len).and_then(|text| answer(host, text));
            give(&mut caller, name, answer)
        },
    )?;
    Ok(())
}

/// What increments or decrements a counter.
type Count = fn(&mut PlasmaSession, &[u8], i64) -> Result<[u8; 8], PlasmaError>;

/// Defines an import of type `(ptr, len, delta: i64) -> i64`.
fn counter(linker: &mut Linker<Host>, name: &'static str, count: Count) -> wasmtime::Result<()> {
    linker.func_wrap(
        MODULE,
        name,
        move |mut caller: Caller<'_, Host>, key: i32, key_len: i32, delta: i64| {
            let (memory, host) = split(&mut caller);
            let answer = arg(memory, host, name, key, key_len).and_then(|key| {
                let (plasma, clock) = host.plasma();
                let result = clock.wait(|| count(plasma, key, delta));
                host.told(name, result.map(Vec::from))
            });
            give(&mut caller, name, answer)
        },
    )?;
    Ok(())
}

/// Defines an import of type `(ptr, len)`.
fn text(
    linker: &mut Linker<Host>,
    name: &'static str,
    act: fn(&mut Host, &[u8]),
) -> wasmtime::Result<()> {
    linker.func_wrap(
        MODULE,
        name,
        move |mut caller: Caller<'_, Host>, ptr: i32, len: i32| {
            let (memory, host) = split(&mut caller);
            if let Some(text) = arg(memory, host, name, ptr, len) {
                act(host, text);
            }
        },
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_import_is_linked_with_its_type() {
        let engine = wasmtime::Engine::default();
        let mut linker = Linker::<Host>::new(&engine);
        link(&mut linker).unwrap();
        for import in IMPORTS {
            // A module that imports just this one, with the table's type.
            let ty = |vals: &[Val]| {
                let names: Vec<_> = vals
                    .iter()
                    .map(|val| match val {
                        Val::I32 => "i32",
                        Val::I64 => "i64",
                    })
                    .collect();
                names.join(" ")
            };
            let wat = format!(
                "(module (import \"flaron/v1\" \"{}\" (func (param {}) (result {}))))",
                import.name,
                ty(import.params),
                ty(import.result.as_slice())
            );
            let module = wasmtime::Module::new(&engine, wat::parse_str(&wat).unwrap()).unwrap();
            if let Err(error) = linker.instantiate_pre(&module) {
                panic!("{}: {error:#}", import.name);
            }
        }
    }

    #[test]
    fn the_table_has_each_import_once() {
        for (n, import) in IMPORTS.iter().enumerate() {
            assert!(IMPORTS[..n].iter().all(|other| other.name != import.name));
            assert_eq!(Import::named(import.name), Some(import));
        }
        assert_eq!(IMPORTS.len(), 48);
    }

    #[test]
    fn signatures_read_like_wasm() {
        let signature = |name| Import::named(name).unwrap().signature();
        assert_eq!(signature("req_method"), "() -> i64");
        assert_eq!(signature("resp_set_status"), "(i32)");
        assert_eq!(signature("plasma_increment"), "(i32, i32, i64) -> i64");
    }
}
