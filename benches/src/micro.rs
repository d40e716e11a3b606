//! What loops over data, natively: JSON escaping and un-escaping, the UTF-8 check and hexadecimal,
//! each beside what others use for it.
//!
//! The SDK's loops are written for size. This shows what that costs, and that the time per byte does not
//! grow with the length of the text.

use std::hint::black_box;

use flaron_sdk::testing::Host;
use flaron_sdk::text::{TextBuf, from_utf8};
use flaron_sdk::{crypto, json};

use crate::clock;

/// The lengths of the texts, in bytes.
pub const SIZES: [usize; 8] = [16, 64, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 200 << 10];

/// The job that has a performance target.
pub const UNESCAPE: &str = "JSON un-escape";

/// The result of a job for one text.
#[derive(Debug, Clone)]
pub struct Micro {
    /// What is done.
    pub job: &'static str,
    /// What the SDK is compared with.
    pub other: &'static str,
    /// The kind of text.
    pub text: &'static str,
    /// The length of the input.
    pub bytes: usize,
    /// The SDK's time, in nanoseconds.
    pub ours: f64,
    /// The other's time, in nanoseconds.
    pub theirs: f64,
}

/// The kinds of text, and the characters that each repeats.
const TEXTS: [(&str, &str); 4] = [
    (
        "plain ASCII",
        "The quick brown fox jumps over the lazy dog, then rests. ",
    ),
    (
        "ASCII",
        "{\"id\":4711,\"name\":\"Zoe\",\n\"path\":\"C:\\tmp\",\"tags\":[\"a\",\"b\"]},\n",
    ),
    (
        "mixed",
        "{\"name\":\"Zoë\",\"note\":\"grüße, 你好\",\n\"face\":\"😀\"},\n",
    ),
    ("worst", "\u{1}"),
];

/// A text of this many bytes: the characters repeated, each encoded by `write`, and padded with `x`.
fn text(unit: &str, bytes: usize, write: impl Fn(char) -> String) -> String {
    let mut text = String::with_capacity(bytes);
    for char in unit.chars().cycle() {
        let char = write(char);
        if text.len() + char.len() > bytes {
            break;
        }
        text.push_str(&char);
    }
    text.push_str(&"x".repeat(bytes - text.len()));
    text
}

/// A character as it appears in a JSON string.
fn escaped(char: char) -> String {
    match char {
        // The worst case for a reader is an escape that needs the next one, too.
        '\u{1}' => "\\ud83d\\ude00".to_owned(),
        _ => {
            let quoted = serde_json::Value::from(char.to_string()).to_string();
            quoted[1..quoted.len() - 1].to_owned()
        }
    }
}

/// Measures everything. With `quick` there are too few samples for good numbers, but every step runs.
pub fn run(quick: bool) -> Vec<Micro> {
    let mut rows = Vec::new();
    for (kind, unit) in TEXTS {
        for bytes in SIZES {
            rows.push(escape(kind, &text(unit, bytes, String::from), quick));
            let json = text(unit, bytes - 2, escaped);
            rows.push(unescape(kind, &format!("\"{json}\""), quick));
            if kind != "ASCII" {
                // The worst case here is that no two neighbours have the same length.
                let unit = if kind == "worst" { "aé你😀" } else { unit };
                rows.push(utf8(
                    kind,
                    text(unit, bytes, String::from).as_bytes(),
                    quick,
                ));
            }
        }
    }
    for bytes in SIZES {
        rows.push(hexadecimal(&text("00ff7fa5", bytes, String::from), quick));
    }
    // All sizes of a job next to each other; the sort is stable, so the texts keep their order.
    rows.sort_by_key(|row| row.job);
    rows
}

fn escape(kind: &'static str, input: &str, quick: bool) -> Micro {
    let room = 6 * input.len() + 2;
    let mut buffer = vec![0; room];
    let mut vec = Vec::with_capacity(room);
    {
        let mut ours = TextBuf::new(&mut buffer);
        ours.push(json::Str(input)).expect("there is room");
        let theirs: String = serde_json::from_slice(ours.as_bytes()).expect("JSON");
        assert_eq!(theirs, input, "both mean the same");
    }
    let [ours, theirs] = clock::compare(
        quick,
        || {
            // The buffer is as long as the result, as in the arena, so nothing has to move.
            let mut text = TextBuf::new(&mut buffer);
            let done = text.push(json::Str(black_box(input)));
            black_box((done.is_ok(), text.as_bytes().len()));
        },
        || {
            vec.clear();
            let done = serde_json::to_writer(&mut vec, black_box(input));
            black_box((done.is_ok(), vec.len()));
        },
    );
    Micro {
        job: "JSON escape",
        other: "serde_json",
        text: kind,
        bytes: input.len(),
        ours,
        theirs,
    }
}

fn unescape(kind: &'static str, input: &str, quick: bool) -> Micro {
    let mut buffer = input.as_bytes().to_vec();
    {
        let theirs: String = serde_json::from_str(input).expect("JSON");
        let ours = json::parse(&mut buffer).expect("JSON");
        assert_eq!(
            ours.as_bytes(),
            Some(theirs.as_bytes()),
            "both mean the same"
        );
    }
    let [ours, theirs] = clock::compare(
        quick,
        || {
            // It is decoded in place, so the input has to be restored each time.
            buffer.copy_from_slice(black_box(input).as_bytes());
            let value = json::parse(&mut buffer).ok();
            black_box(value.and_then(|value| value.as_bytes()).map(<[u8]>::len));
        },
        || {
            let value: Option<String> = serde_json::from_str(black_box(input)).ok();
            black_box(value.map(|value| value.len()));
        },
    );
    Micro {
        job: UNESCAPE,
        other: "serde_json",
        text: kind,
        bytes: input.len(),
        ours,
        theirs,
    }
}

fn utf8(kind: &'static str, input: &[u8], quick: bool) -> Micro {
    let [ours, theirs] = clock::compare(
        quick,
        || {
            black_box(from_utf8(black_box(input)).expect("UTF-8"));
        },
        || {
            black_box(core::str::from_utf8(black_box(input)).expect("UTF-8"));
        },
    );
    Micro {
        job: "UTF-8 check",
        other: "core::str",
        text: kind,
        bytes: input.len(),
        ours,
        theirs,
    }
}

/// The SDK decodes hexadecimal in `crypto::random_bytes` only, which goes through the in-memory host. The
/// host's share, measured with the shortest text, is subtracted.
fn hexadecimal(input: &str, quick: bool) -> Micro {
    let mut buffer = vec![0; input.len() / 2];
    let host = Host::new();
    let [empty, _] = {
        host.returns("crypto_random_bytes", "");
        clock::compare(quick, random, || ())
    };
    host.returns("crypto_random_bytes", input);
    let [ours, theirs] = clock::compare(quick, random, || {
        let done = hex::decode_to_slice(black_box(input), &mut buffer);
        black_box(done.is_ok());
    });
    let ours = (ours - empty).max(0.0);
    Micro {
        job: "hex decode",
        other: "hex",
        text: "digits",
        bytes: input.len(),
        ours,
        theirs,
    }
}

fn random() {
    black_box(crypto::random_bytes(1).expect("hexadecimal").len());
}
