mod disk;
mod peers;
mod session;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::capability::spark::*;

const SITE: &str = "example.test";

fn writable() -> SparkLimits {
    SparkLimits {
        writes_allowed: true,
        ..SparkLimits::default()
    }
}

fn session(store: &Arc<Spark>) -> SparkSession {
    SparkSession::new(Some(store.clone()), SITE, writable(), None)
}

fn in_memory() -> Arc<Spark> {
    Spark::open(SparkConfig::default()).unwrap()
}

/// A store whose clock stands still until it is moved.
fn with_clock(config: SparkConfig) -> (Arc<Spark>, Arc<AtomicU64>) {
    let now = Arc::new(AtomicU64::new(1_700_000_000_000));
    let clock = now.clone();
    let store =
        Spark::open_with_clock(config, Arc::new(move || clock.load(Ordering::SeqCst))).unwrap();
    (store, now)
}

fn code<T: fmt::Debug>(result: Result<T, SparkError>) -> i32 {
    let error = result.unwrap_err();
    assert!(!error.reason.is_empty());
    error.code()
}

fn list(s: &mut SparkSession) -> Vec<String> {
    serde_json::from_slice(&s.list().unwrap()).unwrap()
}
