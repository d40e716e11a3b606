//! The JSON schema of `flare.toml`.
//!
//! It is made from [`FlareConfig`](crate::config::FlareConfig) by a test, and kept as a file: what makes it is then
//! built for the tests alone.

use std::sync::LazyLock;

use serde_json::Value;

const TEXT: &str = include_str!("flare.schema.json");

/// The JSON schema of `flare.toml`, as text. Editors use it to complete and check the file.
pub fn schema() -> &'static str {
    TEXT
}

/// The same, parsed.
pub(super) fn parsed() -> &'static Value {
    static PARSED: LazyLock<Value> =
        LazyLock::new(|| serde_json::from_str(TEXT).expect("a test made it"));
    &PARSED
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `UPDATE=1` writes it.
    #[test]
    fn the_file_is_what_the_settings_are() {
        let made = schemars::schema_for!(crate::config::FlareConfig);
        let made = serde_json::to_string_pretty(&made).unwrap() + "\n";
        if std::env::var_os("UPDATE").is_some() {
            let file = concat!(env!("CARGO_MANIFEST_DIR"), "/src/config/flare.schema.json");
            std::fs::write(file, made).unwrap();
        } else {
            assert!(
                made == TEXT,
                "the settings of a flare have changed, and their schema has not: UPDATE=1 cargo test -p flaron-edge \
                 --lib config::schema"
            );
        }
    }
}
