//! `flaron-edge new`: creates a flare crate.

use std::path::{Path, PathBuf};

use crate::config::schema;
use crate::error::{Error, Result};
use crate::flare::build;

mod template;
mod workflow;

pub use crate::scaffold::template::Template;

/// The clone that this edge was built from, if it was one.
const CLONE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// Where the repository is on the network, if the manifest says so; otherwise empty.
const REPOSITORY: &str = env!("CARGO_PKG_REPOSITORY");
/// What `--sdk` defaults to in a released program: its clone was on the machine that built it. The release workflow
/// sets this to the repository's URL and the tag.
const RELEASED_SDK: Option<&str> = option_env!("FLARON_SDK");

/// Where new flares get their link flags and their release profile from, so that they are as small
/// as the repository's own.
const CARGO_CONFIG: &str = include_str!("../../.cargo/config.toml");

/// Where a new flare's SDK comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sdk {
    /// A folder with the SDK's crate.
    Path(PathBuf),
    /// A git repository with the SDK's crate.
    Git {
        /// What `git clone` takes.
        url: String,
        /// A tag or a commit; the default branch if there is none.
        rev: Option<String>,
    },
    /// A version in a registry.
    Version {
        /// As cargo understands it: `0.1`, `=0.1.2`.
        version: String,
        /// A registry of cargo's configuration; crates.io if there is none.
        registry: Option<String>,
    },
}

/// What `--sdk` takes, for messages.
const SDK_FORMS: &str = "a folder (../flaron-sdk), a git URL (https://host/flaron-sdk or \
     https://host/flaron-sdk#TAG-OR-COMMIT), or a version with its registry (0.1@my-registry; without \
     @REGISTRY on crates.io)";

impl Sdk {
    /// The SDK that this edge was released with, or that of the clone it was built from, or, if there is no such
    /// clone, of the repository named in the edge's manifest.
    ///
    /// # Errors
    ///
    /// When there is none of these.
    pub fn of_this_edge() -> Result<Sdk> {
        match RELEASED_SDK {
            Some(sdk) if !sdk.is_empty() => Self::parse(sdk),
            _ => Self::of_edge_built_in(Path::new(CLONE), REPOSITORY),
        }
    }

    fn of_edge_built_in(clone: &Path, repository: &str) -> Result<Sdk> {
        let clone = clone.canonicalize().ok().filter(|clone| {
            // `cargo install --git` builds in a folder of cargo's own, which it may remove.
            let text = clone.to_string_lossy().replace('\\', "/");
            clone.join("Cargo.toml").is_file() && !text.contains("/git/checkouts/")
        });
        match clone {
            Some(clone) => Ok(Sdk::Path(clone)),
            None if !repository.is_empty() => Ok(Sdk::Git {
                url: repository.to_owned(),
                rev: None,
            }),
            None => Err(Error::new(format!(
                "the clone that this edge was built from is gone, so it does not know where the SDK is; give it \
                 with --sdk: {SDK_FORMS}"
            ))),
        }
    }

    /// Reads the value of `--sdk`: a folder if there is one, a git URL, or a version.
    ///
    /// # Errors
    ///
    /// When it is none of them.
    pub fn parse(text: &str) -> Result<Sdk> {
        let path = Path::new(text);
        if path.join("Cargo.toml").is_file() {
            let path = path
                .canonicalize()
                .map_err(|error| Error::new(format!("{text}: {error}")))?;
            return Ok(Sdk::Path(path));
        }
        if text.contains("://") || text.starts_with("git@") {
            let (url, rev) = match text.split_once('#') {
                Some((url, rev)) => (url, Some(rev.to_owned())),
                None => (text, None),
            };
            // Cargo wants a URL, and `git@host:path` is none.
            let url = match url.strip_prefix("git@").and_then(|at| at.split_once(':')) {
                Some((host, path)) => format!("ssh://git@{host}/{path}"),
                None => url.to_owned(),
            };
            return Ok(Sdk::Git { url, rev });
        }
        if text.starts_with(|c: char| c.is_ascii_digit() || "=^~".contains(c)) {
            let (version, registry) = match text.split_once('@') {
                Some((version, registry)) => (version, Some(registry.to_owned())),
                None => (text, None),
            };
            return Ok(Sdk::Version {
                version: version.to_owned(),
                registry,
            });
        }
        Err(Error::new(format!(
            "--sdk {text:?} names no SDK; it must be {SDK_FORMS}"
        )))
    }

    /// The dependency without its features, as TOML.
    fn dependency(&self) -> String {
        // A TOML basic string escapes what a JSON one does.
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        match self {
            Sdk::Path(path) => format!("path = {}", quoted(&path.to_string_lossy())),
            Sdk::Git { url, rev: None } => format!("git = {}", quoted(url)),
            Sdk::Git {
                url,
                rev: Some(rev),
            } => format!("git = {}, rev = {}", quoted(url), quoted(rev)),
            Sdk::Version {
                version,
                registry: None,
            } => format!("version = {}", quoted(version)),
            Sdk::Version {
                version,
                registry: Some(registry),
            } => format!(
                "version = {}, registry = {}",
                quoted(version),
                quoted(registry)
            ),
        }
    }
}

/// Creates a flare crate in a new folder, whose name is the crate's, and builds it: its size decides the budget in
/// its workflow. If it does not build, the folder is removed again.
///
/// # Errors
///
/// When a crate cannot have the name, the folder exists or cannot be written, or the crate does not build with this
/// SDK.
pub fn new(folder: &Path, sdk: &Sdk, template: Template) -> Result<()> {
    write(folder, sdk, template)?;
    let built = build::build(folder).map_err(|error| {
        Error::new(format!(
            "a new flare does not build with the SDK at `{}`: {error}; --sdk selects another: {SDK_FORMS}",
            sdk.dependency()
        ))
    });
    let made = built.and_then(|built| {
        let bytes = std::fs::metadata(&built.wasm)
            .map_err(|error| Error::new(format!("{}: {error}", built.wasm.display())))?
            .len();
        write_file(folder, workflow::FILE, &workflow::size_gate(sdk, bytes))
    });
    if made.is_err() {
        // It was not there before.
        let _ = std::fs::remove_dir_all(folder);
    }
    made
}

/// Writes the crate.
fn write(folder: &Path, sdk: &Sdk, template: Template) -> Result<()> {
    let name = folder
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    check_name(name)?;
    if folder.exists() {
        return Err(Error::new(format!(
            "{} exists already; name a new folder for a new flare",
            folder.display()
        )));
    }
    let dependency = sdk.dependency();
    let files = [
        ("Cargo.toml", manifest(name, &dependency, template)?),
        ("src/lib.rs", template.source().to_owned()),
        ("flare.toml", settings(template)),
        ("flare.schema.json", schema().to_owned()),
        (".cargo/config.toml", link_flags(template)?),
        (
            ".gitignore",
            "/target\n/.flaron\nflare.secrets.toml\n".to_owned(),
        ),
    ];
    for (file, text) in files {
        write_file(folder, file, &text)?;
    }
    Ok(())
}

fn write_file(folder: &Path, file: &str, text: &str) -> Result<()> {
    let path = folder.join(file);
    let written = path
        .parent()
        .map_or(Ok(()), std::fs::create_dir_all)
        .and_then(|()| std::fs::write(&path, text));
    written.map_err(|error| Error::new(format!("cannot write {}: {error}", path.display())))
}

/// Names that cargo or rustc refuses for a crate, or that clash with what every flare links.
const TAKEN: &[&str] = &[
    "test",
    "core",
    "std",
    "alloc",
    "proc_macro",
    "flaron_sdk", // crates
    "abstract",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "struct",
    "super",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "yield", // keywords
];

fn check_name(name: &str) -> Result<()> {
    // rustc warns of a crate whose name has uppercase letters.
    let is_name = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c));
    if !is_name {
        return Err(Error::new(format!(
            "{name:?} cannot name a flare: use lowercase letters, digits, - and _, beginning with a letter"
        )));
    }
    if TAKEN.contains(&name.replace('-', "_").as_str()) {
        return Err(Error::new(format!(
            "{name:?} cannot name a flare: it is a Rust keyword, or a crate that every flare links; choose another \
             name, such as {name}-flare"
        )));
    }
    Ok(())
}

/// The `flare.toml`: the template's settings, or a commented list of the capabilities.
fn settings(template: Template) -> String {
    match template.settings() {
        "" => format!("{SCHEMA}{SETTINGS}"),
        needed => format!("{SCHEMA}{needed}"),
    }
}

fn manifest(name: &str, dependency: &str, template: Template) -> Result<String> {
    let features = template.features()?;
    let profile = part_of(CARGO_CONFIG, "[profile.release]")?;
    Ok(format!(
        r#"[package]
name = "{name}"
version = "0.1.0"
edition = "2024"

[lib]
crate-type = ["cdylib"]

# `features` lists the SDK modules that the flare uses. The others cost nothing.
[dependencies]
flaron-sdk = {{ {dependency}, default-features = false, features = {features} }}

[dev-dependencies]
flaron-sdk = {{ {dependency}, default-features = false, features = ["testing"] }}

# Keeps the flare out of any workspace in a parent folder.
[workspace]

# The settings that make the smallest flare.
{profile}"#
    ))
}

fn link_flags(template: Template) -> Result<String> {
    let target = part_of(CARGO_CONFIG, "[target.wasm32-unknown-unknown]")?;
    let stack = |bytes: u32| format!("-zstack-size={bytes}");
    let target = target.replace(&stack(template::STACK), &stack(template.stack_bytes()));
    let about = match template.stack_bytes() {
        template::NO_STACK => WITHOUT_STACK,
        _ => "",
    };
    Ok(format!(
        "# Linker flags that keep the flare small.\n{about}{target}"
    ))
}

/// What a flare's author has to know who adds something that does not fit into Wasm locals.
const WITHOUT_STACK: &str = "\
# This flare keeps nothing on a stack, so it is linked without one (16 bytes). If that changes, it traps, and
# `flaron-edge size` says so: write 4096 then.
";

/// A table of a TOML file as it is written there: from its header to the next blank line.
fn part_of(text: &str, head: &str) -> Result<String> {
    let part: Vec<&str> = text
        .lines()
        .skip_while(|line| *line != head)
        .take_while(|line| !line.trim().is_empty())
        .collect();
    if part.is_empty() {
        return Err(Error::new(format!("this edge was built without {head}")));
    }
    Ok(part.join("\n") + "\n")
}

/// Where editors find the schema of `flare.toml`.
const SCHEMA: &str = "#:schema ./flare.schema.json\n";

const SETTINGS: &str = r#"# What the flare may do. Every capability is off unless it is turned on here.
# requires_body = true
# requires_raw_auth = true
# writes_spark_kv = true
# writes_plasma_kv = true
# allowed_secrets = ["api-key"]
"#;

#[cfg(test)]
mod tests;
