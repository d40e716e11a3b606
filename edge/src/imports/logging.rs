//! The imports of `logging`.

use wasmtime::Linker;

use crate::host::Host;
use crate::imports::define::text;
use crate::journal::Level;

/// Defines them.
///
/// # Errors
///
/// When the engine refuses a definition (a name twice).
pub(super) fn link(l: &mut Linker<Host>) -> wasmtime::Result<()> {
    text(l, "log_info", |host, line| log(host, Level::Info, line))?;
    text(l, "log_warn", |host, line| log(host, Level::Warn, line))?;
    text(l, "log_error", |host, line| log(host, Level::Error, line))?;
    Ok(())
}

fn log(host: &mut Host, level: Level, text: &[u8]) {
    let limits = &host.env.config.limits;
    let (max_lines, max_bytes) = (limits.max_log_lines, limits.max_log_line_bytes);
    host.notebook.log(level, text, max_lines, max_bytes);
}
