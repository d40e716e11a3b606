//! MIGRATING.md, as code: the lines of its tables compile with the published crate and with this one as
//! they stand there, and do the same on the same host; no function of the published crate is forgotten.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use flaron_tests::cargo::{WASM, cargo, ensure_wasm_target, flares_dir, workspace};
use flaron_tests::trace::trace;
use wasmtime::{Engine, Module};

/// A row: its line for the published crate, and for this one.
struct Row {
    published: String,
    here: String,
}

fn migrating() -> String {
    fs::read_to_string(workspace().join("MIGRATING.md")).unwrap()
}

/// The cells of the tables under a heading, without the table's own heading.
fn table(document: &str, heading: &str) -> Vec<Vec<String>> {
    let (_, section) = document
        .split_once(&format!("\n## {heading}\n"))
        .unwrap_or_else(|| panic!("no section {heading}"));
    let section = section.split("\n## ").next().unwrap();
    let lines = section.lines().filter(|line| line.starts_with("| "));
    let rows = lines.skip(1).map(|line| {
        // `\|` is a bar in a cell.
        let line = line.trim_matches('|').replace("\\|", "\u{1}");
        let cells = line.split('|').map(|cell| {
            let cell = cell.trim().trim_matches('`');
            cell.replace('\u{1}', "|")
        });
        cells.collect()
    });
    rows.collect()
}

fn rows() -> Vec<Row> {
    let document = migrating();
    let changed = table(&document, "Lines that change")
        .into_iter()
        .map(|cells| Row {
            published: cells[0].clone(),
            here: cells[1].clone(),
        });
    let same = table(&document, "Functions").into_iter().map(|cells| Row {
        published: cells[2].clone(),
        here: cells[2].clone(),
    });
    changed.chain(same).collect()
}

/// A crate in which each line is a function of its own, as Wasm.
fn build<'a>(
    name: &str,
    dependency: &str,
    lock: &Path,
    lines: impl Iterator<Item = &'a str>,
) -> PathBuf {
    ensure_wasm_target();
    let folder = flares_dir().join("crates").join(name);
    fs::create_dir_all(folder.join("src")).unwrap();
    let manifest = format!(
        "[package]\nname = {name:?}\nversion = \"0.0.0\"\nedition = \"2021\"\n\
         [lib]\ncrate-type = [\"cdylib\"]\n\
         [dependencies]\nflaron-sdk = {dependency}\nserde_json = \"1\"\n[workspace]\n"
    );
    fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    fs::copy(lock, folder.join("Cargo.lock")).unwrap();
    let mut source = "#![allow(unused)]\nflaron_sdk::export_alloc!();\n".to_owned();
    for (number, line) in lines.enumerate() {
        // A module on a line of its own: an error's line says whose it is.
        source.push_str(&format!(
            "mod row_{number} {{ use flaron_sdk::{{beam, crypto, encoding, id, logging, plasma, request, \
             response, secrets, spark, time, ws, FetchOptions, FlareAction}}; #[no_mangle] pub extern \"C\" fn \
             row_{number}() {{ flaron_sdk::reset_arena(); {line} }} }}\n"
        ));
    }
    fs::write(folder.join("src/lib.rs"), source).unwrap();
    let output = cargo(&folder)
        .env("CARGO_TARGET_DIR", flares_dir().join("migrating"))
        // No flags of this repository's: they are for small flares, and have a small stack.
        .env("CARGO_ENCODED_RUSTFLAGS", "")
        .args(["build", "--quiet", "--target", WASM])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{name}:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let file = name.replace('-', "_") + ".wasm";
    flares_dir()
        .join("migrating")
        .join(WASM)
        .join("debug")
        .join(file)
}

#[test]
fn each_line_compiles_and_does_the_same_with_either_crate() {
    let rows = rows();
    assert!(rows.len() >= 75, "{}", rows.len());
    let peers = workspace().join("size-report/peers/Cargo.lock");
    let published = build(
        "migrating-published",
        "\"=1.1.0\"",
        &peers,
        rows.iter().map(|row| &*row.published),
    );
    let here = build(
        "migrating-here",
        &format!("{{ path = {:?} }}", workspace()),
        &workspace().join("Cargo.lock"),
        rows.iter().map(|row| &*row.here),
    );
    let engine = Engine::default();
    let [published, here] = [published, here].map(|file| Module::from_file(&engine, file).unwrap());
    for (number, row) in rows.iter().enumerate() {
        let export = format!("row_{number}");
        let there = trace(&engine, &published, &[&export], |_| false);
        let ours = trace(&engine, &here, &[&export], |_| false);
        assert!(ours.len() >= 2, "it calls nothing: {}", row.here);
        assert_eq!(there, ours, "{}\n{}", row.published, row.here);
    }
}

/// The folder of the published crate's source.
fn published_source() -> PathBuf {
    let metadata = cargo_metadata::MetadataCommand::new()
        .manifest_path(workspace().join("size-report/peers/Cargo.toml"))
        .other_options(["--locked".to_owned()])
        .exec()
        .unwrap();
    let mut packages = metadata.packages.iter();
    let sdk = packages.find(|package| package.name.as_str() == "flaron-sdk");
    let manifest = &sdk.unwrap().manifest_path;
    manifest.parent().unwrap().join("src").into()
}

#[test]
fn no_public_function_of_the_published_crate_is_forgotten() {
    let document = migrating();
    let told: BTreeSet<String> = table(&document, "Functions")
        .iter()
        .map(|cells| cells[0].split('(').next().unwrap().to_owned())
        .collect();
    let mut found = 0;
    for module in [
        "beam", "crypto", "encoding", "id", "logging", "plasma", "request", "response", "secrets",
        "spark", "time", "ws",
    ] {
        let source = fs::read_to_string(published_source().join(module).with_extension("rs"));
        for line in source.unwrap().lines() {
            let line = line.trim_start();
            let Some(rest) = line.strip_prefix("pub fn ") else {
                continue;
            };
            let name = rest.split('(').next().unwrap();
            let owner = match name.starts_with("with_") {
                true => "FetchOptions",
                false => module,
            };
            let path = format!("{owner}::{name}");
            assert!(told.contains(&path), "MIGRATING.md says nothing of {path}");
            found += 1;
        }
    }
    assert_eq!(
        found,
        told.len(),
        "it tells of functions that are not there"
    );
}
