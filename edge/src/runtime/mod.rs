//! Where things run: guests on the server's threads, the node's own network tasks on a separate thread.

use tokio::runtime::{Handle, Runtime, RuntimeFlavor};

use crate::error::{Error, Result};
use crate::runtime::turns::{Turn, seat, take_turn};

pub(crate) mod turns;

/// Runs something that may take long: on this thread if its other tasks can be moved to another
/// (`tokio::task::block_in_place`), otherwise on a thread for blocking work.
pub(crate) async fn run_blocking<R: Send + 'static>(
    work: impl FnOnce() -> R + Send + 'static,
) -> R {
    if Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread {
        return work();
    }
    run_apart(work).await
}

/// Runs something that is known to take long, on a thread for blocking work.
pub(crate) async fn run_apart<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> R {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// Runs a guest: here if its flare usually answers quickly, otherwise on a separate thread, in its
/// turn. `work` receives the turn, if it has one already.
pub(crate) async fn run_guest<R: Send + 'static>(
    takes_long: bool,
    work: impl FnOnce(Option<Turn>) -> R + Send + 'static,
) -> R {
    if !takes_long {
        return run_blocking(move || work(None)).await;
    }
    let _seat = seat().await;
    run_apart(move || work(Some(take_turn()))).await
}

/// The node's own thread for its network activity: fetches, pulls, gossip. So these work whatever
/// runtime the caller of a request uses, and guests can wait for them.
pub(crate) struct Network {
    runtime: Option<Runtime>,
    handle: Handle,
}

impl Network {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// When the system cannot start another thread.
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

    /// A handle for spawning tasks on it.
    pub(crate) fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Runs a future on it and waits for the result.
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
            // An error means that nobody is waiting any more.
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
