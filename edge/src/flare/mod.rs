//! A flare as the node runs it: its program, its settings, and how it is loaded.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::capability::beam::{Beam, BeamConfig};
use crate::capability::secrets::SecretView;
use crate::contract::Kind;
use crate::error::{Error, Result};
use crate::flare::source::{Located, Spec};
use crate::host::Host;
use crate::host::effort::Effort;
use crate::host::env::FlareEnv;
use crate::host::request::RequestView;
use crate::http::origin::Origin;
use crate::node::Node;
use crate::stores::Stores;
use crate::wasm::engine::Engine;
use crate::wasm::info::FlareInfo;
use crate::wasm::program::Program;

pub mod build;
pub(crate) mod slot;
pub(crate) mod source;
pub(crate) mod stats;

/// A loaded flare. It does not change: a reload makes another.
pub(crate) struct Flare {
    /// The name in messages.
    pub(crate) name: Arc<str>,
    /// What its instances may use.
    pub(crate) env: Arc<FlareEnv>,
    /// What it serves.
    pub(crate) kind: Kind,
    pub(crate) origin: Option<Origin>,
    pub(crate) routes: Vec<String>,
    pub(crate) program: Arc<Program>,
    /// The `.wasm` it was read from.
    pub(crate) file: Option<PathBuf>,
    /// Whether another build of it runs, which has names and lines.
    pub(crate) has_lines: bool,
}

impl Flare {
    /// Loads a flare: builds its crate if it is one, reads its settings, compiles and checks it.
    ///
    /// # Errors
    ///
    /// When any of that fails; the message starts with the flare's path.
    pub(crate) fn load(engine: &Engine, node: &Arc<Node>, spec: &Spec) -> Result<Flare> {
        let Located {
            name,
            file,
            wasm,
            with_lines,
            root,
        } = spec.locate()?;
        let config = spec.config()?;
        let name = config.name.clone().unwrap_or(name);
        let within = |error: Error| match &file {
            Some(file) => error.within(file.display()),
            None => error,
        };
        let mut program = engine
            .compile(with_lines.as_ref().unwrap_or(&wasm))
            .map_err(within)?;
        if with_lines.is_some() {
            // What is said of the flare is what is deployed.
            program.info = engine.inspect(&wasm).map_err(within)?;
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
        let beam = Beam::within(
            node.budget.clone(),
            BeamConfig {
                timeout: Duration::from_millis(config.limits.fetch_timeout_ms),
                connect_timeout: Duration::from_millis(config.limits.fetch_timeout_ms),
                max_response_bytes: config.limits.max_fetch_bytes,
                allow_private: config.beam.allow_private,
                hosts: config.beam.hosts.clone(),
                ..BeamConfig::default()
            },
            node.network.handle(),
        )
        .map_err(|error| Error::new(error.to_string()))?;
        for address in node.own_addresses() {
            beam.add_own_address(address);
        }
        let env = Arc::new(FlareEnv {
            site: config.site.as_deref().unwrap_or(&name).into(),
            secrets,
            effort: Effort::default(),
            beam,
            node: node.clone(),
            config,
            root,
        });
        if let Some(seed) = &env.config.seed {
            Stores::of(&node.spark, &node.plasma).seed(seed, &env.site)?;
        }
        let program = Arc::new(program);
        if program.info.start {
            try_start(&program, &env).map_err(within)?;
        }
        Ok(Flare {
            env,
            name: name.into(),
            kind,
            origin,
            routes,
            program,
            file,
            has_lines: with_lines.is_some(),
        })
    }
}

/// Runs a flare's start function once: one that fails would fail each request.
fn try_start(program: &Arc<Program>, env: &Arc<FlareEnv>) -> Result<()> {
    let request = RequestView {
        method: http::Method::GET,
        scheme: http::uri::Scheme::HTTP,
        uri: http::Uri::from_static("/"),
        headers: http::HeaderMap::new(),
        body: None,
    };
    let host = Host::new(env.clone(), request);
    // A thread that belongs to nobody: a guest that takes long hands the tasks of its own over.
    std::thread::scope(|scope| {
        let run = scope.spawn(|| program.instantiate(host).err().map(|failed| failed.1));
        match run.join() {
            Ok(None) => Ok(()),
            Ok(Some(failure)) => Err(Error::new(format!("its start function fails: {failure}"))),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
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
