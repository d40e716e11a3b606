//! `flaron-edge new`: a flare crate to begin with.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The repository that this edge was built from: its SDK is the one a new flare uses, as long as it
/// is there.
const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Where new flares get their link flags and their release profile from, so that they are as small
/// as the repository's own.
const CARGO_CONFIG: &str = include_str!("../../.cargo/config.toml");
const CARGO_MANIFEST: &str = include_str!("../../Cargo.toml");

/// Where a new flare's SDK comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sdk {
    /// A folder with the SDK's crate.
    Path(PathBuf),
    /// A version of the registry's `flaron-sdk`.
    Version(String),
}

impl Default for Sdk {
    /// The SDK of the repository that this edge was built from; where that is gone, the registry's.
    fn default() -> Self {
        match Path::new(REPOSITORY).canonicalize() {
            Ok(path) if path.join("Cargo.toml").is_file() => Sdk::Path(path),
            _ => Sdk::Version("0.1".to_owned()),
        }
    }
}

impl Sdk {
    /// What a user wrote: a folder if there is one, a version otherwise.
    ///
    /// # Errors
    ///
    /// When it is neither.
    pub fn parse(text: &str) -> Result<Sdk> {
        let path = Path::new(text);
        if path.join("Cargo.toml").is_file() {
            let path = path
                .canonicalize()
                .map_err(|error| Error::new(format!("{text}: {error}")))?;
            return Ok(Sdk::Path(path));
        }
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            return Ok(Sdk::Version(text.to_owned()));
        }
        Err(Error::new(format!(
            "--sdk {text:?} is neither a folder with a Cargo.toml nor a version like 0.1"
        )))
    }

    /// The dependency without its features, as TOML.
    fn dependency(&self) -> String {
        match self {
            // A TOML basic string escapes what a JSON one does.
            Sdk::Path(path) => format!("path = {}", serde_json::json!(path)),
            Sdk::Version(version) => format!("version = {}", serde_json::json!(version)),
        }
    }
}

/// Makes a flare crate in a new folder, which is named like the crate.
///
/// # Errors
///
/// When the name is no crate's, the folder exists, or it cannot be written.
pub fn new(folder: &Path, sdk: &Sdk) -> Result<()> {
    let name = folder
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    if !is_crate_name(name) {
        return Err(Error::new(format!(
            "{name:?} cannot name a crate: use letters, digits, - and _, beginning with a letter"
        )));
    }
    if folder.exists() {
        return Err(Error::new(format!(
            "{} exists already; a new flare gets a new folder",
            folder.display()
        )));
    }
    let dependency = sdk.dependency();
    let files = [
        ("Cargo.toml", manifest(name, &dependency)?),
        ("src/lib.rs", SOURCE.to_owned()),
        ("flare.toml", SETTINGS.to_owned()),
        (".cargo/config.toml", link_flags()?),
        (
            ".gitignore",
            "/target\n/.flaron\nflare.secrets.toml\n".to_owned(),
        ),
    ];
    for (file, text) in files {
        let path = folder.join(file);
        let written = path
            .parent()
            .map_or(Ok(()), std::fs::create_dir_all)
            .and_then(|()| std::fs::write(&path, text));
        written.map_err(|error| Error::new(format!("cannot write {}: {error}", path.display())))?;
    }
    Ok(())
}

fn is_crate_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
        // Cargo refuses these, and a `test` that shadows the real one helps nobody.
        && !["test", "core", "std", "alloc", "proc-macro"].contains(&name)
}

fn manifest(name: &str, dependency: &str) -> Result<String> {
    let profile = part_of(CARGO_MANIFEST, "[profile.release]")?;
    Ok(format!(
        r#"[package]
name = "{name}"
version = "0.1.0"
edition = "2024"

[lib]
crate-type = ["cdylib"]

# Only the modules that are named are there; the others cost nothing.
[dependencies]
flaron-sdk = {{ {dependency}, default-features = false, features = ["request", "response"] }}

[dev-dependencies]
flaron-sdk = {{ {dependency}, default-features = false, features = ["testing"] }}

# A workspace of its own, wherever the folder lies.
[workspace]

# The smallest code, in one piece.
{profile}"#
    ))
}

fn link_flags() -> Result<String> {
    let target = part_of(CARGO_CONFIG, "[target.wasm32-unknown-unknown]")?;
    Ok(format!(
        "# What a flare is linked with, to be small.\n{target}"
    ))
}

/// A table of a TOML file, as it is written there: from its head to the next blank line.
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

const SOURCE: &str = r#"//! Answers with the request's method and URL.
#![no_std]

use flaron_sdk::{ArenaFull, FlareAction, request, response};

flaron_sdk::handle_request!(answer);
flaron_sdk::panic_handler!();

fn answer() -> Result<FlareAction, ArenaFull> {
    response::set_header("content-type", "text/plain");
    let (method, url) = (request::method_piece(), request::url_piece());
    response::set_body_pieces(("you asked for ", method, " ", url))?;
    Ok(FlareAction::Respond)
}

#[cfg(test)]
mod tests {
    use flaron_sdk::testing::Host;

    #[test]
    fn it_says_what_was_asked_for() {
        let host = Host::new();
        host.method("PUT").url("http://localhost/a?b=1");
        let response = host.run(super::answer);
        assert_eq!(response.status, 200);
        assert_eq!(response.header("content-type"), Some("text/plain"));
        assert_eq!(response.text(), "you asked for PUT http://localhost/a?b=1");
    }
}
"#;

const SETTINGS: &str = r#"# What the flare may do. Everything is off unless it is turned on here.
# requires_body = true
# requires_raw_auth = true
# writes_spark_kv = true
# writes_plasma_kv = true
# allowed_secrets = ["api-key"]
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crate_has_the_repositorys_flags_and_profile() {
        let folder = tempfile::tempdir().unwrap();
        let flare = folder.path().join("my-flare");
        new(&flare, &Sdk::Version("0.1".to_owned())).unwrap();
        let read = |file: &str| std::fs::read_to_string(flare.join(file)).unwrap();
        let parse = |text: &str| text.parse::<toml::Table>().unwrap();

        let manifest = parse(&read("Cargo.toml"));
        let repository = parse(CARGO_MANIFEST);
        assert_eq!(
            manifest["profile"]["release"],
            repository["profile"]["release"]
        );
        assert_eq!(manifest["package"]["name"].as_str(), Some("my-flare"));
        let sdk = &manifest["dependencies"]["flaron-sdk"];
        assert_eq!(sdk["version"].as_str(), Some("0.1"));

        let config = parse(&read(".cargo/config.toml"));
        assert_eq!(config["target"], parse(CARGO_CONFIG)["target"]);
        crate::config::FlareConfig::parse(&read("flare.toml")).unwrap();
    }

    #[test]
    fn what_exists_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let message = new(folder.path(), &Sdk::default()).unwrap_err().to_string();
        // A temporary folder's name begins with a dot, so either is a reason.
        assert!(
            message.contains("exists") || message.contains("cannot name"),
            "{message}"
        );
        let flare = folder.path().join("flare");
        new(&flare, &Sdk::default()).unwrap();
        let message = new(&flare, &Sdk::default()).unwrap_err().to_string();
        assert!(message.contains("exists already"), "{message}");
    }

    #[test]
    fn names_are_crate_names() {
        for name in ["a", "my-flare", "my_flare2"] {
            assert!(is_crate_name(name), "{name}");
        }
        for name in ["", "2a", "-a", "a b", "a/b", "ä", "test", "a\"b"] {
            assert!(!is_crate_name(name), "{name}");
        }
    }

    #[test]
    fn the_sdk_is_a_folder_or_a_version() {
        assert_eq!(
            Sdk::parse("1.1.0").unwrap(),
            Sdk::Version("1.1.0".to_owned())
        );
        assert!(matches!(Sdk::parse(REPOSITORY).unwrap(), Sdk::Path(_)));
        assert!(Sdk::parse("/no/such").is_err());
    }
}
