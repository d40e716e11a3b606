//! Nodes that reach each other in one direction only.
//!
//! A node that advertises an address at which nobody finds it, or that sits behind a firewall, hears of all that
//! the others write, and they of nothing that is written there. From inside either looks well, so both sides say it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::capability::health::Severity;
use crate::capability::plasma::members::Member;
use crate::capability::plasma::shared::Shared;
use crate::sync::lock;

/// Since when which node cannot be reached.
pub(super) struct Reach {
    failing: Mutex<HashMap<String, Instant>>,
    /// How long it may be so: a node that starts, ends or is busy is nobody's fault.
    patience: Duration,
}

/// The kind of problem that one node has with another.
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

    /// A node could not be reached at its address. If it is not there either, nothing is wrong.
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
                "`{name}` is there, but nobody answers at {address}, where it says that it is: what is written \
                 there does not arrive here; look at --advertise there, and at firewalls between the two"
            );
            shared.tell(Severity::Warning, &peer(name), what);
        }
    }

    /// A node has been followed since then. It should follow this one, too.
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
            "`{name}` is there, but does not follow this node at {own}: what is written here does not arrive there; \
             look at --advertise here, and at firewalls between the two"
        );
        shared.tell(severity, &peer(name), what);
    }
}
