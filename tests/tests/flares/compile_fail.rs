//! What must not compile does not, and the compiler's message explains why.
//!
//! Each file of `compile-fail/` is a target of its own. A line that must not compile ends with
//! `//~ CODE text`: there, and nowhere else, an error with this code must point, at something within
//! this one line, and its message, label, note or help must contain the text. The rest of the message is
//! up to the compiler.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Stdio;

use cargo_metadata::diagnostic::{Diagnostic, DiagnosticLevel, DiagnosticSpan};
use cargo_metadata::{CompilerMessage, Message};
use flaron_tests::cargo::{Crate, cargo, flares_dir};

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

    // Natively, since checking types needs no Wasm target.
    let output = cargo(krate.write())
        .env("CARGO_TARGET_DIR", flares_dir())
        .args(["check", "--quiet", "--examples", "--keep-going"])
        .arg("--message-format=json")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(!output.status.success());
    let mut errors: BTreeMap<String, Vec<Diagnostic>> = BTreeMap::new();
    for message in Message::parse_stream(&output.stdout[..]) {
        let Message::CompilerMessage(CompilerMessage {
            target, message, ..
        }) = message.unwrap()
        else {
            continue;
        };
        if message.level == DiagnosticLevel::Error && message.code.is_some() {
            errors.entry(target.name).or_default().push(message);
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
            wanted.insert((index + 1, code));
            let told = errors.iter().any(|error| {
                code_of(error) == code
                    && lines(error).contains(&(index + 1))
                    && rendered(error).contains(text)
            });
            let all: Vec<_> = errors.iter().map(rendered).collect();
            assert!(told, "{name}.rs:{}: {line}\n{}", index + 1, all.join("\n"));
        }
        assert!(!wanted.is_empty(), "{name}.rs expects nothing");
        for error in &errors {
            let expected = lines(error)
                .iter()
                .any(|line| wanted.contains(&(*line, code_of(error))));
            assert!(expected, "{name}.rs: not expected:\n{}", rendered(error));
        }
    }
    assert!(errors.is_empty(), "errors in the SDK itself: {errors:?}");
}

/// Lints that an author denies, and names that an author gives, are no reason not to compile.
#[test]
fn strict_authors_and_their_names_are_welcome() {
    let source = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/compiles/strict.rs"));
    for edition in ["2021", "2024"] {
        let mut krate = Crate::new("strict", &["response", "ws", "json"]);
        krate.set_edition(edition);
        krate.add("strict", source);
        let output = cargo(krate.write())
            .env("CARGO_TARGET_DIR", flares_dir())
            .args(["check", "--quiet", "--examples"])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "edition {edition}:\n{said}");
    }
}

fn code_of(error: &Diagnostic) -> &str {
    error.code.as_ref().map_or("", |code| &code.code)
}

fn rendered(error: &Diagnostic) -> &str {
    error.rendered.as_deref().unwrap_or_default()
}

/// The lines that an error points at, as the author of the flare sees them: of a macro, where it is
/// used. Not those of a use of a macro that takes several lines: it says nothing about which of the
/// macro's arguments is wrong.
fn lines(error: &Diagnostic) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    for mut span in error.spans.iter().filter(|span| span.is_primary) {
        while let Some(expansion) = &span.expansion
            && !in_example(span)
        {
            span = &expansion.span;
        }
        if in_example(span) && span.line_start == span.line_end {
            found.insert(span.line_start);
        }
    }
    found
}

fn in_example(span: &DiagnosticSpan) -> bool {
    span.file_name.starts_with("examples")
}
