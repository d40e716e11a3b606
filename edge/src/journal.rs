//! The node's journal: one entry for each invocation of a flare, and a live stream of them.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio::sync::broadcast;

use crate::sync::{lock, read, write};
use crate::trace::HostCall;

/// How many invocations the journal keeps.
const REMEMBERED: usize = 1000;
/// How many bytes of their text it keeps; the oldest ones are dropped to make room.
const REMEMBERED_BYTES: usize = 8 << 20;

/// The level of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Level {
    Info,
    Warn,
    Error,
}

impl Level {
    /// `info`, `warn` or `error`.
    pub fn name(self) -> &'static str {
        match self {
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        }
    }
}

/// A line that a flare logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// The level that the flare chose.
    pub level: Level,
    /// The text, valid UTF-8 whatever the flare wrote, at most `max_log_line_bytes` long.
    pub text: String,
}

/// What an invocation used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Used {
    /// The Wasm instructions that it ran, including instantiation, counted as wasmtime's fuel: each
    /// instruction is 1, but some, such as `nop`, `drop` and `block`, are 0.
    pub instructions: u64,
    /// Its linear memory at the end, in bytes. Memory only grows.
    pub memory: u64,
}

/// One invocation of a flare: a request, or a WebSocket event.
#[derive(Debug, Clone)]
pub struct Entry {
    /// A sequence number; the node's first entry is 1.
    pub seq: u64,
    /// When it ended.
    pub time: SystemTime,
    /// The flare's name; empty when no flare served the path.
    pub flare: Arc<str>,
    /// The request's method, or `WS`.
    pub method: String,
    /// The request's path and query, or the event and connection.
    pub path: String,
    /// The response's status; none for WebSocket events.
    pub status: Option<u16>,
    /// How long it took.
    pub duration: Duration,
    /// What the flare logged.
    pub lines: Vec<LogLine>,
    /// The node's notes: limits that were hit, calls that were refused, and why.
    pub notes: Vec<String>,
    /// Why the invocation failed, if it did.
    pub error: Option<String>,
    /// The flare's host calls, if they are traced ([`EdgeBuilder::trace`](crate::EdgeBuilder::trace)).
    pub calls: Vec<HostCall>,
    /// What it used, for an HTTP request to a node that counts
    /// ([`EdgeBuilder::count`](crate::EdgeBuilder::count)).
    pub used: Option<Used>,
}

impl Entry {
    /// A new entry with the current time.
    pub(crate) fn new(flare: Arc<str>, method: String, path: String) -> Entry {
        Entry {
            seq: 0,
            time: SystemTime::now(),
            flare,
            method,
            path,
            status: None,
            duration: Duration::ZERO,
            lines: Vec::new(),
            notes: Vec::new(),
            error: None,
            calls: Vec::new(),
            used: None,
        }
    }

    /// The entry as JSON, for the status page and `--log json`.
    pub(crate) fn to_json(&self) -> Value {
        let lines: Vec<Value> = self
            .lines
            .iter()
            .map(|line| json!({ "level": line.level.name(), "text": line.text }))
            .collect();
        let calls: Vec<Value> = self
            .calls
            .iter()
            .map(|call| {
                json!({
                    "name": call.name,
                    "arguments": call.arguments,
                    "result": call.result,
                    "duration_us": call.duration.as_secs_f64() * 1e6,
                })
            })
            .collect();
        let time = self.time.duration_since(UNIX_EPOCH).unwrap_or_default();
        json!({
            "seq": self.seq,
            "time_ms": time.as_millis() as u64,
            "flare": &*self.flare,
            "method": self.method,
            "path": self.path,
            "status": self.status,
            "duration_us": self.duration.as_secs_f64() * 1e6,
            "lines": lines,
            "notes": self.notes,
            "error": self.error,
            "calls": calls,
        })
    }

    /// About how much memory its strings take.
    fn bytes(&self) -> usize {
        let lines: usize = self.lines.iter().map(|line| line.text.len()).sum();
        let notes: usize = self.notes.iter().map(String::len).sum();
        let error = self.error.as_ref().map_or(0, String::len);
        let calls: usize = self.calls.iter().map(HostCall::bytes).sum();
        self.path.len() + lines + notes + error + calls
    }
}

impl fmt::Display for Entry {
    /// One line for the invocation, then an indented line for each log line, note and failure. Control
    /// characters in text from outside are escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", Plain(&self.method), Plain(&self.path))?;
        if let Some(status) = self.status {
            write!(f, " {status}")?;
        }
        write!(f, " {}", Millis(self.duration))?;
        for line in &self.lines {
            write!(f, "\n    {:<5} {}", line.level.name(), Plain(&line.text))?;
        }
        for note in &self.notes {
            write!(f, "\n    note  {}", Plain(note))?;
        }
        if let Some(error) = &self.error {
            write!(f, "\n    FAILED {}", Plain(error))?;
        }
        Ok(())
    }
}

/// An entry in its printed form.
struct Printed<'a> {
    entry: &'a Entry,
    prints: Printing,
}

impl fmt::Display for Printed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.prints == Printing::Json {
            return self.entry.to_json().fmt(f);
        }
        self.entry.fmt(f)?;
        if self.prints == Printing::Calls {
            for call in &self.entry.calls {
                write!(f, "\n    call  {}", Plain(&call.to_string()))?;
            }
        }
        Ok(())
    }
}

/// Text from outside, on one line, without anything that changes how a terminal shows the text around
/// it: control sequences, and characters that change the writing direction.
#[derive(Debug)]
pub struct Plain<'a>(pub &'a str);

/// Whether a character is escaped.
fn is_escaped(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}'
            | '\u{feff}')
}

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some(at) = rest.find(is_escaped) {
            f.write_str(&rest[..at])?;
            let mut chars = rest[at..].chars();
            if let Some(control) = chars.next() {
                write!(f, "{}", control.escape_default())?;
            }
            rest = chars.as_str();
        }
        f.write_str(rest)
    }
}

/// A time in milliseconds, with a precision for people.
struct Millis(Duration);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_secs_f64() * 1000.0;
        if millis < 10.0 {
            write!(f, "{millis:.2} ms")
        } else {
            write!(f, "{millis:.0} ms")
        }
    }
}

/// The node's journal of invocations, and the live stream of them.
#[derive(Debug)]
pub(crate) struct Journal {
    recent: Mutex<Recent>,
    live: broadcast::Sender<Arc<Entry>>,
    seq: AtomicU64,
    prints: RwLock<Printing>,
}

/// How entries are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Printing {
    /// For people: a line for each entry, and one for each log line, note and failure.
    #[default]
    Text,
    /// The same, and a line for each host call.
    Calls,
    /// For programs: a line of JSON for each, as in `/_edge/events`.
    Json,
}

#[derive(Debug, Default)]
struct Recent {
    entries: VecDeque<Arc<Entry>>,
    bytes: usize,
}

impl Recent {
    fn push(&mut self, entry: Arc<Entry>) {
        self.bytes += entry.bytes();
        self.entries.push_back(entry);
        while self.entries.len() > REMEMBERED || self.bytes > REMEMBERED_BYTES {
            let Some(oldest) = self.entries.pop_front() else {
                return;
            };
            self.bytes -= oldest.bytes();
        }
    }
}

impl Journal {
    pub(crate) fn new(prints: Printing) -> Self {
        Journal {
            recent: Mutex::default(),
            live: broadcast::channel(256).0,
            seq: AtomicU64::new(0),
            prints: RwLock::new(prints),
        }
    }

    /// Changes how entries are printed.
    pub(crate) fn set_prints(&self, prints: Printing) {
        *write(&self.prints) = prints;
    }

    /// Keeps an entry, prints it through `tracing`, and sends it to the live stream.
    pub(crate) fn record(&self, mut entry: Entry) {
        entry.seq = self.seq.fetch_add(1, Ordering::Relaxed) + 1;
        let printed = Printed {
            entry: &entry,
            prints: *read(&self.prints),
        };
        if entry.error.is_some() {
            tracing::error!(target: "flaron_edge::journal", "{printed}");
        } else {
            tracing::info!(target: "flaron_edge::journal", "{printed}");
        }
        let entry = Arc::new(entry);
        if self.live.receiver_count() > 0 {
            // An error means that the last listener has just gone.
            let _ = self.live.send(entry.clone());
        }
        let mut recent = lock(&self.recent);
        recent.push(entry);
    }

    /// The latest entries, oldest first.
    pub(crate) fn recent(&self) -> Vec<Arc<Entry>> {
        let recent = lock(&self.recent);
        recent.entries.iter().cloned().collect()
    }

    /// The number of readers of the live stream.
    pub(crate) fn followers(&self) -> usize {
        self.live.receiver_count()
    }

    /// The stream of entries from now on.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Arc<Entry>> {
        self.live.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &str) -> Entry {
        Entry {
            status: Some(200),
            duration: Duration::from_micros(1500),
            lines: vec![LogLine {
                level: Level::Warn,
                text: "a\nb\u{1b}[31m".into(),
            }],
            notes: vec!["n".into()],
            ..Entry::new("f".into(), "GET".into(), path.into())
        }
    }

    #[test]
    fn entries_print_on_one_line_each_without_terminal_commands() {
        assert_eq!(
            entry("/x").to_string(),
            "GET /x 200 1.50 ms\n    warn  a\\nb\\u{1b}[31m\n    note  n"
        );
    }

    #[test]
    fn entries_cannot_turn_the_direction_of_writing() {
        let text = entry("/\u{202e}gpj.exe\u{2066}\u{200f}").to_string();
        assert!(
            text.starts_with("GET /\\u{202e}gpj.exe\\u{2066}\\u{200f} 200"),
            "{text}"
        );
    }

    #[test]
    fn the_journal_forgets_the_oldest() {
        let journal = Journal::new(Printing::Text);
        let mut live = journal.subscribe();
        for n in 0..REMEMBERED + 5 {
            journal.record(entry(&n.to_string()));
        }
        let recent = journal.recent();
        assert_eq!(recent.len(), REMEMBERED);
        assert_eq!(recent[0].path, "5");
        assert_eq!(recent[0].seq, 6);
        // The listener was too slow for all of them, but gets the latest.
        assert!(live.try_recv().is_err());
        assert!(live.try_recv().is_ok());
    }

    #[test]
    fn the_journal_is_bounded_in_bytes() {
        let journal = Journal::new(Printing::Text);
        for _ in 0..20 {
            journal.record(entry(&"x".repeat(1 << 20)));
        }
        let kept = journal.recent().len();
        assert!((1..=8).contains(&kept), "{kept}");
        // An entry larger than the whole journal is not kept, and does no harm.
        journal.record(entry(&"x".repeat(REMEMBERED_BYTES + 1)));
        journal.record(entry("small"));
        assert_eq!(journal.recent().len(), 1);
    }
}
