//! Counts and times of a flare's invocations.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Each power of two is divided into this many parts, so a latency is known to 1/16 or better.
const PARTS: usize = 16;
/// Buckets for latencies up to 2^40 ns (18 minutes); longer ones go into the last.
const BUCKETS: usize = 41 * PARTS;

/// Counters since the flare's slot was created.
#[derive(Debug)]
pub(crate) struct Stats {
    requests: AtomicU64,
    errors: AtomicU64,
    sockets: AtomicU64,
    buckets: Box<[AtomicU64]>,
}

impl Default for Stats {
    fn default() -> Self {
        Stats {
            requests: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            sockets: AtomicU64::new(0),
            buckets: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(),
        }
    }
}

impl Stats {
    /// Counts an invocation.
    pub(crate) fn record(&self, duration: Duration, failed: bool) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        if failed {
            self.errors.fetch_add(1, Ordering::Relaxed);
        }
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.buckets[bucket(nanos)].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a WebSocket connection as open.
    pub(crate) fn socket_opened(&self) {
        self.sockets.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a WebSocket connection as closed.
    pub(crate) fn socket_closed(&self) {
        self.sockets.fetch_sub(1, Ordering::Relaxed);
    }

    /// The current counts.
    pub(crate) fn snapshot(&self) -> StatsSnapshot {
        let counts: Vec<u64> = self
            .buckets
            .iter()
            .map(|bucket| bucket.load(Ordering::Relaxed))
            .collect();
        let percentile = |share: f64| {
            let total: u64 = counts.iter().sum();
            let rank = ((total as f64 * share).ceil() as u64).max(1);
            let mut seen = 0;
            for (index, count) in counts.iter().enumerate() {
                seen += count;
                if seen >= rank {
                    return Duration::from_nanos(upper_edge(index));
                }
            }
            Duration::ZERO
        };
        StatsSnapshot {
            requests: self.requests.load(Ordering::Relaxed),
            errors: self.errors.load(Ordering::Relaxed),
            sockets: self.sockets.load(Ordering::Relaxed),
            p50: percentile(0.50),
            p90: percentile(0.90),
            p99: percentile(0.99),
        }
    }
}

/// A flare's counts at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatsSnapshot {
    /// Invocations so far: requests and WebSocket events.
    pub requests: u64,
    /// How many of them failed.
    pub errors: u64,
    /// WebSocket connections that are open now.
    pub sockets: u64,
    /// Half of them took no longer than this (to 1/16).
    pub p50: Duration,
    /// 90 % of them took no longer than this.
    pub p90: Duration,
    /// 99 % of them took no longer than this.
    pub p99: Duration,
}

fn bucket(nanos: u64) -> usize {
    let parts = PARTS as u64;
    if nanos < parts {
        return nanos as usize;
    }
    // The highest bit says which power of two, the four bits below it which part.
    let power = nanos.ilog2() - PARTS.ilog2();
    let part = (nanos >> power) - parts;
    ((power as usize + 1) * PARTS + part as usize).min(BUCKETS - 1)
}

fn upper_edge(bucket: usize) -> u64 {
    if bucket < PARTS {
        return bucket as u64;
    }
    let power = bucket / PARTS - 1;
    let part = (bucket % PARTS + PARTS) as u64;
    ((part + 1) << power) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_hold_what_their_edges_say() {
        let mut last = 0;
        for nanos in (0..100_000).chain([1 << 30, (1 << 40) - 1]) {
            let bucket = bucket(nanos);
            assert!(bucket >= last || nanos < 2);
            assert!(upper_edge(bucket) >= nanos);
            assert!(upper_edge(bucket) <= nanos + nanos / 16 + 1, "{nanos}");
            last = bucket;
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn percentiles_are_near_the_truth() {
        let stats = Stats::default();
        for micros in 1..=1000 {
            stats.record(Duration::from_micros(micros), micros % 10 == 0);
        }
        let snapshot = stats.snapshot();
        assert_eq!((snapshot.requests, snapshot.errors), (1000, 100));
        for (got, want) in [
            (snapshot.p50, 500),
            (snapshot.p90, 900),
            (snapshot.p99, 990),
        ] {
            let got = got.as_micros();
            assert!(got >= want && got <= want + want / 16 + 1, "{got} {want}");
        }
    }
}
