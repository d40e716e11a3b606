//! The log that `flaron-edge run` prints, and its level of detail.

use std::io::IsTerminal as _;
use std::sync::{Mutex, PoisonError};

use flaron_edge::Printing;
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::{LookupSpan, Registry};
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::cli::args::Format;
use crate::cli::output::{Output, err, errln, out};

/// How much is printed, from least to most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Warnings and failures.
    Failures,
    /// Also a line for each request.
    Requests,
    /// Also a line for each host call.
    Calls,
}

/// The node's log, whose level of detail can be changed while it runs.
pub(crate) struct Log {
    format: Format,
    /// Whether host calls are recorded, and so can be printed.
    traced: bool,
    detail: Mutex<Detail>,
    filter: reload::Handle<LevelFilter, Registry>,
}

impl Log {
    /// Starts printing: the journal's entries as they are, anything else with its level. Only once in a process.
    pub(crate) fn begin(format: Format, detail: Detail, traced: bool) -> Log {
        let (filter, handle) = reload::Layer::new(level(detail));
        let filtered = tracing_subscriber::registry().with(filter);
        let layer = tracing_subscriber::fmt::layer()
            .with_writer(|| Output)
            .without_time()
            .with_target(false);
        match format {
            Format::Text => {
                let colours = std::io::stdout().is_terminal()
                    && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
                filtered.with(layer.with_ansi(colours)).init();
            }
            // The journal's entries alone: other messages are for people.
            Format::Json => filtered
                .with(layer.with_ansi(false).event_format(MessageAlone))
                .init(),
        }
        Log {
            format,
            traced,
            detail: Mutex::new(detail),
            filter: handle,
        }
    }

    /// Whether host calls are recorded.
    pub(crate) fn traced(&self) -> bool {
        self.traced
    }

    /// How the node prints its entries.
    pub(crate) fn prints(&self) -> Printing {
        match (self.format, self.detail()) {
            (Format::Json, _) => Printing::Json,
            (Format::Text, Detail::Calls) => Printing::Calls,
            (Format::Text, _) => Printing::Text,
        }
    }

    /// Changes the level of detail, and returns a message that says what is printed now.
    pub(crate) fn change(&self, more: bool) -> &'static str {
        let has_calls = self.traced && self.format == Format::Text;
        let (detail, said) = match (self.detail(), more) {
            (Detail::Failures, true) | (Detail::Calls, false) => {
                (Detail::Requests, "Printing each request")
            }
            (Detail::Requests, true) if has_calls => {
                (Detail::Calls, "Printing each request and its host calls")
            }
            (Detail::Requests, true) if self.format == Format::Json => {
                return "Already printing each request, with its host calls if they are recorded";
            }
            (Detail::Requests, true) => {
                return "Already printing each request; to print its host calls too, start with --trace";
            }
            (Detail::Calls, true) => return "Already printing everything",
            (Detail::Requests, false) => (Detail::Failures, "Printing warnings and failures only"),
            (Detail::Failures, false) => return "Already printing warnings and failures only",
        };
        *self.detail.lock().unwrap_or_else(PoisonError::into_inner) = detail;
        match self.filter.modify(|filter| *filter = level(detail)) {
            Ok(()) => said,
            Err(_) => "The log can no longer be changed",
        }
    }

    fn detail(&self) -> Detail {
        *self.detail.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn level(detail: Detail) -> LevelFilter {
    match detail {
        Detail::Failures => LevelFilter::WARN,
        Detail::Requests | Detail::Calls => LevelFilter::INFO,
    }
}

/// Prints a message for people: to standard error if the log on standard output is for programs.
pub(crate) fn say(log: Format, text: &str) {
    match log {
        Format::Text => out!("{text}"),
        Format::Json => err!("{text}"),
    }
}

/// Formats an event as its message alone. What is not JSON goes to standard error.
struct MessageAlone;

impl<S, N> FormatEvent<S, N> for MessageAlone
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> std::fmt::Result {
        if event.metadata().target() == "flaron_edge::journal" {
            context
                .field_format()
                .format_fields(writer.by_ref(), event)?;
            return writeln!(writer);
        }
        let mut text = String::new();
        context
            .field_format()
            .format_fields(Writer::new(&mut text), event)?;
        errln!("{} {text}", event.metadata().level());
        Ok(())
    }
}
