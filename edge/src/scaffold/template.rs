//! The templates of new flares: the repository's example flares, unchanged.

use std::str::FromStr;

use crate::error::{Error, Result};

/// The template of a new flare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Template(&'static Files);

/// The files of an example that a new flare gets.
#[derive(Debug, PartialEq, Eq)]
struct Files {
    name: &'static str,
    /// What it is, in a few words.
    what: &'static str,
    manifest: &'static str,
    source: &'static str,
    settings: &'static str,
    stack_bytes: u32,
}

/// The stack of a flare that uses none: the smallest that the linker makes.
pub(super) const NO_STACK: u32 = 16;
/// The stack of a flare, as in the repository's `.cargo/config.toml`.
pub(super) const STACK: u32 = 4096;
/// The stack of a flare that uses `std`: formatting and collections take more of it.
const STACK_WITH_STD: u32 = 16384;

/// The files of an example; `settings` if it has a `flare.toml`.
macro_rules! example {
    ($name:literal, $what:literal, $folder:literal) => {
        Files {
            name: $name,
            what: $what,
            manifest: include_str!(concat!("../../../examples/", $folder, "/Cargo.toml")),
            source: include_str!(concat!("../../../examples/", $folder, "/src/lib.rs")),
            settings: "",
            stack_bytes: NO_STACK,
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
    example!("http", "answers with method and URL", "echo"),
    example!("json", "a JSON API with routes", "router"),
    example!("kv", "a key-value store over HTTP", "kv-api", settings),
    example!(
        "gate",
        "admits requests with a valid token",
        "jwt-gate",
        settings
    ),
    example!(
        "proxy",
        "fetches from an API, with CORS headers",
        "cors-proxy",
        settings
    ),
    example!("websocket", "echoes WebSocket messages", "websocket-echo"),
    example!(
        "both",
        "HTTP and WebSockets in one flare: a notice board",
        "notice-board",
        settings
    ),
    Files {
        stack_bytes: STACK_WITH_STD,
        ..example!(
            "std",
            "counts words with the standard library",
            "word-count",
            settings
        )
    },
    Files {
        stack_bytes: STACK,
        ..example!("chat", "chat rooms over WebSockets", "chat", settings)
    },
];

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
                "there is no template {name:?}; the templates are:\n{}",
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

    /// How large its stack is.
    pub(super) fn stack_bytes(self) -> u32 {
        self.0.stack_bytes
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
            .ok_or_else(|| Error::new(format!("the template {} lists no features", self.0.name)))?;
        let names: Vec<String> = features
            .iter()
            .filter_map(|name| Some(format!("{:?}", name.as_str()?)))
            .collect();
        Ok(format!("[{}]", names.join(", ")))
    }
}
