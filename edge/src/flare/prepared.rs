//! A flare that has no node yet: found, built, configured, compiled and checked. Everything that can be wrong
//! with a flare's files is found here, so that a node that cannot start leaves nothing on the disk.

use std::path::PathBuf;
use std::sync::Arc;

use crate::capability::secrets::SecretView;
use crate::config::FlareConfig;
use crate::contract::Kind;
use crate::error::{Error, Result};
use crate::flare::source::{Located, Spec};
use crate::http::origin::Origin;
use crate::wasm::engine::Engine;
use crate::wasm::info::FlareInfo;
use crate::wasm::program::Program;

/// A flare that only needs a node to run in.
pub(crate) struct Prepared {
    /// The name in messages.
    pub(crate) name: String,
    /// The `.wasm` it was read from.
    pub(crate) file: Option<PathBuf>,
    /// The crate's folder, if it is one.
    pub(crate) root: Option<PathBuf>,
    pub(crate) config: FlareConfig,
    pub(crate) secrets: SecretView,
    /// What it serves.
    pub(crate) kind: Kind,
    pub(crate) origin: Option<Origin>,
    pub(crate) routes: Vec<String>,
    pub(crate) program: Program,
    /// Whether `program` is a different build from `file`, with names and lines.
    pub(crate) has_lines: bool,
}

impl Prepared {
    /// Reads a flare's settings and secrets, builds its crate if it is one, compiles and checks it.
    ///
    /// # Errors
    ///
    /// When any of that fails.
    pub(crate) fn new(engine: &Engine, spec: &Spec) -> Result<Prepared> {
        // A mistake in a file is reported before cargo builds for seconds.
        spec.check_exists()?;
        let config = spec.config()?;
        let allowed = config.allowed_secrets.iter().cloned();
        let secrets = SecretView::new(Arc::new(spec.secrets()?), allowed);
        let origin = spec.origin.as_ref().or(config.origin.as_ref());
        let origin = origin.map(|origin| Origin::parse(origin)).transpose()?;
        let Located {
            name,
            file,
            wasm,
            with_lines,
            root,
        } = spec.locate()?;
        let within = |error: Error| error.within_file(file.as_deref());
        let mut program = engine
            .compile(with_lines.as_ref().unwrap_or(&wasm))
            .map_err(within)?;
        if with_lines.is_some() {
            // What is shown about a flare is what will be deployed.
            program.info = engine.inspect(&wasm).map_err(within)?;
        }
        if program.info.lacks_stack {
            tracing::warn!(
                "{name} uses a stack and is linked without one (-zstack-size=16): it will trap. Link it with \
                 \"-Clink-arg=-zstack-size=4096\" in .cargo/config.toml"
            );
        }
        let kind = kind(&program.info, config.kind).map_err(within)?;
        let limit = config.limits.max_memory_bytes();
        if program.info.memory > limit {
            return Err(within(Error::new(format!(
                "the flare starts with {} bytes of memory, more than the {limit} it may have \
                 (limits.max_memory_mib in flare.toml)",
                program.info.memory
            ))));
        }
        let mut routes = spec.routes.clone();
        if routes.is_empty() {
            routes.clone_from(&config.routes);
        }
        if routes.is_empty() {
            routes.push("/".to_owned());
        }
        Ok(Prepared {
            name: config.name.clone().unwrap_or(name),
            file,
            root,
            config,
            secrets,
            kind,
            origin,
            routes,
            program,
            has_lines: with_lines.is_some(),
        })
    }
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
