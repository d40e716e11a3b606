//! The `flaron/v1` contract: every import by name and type, and what a flare must export.
//!
//! This is the only place that names the imports. [`IMPORTS`] is the table that start-up checks
//! and `inspect` use; `crate::imports` implements each, and a test there keeps the two in step.

use std::fmt;

use serde::Deserialize;

/// The name of the import module.
pub const MODULE: &str = "flaron/v1";

/// The exports that handle WebSocket events, in the order of `WsEvent`.
pub(crate) const WS_HANDLERS: [&str; 3] = ["ws_open", "ws_message", "ws_close"];

/// A group of imports; named like the SDK's modules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the names say it")]
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

/// What a flare serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// HTTP requests: the flare exports `handle_request`.
    Http,
    /// WebSocket connections: the flare exports `ws_open`, `ws_message` and `ws_close`.
    WebSocket,
    /// Both of them.
    Both,
}

impl Kind {
    /// Whether plain HTTP requests go to the flare.
    pub fn http(self) -> bool {
        self != Kind::WebSocket
    }

    /// Whether WebSocket connections go to the flare.
    pub fn websocket(self) -> bool {
        self != Kind::Http
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
    /// The group it belongs to.
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

    /// Whether the host writes a result into the guest's memory, which needs `alloc`.
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

#[cfg(test)]
mod tests {
    use super::*;

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
