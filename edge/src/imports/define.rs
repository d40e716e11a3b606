//! Defines imports by their type; what an import does is an ordinary function.

use wasmtime::{Caller, Linker};

use crate::contract::MODULE;
use crate::host::Host;
use crate::imports::memory::{Answer, arg, give, split};

/// Defines an import of type `() -> i64`.
pub(super) fn data(
    linker: &mut Linker<Host>,
    name: &'static str,
    answer: fn(&mut Host) -> Answer,
) -> wasmtime::Result<()> {
    linker.func_wrap(MODULE, name, move |mut caller: Caller<'_, Host>| {
        let answer = answer(caller.data_mut());
        give(&mut caller, name, answer)
    })?;
    Ok(())
}

/// Defines an import of type `(length) -> i64`.
pub(super) fn length_data(
    linker: &mut Linker<Host>,
    name: &'static str,
    answer: fn(&mut Host, i32) -> Answer,
) -> wasmtime::Result<()> {
    linker.func_wrap(
        MODULE,
        name,
        move |mut caller: Caller<'_, Host>, length: i32| {
            let answer = answer(caller.data_mut(), length);
            give(&mut caller, name, answer)
        },
    )?;
    Ok(())
}

/// Defines an import of type `(ptr, len) -> i64`.
pub(super) fn text_data(
    linker: &mut Linker<Host>,
    name: &'static str,
    answer: fn(&mut Host, &[u8]) -> Answer,
) -> wasmtime::Result<()> {
    linker.func_wrap(
        MODULE,
        name,
        move |mut caller: Caller<'_, Host>, ptr: i32, len: i32| {
            let (memory, host) = split(&mut caller);
            let answer = arg(memory, host, name, ptr, len).and_then(|text| answer(host, text));
            give(&mut caller, name, answer)
        },
    )?;
    Ok(())
}

/// Defines an import of type `(ptr, len)`.
pub(super) fn text(
    linker: &mut Linker<Host>,
    name: &'static str,
    act: fn(&mut Host, &[u8]),
) -> wasmtime::Result<()> {
    linker.func_wrap(
        MODULE,
        name,
        move |mut caller: Caller<'_, Host>, ptr: i32, len: i32| {
            let (memory, host) = split(&mut caller);
            if let Some(text) = arg(memory, host, name, ptr, len) {
                act(host, text);
            }
        },
    )?;
    Ok(())
}
