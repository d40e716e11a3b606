//! Where a flare comes from, and settings for it from outside its `flare.toml`.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::capability::secrets::{SecretStore, SecretsError};
use crate::config::FlareConfig;
use crate::error::{Error, Result};
use crate::flare::build;
use crate::wasm::linking::lacks_stack;

/// Where a flare comes from.
#[derive(Clone)]
pub enum FlareSource {
    /// A flare crate's folder, which is built, or a `.wasm` file.
    Path(PathBuf),
    /// A module in memory.
    Bytes(Vec<u8>),
}

impl fmt::Debug for FlareSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FlareSource::Path(path) => f.debug_tuple("Path").field(path).finish(),
            FlareSource::Bytes(bytes) => write!(f, "Bytes({} bytes)", bytes.len()),
        }
    }
}

impl From<PathBuf> for FlareSource {
    fn from(path: PathBuf) -> Self {
        FlareSource::Path(path)
    }
}

impl From<&Path> for FlareSource {
    fn from(path: &Path) -> Self {
        FlareSource::Path(path.to_owned())
    }
}

impl From<&str> for FlareSource {
    fn from(path: &str) -> Self {
        FlareSource::Path(path.into())
    }
}

impl From<Vec<u8>> for FlareSource {
    fn from(bytes: Vec<u8>) -> Self {
        FlareSource::Bytes(bytes)
    }
}

/// What to run: a source, and settings for it from outside its `flare.toml`.
#[derive(Debug, Clone)]
pub(crate) struct Spec {
    pub(crate) source: FlareSource,
    /// Settings in place of the `flare.toml` next to the source.
    pub(crate) config: Option<FlareConfig>,
    /// A `flare.toml` to use instead.
    pub(crate) config_file: Option<PathBuf>,
    /// Routes that take precedence over the settings'.
    pub(crate) routes: Vec<String>,
    /// An origin that takes precedence over the settings'.
    pub(crate) origin: Option<String>,
    /// A secrets file to use instead of the one next to the source.
    pub(crate) secrets_file: Option<PathBuf>,
    /// Secrets that take precedence over the file's.
    pub(crate) secrets: Vec<(String, Vec<u8>)>,
    /// For a crate in development: the program that stands in for the compiler
    /// ([`build::build_with_lines`]).
    pub(crate) compiler: Option<PathBuf>,
}

/// The name of the file with the secrets, next to a flare.
pub const SECRETS_FILE_NAME: &str = "flare.secrets.toml";

impl Spec {
    pub(crate) fn new(source: FlareSource) -> Spec {
        Spec {
            source,
            config: None,
            config_file: None,
            routes: Vec::new(),
            origin: None,
            secrets_file: None,
            secrets: Vec::new(),
            compiler: None,
        }
    }

    /// Checks that the path, if it is one, names something.
    ///
    /// # Errors
    ///
    /// When it does not.
    pub(crate) fn check_exists(&self) -> Result<()> {
        match &self.source {
            FlareSource::Path(path) if !path.exists() => Err(Error::new(format!(
                "there is no {}; give a flare crate's folder or a .wasm file",
                path.display()
            ))),
            _ => Ok(()),
        }
    }

    /// The settings: those that were given, or the file's.
    ///
    /// # Errors
    ///
    /// When the file is invalid.
    pub(crate) fn config(&self) -> Result<FlareConfig> {
        match (&self.config, &self.config_file, &self.source) {
            (Some(config), _, _) => Ok(config.clone()),
            (None, Some(file), _) => FlareConfig::load(file),
            (None, None, FlareSource::Path(path)) => FlareConfig::beside(path),
            (None, None, FlareSource::Bytes(_)) => Ok(FlareConfig::default()),
        }
    }

    /// The secrets: those given here take precedence over the environment's, and those over the file's.
    ///
    /// # Errors
    ///
    /// When the file is invalid, or a name is one that no secret can have.
    pub(crate) fn secrets(&self) -> Result<SecretStore> {
        let beside = match &self.source {
            FlareSource::Path(path) if path.is_dir() => Some(path.join(SECRETS_FILE_NAME)),
            FlareSource::Path(path) => Some(path.with_file_name(SECRETS_FILE_NAME)),
            FlareSource::Bytes(_) => None,
        };
        let file = self
            .secrets_file
            .clone()
            .or(beside.filter(|file| file.is_file()));
        let failed = |error: SecretsError| Error::new(error.to_string());
        let mut store = SecretStore::load(file.as_deref()).map_err(failed)?;
        for (name, value) in &self.secrets {
            store.insert(name, value.clone()).map_err(failed)?;
        }
        Ok(store)
    }
}

/// A flare's module.
pub(crate) struct Located {
    pub(crate) name: String,
    /// The `.wasm` that is deployed, if it is a file.
    pub(crate) file: Option<PathBuf>,
    /// Its bytes.
    pub(crate) wasm: Vec<u8>,
    /// The same flare with function names and line numbers, to run in its place.
    pub(crate) with_lines: Option<Vec<u8>>,
    /// The crate's folder, if it is one.
    pub(crate) root: Option<PathBuf>,
}

impl Spec {
    /// Finds the flare's module; a crate is built.
    ///
    /// # Errors
    ///
    /// When it cannot be built or read.
    pub(crate) fn locate(&self) -> Result<Located> {
        let path = match &self.source {
            FlareSource::Path(path) => path,
            FlareSource::Bytes(bytes) => {
                return Ok(Located {
                    name: "flare".to_owned(),
                    file: None,
                    wasm: bytes.clone(),
                    with_lines: None,
                    root: None,
                });
            }
        };
        if !path.is_dir() {
            let name = path.file_stem().map_or_else(
                || "flare".to_owned(),
                |stem| stem.to_string_lossy().into_owned(),
            );
            return Ok(Located {
                name,
                file: Some(path.clone()),
                wasm: read_module(path)?,
                with_lines: None,
                root: None,
            });
        }
        let built = build::build(path)?;
        let wasm = read_module(&built.wasm)?;
        Ok(Located {
            with_lines: self.with_lines(path, &wasm),
            wasm,
            name: built.name,
            file: Some(built.wasm),
            root: path.canonicalize().ok(),
        })
    }

    /// The crate built with function names and line numbers; if that fails, a warning says so. `deployed` is what it
    /// is deployed as.
    fn with_lines(&self, folder: &Path, deployed: &[u8]) -> Option<Vec<u8>> {
        let compiler = self.compiler.as_ref()?;
        // A flare that is linked without a stack and uses one fails in development as it will when it is deployed.
        let stack = match lacks_stack(deployed) {
            true => 0,
            false => STACK_FOR_MESSAGES,
        };
        build::build_with_lines(folder, compiler, stack)
            .and_then(|wasm| read_module(&wasm))
            .inspect_err(|error| {
                tracing::warn!(
                    "{} is served as it is deployed, so traps have no line numbers: the build with \
                     names and lines failed: {error}",
                    folder.display()
                );
            })
            .ok()
    }
}

/// How much stack, in bytes, a flare has at least where its panics say something.
const STACK_FOR_MESSAGES: u32 = 4096;

fn read_module(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path)
        .map_err(|error| Error::new(format!("cannot read {}: {error}", path.display())))
}
