//! A flare's slot in the node, in which it can be replaced.

use std::sync::{Arc, RwLock};

use crate::error::Result;
use crate::flare::Flare;
use crate::flare::prepared::Prepared;
use crate::flare::source::Spec;
use crate::flare::stats::Stats;
use crate::node::Node;
use crate::sync::{read, write};
use crate::wasm::engine::Engine;

/// A flare's slot in the node: the current flare, and statistics of everything that ran in the slot.
pub(crate) struct Slot {
    pub(crate) spec: Spec,
    current: RwLock<Arc<Flare>>,
    pub(crate) stats: Stats,
}

impl Slot {
    pub(crate) fn new(spec: Spec, flare: Flare) -> Slot {
        Slot {
            spec,
            current: RwLock::new(Arc::new(flare)),
            stats: Stats::default(),
        }
    }

    /// The flare that serves new requests.
    pub(crate) fn current(&self) -> Arc<Flare> {
        read(&self.current).clone()
    }

    /// Reloads the flare and lets it serve new requests. Running requests finish with the old one.
    ///
    /// # Errors
    ///
    /// When it cannot be loaded; the old one stays.
    pub(crate) fn reload(&self, engine: &Engine, node: &Arc<Node>) -> Result<Arc<Flare>> {
        let flare = Arc::new(Flare::new(Prepared::new(engine, &self.spec)?, node)?);
        *write(&self.current) = flare.clone();
        Ok(flare)
    }
}
