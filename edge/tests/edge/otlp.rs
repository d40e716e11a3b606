//! Traces and metrics, as a collector receives them.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use flaron_edge::{Edge, FlareConfig};
use futures_util::{SinkExt as _, StreamExt as _};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message as _;
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::Message;

use crate::guest::{Guest, PASS, RESPOND, get, http_guest};
use crate::process::{PROGRAM, Process, flare, free_address};
use crate::socket::{LONG, connect, serve};

/// A client's trace, with this flag for whether it is sampled.
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

/// A server that keeps what it receives, and always gives the same answer.
struct Stub {
    url: String,
    seen: Arc<Mutex<Vec<(String, HeaderMap, Bytes)>>>,
}

impl Stub {
    async fn start(status: StatusCode, answer: Bytes) -> Stub {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen: Arc<Mutex<Vec<_>>> = Arc::default();
        let kept = seen.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (kept, answer) = (kept.clone(), answer.clone());
                let service = service_fn(move |request: Request<Incoming>| {
                    let (kept, answer) = (kept.clone(), answer.clone());
                    async move {
                        let (parts, body) = request.into_parts();
                        let body = body.collect().await.unwrap().to_bytes();
                        let path = parts.uri.path().to_owned();
                        kept.lock().unwrap().push((path, parts.headers, body));
                        let mut response = Response::new(Full::new(answer));
                        *response.status_mut() = status;
                        Ok::<_, Infallible>(response)
                    }
                });
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service);
                tokio::spawn(connection);
            }
        });
        Stub { url, seen }
    }

    async fn well() -> Stub {
        Stub::start(StatusCode::OK, Bytes::new()).await
    }

    fn bodies(&self, path: &str) -> Vec<Bytes> {
        let seen = self.seen.lock().unwrap();
        let of_path = seen.iter().filter(|(at, _, _)| at == path);
        of_path.map(|(_, _, body)| body.clone()).collect()
    }

    /// The header of the only request.
    fn header(&self, name: &str) -> Option<String> {
        let seen = self.seen.lock().unwrap();
        assert_eq!(seen.len(), 1);
        let value = seen[0].1.get(name)?;
        Some(value.to_str().unwrap().to_owned())
    }

    /// All spans, with the name of the service that sent them.
    fn spans(&self) -> Vec<(Span, String)> {
        let mut spans = Vec::new();
        for body in self.bodies("/v1/traces") {
            let request = ExportTraceServiceRequest::decode(body).unwrap();
            for resource in request.resource_spans {
                let service = text(&resource.resource.unwrap().attributes, "service.name");
                let of_scopes = resource
                    .scope_spans
                    .into_iter()
                    .flat_map(|scope| scope.spans);
                spans.extend(of_scopes.map(|span| (span, service.clone().unwrap())));
            }
        }
        spans
    }

    fn span(&self, name: &str) -> Span {
        let spans = self.spans();
        let mut found = spans.iter().filter(|(span, _)| span.name == name);
        match (found.next(), found.next()) {
            (Some((span, _)), None) => span.clone(),
            _ => panic!("not one span {name}: {spans:#?}"),
        }
    }
}

fn value<'a>(attributes: &'a [KeyValue], name: &str) -> Option<&'a Value> {
    let attribute = attributes.iter().find(|attribute| attribute.key == name)?;
    attribute.value.as_ref()?.value.as_ref()
}

fn text(attributes: &[KeyValue], name: &str) -> Option<String> {
    match value(attributes, name)? {
        Value::StringValue(text) => Some(text.clone()),
        other => panic!("{name} is {other:?}"),
    }
}

fn number(attributes: &[KeyValue], name: &str) -> Option<i64> {
    match value(attributes, name)? {
        Value::IntValue(number) => Some(*number),
        other => panic!("{name} is {other:?}"),
    }
}

/// The parts of a `traceparent`: trace, span, flags.
fn parent(header: &str) -> (String, String, String) {
    let parts: Vec<&str> = header.split('-').collect();
    assert_eq!((parts.len(), parts[0]), (4, "00"), "{header}");
    (parts[1].into(), parts[2].into(), parts[3].into())
}

fn node(guest: Guest, config: &str, collector: &Stub) -> Edge {
    Edge::builder()
        .flare(guest.wasm())
        .config(FlareConfig::parse(config).unwrap())
        .otlp(&collector.url)
        .build()
        .unwrap()
}

fn in_trace(path: &str, flags: &str) -> Request<&'static str> {
    Request::get(path)
        .header("traceparent", format!("00-{TRACE}-{CALLER}-{flags}"))
        .header("tracestate", "vendor=1")
        .body("")
        .unwrap()
}

fn problems(status: &[u8]) -> String {
    let status: serde_json::Value = serde_json::from_slice(status).unwrap();
    status["problems"].to_string()
}

/// A client's trace continues through the node: to the flare, to what the flare fetches, and to the
/// origin. Each step is reported to the collector, as a child of the one that caused it.
#[tokio::test(flavor = "multi_thread")]
async fn a_trace_goes_through_the_node() {
    let (collector, api, origin) = tokio::join!(Stub::well(), Stub::well(), Stub::well());
    let guest = http_guest(|guest| {
        let url = guest.text(format!("{}/rates?key=secret", api.url));
        format!("(drop (call $beam_fetch {url} (i32.const 0) (i32.const 0))) {PASS}")
    });
    let config = format!(
        "name = \"rates\"\norigin = {:?}\n[beam]\nallow_private = true",
        origin.url
    );
    let edge = node(guest, &config, &collector);
    let response = edge.request(in_trace("/cart?token=secret", "01")).await;
    assert_eq!(response.status(), 200);
    edge.leave().await;

    let request = collector.span("GET");
    let flare = collector.span("flare");
    let fetch = collector.span("beam_fetch");
    let onward = collector.span("origin");
    for span in [&request, &flare, &fetch, &onward] {
        assert_eq!(hex::encode(&span.trace_id), TRACE);
        assert!(span.start_time_unix_nano <= span.end_time_unix_nano);
        assert_eq!(span.trace_state, "vendor=1");
    }
    assert_eq!(hex::encode(&request.parent_span_id), CALLER);
    assert_eq!(flare.parent_span_id, request.span_id);
    assert_eq!(fetch.parent_span_id, flare.span_id);
    assert_eq!(onward.parent_span_id, request.span_id);
    assert_eq!(
        [request.kind(), flare.kind(), fetch.kind(), onward.kind()],
        [
            SpanKind::Server,
            SpanKind::Internal,
            SpanKind::Client,
            SpanKind::Client
        ]
    );

    let of = |span: &Span, name| text(&span.attributes, name);
    assert_eq!(of(&request, "http.request.method").unwrap(), "GET");
    assert_eq!(of(&request, "url.path").unwrap(), "/cart");
    assert_eq!(of(&request, "flaron.flare").unwrap(), "rates");
    assert_eq!(of(&fetch, "server.address").unwrap(), "127.0.0.1");
    assert_eq!(of(&fetch, "url.path").unwrap(), "/rates");
    for span in [&request, &fetch, &onward] {
        assert_eq!(
            number(&span.attributes, "http.response.status_code"),
            Some(200)
        );
    }
    for body in collector.bodies("/v1/traces") {
        assert!(
            !body.windows(6).any(|part| part == b"secret"),
            "a query was sent"
        );
    }
    assert_eq!(collector.spans()[0].1, "flaron-edge");

    // The server that was asked continues the trace from the call.
    for (asked, span) in [(&api, &fetch), (&origin, &onward)] {
        let (trace, caller, flags) = parent(&asked.header("traceparent").unwrap());
        assert_eq!(
            (trace.as_str(), caller),
            (TRACE, hex::encode(&span.span_id))
        );
        assert_eq!(flags, "01");
        assert_eq!(asked.header("tracestate").unwrap(), "vendor=1");
    }
}

/// A request without a trace begins one. The flare finds its own place in the request's headers, and a
/// `traceparent` that a flare sets itself on a fetch is left alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_flare_sees_the_trace_and_can_say_it_itself() {
    let (collector, api) = tokio::join!(Stub::well(), Stub::well());
    let own = format!("00-{}-{}-01", "1".repeat(32), "2".repeat(16));
    let guest = http_guest(|guest| {
        let url = guest.text(&api.url);
        let options = guest.text(format!("{{\"headers\":{{\"traceparent\":\"{own}\"}}}}"));
        let name = guest.text("traceparent");
        format!(
            "(drop (call $beam_fetch {url} {options}))
             (call $reply (call $req_header_get {name})) {RESPOND}"
        )
    });
    let edge = node(guest, "[beam]\nallow_private = true", &collector);
    let response = get(&edge, "/").await;
    edge.leave().await;
    let flare = collector.span("flare");
    let (trace, span, _) = parent(str::from_utf8(response.body()).unwrap());
    assert_eq!(trace, hex::encode(&flare.trace_id));
    assert_eq!(span, hex::encode(&flare.span_id));
    assert!(collector.span("GET").parent_span_id.is_empty());
    assert_eq!(api.header("traceparent").unwrap(), own);
}

/// A client's decision not to sample its trace is respected, and passed on.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_sampled_is_not_sent_but_passed_on() {
    let (collector, origin) = tokio::join!(Stub::well(), Stub::well());
    let guest = http_guest(|_| PASS.to_owned());
    let edge = node(guest, &format!("origin = {:?}", origin.url), &collector);
    assert_eq!(edge.request(in_trace("/", "00")).await.status(), 200);
    edge.leave().await;
    assert!(collector.spans().is_empty());
    let (trace, caller, flags) = parent(&origin.header("traceparent").unwrap());
    assert_eq!((trace.as_str(), flags.as_str()), (TRACE, "00"));
    assert_ne!(caller, CALLER);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_told_with_its_reason() {
    let collector = Stub::well().await;
    let edge = node(http_guest(|_| "(unreachable)".to_owned()), "", &collector);
    assert_eq!(get(&edge, "/").await.status(), 502);
    edge.leave().await;
    for name in ["GET", "flare"] {
        let span = collector.span(name);
        assert_eq!(text(&span.attributes, "error.type").unwrap(), "trap");
        let status = span.status.unwrap();
        assert_eq!(status.code, 2);
        assert!(status.message.contains("unreachable"), "{}", status.message);
    }
}

/// A WebSocket is a part of the request that opened it, for as long as it lasts; its events are parts of the
/// WebSocket.
#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_is_a_part_of_its_request() {
    let collector = Stub::well().await;
    let edge = node(Guest::new().ws("", "", ""), "", &collector);
    let server = serve(&edge).await;
    let stream = connect(&server).await;
    let url = format!("ws://{}/chat", server.addr());
    let (mut client, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
    client.send(Message::text("hello")).await.unwrap();
    client.close(None).await.unwrap();
    // A node that is shutting down reads no more messages, so it must have read this one.
    let ended = async { while let Some(Ok(_)) = client.next().await {} };
    tokio::time::timeout(LONG, ended).await.unwrap();
    assert!(server.shutdown(LONG).await);
    edge.leave().await;
    let connection = collector.span("websocket");
    assert_eq!(connection.parent_span_id, collector.span("GET").span_id);
    let spans = collector.spans();
    let events = spans.iter().filter(|(span, _)| span.name == "flare");
    let events: Vec<String> = events
        .map(|(span, _)| {
            assert_eq!(span.parent_span_id, connection.span_id);
            text(&span.attributes, "flaron.event").unwrap()
        })
        .collect();
    assert_eq!(events, ["open", "message", "close"]);
}

/// The collector receives the metrics of `/_edge/metrics`, and how long requests took.
#[tokio::test(flavor = "multi_thread")]
async fn metrics_arrive() {
    let collector = Stub::well().await;
    let guest = http_guest(|_| RESPOND.to_owned());
    let edge = node(guest, "name = \"counted\"", &collector);
    for _ in 0..3 {
        get(&edge, "/").await;
    }
    edge.leave().await;
    let mut metrics = BTreeMap::new();
    for body in collector.bodies("/v1/metrics") {
        let request = ExportMetricsServiceRequest::decode(body).unwrap();
        let resources = request.resource_metrics.into_iter();
        for scope in resources.flat_map(|resource| resource.scope_metrics) {
            metrics.extend(
                scope
                    .metrics
                    .into_iter()
                    .map(|metric| (metric.name, metric.data)),
            );
        }
    }
    let Some(Some(Data::Histogram(durations))) = metrics.get("http.server.request.duration") else {
        panic!("{metrics:#?}");
    };
    let point = &durations.data_points[0];
    assert_eq!(point.count, 3);
    assert!(point.sum.unwrap() > 0.0);
    assert_eq!(text(&point.attributes, "flaron.flare").unwrap(), "counted");
    assert_eq!(
        number(&point.attributes, "http.response.status_code"),
        Some(200)
    );
    let Some(Some(Data::Sum(invocations))) = metrics.get("flaron_invocations_total") else {
        panic!("{metrics:#?}");
    };
    assert!(invocations.is_monotonic);
    let page = get(&edge, "/_edge/metrics").await;
    for line in str::from_utf8(page.body()).unwrap().lines() {
        if let Some(name) = line.strip_prefix("# TYPE ") {
            let name = name.split(' ').next().unwrap();
            // A single node follows nobody.
            let has_values = str::from_utf8(page.body())
                .unwrap()
                .lines()
                .any(|line| line.starts_with(name));
            assert!(
                !has_values || metrics.contains_key(name),
                "{name} is missing"
            );
        }
    }
}

/// A collector that is down, refuses, or accepts only a part: the node works, and reports it in its log
/// and on the status page.
#[test]
fn an_exporter_that_fails_is_heard() {
    let folder = tempfile::tempdir().unwrap();
    let flare = flare(folder.path(), &http_guest(|_| RESPOND.to_owned()), "");
    // Nothing listens there.
    let addr = free_address();
    let mut command = Command::new(PROGRAM);
    command
        .args([
            "run",
            "--listen",
            "127.0.0.1:0",
            "--otlp",
            &format!("http://{addr}"),
        ])
        .arg(&flare)
        .env("OTEL_BSP_SCHEDULE_DELAY", "50");
    let node = Process::of(command);
    node.get("/");
    let line = node.line_with("traces do not reach the collector");
    assert!(line.contains(&format!("http://{addr}/v1/traces")), "{line}");
    assert!(line.contains("--otlp"), "{line}");
    assert!(problems(node.get("/_edge/status.json").as_bytes()).contains("traces do not reach"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_refuses_is_heard() {
    let partial = ExportTraceServiceResponse {
        partial_success: Some(ExportTracePartialSuccess {
            rejected_spans: 2,
            error_message: "too old".to_owned(),
        }),
    };
    let partial = Bytes::from(partial.encode_to_vec());
    for (status, answer, said) in [
        (
            StatusCode::OK,
            partial,
            "does not accept all traces: 2 refused: too old",
        ),
        (
            StatusCode::FORBIDDEN,
            Bytes::new(),
            "it answered 403 Forbidden",
        ),
    ] {
        let collector = Stub::start(status, answer).await;
        let edge = node(http_guest(|_| RESPOND.to_owned()), "", &collector);
        get(&edge, "/").await;
        edge.leave().await;
        let page = get(&edge, "/_edge/status.json").await;
        let problems = problems(page.body());
        assert!(problems.contains(said), "{problems}");
    }
}

/// Spans that are not collected do not pile up, and dropping them is reported.
#[tokio::test(flavor = "multi_thread")]
async fn spans_that_nobody_takes_do_not_pile_up() {
    // It accepts connections, and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let guest = http_guest(|_| RESPOND.to_owned());
    let edge = Edge::builder()
        .flare(guest.wasm())
        .otlp(format!("http://{}", silent.local_addr().unwrap()))
        .build()
        .unwrap();
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        for _ in 0..500 {
            get(&edge, "/").await;
        }
        let page = get(&edge, "/_edge/status.json").await;
        if problems(page.body()).contains("beyond 8192 they are dropped") {
            break;
        }
        assert!(Instant::now() < until, "they are not bounded");
    }
}

#[test]
fn a_collector_that_is_no_address_is_refused() {
    for address in ["localhost:4318", "ftp://localhost", "http://"] {
        let edge = Edge::builder()
            .flare(http_guest(|_| RESPOND.to_owned()).wasm())
            .otlp(address)
            .build();
        let error = edge.err().expect(address).to_string();
        assert!(error.contains("must be like http://HOST:4318"), "{error}");
    }
}
