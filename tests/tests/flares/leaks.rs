//! Flares that leak leases on nothing: as many as a `u64` counts, which the compiler makes one addition.

use flaron_edge::FlareConfig;
use flaron_tests::cargo::Crate;
use flaron_tests::http::get;
use flaron_tests::node::Node;

/// Holds the URL, leaks so often that the count of leases would be back at 0, and has the host write over what is free
/// then: the URL itself, unless the flare ends before.
const FLARE: &str = r#"
    #![no_std]
    #![forbid(unsafe_code)]

    use flaron_sdk::{ArenaBytes, ArenaStr, FlareAction, Keys, request, response};

    flaron_sdk::handle_request!(leak);
    flaron_sdk::panic_handler!();

    fn leak() -> FlareAction {
        let url = request::url();
        let held: &str = &url;
        let empty: (ArenaBytes, ArenaStr, Keys) = Default::default();
        for _ in 0..u64::MAX - 3 {
            core::mem::forget(LEAKED);
        }
        drop(request::method());
        let _over = request::method();
        response::set_body_str(held);
        core::mem::forget(empty);
        FlareAction::Respond
    }
"#;

const LEAKED: [&str; 6] = [
    "ArenaBytes::default()",
    "ArenaStr::from(\"\")",
    "Keys::default()",
    "empty.0.clone()",
    "empty.1.clone()",
    "empty.2.clone()",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_leased_stays_though_the_count_of_leases_would_overflow() {
    let built = tokio::task::block_in_place(|| {
        let mut krate = Crate::new("leaks", &["plasma", "request", "response"]);
        for (at, leaked) in LEAKED.iter().enumerate() {
            krate.add(&format!("leak{at}"), &FLARE.replace("LEAKED", leaked));
        }
        krate.build()
    });
    for (at, leaked) in LEAKED.iter().enumerate() {
        let wasm = &built[&format!("leak{at}")];
        let mut config = FlareConfig::default();
        config.limits.max_time_ms = 100;
        let node = Node::start(wasm, config, &[]).await;
        let answer = get(node.addr).await;
        // It leaks until its time is over. Otherwise the answer is the URL, written over with the method.
        assert_eq!(answer.status(), 504, "{leaked}: {}", answer.text());
    }
}
