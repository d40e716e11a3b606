//! The import of `beam`.

use wasmtime::{Caller, Linker};

use crate::contract::MODULE;
use crate::host::Host;
use crate::imports::memory::{arg, give, split};

/// Defines them.
///
/// # Errors
///
/// When the engine refuses a definition (a name twice).
pub(super) fn link(l: &mut Linker<Host>) -> wasmtime::Result<()> {
    l.func_wrap(
        MODULE,
        "beam_fetch",
        |mut caller: Caller<'_, Host>, url: i32, url_len: i32, options: i32, options_len: i32| {
            let (memory, host) = split(&mut caller);
            let url = arg(memory, host, "beam_fetch", url, url_len);
            let options = arg(memory, host, "beam_fetch", options, options_len);
            let answer = match (url, options) {
                (Some(url), Some(options)) => {
                    let (beam, clock) = host.beam();
                    let result = clock.wait(|| beam.fetch(url, options));
                    host.ok_or_note("beam_fetch", result)
                }
                _ => None,
            };
            give(&mut caller, "beam_fetch", answer)
        },
    )?;
    Ok(())
}
