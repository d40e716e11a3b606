//! `cargo size idioms`: what idioms of the standard library cost a flare, and what costs less.
//!
//! The table is in `docs/writing-small-flares.md`; `--write` updates it and `--check` fails if it is out
//! of date.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::command::prices::measure::build_all;
use crate::command::prices::probes::{Probe, package};
use crate::format::thousands;
use crate::output::{print, write_file};
use crate::project::Project;
use flaron_build::table::{Format, Table};

/// The page that has the table.
const PAGE: &str = "docs/writing-small-flares.md";
/// The markers around it there.
const BEGIN: &str = "<!-- Written by `cargo size idioms --write`. -->\n";
const END: &str = "<!-- The end of what it writes. -->\n";

/// Reads the URL and drops it.
const AS_STR: &str =
    "let lease = request::url();\nlet url: &str = &lease;\ntake(url.as_bytes());\n";
const AS_BYTES: &str =
    "let lease = request::url().into_bytes();\nlet url: &[u8] = &lease;\ntake(url);\n";

/// `idioms.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Idioms {
    idiom: Vec<Idiom>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Idiom {
    /// The idiom, in Markdown.
    name: String,
    /// A function body that uses the idiom on `url`, a `&str`. If it is empty, the cost is that of reading
    /// the URL as text.
    code: String,
    /// What to write instead, in Markdown.
    instead: String,
    /// A function body that does that with `url`, a `&[u8]`.
    instead_code: String,
}

/// Measures, then prints, writes or checks. `false` if the table is out of date.
pub fn run(project: &Project, write: bool, check: bool) -> Result<bool> {
    let path = project.file("idioms.toml");
    let text =
        fs::read_to_string(&path).with_context(|| format!("could not read {}", path.display()))?;
    let idioms: Idioms = toml::from_str(&text).with_context(|| format!("{}", path.display()))?;
    let table = measure(project, &idioms.idiom)?;
    let made_with = made_with(&flaron_build::rustc_version(&project.root)?);
    let new = format!("{made_with}\n\n{}", table.render(Format::Markdown));
    if !write && !check {
        print(new)?;
        return Ok(true);
    }
    let path = project.root.join(PAGE);
    let page =
        fs::read_to_string(&path).with_context(|| format!("could not read {}", path.display()))?;
    let (before, old, after) = parts(&page, &path)?;
    if write {
        write_file(&path, &format!("{before}{BEGIN}{new}{END}{after}"))?;
        return Ok(true);
    }
    if !old.contains(&made_with) {
        eprintln!("note: {PAGE} was measured with another compiler: its numbers are not checked");
        return Ok(true);
    }
    if old != new {
        eprintln!(
            "error: {PAGE} is not current: cargo size idioms --write, and commit it\n\n{new}"
        );
        return Ok(false);
    }
    eprintln!("ok: the idioms in {PAGE} are current");
    Ok(true)
}

fn made_with(rustc: &str) -> String {
    format!("Measured with {rustc}.")
}

/// The text before the table, the table, and the text after it.
fn parts<'a>(page: &'a str, path: &Path) -> Result<(&'a str, &'a str, &'a str)> {
    let marked = page
        .split_once(BEGIN)
        .and_then(|(before, rest)| Some((before, rest.split_once(END)?)));
    let (before, (table, after)) =
        marked.with_context(|| format!("{} has no place for the table", path.display()))?;
    Ok((before, table, after))
}

/// Builds and measures all of them.
fn measure(project: &Project, idioms: &[Idiom]) -> Result<Table> {
    let name = |index: usize, kind: &str| format!("idiom {index} {kind}");
    let mut probes = vec![probe("url", AS_STR, ""), probe("url bytes", AS_BYTES, "")];
    for (index, idiom) in idioms.iter().enumerate() {
        probes.push(probe(&name(index, "std"), AS_STR, &idiom.code));
        probes.push(probe(
            &name(index, "instead"),
            AS_BYTES,
            &idiom.instead_code,
        ));
    }
    let built = build_all(project, &probes, "idioms")?;
    ensure!(
        built.len() == probes.len(),
        "{} of {} idioms could not be built",
        probes.len() - built.len(),
        probes.len()
    );
    let weigh = |name: &str| weight(&built, name);
    let (as_str, as_bytes) = (weigh("url")?, weigh("url bytes")?);
    let mut table = Table::new(&["on `str`", "bytes", "instead, on bytes", "bytes"]).left(2);
    for (index, idiom) in idioms.iter().enumerate() {
        // Reading as `str` is one of the idioms.
        let base = if idiom.code.trim().is_empty() {
            as_bytes
        } else {
            as_str
        };
        table.row(vec![
            idiom.name.clone(),
            signed(weigh(&name(index, "std"))? - base),
            idiom.instead.clone(),
            signed(weigh(&name(index, "instead"))? - as_bytes),
        ]);
    }
    Ok(table)
}

fn probe(name: &str, reads: &str, code: &str) -> Probe {
    Probe {
        name: name.to_owned(),
        features: vec!["request".to_owned()],
        code: format!("{reads}{}", code.trim()),
        ..Probe::default()
    }
}

fn weight(built: &BTreeMap<String, Vec<u8>>, name: &str) -> Result<i64> {
    let wasm = built
        .get(&package(name))
        .with_context(|| format!("there is no {name}"))?;
    Ok(wasm.len() as i64)
}

/// A difference in bytes.
fn signed(bytes: i64) -> String {
    let digits = thousands(bytes.unsigned_abs());
    if bytes < 0 {
        format!("-{digits}")
    } else {
        digits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_found_in_the_page() {
        let page = format!("a\n{BEGIN}| b |\n{END}c\n");
        let path = Path::new("page.md");
        assert_eq!(parts(&page, path).unwrap(), ("a\n", "| b |\n", "c\n"));
        assert!(parts("a\n", path).is_err());
        assert!(parts(BEGIN, path).is_err());
    }

    #[test]
    fn differences_have_a_sign() {
        assert_eq!(signed(1_234), "1,234");
        assert_eq!(signed(-5), "-5");
        assert_eq!(signed(0), "0");
    }
}
