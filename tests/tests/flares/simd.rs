//! A flare compiled with `+simd128` reads JSON as one compiled without does, and as `serde_json` does.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use flaron_edge::FlareConfig;
use flaron_tests::cargo::{Crate, workspace};
use flaron_tests::http::ask;
use flaron_tests::node::Node;
use flaron_tests::random::Random;

/// Answers with the texts of an array, a zero byte behind each.
const FLARE: &str = r#"
    #![no_std]
    #![forbid(unsafe_code)]

    use flaron_sdk::json::Document;
    use flaron_sdk::text::TextBuf;
    use flaron_sdk::{FlareAction, request, response};

    flaron_sdk::handle_request!(texts);
    flaron_sdk::panic_handler!();

    fn texts() -> FlareAction {
        let body = request::body();
        let document = if request::method_is("PUT") {
            Document::parse_loosely(body)
        } else {
            Document::parse(body)
        };
        let Ok(document) = document else {
            response::set_status(422);
            return FlareAction::Respond;
        };
        let mut buffer = [0; 2048];
        let mut texts = TextBuf::new(&mut buffer);
        for text in document.root().elements() {
            if texts.push((text.as_bytes().unwrap_or(b"?"), "\0")).is_err() {
                response::set_status(500);
            }
        }
        response::set_body(texts.as_bytes());
        FlareAction::Respond
    }
"#;

/// Whether a module has the instruction `i8x16.bitmask`, without which no block is looked at.
fn has_simd(wasm: &Path) -> bool {
    let wasm = fs::read(wasm).unwrap();
    wasm.windows(2).any(|pair| pair == [0xfd, 0x64])
}

async fn start(name: &str, flags: &str) -> Node {
    let wasm = tokio::task::block_in_place(|| {
        let mut krate = Crate::new(name, &["json", "request", "response"]);
        // Rust's flags of this repository, and one more.
        let ours = "rustflags = [";
        let config = fs::read_to_string(workspace().join(".cargo/config.toml")).unwrap();
        assert!(config.contains(ours));
        krate.set_config(&config.replace(ours, &format!("{ours}{flags}")));
        krate.add("texts", FLARE);
        krate.build().remove("texts").unwrap()
    });
    assert_eq!(has_simd(&wasm), !flags.is_empty());
    let config = FlareConfig {
        requires_body: true,
        ..FlareConfig::default()
    };
    Node::start(&wasm, config, &[]).await
}

/// An array of texts, nearly always JSON: runs of all lengths, and what ends them.
fn random_json(random: &mut Random) -> Vec<u8> {
    let mut json = Vec::from("[");
    for text in 0..random.below(6) {
        json.extend_from_slice(if text == 0 { b"\"" } else { b", \"" });
        for _ in 0..random.below(5) {
            let run = random.below(40);
            json.extend((0..run).map(|_| b'a' + random.below(26) as u8));
            let pieces: [&[u8]; 14] = [
                b"\\\"",
                b"\\\\",
                b"\\n",
                b"\\u0041",
                b"\\u00e9",
                b"\\ud83d\\ude00",
                "\u{e9}".as_bytes(),
                "\u{1f600}".as_bytes(),
                b"\x7f",
                b"[]{}:,",
                b" ",
                "\u{2028}".as_bytes(),
                b"/",
                b"\\/",
            ];
            json.extend_from_slice(pieces[random.below(pieces.len())]);
            if random.below(60) == 0 {
                let broken: [&[u8]; 7] = [
                    b"\x01", b"\\x", b"\"", b"\xf5", b"\xff", b"\\ud800", b"\\u00g0",
                ];
                json.extend_from_slice(broken[random.below(broken.len())]);
            }
        }
        json.push(b'"');
    }
    json.push(b']');
    json
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocks_of_sixteen_bytes_are_read_as_single_ones_are() {
    let scalar = start("simd-without", "").await;
    let simd = start("simd", "\"-Ctarget-feature=+simd128\", ").await;
    let mut random = Random(1);
    let (mut read, mut refused) = (0, 0);
    for _ in 0..400 {
        let json = random_json(&mut random);
        for method in ["POST", "PUT"] {
            let mut answers: Vec<(u16, Bytes)> = Vec::new();
            for node in [&scalar, &simd] {
                let answer = ask(node.addr, method, "/", &[], &json).await;
                answers.push((answer.status(), answer.0.into_body()));
            }
            let told = String::from_utf8_lossy(&json);
            assert_eq!(answers[0], answers[1], "{method} {told}");
            let (status, texts) = &answers[1];
            if let Ok(expected) = serde_json::from_slice::<Vec<String>>(&json) {
                let expected: String = expected.iter().map(|text| format!("{text}\0")).collect();
                assert_eq!(
                    (*status, &texts[..]),
                    (200, expected.as_bytes()),
                    "{method} {told}"
                );
                read += 1;
            } else {
                refused += usize::from(*status == 422);
            }
        }
    }
    assert!(read > 300 && refused > 20, "{read} read, {refused} refused");
}
