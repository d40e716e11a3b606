//! A node that was built without telemetry. [`Telemetry`] and [`Span`] have the same functions as with the feature
//! `otlp`; the compiler removes the calls.

use http::{HeaderMap, Method};

use crate::capability::health::Problem;
use crate::journal::Entry;

/// Nothing is sent.
#[derive(Debug, Default)]
pub(crate) struct Telemetry;

impl Telemetry {
    pub(crate) fn request(&self, _: &HeaderMap, _: &Method) -> Span {
        Span(())
    }

    pub(crate) fn record(&self, _: &Entry) {}

    pub(crate) fn problems(&self) -> Vec<Problem> {
        Vec::new()
    }

    pub(crate) fn end(&self) {}
}

/// No span.
#[derive(Debug, Default)]
pub(crate) struct Span(());

impl Span {
    pub(crate) fn is_on(&self) -> bool {
        false
    }

    pub(crate) fn inside(&self, _: &'static str) -> Span {
        Span(())
    }

    pub(crate) fn outward(&self, _: &'static str) -> Span {
        Span(())
    }

    pub(crate) fn inject(&self, _: &mut HeaderMap) {}

    pub(crate) fn text(&mut self, _: &'static str, _: &str) {}

    pub(crate) fn number(&mut self, _: &'static str, _: i64) {}

    pub(crate) fn fail(&mut self, _: &str, _: &str) {}

    pub(crate) fn end(self) {}
}
