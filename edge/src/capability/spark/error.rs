//! Why an operation of Spark fails, for the guest and for the log.

use std::fmt;

use crate::capability::kv::{KvCode, KvError};

/// Spark's status codes, as the ABI numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum SparkCode {
    /// The TTL is negative or longer than the maximum.
    InvalidTtl = 1,
    /// The value is longer than `max_kv_value_bytes`.
    TooLarge = 2,
    /// The invocation has used up its writes, or its one pull.
    WriteLimit = 3,
    /// The site's quota is used up.
    QuotaExceeded = 4,
    /// There is no store, or no such node to pull from.
    NotAvailable = 5,
    /// The store or the other node failed.
    Internal = 6,
    /// The invocation has used up its reads.
    ReadLimit = 7,
    /// The key is invalid.
    BadKey = 8,
    /// The flare may not write.
    NoCapability = 9,
}

/// Why an operation was refused or failed. Its code is 1 to 9. `spark_pull` returns it negated.
pub type SparkError = KvError<SparkCode>;

impl KvCode for SparkCode {
    const OF: &'static str = "spark";

    fn number(self) -> i32 {
        self as i32
    }
}

impl SparkError {
    pub(super) fn internal(what: &str, error: impl fmt::Display) -> Self {
        Self::new(SparkCode::Internal, format!("{what}: {error}"))
    }
}
