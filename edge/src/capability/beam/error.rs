//! Why a fetch is refused or fails, and what is wrong with a configuration.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use crate::http::budget::OverBudget;

/// What is wrong with a [`BeamConfig`](crate::capability::beam::BeamConfig).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BeamConfigError(pub(super) String);

impl fmt::Display for BeamConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "beam: {}", self.0)
    }
}

impl std::error::Error for BeamConfigError {}

/// The kind of address that is this edge's own.
pub(super) const ITSELF: &str = "this edge itself";

/// Why there is no response. For the log; the guest sees `0`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BeamRefusal {
    /// The invocation has used up its fetches.
    Limit(u32),
    /// Not an `http` or `https` URL.
    Url(String),
    /// The options are not the JSON object that the ABI specifies, or contain something that HTTP
    /// forbids.
    Options(String),
    /// The address is not one that flares may reach.
    Forbidden {
        /// The host as the URL has it.
        host: String,
        /// The address it leads to.
        address: SocketAddr,
        /// The kind of address that is.
        kind: &'static str,
    },
    /// The name has no address.
    Unresolved {
        /// The host as the URL has it.
        host: String,
        /// What the resolver said.
        what: String,
    },
    /// It took too long.
    Timeout(Duration),
    /// The node already holds as much data as it may, and there was no room for the response in
    /// time.
    NoRoom,
    /// The body is longer than the limit, in bytes.
    TooLarge(usize),
    /// More redirects than the limit.
    Redirects(u32),
    /// A failure of the connection, TLS or the protocol.
    Transport {
        /// The host as the URL has it.
        host: String,
        /// What happened.
        what: String,
    },
}

impl fmt::Display for BeamRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "beam: ")?;
        match self {
            Self::Limit(limit) => write!(
                f,
                "this invocation has used all of its {limit} fetches; raise `max_fetch_requests` in \
                 flare.toml or fetch less"
            ),
            Self::Url(what) => write!(f, "cannot fetch this URL: {what}"),
            Self::Options(what) => write!(f, "bad options: {what}"),
            Self::Forbidden {
                host,
                address,
                kind,
            } if *kind == ITSELF => write!(
                f,
                "`{host}` leads to {address}, where this edge itself listens; a flare that fetches \
                 from it could call itself without end. To try it out, run the other flare on an edge \
                 of its own"
            ),
            Self::Forbidden {
                host,
                address,
                kind,
            } => write!(
                f,
                "`{host}` leads to {address}, which is {kind}; flares may not reach that. To try it \
                 out, map the host under [beam.hosts], or set `allow_private` for private networks"
            ),
            Self::Unresolved { host, what } => write!(
                f,
                "`{host}` has no address ({what}); offline, map it under [beam.hosts]"
            ),
            Self::Timeout(limit) => {
                write!(f, "no complete response within {} ms", limit.as_millis())
            }
            Self::NoRoom => write!(
                f,
                "there was no room for the response (the node's --memory is in use)"
            ),
            Self::TooLarge(limit) => write!(f, "the response's body is longer than {limit} bytes"),
            Self::Redirects(limit) => write!(f, "more than {limit} redirects"),
            Self::Transport { host, what } => write!(f, "`{host}`: {what}"),
        }
    }
}

impl std::error::Error for BeamRefusal {}

impl From<OverBudget> for BeamRefusal {
    fn from(_: OverBudget) -> BeamRefusal {
        BeamRefusal::NoRoom
    }
}
