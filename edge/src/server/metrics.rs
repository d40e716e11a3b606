//! `/_edge/metrics`: the node's metrics in Prometheus's text format.
//!
//! Like the status page it is for this machine only: a collector runs next to the node, or asks
//! through something that does.

use std::fmt::Write as _;
use std::sync::Arc;

use http::{HeaderValue, Response, header};

use crate::capability::health::{Problem, Severity};
use crate::capability::plasma::PlasmaStatus;
use crate::capability::spark::SiteUsage;
use crate::flare::stats::StatsSnapshot;
use crate::http::body::Body;
use crate::server::health::problems;
use crate::state::State;

/// The path.
pub(super) const PATH: &str = "/_edge/metrics";

/// A metric: its name and kind in Prometheus's terms, its description, and its values.
struct Metric {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    values: fn(&Seen) -> Vec<Value>,
}

/// Labels with their values, and the number.
type Value = (Vec<Label>, f64);
type Label = (&'static str, String);

/// The page, from top to bottom.
static METRICS: [Metric; 16] = [
    Metric {
        name: "flaron_invocations_total",
        kind: "counter",
        help: "Requests and WebSocket events.",
        values: |seen| seen.each_flare(|flare| flare.stats.requests as f64),
    },
    Metric {
        name: "flaron_failures_total",
        kind: "counter",
        help: "Invocations that failed.",
        values: |seen| seen.each_flare(|flare| flare.stats.errors as f64),
    },
    Metric {
        name: "flaron_websockets",
        kind: "gauge",
        help: "WebSocket connections that are open.",
        values: |seen| seen.each_flare(|flare| flare.stats.sockets as f64),
    },
    Metric {
        name: "flaron_flare_bytes",
        kind: "gauge",
        help: "The size of the flare's Wasm.",
        values: |seen| seen.each_flare(|flare| flare.size as f64),
    },
    Metric {
        name: "flaron_invocation_seconds",
        kind: "gauge",
        help: "The time within which this share of the invocations finished, to 1/16.",
        values: Seen::latencies,
    },
    Metric {
        name: "flaron_spark_keys",
        kind: "gauge",
        help: "Keys in Spark, including those that have just expired.",
        values: |seen| seen.each_site(|site| site.keys as f64),
    },
    Metric {
        name: "flaron_spark_bytes",
        kind: "gauge",
        help: "The bytes that a site uses in Spark.",
        values: |seen| seen.each_site(|site| site.bytes as f64),
    },
    Metric {
        name: "flaron_plasma_keys",
        kind: "gauge",
        help: "Keys in Plasma.",
        values: |seen| one(seen.plasma.keys.len() as f64),
    },
    Metric {
        name: "flaron_plasma_bytes",
        kind: "gauge",
        help: "The bytes that Plasma uses.",
        values: |seen| one(seen.plasma.bytes as f64),
    },
    Metric {
        name: "flaron_plasma_max_bytes",
        kind: "gauge",
        help: "The bytes that Plasma may use.",
        values: |seen| one(seen.plasma.max_bytes as f64),
    },
    Metric {
        name: "flaron_node_alive",
        kind: "gauge",
        help: "Whether a node of the cluster was heard from recently.",
        values: |seen| {
            let nodes = seen.plasma.nodes.iter();
            nodes
                .map(|node| (vec![label("node", &node.node_id)], truth(node.alive)))
                .collect()
        },
    },
    Metric {
        name: "flaron_node_backlog",
        kind: "gauge",
        help: "Changes of this node that another node has not stored yet.",
        values: |seen| {
            let others = seen.plasma.nodes.iter().filter(|node| !node.this);
            others
                .map(|node| (vec![label("node", &node.node_id)], node.backlog as f64))
                .collect()
        },
    },
    Metric {
        name: "flaron_followers",
        kind: "gauge",
        help: "Readers of the node's events: status pages, `tail`.",
        values: |seen| one(seen.followers as f64),
    },
    Metric {
        name: "flaron_healthy",
        kind: "gauge",
        help: "Whether the node is healthy (/_edge/health).",
        values: |seen| {
            let problems = &seen.problems;
            one(truth(
                problems.iter().all(|p| p.severity < Severity::Failure),
            ))
        },
    },
    Metric {
        name: "flaron_problems",
        kind: "gauge",
        help: "The node's problems.",
        values: |seen| one(seen.problems.len() as f64),
    },
    Metric {
        name: "flaron_uptime_seconds",
        kind: "gauge",
        help: "How long the node has run.",
        values: |seen| one(seen.uptime_seconds),
    },
];

/// The response.
pub(super) fn metrics(state: &State) -> Response<Body> {
    let mut response = Response::new(Body::from(page(&METRICS, &Seen::of(state))));
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// Gives a collector the same metrics under the same names, whenever some are sent.
#[cfg(feature = "otlp")]
pub(crate) fn tell(state: &Arc<State>) {
    use opentelemetry::KeyValue;
    use opentelemetry::metrics::AsyncInstrument;

    let Some(meter) = state.telemetry.meter() else {
        return;
    };
    for metric in &METRICS {
        // The state owns the telemetry, so the telemetry must not own the state.
        let state = Arc::downgrade(state);
        let observe = move |observer: &dyn AsyncInstrument<f64>| {
            let Some(state) = state.upgrade() else {
                return;
            };
            for (labels, value) in (metric.values)(&Seen::of(&state)) {
                let labels: Vec<KeyValue> = labels
                    .into_iter()
                    .map(|(name, said)| KeyValue::new(name, said))
                    .collect();
                observer.observe(value, &labels);
            }
        };
        match metric.kind {
            "counter" => {
                let counter = meter.f64_observable_counter(metric.name);
                let _ = counter
                    .with_description(metric.help)
                    .with_callback(observe)
                    .build();
            }
            _ => {
                let gauge = meter.f64_observable_gauge(metric.name);
                let _ = gauge
                    .with_description(metric.help)
                    .with_callback(observe)
                    .build();
            }
        }
    }
}

/// All metrics, each with its description.
fn page(metrics: &[Metric], seen: &Seen) -> String {
    let mut text = String::new();
    for metric in metrics {
        let (name, kind, help) = (metric.name, metric.kind, metric.help);
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in (metric.values)(seen) {
            let labels: Vec<String> = labels
                .iter()
                .map(|(label, said)| format!("{label}={}", quoted(said)))
                .collect();
            let _ = match labels.is_empty() {
                true => writeln!(text, "{name} {value}"),
                false => writeln!(text, "{name}{{{}}} {value}", labels.join(",")),
            };
        }
    }
    text
}

/// The node's values at one moment.
struct Seen {
    flares: Vec<SeenFlare>,
    /// `None` if the store cannot be read, which is listed as a problem.
    sites: Vec<SiteUsage>,
    plasma: PlasmaStatus,
    problems: Vec<Problem>,
    followers: usize,
    uptime_seconds: f64,
}

struct SeenFlare {
    name: Arc<str>,
    stats: StatsSnapshot,
    size: usize,
}

impl Seen {
    fn of(state: &State) -> Seen {
        let flares = state.slots.iter().map(|slot| {
            let flare = slot.current();
            SeenFlare {
                name: flare.name.clone(),
                stats: slot.stats.snapshot(),
                size: flare.program.info.size,
            }
        });
        Seen {
            flares: flares.collect(),
            sites: state.node.spark.usage().unwrap_or_default(),
            plasma: state.node.plasma.status(),
            problems: problems(state),
            followers: state.journal.followers(),
            uptime_seconds: state.started.elapsed().as_secs_f64(),
        }
    }

    fn each_flare(&self, value: fn(&SeenFlare) -> f64) -> Vec<Value> {
        let flares = self.flares.iter();
        flares
            .map(|flare| (vec![label("flare", &flare.name)], value(flare)))
            .collect()
    }

    fn each_site(&self, value: fn(&SiteUsage) -> f64) -> Vec<Value> {
        let sites = self.sites.iter();
        sites
            .map(|site| (vec![label("site", &site.site)], value(site)))
            .collect()
    }

    /// The latency quantiles of each flare that has had requests.
    fn latencies(&self) -> Vec<Value> {
        let asked = self.flares.iter().filter(|flare| flare.stats.requests > 0);
        asked
            .flat_map(|flare| {
                let (name, stats) = (label("flare", &flare.name), &flare.stats);
                [("0.5", stats.p50), ("0.9", stats.p90), ("0.99", stats.p99)].map(
                    |(quantile, time)| {
                        let labels = vec![name.clone(), label("quantile", quantile)];
                        (labels, time.as_secs_f64())
                    },
                )
            })
            .collect()
    }
}

/// A value that exists once per node.
fn one(value: f64) -> Vec<Value> {
    vec![(Vec::new(), value)]
}

/// 1 for true, 0 for false.
fn truth(value: bool) -> f64 {
    f64::from(u8::from(value))
}

/// A label with its value.
fn label(name: &'static str, value: &str) -> Label {
    (name, value.to_owned())
}

/// A label's value in quotes.
fn quoted(text: &str) -> String {
    let escaped = text
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n");
    format!("\"{escaped}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped() {
        assert_eq!(quoted("a\"b\\c\nd"), r#""a\"b\\c\nd""#);
    }

    #[test]
    fn a_metric_has_its_help_and_values() {
        let metrics = [
            Metric {
                name: "a",
                kind: "gauge",
                help: "What.",
                values: |seen| vec![(vec![], 1.0), (vec![label("x", "y")], seen.uptime_seconds)],
            },
            Metric {
                name: "b",
                kind: "counter",
                help: "Nothing yet.",
                values: Seen::latencies,
            },
        ];
        let seen = Seen {
            flares: Vec::new(),
            sites: Vec::new(),
            plasma: PlasmaStatus {
                node_id: "n".to_owned(),
                gossip: None,
                nodes: Vec::new(),
                keys: Vec::new(),
                bytes: 0,
                max_bytes: 0,
                tombstones: 0,
                problems: Vec::new(),
            },
            problems: Vec::new(),
            followers: 0,
            uptime_seconds: 0.5,
        };
        assert_eq!(
            page(&metrics, &seen),
            "# HELP a What.\n# TYPE a gauge\na 1\na{x=\"y\"} 0.5\n\
             # HELP b Nothing yet.\n# TYPE b counter\n"
        );
    }
}
