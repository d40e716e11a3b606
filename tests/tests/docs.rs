//! Every command in a code block of the documents is listed here, with the test that runs it or the reason
//! why none does. Commands that are neither slow nor run by another test are run by this one, verbatim.

#![cfg(unix)]

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use flaron_tests::cargo::{edge_binary, ensure_wasm_target, size_binary, workspace};

/// The documents besides the book's pages (which are everything in `docs`).
const DOCUMENTS: &[&str] = &[
    "README.md",
    "edge/README.md",
    "size-report/README.md",
    "benches/README.md",
    "examples/README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "MIGRATING.md",
    "SECURITY.md",
];

/// Every document: its path from the root of the repository.
fn documents() -> Vec<String> {
    let mut found: Vec<String> = DOCUMENTS.iter().map(|&path| path.to_owned()).collect();
    let mut folders = vec![workspace().join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                let path = path.strip_prefix(workspace()).unwrap();
                found.push(path.to_str().unwrap().to_owned());
            }
        }
    }
    assert!(
        found.iter().any(|path| path == "docs/modules/beam.md"),
        "{found:?}"
    );
    found
}

/// Who runs a command.
enum Fate {
    /// The test `documented_commands_run` runs it, in the folder of the flare that the README describes.
    InFlare,
    /// This other test runs it: a file of the repository, and the name of the test.
    By(&'static str, &'static str),
    /// No test runs it, for this reason.
    Not(&'static str),
}
use Fate::{By, InFlare, Not};

const COMMANDS: &[(&str, Fate)] = &[
    (
        "cargo edge examples/echo",
        By("tests/tests/flares/process.rs", "cargo_edge_serves_a_crate"),
    ),
    (
        "curl -s -X PUT 'http://127.0.0.1:8787/a?b=1'",
        By("tests/tests/flares/process.rs", "cargo_edge_serves_a_crate"),
    ),
    (
        "curl -X PUT 'http://127.0.0.1:8787/a?b=1'",
        By("tests/tests/flares/process.rs", "cargo_edge_serves_a_crate"),
    ),
    (
        "cargo run -p flaron-edge -- new my-flare",
        By(
            "tests/tests/flares/templates.rs",
            "every_template_builds_passes_its_tests_and_keeps_to_its_budget",
        ),
    ),
    (
        "flaron-edge new shop && cd shop",
        By(
            "tests/tests/flares/author_day.rs",
            "four_commands_make_a_flare_that_is_tested_gated_and_answers",
        ),
    ),
    (
        "flaron-edge test",
        By(
            "tests/tests/flares/author_day.rs",
            "four_commands_make_a_flare_that_is_tested_gated_and_answers",
        ),
    ),
    (
        "flaron-edge size --bless",
        By(
            "tests/tests/flares/author_day.rs",
            "four_commands_make_a_flare_that_is_tested_gated_and_answers",
        ),
    ),
    (
        "flaron-edge slim",
        By(
            "tests/tests/flares/author_day.rs",
            "four_commands_make_a_flare_that_is_tested_gated_and_answers",
        ),
    ),
    (
        "flaron-edge",
        By(
            "tests/tests/flares/author_day.rs",
            "four_commands_make_a_flare_that_is_tested_gated_and_answers",
        ),
    ),
    (
        "flaron-edge replay requests.jsonl",
        By(
            "edge/tests/edge/author.rs",
            "a_recorded_request_is_done_again_and_compared",
        ),
    ),
    (
        "flaron-edge replay requests.jsonl --ignore log,calls",
        By(
            "edge/tests/edge/author.rs",
            "a_recorded_request_is_done_again_and_compared",
        ),
    ),
    (
        "flaron-edge replay requests.jsonl --unit-test",
        By(
            "edge/tests/edge/author.rs",
            "a_recorded_request_is_done_again_and_compared",
        ),
    ),
    (
        "flaron-edge kv list",
        By(
            "edge/tests/edge/author.rs",
            "values_are_read_and_changed_while_the_node_runs_and_when_it_does_not",
        ),
    ),
    (
        "flaron-edge kv put spark greeting 'hello' --ttl 60",
        By(
            "edge/tests/edge/author.rs",
            "values_are_read_and_changed_while_the_node_runs_and_when_it_does_not",
        ),
    ),
    (
        "flaron-edge kv put plasma visits 41 --counter",
        By(
            "edge/tests/edge/author.rs",
            "values_are_read_and_changed_while_the_node_runs_and_when_it_does_not",
        ),
    ),
    (
        "flaron-edge kv get plasma visits",
        By(
            "edge/tests/edge/author.rs",
            "values_are_read_and_changed_while_the_node_runs_and_when_it_does_not",
        ),
    ),
    (
        "flaron-edge kv export > values.jsonl",
        By(
            "edge/tests/edge/author.rs",
            "values_are_read_and_changed_while_the_node_runs_and_when_it_does_not",
        ),
    ),
    (
        "flaron-edge kv import values.jsonl",
        By(
            "edge/tests/edge/author.rs",
            "values_are_read_and_changed_while_the_node_runs_and_when_it_does_not",
        ),
    ),
    ("rustup target add wasm32-unknown-unknown", InFlare),
    (
        "cargo build --release --target wasm32-unknown-unknown",
        InFlare,
    ),
    (
        "wasm-opt -Oz --converge '--remove-exports=__*' --enable-bulk-memory-opt --enable-multivalue \
         --enable-mutable-globals --enable-nontrapping-float-to-int --enable-reference-types \
         --enable-sign-ext target/wasm32-unknown-unknown/release/my_flare.wasm -o my_flare.wasm",
        InFlare,
    ),
    (
        "export FLARON_CLUSTER_KEY=$(flaron-edge new-key)",
        Not("it is for the two nodes below"),
    ),
    (
        "flaron-edge run flare --node-id a --gossip 10.0.0.1:7946",
        Not(
            "the address is the reader's; tests/tests/flares/process.rs runs two nodes on this machine",
        ),
    ),
    (
        "flaron-edge run flare --node-id b --gossip 10.0.0.2:7946 --seed 10.0.0.1:7946",
        Not(
            "the address is the reader's; tests/tests/flares/process.rs runs two nodes on this machine",
        ),
    ),
    (
        "cargo run --profile server -p flaron-benches -- load",
        Not("it needs wrk and wasmtime, and minutes"),
    ),
    (
        "FLARON_SMITH_MODULES=2000 FLARON_SMITH_SEED=7 cargo test -p flaron-edge --test edge generated \
         -- --nocapture",
        Not("it is a longer run of a test of the edge's"),
    ),
    (
        "cargo install --locked --path size-report",
        By(
            "tests/tests/flares/install.rs",
            "the_tools_are_fast_and_unwind_and_flares_are_small",
        ),
    ),
    (
        "cargo install --locked --path edge",
        By(
            "tests/tests/flares/install.rs",
            "the_tools_are_fast_and_unwind_and_flares_are_small",
        ),
    ),
    (
        "cargo install --locked --path edge --features otlp",
        Not(
            "it builds much of the engine again; the step edge-more of .ci/run builds it so, and tests it",
        ),
    ),
    (
        "flaron-edge run flare --otlp http://localhost:4318",
        By("edge/tests/edge/otlp.rs", "an_exporter_that_fails_is_heard"),
    ),
    (
        "cargo llvm-cov --html",
        Not("it needs cargo-llvm-cov, which .ci/coverage installs and runs on the SDK"),
    ),
    (
        "flaron-size check target/wasm32-unknown-unknown/release/my_flare.wasm --budget 2KiB",
        InFlare,
    ),
    (
        "cargo build --release --target wasm32-unknown-unknown --config \
         'profile.release.strip=\"debuginfo\"'",
        InFlare,
    ),
];

#[test]
fn every_command_is_known_and_nothing_else_is() {
    let known: BTreeSet<&str> = COMMANDS.iter().map(|(command, _)| *command).collect();
    let mut found = BTreeSet::new();
    for document in documents() {
        for command in commands(&fs::read_to_string(workspace().join(&document)).unwrap()) {
            assert!(
                known.contains(&*command),
                "{document}: `{command}`: say in tests/tests/docs.rs who runs it, or why nobody does"
            );
            found.insert(command);
        }
    }
    for command in known {
        assert!(found.contains(command), "`{command}` is in no document");
    }
}

#[test]
fn the_tests_that_are_said_to_run_a_command_exist() {
    for (command, fate) in COMMANDS {
        match fate {
            By(file, test) => {
                let text = fs::read_to_string(workspace().join(file)).unwrap();
                assert!(
                    text.contains(&format!("fn {test}()")),
                    "{command}: {file}: {test}"
                );
            }
            Not(reason) => assert!(!reason.is_empty(), "{command}"),
            InFlare => {}
        }
    }
}

/// The README's flare, made by hand as described there, and every command that is for its folder.
#[test]
fn documented_commands_run() {
    ensure_wasm_target();
    let readme = fs::read_to_string(workspace().join("README.md")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    // Next to the repository, as in the README: `path = "../flaron-sdk"`.
    std::os::unix::fs::symlink(workspace(), folder.path().join("flaron-sdk")).unwrap();
    let flare = folder.path().join("my-flare");
    let write = |name: &str, text: &str| {
        let file = flare.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    };
    // A workspace of its own, and locked versions, so that the registry is not needed.
    write(
        "Cargo.toml",
        &(block(&readme, "`Cargo.toml`") + "\n[workspace]\n"),
    );
    write(
        ".cargo/config.toml",
        &block(&readme, "`.cargo/config.toml`"),
    );
    write("src/lib.rs", &block(&readme, "A complete flare:"));
    fs::copy(workspace().join("Cargo.lock"), flare.join("Cargo.lock")).unwrap();

    // The programs of the edge and of the size report are on the PATH, as if they were installed.
    let programs = size_binary().parent().unwrap().to_owned();
    assert!(edge_binary().starts_with(&programs));
    let installed = workspace().join("size-report/node_modules/.bin");
    let path = format!(
        "{}:{}:{}",
        programs.display(),
        installed.display(),
        std::env::var("PATH").unwrap()
    );
    let mut skipped = 0;
    for (command, fate) in COMMANDS {
        let InFlare = fate else { continue };
        if command.starts_with("wasm-opt") && !has_wasm_opt(&path) {
            eprintln!(
                "SKIPPED: `{command}`, because there is no wasm-opt; cargo size setup fetches it"
            );
            skipped += 1;
            continue;
        }
        let mut shell = Command::new("bash");
        shell
            .args(["-c", command])
            .current_dir(&flare)
            .env("PATH", &path);
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.ends_with("RUSTFLAGS") || text.starts_with("CARGO_") && text != "CARGO_HOME" {
                shell.env_remove(name);
            }
        }
        let output = shell.output().unwrap();
        assert!(
            output.status.success(),
            "{command}\n{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    assert!(skipped <= 1);
}

fn has_wasm_opt(path: &str) -> bool {
    let output = Command::new("wasm-opt")
        .arg("--version")
        .env("PATH", path)
        .output();
    output.is_ok_and(|output| output.status.success())
}

/// The code block after a line.
fn block(text: &str, after: &str) -> String {
    let (_, rest) = text.split_once(after).unwrap();
    let (_, rest) = rest.split_once("```").unwrap();
    let (_, rest) = rest.split_once('\n').unwrap();
    let (block, _) = rest.split_once("```").unwrap();
    block.to_owned()
}

/// The commands in the blocks of a document, without comments, each on one line.
fn commands(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if !["```sh", "```bash", "```console"].contains(&line.trim()) {
            continue;
        }
        let mut command = String::new();
        for line in lines.by_ref().take_while(|line| line.trim() != "```") {
            let line = line.split(" # ").next().unwrap().trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            command.push_str(line.trim_end_matches('\\').trim_end());
            if line.ends_with('\\') {
                command.push(' ');
            } else {
                found.push(std::mem::take(&mut command));
            }
        }
    }
    found
}

#[test]
fn commands_are_read_as_a_shell_reads_them() {
    let text = "text\n```sh\n# all\na b   # why\nc \\\n    d\n\n```\n```toml\nno = 1\n```\n```bash\ne\n```\n";
    assert_eq!(commands(text), ["a b", "c d", "e"]);
}
