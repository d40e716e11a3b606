//! The un-escaper: one string, as a value, as an element, as a name and as a member, at every alignment, with
//! others before and after it that must not change.
#![no_main]

use flaron_fuzz::{acceptable, unescape};
use flaron_sdk::json;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(inside) = std::str::from_utf8(data) else {
        return;
    };
    let string = format!("\"{inside}\"");
    // Unless a quote ends the string early, all of it is one value.
    let expected = (serde_json::from_str::<serde::de::IgnoredAny>(&string).is_ok()
        && acceptable(string.as_bytes()))
    .then(|| unescape(&string));

    let mut text = string.clone().into_bytes();
    let value = json::parse(&mut text).ok();
    assert_eq!(value.and_then(|value| value.as_str()), expected.as_deref());

    let Some(expected) = expected else { return };
    let mut text = format!(r#" ["\u0041", {string} , "\"", [{string}],{{"b":1,{string}:[{string},"z"] }}]"#)
        .into_bytes();
    let list: Vec<_> = json::parse(&mut text).unwrap().elements().collect();
    assert_eq!(list.len(), 5);
    assert!(list[0] == "A" && list[1] == *expected && list[2] == "\"");
    assert!(list[3].elements().next().unwrap() == *expected);
    assert!(list[3].elements().nth(1).is_none());
    let (name, value) = list[4].members().nth(1).unwrap();
    assert_eq!(name, expected.as_bytes());
    let inner: Vec<_> = value.elements().collect();
    assert!(inner.len() == 2 && inner[0] == *expected && inner[1] == "z");
    if expected != "b" {
        assert!(list[4].get(&expected).is_some());
    }
});
