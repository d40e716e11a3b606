//! The book in `docs/`, which mdbook builds: `bash .ci/book`.
//!
//! - Its snippets are compiled and run by `cargo test -p flaron-book`, as documentation of this crate.
//! - The tests check its links, and those of the repository's other documents.
//! - Some of its pages are documents from elsewhere in the repository: [`page`] inserts them, and makes their
//!   links lead to the book's pages.

use std::fs;
use std::path::{Component, Path, PathBuf};

use pulldown_cmark::{Event, Options, Parser, Tag};

/// The pages with snippets.
#[cfg(doctest)]
mod snippets {
    macro_rules! pages {
        ($($name:ident = $file:literal;)*) => {$(
            #[doc = include_str!(concat!("../../docs/", $file))]
            mod $name {}
        )*};
    }
    pages! {
        start = "start.md";
        small = "writing-small-flares.md";
        testing = "testing.md";
        request = "modules/request.md";
        response = "modules/response.md";
        beam = "modules/beam.md";
        spark = "modules/spark.md";
        plasma = "modules/plasma.md";
        secrets = "modules/secrets.md";
        crypto = "modules/crypto.md";
        encoding = "modules/encoding.md";
        id = "modules/id.md";
        time = "modules/time.md";
        logging = "modules/logging.md";
        ws = "modules/ws.md";
        json = "modules/json.md";
        text = "modules/text.md";
    }
}

/// The folder of the book, in the repository.
pub const BOOK: &str = "docs";
/// The list of its pages.
pub const SUMMARY: &str = "docs/SUMMARY.md";

/// The root of the repository.
pub fn root() -> &'static Path {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    root.expect("the package is in a folder of the repository")
}

/// A link or an image in a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its position in the document, in bytes.
    pub place: std::ops::Range<usize>,
    /// What it leads to, as written.
    pub to: String,
}

impl Link {
    /// The file and the heading that it leads to, if they are in this repository: `from` is the
    /// document that contains the link.
    pub fn target(&self, from: &Path) -> Option<(PathBuf, Option<&str>)> {
        if self.to.contains("://") || self.to.starts_with("mailto:") {
            return None;
        }
        let (file, heading) = match self.to.split_once('#') {
            Some((file, heading)) => (file, Some(heading)),
            None => (&*self.to, None),
        };
        if file.is_empty() {
            return Some((from.to_owned(), heading));
        }
        let folder = from.parent().unwrap_or(Path::new(""));
        Some((normal(&folder.join(file)), heading))
    }
}

/// The links and images of a document, in order. Code contains none.
pub fn links(text: &str) -> Vec<Link> {
    let events = Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter();
    let links = events.filter_map(|(event, place)| match event {
        Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => Some(Link {
            place,
            to: dest_url.into_string(),
        }),
        _ => None,
    });
    links.collect()
}

/// The anchors of a document's headings, as GitHub and mdbook generate them.
pub fn anchors(text: &str) -> Vec<String> {
    let mut anchors = Vec::new();
    let mut heading: Option<String> = None;
    for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
        match (event, &mut heading) {
            (Event::Start(Tag::Heading { .. }), _) => heading = Some(String::new()),
            (Event::End(pulldown_cmark::TagEnd::Heading(_)), Some(text)) => {
                anchors.push(anchor(text));
                heading = None;
            }
            (Event::Text(part) | Event::Code(part), Some(text)) => text.push_str(&part),
            _ => {}
        }
    }
    anchors
}

fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter_map(|c| match c {
        ' ' => Some('-'),
        c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
        _ => None,
    });
    kept.collect::<String>().to_lowercase()
}

/// A page of the book, and the document with its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The page: `docs/edge.md`.
    pub file: PathBuf,
    /// The file with its text: the page itself, or the document it includes (`edge/README.md`).
    pub source: PathBuf,
}

/// The pages in the book's list, in order.
///
/// # Errors
///
/// When a file cannot be read.
pub fn pages() -> std::io::Result<Vec<Page>> {
    let summary = fs::read_to_string(root().join(SUMMARY))?;
    let files = links(&summary)
        .into_iter()
        .filter_map(|link| Some(link.target(Path::new(SUMMARY))?.0));
    files
        .map(|file| {
            let text = fs::read_to_string(root().join(&file))?;
            let source = included(&text)
                .map_or_else(|| file.clone(), |name| normal(&Path::new(BOOK).join(name)));
            Ok(Page { file, source })
        })
        .collect()
}

/// The document that a page includes, if it contains nothing else.
fn included(text: &str) -> Option<&str> {
    text.trim().strip_prefix("{{#include ")?.strip_suffix("}}")
}

/// The text of a page for the book: its links lead to the pages of the book, and to `repository` for files that
/// are not pages. Without a `repository` such a link becomes plain text.
///
/// # Errors
///
/// When the document cannot be read.
pub fn page(page: &Page, pages: &[Page], repository: Option<&str>) -> std::io::Result<String> {
    let mut text = fs::read_to_string(root().join(&page.source))?;
    // From last to first, so that positions stay valid; an image in a link is changed before the link.
    for link in links(&text).into_iter().rev() {
        let Some((target, heading)) = link.target(&page.source) else {
            continue;
        };
        let heading = heading.map_or(String::new(), |heading| format!("#{heading}"));
        let of_page = pages
            .iter()
            .find(|other| other.source == target || other.file == target);
        let in_book = of_page
            .map(|page| &page.file)
            .or_else(|| target.starts_with(BOOK).then_some(&target));
        let to = match in_book {
            Some(file) if *file == page.file && !heading.is_empty() => Some(heading),
            Some(file) => Some(relative(&page.file, file) + &heading),
            None => repository.map(|url| format!("{url}/blob/HEAD/{}{heading}", slashes(&target))),
        };
        let written = &text[link.place.clone()];
        let changed = match (to, written.rfind("](")) {
            (Some(to), Some(end)) => format!("{}]({to})", &written[..end]),
            (None, Some(end)) => written[..end].trim_start_matches(['!', '[']).to_owned(),
            // A link of another form stays as it is.
            (_, None) => continue,
        };
        text.replace_range(link.place, &changed);
    }
    Ok(text)
}

/// A path without `..` in it.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(normal.pop()),
            Component::CurDir => {}
            part => normal.push(part),
        }
    }
    normal
}

/// The path of a file relative to a page.
fn relative(from: &Path, to: &Path) -> String {
    let folder = from.parent().unwrap_or(Path::new(""));
    let common = folder.components().zip(to.components());
    let common = common.take_while(|(a, b)| a == b).count();
    let up = folder.components().count() - common;
    let down: PathBuf = to.components().skip(common).collect();
    "../".repeat(up) + &slashes(&down)
}

fn slashes(path: &Path) -> String {
    path.to_string_lossy().replace('\\', "/")
}
