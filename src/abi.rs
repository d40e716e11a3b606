//! The imports of the host ABI `flaron/v1`: the only place that declares them.
//!
//! Each import is one line of the table below, and one function of the same name that takes byte
//! arguments as slices. On Wasm it is the real import. On native targets it is the in-memory host of
//! [`crate::testing`] where that is compiled in (feature `testing`, and the SDK's own tests), which
//! takes its imports from the same table, and otherwise an answer of 0, "no result", so that flares
//! can be checked, documented and edited without a Wasm target.
//!
//! An import that returns data returns it as one `i64`, address and length, which
//! [`crate::arena::lease`] takes.

// A module whose feature is off does not call its imports; the table stays whole.
#![allow(dead_code)]

/// Bytes that are handed to the host.
///
/// # Safety
///
/// What [`raw`](Bytes::raw) points to is initialised and can be read until the host call it is an
/// argument of begins.
pub(crate) unsafe trait Bytes {
    /// Address and length. Not a reference: see [`crate::arena::Built`].
    fn raw(self) -> *const [u8];
}

// SAFETY: a reference points to initialised bytes.
unsafe impl Bytes for &[u8] {
    #[inline(always)]
    fn raw(self) -> *const [u8] {
        self
    }
}

/// The table of the imports, which it hands to a macro. Arguments before the `;` are bytes (address
/// and length in the ABI), those after it are numbers.
macro_rules! imports {
    ($macro:ident) => {
        $macro! {
            fn req_method(;) -> i64;
            fn req_url(;) -> i64;
            fn req_header_get(name;) -> i64;
            fn req_body(;) -> i64;

            fn resp_set_status(; status: i32);
            fn resp_header_set(name, value;);
            fn resp_body_set(body;);

            fn beam_fetch(url, options;) -> i64;

            fn log_info(message;);
            fn log_warn(message;);
            fn log_error(message;);

            fn crypto_hash(arguments;) -> i64;
            fn crypto_hmac(arguments;) -> i64;
            fn crypto_sign_jwt(arguments;) -> i64;
            fn crypto_encrypt_aes(arguments;) -> i64;
            fn crypto_decrypt_aes(arguments;) -> i64;
            fn crypto_random_bytes(; length: i32) -> i64;

            fn encoding_base64_encode(data;) -> i64;
            fn encoding_base64_decode(text;) -> i64;
            fn encoding_hex_encode(data;) -> i64;
            fn encoding_hex_decode(text;) -> i64;
            fn encoding_url_encode(text;) -> i64;
            fn encoding_url_decode(text;) -> i64;

            fn id_uuid(arguments;) -> i64;
            fn id_ulid(;) -> i64;
            fn id_ksuid(;) -> i64;
            fn id_nanoid(; length: i32) -> i64;
            fn id_snowflake(;) -> i64;
            fn snowflake_id(;) -> i64;

            fn timestamp(arguments;) -> i64;

            fn spark_get(key;) -> i64;
            fn spark_set(key, value; ttl_secs: i32) -> i32;
            fn spark_delete(key;);
            fn spark_list(;) -> i64;
            fn spark_pull(origin, keys;) -> i32;

            fn plasma_get(key;) -> i64;
            fn plasma_set(key, value;) -> i32;
            fn plasma_delete(key;) -> i32;
            fn plasma_increment(key; delta: i64) -> i64;
            fn plasma_decrement(key; delta: i64) -> i64;
            fn plasma_list(;) -> i64;

            fn secret_get(name;) -> i64;

            fn ws_send(data;) -> i32;
            fn ws_close_conn(; code: i32);
            fn ws_conn_id(;) -> i64;
            fn ws_event_type(;) -> i64;
            fn ws_event_data(;) -> i64;
            fn ws_close_code(;) -> i32;
        }
    };
}
#[cfg(all(not(target_family = "wasm"), any(test, feature = "testing")))]
pub(crate) use imports;

/// Declares the imports.
macro_rules! declare {
    ($(fn $name:ident($($bytes:ident),*; $($number:ident: $type:ty),*) $(-> $result:ty)?;)*) => {
        #[cfg(target_family = "wasm")]
        mod host {
            #[link(wasm_import_module = "flaron/v1")]
            unsafe extern "C" {
                $(pub fn $name(
                    $($bytes: *const u8, _: usize,)*
                    $($number: $type),*
                ) $(-> $result)?;)*
            }
        }

        $(
            #[cfg(target_family = "wasm")]
            #[inline(always)]
            pub(crate) fn $name($($bytes: impl Bytes,)* $($number: $type),*) $(-> $result)? {
                $(let $bytes = $bytes.raw();)*
                // SAFETY: the declaration has the ABI's types, and `Bytes` promises that the bytes
                // can be read. The host writes nowhere but into blocks that `alloc` gave it, which
                // overlap no borrowed slice.
                unsafe { host::$name($($bytes.cast(), $bytes.len(),)* $($number),*) }
            }

            #[cfg(not(target_family = "wasm"))]
            pub(crate) fn $name($($bytes: impl Bytes,)* $($number: $type),*) $(-> $result)? {
                // SAFETY: `Bytes` promises that the bytes can be read. They are copied before the
                // test host does anything, as the real one does.
                $(let $bytes = unsafe { &*$bytes.raw() }.to_vec();)*
                #[cfg(any(test, feature = "testing"))]
                {
                    crate::testing::imports::$name($(&$bytes,)* $($number),*)
                }
                #[cfg(not(any(test, feature = "testing")))]
                {
                    let _ = ($($bytes,)* $($number,)*);
                    Default::default()
                }
            }
        )*
    };
}
imports!(declare);
