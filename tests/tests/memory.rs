//! How much memory a flare begins with: the arena and a small stack, and nothing else.

use std::fs;
use std::path::{Path, PathBuf};

use flaron_tests::cargo::{Crate, example, workspace};
use flaron_tests::nine;
use wasmparser::{Parser, Payload};

/// The Wasm pages (64 KiB each) that a module begins with.
fn pages(wasm: &Path) -> u64 {
    let bytes = fs::read(wasm).unwrap();
    let memories = Parser::new(0).parse_all(&bytes).find_map(|payload| {
        let Payload::MemorySection(section) = payload.unwrap() else {
            return None;
        };
        Some(section.into_iter().map(|memory| memory.unwrap().initial))
    });
    let memories: Vec<u64> = memories.expect("a flare has a memory").collect();
    assert_eq!(memories.len(), 1);
    memories[0]
}

/// `echo` with an arena of 48 KiB, set as the README says.
fn small_echo() -> PathBuf {
    let mut krate = Crate::new("memory-small", &["request", "response"]);
    let source = fs::read_to_string(workspace().join("examples/echo/src/lib.rs")).unwrap();
    krate.add("small_echo", &source);
    krate.add_config("[env]\nFLARON_ARENA_BYTES = \"49152\"\n");
    krate.build().remove("small_echo").unwrap()
}

#[test]
fn it_is_six_pages_at_most() {
    for entry in fs::read_dir(workspace().join("examples")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let pages = pages(&example(&name));
        assert!(pages <= 6, "{name}: {pages} pages");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_arena_makes_it_one_page() {
    let wasm = tokio::task::block_in_place(small_echo);
    assert_eq!(pages(&wasm), 1);
    nine::echo(&wasm).await;
}
