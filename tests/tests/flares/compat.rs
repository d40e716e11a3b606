//! Lines of flares written for the published crate, compiled with this one: those that compile, and those
//! that do not, for which MIGRATING.md says what to change.

use std::collections::BTreeSet;
use std::fs;

use cargo_metadata::Message;
use cargo_metadata::diagnostic::DiagnosticLevel;
use flaron_tests::cargo::{cargo, flares_dir, workspace};

struct Idiom {
    name: String,
    line: String,
    /// It is known not to compile.
    marked: bool,
}

fn idioms() -> Vec<Idiom> {
    let text = fs::read_to_string(workspace().join("tests/compat/idioms.txt")).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, code) = line[2..].split_once(": ").unwrap();
            Idiom {
                name: name.to_owned(),
                line: code.to_owned(),
                marked: line.starts_with('*'),
            }
        })
        .collect()
}

/// Which crate the idioms are compiled with.
enum With {
    Published,
    Ours,
}

/// The names of the idioms that do not compile.
fn refused(idioms: &[Idiom], with: With) -> BTreeSet<String> {
    let (name, dependency, lock) = match with {
        With::Published => (
            "published",
            "\"=1.1.0\"".to_owned(),
            "size-report/peers/Cargo.lock",
        ),
        With::Ours => (
            "ours",
            format!("{{ path = {:?} }}", workspace()),
            "Cargo.lock",
        ),
    };
    let folder = flares_dir().join("crates/compat").join(name);
    fs::create_dir_all(folder.join("src")).unwrap();
    let manifest = format!(
        "[package]\nname = \"compat-{name}\"\nversion = \"0.0.0\"\nedition = \"2021\"\n\
         [dependencies]\nflaron-sdk = {dependency}\n\
         serde = {{ version = \"1\", features = [\"derive\"] }}\nserde_json = \"1\"\n[workspace]\n"
    );
    fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    fs::copy(workspace().join(lock), folder.join("Cargo.lock")).unwrap();
    // Each is a module on a line of its own, so that an error's line identifies it.
    let mut source = "#![allow(dead_code, unused)]\n".to_owned();
    for idiom in idioms {
        source.push_str(&format!(
            "mod {} {{ use flaron_sdk::{{beam, crypto, encoding, id, logging, plasma, request, response, \
             secrets, spark, time, ws, FetchOptions, FlareAction}}; pub fn idiom() {{ {} }} }}\n",
            idiom.name, idiom.line
        ));
    }
    fs::write(folder.join("src/lib.rs"), source).unwrap();

    let output = cargo(&folder)
        .env("CARGO_TARGET_DIR", flares_dir())
        .args(["check", "--quiet", "--message-format=json"])
        .output()
        .unwrap();
    let mut refused = BTreeSet::new();
    let mut finished = false;
    for message in Message::parse_stream(&output.stdout[..]) {
        match message.unwrap() {
            Message::CompilerMessage(message)
                if message.message.level == DiagnosticLevel::Error =>
            {
                for mut span in message.message.spans.iter().filter(|span| span.is_primary) {
                    // For a macro, the place where it is used.
                    while let Some(expansion) = &span.expansion
                        && span.file_name != "src/lib.rs"
                    {
                        span = &expansion.span;
                    }
                    if span.file_name == "src/lib.rs" {
                        refused.insert(idioms[span.line_start - 2].name.clone());
                    }
                }
            }
            Message::BuildFinished(_) => finished = true,
            _ => {}
        }
    }
    assert!(finished, "{}", String::from_utf8_lossy(&output.stderr));
    // An error that belongs to no idiom would hide others.
    assert_eq!(output.status.success(), refused.is_empty());
    refused
}

/// Type errors hide borrow errors, so idioms with errors are removed until there are none.
#[test]
fn what_compiles_with_the_published_crate_compiles_unless_it_is_marked() {
    let mut idioms = idioms();
    assert!(idioms.len() >= 120, "{}", idioms.len());
    assert_eq!(refused(&idioms, With::Published), BTreeSet::new());
    let marked: BTreeSet<_> = idioms
        .iter()
        .filter(|i| i.marked)
        .map(|i| i.name.clone())
        .collect();
    let mut all = BTreeSet::new();
    loop {
        let refused = refused(&idioms, With::Ours);
        if refused.is_empty() {
            break;
        }
        idioms.retain(|idiom| !refused.contains(&idiom.name));
        all.extend(refused);
    }
    let broken: Vec<_> = all.difference(&marked).collect();
    assert!(
        broken.is_empty(),
        "these do not compile any more: {broken:?}"
    );
    let won: Vec<_> = marked.difference(&all).collect();
    assert!(
        won.is_empty(),
        "these compile now; take their mark away: {won:?}"
    );
}

/// The README of the published crate, from the registry.
fn published_readme() -> String {
    let manifest = workspace().join("size-report/peers/Cargo.toml");
    let metadata = cargo_metadata::MetadataCommand::new()
        .manifest_path(manifest)
        .other_options(["--locked".to_owned()])
        .exec()
        .unwrap();
    let mut packages = metadata.packages.iter();
    let sdk = packages.find(|package| package.name.as_str() == "flaron-sdk");
    let folder = sdk.unwrap().manifest_path.parent().unwrap().to_owned();
    fs::read_to_string(folder.join("README.md")).unwrap()
}

/// The parts of it that need a change, with what MIGRATING.md says about them.
const CHANGED: &[(&str, &str)] = &[
    // It does not compile with the published crate, either: `fetch` takes an `Option` of a reference.
    (
        "    FetchOptions::new()\n        .with_header",
        "beam::fetch",
    ),
];

#[test]
fn the_published_readme_compiles_unchanged() {
    let readme = published_readme();
    let migrating = fs::read_to_string(workspace().join("MIGRATING.md")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let sdk = workspace();
    let manifest = format!(
        "[package]\nname = \"readme\"\nversion = \"0.0.0\"\nedition = \"2021\"\nautoexamples = false\n\
         [dependencies]\nflaron-sdk = {{ path = {sdk:?} }}\n[workspace]\n"
    );
    fs::copy(sdk.join("Cargo.lock"), folder.path().join("Cargo.lock")).unwrap();
    for name in ["src", "examples"] {
        fs::create_dir(folder.path().join(name)).unwrap();
    }
    fs::write(folder.path().join("src/lib.rs"), "").unwrap();
    let mut targets = manifest;
    let (mut programs, mut changed) = (0, 0);
    for (index, block) in readme.split("```rust\n").skip(1).enumerate() {
        let (code, _) = block.split_once("```").unwrap();
        if let Some((_, entry)) = CHANGED.iter().find(|(piece, _)| code.contains(piece)) {
            assert!(
                migrating.contains(entry),
                "MIGRATING.md does not say how {entry} changes"
            );
            changed += 1;
            continue;
        }
        let is_program = code.contains("_request!(") || code.contains("_handlers!(");
        programs += usize::from(is_program);
        let source = match is_program {
            true => code.to_owned(),
            false => format!(
                "pub fn piece() -> Result<(), Box<dyn std::error::Error>> {{\n{code}Ok(())\n}}\n"
            ),
        };
        fs::write(
            folder.path().join(format!("examples/block{index}.rs")),
            source,
        )
        .unwrap();
        targets.push_str(&format!(
            "[[example]]\nname = \"block{index}\"\ncrate-type = [\"cdylib\"]\n"
        ));
    }
    assert!(programs >= 3, "{programs}");
    assert_eq!(changed, CHANGED.len());
    fs::write(folder.path().join("Cargo.toml"), targets).unwrap();
    let output = cargo(folder.path())
        .env("CARGO_TARGET_DIR", flares_dir())
        .args(["check", "--quiet", "--examples"])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
