//! A flare's initial memory (the arena and a small stack, and nothing else), and the arena at any address in
//! it.

use std::fs;
use std::path::{Path, PathBuf};

use flaron_edge::FlareConfig;
use flaron_tests::cargo::{Crate, example, workspace};
use flaron_tests::http::get;
use flaron_tests::nine;
use flaron_tests::node::Node;
use wasmparser::{Operator, Parser, Payload};

/// A module's initial memory, in Wasm pages of 64 KiB.
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
        let entry = entry.unwrap();
        if !entry.file_type().unwrap().is_dir() {
            continue;
        }
        let name = entry.file_name().into_string().unwrap();
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

/// Flares that are linked with a stack of 16 bytes: one that uses none of it, and one that would
/// use 256 bytes.
fn with_16_bytes_of_stack() -> (PathBuf, PathBuf) {
    let mut krate = Crate::new("memory-stack", &["beam", "json", "request", "response"]);
    krate.set_link_args(&["-zstack-size=16", "--compress-relocations"]);
    let source = workspace().join("examples/beam-json/src/lib.rs");
    krate.add("stackless", &fs::read_to_string(source).unwrap());
    krate.add("stackful", STACKFUL);
    let mut built = krate.build();
    let mut take = |name| built.remove(name).unwrap();
    (take("stackless"), take("stackful"))
}

const STACKFUL: &str = r#"
    #![no_std]

    use core::hint::black_box;
    use flaron_sdk::{FlareAction, response};

    flaron_sdk::handle_request!(stackful);
    flaron_sdk::panic_handler!();

    fn stackful() -> FlareAction {
        let mut bytes = [b'x'; 256];
        response::set_body(black_box(&mut bytes));
        FlareAction::Respond
    }
"#;

/// The README's smallest stack: enough for a flare that uses none, and a trap for one that does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stack_of_16_bytes_is_used_by_none_or_traps() {
    let (stackless, stackful) = tokio::task::block_in_place(with_16_bytes_of_stack);
    nine::beam_json(&stackless).await;

    let node = Node::start(&stackful, FlareConfig::default(), &[]).await;
    assert_eq!(get(node.addr).await.status(), 502);
    let entries = node.edge.entries();
    let error = entries[0].error.as_deref().unwrap();
    assert!(error.contains("out of bounds"), "{error}");
}

/// A flare whose statics, the arena among them, begin at this address; and the address at which they end.
fn with_statics_at(address: u64) -> (PathBuf, u64) {
    let mut krate = Crate::new(&format!("memory-{address}"), &["request", "response"]);
    let base = format!("--global-base={address}");
    // (With `--compress-relocations` the linker makes such addresses too large for Wasm.)
    krate.set_link_args(&["-zstack-size=4096", &base, "--export=__data_end"]);
    // A name of its own, since another test builds it at another address at the same time.
    let name = format!("statics_at_{address}");
    krate.add(&name, UPPER_HALF);
    let wasm = krate.build().remove(&name).unwrap();
    let end = exported_address(&wasm, "__data_end");
    (wasm, end)
}

/// The value of a constant that a module exports.
fn exported_address(wasm: &Path, name: &str) -> u64 {
    let bytes = fs::read(wasm).unwrap();
    let (mut addresses, mut index) = (Vec::new(), None);
    for payload in Parser::new(0).parse_all(&bytes) {
        match payload.unwrap() {
            Payload::GlobalSection(section) => {
                for global in section {
                    let mut init = global.unwrap().init_expr.get_operators_reader();
                    let Operator::I32Const { value } = init.read().unwrap() else {
                        panic!("a global of another type");
                    };
                    addresses.push(u64::from(value as u32));
                }
            }
            Payload::ExportSection(section) => {
                let mut exports = section.into_iter().map(Result::unwrap);
                index = exports
                    .find(|export| export.name == name)
                    .map(|export| export.index);
            }
            _ => {}
        }
    }
    addresses[index.expect("it is exported") as usize]
}

/// Twice the length of the arena is more than the arena is above the middle: taken off an address as
/// a signed number, it would be far below it.
const UPPER_HALF: &str = r#"
    #![no_std]

    use flaron_sdk::{ARENA_BYTES, ArenaFull, FlareAction, request, response, text};

    flaron_sdk::handle_request!(upper_half);
    flaron_sdk::panic_handler!();

    static LONG: [u8; 2 * ARENA_BYTES] = [b'x'; 2 * ARENA_BYTES];

    fn upper_half() -> FlareAction {
        response::set_body_str("the text was not refused");
        let refused = Err(ArenaFull);
        if response::set_body_pieces((&LONG[..], request::method())) == refused
            && response::set_body_pieces((&LONG[..], 1_u8)) == refused
            && response::set_body_pieces((request::method_piece(), &LONG[..])) == refused
            && response::set_body_pieces((&LONG[..], request::method_piece(), 1_u8)) == refused
            && text::build((1_u8, &LONG[..])).map(|_| ()) == refused
        {
            let _ = response::set_body_pieces((request::method(), " ", 1_u8, "/", u64::MAX));
            let asked = (request::method_piece(), "+", request::method_piece(), 2_u8);
            let _ = response::set_header_pieces("asked", asked);
            // The last text of an empty arena ends where that does.
            if let Ok(text) = text::build("12345678") {
                let end = text.as_ptr().addr() as u64 + 8;
                let _ = response::set_header_pieces("end", end);
            }
            // There is no such header: "no result".
            if request::header("none").is_none() {
                response::set_header("none", "none");
            }
        }
        FlareAction::Respond
    }
"#;

/// Serves the flare; where its arena ends.
async fn serve_upper_half(wasm: &Path) -> u64 {
    let mut config = FlareConfig::default();
    config.limits.max_memory_mib = 4096;
    let node = Node::start(wasm, config, &[]).await;
    let response = get(node.addr).await;
    assert_eq!(response.header("asked"), Some("GET+GET2"));
    assert_eq!(response.header("none"), Some("none"));
    assert_eq!(response.text(), "GET 1/18446744073709551615");
    assert_eq!(response.status(), 200);
    let end = response.header("end").unwrap().parse().unwrap();
    node.has_no_complaints();
    end
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_arena_may_lie_in_the_upper_half() {
    let (wasm, _) = tokio::task::block_in_place(|| with_statics_at(1 << 31));
    assert!(pages(&wasm) > 32_768);
    serve_upper_half(&wasm).await;
}

/// Behind it there is its own last word, and then no memory any more: the next address would be 0, "no result".
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_arena_may_end_with_the_memory() {
    let (wasm, end) = tokio::task::block_in_place(|| {
        let (_, end) = with_statics_at(1 << 30);
        let len = (end - (1 << 30)).next_multiple_of(16);
        with_statics_at((1 << 32) - len)
    });
    assert_eq!(pages(&wasm), 65_536);
    // 0 is 4 GiB, in 32 bits.
    let left = 0_u32.wrapping_sub(end as u32);
    assert!(left < 16, "{left} bytes are left behind the statics");
    let arena_end = serve_upper_half(&wasm).await;
    assert_eq!(arena_end + 8 + u64::from(left), 1 << 32);
}
