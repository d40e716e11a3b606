use super::*;
use crate::entry::FlareAction;
use crate::{plasma, request, response, spark, ws};

fn import_of(host: &Host) -> Option<&'static str> {
    host.refused().map(|call| call.import)
}

#[test]
fn each_call_that_can_be_refused_is_in_its_turn() {
    let calls = || {
        request::header("a");
        response::set_status(201); // nothing to refuse
        assert_eq!(ws::close_code(), 0); // nor here
        let spark = spark::set("k", b"v", 0);
        let plasma = plasma::set("k", b"v");
        let sent = ws::send(b"");
        (spark, plasma, sent)
    };
    let mut seen = Vec::new();
    for n in 1.. {
        let host = Host::new();
        host.writes_spark_kv(true)
            .writes_plasma_kv(true)
            .refuse_nth(n);
        host.open(|| {
            let (spark, plasma, sent) = calls();
            assert_eq!(spark.is_err(), n == 2);
            assert_eq!(plasma.is_err(), n == 3);
            assert_eq!(sent.is_err(), n == 4);
        });
        let Some(import) = import_of(&host) else {
            break;
        };
        seen.push(import);
    }
    assert_eq!(
        seen,
        ["req_header_get", "spark_set", "plasma_set", "ws_send"]
    );
}

#[test]
fn a_refusal_comes_before_what_was_set_and_happens_once() {
    let host = Host::new();
    host.returns("req_method", "PUT").refuse_nth(1);
    assert!(request::try_method().is_err());
    assert_eq!(request::method(), "PUT");
    assert_eq!(import_of(&host), Some("req_method"));
    host.refuse_nth(0);
    assert_eq!(
        (request::method(), import_of(&host)),
        (request::method(), None)
    );
}

#[test]
fn the_same_bytes_make_the_same_host_and_used_up_it_is_the_usual_one() {
    let asked = |host: &Host| {
        host.put_spark("k", "stored", 0);
        (0..40)
            .map(|_| spark::get("k").map(|entry| entry.value.to_vec()))
            .collect::<Vec<_>>()
    };
    let host = Host::new();
    let [one, again, other] = [1, 1, 2].map(|seed| {
        host.arbitrary_seed(seed);
        asked(&host)
    });
    assert_eq!(one, again);
    assert_ne!(one, other);
    let usual = Some(b"stored".to_vec());
    assert!(one.contains(&None) && one.contains(&usual));
    assert!(one.iter().any(|value| value.is_some() && *value != usual));

    // Refused; two bytes, made up, of which the time to live takes two; then as usual.
    host.arbitrary([2, 3, 7, 0, 2, b'h', b'i']);
    assert!(spark::get("k").is_none());
    let entry = spark::get("k").unwrap();
    assert_eq!((&entry.value[..], entry.ttl_secs), (&b"hi"[..], 7));
    assert_eq!(spark::get("k").unwrap().value, b"stored");
}

#[test]
fn what_is_made_up_keeps_to_the_abi() {
    let host = Host::new();
    host.requires_body(true);
    for seed in 0..if cfg!(miri) { 3 } else { 300 } {
        host.arbitrary_seed(seed);
        host.open(|| {
            if let Ok(url) = request::try_url() {
                assert!(url.starts_with("https://example.com/"));
            }
            let _ = request::try_body();
            let known = spark::set("k", b"", 0).err();
            assert!(!matches!(known, Some(spark::SparkError::Unknown(_))));
            let known = plasma::delete("k").err();
            assert!(!matches!(known, Some(plasma::PlasmaError::Unknown(_))));
            let known = ws::send(b"").err();
            assert!(!matches!(known, Some(ws::WsSendError::Unknown(_))));
            let fetched = crate::beam::fetch("https://a.example/", None);
            match fetched {
                Ok(response) => assert!((100..600).contains(&response.status)),
                Err(error) => assert_ne!(error, crate::BeamError::DeserializeFailed),
            }
        });
    }
}

#[test]
fn traps_are_caught_and_panics_are_not() {
    let host = Host::new();
    let fine = host.catch_trap(|| host.run(|| FlareAction::Respond));
    assert_eq!(fine.unwrap().status, 200);
    let failed = host.catch_trap(|| host.run(|| Err::<FlareAction, ()>(())));
    assert!(failed.unwrap_err().contains("returned an error"));
    host.on("req_url", |_| None);
    assert!(host.catch_trap(request::url).is_err());
    let own = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _ = host.catch_trap(|| host.run(|| -> FlareAction { panic!("the flare's own") }));
    }));
    assert_eq!(
        own.unwrap_err().downcast_ref::<&str>(),
        Some(&"the flare's own")
    );
}
