//! How long a flare's invocations compute: what decides where the next one runs.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::host::clock::SHORT;

/// How much of the average each invocation is, as a power of two: an eighth.
const SHARE: u32 = 3;

/// The processor's time that invocations have used lately beyond what is short: an average that
/// forgets, in nanoseconds.
#[derive(Debug, Default)]
pub(crate) struct Effort(AtomicU64);

impl Effort {
    /// Takes note of what an invocation used.
    pub(crate) fn record(&self, used: Duration) {
        let nanos = u64::try_from(used.as_nanos()).unwrap_or(u64::MAX);
        let before = self.0.load(Ordering::Relaxed);
        if (before, nanos) == (0, 0) {
            return; // As nearly always.
        }
        // What others write meanwhile may be lost; it is an estimate all the same.
        let now = before - before.div_ceil(1 << SHARE) + (nanos >> SHARE);
        self.0.store(now, Ordering::Relaxed);
    }

    /// Takes note of an invocation that is not over, and not short: the next ones need not show it
    /// again.
    pub(crate) fn expect_long(&self) {
        let long = (SHORT.as_nanos() as u64) << 1;
        self.0.fetch_max(long, Ordering::Relaxed);
    }

    /// Whether invocations take long.
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
