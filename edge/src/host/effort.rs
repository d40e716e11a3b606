//! How long a flare's invocations compute, which decides where the next one runs.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::host::clock::SHORT;

/// The weight of each invocation in the average, as a power of two: an eighth.
const SHARE: u32 = 3;

/// How much CPU time recent invocations used beyond what is short: a moving average, in
/// nanoseconds.
#[derive(Debug, Default)]
pub(crate) struct Effort(AtomicU64);

impl Effort {
    /// Records what an invocation used.
    pub(crate) fn record(&self, used: Duration) {
        let nanos = u64::try_from(used.as_nanos()).unwrap_or(u64::MAX);
        let before = self.0.load(Ordering::Relaxed);
        if (before, nanos) == (0, 0) {
            return; // As nearly always.
        }
        // Concurrent updates may be lost; it is only an estimate.
        let now = before - before.div_ceil(1 << SHARE) + (nanos >> SHARE);
        self.0.store(now, Ordering::Relaxed);
    }

    /// Records that an invocation, which has not ended yet, is slow, so that the next ones need not
    /// show it again.
    pub(crate) fn expect_long(&self) {
        let long = (SHORT.as_nanos() as u64) << 1;
        self.0.fetch_max(long, Ordering::Relaxed);
    }

    /// Whether invocations are slow.
    pub(crate) fn is_long(&self) -> bool {
        Duration::from_nanos(self.0.load(Ordering::Relaxed)) > SHORT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_took_long_once_is_forgotten() {
        let effort = Effort::default();
        effort.record(Duration::ZERO);
        assert!(!effort.is_long());
        effort.expect_long();
        assert!(effort.is_long());
        for _ in 0..10 {
            effort.record(Duration::from_millis(30));
        }
        assert!(effort.is_long());
        for _ in 0..30 {
            effort.record(Duration::ZERO);
        }
        assert!(!effort.is_long());
        for _ in 0..1000 {
            effort.record(Duration::ZERO);
        }
        assert_eq!(effort.0.into_inner(), 0);
    }
}
