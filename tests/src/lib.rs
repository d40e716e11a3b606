//! Helpers shared by the tests in this package, which need the whole: flares built to Wasm, run on
//! the local edge.

#[cfg(unix)]
pub mod action;
pub mod cargo;
pub mod gallery;
pub mod http;
pub mod nine;
pub mod node;
pub mod process;
pub mod trace;

use std::time::{Duration, Instant};

/// Asks again and again until there is an answer.
///
/// # Panics
///
/// If there is none for 30 seconds, saying what was waited for.
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
