//! A loaded flare: its program and its settings.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::capability::beam::{Beam, BeamConfig};
use crate::contract::Kind;
use crate::error::{Error, Result};
use crate::flare::prepared::Prepared;
use crate::host::Host;
use crate::host::effort::Effort;
use crate::host::env::FlareEnv;
use crate::host::request::RequestView;
use crate::http::origin::Origin;
use crate::node::Node;
use crate::stores::Stores;
use crate::wasm::program::Program;

pub mod build;
pub(crate) mod prepared;
pub(crate) mod slot;
pub(crate) mod source;
pub(crate) mod stats;

/// A loaded flare. It does not change: reloading makes a new one.
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
    /// Whether a second build of it runs, which has function names and line numbers.
    pub(crate) has_lines: bool,
}

impl Flare {
    /// Gives a flare to a node: stores its seed, and runs its start function once.
    ///
    /// # Errors
    ///
    /// When any of that fails.
    pub(crate) fn new(prepared: Prepared, node: &Arc<Node>) -> Result<Flare> {
        let config = &prepared.config;
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
        let Prepared {
            name,
            file,
            root,
            config,
            secrets,
            kind,
            origin,
            routes,
            program,
            has_lines,
        } = prepared;
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
            try_start(&program, &env).map_err(|error| error.within_file(file.as_deref()))?;
        }
        Ok(Flare {
            env,
            name: name.into(),
            kind,
            origin,
            routes,
            program,
            file,
            has_lines,
        })
    }
}

/// Runs a flare's start function once: if it fails, it would fail in every request.
fn try_start(program: &Arc<Program>, env: &Arc<FlareEnv>) -> Result<()> {
    let request = RequestView {
        method: http::Method::GET,
        scheme: http::uri::Scheme::HTTP,
        uri: http::Uri::from_static("/"),
        headers: http::HeaderMap::new(),
        body: None,
    };
    let host = Host::new(env.clone(), request);
    // A separate thread: a guest that takes long hands over the tasks of the thread it runs on.
    std::thread::scope(|scope| {
        let run = scope.spawn(|| program.instantiate(host).err().map(|failed| failed.1));
        match run.join() {
            Ok(None) => Ok(()),
            Ok(Some(failure)) => Err(Error::new(format!("its start function fails: {failure}"))),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}
