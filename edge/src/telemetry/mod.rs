//! Traces and metrics for an OpenTelemetry collector, over OTLP: protobuf in HTTP.
//!
//! A request has a span of the kind *server*, which continues the trace that its `traceparent` names
//! (W3C Trace Context) or starts a new one. Its children are the flare's run and, of the kind *client*, what the
//! flare sends: the request to the origin, fetches, pulls. The first two carry a `traceparent`; a pull asks a node
//! of the same cluster, which makes no span for it.
//!
//! | module | what it does |
//! |---|---|
//! | `span` | spans, and the headers that carry them |
//! | `export` | sending them, and reporting failures |
//! | `off` | replaces both without the feature `otlp`: does nothing |
//!
//! The rest of the node does not know whether the feature is on. Spans contain no query strings: they may contain
//! keys.

#[cfg(feature = "otlp")]
mod export;
#[cfg(not(feature = "otlp"))]
mod off;
#[cfg(feature = "otlp")]
mod span;

#[cfg(feature = "otlp")]
pub(crate) use crate::telemetry::export::Telemetry;
#[cfg(not(feature = "otlp"))]
pub(crate) use crate::telemetry::off::{Span, Telemetry};
#[cfg(feature = "otlp")]
pub(crate) use crate::telemetry::span::Span;
