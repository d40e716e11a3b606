//! Helpers for the tests of this package, which are end to end: flares built to Wasm and run on the local
//! edge.

#[cfg(unix)]
pub mod action;
pub mod cargo;
pub mod gallery;
pub mod http;
pub mod nine;
pub mod node;
pub mod process;
pub mod random;
pub mod trace;

use std::time::{Duration, Instant};

/// Polls until there is a result.
///
/// # Panics
///
/// If there is none within 30 seconds; the message says what was waited for.
pub async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "in 30 s there was no {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
