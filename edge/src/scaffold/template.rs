//! What a new flare begins as: one of the repository's example flares, as it is.

use std::str::FromStr;

use crate::error::{Error, Result};

/// What a new flare begins as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Template(&'static Files);

/// The files of an example that a new flare takes over.
#[derive(Debug, PartialEq, Eq)]
struct Files {
    name: &'static str,
    /// What it is, in a few words.
    what: &'static str,
    manifest: &'static str,
    source: &'static str,
    settings: &'static str,
}

/// The files of an example; `settings` if it has a `flare.toml`.
macro_rules! example {
    ($name:literal, $what:literal, $folder:literal) => {
        Files {
            name: $name,
            what: $what,
            manifest: include_str!(concat!("../../../examples/", $folder, "/Cargo.toml")),
            source: include_str!(concat!("../../../examples/", $folder, "/src/lib.rs")),
            settings: "",
        }
    };
    ($name:literal, $what:literal, $folder:literal, settings) => {
        Files {
            settings: include_str!(concat!("../../../examples/", $folder, "/flare.toml")),
            ..example!($name, $what, $folder)
        }
    };
}

const TEMPLATES: &[Files] = &[
    // The example itself is for measuring, and has no test.
    Files {
        source: HTTP,
        ..example!("http", "answers with method and URL", "echo")
    },
    example!("json", "a JSON API with routes", "router"),
    example!("kv", "a key-value store over HTTP", "kv-api", settings),
    example!(
        "gate",
        "lets requests with a valid token through",
        "jwt-gate",
        settings
    ),
    example!(
        "proxy",
        "fetches from an API, with CORS headers",
        "cors-proxy",
        settings
    ),
    example!("websocket", "sends messages back", "websocket-echo"),
    example!(
        "chat",
        "WebSocket rooms that count who is there",
        "chat",
        settings
    ),
];

const HTTP: &str = r#"//! Answers with the request's method and URL.
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

impl Default for Template {
    /// `http`
    fn default() -> Self {
        Template(&TEMPLATES[0])
    }
}

impl FromStr for Template {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let found = TEMPLATES.iter().find(|files| files.name == name);
        found.map(Template).ok_or_else(|| {
            let known = TEMPLATES
                .iter()
                .map(|files| format!("  {:<10} {}", files.name, files.what));
            Error::new(format!(
                "there is no template {name:?}; these are there:\n{}",
                known.collect::<Vec<_>>().join("\n")
            ))
        })
    }
}

impl Template {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Template> {
        TEMPLATES.iter().map(Template)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// `src/lib.rs`
    pub(super) fn source(self) -> &'static str {
        self.0.source
    }

    /// What it has in `flare.toml`.
    pub(super) fn settings(self) -> &'static str {
        self.0.settings
    }

    /// The modules of the SDK that it needs, as a list in TOML.
    ///
    /// # Errors
    ///
    /// When the example's manifest names none.
    pub(super) fn features(self) -> Result<String> {
        let manifest: toml::Table = toml::from_str(self.0.manifest)
            .map_err(|error| Error::new(format!("the template {}: {error}", self.0.name)))?;
        let features = manifest
            .get("dependencies")
            .and_then(|table| table.get("flaron-sdk")?.get("features")?.as_array());
        let features = features
            .ok_or_else(|| Error::new(format!("the template {} names no features", self.0.name)))?;
        let names: Vec<String> = features
            .iter()
            .filter_map(|name| Some(format!("{:?}", name.as_str()?)))
            .collect();
        Ok(format!("[{}]", names.join(", ")))
    }
}
