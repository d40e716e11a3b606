//! The nine example flares, built with this repository's SDK, through real sockets.

use flaron_edge::FlareConfig;
use flaron_tests::cargo::example;
use flaron_tests::http::get;
use flaron_tests::node::Node;

flaron_tests::nine!(example);

/// If a request cannot be counted, the origin answers it; without an origin, the node does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spark_counter_that_may_not_write() {
    let wasm = tokio::task::block_in_place(|| example("spark-counter"));
    let node = Node::start(&wasm, FlareConfig::default(), &[]).await;
    let answer = get(node.addr).await;
    assert_eq!(answer.status(), 502, "{answer:?}");
    assert_eq!(answer.header("x-flaron-error"), Some("no-origin"));
    node.has_note("writes_spark_kv");
}
