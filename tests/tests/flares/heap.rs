//! The heaps of the features `dlmalloc` and `arena-alloc`, linked with the README's flags.

use flaron_edge::FlareConfig;
use flaron_tests::cargo::Crate;
use flaron_tests::http::get;
use flaron_tests::node::Node;

/// Allocates, frees every other block, allocates in the gaps, and resizes: live blocks keep their contents.
const FLARE: &str = r#"
    #![no_std]
    #![forbid(unsafe_code)]

    extern crate alloc;

    use alloc::{format, string::String, vec, vec::Vec};
    use flaron_sdk::{FlareAction, response};

    flaron_sdk::handle_request!(churn);
    flaron_sdk::panic_handler!();

    fn name(number: usize) -> String {
        format!("block {number} {}", "x".repeat(number % 50))
    }

    fn churn() -> FlareAction {
        let large = vec![0_u8; LARGE];
        let mut blocks: Vec<(usize, String)> = (0..300).map(|n| (n, name(n))).collect();
        blocks.retain(|(n, _)| n % 2 == 0);
        blocks.extend((300..500).map(|n| (n, name(n))));
        for (number, text) in &mut blocks {
            text.push_str("!");
            if text[..] != *(name(*number) + "!") {
                return FlareAction::PassThrough;
            }
        }
        let zeros = large.iter().filter(|byte| **byte == 0).count();
        response::set_body_str(&format!("{} blocks, {zeros} zeros", blocks.len()));
        FlareAction::Respond
    }
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_alive_stays_as_it_is() {
    // `dlmalloc` grows the memory, far beyond the arena.
    for (feature, large) in [("dlmalloc", 3_000_000), ("arena-alloc", 10_000)] {
        let wasm = tokio::task::block_in_place(|| {
            let mut krate = Crate::new(&format!("heap-{feature}"), &[feature, "response"]);
            krate.add("churn", &FLARE.replace("LARGE", &large.to_string()));
            krate.build().remove("churn").unwrap()
        });
        let node = Node::start(&wasm, FlareConfig::default(), &[]).await;
        for _ in 0..2 {
            let answer = get(node.addr).await;
            assert_eq!(answer.status(), 200, "{feature}");
            assert_eq!(answer.text(), format!("350 blocks, {large} zeros"));
        }
    }
}
