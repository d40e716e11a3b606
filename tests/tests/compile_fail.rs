//! What must not compile, does not, and says why.
//!
//! Each file of `compile-fail/` is a target of its own. A line that must not compile ends with
//! `//~ CODE text`: there, and nowhere else, an error with this code must point, at something within
//! this one line, and its message, label, note or help must contain the text. What it looks like
//! otherwise is the compiler's business.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Stdio;

use flaron_tests::cargo::{Crate, messages};
use serde_json::Value;

#[test]
fn what_must_not_compile_does_not() {
    let all = [
        "request", "response", "beam", "spark", "plasma", "secrets", "crypto", "encoding", "id",
        "time", "logging", "ws", "json",
    ];
    let mut krate = Crate::new("compile-fail", &all);
    let mut files = BTreeMap::new();
    for file in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("compile-fail")).unwrap() {
        let file = file.unwrap().path();
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        let source = fs::read_to_string(&file).unwrap();
        krate.add(&name, &source);
        files.insert(name, source);
    }
    assert!(files.len() >= 5, "{files:?}");

    // Natively: no Wasm target is needed to check types.
    let output = krate
        .cargo()
        .args(["check", "--quiet", "--examples", "--keep-going"])
        .arg("--message-format=json")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(!output.status.success());
    let stdout = String::from_utf8(output.stdout).unwrap();
    let mut errors: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for message in messages(&stdout) {
        if message["message"]["level"] == "error" && !message["message"]["code"].is_null() {
            let target = message["target"]["name"].as_str().unwrap().to_owned();
            errors
                .entry(target)
                .or_default()
                .push(message["message"].clone());
        }
    }

    for (name, source) in &files {
        let errors = errors.remove(name).unwrap_or_default();
        let mut wanted = BTreeSet::new();
        for (index, line) in source.lines().enumerate() {
            let Some((_, expectation)) = line.split_once("//~ ") else {
                continue;
            };
            let (code, text) = expectation.split_once(' ').unwrap();
            wanted.insert((index as u64 + 1, code));
            let told = errors.iter().any(|error| {
                error["code"]["code"] == code
                    && lines(error).contains(&(index as u64 + 1))
                    && error["rendered"].as_str().unwrap().contains(text)
            });
            let all: Vec<_> = errors
                .iter()
                .map(|e| e["rendered"].as_str().unwrap())
                .collect();
            assert!(told, "{name}.rs:{}: {line}\n{}", index + 1, all.join("\n"));
        }
        assert!(!wanted.is_empty(), "{name}.rs expects nothing");
        for error in &errors {
            let code = error["code"]["code"].as_str().unwrap();
            let expected = lines(error)
                .iter()
                .any(|line| wanted.contains(&(*line, code)));
            assert!(expected, "{name}.rs: not expected:\n{}", error["rendered"]);
        }
    }
    assert!(errors.is_empty(), "errors in the SDK itself: {errors:?}");
}

/// The lines that an error points at, as the author of the flare sees them: of a macro, where it is
/// used. Not those of a use of a macro that takes several lines: it says nothing about which of the
/// macro's arguments is wrong.
fn lines(error: &Value) -> BTreeSet<u64> {
    let mut found = BTreeSet::new();
    for span in error["spans"].as_array().unwrap() {
        if span["is_primary"] == false {
            continue;
        }
        let mut span = span;
        while !span["expansion"].is_null() && !in_example(span) {
            span = &span["expansion"]["span"];
        }
        if in_example(span) && span["line_start"] == span["line_end"] {
            found.extend(span["line_start"].as_u64());
        }
    }
    found
}

fn in_example(span: &Value) -> bool {
    span["file_name"].as_str().unwrap().starts_with("examples")
}
