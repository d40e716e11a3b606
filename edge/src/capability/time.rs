//! The wall clock, in the six formats of the ABI.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Deserialize;

/// What the guest passes: `{"format": "…"}`. The default is `rfc3339`.
#[derive(Deserialize)]
struct Args {
    #[serde(default)]
    format: Option<String>,
}

/// The arguments are not the JSON object that the ABI specifies.
#[derive(Debug)]
pub struct TimeError(String);

impl fmt::Display for TimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "timestamp: the arguments must be {{\"format\": text}}: {}",
            self.0
        )
    }
}

impl std::error::Error for TimeError {}

/// The current time: what `timestamp` returns.
///
/// | format | example | |
/// |---|---|---|
/// | `unix` | `1775560333` | whole seconds since 1970, UTC |
/// | `ms` | `1775560333042` | milliseconds |
/// | `ns` | `1775560333042123456` | nanoseconds |
/// | `http` | `Tue, 07 Apr 2026 11:12:13 GMT` | as in the `Date` header |
/// | `rfc3339`, `iso8601`, anything else | `2026-04-07T11:12:13Z` | whole seconds, UTC |
///
/// # Errors
///
/// [`TimeError`] if the arguments are not a JSON object, or `format` is not text.
pub fn timestamp(args: &[u8]) -> Result<String, TimeError> {
    let args: Args = serde_json::from_slice(args).map_err(|e| TimeError(e.to_string()))?;
    Ok(format(
        SystemTime::now(),
        args.format.as_deref().unwrap_or("rfc3339"),
    ))
}

/// The end of the year 9999, after which RFC 3339 can write no time.
const LAST_SECOND: u64 = 253_402_300_799;

fn format(now: SystemTime, format: &str) -> String {
    // A clock before 1970 is a broken clock; the epoch is as good an answer as any.
    let since_epoch = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    match format {
        "unix" => since_epoch.as_secs().to_string(),
        "ms" => since_epoch.as_millis().to_string(),
        "ns" => since_epoch.as_nanos().to_string(),
        "http" => httpdate::fmt_http_date(UNIX_EPOCH + since_epoch),
        _ => {
            let secs = since_epoch.as_secs().min(LAST_SECOND);
            humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(secs)).to_string()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(nanos: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_nanos(nanos)
    }

    #[test]
    fn every_format() {
        // The example of RFC 9110 section 5.6.7, plus some nanoseconds.
        let now = at(784_111_777_042_123_456);
        for (name, expected) in [
            ("unix", "784111777"),
            ("ms", "784111777042"),
            ("ns", "784111777042123456"),
            ("http", "Sun, 06 Nov 1994 08:49:37 GMT"),
            ("rfc3339", "1994-11-06T08:49:37Z"),
            ("iso8601", "1994-11-06T08:49:37Z"),
            ("", "1994-11-06T08:49:37Z"),
            ("RFC3339", "1994-11-06T08:49:37Z"),
            ("nonsense", "1994-11-06T08:49:37Z"),
        ] {
            assert_eq!(format(now, name), expected, "{name}");
        }
    }

    #[test]
    fn leap_days_and_the_epoch() {
        assert_eq!(
            format(at(1_709_164_800_000_000_000), "rfc3339"),
            "2024-02-29T00:00:00Z"
        );
        assert_eq!(format(at(0), "rfc3339"), "1970-01-01T00:00:00Z");
        let late = UNIX_EPOCH + Duration::from_secs(LAST_SECOND + 2);
        assert_eq!(format(late, "rfc3339"), "9999-12-31T23:59:59Z");
        assert_eq!(format(UNIX_EPOCH - Duration::from_secs(1), "unix"), "0");
    }

    #[test]
    fn arguments() {
        let before = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_millis();
        let now: u128 = timestamp(br#"{"format":"ms"}"#).unwrap().parse().unwrap();
        let after = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_millis();
        assert!((before..=after).contains(&now));
        assert_eq!(
            timestamp(b"{}").unwrap().len(),
            "1994-11-06T08:49:37Z".len()
        );
        for bad in [
            "",
            "null",
            "7",
            "{\"format\":7}",
            "{\"format\":\"ms\"",
            "[]x",
        ] {
            let error = timestamp(bad.as_bytes()).unwrap_err();
            assert!(error.to_string().contains("format"), "{error}");
        }
    }
}
