//! The host calls of one invocation, each with its arguments, its result and its time.

use std::fmt;
use std::time::Duration;

/// How many calls of one invocation are kept.
const CALLS: usize = 500;
/// How many bytes of a string are kept.
const SHOWN: usize = 200;

/// A call of an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostCall {
    /// The import's name.
    pub name: &'static str,
    /// What the flare passed: strings as they are, other bytes in hexadecimal.
    pub arguments: Vec<String>,
    /// What it got, likewise; `None` if the import has no result.
    pub result: Option<String>,
    /// How long the host took for it.
    pub duration: Duration,
}

impl fmt::Display for HostCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name, self.arguments.join(", "))?;
        if let Some(result) = &self.result {
            write!(f, " -> {result}")?;
        }
        write!(f, "  {:.1} µs", self.duration.as_secs_f64() * 1e6)
    }
}

impl HostCall {
    /// About how much memory its strings take.
    pub(crate) fn bytes(&self) -> usize {
        let arguments: usize = self.arguments.iter().map(String::len).sum();
        arguments + self.result.as_ref().map_or(0, String::len) + size_of::<HostCall>()
    }

    /// What stays the same when the call is repeated: everything but the time.
    pub(crate) fn what(&self) -> (&'static str, &[String], Option<&str>) {
        (self.name, &self.arguments, self.result.as_deref())
    }
}

/// The calls of an invocation, the first of them.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    calls: Vec<HostCall>,
    left_out: u64,
}

impl Calls {
    pub(crate) fn push(&mut self, call: HostCall) {
        match self.calls.len() {
            0..CALLS => self.calls.push(call),
            _ => self.left_out += 1,
        }
    }

    /// The calls, and how many there were beyond them.
    pub(crate) fn finish(self) -> (Vec<HostCall>, u64) {
        (self.calls, self.left_out)
    }
}

/// Bytes for people: quoted text, or hexadecimal; long ones are truncated.
pub(crate) fn show(bytes: &[u8]) -> String {
    let (text, whole) = match std::str::from_utf8(bytes) {
        Ok(text) => {
            let end = text.floor_char_boundary(SHOWN);
            (format!("{:?}", &text[..end]), end == text.len())
        }
        Err(_) => {
            let end = bytes.len().min(SHOWN / 2);
            (
                format!("0x{}", hex::encode(&bytes[..end])),
                end == bytes.len(),
            )
        }
    };
    match whole {
        true => text,
        false => format!("{text}… ({} bytes)", bytes.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_as_text_or_digits() {
        assert_eq!(show(b"a\"b\n"), r#""a\"b\n""#);
        assert_eq!(show(b""), "\"\"");
        assert_eq!(show(b"\xff\x00\x01\x02"), "0xff000102");
        assert!(show(&[0xff; 300]).ends_with("ff… (300 bytes)"));
        let long = show("é".repeat(200).as_bytes());
        assert!(
            long.ends_with("… (400 bytes)") && long.len() < 230,
            "{long}"
        );
    }

    #[test]
    fn calls_are_bounded() {
        let mut calls = Calls::default();
        for _ in 0..CALLS + 3 {
            calls.push(HostCall {
                name: "req_url",
                arguments: vec![],
                result: None,
                duration: Duration::ZERO,
            });
        }
        let (kept, left_out) = calls.finish();
        assert_eq!((kept.len(), left_out), (CALLS, 3));
    }
}
