//! What all requests to a node share.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::Result;
use crate::flare::slot::Slot;
use crate::http::proxy::OriginClient;
use crate::journal::Journal;
use crate::node::Node;
use crate::recording::Recorder;
use crate::telemetry::Telemetry;
use crate::wasm::engine::Engine;

/// A node's engine, its flares, and what they share.
pub(crate) struct State {
    pub(crate) engine: Engine,
    pub(crate) slots: Vec<Arc<Slot>>,
    pub(crate) node: Arc<Node>,
    pub(crate) journal: Journal,
    /// The connection to a collector.
    pub(crate) telemetry: Telemetry,
    /// Records requests, if they are recorded.
    pub(crate) recorder: Option<Recorder>,
    pub(crate) origin: OriginClient,
    /// The flare's name in entries of requests that no flare served.
    pub(crate) no_flare: Arc<str>,
    pub(crate) status_page: bool,
    pub(crate) started: Instant,
}

/// The outcome of reloading a flare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reload {
    /// The flare's name.
    pub flare: String,
    /// How long it took, including the build.
    pub duration: Duration,
    /// The new `.wasm`'s size in bytes, or why the old one stays.
    pub outcome: Result<usize>,
}

impl State {
    /// Reloads the flare in a slot. This blocks.
    pub(crate) fn reload(&self, slot: &Slot) -> Reload {
        let started = Instant::now();
        let outcome = slot.reload(&self.engine, &self.node);
        Reload {
            flare: slot.current().name.to_string(),
            duration: started.elapsed(),
            outcome: outcome.map(|flare| flare.program.info.size),
        }
    }
}
