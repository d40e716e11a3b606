//! The flares in `examples/` that have logic of their own, compiled natively: their exports are called
//! in-process, against the SDK's in-memory host.

use flaron_sdk::FlareAction;

macro_rules! flares {
    ($($name:ident = $path:literal;)*) => {$(
        #[path = $path]
        #[allow(unused_attributes, reason = "`no_std` is for the crate that it is in its own folder")]
        pub mod $name;
    )*};
}
flares! {
    ab_test = "../../examples/ab-test/src/lib.rs";
    basic_auth = "../../examples/basic-auth/src/lib.rs";
    chat = "../../examples/chat/src/lib.rs";
    cors_proxy = "../../examples/cors-proxy/src/lib.rs";
    etag_page = "../../examples/etag-page/src/lib.rs";
    jwt_gate = "../../examples/jwt-gate/src/lib.rs";
    kv_api = "../../examples/kv-api/src/lib.rs";
    notice_board = "../../examples/notice-board/src/lib.rs";
    rate_limit = "../../examples/rate-limit/src/lib.rs";
    redirects = "../../examples/redirects/src/lib.rs";
    router = "../../examples/router/src/lib.rs";
    spark_counter = "../../examples/spark-counter/src/lib.rs";
    word_count = "../../examples/word-count/src/lib.rs";
}

/// The action that a flare's `handle_request` returned.
///
/// # Panics
///
/// When the ABI has no such action.
pub fn action(returned: i64) -> FlareAction {
    match returned >> 32 {
        1 => FlareAction::Respond,
        2 => FlareAction::Transform,
        3 => FlareAction::PassThrough,
        other => panic!("the ABI has no action {other}"),
    }
}
