//! The table of the host's imports: each one a line, and nowhere else.

/// Hands the table to a macro. Arguments before the `;` are bytes (address
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
pub(crate) use imports;
