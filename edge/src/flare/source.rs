//! Where a flare comes from, and what was said about it outside its `flare.toml`.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::capability::secrets::{SecretStore, SecretsError};
use crate::config::FlareConfig;
use crate::error::{Error, Result};
use crate::flare::build;

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

/// What to run: a source, and what was said about it outside its `flare.toml`.
#[derive(Debug, Clone)]
pub(crate) struct Spec {
    pub(crate) source: FlareSource,
    /// Settings that were given; otherwise those of the `flare.toml` next to the source.
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
        }
    }

    /// The settings: those that were given, or the file's.
    ///
    /// # Errors
    ///
    /// When there is a file that is wrong.
    pub(crate) fn config(&self) -> Result<FlareConfig> {
        match (&self.config, &self.config_file, &self.source) {
            (Some(config), _, _) => Ok(config.clone()),
            (None, Some(file), _) => FlareConfig::load(file),
            (None, None, FlareSource::Path(path)) => FlareConfig::beside(path),
            (None, None, FlareSource::Bytes(_)) => Ok(FlareConfig::default()),
        }
    }

    /// The secrets: those that were given, before the environment's, before the file's.
    ///
    /// # Errors
    ///
    /// When there is a file that is wrong, or a name that no secret can have.
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

/// The name and `.wasm` of the flare at a path; a crate is built.
pub(crate) fn locate(path: &Path) -> Result<(String, PathBuf)> {
    if path.is_dir() {
        let built = build::build(path)?;
        return Ok((built.name, built.wasm));
    }
    if !path.exists() {
        return Err(Error::new(format!(
            "there is no {}; give a flare crate's folder or a .wasm file",
            path.display()
        )));
    }
    let name = path.file_stem().map_or_else(
        || "flare".to_owned(),
        |stem| stem.to_string_lossy().into_owned(),
    );
    Ok((name, path.to_owned()))
}
