//! A preprocessor for mdbook, for pages that are other documents of the repository: it receives the book as JSON
//! and returns it with their texts. `FLARON_REPOSITORY` is the URL for links that lead out of the book.

use std::path::Path;
use std::process::ExitCode;

use flaron_book::{BOOK, Page, page, pages};
use serde_json::Value;

fn main() -> ExitCode {
    // mdbook first asks `supports RENDERER`, and the answer is yes.
    if std::env::args().nth(1).is_some() {
        return ExitCode::SUCCESS;
    }
    match put_in_pages() {
        Ok(book) => {
            println!("{book}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: flaron-book: {error}");
            ExitCode::FAILURE
        }
    }
}

fn put_in_pages() -> Result<Value, Box<dyn std::error::Error>> {
    let input: Value = serde_json::from_reader(std::io::stdin().lock())?;
    let mut book = input.get(1).cloned().ok_or("mdbook gave no book")?;
    let repository = std::env::var("FLARON_REPOSITORY").ok();
    let pages = pages()?;
    each_chapter(&mut book, &mut |chapter| {
        let Some(path) = chapter.get("path").and_then(Value::as_str) else {
            return Ok(());
        };
        let file = Path::new(BOOK).join(path);
        let known = pages.iter().find(|page| page.file == file);
        let found: &Page = known.ok_or_else(|| format!("{path} is not in SUMMARY.md"))?;
        chapter["content"] = page(found, &pages, repository.as_deref())?.into();
        Ok(())
    })?;
    Ok(book)
}

/// Applies a function to each chapter, wherever it is in mdbook's JSON.
fn each_chapter(
    value: &mut Value,
    job: &mut impl FnMut(&mut Value) -> Result<(), Box<dyn std::error::Error>>,
) -> Result<(), Box<dyn std::error::Error>> {
    match value {
        Value::Array(items) => items
            .iter_mut()
            .try_for_each(|item| each_chapter(item, job)),
        Value::Object(members) => members.iter_mut().try_for_each(|(name, member)| {
            if name == "Chapter" {
                job(member)?;
            }
            each_chapter(member, job)
        }),
        _ => Ok(()),
    }
}
