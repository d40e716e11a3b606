//! What all requests to a node share.

use std::sync::Arc;
use std::time::Instant;

use crate::flare::slot::Slot;
use crate::http::proxy::OriginClient;
use crate::journal::Journal;
use crate::node::Node;
use crate::recording::Recorder;
use crate::wasm::engine::Engine;

/// A node's engine, its flares, and what they share.
pub(crate) struct State {
    pub(crate) engine: Engine,
    pub(crate) slots: Vec<Arc<Slot>>,
    pub(crate) node: Arc<Node>,
    pub(crate) journal: Journal,
    /// Where requests are kept, if they are.
    pub(crate) recorder: Option<Recorder>,
    pub(crate) origin: OriginClient,
    /// The flare's name in entries of requests that no flare served.
    pub(crate) no_flare: Arc<str>,
    pub(crate) status_page: bool,
    pub(crate) started: Instant,
}
