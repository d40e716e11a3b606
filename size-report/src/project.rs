//! Finds the repository, and the settings that its flares are built with.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use cargo_metadata::{Metadata, MetadataCommand};
use flaron_build::{WASM_TARGET, rustc_version};
use serde::{Deserialize, Serialize};

use crate::wasm::wasm_opt::{self, WasmOpt};

/// A checkout of this repository.
#[derive(Debug, Clone)]
pub struct Project {
    pub root: PathBuf,
}

/// What determines the size of a flare besides its source. The baseline records it, because only sizes with the
/// same settings can be compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Settings {
    /// As `rustc --version` prints it.
    pub rustc: String,
    /// As `wasm-opt --version` prints it; absent where there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wasm_opt: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wasm_opt_flags: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rustflags: Vec<String>,
    #[serde(default, skip_serializing_if = "toml::Table::is_empty")]
    pub profile: toml::Table,
}

impl Project {
    /// The checkout `explicit` names, or the one around the current directory. `elsewhere` says what to
    /// run where there is none.
    pub fn find(explicit: Option<&Path>, elsewhere: &str) -> Result<Self> {
        let start = match explicit {
            Some(path) => path.to_path_buf(),
            None => env::current_dir()?,
        };
        let start = start
            .canonicalize()
            .with_context(|| format!("no such directory: {}", start.display()))?;
        // An explicit root is meant; a current directory may be anywhere below it.
        let levels = if explicit.is_some() { 1 } else { usize::MAX };
        let root = start
            .ancestors()
            .take(levels)
            .find(|dir| dir.join("size-report/budgets.toml").is_file());
        match root {
            Some(root) => Ok(Self {
                root: root.to_path_buf(),
            }),
            None => bail!(
                "{} is not in a checkout of the flaron-sdk repository (no size-report/budgets.toml). \
                 Go there, or use --root DIR{elsewhere}",
                start.display()
            ),
        }
    }

    /// A file of this tool: `size-report/NAME`.
    pub fn file(&self, name: &str) -> PathBuf {
        self.root.join("size-report").join(name)
    }

    /// `cargo metadata` of the workspace, without its dependencies.
    pub fn metadata(&self) -> Result<Metadata> {
        metadata(&self.root)
    }

    /// Where this tool keeps what it builds besides the flares themselves.
    pub fn scratch(&self) -> Result<PathBuf> {
        Ok(self
            .metadata()?
            .target_directory
            .join("flaron-size")
            .into_std_path_buf())
    }

    /// The flags for Wasm in the repository's `.cargo/config.toml`.
    pub fn rustflags(&self) -> Result<Vec<String>> {
        let config = self.cargo_config()?;
        let flags = config
            .get("target")
            .and_then(|t| t.get(WASM_TARGET))
            .and_then(|t| t.get("rustflags"));
        match flags {
            None => Ok(Vec::new()),
            Some(flags) => flags
                .clone()
                .try_into()
                .context(".cargo/config.toml: rustflags is not a list of strings"),
        }
    }

    /// The release profile that cargo uses in the repository: that of `Cargo.toml`, and over it that of
    /// `.cargo/config.toml`.
    pub fn release_profile(&self) -> Result<toml::Table> {
        let mut profile = toml::Table::new();
        for table in [
            read_toml(&self.root.join("Cargo.toml"))?,
            self.cargo_config()?,
        ] {
            let release = table.get("profile").and_then(|p| p.get("release"));
            profile.extend(
                release
                    .and_then(|p| p.as_table())
                    .cloned()
                    .unwrap_or_default(),
            );
        }
        Ok(profile)
    }

    fn cargo_config(&self) -> Result<toml::Table> {
        read_toml(&self.root.join(".cargo/config.toml"))
    }

    /// What a flare built here and now is made with.
    pub fn settings(&self, wasm_opt: Option<&WasmOpt>) -> Result<Settings> {
        let flags = wasm_opt.map_or(&[][..], |_| wasm_opt::FLAGS);
        Ok(Settings {
            rustc: rustc_version(&self.root)?,
            wasm_opt: wasm_opt.map(|wasm_opt| wasm_opt.version.clone()),
            wasm_opt_flags: flags.iter().map(ToString::to_string).collect(),
            rustflags: self.rustflags()?,
            profile: self.release_profile()?,
        })
    }
}

/// `cargo metadata` of the workspace in `dir`, without its dependencies.
pub fn metadata(dir: &Path) -> Result<Metadata> {
    MetadataCommand::new()
        .current_dir(dir)
        .no_deps()
        .exec()
        .with_context(|| format!("cargo metadata failed in {}", dir.display()))
}

/// Reads a TOML file.
pub fn read_toml(path: &Path) -> Result<toml::Table> {
    let text =
        fs::read_to_string(path).with_context(|| format!("could not read {}", path.display()))?;
    text.parse()
        .with_context(|| format!("{} is not valid TOML", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outside_the_repository_the_error_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let error = Project::find(Some(dir.path()), "; or stay").unwrap_err();
        let error = error.to_string();
        assert!(error.ends_with("--root DIR; or stay"), "{error}");
    }

    #[test]
    fn flags_and_profile_come_from_the_repository() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("size-report/budgets.toml", "");
        write("Cargo.toml", "[profile.release]\nopt-level = 3\nlto = true");
        write(
            ".cargo/config.toml",
            "[profile.release]\nopt-level = \"z\"\n\
             [target.wasm32-unknown-unknown]\nrustflags = [\"-Clink-arg=-zstack-size=4096\"]",
        );
        let project = Project::find(Some(dir.path()), "").unwrap();
        assert_eq!(
            project.rustflags().unwrap(),
            ["-Clink-arg=-zstack-size=4096"]
        );
        let profile = project.release_profile().unwrap();
        assert_eq!(profile["opt-level"].as_str(), Some("z"));
        assert_eq!(profile["lto"].as_bool(), Some(true));
    }
}
