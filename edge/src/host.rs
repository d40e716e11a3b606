//! The host's side of one instance: everything its imports reach.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::abi::Guest;
use crate::beam::BeamSession;
use crate::flare::Flare;
use crate::id::SnowflakeMeter;
use crate::logging::Notebook;
use crate::plasma::{PlasmaLimits, PlasmaSession};
use crate::request::RequestView;
use crate::response::ResponseDraft;
use crate::spark::{SparkLimits, SparkSession};
use crate::ws::Socket;

/// The state behind one instance of a flare. An HTTP request has one of its own; a WebSocket
/// connection keeps one, and [`begin`](Host::begin) starts each of its events.
pub(crate) struct Host {
    /// The flare, with its settings.
    pub flare: Arc<Flare>,
    /// The exports that the host uses.
    pub guest: Guest,
    /// How far the memory may grow.
    pub memory: MemoryGate,
    /// How long the invocation has run.
    pub clock: Clock,
    /// The request that is handled, or that opened the connection.
    pub request: RequestView,
    /// The response so far.
    pub response: ResponseDraft,
    /// What was said about this invocation.
    pub notebook: Notebook,
    /// What this invocation has used of each metered capability.
    sessions: Sessions,
    /// The WebSocket connection, if this is one's instance.
    pub socket: Option<Socket>,
}

impl Host {
    /// The state for a new instance of the flare, which will see this request.
    pub fn new(flare: Arc<Flare>, request: RequestView) -> Self {
        let limits = &flare.config.limits;
        Host {
            memory: MemoryGate {
                limit: limits.max_memory_bytes() as usize,
                denied: None,
            },
            clock: Clock::new(limits.max_time()),
            guest: Guest::default(),
            request,
            response: ResponseDraft::default(),
            notebook: Notebook::default(),
            sessions: Sessions::default(),
            socket: None,
            flare,
        }
    }

    /// Begins an invocation: its time starts, its counters are at zero.
    pub fn begin(&mut self) {
        self.clock = Clock::new(self.flare.config.limits.max_time());
        self.memory.denied = None;
        self.notebook = Notebook::default();
        self.sessions = Sessions::default();
    }

    /// Takes down a note for the developer, the first of its kind in this invocation.
    pub fn note(&mut self, kind: &'static str, message: impl FnOnce() -> String) {
        self.notebook.note(kind, message);
    }

    /// The metered snowflakes of this invocation.
    pub fn snowflake_id(&mut self) -> Option<Bytes> {
        let limit = self.flare.config.limits.max_snowflakes;
        let meter = self
            .sessions
            .snowflakes
            .get_or_insert_with(|| SnowflakeMeter::new(limit));
        let result = meter.take(&self.flare.node.ids);
        self.told("snowflake_id", result)
    }

    /// Spark, as this invocation sees it, and the clock for what waits for the disk.
    pub fn spark(&mut self) -> (&mut SparkSession, &mut Clock) {
        let session = self.sessions.spark.get_or_insert_with(|| {
            let (config, node) = (&self.flare.config, &self.flare.node);
            let limits = SparkLimits {
                max_value_bytes: config.limits.max_kv_value_bytes,
                max_reads: config.limits.max_kv_reads,
                max_writes: config.limits.max_kv_writes,
                writes_allowed: config.writes_spark_kv,
                ..SparkLimits::default()
            };
            SparkSession::new(
                Some(node.spark.clone()),
                self.flare.site.clone(),
                limits,
                Some(node.peers.clone()),
            )
        });
        (session, &mut self.clock)
    }

    /// Plasma, as this invocation sees it, and the clock for what waits for the disk.
    pub fn plasma(&mut self) -> (&mut PlasmaSession, &mut Clock) {
        let session = self.sessions.plasma.get_or_insert_with(|| {
            let (config, node) = (&self.flare.config, &self.flare.node);
            let limits = PlasmaLimits {
                max_value_bytes: config.limits.max_kv_value_bytes,
                max_reads: config.limits.max_kv_reads,
                max_writes: config.limits.max_kv_writes,
                writes_allowed: config.writes_plasma_kv,
            };
            PlasmaSession::new(Some(node.plasma.clone()), self.flare.site.clone(), limits)
        });
        (session, &mut self.clock)
    }

    /// Fetches, as this invocation may make them, and the clock for waiting.
    pub fn beam(&mut self) -> (&mut BeamSession, &mut Clock) {
        let limit = self.flare.config.limits.max_fetch_requests;
        let beam = &self.flare.beam;
        let session = self
            .sessions
            .beam
            .get_or_insert_with(|| BeamSession::new(beam.clone(), limit));
        (session, &mut self.clock)
    }

    /// The code of an import that has codes: 0, or the refusal's, whose reason is told to the
    /// developer.
    pub fn code<E: std::fmt::Display>(
        &mut self,
        import: &'static str,
        result: Result<(), E>,
        code: impl FnOnce(&E) -> i32,
    ) -> i32 {
        match result {
            Ok(()) => 0,
            Err(reason) => {
                self.note(import, || format!("{import}: {reason}"));
                code(&reason)
            }
        }
    }

    /// The result of an import that can refuse; a refusal is "no result", and its reason is told
    /// to the developer.
    pub fn told<T: Into<Bytes>, E: std::fmt::Display>(
        &mut self,
        import: &'static str,
        result: Result<T, E>,
    ) -> Option<Bytes> {
        match result {
            Ok(value) => Some(value.into()),
            Err(reason) => {
                self.note(import, || format!("{import}: {reason}"));
                None
            }
        }
    }
}

/// The metered capabilities of one invocation; most use none or few.
#[derive(Default)]
struct Sessions {
    snowflakes: Option<SnowflakeMeter>,
    spark: Option<SparkSession>,
    plasma: Option<PlasmaSession>,
    beam: Option<BeamSession>,
}

/// Holds a flare's memory to its limit, and remembers when it wanted more.
#[derive(Debug)]
pub(crate) struct MemoryGate {
    limit: usize,
    /// What the guest asked for and was denied, in bytes.
    pub denied: Option<usize>,
}

/// How many elements a flare's tables may have together with what they grow by.
const MAX_TABLE_ELEMENTS: usize = 100_000;

impl wasmtime::ResourceLimiter for MemoryGate {
    fn memory_growing(
        &mut self,
        _current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let allowed = desired <= self.limit;
        if !allowed || maximum.is_some_and(|maximum| desired > maximum) {
            self.denied = Some(desired);
        }
        Ok(allowed)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= MAX_TABLE_ELEMENTS)
    }
}

/// How long a guest may compute without giving its thread up. One that takes longer is not one of
/// the many that answer in microseconds, and must not hold up the connections of its thread.
const SHORT: Duration = Duration::from_millis(2);

/// The time of one invocation.
///
/// Guests run on the server's own threads, because for a guest of some microseconds the way to
/// another thread and back would be most of the work. One that computes for longer, or waits, is
/// moved out of the others' way: the thread hands its other tasks to a fresh one, as
/// [`tokio::task::block_in_place`] does, and becomes the guest's.
#[derive(Debug)]
pub(crate) struct Clock {
    started: Instant,
    limit: Duration,
    /// Time spent waiting in host calls: it does not count.
    waited: Duration,
    /// The computing time at which the thread hands its other tasks over (again).
    next_move: Duration,
}

/// The error that stops a guest whose time is up.
#[derive(Debug)]
pub(crate) struct TimeUp;

impl std::fmt::Display for TimeUp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the flare's time is up")
    }
}

impl std::error::Error for TimeUp {}

impl Clock {
    fn new(limit: Duration) -> Self {
        Clock {
            started: Instant::now(),
            limit,
            waited: Duration::ZERO,
            next_move: SHORT,
        }
    }

    /// How long the guest itself has computed.
    fn computed(&self) -> Duration {
        self.started.elapsed().saturating_sub(self.waited)
    }

    /// Called every few milliseconds while the guest computes.
    ///
    /// # Errors
    ///
    /// [`TimeUp`] when the limit is reached.
    pub fn tick(&mut self) -> Result<(), TimeUp> {
        let computed = self.computed();
        if computed >= self.limit {
            return Err(TimeUp);
        }
        if computed >= self.next_move {
            // Once is mostly enough. Whether it was cannot be known for certain, so it is tried
            // again, less and less often; when the tasks are elsewhere already it costs little.
            self.next_move = computed * 2;
            let started = Instant::now();
            give_thread_up();
            self.waited += started.elapsed();
        }
        Ok(())
    }

    /// Waits for something (the disk, a fetch) without holding up other requests. The time does
    /// not count as the guest's.
    pub fn wait<R>(&mut self, wait: impl FnOnce() -> R) -> R {
        let started = Instant::now();
        let result = tokio::task::block_in_place(wait);
        self.waited += started.elapsed();
        result
    }
}

/// Hands this thread's other tasks to another thread, for as long as the current task runs.
///
/// Tokio takes the tasks back if nobody has picked them up when the closure ends. So one more task
/// is put with them, and the closure lasts until that one is run, or for so long that there must
/// be another reason.
fn give_thread_up() {
    let (run, wait) = std::sync::mpsc::sync_channel(1);
    tokio::spawn(async move {
        // An error means that the wait was given up.
        let _ = run.send(());
    });
    tokio::task::block_in_place(|| {
        let _ = wait.recv_timeout(Duration::from_millis(20));
    });
}
