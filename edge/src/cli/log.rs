//! What `flaron-edge run` prints, and how much of it.

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
    /// A line for each request besides.
    Requests,
    /// And one for each call of the host.
    Calls,
}

/// The printing of the node, which can be changed while it runs.
pub(crate) struct Log {
    format: Format,
    /// Whether there are calls to be printed.
    traced: bool,
    detail: Mutex<Detail>,
    filter: reload::Handle<LevelFilter, Registry>,
}

impl Log {
    /// Prints what the node says from now on: the journal's entries as they are, anything else with its
    /// level. Once in a process.
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
            // The entries alone, which have all of it: what the node says besides is for people.
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

    /// How the node is to print its entries.
    pub(crate) fn prints(&self) -> Printing {
        match (self.format, self.detail()) {
            (Format::Json, _) => Printing::Json,
            (Format::Text, Detail::Calls) => Printing::Calls,
            (Format::Text, _) => Printing::Text,
        }
    }

    /// Prints more or less, and says what that is.
    pub(crate) fn change(&self, more: bool) -> &'static str {
        let has_calls = self.traced && self.format == Format::Text;
        let (detail, said) = match (self.detail(), more) {
            (Detail::Failures, true) | (Detail::Calls, false) => {
                (Detail::Requests, "Printing each request")
            }
            (Detail::Requests, true) if has_calls => (
                Detail::Calls,
                "Printing each request and its calls of the host",
            ),
            (Detail::Requests, true) if self.format == Format::Json => {
                return "Each request is printed, with its host calls if they are recorded";
            }
            (Detail::Requests, true) => {
                return "Each request is printed; for its calls of the host start with --trace";
            }
            (Detail::Calls, true) => return "Everything is printed",
            (Detail::Requests, false) => (Detail::Failures, "Printing warnings and failures only"),
            (Detail::Failures, false) => return "Only warnings and failures are printed",
        };
        *self.detail.lock().unwrap_or_else(PoisonError::into_inner) = detail;
        match self.filter.modify(|filter| *filter = level(detail)) {
            Ok(()) => said,
            Err(_) => "What is printed cannot be changed any more",
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

/// Prints what is for people: where lines are for programs, beside them.
pub(crate) fn say(log: Format, text: &str) {
    match log {
        Format::Text => out!("{text}"),
        Format::Json => err!("{text}"),
    }
}

/// A line that is an event's message and nothing else. What is no JSON goes to standard error.
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
