//! How a listener tells its connections to end.

use tokio::sync::watch;

/// Waits until the server shuts down, or is dropped.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that the server was dropped.
    let _ = stop.wait_for(|stop| *stop).await;
}
