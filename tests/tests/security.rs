//! `SECURITY.md` names a command for each claim: each command exists, and CI runs it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use flaron_tests::cargo::workspace;

fn read(file: &str) -> String {
    fs::read_to_string(workspace().join(file)).unwrap()
}

/// The code in the second column of the tables.
fn commands(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in text.lines().filter(|line| line.starts_with("| ")) {
        let Some((_, shown_by)) = line.trim_end_matches('|').rsplit_once(" | ") else {
            continue;
        };
        let fuzzes = shown_by.contains("fuzz target");
        for (n, part) in shown_by.split('`').enumerate() {
            if n % 2 == 1 && part.starts_with(".ci/") | part.starts_with("cargo ") {
                found.insert(part.to_owned());
            } else if n % 2 == 1 && fuzzes && !part.contains(['/', '.', '!']) {
                found.insert(format!("fuzz {part}"));
            }
        }
    }
    found
}

/// Whether each part of a filter is in the name of a test in this folder, or of a module that one is in.
fn is_in_a_path(folder: &Path, filter: &str) -> bool {
    filter.split("::").all(|part| is_in_a_name(folder, part))
}

fn is_in_a_name(folder: &Path, filter: &str) -> bool {
    fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            return name.contains(filter) || is_in_a_name(&path, filter);
        }
        let stem = name.strip_suffix(".rs").unwrap_or("");
        stem.contains(filter)
            || fs::read_to_string(&path)
                .is_ok_and(|text| text.lines().any(|line| is_test(line, filter)))
    })
}

fn is_test(line: &str, filter: &str) -> bool {
    let line = line.trim_start();
    (line.starts_with("fn ") || line.starts_with("async fn ")) && line.contains(filter)
}

/// The problem with a command, if there is one.
fn fault(command: &str) -> Option<String> {
    let words: Vec<&str> = command.split_whitespace().collect();
    match words[..] {
        [".ci/soundness", step] => {
            let script = read(".ci/soundness");
            if !script.contains(&format!("\n{step}() {{")) {
                return Some(format!(".ci/soundness has no step {step}"));
            }
            // By the default list of steps, or by name in what CI runs.
            let is_named = |line: &str| {
                line.split_whitespace()
                    .any(|word| word.trim_matches('"') == step)
            };
            let mut lines = [script, read(".ci/run"), workflows()]
                .concat()
                .lines()
                .filter(|line| line.contains("set -- unsafe") || line.contains(".ci/soundness "))
                .map(str::to_owned)
                .collect::<Vec<_>>()
                .into_iter();
            (!lines.any(|line| is_named(&line))).then(|| format!("nothing runs the step {step}"))
        }
        ["fuzz", target] => {
            let there = workspace()
                .join("tests/fuzz/targets")
                .join(format!("{target}.rs"));
            let named = read("tests/fuzz/run")
                .split_whitespace()
                .any(|word| word == target);
            (!there.is_file() || !named).then(|| format!("there is no fuzz target {target}"))
        }
        [
            "cargo",
            "test",
            "-p",
            package,
            "--test",
            test,
            ref filters @ ..,
        ] => {
            let folder = package.strip_prefix("flaron-").unwrap();
            let tests = workspace().join(folder).join("tests");
            let here = tests.join(format!("{test}.rs")).is_file() || tests.join(test).is_dir();
            if !here {
                return Some(format!("{package} has no test {test}"));
            }
            let filters = filters.iter().filter(|filter| **filter != "--");
            let mut missing = filters.filter(|filter| !is_in_a_path(&tests, filter));
            missing
                .next()
                .map(|filter| format!("no test of {package} has {filter} in its path"))
        }
        ["cargo", "test", "-p", package, ref rest @ ..] => {
            let folder = match package {
                "flaron-sdk" => "src".to_owned(),
                other => format!("{}/src", other.strip_prefix("flaron-").unwrap()),
            };
            let filters = rest.iter().filter(|word| !word.starts_with("--"));
            let mut missing =
                filters.filter(|filter| !is_in_a_path(&workspace().join(&folder), filter));
            missing
                .next()
                .map(|filter| format!("no test of {package} has {filter} in its path"))
        }
        ["cargo", "tree", ..] => {
            let run = read(".ci/run") + &workflows();
            (!run.contains(command)).then(|| "CI does not run it".to_owned())
        }
        _ => Some("this test does not know such a command".to_owned()),
    }
}

fn workflows() -> String {
    let folder = workspace().join(".github/workflows");
    let files = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    files
        .map(|file| fs::read_to_string(file).unwrap())
        .collect()
}

#[test]
fn every_claim_has_a_command_that_is_there_and_is_run() {
    let all = commands(&read("SECURITY.md"));
    assert!(all.len() > 25, "{all:#?}");
    let faults: Vec<String> = all
        .iter()
        .filter_map(|command| Some(format!("`{command}`: {}", fault(command)?)))
        .collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn every_claim_has_one() {
    let text = read("SECURITY.md");
    for table in text.split("| claim | shown by |").skip(1) {
        for line in table
            .lines()
            .skip(2)
            .take_while(|line| line.starts_with('|'))
        {
            let shown = !commands(line).is_empty() || line.trim_end().ends_with("| the same |");
            assert!(shown, "{line}");
        }
    }
}

#[test]
fn what_is_not_there_is_noticed() {
    for command in [
        ".ci/soundness nothing",
        "fuzz nothing",
        "cargo test -p flaron-tests --test nothing",
        "cargo test -p flaron-sdk --all-features no_test_is_called_so",
        "cargo run",
    ] {
        assert!(fault(command).is_some(), "{command}");
    }
    let line = "| a claim | `.ci/soundness miri`, and the fuzz targets `a`, `b` |";
    let wanted = [".ci/soundness miri", "fuzz a", "fuzz b"].map(str::to_owned);
    assert_eq!(commands(line), BTreeSet::from(wanted));
}
