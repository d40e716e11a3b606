//! The problems of a node, for the status page and for load balancers.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::sync::lock;

/// How long a one-time event stays listed.
const TOLD_FOR: Duration = Duration::from_secs(600);

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It happened, and the node continues.
    Notice,
    /// It persists and needs attention; the node works.
    Warning,
    /// The node cannot do its job: writes do not reach the disk, or nobody can reach it.
    Failure,
}

/// A problem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// What it is, and what to do.
    pub what: String,
    /// How long it has lasted, in seconds.
    pub since_secs: u64,
}

/// The current problems, by kind.
#[derive(Debug, Default)]
pub(crate) struct Problems(Mutex<BTreeMap<String, Known>>);

#[derive(Debug)]
struct Known {
    severity: Severity,
    what: String,
    since: Instant,
    last: Instant,
}

impl Problems {
    /// Records a problem. Returns whether it is new.
    pub(crate) fn set(&self, severity: Severity, kind: &str, what: String) -> bool {
        let now = Instant::now();
        let mut problems = lock(&self.0);
        if let Some(known) = problems.get_mut(kind) {
            known.severity = severity;
            known.last = now;
            let is_news = known.what != what;
            known.what = what;
            return is_news;
        }
        let known = Known {
            severity,
            what,
            since: now,
            last: now,
        };
        problems.insert(kind.to_owned(), known);
        true
    }

    /// Records a problem, and logs it if it is new.
    pub(crate) fn tell(&self, of: &str, severity: Severity, kind: &str, what: String) {
        let line = format!("{of}: {what}");
        if !self.set(severity, kind, what) {
            return;
        }
        match severity {
            Severity::Notice | Severity::Warning => tracing::warn!("{line}"),
            Severity::Failure => tracing::error!("{line}"),
        }
    }

    /// Records that the problem is over.
    pub(crate) fn clear(&self, kind: &str) {
        lock(&self.0).remove(kind);
    }

    /// The current problems, the worst first.
    pub(crate) fn list(&self) -> Vec<Problem> {
        let mut problems = lock(&self.0);
        problems.retain(|_, known| {
            known.severity != Severity::Notice || known.last.elapsed() < TOLD_FOR
        });
        let mut list: Vec<Problem> = problems
            .values()
            .map(|known| Problem {
                severity: known.severity,
                what: known.what.clone(),
                since_secs: known.since.elapsed().as_secs(),
            })
            .collect();
        list.sort_by_key(|problem| std::cmp::Reverse(problem.severity));
        list
    }
}
