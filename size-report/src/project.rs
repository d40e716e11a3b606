//! Where the repository is, and how cargo is run in it.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Once;

use anyhow::{Context, Result, bail};
use cargo_metadata::{Message, Metadata, MetadataCommand};
use serde::{Deserialize, Serialize};

pub const WASM_TARGET: &str = "wasm32-unknown-unknown";

/// A checkout of this repository.
#[derive(Debug, Clone)]
pub struct Project {
    pub root: PathBuf,
}

/// What decides over the size of a flare besides its source. Kept in the baseline, to tell
/// whether two sizes may be compared.
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
    /// The checkout `explicit` names, or the one around the current directory.
    pub fn find(explicit: Option<&Path>) -> Result<Self> {
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
                 Go there, or use --root DIR; for a .wasm of your own: flaron-size check FILE.wasm --budget 2KiB",
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
        let config = read_toml(&self.root.join(".cargo/config.toml"))?;
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

    /// `[profile.release]` of the workspace.
    pub fn release_profile(&self) -> Result<toml::Table> {
        let manifest = read_toml(&self.root.join("Cargo.toml"))?;
        let profile = manifest.get("profile").and_then(|p| p.get("release"));
        Ok(profile
            .and_then(|p| p.as_table())
            .cloned()
            .unwrap_or_default())
    }

    /// What a flare built here and now is made with.
    pub fn settings(&self, wasm_opt: Option<&crate::binaryen::WasmOpt>) -> Result<Settings> {
        let flags = wasm_opt.map_or(&[][..], |_| crate::binaryen::FLAGS);
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

/// `rustc --version` as cargo would use it in `dir`.
pub fn rustc_version(dir: &Path) -> Result<String> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .arg("--version")
        .current_dir(dir)
        .output()
        .context("could not start rustc; is Rust installed? (https://rustup.rs)")?;
    if !output.status.success() {
        bail!(
            "rustc --version failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_string())
}

/// Installs the Wasm target through rustup if this toolchain lacks it.
pub fn ensure_wasm_target(dir: &Path) -> Result<()> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .args(["--print", "target-libdir", "--target", WASM_TARGET])
        .current_dir(dir)
        .output()
        .context("could not start rustc; is Rust installed? (https://rustup.rs)")?;
    let libdir = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    if output.status.success() && libdir.is_dir() {
        return Ok(());
    }
    eprintln!(
        "the target {WASM_TARGET} is missing; installing it: rustup target add {WASM_TARGET}"
    );
    let status = Command::new("rustup")
        .args(["target", "add", WASM_TARGET])
        .current_dir(dir)
        .stdout(Stdio::null())
        .status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => bail!("rustup could not add {WASM_TARGET}; see above"),
        Err(error) => bail!(
            "there is no rustup here ({error}); install the standard library for {WASM_TARGET} \
             in the way your Rust came"
        ),
    }
}

/// One `cargo build` for Wasm in release.
pub struct Build<'a> {
    /// The workspace.
    pub dir: &'a Path,
    pub packages: &'a [&'a str],
    /// Further `--config` values.
    pub config: &'a [&'a str],
    /// A target directory other than the workspace's own.
    pub target_dir: Option<&'a Path>,
    /// Flags to use in place of those in the configuration files.
    pub rustflags: Option<&'a [String]>,
}

impl<'a> Build<'a> {
    pub fn new(dir: &'a Path, packages: &'a [&'a str]) -> Self {
        Self {
            dir,
            packages,
            config: &[],
            target_dir: None,
            rustflags: None,
        }
    }

    /// Builds, and reads the `.wasm` of every package.
    pub fn run(&self) -> Result<BTreeMap<String, Vec<u8>>> {
        let mut command = cargo(self.dir);
        command.args(["build", "--quiet", "--release", "--target", WASM_TARGET]);
        command.arg("--message-format=json-render-diagnostics");
        for package in self.packages {
            command.args(["--package", package]);
        }
        for config in self.config {
            command.args(["--config", config]);
        }
        if let Some(dir) = self.target_dir {
            command.arg("--target-dir").arg(dir);
        }
        if let Some(flags) = self.rustflags {
            // The highest place flags can be set in: it replaces those of every configuration
            // file, also when it is empty. The separator is cargo's.
            command.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
        }
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .context("could not start cargo")?;
        let stdout = child.stdout.take().context("cargo has no output")?;
        let mut files = BTreeMap::new();
        for message in Message::parse_stream(std::io::BufReader::new(stdout)) {
            if let Message::CompilerArtifact(artifact) = message? {
                let wasm = artifact
                    .filenames
                    .iter()
                    .find(|f| f.extension() == Some("wasm"));
                if let Some(file) = wasm {
                    files.insert(artifact.target.name.replace('_', "-"), file.clone());
                }
            }
        }
        if !child.wait()?.success() {
            bail!(
                "cargo could not build {}; its messages are above",
                self.packages.join(", ")
            );
        }
        let mut built = BTreeMap::new();
        for package in self.packages {
            // A library target is called as its package, with `_` for `-`, unless it says more.
            let file = files.get(&package.replace('_', "-")).with_context(|| {
                format!("building {package} gave no {package}.wasm; is its crate-type \"cdylib\", and its library called as the package?")
            })?;
            let wasm = fs::read(file).with_context(|| format!("could not read {file}"))?;
            built.insert(package.to_string(), wasm);
        }
        Ok(built)
    }
}

/// Cargo in `dir`, shielded from settings in the environment that change sizes: what is measured
/// is what the repository says, wherever it is measured. (CI often sets
/// `RUSTFLAGS="-D warnings"`, which would silently replace the link flags.)
fn cargo(dir: &Path) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(dir);
    for (name, _) in env::vars_os() {
        if changes_sizes(&name) {
            command.env_remove(&name);
            static SAID: Once = Once::new();
            SAID.call_once(|| {
                eprintln!(
                    "note: {} in the environment is not used for measured builds",
                    name.to_string_lossy()
                );
            });
        }
    }
    command
}

fn changes_sizes(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else {
        return false;
    };
    name.starts_with("CARGO_PROFILE_RELEASE_")
        || [
            "RUSTFLAGS",
            "CARGO_ENCODED_RUSTFLAGS",
            "CARGO_BUILD_RUSTFLAGS",
        ]
        .contains(&name)
        || name == "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_is_kept_out_of_measured_builds() {
        for name in [
            "RUSTFLAGS",
            "CARGO_PROFILE_RELEASE_LTO",
            "CARGO_ENCODED_RUSTFLAGS",
        ] {
            assert!(changes_sizes(OsStr::new(name)), "{name}");
        }
        for name in ["CARGO_TARGET_DIR", "RUSTUP_TOOLCHAIN", "PATH"] {
            assert!(!changes_sizes(OsStr::new(name)), "{name}");
        }
    }

    #[test]
    fn outside_the_repository_the_error_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let error = Project::find(Some(dir.path())).unwrap_err().to_string();
        assert!(
            error.contains("--root DIR") && error.contains("check FILE.wasm"),
            "{error}"
        );
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
        write("Cargo.toml", "[profile.release]\nopt-level = \"z\"");
        write(
            ".cargo/config.toml",
            "[target.wasm32-unknown-unknown]\nrustflags = [\"-Clink-arg=-zstack-size=4096\"]",
        );
        let project = Project::find(Some(dir.path())).unwrap();
        assert_eq!(
            project.rustflags().unwrap(),
            ["-Clink-arg=-zstack-size=4096"]
        );
        assert_eq!(
            project.release_profile().unwrap()["opt-level"].as_str(),
            Some("z")
        );
    }
}
