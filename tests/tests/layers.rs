//! The rules for source files: which module may name which, and how long a file may be.
//!
//! Reads the text of the files, without comments and tests. It needs nothing but the repository, and
//! is quick.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use flaron_tests::cargo::workspace;

/// The layers of a crate, the lowest first: a module names modules of lower layers, and what is in
/// its own folder.
type Layers = &'static [&'static [&'static str]];

const SDK: Layers = &[
    &["abi", "bytes"],
    &["arena", "panic_message"],
    &["error", "entry", "state"],
    &["text"],
    &["json"],
    &["keys"],
    &[
        "beam", "crypto", "encoding", "id", "logging", "plasma", "request", "response", "secrets",
        "spark", "time", "ws", "heap",
    ],
    &["testing"],
];

const EDGE: Layers = &[
    &["error", "sync", "shutdown", "trace"],
    &["journal", "contract"],
    &["recording"],
    &["http", "runtime"],
    &["capability"],
    &["config", "node", "stores", "telemetry"],
    &["host"],
    &["imports"],
    &["wasm"],
    &["flare"],
    &["state"],
    &["server", "watch"],
    &["edge"],
    &["builder", "scaffold"],
    &["bench"],
];

const SIZE: Layers = &[
    &["format", "output"],
    &["wasm"],
    &["project"],
    &["flares"],
    &["gate"],
    &["report"],
    &["chart"],
    &["command"],
    &["cli"],
];

/// Files above all layers, which may name anything.
const TOP: &[&str] = &["lib", "main", "cli"];

/// Lines that a file may have before its tests.
const MAX_LINES: usize = 600;
/// Lines that tests may have in the file that they test; longer ones get one of their own.
const MAX_TEST_LINES: usize = 100;

#[test]
fn the_sdk_names_lower_layers_only() {
    assert_layers("src", SDK);
}

#[test]
fn the_edge_names_lower_layers_only() {
    assert_layers("edge/src", EDGE);
}

#[test]
fn the_size_report_names_lower_layers_only() {
    assert_layers("size-report/src", SIZE);
}

#[test]
fn no_module_names_another_by_its_place_relative_to_itself() {
    let mut wrong = Vec::new();
    for source in ["src", "edge/src", "size-report/src"] {
        for file in files(source) {
            wrong.extend(relative_names(&file.text).map(|line| format!("{}:{line}", file.path)));
        }
    }
    assert!(
        wrong.is_empty(),
        "`super::` outside tests; name the module by its full path, `crate::…`:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn no_file_is_too_long_to_be_read() {
    let mut wrong = Vec::new();
    for source in [
        "src",
        "edge/src",
        "size-report/src",
        "benches/src",
        "flare-build/src",
    ] {
        for file in files(source) {
            wrong.extend(lengths(&file.text).map(|what| format!("{}: {what}", file.path)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn assert_layers(source: &str, layers: Layers) {
    let files = files(source);
    assert!(files.len() >= 5, "only {} files in {source}", files.len());
    let wrong: Vec<String> = files
        .iter()
        .flat_map(|file| wrong_arrows(&file.module, &file.text, layers, &file.path))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A source file that is not tests.
struct File {
    /// From the root of the repository.
    path: String,
    /// The module at the crate's root that it belongs to: `a` of `a.rs`, `a/mod.rs` and `a/b/c.rs`.
    module: String,
    text: String,
}

fn files(source: &str) -> Vec<File> {
    let folder = workspace().join(source);
    let mut paths = Vec::new();
    collect(&folder, &mut paths);
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let inside = path.strip_prefix(&folder).unwrap().with_extension("");
            let module = inside.iter().next().unwrap().to_str().unwrap().to_owned();
            File {
                path: path
                    .strip_prefix(workspace())
                    .unwrap()
                    .display()
                    .to_string(),
                module,
                text: fs::read_to_string(&path).unwrap(),
            }
        })
        .collect()
}

/// Files of tests only: `tests.rs`, what is in a folder `tests`, and a module's helpers for tests.
fn is_of_tests(path: &Path) -> bool {
    let stem = path.file_stem().and_then(|stem| stem.to_str());
    path.iter().any(|part| part == "tests") || matches!(stem, Some("tests" | "support" | "hostile"))
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        // Below the source folder: the repository itself may lie in a folder called `tests`.
        if is_of_tests(path.strip_prefix(workspace()).unwrap()) {
            continue;
        }
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The forbidden names in a file, one line each.
fn wrong_arrows(module: &str, text: &str, layers: Layers, path: &str) -> Vec<String> {
    if TOP.contains(&module) {
        return Vec::new();
    }
    let layer = |name: &str| layers.iter().position(|layer| layer.contains(&name));
    let Some(own) = layer(module) else {
        return vec![format!("{path}: `{module}` is on no layer")];
    };
    names(text)
        .into_iter()
        .filter(|name| name != module)
        .filter_map(|name| match layer(&name) {
            Some(other) if other < own => None,
            Some(_) => Some(format!("{path} -> {name}: is not on a lower layer")),
            None => Some(format!(
                "{path} -> crate::{name}: is no module; name the module that it is defined in"
            )),
        })
        .collect()
}

/// What stands behind `crate::` in a file: of `crate::a::b` and `use crate::{a, b::{c, d}}` all that
/// is `a` or `b`.
fn names(text: &str) -> BTreeSet<String> {
    let code = code(text);
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        // `$crate::` in a macro is on the side of its user; `my_crate::` is somebody else.
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| c == '$' || c == '_' || c.is_alphanumeric()) {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(group) => found.extend(heads(group)),
            None => found.extend(word(rest)),
        }
    }
    found
}

/// The first word of each entry of a group, whose opening brace has been taken off.
fn heads(group: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let (mut depth, mut entry) = (0, String::new());
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                found.extend(word(entry.trim()));
                entry.clear();
                continue;
            }
            _ => {}
        }
        entry.push(c);
    }
    found.extend(word(entry.trim()));
    found
}

fn word(text: &str) -> Option<String> {
    let word: String = text
        .chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect();
    (!word.is_empty()).then_some(word)
}

/// The lines of a file where `super::` stands.
fn relative_names(text: &str) -> impl Iterator<Item = usize> {
    let code = code(text);
    let lines: Vec<usize> = code
        .lines()
        .enumerate()
        .filter(|(_, line)| line.contains("super::"))
        .map(|(index, _)| index + 1)
        .collect();
    lines.into_iter()
}

/// A file without its comments and its tests. Lines stay where they are.
fn code(text: &str) -> String {
    let code = &text[..tests_begin(text)];
    let lines = code.lines().map(|line| match line.find("//") {
        // Not the `//` of a URL in a string.
        Some(at) if !line[..at].ends_with(':') => &line[..at],
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Where `#[cfg(test)] mod …` begins, or the end of the file. (Of `mod tests;` nothing follows.)
fn tests_begin(text: &str) -> usize {
    let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1));
    for at in starts {
        let mut lines = text[at..].lines();
        if lines
            .next()
            .is_some_and(|line| line.starts_with("#[cfg(") && names_test(line))
            && let Some(line) = lines.find(|line| !line.starts_with(['#', ' ', ')']))
            && line.starts_with("mod ")
            && line.ends_with('{')
        {
            return at;
        }
    }
    text.len()
}

/// Whether a condition asks for `test`, by itself or among others.
fn names_test(condition: &str) -> bool {
    condition.contains("test)") || condition.contains("(test,")
}

/// The parts of a file that are too long.
fn lengths(text: &str) -> impl Iterator<Item = String> {
    let (code, tests) = text.split_at(tests_begin(text));
    let (code, tests) = (code.lines().count(), tests.lines().count());
    let code_is_long = (code > MAX_LINES)
        .then(|| format!("{code} lines before its tests; {MAX_LINES} are the most: split it"));
    let tests_are_long = (tests > MAX_TEST_LINES).then(|| {
        format!("{tests} lines of tests; more than {MAX_TEST_LINES} stand in a file of their own")
    });
    code_is_long.into_iter().chain(tests_are_long)
}

/// Tests of the checker itself: it finds what it should find.
mod checker {
    use super::*;

    const HOUSE: Layers = &[&["cellar"], &["hall", "kitchen"], &["attic"]];

    fn wrong(module: &str, text: &str) -> Vec<String> {
        wrong_arrows(module, text, HOUSE, "x.rs")
    }

    #[test]
    fn an_arrow_that_points_down_is_right_and_one_turned_around_is_wrong() {
        assert!(wrong("hall", "use crate::cellar::Coal;").is_empty());
        assert_eq!(
            wrong("cellar", "use crate::hall::Door;"),
            ["x.rs -> hall: is not on a lower layer"]
        );
        assert_eq!(wrong("hall", "fn f() { crate::attic::open() }").len(), 1);
    }

    #[test]
    fn neighbours_do_not_name_each_other_and_a_folder_names_itself() {
        assert_eq!(wrong("hall", "use crate::kitchen::Stove;").len(), 1);
        assert!(wrong("hall", "use crate::hall::door::Door;").is_empty());
    }

    #[test]
    fn what_the_crate_names_again_is_named_where_it_is_defined() {
        let wrong = wrong("attic", "fn f(_: crate::Coal) {}");
        assert_eq!(wrong.len(), 1);
        assert!(wrong[0].contains("crate::Coal"), "{wrong:?}");
    }

    #[test]
    fn groups_are_read_and_what_is_nested_in_them_is_not() {
        let text = "use crate::{\n    cellar::{Coal, attic},\n    hall,\n};";
        assert_eq!(names(text), ["cellar", "hall"].map(str::to_owned).into());
        assert_eq!(wrong("attic", text), [""; 0]);
        assert_eq!(wrong("cellar", text).len(), 1);
    }

    #[test]
    fn comments_tests_and_macros_users_do_not_count() {
        assert!(wrong("cellar", "// crate::attic\n/// [`crate::attic`]\n").is_empty());
        assert!(wrong("cellar", "macro_rules! m { () => { $crate::attic::f() } }").is_empty());
        assert!(wrong("cellar", "use other_crate::attic;").is_empty());
        let tests = "#[cfg(test)]\nmod tests {\n    use crate::attic;\n    use super::*;\n}\n";
        assert!(wrong("cellar", tests).is_empty());
        assert_eq!(relative_names(tests).count(), 0);
        let all = "#[cfg(all(feature = \"a\", test))]\n#[allow(unused)]\nmod tests {\n use crate::attic;\n}\n";
        assert!(wrong("cellar", all).is_empty());
    }

    #[test]
    fn a_helper_for_tests_in_the_middle_hides_nothing_behind_it() {
        let text = "#[cfg(test)]\nfn helper() {}\n#[cfg(test)]\nmod tests;\nuse crate::attic;\n";
        assert_eq!(wrong("cellar", text).len(), 1);
    }

    #[test]
    fn a_module_that_nobody_gave_a_layer_is_wrong() {
        assert_eq!(wrong("garage", ""), ["x.rs: `garage` is on no layer"]);
    }

    #[test]
    fn relative_names_are_found_with_their_lines() {
        let text = "use crate::hall;\n// super::hall\nuse super::door;\n";
        assert_eq!(relative_names(text).collect::<Vec<_>>(), [3]);
    }

    #[test]
    fn long_files_and_long_tests_are_found() {
        let tests =
            |lines: usize| format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "\n".repeat(lines - 3));
        let code = |lines: usize| "fn f() {}\n".repeat(lines);
        assert_eq!(lengths(&(code(600) + &tests(100))).count(), 0);
        assert_eq!(lengths(&(code(601) + &tests(100))).count(), 1);
        assert_eq!(lengths(&(code(600) + &tests(101))).count(), 1);
    }
}
