//! The imports of `plasma`.

use wasmtime::{Caller, Linker};

use crate::capability::plasma::{PlasmaCode, PlasmaError, PlasmaSession};
use crate::contract::MODULE;
use crate::host::Host;
use crate::imports::define::{data, text_data};
use crate::imports::memory::{arg, give, split};

/// Defines them.
///
/// # Errors
///
/// When the engine refuses a definition (a name twice).
pub(super) fn link(l: &mut Linker<Host>) -> wasmtime::Result<()> {
    text_data(l, "plasma_get", |host, key| {
        let result = host.plasma().0.get(key).transpose()?;
        host.ok_or_note("plasma_get", result)
    })?;
    l.func_wrap(
        MODULE,
        "plasma_set",
        |mut caller: Caller<'_, Host>, key: i32, key_len: i32, value: i32, value_len: i32| {
            let (memory, host) = split(&mut caller);
            let Some(key) = arg(memory, host, "plasma_set", key, key_len) else {
                return PlasmaCode::BadKey as i32;
            };
            let Some(value) = arg(memory, host, "plasma_set", value, value_len) else {
                return PlasmaCode::Internal as i32;
            };
            let (plasma, clock) = host.plasma();
            let result = clock.wait(|| plasma.set(key, value));
            host.status_or_note("plasma_set", result, PlasmaError::code)
        },
    )?;
    l.func_wrap(
        MODULE,
        "plasma_delete",
        |mut caller: Caller<'_, Host>, key: i32, key_len: i32| {
            let (memory, host) = split(&mut caller);
            let Some(key) = arg(memory, host, "plasma_delete", key, key_len) else {
                return PlasmaCode::BadKey as i32;
            };
            let (plasma, clock) = host.plasma();
            let result = clock.wait(|| plasma.delete(key));
            host.status_or_note("plasma_delete", result, PlasmaError::code)
        },
    )?;
    counter(l, "plasma_increment", PlasmaSession::increment)?;
    counter(l, "plasma_decrement", PlasmaSession::decrement)?;
    data(l, "plasma_list", |host| {
        let result = host.plasma().0.list();
        host.ok_or_note("plasma_list", result)
    })?;
    Ok(())
}

/// Increments or decrements a counter.
type Count = fn(&mut PlasmaSession, &[u8], i64) -> Result<[u8; 8], PlasmaError>;

/// Defines an import of type `(ptr, len, delta: i64) -> i64`.
fn counter(linker: &mut Linker<Host>, name: &'static str, count: Count) -> wasmtime::Result<()> {
    linker.func_wrap(
        MODULE,
        name,
        move |mut caller: Caller<'_, Host>, key: i32, key_len: i32, delta: i64| {
            let (memory, host) = split(&mut caller);
            let answer = arg(memory, host, name, key, key_len).and_then(|key| {
                let (plasma, clock) = host.plasma();
                let result = clock.wait(|| count(plasma, key, delta));
                host.ok_or_note(name, result.map(Vec::from))
            });
            give(&mut caller, name, answer)
        },
    )?;
    Ok(())
}
