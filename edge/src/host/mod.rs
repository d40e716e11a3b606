//! The data behind one instance: everything that its imports use.

use std::sync::Arc;

use bytes::Bytes;

use crate::capability::beam::BeamSession;
use crate::capability::id::SnowflakeMeter;
use crate::capability::plasma::{PlasmaLimits, PlasmaSession};
use crate::capability::spark::{SparkLimits, SparkSession};
use crate::host::clock::{TimeLimit, TimeUp};
use crate::host::env::FlareEnv;
use crate::host::guest::Guest;
use crate::host::memory_limit::MemoryLimit;
use crate::host::notebook::Notebook;
use crate::host::request::RequestView;
use crate::host::response::ResponseDraft;
use crate::host::socket::Socket;
use crate::telemetry::Span;

pub(crate) mod clock;
pub(crate) mod effort;
pub(crate) mod env;
pub(crate) mod guest;
pub(crate) mod memory_limit;
pub(crate) mod notebook;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod socket;

/// The state behind one instance of a flare. Each HTTP request has its own; a WebSocket connection
/// keeps one, and [`begin`](Host::begin) starts each of its events.
pub(crate) struct Host {
    /// What the flare may use, and how much of it.
    pub(crate) env: Arc<FlareEnv>,
    /// The exports that the host uses.
    pub(crate) guest: Guest,
    /// The limit of the memory.
    pub(crate) memory: MemoryLimit,
    /// The time limit of the invocation.
    pub(crate) clock: TimeLimit,
    /// The request being handled, or the one that opened the connection.
    pub(crate) request: RequestView,
    /// The response so far.
    pub(crate) response: ResponseDraft,
    /// What was recorded about this invocation.
    pub(crate) notebook: Notebook,
    /// The invocation's span in a trace.
    pub(crate) span: Span,
    /// What this invocation has used of each metered capability.
    sessions: Sessions,
    /// The WebSocket connection, if the instance serves one.
    pub(crate) socket: Option<Socket>,
}

/// What is left of an invocation.
pub(crate) struct Left {
    pub(crate) request: RequestView,
    pub(crate) response: ResponseDraft,
    pub(crate) notebook: Notebook,
    pub(crate) span: Span,
}

impl Host {
    /// The state for a new instance of the flare, which will handle this request.
    pub(crate) fn new(env: Arc<FlareEnv>, request: RequestView) -> Self {
        let limits = &env.config.limits;
        Host {
            memory: MemoryLimit::new(limits.max_memory_bytes() as usize),
            clock: TimeLimit::new(limits.max_time()),
            guest: Guest::default(),
            request,
            response: ResponseDraft::default(),
            notebook: Notebook::default(),
            span: Span::default(),
            sessions: Sessions::default(),
            socket: None,
            env,
        }
    }

    /// Begins an invocation: starts its time and resets its counters.
    pub(crate) fn begin(&mut self) {
        self.clock = TimeLimit::new(self.env.config.limits.max_time());
        self.memory.denied = None;
        self.notebook = Notebook::default();
        self.sessions = Sessions::default();
    }

    /// Called every few milliseconds while the guest computes.
    ///
    /// # Errors
    ///
    /// [`TimeUp`] when the guest's time is up.
    pub(crate) fn tick(&mut self) -> Result<(), TimeUp> {
        let effort = &self.env.effort;
        self.clock.tick(|| effort.expect_long())
    }

    /// The guest has returned.
    pub(crate) fn end(&mut self) {
        self.env.effort.record(self.clock.used());
        self.clock.end();
    }

    /// Ends the invocation, and takes what is left of it: nothing of a request remains.
    pub(crate) fn leave(&mut self) -> Left {
        self.sessions = Sessions::default();
        self.socket = None;
        Left {
            request: std::mem::take(&mut self.request),
            response: std::mem::take(&mut self.response),
            notebook: std::mem::take(&mut self.notebook),
            span: std::mem::take(&mut self.span),
        }
    }

    /// Takes down a note for the developer, the first of its kind in this invocation.
    pub(crate) fn note(&mut self, kind: &'static str, message: impl FnOnce() -> String) {
        self.notebook.note(kind, message);
    }

    /// The metered snowflakes of this invocation.
    pub(crate) fn snowflake_id(&mut self) -> Option<Bytes> {
        let limit = self.env.config.limits.max_snowflakes;
        let meter = self
            .sessions
            .snowflakes
            .get_or_insert_with(|| SnowflakeMeter::new(limit));
        let result = meter.take(&self.env.node.ids);
        self.ok_or_note("snowflake_id", result)
    }

    /// Spark as this invocation sees it, and the clock for waiting for the disk.
    pub(crate) fn spark(&mut self) -> (&mut SparkSession, &mut TimeLimit) {
        let session = self.sessions.spark.get_or_insert_with(|| {
            let (config, node) = (&self.env.config, &self.env.node);
            let limits = SparkLimits {
                max_value_bytes: config.limits.max_kv_value_bytes,
                max_reads: config.limits.max_kv_reads,
                max_writes: config.limits.max_kv_writes,
                writes_allowed: config.writes_spark_kv,
                ..SparkLimits::default()
            };
            SparkSession::new(
                Some(node.spark.clone()),
                self.env.site.clone(),
                limits,
                Some(node.peers.clone()),
            )
        });
        (session, &mut self.clock)
    }

    /// Plasma as this invocation sees it, and the clock for waiting for the disk.
    pub(crate) fn plasma(&mut self) -> (&mut PlasmaSession, &mut TimeLimit) {
        let session = self.sessions.plasma.get_or_insert_with(|| {
            let (config, node) = (&self.env.config, &self.env.node);
            let limits = PlasmaLimits {
                max_value_bytes: config.limits.max_kv_value_bytes,
                max_reads: config.limits.max_kv_reads,
                max_writes: config.limits.max_kv_writes,
                writes_allowed: config.writes_plasma_kv,
            };
            PlasmaSession::new(Some(node.plasma.clone()), self.env.site.clone(), limits)
        });
        (session, &mut self.clock)
    }

    /// The fetches of this invocation, and the clock for waiting.
    pub(crate) fn beam(&mut self) -> (&mut BeamSession, &mut TimeLimit) {
        let limit = self.env.config.limits.max_fetch_requests;
        let beam = &self.env.beam;
        let session = self
            .sessions
            .beam
            .get_or_insert_with(|| BeamSession::new(beam.clone(), limit));
        (session, &mut self.clock)
    }

    /// The status of an import that has one: 0, or the refusal's code. The refusal's reason becomes
    /// a note for the developer.
    pub(crate) fn status_or_note<E: std::fmt::Display>(
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

    /// The result of an import that can refuse. A refusal is "no result", and its reason becomes a
    /// note for the developer.
    pub(crate) fn ok_or_note<T: Into<Bytes>, E: std::fmt::Display>(
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

/// The metered capabilities of an invocation; most use few or none.
#[derive(Default)]
struct Sessions {
    snowflakes: Option<SnowflakeMeter>,
    spark: Option<SparkSession>,
    plasma: Option<PlasmaSession>,
    beam: Option<BeamSession>,
}
