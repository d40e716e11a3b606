//! Why an operation of Plasma fails, for the guest and for the log.

use crate::capability::kv::{KvCode, KvError};

/// Plasma's status codes, as the ABI numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum PlasmaCode {
    /// This node has no Plasma.
    NotAvailable = 1,
    /// The invocation has used up its writes.
    WriteLimit = 2,
    /// The value is longer than `max_kv_value_bytes`.
    TooLarge = 3,
    /// The key is invalid.
    BadKey = 4,
    /// The flare may not write.
    NoCapability = 5,
    /// The store failed or is full, `increment` was called on a register, or there were too many
    /// reads.
    Internal = 6,
}

/// Why an operation was refused or failed. Its code is 1 to 6.
pub type PlasmaError = KvError<PlasmaCode>;

impl KvCode for PlasmaCode {
    const OF: &'static str = "plasma";

    fn number(self) -> i32 {
        self as i32
    }
}
