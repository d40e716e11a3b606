//! Lines for the edge node's log stream.
//!
//! The host takes at most 100 lines per invocation and truncates each to 4 KiB.

use crate::abi;
use crate::arena::ArenaFull;
use crate::text::{Pieces, send};

/// Logs a line at the level info.
pub fn info(msg: &str) {
    abi::log_info(msg.as_bytes());
}

/// Logs a line at the level warning.
pub fn warn(msg: &str) {
    abi::log_warn(msg.as_bytes());
}

/// Logs a line at the level error.
pub fn error(msg: &str) {
    abi::log_error(msg.as_bytes());
}

/// Like [`info`], with a line built from [pieces](crate::text).
///
/// ```
/// use flaron_sdk::logging;
///
/// logging::info_pieces(("served ", 3_u32, " items"))?;
/// # Ok::<(), flaron_sdk::ArenaFull>(())
/// ```
///
/// # Errors
///
/// [`ArenaFull`] when the line does not fit into the free part of the arena; nothing is logged then.
pub fn info_pieces(msg: impl Pieces) -> Result<(), ArenaFull> {
    send::send(msg, abi::log_info)
}

/// Like [`warn`], with a line built from [pieces](crate::text).
///
/// # Errors
///
/// [`ArenaFull`] when the line does not fit into the free part of the arena; nothing is logged then.
pub fn warn_pieces(msg: impl Pieces) -> Result<(), ArenaFull> {
    send::send(msg, abi::log_warn)
}

/// Like [`error`], with a line built from [pieces](crate::text).
///
/// # Errors
///
/// [`ArenaFull`] when the line does not fit into the free part of the arena; nothing is logged then.
pub fn error_pieces(msg: impl Pieces) -> Result<(), ArenaFull> {
    send::send(msg, abi::log_error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Host, Level, arena_is_free, leave_free};

    #[test]
    fn lines_have_their_level() {
        let host = Host::new();
        info("a");
        warn("b");
        error("c");
        info_pieces(("d", 1_u8)).unwrap();
        warn_pieces(("e", 2_u8)).unwrap();
        error_pieces(("f", 3_u8)).unwrap();
        let logs = host.logs();
        let lines: std::vec::Vec<_> = logs
            .iter()
            .map(|line| (line.level, line.text.as_str()))
            .collect();
        assert_eq!(
            lines,
            [
                (Level::Info, "a"),
                (Level::Warn, "b"),
                (Level::Error, "c"),
                (Level::Info, "d1"),
                (Level::Warn, "e2"),
                (Level::Error, "f3"),
            ]
        );
        assert!(arena_is_free());
    }

    #[test]
    fn the_host_takes_100_lines_of_4_kib() {
        let host = Host::new();
        info(&"x".repeat(5000));
        for _ in 1..150 {
            warn("y");
        }
        let logs = host.logs();
        assert_eq!(logs.len(), 100);
        assert_eq!(logs[0].text.len(), 4096);
        assert_eq!(
            host.calls_of("log_info")[0].bytes[0].len(),
            5000,
            "it is the host that cuts"
        );
    }

    #[test]
    fn a_line_that_does_not_fit_is_not_logged() {
        let host = Host::new();
        let _full = leave_free(8);
        assert_eq!(info_pieces("123456789"), Err(ArenaFull));
        assert_eq!(warn_pieces("123456789"), Err(ArenaFull));
        assert_eq!(error_pieces("123456789"), Err(ArenaFull));
        assert!(host.logs().is_empty());
        info("lines that are ready take no space");
        assert_eq!(host.logs().len(), 1);
    }
}
