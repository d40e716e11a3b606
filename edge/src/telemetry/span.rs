//! Spans, and the headers that carry them from one program to the next.

use std::fmt;

use http::{HeaderMap, Method};
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanKind, Status, TraceContextExt as _, Tracer as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::{HeaderExtractor, HeaderInjector};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracer;

/// Something that takes time, if there is a collector for it. It ends when dropped.
#[derive(Default)]
pub(crate) struct Span(Option<Box<Begun>>);

struct Begun {
    tracer: SdkTracer,
    span: opentelemetry_sdk::trace::Span,
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let context = self.0.as_ref().map(|begun| begun.span.span_context());
        f.debug_tuple("Span").field(&context).finish()
    }
}

impl Span {
    /// The span of an incoming request with these headers.
    pub(crate) fn of_request(tracer: &SdkTracer, headers: &HeaderMap, method: &Method) -> Span {
        let before = TraceContextPropagator::new()
            .extract_with_context(&Context::new(), &HeaderExtractor(headers));
        let (name, word) = named(method);
        let mut span = begin(tracer, SpanKind::Server, name, &before);
        span.text("http.request.method", word);
        span
    }

    /// Whether it is recorded.
    pub(crate) fn is_on(&self) -> bool {
        self.0
            .as_ref()
            .is_some_and(|begun| begun.span.is_recording())
    }

    /// A child span for work inside the node.
    pub(crate) fn inside(&self, name: &'static str) -> Span {
        self.child(SpanKind::Internal, name)
    }

    /// A child span for a request to another server.
    pub(crate) fn outward(&self, name: &'static str) -> Span {
        self.child(SpanKind::Client, name)
    }

    fn child(&self, kind: SpanKind, name: &'static str) -> Span {
        match &self.0 {
            None => Span(None),
            Some(begun) => {
                let context = begun.span.span_context().clone();
                let parent = Context::new().with_remote_span_context(context);
                begin(&begun.tracer, kind, name, &parent)
            }
        }
    }

    /// Writes `traceparent` and `tracestate`, so that the receiver continues the trace from here.
    pub(crate) fn inject(&self, headers: &mut HeaderMap) {
        if let Some(begun) = &self.0 {
            let context = begun.span.span_context().clone();
            let here = Context::new().with_remote_span_context(context);
            TraceContextPropagator::new().inject_context(&here, &mut HeaderInjector(headers));
        }
    }

    pub(crate) fn text(&mut self, name: &'static str, value: &str) {
        if let Some(begun) = &mut self.0 {
            begun
                .span
                .set_attribute(KeyValue::new(name, value.to_owned()));
        }
    }

    pub(crate) fn number(&mut self, name: &'static str, value: i64) {
        if let Some(begun) = &mut self.0 {
            begun.span.set_attribute(KeyValue::new(name, value));
        }
    }

    /// Marks it as failed, with the kind of error and the reason.
    pub(crate) fn fail(&mut self, kind: &str, why: &str) {
        self.text("error.type", kind);
        if let Some(begun) = &mut self.0 {
            begun.span.set_status(Status::error(why.to_owned()));
        }
    }

    /// Ends it.
    pub(crate) fn end(self) {
        drop(self.0);
    }
}

fn begin(tracer: &SdkTracer, kind: SpanKind, name: &'static str, parent: &Context) -> Span {
    let builder = SpanBuilder::from_name(name).with_kind(kind);
    Span(Some(Box::new(Begun {
        span: tracer.build_with_context(builder, parent),
        tracer: tracer.clone(),
    })))
}

/// The name and the method of a request's span. A client can make up any number of methods, and a collector groups
/// by name, so unknown ones share a name.
fn named(method: &Method) -> (&'static str, &'static str) {
    const KNOWN: [(&Method, &str); 9] = [
        (&Method::GET, "GET"),
        (&Method::POST, "POST"),
        (&Method::PUT, "PUT"),
        (&Method::DELETE, "DELETE"),
        (&Method::HEAD, "HEAD"),
        (&Method::OPTIONS, "OPTIONS"),
        (&Method::PATCH, "PATCH"),
        (&Method::TRACE, "TRACE"),
        (&Method::CONNECT, "CONNECT"),
    ];
    match KNOWN.into_iter().find(|(known, _)| *known == method) {
        Some((_, name)) => (name, name),
        None => ("HTTP", "_OTHER"),
    }
}
