//! What is recorded about an invocation while it runs: the flare's log lines, and the node's notes.

use crate::journal::{Level, LogLine};
use crate::trace::{Calls, HostCall};

/// How many different notes an invocation can have, so that a hostile flare cannot fill the screen.
const MAX_NOTES: usize = 20;
/// The kind of the note that the flare's `alloc` had no room.
pub(crate) const ALLOC_REFUSED: &str = "alloc refused";

/// What is recorded about an invocation while it runs.
#[derive(Debug, Default)]
pub(crate) struct Notebook {
    lines: Vec<LogLine>,
    dropped_lines: u64,
    cut_lines: u64,
    notes: Vec<(&'static str, String)>,
    calls: Calls,
}

impl Notebook {
    /// Records a line that the flare logs: at most `max_lines` of them, each cut to `max_bytes`.
    pub(crate) fn log(&mut self, level: Level, text: &[u8], max_lines: u32, max_bytes: usize) {
        if self.lines.len() >= max_lines as usize {
            self.dropped_lines += 1;
            return;
        }
        if text.len() > max_bytes {
            self.cut_lines += 1;
        }
        let text = cut(text, max_bytes);
        self.lines.push(LogLine { level, text });
    }

    /// Records a note, if it is the first of its kind.
    pub(crate) fn note(&mut self, kind: &'static str, message: impl FnOnce() -> String) {
        if self.notes.len() < MAX_NOTES && self.notes.iter().all(|(seen, _)| *seen != kind) {
            self.notes.push((kind, message()));
        }
    }

    /// The flare's panic message, if that was the last thing it logged: the SDK's feature
    /// `panic-message` logs the standard library's text.
    pub(crate) fn panic_message(&self) -> Option<&str> {
        let last = self.lines.last()?;
        (last.level == Level::Error && last.text.starts_with("panicked at "))
            .then_some(last.text.as_str())
    }

    /// Whether the flare's `alloc` had no room for something.
    pub(crate) fn arena_was_full(&self) -> bool {
        self.notes.iter().any(|(kind, _)| *kind == ALLOC_REFUSED)
    }

    /// Records a host call, if calls are traced.
    pub(crate) fn call(&mut self, call: HostCall) {
        self.calls.push(call);
    }

    /// Everything that was recorded.
    pub(crate) fn finish(self) -> Said {
        let (calls, left_out) = self.calls.finish();
        let mut notes: Vec<String> = self.notes.into_iter().map(|(_, note)| note).collect();
        if self.dropped_lines > 0 {
            notes.push(format!(
                "{} more log lines were dropped (limits.max_log_lines)",
                self.dropped_lines
            ));
        }
        if self.cut_lines > 0 {
            notes.push(format!(
                "{} log lines were truncated (limits.max_log_line_bytes)",
                self.cut_lines
            ));
        }
        if left_out > 0 {
            notes.push(format!("{left_out} more host calls are not shown"));
        }
        Said {
            lines: self.lines,
            notes,
            calls,
        }
    }
}

/// Everything that was recorded about an invocation.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) lines: Vec<LogLine>,
    pub(crate) notes: Vec<String>,
    pub(crate) calls: Vec<HostCall>,
}

/// At most `max` bytes of the text, converted to valid UTF-8; no character is split.
fn cut(text: &[u8], max: usize) -> String {
    let mut text = String::from_utf8_lossy(&text[..text.len().min(max)]).into_owned();
    // The replacement for a split character can be longer than what was left of it.
    while text.len() > max {
        text.pop();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_between_characters() {
        assert_eq!(cut(b"hello", 3), "hel");
        assert_eq!(cut("hé".as_bytes(), 3), "hé");
        assert!(cut("hé".as_bytes(), 2).len() <= 2);
        assert!(cut("ééé".as_bytes(), 5).starts_with("éé"));
        assert_eq!(cut(b"\xff\xff", 10), "\u{fffd}\u{fffd}");
        assert!(cut(b"\xff\xff\xff", 3).len() <= 3);
    }

    #[test]
    fn notes_are_taken_once_and_bounded() {
        let mut book = Notebook::default();
        book.note("a", || "first".into());
        book.note("a", || "second".into());
        assert_eq!(book.finish().notes, ["first"]);
    }
}
