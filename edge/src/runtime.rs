//! Where things run: guests on the server's threads, the node's own network on a thread of its own.

use tokio::runtime::{Handle, Runtime, RuntimeFlavor};

use crate::error::{Error, Result};

/// Runs what may take long, on this thread if that can hand its other tasks to another
/// (`tokio::task::block_in_place`), and on one for blocking work if not.
pub(crate) async fn run_blocking<R: Send + 'static>(
    work: impl FnOnce() -> R + Send + 'static,
) -> R {
    if Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread {
        return work();
    }
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// The node's own thread for what it does on the network by itself: fetches, pulls, gossip. So
/// they work whatever runtime the caller of a request has, and guests can wait for them.
pub(crate) struct Network {
    runtime: Option<Runtime>,
    handle: Handle,
}

impl Network {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// When the system has no thread left.
    pub(crate) fn start() -> Result<Network> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("flaron-network")
            .enable_all()
            .build()
            .map_err(|error| Error::new(format!("cannot start a thread: {error}")))?;
        let handle = runtime.handle().clone();
        Ok(Network {
            runtime: Some(runtime),
            handle,
        })
    }

    /// What runs things on it.
    pub(crate) fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Runs something on it and waits for its result.
    ///
    /// # Errors
    ///
    /// When it panicked.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T> {
        let (done, wait) = std::sync::mpsc::sync_channel(1);
        self.handle.spawn(async move {
            // An error means that nobody waits any more.
            let _ = done.send(work.await);
        });
        wait.recv()
            .map_err(|_| Error::new("a task of the node's own network thread failed"))
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // The last request may end on a thread that must not wait for another runtime.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
