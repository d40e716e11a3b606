//! `cargo size diff`: what grew, function by function.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use flaron_build::WASM_TARGET;

use crate::flares;
use crate::format::{change, or_dash, thousands};
use crate::project::Project;
use crate::wasm::anatomy::Anatomy;
use flaron_build::table::{Format, Table};

/// Compares two `.wasm` files, or the example flares with those of a git revision. The repository is
/// located only if it is needed.
pub fn run(
    project: impl FnOnce() -> Result<Project>,
    before: &str,
    after: &[String],
) -> Result<String> {
    if !flares::is_file(before) {
        return revision(&project()?, before, after);
    }
    let [after] = after else {
        bail!("two files are needed: cargo size diff A.wasm B.wasm");
    };
    files(before.as_ref(), after.as_ref())
}

/// Compares two files.
fn files(before: &Path, after: &Path) -> Result<String> {
    let read = |path: &Path| {
        let wasm = fs::read(path).with_context(|| format!("could not read {}", path.display()))?;
        Anatomy::of(&wasm).with_context(|| format!("{}", path.display()))
    };
    let (old, new) = (read(before)?, read(after)?);
    let title = format!("{} -> {}", before.display(), after.display());
    let mut out = compare(&title, Sides::same(&old), Sides::same(&new));
    if !(old.has_names && new.has_names) {
        out.push_str("\nIn a module without function names, functions are compared by export and number only.\n");
    }
    Ok(out)
}

/// Compares the example flares of a git revision with those of the working tree.
fn revision(project: &Project, revision: &str, wanted: &[String]) -> Result<String> {
    flaron_build::ensure_target(&project.root, WASM_TARGET)?;
    let worktree = Worktree::add(&project.root, revision)?;
    let names = flares::select(&project.root, wanted)?;
    let old_names = flares::list(&worktree.path)?;
    // Inside the temporary directory: none of it can be reused next time.
    let old_dir = worktree.path.join("target/as-deployed");
    let old_named_dir = worktree.path.join("target/with-names");
    let new_named_dir = flares::names_dir(project)?;

    let mut out = String::new();
    let mut unchanged = Vec::new();
    for name in &names {
        if !old_names.contains(name) {
            out.push_str(&format!("{name}: new since {revision}\n\n"));
            continue;
        }
        eprintln!("building {name} of {revision}, and of the working tree");
        let old = flares::build(&worktree.path, name, Some(&old_dir))?;
        let new = flares::build(&project.root, name, None)?;
        if old == new {
            unchanged.push(name.as_str());
            continue;
        }
        let old_named = flares::build_with_names(&worktree.path, name, &old_named_dir)?;
        let new_named = flares::build_with_names(&project.root, name, &new_named_dir)?;
        let (old, old_named) = (Anatomy::of(&old)?, Anatomy::of(&old_named)?);
        let (new, new_named) = (Anatomy::of(&new)?, Anatomy::of(&new_named)?);
        let title = format!("{name}: {revision} -> working tree");
        let old = Sides {
            whole: &old,
            named: &old_named,
        };
        let new = Sides {
            whole: &new,
            named: &new_named,
        };
        out.push_str(&compare(&title, old, new));
        out.push('\n');
    }
    let gone = old_names
        .iter()
        .filter(|name| wanted.is_empty() && !names.contains(name));
    for name in gone {
        out.push_str(&format!("{name}: gone since {revision}\n\n"));
    }
    if !unchanged.is_empty() {
        out.push_str(&format!("byte-identical: {}\n", unchanged.join(", ")));
    }
    Ok(out)
}

/// A module as deployed, and the same with its function names. For a file, both are the file.
#[derive(Clone, Copy)]
struct Sides<'a> {
    whole: &'a Anatomy,
    named: &'a Anatomy,
}

impl<'a> Sides<'a> {
    fn same(anatomy: &'a Anatomy) -> Self {
        Self {
            whole: anatomy,
            named: anatomy,
        }
    }

    /// Everything in the file by name, with its bytes. It sums to the file without its custom
    /// sections, unless the build with names has other code.
    fn items(&self) -> BTreeMap<(Kind, String), u64> {
        let mut items = BTreeMap::new();
        let mut add = |kind, name: String, bytes| *items.entry((kind, name)).or_insert(0) += bytes;
        // Several functions may have the same name (generic ones do): their sum is compared.
        for function in &self.named.functions {
            add(Kind::Function, function.name.clone(), function.bytes);
        }
        let functions = self.named.functions.iter().map(|f| f.bytes);
        add(
            Kind::Section,
            "code (besides functions)".into(),
            self.named.overhead("code", functions),
        );
        for import in &self.whole.imports {
            add(
                Kind::Import,
                format!("{}.{}", import.module, import.name),
                import.bytes,
            );
        }
        let imports = self.whole.imports.iter().map(|i| i.bytes);
        add(
            Kind::Section,
            "import (besides imports)".into(),
            self.whole.overhead("import", imports),
        );
        for export in &self.whole.exports {
            add(Kind::Export, export.name.clone(), export.bytes);
        }
        let exports = self.whole.exports.iter().map(|e| e.bytes);
        add(
            Kind::Section,
            "export (besides exports)".into(),
            self.whole.overhead("export", exports),
        );
        let itemised = ["code", "import", "export"];
        for section in &self.whole.sections {
            if !itemised.contains(&section.name.as_str()) && !section.is_custom() {
                add(Kind::Section, section.name.clone(), section.bytes);
            }
        }
        items
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Function,
    Import,
    Export,
    Section,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Function => "function",
            Self::Import => "import",
            Self::Export => "export",
            Self::Section => "section",
        }
    }
}

/// The report: what differs, the largest growth first.
fn compare(title: &str, old: Sides, new: Sides) -> String {
    let (before, after) = (old.items(), new.items());
    let mut names: Vec<&(Kind, String)> = before.keys().chain(after.keys()).collect();
    names.sort();
    names.dedup();
    let mut rows: Vec<(i64, Vec<String>)> = Vec::new();
    for key in names {
        let (was, is) = (before.get(key).copied(), after.get(key).copied());
        let (was_bytes, is_bytes) = (was.unwrap_or(0), is.unwrap_or(0));
        if was_bytes == is_bytes {
            continue;
        }
        let cells = vec![
            String::new(),
            change(was_bytes, is_bytes),
            or_dash(was),
            or_dash(is),
            key.0.name().to_string(),
            key.1.clone(),
        ];
        rows.push((is_bytes as i64 - was_bytes as i64, cells));
    }
    // Stable, so that equal growths stay in the order of kind and name.
    rows.sort_by_key(|(growth, _)| -growth);

    let (was, is) = (old.whole.stripped(), new.whole.stripped());
    let mut out = format!(
        "{title}: {} -> {} bytes ({})\n",
        thousands(was),
        thousands(is),
        change(was, is)
    );
    if rows.is_empty() {
        out.push_str("every function, import, export and section is as large as before\n");
        return out;
    }
    let mut table = Table::new(&["", "change", "before", "after", "what", "name"])
        .left(4)
        .left(5);
    for (_, cells) in rows {
        table.row(cells);
    }
    out.push_str(&table.render(Format::Text));
    out
}

/// A second working tree of the repository, removed when dropped.
struct Worktree {
    repository: PathBuf,
    path: PathBuf,
    _dir: tempfile::TempDir,
}

impl Worktree {
    fn add(repository: &Path, revision: &str) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("tree");
        let output = git(repository)
            .args(["worktree", "add", "--quiet", "--detach"])
            .arg(&path)
            .arg(revision)
            .output()
            .context("could not start git")?;
        if !output.status.success() {
            bail!(
                "git could not check out {revision:?}: {}\n(for two files: cargo size diff A.wasm B.wasm)",
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(Self {
            repository: repository.to_path_buf(),
            path,
            _dir: dir,
        })
    }
}

impl Drop for Worktree {
    fn drop(&mut self) {
        let removed = git(&self.repository)
            .args(["worktree", "remove", "--force"])
            .arg(&self.path)
            .output();
        if !removed.is_ok_and(|output| output.status.success()) {
            eprintln!(
                "note: git kept a record of {}; `git worktree prune` removes it",
                self.path.display()
            );
        }
    }
}

/// Git in `dir` and in no other repository: if a git hook runs this program, it has set variables that
/// would point git elsewhere.
fn git(dir: &Path) -> Command {
    let mut command = Command::new("git");
    command.arg("-C").arg(dir);
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
        command.env_remove(name);
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anatomy(wat: &str) -> Anatomy {
        Anatomy::of(&wat::parse_str(wat).unwrap()).unwrap()
    }

    const OLD: &str = r#"(module
        (import "flaron/v1" "log_info" (func $log (param i32 i32)))
        (func $same) (func $grows) (func $goes nop)
        (memory (export "memory") 1) (data (i32.const 8) "abc"))"#;
    const NEW: &str = r#"(module
        (import "flaron/v1" "log_info" (func $log (param i32 i32)))
        (import "flaron/v1" "log_warn" (func $warn (param i32 i32)))
        (func $same) (func $grows nop nop nop nop) (func $comes nop nop)
        (memory (export "memory") 1) (data (i32.const 8) "abcdef"))"#;

    #[test]
    fn tells_what_grew_came_and_went() {
        let (old, new) = (anatomy(OLD), anatomy(NEW));
        let text = compare("x", Sides::same(&old), Sides::same(&new));
        let rows: Vec<Vec<&str>> = text
            .lines()
            .map(|l| l.split_whitespace().collect())
            .collect();
        let row = |name: &str| rows.iter().find(|row| row.last() == Some(&name)).unwrap();
        assert_eq!(row("grows")[..4], ["+4", "3", "7", "function"]);
        assert_eq!(row("comes")[..4], ["+5", "-", "5", "function"]);
        assert_eq!(row("goes")[..4], ["-4", "4", "-", "function"]);
        assert_eq!(row("data")[0], "+3");
        assert_eq!(row("flaron/v1.log_warn")[0], "+21");
        assert!(!text.contains("same"));
    }

    #[test]
    fn the_changes_add_up_to_the_files() {
        let (old, new) = (anatomy(OLD), anatomy(NEW));
        let sum = |a: &Anatomy| Sides::same(a).items().values().sum::<u64>();
        assert_eq!(sum(&old), old.stripped());
        assert_eq!(sum(&new), new.stripped());
    }

    #[test]
    fn functions_of_one_name_are_compared_as_a_sum() {
        let twice = anatomy("(module (func $a nop) (func $b nop))");
        let mut same_name = twice.clone();
        same_name.functions[1].name = same_name.functions[0].name.clone();
        let items = Sides::same(&same_name).items();
        assert_eq!(items[&(Kind::Function, "a".to_string())], 8);
    }

    #[test]
    fn nothing_changed_says_so() {
        let old = anatomy(OLD);
        assert!(compare("x", Sides::same(&old), Sides::same(&old)).contains("as large as before"));
    }
}
