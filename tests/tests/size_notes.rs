//! Why the SDK's code is written as it is for the sake of bytes: `size-report/WHY.md` has an entry
//! for each odd form and each `#[inline]`, and the code says which: `// size: NAME`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use flaron_tests::cargo::workspace;

const NOTES: &str = "size-report/WHY.md";

#[test]
fn each_marker_has_an_entry_and_each_entry_a_marker() {
    let entries = entries(&fs::read_to_string(workspace().join(NOTES)).unwrap());
    let mut markers: BTreeMap<String, String> = BTreeMap::new();
    each_source(&mut |file, text| {
        for (line, name) in found_markers(text) {
            let name = name.unwrap_or_else(|text| panic!("{file}:{line}: no name: {text:?}"));
            markers.insert(name, format!("{file}:{line}"));
        }
    });
    for (name, place) in &markers {
        assert!(
            entries.contains(name),
            "{place}: {NOTES} has no entry `## {name}`"
        );
    }
    for name in &entries {
        assert!(
            markers.contains_key(name),
            "{NOTES}: nothing in src says `// size: {name}`"
        );
    }
}

#[test]
fn each_inline_says_why() {
    let mut wrong = Vec::new();
    each_source(&mut |file, text| {
        wrong.extend(
            unexplained(text)
                .into_iter()
                .map(|line| format!("{file}:{line}")),
        );
    });
    assert!(
        wrong.is_empty(),
        "`#[inline]` without `// size: NAME` on its line or the one above:\n{}",
        wrong.join("\n")
    );
}

/// The README's table of settings is measured by `size-report/settings.sh`, which takes minutes; its first line also
/// follows from the baseline.
#[test]
fn the_readme_has_the_sum_of_the_nine_as_they_are() {
    let readme = fs::read_to_string(workspace().join("README.md")).unwrap();
    let script = fs::read_to_string(workspace().join("size-report/settings.sh")).unwrap();
    let nine = script
        .lines()
        .find_map(|line| line.strip_prefix("flares=\"")?.strip_suffix('"'))
        .unwrap();
    let baseline = fs::read_to_string(workspace().join("size-report/baseline.toml")).unwrap();
    let sum = |key: &str| -> u32 {
        let sizes = nine.split(' ').map(|flare| {
            let (_, sizes) = baseline.split_once(&format!("[flares.{flare}]\n")).unwrap();
            let mut lines = sizes.lines();
            let size = lines.find_map(|line| line.strip_prefix(key)).unwrap();
            size.parse::<u32>().unwrap()
        });
        sizes.sum()
    };
    let row = format!("| all of them | {} / {} |", sum("raw = "), sum("opt = "));
    assert!(
        readme.contains(&row),
        "the README's table of settings is old (`bash size-report/settings.sh` prints it): {row}"
    );
}

fn each_source(job: &mut impl FnMut(&str, &str)) {
    fn walk(folder: &Path, job: &mut impl FnMut(&str, &str)) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, job);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path
                    .strip_prefix(workspace())
                    .unwrap()
                    .display()
                    .to_string();
                job(&name, &fs::read_to_string(&path).unwrap());
            }
        }
    }
    walk(&workspace().join("src"), job);
}

/// The entries of the notes.
fn entries(text: &str) -> BTreeSet<String> {
    let entries = text.lines().filter_map(|line| line.strip_prefix("## "));
    entries.map(|name| name.trim().to_owned()).collect()
}

/// The names of the markers with their lines, or what stands where a name should.
fn found_markers(text: &str) -> Vec<(usize, Result<String, String>)> {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let Some((_, rest)) = line.split_once("// size: ") else {
            continue;
        };
        let name = rest.split([' ', ',', ';', ':']).next().unwrap_or_default();
        let is_name = !name.is_empty()
            && name
                .bytes()
                .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        let name = name.to_owned();
        found.push((
            index + 1,
            if is_name {
                Ok(name)
            } else {
                Err(rest.to_owned())
            },
        ));
    }
    found
}

/// The lines of the `#[inline]`s that do not say why they are there.
fn unexplained(text: &str) -> Vec<usize> {
    let mut wrong = Vec::new();
    let mut above = "";
    for (index, line) in text.lines().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        if code.contains("#[inline") && !line.contains("// size: ") && !above.contains("// size: ")
        {
            wrong.push(index + 1);
        }
        above = line;
    }
    wrong
}

/// What looks for the markers is held as well.
mod checker {
    use super::*;

    #[test]
    fn markers_are_read_with_their_lines() {
        let text =
            "// size: one-copy\n#[inline]\nfn f() {} // size: leb-128, twice\n// size: Two\n";
        assert_eq!(
            found_markers(text),
            [
                (1, Ok("one-copy".to_owned())),
                (3, Ok("leb-128".to_owned())),
                (4, Err("Two".to_owned())),
            ]
        );
    }

    #[test]
    fn entries_are_headings_of_the_second_level() {
        let entries = entries("# Why\n## one-copy\ntext\n### detail\n## leb-128 \n");
        assert_eq!(entries, ["leb-128", "one-copy"].map(str::to_owned).into());
    }

    #[test]
    fn an_inline_without_a_reason_is_found() {
        let text = "#[inline]\nfn a() {}\n// size: b\n#[inline(always)]\nfn b() {}\n\
                    #[inline(never)] // size: c\nfn c() {}\n// #[inline] in a comment\n";
        assert_eq!(unexplained(text), [1]);
    }
}
