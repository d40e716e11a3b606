//! `/_edge/metrics`: the node's counts in the text format of Prometheus.
//!
//! It is for this machine, as the status page is: a collector runs beside the node, or asks through
//! something that does.

use std::fmt::Write as _;

use http::{HeaderValue, Response, header};

use crate::capability::health::Severity;
use crate::http::body::Body;
use crate::server::health::problems;
use crate::state::State;

/// The path.
pub(super) const PATH: &str = "/_edge/metrics";

/// The answer.
pub(super) fn metrics(state: &State) -> Response<Body> {
    let mut response = Response::new(Body::from(text(state)));
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// All metrics, each with what it is.
fn text(state: &State) -> String {
    let mut page = Page::default();
    let flares: Vec<_> = state
        .slots
        .iter()
        .map(|slot| {
            let flare = slot.current();
            let label = format!("flare={}", quoted(&flare.name));
            (label, slot.stats.snapshot(), flare.program.info.size)
        })
        .collect();
    page.metric(
        "flaron_invocations_total",
        "counter",
        "Requests and WebSocket events.",
    );
    for (label, stats, _) in &flares {
        page.sample(label, stats.requests as f64);
    }
    page.metric(
        "flaron_failures_total",
        "counter",
        "Invocations that failed.",
    );
    for (label, stats, _) in &flares {
        page.sample(label, stats.errors as f64);
    }
    page.metric(
        "flaron_websockets",
        "gauge",
        "WebSocket connections that are open.",
    );
    for (label, stats, _) in &flares {
        page.sample(label, stats.sockets as f64);
    }
    page.metric(
        "flaron_flare_bytes",
        "gauge",
        "The size of the flare's Wasm.",
    );
    for (label, _, size) in &flares {
        page.sample(label, *size as f64);
    }
    page.metric(
        "flaron_invocation_seconds",
        "gauge",
        "No more time was taken by this share of the invocations, to 1/16.",
    );
    for (label, stats, _) in flares.iter().filter(|(_, stats, _)| stats.requests > 0) {
        for (quantile, time) in [("0.5", stats.p50), ("0.9", stats.p90), ("0.99", stats.p99)] {
            page.sample(
                &format!("{label},quantile=\"{quantile}\""),
                time.as_secs_f64(),
            );
        }
    }
    if let Ok(sites) = state.node.spark.usage() {
        page.metric(
            "flaron_spark_keys",
            "gauge",
            "Keys in Spark, with those that have just expired.",
        );
        for site in &sites {
            page.sample(&format!("site={}", quoted(&site.site)), site.keys as f64);
        }
        page.metric(
            "flaron_spark_bytes",
            "gauge",
            "What a site uses of its room in Spark.",
        );
        for site in &sites {
            page.sample(&format!("site={}", quoted(&site.site)), site.bytes as f64);
        }
    }
    let plasma = state.node.plasma.status();
    page.metric("flaron_plasma_keys", "gauge", "Keys in Plasma.");
    page.sample("", plasma.keys.len() as f64);
    page.metric(
        "flaron_plasma_bytes",
        "gauge",
        "What Plasma uses of its room.",
    );
    page.sample("", plasma.bytes as f64);
    page.metric("flaron_plasma_max_bytes", "gauge", "The room of Plasma.");
    page.sample("", plasma.max_bytes as f64);
    page.metric(
        "flaron_node_alive",
        "gauge",
        "Whether a node of the cluster was heard of lately.",
    );
    for node in &plasma.nodes {
        page.sample(
            &format!("node={}", quoted(&node.node_id)),
            f64::from(u8::from(node.alive)),
        );
    }
    page.metric(
        "flaron_node_backlog",
        "gauge",
        "Changes of this node that another has not stored yet.",
    );
    for node in plasma.nodes.iter().filter(|node| !node.this) {
        page.sample(
            &format!("node={}", quoted(&node.node_id)),
            node.backlog as f64,
        );
    }
    page.metric(
        "flaron_followers",
        "gauge",
        "Who reads the node's events: status pages, `tail`.",
    );
    page.sample("", state.journal.followers() as f64);
    let problems = problems(state);
    let can_work = problems.iter().all(|p| p.severity < Severity::Failure);
    page.metric(
        "flaron_healthy",
        "gauge",
        "Whether the node can do its work (/_edge/health).",
    );
    page.sample("", f64::from(u8::from(can_work)));
    page.metric("flaron_problems", "gauge", "What is wrong with the node.");
    page.sample("", problems.len() as f64);
    page.metric(
        "flaron_uptime_seconds",
        "gauge",
        "How long the node has run.",
    );
    page.sample("", state.started.elapsed().as_secs_f64());
    page.text
}

/// A label's value in quotes.
fn quoted(text: &str) -> String {
    let escaped = text
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n");
    format!("\"{escaped}\"")
}

/// The page in the making.
#[derive(Default)]
struct Page {
    text: String,
    name: &'static str,
}

impl Page {
    /// Begins a metric.
    fn metric(&mut self, name: &'static str, kind: &str, help: &str) {
        self.name = name;
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// A value of the metric that was begun last.
    fn sample(&mut self, labels: &str, value: f64) {
        let _ = match labels.is_empty() {
            true => writeln!(self.text, "{} {value}", self.name),
            false => writeln!(self.text, "{}{{{labels}}} {value}", self.name),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped() {
        assert_eq!(quoted("a\"b\\c\nd"), r#""a\"b\\c\nd""#);
    }

    #[test]
    fn a_metric_has_its_help_and_samples() {
        let mut page = Page::default();
        page.metric("a", "gauge", "What.");
        page.sample("", 1.0);
        page.sample("x=\"y\"", 0.5);
        assert_eq!(
            page.text,
            "# HELP a What.\n# TYPE a gauge\na 1\na{x=\"y\"} 0.5\n"
        );
    }
}
