//! The parts of a body that is passed on, counted until they are sent.
//!
//! Code that passes a stream on keeps its parts until the other side takes them: up to some hundred
//! kilobytes per connection, and there are as many connections as clients. So each part is charged to the
//! node's budget until it is gone, and if there is no room, the stream waits. Room does become free:
//! connections that keep parts either send them, or are cut off for not being read from.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::Frame;

use crate::http::budget::{Budget, Held};

/// Parts of up to this size are not counted: they are no larger than what the connection takes
/// anyway.
const UNCOUNTED: usize = 1 << 10;

/// Counts the parts of one body.
pub(crate) struct Meter {
    budget: Arc<Budget>,
    waiting: Option<Waiting>,
}

/// A part for which there is no room yet.
struct Waiting {
    part: Bytes,
    room: Pin<Box<dyn Future<Output = Held> + Send>>,
}

impl Meter {
    pub(crate) fn new(budget: Arc<Budget>) -> Self {
        Meter {
            budget,
            waiting: None,
        }
    }

    /// How many bytes are waiting for room.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting
            .as_ref()
            .map_or(0, |waiting| waiting.part.len())
    }

    /// The next part: the one that is waiting, or what `next` returns.
    pub(crate) fn poll_frame<E>(
        &mut self,
        cx: &mut Context<'_>,
        next: impl FnOnce(&mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, E>>>,
    ) -> Poll<Option<Result<Frame<Bytes>, E>>> {
        if self.waiting.is_none() {
            let frame = match ready!(next(cx)) {
                Some(Ok(frame)) => frame,
                other => return Poll::Ready(other),
            };
            let part = match frame.into_data() {
                Ok(part) if part.len() > UNCOUNTED => part,
                Ok(part) => return Poll::Ready(Some(Ok(Frame::data(part)))),
                Err(other) => return Poll::Ready(Some(Ok(other))),
            };
            if let Some(held) = self.budget.try_hold_part(part.len()) {
                return Poll::Ready(Some(Ok(Frame::data(held.keep(part)))));
            }
            let (budget, size) = (self.budget.clone(), part.len());
            let room = Box::pin(async move { budget.hold_part(size).await });
            self.waiting = Some(Waiting { part, room });
        }
        let Some(waiting) = &mut self.waiting else {
            return Poll::Ready(None);
        };
        let held = ready!(waiting.room.as_mut().poll(cx));
        let part = std::mem::take(&mut waiting.part);
        self.waiting = None;
        Poll::Ready(Some(Ok(Frame::data(held.keep(part)))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_part_waits_until_another_is_gone() {
        let budget = Budget::new(100 << 10);
        let mut meter = Meter::new(budget);
        let mut parts = vec![vec![3; 60 << 10], vec![2; 60 << 10], vec![1; 100]];
        let mut next = async || {
            std::future::poll_fn(|cx| {
                meter.poll_frame(cx, |_| {
                    let part = parts
                        .pop()
                        .map(|part| Ok::<_, ()>(Frame::data(part.into())));
                    Poll::Ready(part)
                })
            })
            .await
        };
        let data = |frame: Option<Result<Frame<Bytes>, ()>>| frame.unwrap().unwrap().into_data();
        let small = data(next().await).unwrap();
        let first = data(next().await).unwrap();
        assert_eq!((small.len(), first.len()), (100, 60 << 10));
        let waits = tokio::time::timeout(std::time::Duration::from_millis(20), next()).await;
        assert!(waits.is_err(), "there is no room for two");
        drop(first);
        // Nothing is lost when the wait is cancelled.
        let second = data(next().await).unwrap();
        assert_eq!(second, vec![3; 60 << 10]);
        assert!(next().await.is_none());
    }
}
