//! Why an operation of Spark fails, for the guest and for the log.

use std::fmt;
use std::path::PathBuf;

/// Spark's status codes, as the ABI numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum SparkCode {
    /// The TTL is negative or above the flare's cap.
    InvalidTtl = 1,
    /// The value is longer than `max_kv_value_bytes`.
    TooLarge = 2,
    /// The invocation has made its writes, or its one pull.
    WriteLimit = 3,
    /// The site's share of the disk is full.
    QuotaExceeded = 4,
    /// There is no store here, or no such node to pull from.
    NotAvailable = 5,
    /// The store or the other node failed.
    Internal = 6,
    /// The invocation has made its reads.
    ReadLimit = 7,
    /// The key breaks the rules.
    BadKey = 8,
    /// The flare may not write.
    NoCapability = 9,
}

/// Why an operation was refused or failed: the guest gets the code, the log the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SparkError {
    /// The ABI's code.
    pub code: SparkCode,
    /// What happened and what to do, for the developer.
    pub reason: String,
}

impl SparkError {
    pub(super) fn new(code: SparkCode, reason: impl Into<String>) -> Self {
        Self {
            code,
            reason: reason.into(),
        }
    }

    pub(super) fn internal(what: &str, error: impl fmt::Display) -> Self {
        Self::new(SparkCode::Internal, format!("{what}: {error}"))
    }

    /// The ABI's number: 1 to 9. `spark_pull` returns it negated.
    pub fn code(&self) -> i32 {
        self.code as i32
    }
}

impl fmt::Display for SparkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "spark: {} (code {})", self.reason, self.code())
    }
}

impl std::error::Error for SparkError {}

/// Why the store could not be opened.
#[derive(Debug)]
pub struct SparkOpenError {
    pub(super) path: Option<PathBuf>,
    pub(super) what: String,
}

impl fmt::Display for SparkOpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot open the spark store")?;
        if let Some(path) = &self.path {
            write!(f, " {}", path.display())?;
        }
        write!(f, ": {}", self.what)
    }
}

impl std::error::Error for SparkOpenError {}
