//! A flare as the node runs it: its program, settings, and the way to load and reload it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use crate::beam::{self, Beam};
use crate::build_flare;
use crate::config::{FlareConfig, Kind};
use crate::engine::{Engine, FlareInfo, Program};
use crate::error::{Error, Result};
use crate::node::Node;
use crate::origin::Origin;
use crate::secrets::{SecretStore, SecretView, SecretsError};
use crate::stats::Stats;

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
    pub source: FlareSource,
    /// Given settings; otherwise those of the `flare.toml` beside the source.
    pub config: Option<FlareConfig>,
    /// A `flare.toml` elsewhere.
    pub config_file: Option<PathBuf>,
    /// Routes that go before the settings'.
    pub routes: Vec<String>,
    /// An origin that goes before the settings'.
    pub origin: Option<String>,
    /// A secrets file elsewhere than beside the source.
    pub secrets_file: Option<PathBuf>,
    /// Secrets that go before the file's.
    pub secrets: Vec<(String, Vec<u8>)>,
}

/// The name of the file with the secrets beside a flare.
pub const SECRETS_FILE_NAME: &str = "flare.secrets.toml";

impl Spec {
    pub fn new(source: FlareSource) -> Spec {
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
    pub fn config(&self) -> Result<FlareConfig> {
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
    fn secrets(&self) -> Result<SecretStore> {
        let beside = match &self.source {
            FlareSource::Path(path) if path.is_dir() => Some(path.join(SECRETS_FILE_NAME)),
            FlareSource::Path(path) => Some(path.with_file_name(SECRETS_FILE_NAME)),
            FlareSource::Bytes(_) => None,
        };
        let file = self
            .secrets_file
            .clone()
            .or(beside.filter(|file| file.is_file()));
        let told = |error: SecretsError| Error::new(error.to_string());
        let mut store = SecretStore::load(file.as_deref()).map_err(told)?;
        for (name, value) in &self.secrets {
            store.insert(name, value.clone()).map_err(told)?;
        }
        Ok(store)
    }
}

/// A loaded flare. It does not change: a reload makes another.
pub(crate) struct Flare {
    /// The name in messages.
    pub name: Arc<str>,
    pub config: FlareConfig,
    /// What it serves.
    pub kind: Kind,
    pub origin: Option<Origin>,
    pub routes: Vec<String>,
    pub program: Arc<Program>,
    /// The site whose keys it sees.
    pub site: Arc<str>,
    /// Its fetches.
    pub beam: Arc<Beam>,
    /// The secrets that it may have.
    pub secrets: SecretView,
    /// What all flares of the node share.
    pub node: Arc<Node>,
    /// The `.wasm` it was read from.
    pub file: Option<PathBuf>,
}

impl Flare {
    /// Loads a flare: builds its crate if it is one, reads its settings, compiles and checks it.
    ///
    /// # Errors
    ///
    /// When any of that fails; the message begins with the flare's path.
    pub fn load(engine: &Engine, node: &Arc<Node>, spec: &Spec) -> Result<Flare> {
        let (name, file, wasm) = match &spec.source {
            FlareSource::Bytes(bytes) => ("flare".to_owned(), None, bytes.clone()),
            FlareSource::Path(path) => {
                let (name, file) = locate(path)?;
                let wasm = std::fs::read(&file).map_err(|error| {
                    Error::new(format!("cannot read {}: {error}", file.display()))
                })?;
                (name, Some(file), wasm)
            }
        };
        let config = spec.config()?;
        let name = config.name.clone().unwrap_or(name);
        let within = |error: Error| match &file {
            Some(file) => error.within(file.display()),
            None => error,
        };
        let program = engine.compile(&wasm).map_err(within)?;
        let kind = kind(&program.info, config.kind).map_err(within)?;
        let limit = config.limits.max_memory_bytes();
        if program.info.memory > limit {
            return Err(within(Error::new(format!(
                "the flare begins with {} bytes of memory, more than the {limit} it may have \
                 (limits.max_memory_mib in flare.toml)",
                program.info.memory
            ))));
        }
        let origin = spec.origin.as_ref().or(config.origin.as_ref());
        let origin = origin.map(|origin| Origin::parse(origin)).transpose()?;
        let mut routes = spec.routes.clone();
        if routes.is_empty() {
            routes.clone_from(&config.routes);
        }
        if routes.is_empty() {
            routes.push("/".to_owned());
        }
        let allowed = config.allowed_secrets.iter().cloned();
        let secrets = SecretView::new(Arc::new(spec.secrets()?), allowed);
        let beam = Beam::new(
            beam::BeamConfig {
                timeout: Duration::from_millis(config.limits.fetch_timeout_ms),
                connect_timeout: Duration::from_millis(config.limits.fetch_timeout_ms),
                max_response_bytes: config.limits.max_fetch_bytes,
                allow_private: config.beam.allow_private,
                hosts: config.beam.hosts.clone(),
                ..beam::BeamConfig::default()
            },
            node.network.handle(),
        )
        .map_err(|error| Error::new(error.to_string()))?;
        for address in node.own_addresses() {
            beam.add_own_address(address);
        }
        Ok(Flare {
            site: config.site.as_deref().unwrap_or(&name).into(),
            name: name.into(),
            secrets,
            beam,
            node: node.clone(),
            config,
            kind,
            origin,
            routes,
            program: Arc::new(program),
            file,
        })
    }
}

/// The name and `.wasm` of the flare at a path; a crate is built.
fn locate(path: &Path) -> Result<(String, PathBuf)> {
    if path.is_dir() {
        let built = build_flare::build(path)?;
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

/// What a flare serves: what its settings say, if its exports agree.
fn kind(info: &FlareInfo, stated: Option<Kind>) -> Result<Kind> {
    let exported = info.kind.unwrap_or(Kind::Http);
    let Some(stated) = stated else {
        return Ok(exported);
    };
    let missing = match (stated, exported) {
        (Kind::Http | Kind::Both, Kind::WebSocket) => "`handle_request`",
        (Kind::WebSocket | Kind::Both, Kind::Http) => "`ws_open`, `ws_message` and `ws_close`",
        _ => return Ok(stated),
    };
    Err(Error::new(format!(
        "flare.toml says it serves more than its exports do: {missing} is missing"
    )))
}

/// A flare's place in the node: what is running now, and what there is to know about all that ran
/// there.
pub(crate) struct Slot {
    pub spec: Spec,
    current: RwLock<Arc<Flare>>,
    pub stats: Stats,
}

impl Slot {
    pub fn new(spec: Spec, flare: Flare) -> Slot {
        Slot {
            spec,
            current: RwLock::new(Arc::new(flare)),
            stats: Stats::default(),
        }
    }

    /// The flare that serves new requests.
    pub fn current(&self) -> Arc<Flare> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.clone()
    }

    /// Loads the flare again and lets it serve new requests. Those that run end with the old one.
    ///
    /// # Errors
    ///
    /// When it cannot be loaded; the old one goes on.
    pub fn reload(&self, engine: &Engine, node: &Arc<Node>) -> Result<Arc<Flare>> {
        let flare = Arc::new(Flare::load(engine, node, &self.spec)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = flare.clone();
        Ok(flare)
    }
}

/// How much of a path a route covers: its length if the path is the route, or lies below it.
pub(crate) fn covers(route: &str, path: &str) -> Option<usize> {
    let prefix = route.trim_end_matches('/');
    let rest = path.strip_prefix(prefix)?;
    (rest.is_empty() || rest.starts_with('/')).then_some(prefix.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_cover_whole_segments() {
        assert_eq!(covers("/", "/"), Some(0));
        assert_eq!(covers("/", "/a/b"), Some(0));
        assert_eq!(covers("/api", "/api"), Some(4));
        assert_eq!(covers("/api", "/api/x"), Some(4));
        assert_eq!(covers("/api/", "/api/x"), Some(4));
        assert_eq!(covers("/api", "/apix"), None);
        assert_eq!(covers("/api", "/"), None);
        assert_eq!(covers("/", "*"), None);
    }
}
