//! Sends spans and metrics to a collector. Failures are reported like the node's other problems: in the log, on the
//! status page, in `/_edge/health`.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use opentelemetry::metrics::{Histogram, Meter, MeterProvider as _};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{
    MetricExporter, Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _,
};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::resource::EnvResourceDetector;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SdkTracer, SdkTracerProvider, SpanData, SpanProcessor,
};
use prost::Message as _;
use tokio::runtime::Handle;
use url::Url;

use crate::capability::health::{Problem, Problems, Severity};
use crate::error::{Error, Result};
use crate::http::client::{causes, client_builder, system_roots, tls_config};
use crate::journal::Entry;
use crate::telemetry::span::Span;

/// How many spans are queued at most: a second's worth for a busy node. A span takes a few hundred bytes.
const WAITING: usize = 8192;
/// How long the collector may take to respond.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The longest response that is read, in bytes: a collector says little.
const MAX_ANSWER: usize = 64 * 1024;
/// The limits of the histogram's buckets, in seconds: most flares take less than a millisecond.
const BUCKETS: [f64; 16] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0,
];

/// The node's telemetry, if it has a collector.
#[derive(Debug, Default)]
pub(crate) struct Telemetry(Option<Export>);

/// The connection to a collector.
struct Export {
    tracer: SdkTracer,
    spans: SdkTracerProvider,
    metrics: SdkMeterProvider,
    durations: Histogram<f64>,
    problems: Arc<Problems>,
}

impl fmt::Debug for Export {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Export").finish_non_exhaustive()
    }
}

impl Telemetry {
    /// Sends to the collector at this URL, to its `/v1/traces` and `/v1/metrics`. Requests run on `runtime`.
    ///
    /// # Errors
    ///
    /// When the URL is not an HTTP one, or settings in the environment (`OTEL_…`) cannot be used.
    pub(crate) fn to(collector: &str, node_id: &str, runtime: Handle) -> Result<Telemetry> {
        let url = Url::parse(collector)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .ok_or_else(|| {
                Error::new(format!(
                    "the collector {collector:?} is not an address; it must be like http://HOST:4318 (--otlp)"
                ))
            })?;
        let unusable = |error: &dyn fmt::Display| {
            Error::new(format!("cannot send traces and metrics: {error}"))
        };
        let problems = Arc::new(Problems::default());
        let client: Arc<dyn HttpClient> =
            Arc::new(Collector::new(&url, runtime, problems.clone()).map_err(|e| unusable(&e))?);
        let base = collector.trim_end_matches('/');
        let resource = resource(node_id);

        let exporter = SpanExporter::builder()
            .with_http()
            .with_shared_http_client(client.clone())
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{base}/v1/traces"))
            .with_timeout(TIMEOUT)
            .build()
            .map_err(|e| unusable(&e))?;
        let spans = SdkTracerProvider::builder()
            .with_resource(resource.clone())
            .with_span_processor(Bounded::new(exporter, problems.clone()))
            .build();

        let exporter = MetricExporter::builder()
            .with_http()
            .with_shared_http_client(client)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{base}/v1/metrics"))
            .with_timeout(TIMEOUT)
            .build()
            .map_err(|e| unusable(&e))?;
        let metrics = SdkMeterProvider::builder()
            .with_resource(resource)
            .with_reader(PeriodicReader::builder(exporter).build())
            .build();
        let durations = metrics
            .meter("flaron-edge")
            .f64_histogram("http.server.request.duration")
            .with_unit("s")
            .with_description("How long requests took.")
            .with_boundaries(BUCKETS.to_vec())
            .build();
        Ok(Telemetry(Some(Export {
            tracer: spans.tracer("flaron-edge"),
            spans,
            metrics,
            durations,
            problems,
        })))
    }

    /// The span of a request that has come in.
    pub(crate) fn request(&self, headers: &HeaderMap, method: &Method) -> Span {
        match &self.0 {
            Some(export) => Span::of_request(&export.tracer, headers, method),
            None => Span::default(),
        }
    }

    /// Counts a request that was answered.
    pub(crate) fn record(&self, entry: &Entry) {
        let Some(export) = &self.0 else {
            return;
        };
        let mut labels = vec![KeyValue::new("flaron.flare", entry.flare.to_string())];
        if let Some(status) = entry.status {
            labels.push(KeyValue::new(
                "http.response.status_code",
                i64::from(status),
            ));
        }
        export
            .durations
            .record(entry.duration.as_secs_f64(), &labels);
    }

    /// The source of metrics, if there is a collector.
    pub(crate) fn meter(&self) -> Option<Meter> {
        let export = self.0.as_ref()?;
        Some(export.metrics.meter("flaron-edge"))
    }

    /// The problems with sending.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        let export = self.0.as_ref();
        export.map_or_else(Vec::new, |export| export.problems.list())
    }

    /// Sends what is queued, for a few seconds at most, and then stops. This blocks.
    pub(crate) fn end(&self) {
        if let Some(export) = &self.0 {
            // Failures are among the problems already.
            let _ = export.spans.shutdown_with_timeout(TIMEOUT);
            let _ = export.metrics.shutdown_with_timeout(TIMEOUT);
        }
    }
}

/// The resource attributes that are sent with everything: the node's own names, unless the environment sets others
/// (`OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`).
fn resource(node_id: &str) -> Resource {
    let resource = Resource::builder_empty()
        .with_service_name("flaron-edge")
        .with_attributes([
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", node_id.to_owned()),
        ])
        .with_detector(Box::new(EnvResourceDetector::new()));
    match std::env::var("OTEL_SERVICE_NAME") {
        Ok(name) if !name.is_empty() => resource.with_service_name(name),
        _ => resource,
    }
    .build()
}

/// The queue of spans. The SDK's own queue drops what does not fit silently; this one counts it first.
#[derive(Debug)]
struct Bounded {
    queue: BatchSpanProcessor,
    waiting: Arc<AtomicUsize>,
    problems: Arc<Problems>,
}

impl Bounded {
    fn new(exporter: SpanExporter, problems: Arc<Problems>) -> Bounded {
        let waiting = Arc::new(AtomicUsize::new(0));
        let config = BatchConfigBuilder::default()
            .with_max_queue_size(WAITING)
            .build();
        let exporter = Counted {
            exporter,
            waiting: waiting.clone(),
        };
        Bounded {
            queue: BatchSpanProcessor::builder(exporter)
                .with_batch_config(config)
                .build(),
            waiting,
            problems,
        }
    }
}

impl SpanProcessor for Bounded {
    fn on_start(&self, span: &mut opentelemetry_sdk::trace::Span, context: &Context) {
        self.queue.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if !span.span_context.is_sampled() {
            return;
        }
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= WAITING {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            let what = format!(
                "the collector takes spans more slowly than they arrive: beyond {WAITING} they are dropped \
                 (OTEL_TRACES_SAMPLER=parentbased_traceidratio in the environment sends a part of them)"
            );
            self.problems
                .tell("otlp", Severity::Notice, "left out", what);
            return;
        }
        self.queue.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.queue.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.queue.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.queue.set_resource(resource);
    }
}

/// Counts what has left the queue, whatever the outcome.
#[derive(Debug)]
struct Counted {
    exporter: SpanExporter,
    waiting: Arc<AtomicUsize>,
}

impl opentelemetry_sdk::trace::SpanExporter for Counted {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len();
        let outcome = self.exporter.export(batch).await;
        self.waiting.fetch_sub(count, Ordering::Relaxed);
        outcome
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

/// Sends what the exporters produce, and records the outcome.
#[derive(Debug)]
struct Collector {
    client: reqwest::Client,
    runtime: Handle,
    problems: Arc<Problems>,
}

impl Collector {
    fn new(
        url: &Url,
        runtime: Handle,
        problems: Arc<Problems>,
    ) -> std::result::Result<Collector, reqwest::Error> {
        let mut builder = client_builder().timeout(TIMEOUT);
        if url.scheme() == "https" {
            builder = builder.tls_backend_preconfigured(tls_config(system_roots("otlp")));
        }
        Ok(Collector {
            client: builder.build()?,
            runtime,
            problems,
        })
    }
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(
        &self,
        request: Request<Bytes>,
    ) -> std::result::Result<Response<Bytes>, HttpError> {
        let url = request.uri().clone();
        let kind = match url.path().ends_with("/v1/metrics") {
            true => "metrics",
            false => "traces",
        };
        // The exporters have their own threads, on which the client would find no runtime.
        let sending = self.runtime.spawn(send(self.client.clone(), request));
        let sent = sending
            .await
            .unwrap_or_else(|_| Err("the node is stopping".to_owned()));
        let wrong = match &sent {
            Err(why) => Some(why.clone()),
            Ok(response) if !response.status().is_success() => {
                Some(format!("it answered {}", response.status()))
            }
            Ok(_) => None,
        };
        match wrong {
            Some(why) => self.problems.tell(
                "otlp",
                Severity::Warning,
                kind,
                format!(
                    "{kind} do not reach the collector at {url}: {why}; they are lost until this is fixed (--otlp)"
                ),
            ),
            None => self.problems.clear(kind),
        }
        if let Ok(response) = &sent
            && let Some(why) = refused(response.body())
        {
            let what = format!("the collector at {url} does not accept all {kind}: {why}");
            let refused = format!("{kind} refused");
            self.problems.tell("otlp", Severity::Notice, &refused, what);
        }
        sent.map_err(HttpError::from)
    }
}

/// Sends a request, and reads the response.
async fn send(
    client: reqwest::Client,
    request: Request<Bytes>,
) -> std::result::Result<Response<Bytes>, String> {
    let request = reqwest::Request::try_from(request).map_err(|error| causes(&error))?;
    let mut answer = client
        .execute(request)
        .await
        .map_err(|error| match error.is_timeout() {
            true => format!("it did not respond within {TIMEOUT:?}"),
            false => causes(&error),
        })?;
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = answer.status();
    *response.headers_mut() = answer.headers().clone();
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(|error| causes(&error))? {
        if body.len() + piece.len() > MAX_ANSWER {
            return Err(format!("its response is longer than {MAX_ANSWER} bytes"));
        }
        body.extend_from_slice(&piece);
    }
    *response.body_mut() = body.into();
    Ok(response)
}

/// Describes what a collector rejected in a successful response. The responses for traces and for metrics are
/// encoded the same: the number of rejected items, and why.
fn refused(answer: &[u8]) -> Option<String> {
    let answer = ExportTraceServiceResponse::decode(answer).ok()?;
    let partial = answer.partial_success?;
    let (count, why) = (partial.rejected_spans, partial.error_message);
    (count > 0 || !why.is_empty()).then(|| format!("{count} refused: {why}"))
}
