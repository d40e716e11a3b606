//! One node following another: which question comes next. No network here; the simulation and
//! [`gossip`](crate::capability::plasma::gossip) both drive it.

use crate::capability::plasma::crdt::Id;
use crate::capability::plasma::protocol::{Cursor, Entry, Request, Response};
use crate::capability::plasma::state::State;

/// After so many answers without news, but with a digest that is not ours, the two are compared.
const PATIENCE: u32 = 3;

enum Phase {
    /// Ask for the digests.
    Compare,
    /// Ask for the parts that differ; follow from there.
    Fetch {
        cursor: Cursor,
        buckets: Vec<u8>,
        after: Option<Id>,
    },
    /// Ask for changes.
    Follow(Cursor),
}

/// How far this node has followed another.
pub(super) struct Puller {
    phase: Phase,
    differed: u32,
}

impl Puller {
    /// Nothing is known of the other yet.
    pub(super) fn new() -> Self {
        Self {
            phase: Phase::Compare,
            differed: 0,
        }
    }

    /// What to ask now.
    pub(super) fn request(&self) -> Request {
        match &self.phase {
            Phase::Compare => Request::Digests,
            Phase::Fetch { buckets, after, .. } => Request::Entries {
                buckets: buckets.clone(),
                after: after.clone(),
            },
            Phase::Follow(since) => Request::Changes { since: *since },
        }
    }

    /// Whether all that the other had when it was asked has been stored here.
    pub(super) fn is_following(&self) -> bool {
        matches!(self.phase, Phase::Follow(_))
    }

    /// Goes on after an answer of which so many entries *have been stored*; before that it must not be called,
    /// since the next question says that they were.
    pub(super) fn advance(&mut self, response: &Response, stored: usize, own: &State) {
        match (&mut self.phase, response) {
            (
                Phase::Compare,
                Response::Digests {
                    cursor, digests, ..
                },
            ) => {
                let differing = digests.iter().zip(own.digests()).zip(0..=u8::MAX);
                let buckets: Vec<u8> = differing
                    .filter(|((theirs, ours), _)| theirs != ours)
                    .map(|(_, bucket)| bucket)
                    .collect();
                self.phase = match buckets.is_empty() {
                    true => Phase::Follow(*cursor),
                    false => Phase::Fetch {
                        cursor: *cursor,
                        buckets,
                        after: None,
                    },
                };
            }
            (Phase::Fetch { cursor, after, .. }, Response::Entries { last, .. }) => match last {
                Some(last) => *after = Some(last.clone()),
                None => self.phase = Phase::Follow(*cursor),
            },
            (
                Phase::Follow(since),
                Response::Changes {
                    cursor, more, root, ..
                },
            ) => {
                *since = *cursor;
                let differs = stored == 0 && !more && *root != own.root();
                self.differed = if differs { self.differed + 1 } else { 0 };
                if self.differed >= PATIENCE {
                    self.differed = 0;
                    self.phase = Phase::Compare;
                }
            }
            // Another life, or an answer to another question: start over.
            _ => self.phase = Phase::Compare,
        }
    }

    /// A time that this node's clock has to have seen before it goes on.
    pub(super) fn time(response: &Response) -> u64 {
        match response {
            Response::Digests { time, .. } => *time,
            _ => 0,
        }
    }

    /// The entries of an answer.
    pub(super) fn entries(response: &mut Response) -> Vec<Entry> {
        match response {
            Response::Changes { entries, .. } | Response::Entries { entries, .. } => {
                std::mem::take(entries)
            }
            Response::OtherFeed | Response::Digests { .. } => Vec::new(),
        }
    }
}
