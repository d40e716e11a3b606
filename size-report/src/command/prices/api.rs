//! The public functions of the SDK, each of which has a price.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::command::prices::probes::{Probe, read_probes};
use crate::project::Project;

/// The public functions of the SDK that have neither a probe nor a reason to have none.
pub(super) fn without_price(project: &Project) -> Result<Vec<String>> {
    let probes = read_probes(&project.file("probes.toml"))?;
    let covers = |probe: &Probe, function: &str| {
        probe.covers.iter().any(|covered| covered == function)
            || probe.name.split(' ').any(|word| word == function)
    };
    let has_price = |function: &str| {
        probes.unpriced.contains_key(function)
            || probes.probe.iter().any(|probe| covers(probe, function))
    };
    let mut missing = Vec::new();
    for function in public_functions(&project.root.join("tests/api.txt"))? {
        if !has_price(&function) {
            missing.push(function);
        }
    }
    Ok(missing)
}

/// The public functions in the list of the SDK's public API (`bash .ci/soundness api` keeps it up
/// to date), as `module::function` and `module::Type::method`.
fn public_functions(list: &Path) -> Result<Vec<String>> {
    let text =
        fs::read_to_string(list).with_context(|| format!("could not read {}", list.display()))?;
    let mut functions: Vec<String> = text.lines().filter_map(function).collect();
    ensure!(
        !functions.is_empty(),
        "{} lists no functions; is it the list of the SDK's public API?",
        list.display()
    );
    functions.sort();
    functions.dedup();
    Ok(functions)
}

/// The function that a line of the list declares.
fn function(line: &str) -> Option<String> {
    // `const fn flaron_sdk::time::now<T: …>(…) -> …`: words before `fn`, the path behind it.
    let (before, declaration) = line.split_once("fn ")?;
    let only_words = before.chars().all(|c| c.is_ascii_lowercase() || c == ' ');
    let path = declaration.split(['(', '<']).next()?;
    let path = path.strip_prefix("flaron_sdk::")?;
    // What is there for tests on the developer's machine costs no flare anything.
    (only_words && !path.starts_with("testing::")).then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_and_methods_are_found_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("api.txt");
        fs::write(
            &list,
            "const fn flaron_sdk::time::Moment::new() -> Moment\n\
             enum flaron_sdk::beam::BeamError (non-exhaustive)\n\
             fn flaron_sdk::time::now() -> u64\n\
             pub fn flaron_sdk::time::zone(name: &str) -> Zone\n\
             fn flaron_sdk::text::each<T: Fn(&str)>(call: T)\n\
             fn flaron_sdk::testing::Host::run<T: Outcome>(&self, handler: impl FnOnce() -> T)\n\
             impl Fn for flaron_sdk::time::Moment\n\
             field flaron_sdk::time::Moment::call: fn (u8)\n",
        )
        .unwrap();
        assert_eq!(
            public_functions(&list).unwrap(),
            ["text::each", "time::Moment::new", "time::now", "time::zone"]
        );
    }

    #[test]
    fn a_list_of_something_else_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("api.txt");
        fs::write(&list, "nothing of ours\n").unwrap();
        assert!(public_functions(&list).is_err());
    }
}
