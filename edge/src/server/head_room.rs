//! How much of a request's head a connection may hold before the head is complete.
//!
//! A head is kept until it ends or proves too large, and clients that begin large ones on thousands
//! of connections and never end them must not fill the memory. What fits into a small buffer is
//! free, since there are no more of those than connections; a head that goes on comes out of the
//! node's budget, as bodies do, until its request is over (a WebSocket's until the connection is): the
//! flare can ask for its fields. Where there is no room the socket is not read from, and in the end the
//! client is told.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use tokio::time::Instant;

use crate::http::budget::{Budget, Held, OverBudget};
use crate::sync::lock;

/// How much of a head is free, in bytes. Nearly all heads are smaller.
const FREE: usize = 8 << 10;
/// How much is read at once while a request is under way: what comes behind its body may be the
/// next head, of which nothing is counted yet.
const BEHIND: usize = 16 << 10;
/// How much of a head may be read in all, in bytes: room for a target and fields that are both too
/// large, so that the answer can say which (414 or 431).
pub(super) const MAX_HEAD: usize = 160 << 10;

/// What a connection holds of heads.
#[derive(Debug)]
pub(super) struct HeadRoom {
    budget: Arc<Budget>,
    phase: Mutex<Phase>,
    refused: AtomicBool,
    late: AtomicBool,
}

/// What the client is sending.
#[derive(Debug)]
enum Phase {
    /// A head, of which so many bytes have come, since the connection or the next request began.
    Head {
        read: usize,
        held: Option<Held>,
        began: Instant,
    },
    /// A body, while its request is under way, and whatever follows it. What its head took is held.
    Request { _head: Option<Held> },
    /// Another protocol, which counts for itself.
    Upgraded { _head: Option<Held> },
}

impl Phase {
    fn head() -> Phase {
        Phase::Head {
            read: 0,
            held: None,
            began: Instant::now(),
        }
    }

    /// What is held of the head, and no more of it than the head takes.
    fn take_head(&mut self) -> Option<Held> {
        match self {
            Phase::Head { read, held, .. } => {
                let mut held = held.take()?;
                held.shrink(*read);
                Some(held)
            }
            Phase::Request { _head: held } | Phase::Upgraded { _head: held } => held.take(),
        }
    }
}

/// Waits for room.
pub(super) type Waiting = Pin<Box<dyn Future<Output = Result<Held, OverBudget>> + Send>>;

impl HeadRoom {
    pub(super) fn new(budget: Arc<Budget>) -> Self {
        HeadRoom {
            budget,
            phase: Mutex::new(Phase::head()),
            refused: AtomicBool::new(false),
            late: AtomicBool::new(false),
        }
    }

    /// A head is complete: its request is under way.
    pub(super) fn request_began(&self) {
        let mut phase = lock(&self.phase);
        let _head = phase.take_head();
        *phase = Phase::Request { _head };
    }

    /// The answer is on its way: what comes next is a head.
    pub(super) fn request_ended(&self) {
        let mut phase = lock(&self.phase);
        if let Phase::Request { .. } = *phase {
            *phase = Phase::head();
        }
    }

    /// Since when the client has had the time to send a head; `None` while it need not send one.
    pub(super) fn head_began(&self) -> Option<Instant> {
        match *lock(&self.phase) {
            Phase::Head { began, .. } => Some(began),
            Phase::Request { .. } | Phase::Upgraded { .. } => None,
        }
    }

    /// The connection ends because a head took too long.
    pub(super) fn set_late(&self) {
        self.late.store(true, Ordering::Relaxed);
    }

    /// Whether it did.
    pub(super) fn is_late(&self) -> bool {
        self.late.load(Ordering::Relaxed)
    }

    /// The connection speaks another protocol now.
    pub(super) fn set_upgraded(&self) {
        let mut phase = lock(&self.phase);
        let _head = phase.take_head();
        *phase = Phase::Upgraded { _head };
    }

    /// Whether it does.
    pub(super) fn is_upgraded(&self) -> bool {
        matches!(*lock(&self.phase), Phase::Upgraded { .. })
    }

    /// Whether the connection ended because there was no room for its head.
    pub(super) fn is_refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }

    /// How much may be read now; pending while there is no room for more.
    ///
    /// # Errors
    ///
    /// When there was none for too long.
    pub(super) fn poll_room(
        &self,
        waiting: &mut Option<Waiting>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        match &*lock(&self.phase) {
            Phase::Upgraded { .. } | Phase::Head { held: Some(_), .. } => {
                return Poll::Ready(Ok(usize::MAX));
            }
            Phase::Request { .. } => return Poll::Ready(Ok(BEHIND)),
            Phase::Head { read, .. } if *read < FREE => return Poll::Ready(Ok(FREE - read)),
            Phase::Head { .. } => {}
        }
        let budget = &self.budget;
        let future = waiting.get_or_insert_with(|| {
            let budget = budget.clone();
            Box::pin(async move { budget.hold(MAX_HEAD).await })
        });
        let result = ready!(future.as_mut().poll(cx));
        *waiting = None;
        match result {
            Ok(room) => {
                if let Phase::Head { held, .. } = &mut *lock(&self.phase) {
                    *held = Some(room);
                }
                Poll::Ready(Ok(BEHIND))
            }
            Err(OverBudget) => {
                self.refused.store(true, Ordering::Relaxed);
                Poll::Ready(Err(io::Error::other("there is no room for the head")))
            }
        }
    }

    /// So much was read.
    pub(super) fn received(&self, bytes: usize) {
        if let Phase::Head { read, .. } = &mut *lock(&self.phase) {
            *read += bytes;
        }
    }
}
