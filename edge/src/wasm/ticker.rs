//! The thread that enforces the time limits of running guests.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;
use std::time::Duration;

use crate::error::{Error, Result};

/// How often computing guests are checked.
const TICK: Duration = Duration::from_millis(2);
/// After how many ticks without a guest the ticker goes to sleep.
const IDLE_TICKS: u32 = 100;

/// The thread that enforces the time limits of running guests. It sleeps while there are none, so
/// an idle node does nothing at all.
pub(crate) struct Ticker {
    /// The number of running guests.
    running: AtomicUsize,
    /// Whether the thread is asleep.
    asleep: AtomicBool,
    thread: OnceLock<Thread>,
    /// Whether the engine is gone.
    ended: AtomicBool,
}

impl Ticker {
    pub(crate) fn start(engine: &wasmtime::Engine) -> Result<Arc<Ticker>> {
        let ticker = Arc::new(Ticker {
            running: AtomicUsize::new(0),
            asleep: AtomicBool::new(false),
            thread: OnceLock::new(),
            ended: AtomicBool::new(false),
        });
        let weak = engine.weak();
        let shared = ticker.clone();
        let thread = std::thread::Builder::new()
            .name("flaron-epoch".into())
            .spawn(move || shared.run(&weak))
            .map_err(|error| Error::new(format!("cannot start a thread: {error}")))?;
        let _ = ticker.thread.set(thread.thread().clone());
        Ok(ticker)
    }

    fn run(&self, engine: &wasmtime::EngineWeak) {
        let mut idle = 0;
        while !self.ended.load(Ordering::SeqCst)
            && let Some(engine) = engine.upgrade()
        {
            engine.increment_epoch();
            drop(engine);
            if self.running.load(Ordering::SeqCst) > 0 {
                idle = 0;
            } else {
                idle += 1;
            }
            if idle < IDLE_TICKS {
                std::thread::sleep(TICK);
                continue;
            }
            // Either this sees a guest that has just begun, or the guest sees that this is asleep.
            self.asleep.store(true, Ordering::SeqCst);
            while self.asleep.load(Ordering::SeqCst)
                && self.running.load(Ordering::SeqCst) == 0
                && !self.ended.load(Ordering::SeqCst)
            {
                std::thread::park();
            }
            self.asleep.store(false, Ordering::SeqCst);
            idle = 0;
        }
    }

    /// Registers a running guest, until the returned guard is dropped.
    pub(crate) fn guest(self: &Arc<Self>) -> Running {
        self.running.fetch_add(1, Ordering::SeqCst);
        if self.asleep.load(Ordering::SeqCst) {
            self.wake();
        }
        Running(self.clone())
    }

    /// Ends the thread.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
        self.wake();
    }

    fn wake(&self) {
        self.asleep.store(false, Ordering::SeqCst);
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }
}

/// A running guest, while this exists.
pub(crate) struct Running(Arc<Ticker>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}
