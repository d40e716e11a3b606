//! Arbitrary JSON as the host's answer: the readers of Spark's and Plasma's lists, and of Beam's responses.
#![no_main]

use flaron_fuzz::{acceptable, elements, members, unescape};
use flaron_sdk::testing::Host;
use flaron_sdk::{ARENA_BYTES, BeamError, beam, spark};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if data.len() > ARENA_BYTES / 2 {
        return;
    }
    let host = Host::new();
    host.returns("spark_list", data).returns("beam_fetch", data);
    let json = std::str::from_utf8(data)
        .ok()
        .filter(|_| acceptable(data))
        .map(|text| text.trim_matches(flaron_fuzz::SPACES));

    let mut keys = spark::try_list().expect("half of the arena is room enough");
    let fetched = beam::fetch("https://example.com/", None);
    let found: Vec<_> = keys.by_ref().collect();
    assert!(keys.next().is_none());
    drop(keys);
    let texts: Vec<&str> = found.iter().map(|key| &**key).collect();
    if let Some(json) = json {
        let expected: Vec<_> = match json.as_bytes()[0] {
            b'[' => {
                let strings = elements(json).into_iter();
                strings.take_while(|item| item.starts_with('"')).map(unescape).collect()
            }
            _ => vec![],
        };
        assert_eq!(texts, expected);
    }
    // For input that is not JSON any keys are allowed; `texts` has checked that they are UTF-8.
    assert!(texts.iter().all(|text| std::str::from_utf8(text.as_bytes()).is_ok()));

    match (fetched, json) {
        (Ok(response), Some(json)) => {
            let members = members(json);
            let first = |name: &str| Some(members.iter().find(|(other, _)| other == name)?.1);
            let status = first("status").expect("there is a status");
            assert_eq!(status.parse(), Ok(response.status));
            assert!((100..1000).contains(&response.status));
            let body = first("body").filter(|body| body.starts_with('"')).map(unescape);
            assert_eq!(response.body(), body.unwrap_or_default());
            let headers = first("headers").filter(|headers| headers.starts_with('{'));
            let headers = headers.map(flaron_fuzz::members).unwrap_or_default();
            let strings: Vec<_> = headers
                .iter()
                .filter(|(_, value)| value.starts_with('"'))
                .map(|(name, value)| (name.clone(), unescape(value)))
                .collect();
            let read: Vec<_> = response.headers().map(|(a, b)| (a.to_owned(), b.to_owned())).collect();
            assert_eq!(read, strings);
        }
        (Ok(response), None) => {
            // Not JSON: any value is allowed, as long as it is valid for its type.
            assert!((100..1000).contains(&response.status));
            assert!(std::str::from_utf8(response.body().as_bytes()).is_ok());
            let _ = (response.header("a"), response.headers().count());
        }
        (Err(error), json) => {
            assert_eq!(error, BeamError::DeserializeFailed);
            let object = json.filter(|json| json.starts_with('{'));
            let members = object.map(members).unwrap_or_default();
            let status = members.iter().find(|(name, _)| name == "status");
            assert!(!status.is_some_and(|(_, status)| {
                status.len() == 3 && status.parse::<u16>().is_ok_and(|status| status >= 100)
            }));
        }
    }
    drop(found);
    assert_ne!(flaron_sdk::guest_alloc(ARENA_BYTES as i32), 0, "everything is free again");
    flaron_sdk::reset_arena();
});
