//! `json::parse` against `serde_json`: what is accepted, and every value.
#![no_main]

use flaron_fuzz::{SPACES, acceptable, assert_same, walk};
use flaron_sdk::json;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut text = data.to_vec();
    match json::parse(&mut text) {
        Ok(value) => {
            assert!(acceptable(data), "should have been refused");
            match std::str::from_utf8(data) {
                Ok(original) => assert_same(value, original.trim_matches(SPACES)),
                Err(_) => walk(value),
            }
        }
        Err(json::JsonError) => assert!(!acceptable(data), "should have been accepted"),
    }
});
