//! Nodes that reach each other in one direction only.
//!
//! A node that advertises an address at which nobody can reach it, or that is behind a firewall, receives everything
//! the others write, but they receive nothing that is written on it. From its own point of view each side looks
//! fine, so both report it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::capability::health::Severity;
use crate::capability::plasma::members::Member;
use crate::capability::plasma::shared::Shared;
use crate::sync::lock;

/// Which nodes cannot be reached, and since when.
pub(super) struct Reach {
    failing: Mutex<HashMap<String, Instant>>,
    /// How long that may last before it is reported: nodes that start, stop or are busy are normal.
    patience: Duration,
}

/// The kind under which a problem with another node is reported.
pub(super) fn peer(name: &str) -> String {
    format!("peer {name}")
}

impl Reach {
    pub(super) fn new(patience: Duration) -> Reach {
        Reach {
            failing: Mutex::default(),
            patience,
        }
    }

    /// A node could not be reached at its address. If it has not been heard from either, nothing is
    /// wrong.
    pub(super) fn failed(&self, shared: &Shared, name: &str, address: SocketAddr, alive: Duration) {
        let members = lock(&shared.members);
        let is_alive = members
            .get(name)
            .is_some_and(|member| member.is_alive(alive));
        drop(members);
        let mut failing = lock(&self.failing);
        if !is_alive {
            failing.remove(name);
            shared.problems.clear(&peer(name));
            return;
        }
        let since = failing.entry(name.to_owned()).or_insert_with(Instant::now);
        if since.elapsed() >= self.patience {
            let what = format!(
                "`{name}` is alive, but nothing answers at {address}, the address it advertises: what is written there \
                 does not arrive here; check its --advertise, and firewalls between the two nodes"
            );
            shared.tell(Severity::Warning, &peer(name), what);
        }
    }

    /// A node has been followed since then. It should be following this one, too.
    pub(super) fn followed(&self, shared: &Shared, name: &str, since: Instant, own: SocketAddr) {
        lock(&self.failing).remove(name);
        let members = lock(&shared.members);
        let follows = |member: &Member| member.follows(self.patience);
        let is_followed = members.get(name).is_some_and(follows);
        let by_anybody = members.iter().any(|(_, member)| follows(member));
        drop(members);
        if is_followed || since.elapsed() < self.patience {
            shared.problems.clear(&peer(name));
            return;
        }
        let severity = match by_anybody {
            true => Severity::Warning,
            false => Severity::Failure,
        };
        let what = format!(
            "`{name}` is alive, but does not follow this node at {own}: what is written here does not arrive there; \
             check this node's --advertise, and firewalls between the two nodes"
        );
        shared.tell(severity, &peer(name), what);
    }
}
