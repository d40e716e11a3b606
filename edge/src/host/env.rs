//! What a flare may use: its settings, its secrets, and its part of the node.

use std::path::PathBuf;
use std::sync::Arc;

use crate::capability::beam::Beam;
use crate::capability::secrets::SecretView;
use crate::config::FlareConfig;
use crate::host::effort::Effort;
use crate::node::Node;

/// What all instances of one flare share. It does not change: a reload creates a new one.
pub(crate) struct FlareEnv {
    pub(crate) config: FlareConfig,
    /// Its folder, if it is a crate, which contains its source files.
    pub(crate) root: Option<PathBuf>,
    /// The site whose keys it sees.
    pub(crate) site: Arc<str>,
    /// How long it usually computes.
    pub(crate) effort: Effort,
    /// Its fetches.
    pub(crate) beam: Arc<Beam>,
    /// The secrets it may use.
    pub(crate) secrets: SecretView,
    /// What all flares of the node share.
    pub(crate) node: Arc<Node>,
}
