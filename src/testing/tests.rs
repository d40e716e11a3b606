//! The host itself, without the SDK's functions.

use core::marker::PhantomData;
use std::format;
use std::vec::Vec;

use super::*;
use crate::entry::FlareAction;
use crate::testing::answer::{Answer, returned};
use crate::testing::dispatch::IMPORTS;

#[cfg(feature = "default")]
mod attacks;

/// The imports, with bytes as they are written in a test.
macro_rules! imports_of_bytes {
    ($(fn $name:ident($($bytes:ident),*; $($number:ident: $type:ty),*) $(-> $result:ident)?;)*) => {
        #[allow(dead_code, reason = "not every import is called here")]
        mod imports {
            $(pub(super) fn $name($($bytes: &[u8],)* $($number: $type),*) $(-> $result)? {
                crate::abi::$name($($bytes,)* $($number),*)
            })*
        }
    };
}
crate::abi::table::imports!(imports_of_bytes);

fn unsettable(set: impl FnOnce(&Host) + std::panic::UnwindSafe) -> bool {
    std::panic::catch_unwind(|| set(&Host::new())).is_err()
}

#[test]
fn only_imports_of_the_abi_can_be_set_and_only_as_what_they_are() {
    assert!(unsettable(|host| {
        host.on("spark_gets", |_| None);
    }));
    assert!(unsettable(|host| {
        host.on("spark_set", |_| None);
    }));
    assert!(unsettable(|host| {
        host.on("spark_delete", |_| None);
    }));
    assert!(unsettable(|host| {
        host.returns("resp_body_set", "");
    }));
    assert!(unsettable(|host| {
        host.fails_with("spark_get", 1);
    }));
    assert!(unsettable(|host| {
        host.fails_with("log_info", 1);
    }));
    assert!(unsettable(|host| {
        host.on_raw("", |_| 0);
    }));
    assert!(unsettable(|host| {
        host.off("none");
    }));
    assert!(unsettable(|host| {
        host.calls_of("none");
    }));
    assert!(!unsettable(|host| {
        host.on_raw("log_info", |_| 0).fails_with("ws_send", 1);
    }));
}

#[test]
fn the_abi_has_48_imports() {
    assert_eq!(IMPORTS.len(), 48);
}

#[test]
fn a_new_host_has_forgotten_the_last_one() {
    let host = Host::new();
    host.method("PUT")
        .secret("a", "b")
        .put_plasma("c", "d")
        .fails_with("ws_send", 2);
    imports::log_info(b"line");
    let host = Host::default();
    assert_eq!(State::default().method, "GET");
    assert!(with(
        |state| state.secrets.is_empty() && state.overrides.is_empty()
    ));
    assert!(host.logs().is_empty() && host.calls().is_empty() && host.plasma("c").is_none());
    assert_eq!(format!("{host:?}"), "Host");
}

#[test]
fn each_thread_has_its_own_host() {
    let host = Host::new();
    host.put_counter("n", 1);
    let other = std::thread::spawn(|| Host::new().counter("n"));
    assert_eq!((host.counter("n"), other.join().unwrap()), (Some(1), None));
}

#[test]
fn what_was_overridden_can_be_taken_back() {
    let host = Host::new();
    host.returns("req_method", "A")
        .on_raw("ws_close_code", |call| call.bytes.len() as i64 + 7);
    assert_eq!(
        (imports::ws_close_code(), imports::req_method() as u32),
        (7, 1)
    );
    host.off("req_method").off("ws_close_code");
    assert_eq!(
        (imports::ws_close_code(), imports::req_method() as u32),
        (0, 3)
    );
}

#[test]
fn an_override_may_use_the_host_and_run_a_handler() {
    let host = Host::new();
    host.on("secret_get", |call| {
        let host = Host {
            not_send: PhantomData,
        };
        let response = host.run(|| {
            imports::resp_body_set(b"from within");
            FlareAction::PassThrough
        });
        Some([response.body, call.text(0).into()].concat())
    });
    let block = imports::secret_get(b"!");
    assert_eq!(crate::arena::claim::claim(block).unwrap(), b"from within!");
}

#[test]
fn calls_are_recorded_in_order_and_show_themselves() {
    let host = Host::new();
    imports::spark_set(b"key", b"v\xff", 7);
    imports::req_url();
    let shown = format!("{:?}", host.calls());
    assert_eq!(shown, "[spark_set(\"key\", \"v\u{fffd}\", 7), req_url]");
}

#[test]
fn random_bytes_are_the_same_in_each_run_and_others_with_another_seed() {
    let bytes = |seed| {
        let host = Host::new();
        host.random_seed(seed);
        imports::crypto_random_bytes(8);
        with(|state| (0..8).map(|_| state.random_byte()).collect::<Vec<_>>())
    };
    assert_eq!(bytes(1), bytes(1));
    assert_ne!(bytes(1), bytes(2));
}

#[test]
fn the_body_is_cut_at_its_limit() {
    let host = Host::new();
    host.requires_body(true)
        .body("12345")
        .limits(|limits| limits.max_body_bytes = 3);
    assert_eq!(imports::req_body() as u32, 3);
}

#[test]
fn arguments_that_are_no_json_have_no_result() {
    let host = Host::new();
    host.writes_spark_kv(true);
    for bad in [&b""[..], b"{", b"[]", b"{\"version\":\"v5\",\"format\":1}"] {
        assert_eq!((imports::id_uuid(bad), imports::timestamp(bad)), (0, 0));
    }
    assert_eq!(imports::beam_fetch(b"https://a/", b"{"), 0);
    assert!(host.fetches().is_empty());
    for bad in [&b""[..], b"[1]", b"[\"a\",]"] {
        assert_eq!(imports::spark_pull(b"node", bad), -8);
    }
}

#[test]
fn an_unmetered_snowflake_is_one_too() {
    let _host = Host::new();
    let [a, b] = [imports::id_snowflake(), imports::snowflake_id()];
    assert!(a as u32 > 15 && b as u32 > 15);
}

#[test]
fn results_larger_than_the_arena_are_none() {
    let host = Host::new();
    host.returns("req_url", "x".repeat(crate::arena::ARENA_BYTES + 1));
    assert_eq!(imports::req_url(), 0);
}

#[test]
fn data_is_no_status() {
    assert_eq!(returned(Answer::Data(None)), 0);
}
