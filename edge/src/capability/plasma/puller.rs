//! One node following another: which request comes next. There is no network code here; the
//! simulation and [`gossip`](crate::capability::plasma::gossip) both drive it.

use crate::capability::plasma::crdt::Id;
use crate::capability::plasma::protocol::{Cursor, Entry, Request, Response};
use crate::capability::plasma::state::State;

/// After this many answers without changes, but with a digest that differs from ours, the two
/// compare.
const PATIENCE: u32 = 3;

enum Phase {
    /// Request the digests.
    Compare,
    /// Request the parts that differ, then follow from `cursor`.
    Fetch {
        cursor: Cursor,
        buckets: Vec<u8>,
        after: Option<Id>,
    },
    /// Request changes.
    Follow(Cursor),
}

/// How far this node has followed another.
pub(super) struct Puller {
    phase: Phase,
    differed: u32,
}

impl Puller {
    /// Nothing is known about the other node yet.
    pub(super) fn new() -> Self {
        Self {
            phase: Phase::Compare,
            differed: 0,
        }
    }

    /// The next request.
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

    /// Whether everything the other node had when it was asked has been stored here.
    pub(super) fn is_following(&self) -> bool {
        matches!(self.phase, Phase::Follow(_))
    }

    /// Goes on to the next request after an answer of which this many entries *have been stored*. Do not call
    /// it before that, because the next request says that they were.
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
            // Another life, or an answer to another request: start over.
            _ => self.phase = Phase::Compare,
        }
    }

    /// A time that this node's clock must have seen before it continues.
    pub(super) fn time(response: &Response) -> u64 {
        match response {
            Response::Digests { time, .. } => *time,
            _ => 0,
        }
    }

    /// The entries in an answer.
    pub(super) fn entries(response: &mut Response) -> Vec<Entry> {
        match response {
            Response::Changes { entries, .. } | Response::Entries { entries, .. } => {
                std::mem::take(entries)
            }
            Response::OtherFeed | Response::Digests { .. } => Vec::new(),
        }
    }
}
