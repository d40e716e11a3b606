//! How much of a request's head a connection may hold before the head is complete.
//!
//! A head is kept until it is complete or proves too large. Clients that begin large heads on thousands
//! of connections and never complete them must not fill the memory. A head that fits into a small
//! buffer is free, because there are no more such buffers than connections. A larger one is charged to
//! the node's budget, as bodies are, until its request is over (for a WebSocket, until the connection
//! is), because the flare can ask for its fields. When there is no room, the socket is not read from,
//! and eventually the client gets an error.

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
/// How much is read at once while a request is being handled: what follows its body may be the next
/// head, of which nothing has been counted yet.
const BEHIND: usize = 16 << 10;
/// How much of a head may be read in all, in bytes: there is room for a target and fields that are
/// both too large, so that the response can say which (414 or 431).
pub(super) const MAX_HEAD: usize = 160 << 10;

/// What a connection holds for heads.
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
    /// A head, of which this many bytes have arrived since the connection or the next request
    /// began.
    Head {
        read: usize,
        held: Option<Held>,
        began: Instant,
    },
    /// A body, while its request is being handled, and whatever follows it. The room for its head
    /// is held.
    Request { _head: Option<Held> },
    /// Another protocol, which does its own accounting.
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

    /// The room held for the head, reduced to the size of the head.
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

    /// Records that a head is complete, and its request is being handled.
    pub(super) fn request_began(&self) {
        let mut phase = lock(&self.phase);
        let _head = phase.take_head();
        *phase = Phase::Request { _head };
    }

    /// Records that the response has been sent: a head comes next.
    pub(super) fn request_ended(&self) {
        let mut phase = lock(&self.phase);
        if let Phase::Request { .. } = *phase {
            *phase = Phase::head();
        }
    }

    /// Since when the client has had time to send a head; `None` while none is expected.
    pub(super) fn head_began(&self) -> Option<Instant> {
        match *lock(&self.phase) {
            Phase::Head { began, .. } => Some(began),
            Phase::Request { .. } | Phase::Upgraded { .. } => None,
        }
    }

    /// Records that the connection ends because a head took too long.
    pub(super) fn set_late(&self) {
        self.late.store(true, Ordering::Relaxed);
    }

    /// Whether it did.
    pub(super) fn is_late(&self) -> bool {
        self.late.load(Ordering::Relaxed)
    }

    /// Records that the connection now speaks another protocol.
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
    /// When no room became free in time.
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

    /// Records that this much was read.
    pub(super) fn received(&self, bytes: usize) {
        if let Phase::Head { read, .. } = &mut *lock(&self.phase) {
            *read += bytes;
        }
    }
}
