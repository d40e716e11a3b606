//! Why an operation of Plasma fails, for the guest and for the log.

use std::fmt;

/// Plasma's status codes, as the ABI numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum PlasmaCode {
    /// There is no Plasma on this node.
    NotAvailable = 1,
    /// The invocation has made its writes.
    WriteLimit = 2,
    /// The value is longer than `max_kv_value_bytes`.
    TooLarge = 3,
    /// The key breaks the rules.
    BadKey = 4,
    /// The flare may not write.
    NoCapability = 5,
    /// The store failed or is full, a register was to be incremented, or too much was read.
    Internal = 6,
}

/// Why an operation was refused or failed: the guest gets the code, the log the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlasmaError {
    /// The ABI's code.
    pub code: PlasmaCode,
    /// What happened and what to do, for the developer.
    pub reason: String,
}

impl PlasmaError {
    pub(super) fn new(code: PlasmaCode, reason: impl Into<String>) -> Self {
        Self {
            code,
            reason: reason.into(),
        }
    }

    /// The ABI's number: 1 to 6.
    pub fn code(&self) -> i32 {
        self.code as i32
    }
}

impl fmt::Display for PlasmaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "plasma: {} (code {})", self.reason, self.code())
    }
}

impl std::error::Error for PlasmaError {}

/// Why Plasma could not be opened, or the node not join the others.
#[derive(Debug)]
pub struct PlasmaOpenError(pub(super) String);

impl fmt::Display for PlasmaOpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "plasma: {}", self.0)
    }
}

impl std::error::Error for PlasmaOpenError {}
