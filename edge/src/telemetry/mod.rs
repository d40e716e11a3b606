//! Traces and metrics for an OpenTelemetry collector, over OTLP: protobuf in HTTP.
//!
//! A request has a span, of the kind *server*, which continues the trace that its `traceparent` names
//! (W3C Trace Context) or begins one. Below it are the flare's run and, of the kind *client*, what leaves
//! the node for it: the request to the origin, fetches, pulls. The first two carry a `traceparent` on; a
//! pull asks a node of the same cluster, which makes no span of it.
//!
//! | module | what it does |
//! |---|---|
//! | `span` | spans, and the headers that carry them |
//! | `export` | sending them; what is wrong with that |
//! | `off` | both, in a node without the feature `otlp`: nothing |
//!
//! Nobody else in the node knows whether the feature is on. Queries are in no span: they may hold keys.

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
