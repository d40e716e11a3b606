//! Three flares outside the gallery, written with the SDK alone: no `unsafe`, no parsers of their own, and at most
//! 2 KB each, as built by cargo.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use flaron_edge::FlareConfig;
use flaron_tests::cargo::{Crate, workspace};
use flaron_tests::http::{Upstream, ask};
use flaron_tests::node::Node;
use hmac::{Hmac, KeyInit, Mac};
use http::Response;

const NAMES: [&str; 3] = ["signed_url", "webhook", "feature_flags"];
/// The size limit of each, in bytes.
const MOST: u64 = 2_048;

fn flares() -> HashMap<String, PathBuf> {
    let features = ["crypto", "plasma", "request", "response", "spark", "time"];
    let mut krate = Crate::new("unnamed", &features);
    for name in NAMES {
        let source = workspace().join(format!("tests/unnamed/{name}.rs"));
        krate.add(name, &fs::read_to_string(source).unwrap());
    }
    krate.build()
}

async fn start(flare: &str, origin: Option<&Upstream>, secrets: &[(&str, &str)]) -> Node {
    let wasm = tokio::task::block_in_place(flares).remove(flare).unwrap();
    let config = FlareConfig {
        requires_body: true,
        writes_spark_kv: true,
        writes_plasma_kv: true,
        allowed_secrets: secrets.iter().map(|(name, _)| name.to_string()).collect(),
        origin: origin.map(|origin| format!("http://{}", origin.addr)),
        ..FlareConfig::default()
    };
    Node::start(&wasm, config, secrets).await
}

fn mac(key: &str, text: &str) -> String {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(text.as_bytes());
    let bytes = mac.finalize().into_bytes();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn they_are_small() {
    let flares = flares();
    for name in NAMES {
        let bytes = fs::metadata(&flares[name]).unwrap().len();
        println!("{name}: {bytes} bytes");
        assert!(bytes <= MOST, "{name}: {bytes} bytes, {MOST} at most");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signed_url_is_let_through_until_it_expires() {
    let origin = Upstream::start(Response::new("a film")).await;
    let node = start("signed_url", Some(&origin), &[("url-key", "k")]).await;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let url = |path: &str, expires: u64, sig: &str| format!("{path}?expires={expires}&sig={sig}");
    let (then, past) = (now + 600, now - 600);
    let good = mac("k", &format!("/film:{then}"));
    for (target, status) in [
        (url("/film", then, &good), 200),
        (url("/other", then, &good), 403),
        (url("/film", then + 1, &good), 403),
        (url("/film", past, &mac("k", &format!("/film:{past}"))), 410),
        (
            url("/film", then, &mac("other", &format!("/film:{then}"))),
            403,
        ),
        ("/film".to_owned(), 403),
        ("/film?expires=&sig=".to_owned(), 403),
    ] {
        let answer = ask(node.addr, "GET", &target, &[], "").await;
        assert_eq!(answer.status(), status, "{target}");
    }
    assert_eq!(origin.requests().len(), 1);
    node.has_no_complaints();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_is_kept_if_it_is_signed() {
    let node = start("webhook", None, &[("webhook-key", "k")]).await;
    let body = r#"{"action":"opened"}"#;
    let signature = format!("sha256={}", mac("k", body));
    let signed = [("x-hub-signature-256", &*signature), ("x-delivery", "17")];
    let kept = ask(node.addr, "POST", "/", &signed, body).await;
    assert_eq!(kept.status(), 202);
    let other = ask(node.addr, "POST", "/", &signed, "{}").await;
    assert_eq!(other.status(), 401);
    let unsigned = ask(node.addr, "POST", "/", &[("x-delivery", "17")], body).await;
    assert_eq!(unsigned.status(), 401);
    let unnamed = ask(node.addr, "POST", "/", &signed[..1], body).await;
    assert_eq!(unnamed.status(), 400);
    assert_eq!(ask(node.addr, "GET", "/", &signed, "").await.status(), 401);
    node.has_no_complaints();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_feature_is_on_for_so_many_users() {
    let node = start("feature_flags", None, &[]).await;
    assert_eq!(
        ask(node.addr, "GET", "/flags/new?user=1", &[], "")
            .await
            .status(),
        404
    );
    assert_eq!(
        ask(node.addr, "PUT", "/flags/new", &[], "101")
            .await
            .status(),
        400
    );
    assert_eq!(
        ask(node.addr, "PUT", "/flags/new", &[], "30")
            .await
            .status(),
        204
    );
    let mut on = 0;
    for user in 0..100 {
        let path = format!("/flags/new?user={user}");
        let answer = ask(node.addr, "GET", &path, &[], "").await;
        answer.is(200, "application/json", answer.text());
        on += u32::from(answer.text() == r#"{"on":true}"#);
        let again = ask(node.addr, "GET", &path, &[], "").await;
        assert_eq!(answer.text(), again.text());
    }
    assert!((10..=50).contains(&on), "on for {on} of 100 users");
    assert_eq!(
        ask(node.addr, "GET", "/flags/new", &[], "").await.status(),
        400
    );
    assert_eq!(ask(node.addr, "GET", "/", &[], "").await.status(), 404);
    node.has_no_complaints();
}
