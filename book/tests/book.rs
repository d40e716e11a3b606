//! The book is complete: each page is in its list, each link leads somewhere, and its lists have everything there
//! is.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use flaron_book::{BOOK, SUMMARY, anchors, links, page, pages, root};

fn read(file: &Path) -> String {
    fs::read_to_string(root().join(file))
        .unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// The documents below a folder of the repository.
fn documents(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(root().join(folder)).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = folder.join(&name);
        if entry.file_type().unwrap().is_dir() {
            if !name.starts_with('.') && name != "target" && name != "node_modules" {
                documents(&path, found);
            }
        } else if name.ends_with(".md") {
            found.push(path);
        }
    }
}

#[test]
fn every_page_is_in_the_list_and_every_entry_is_a_page() {
    let listed: Vec<PathBuf> = pages().unwrap().into_iter().map(|page| page.file).collect();
    let set: BTreeSet<&PathBuf> = listed.iter().collect();
    assert_eq!(set.len(), listed.len(), "a page is in {SUMMARY} twice");
    let mut files = Vec::new();
    documents(Path::new(BOOK), &mut files);
    files.retain(|file| file != Path::new(SUMMARY));
    assert_eq!(set, files.iter().collect());
}

#[test]
fn every_link_in_every_document_leads_somewhere() {
    let mut files = Vec::new();
    documents(Path::new(""), &mut files);
    assert!(files.len() > 40, "{}", files.len());
    let sources: Vec<_> = pages().unwrap();
    let mut wrong = Vec::new();
    for file in &files {
        for link in links(&read(file)) {
            let Some((target, heading)) = link.target(file) else {
                continue;
            };
            // A page that is another document has that document's headings.
            let page = sources.iter().find(|page| page.file == target);
            let source = page.map_or(&target, |page| &page.source);
            let there = root().join(source).exists()
                && heading
                    .is_none_or(|heading| anchors(&read(source)).iter().any(|a| a == heading));
            if !there {
                wrong.push(format!("{}: {}", file.display(), link.to));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "these lead nowhere:\n{}",
        wrong.join("\n")
    );
}

/// As mdbook receives them: every link leads to a page, an image, or out of the book.
#[test]
fn the_pages_that_are_put_in_have_no_dead_links() {
    let pages = pages().unwrap();
    let repository = Some("https://repository.example");
    for one in &pages {
        for repository in [None, repository] {
            let text = page(one, &pages, repository).unwrap();
            assert!(!text.contains("{{#include"), "{}", one.file.display());
            for link in links(&text) {
                let Some((target, _)) = link.target(&one.file) else {
                    continue;
                };
                let there = pages.iter().any(|page| page.file == target)
                    || (target.starts_with(BOOK) && root().join(&target).is_file());
                assert!(there, "{}: {}", one.file.display(), link.to);
            }
        }
    }
    let edge = pages
        .iter()
        .find(|page| page.file.ends_with("edge.md"))
        .unwrap();
    let text = page(edge, &pages, repository).unwrap();
    assert!(
        text.contains("(gallery.md)")
            || text.contains("https://repository.example/blob/HEAD/examples"),
        "links of the edge's README are rewritten"
    );
    assert!(
        text.contains("](screenshots/host-calls.png)"),
        "its pictures are the book's"
    );
}

/// The modules of the default features, `text` (which is always there) and no other.
#[test]
fn every_module_has_a_page() {
    let manifest = read(Path::new("Cargo.toml"));
    let (_, list) = manifest.split_once("\ndefault = [").unwrap();
    let (list, _) = list.split_once(']').unwrap();
    let mut modules: BTreeSet<String> = list
        .split(',')
        .map(|name| name.trim().trim_matches('"').to_owned())
        .collect();
    modules.remove("");
    assert!(modules.remove("alloc"), "it is no module");
    modules.insert("text".to_owned());
    assert_eq!(modules.len(), 14);
    let mut files = Vec::new();
    documents(Path::new("docs/modules"), &mut files);
    let pages: BTreeSet<String> = files
        .iter()
        .map(|file| file.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(pages, modules);
    for file in &files {
        let text = read(file);
        for part in ["```rust\n", "| borrows |", "| errors |", "**Pitfalls.**"] {
            let may_be_missing = part == "| borrows |" && file.ends_with("id.md");
            assert!(
                text.contains(part) || may_be_missing,
                "{}: {part}",
                file.display()
            );
        }
    }
    let sources = read(Path::new("book/src/lib.rs"));
    for name in pages {
        assert!(
            sources.contains(&format!("\"modules/{name}.md\"")),
            "{name}: its snippets are not compiled"
        );
    }
}

#[test]
fn the_page_of_the_abi_has_every_import() {
    let names = |text: &str, before: &str| -> BTreeSet<String> {
        let parts = text.split(before).skip(1);
        parts
            .filter_map(|part| Some(part.split_once('(')?.0.to_owned()))
            .collect()
    };
    let table = names(&read(Path::new("src/abi/table.rs")), "\n            fn ");
    assert_eq!(table.len(), 48);
    let text = read(Path::new("docs/abi.md"));
    let (_, imports) = text.split_once("\n## Imports\n").unwrap();
    let (imports, _) = imports.split_once("\n## ").unwrap();
    assert_eq!(names(imports, "\n| `"), table);
}
