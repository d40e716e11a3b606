//! How much an invocation may use.

/// How much one invocation may use: see [`Host::limits`](crate::testing::Host::limits). The names are those of `flare.toml`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// How much of a request's body the flare sees: 10 MiB.
    pub max_body_bytes: usize,
    /// How many fetches: 16.
    pub max_fetch_requests: u32,
    /// The largest value of Spark and Plasma: 64 KiB.
    pub max_kv_value_bytes: usize,
    /// How many reads of Spark, and as many of Plasma: 1000.
    pub max_kv_reads: u32,
    /// How many writes to Spark, and as many to Plasma: 1000.
    pub max_kv_writes: u32,
    /// The longest time to live: about 68 years, all that the ABI can say.
    pub max_ttl_secs: u32,
    /// How many Snowflake IDs: 100.
    pub max_snowflakes: u32,
    /// How many log lines: 100. Others are dropped.
    pub max_log_lines: u32,
    /// Where a log line is cut: 4 KiB.
    pub max_log_line_bytes: usize,
    /// How many WebSocket messages one event may send: 100.
    pub max_ws_sends: u32,
    /// The largest WebSocket message: 1 MiB.
    pub max_ws_message_bytes: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            max_body_bytes: 10 << 20,
            max_fetch_requests: 16,
            max_kv_value_bytes: 64 << 10,
            max_kv_reads: 1000,
            max_kv_writes: 1000,
            max_ttl_secs: i32::MAX as u32,
            max_snowflakes: 100,
            max_log_lines: 100,
            max_log_line_bytes: 4 << 10,
            max_ws_sends: 100,
            max_ws_message_bytes: 1 << 20,
        }
    }
}
