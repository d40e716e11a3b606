//! How arguments are read from a guest's memory, and how results are written to it.

use bytes::Bytes;
use wasmtime::{Caller, Memory, TypedFunc};

use crate::host::Host;
use crate::host::notebook::ALLOC_REFUSED;

/// What an import returns to the guest: bytes, or "no result".
pub(super) type Answer = Option<Bytes>;

/// The guest's memory. While the module's start function runs, the instance does not exist yet, and
/// the export is looked up by name.
fn memory(caller: &mut Caller<'_, Host>) -> Option<Memory> {
    match caller.data().guest.memory {
        Some(memory) => Some(memory),
        None => caller.get_export("memory")?.into_memory(),
    }
}

/// The guest's memory and the host's state at the same time.
pub(super) fn split<'a>(caller: &'a mut Caller<'_, Host>) -> (&'a [u8], &'a mut Host) {
    match memory(caller) {
        Some(memory) => {
            let (data, host) = memory.data_and_store_mut(caller);
            (data, host)
        }
        None => (&[], caller.data_mut()),
    }
}

/// The bytes that an argument points at; `None` (and a note for the developer) if they are not all
/// in the guest's memory. An empty argument may have any address.
pub(super) fn arg<'m>(
    memory: &'m [u8],
    host: &mut Host,
    name: &str,
    ptr: i32,
    len: i32,
) -> Option<&'m [u8]> {
    if len == 0 {
        return Some(&[]);
    }
    let start = ptr as u32 as usize;
    let end = start.checked_add(len as u32 as usize)?;
    let bytes = memory.get(start..end);
    if bytes.is_none() {
        host.note("argument out of range", || {
            format!(
                "{name} was given {} bytes at {start}, which is outside the flare's memory of {} bytes",
                len as u32,
                memory.len(),
            )
        });
    }
    bytes
}

/// Writes a result into the guest's memory and returns its packed address and length; 0 is "no
/// result".
///
/// # Errors
///
/// When the guest's `alloc` traps.
pub(super) fn give(
    caller: &mut Caller<'_, Host>,
    name: &str,
    answer: Answer,
) -> wasmtime::Result<i64> {
    let Some(bytes) = answer else { return Ok(0) };
    let alloc = match &caller.data().guest.alloc {
        Some(alloc) => alloc.clone(),
        None => {
            let Some(function) = caller
                .get_export("alloc")
                .and_then(wasmtime::Extern::into_func)
            else {
                return Ok(0);
            };
            let alloc: TypedFunc<i32, i32> = function.typed(&mut *caller)?;
            caller.data_mut().guest.alloc = Some(alloc.clone());
            alloc
        }
    };
    if caller.data().guest.allocating {
        caller.data_mut().note("alloc called back", || {
            format!("{name} was called from within alloc, where it can have no result")
        });
        return Ok(0);
    }
    // An empty result needs a pointer, too, so one byte is requested.
    let Ok(size) = i32::try_from(bytes.len().max(1)) else {
        return Ok(0);
    };
    caller.data_mut().guest.allocating = true;
    let outcome = alloc.call(&mut *caller, size);
    caller.data_mut().guest.allocating = false;
    let ptr = outcome? as u32;
    if ptr == 0 {
        caller.data_mut().note(ALLOC_REFUSED, || {
            format!(
                "{name} has {} bytes for the flare, but its alloc has no room: \"no result\"",
                bytes.len()
            )
        });
        return Ok(0);
    }
    // The alignment is not checked: the published SDKs align blocks relative to the beginning of
    // their arena, which itself may be anywhere, and bytes need none.
    let written = match memory(caller) {
        // The whole block must be in the memory, including the one byte of an empty result.
        Some(memory) => {
            let data = memory.data_mut(&mut *caller);
            let start = ptr as usize;
            match data.get_mut(start..start + size as usize) {
                Some(block) => {
                    block[..bytes.len()].copy_from_slice(&bytes);
                    true
                }
                None => false,
            }
        }
        None => false,
    };
    if !written {
        caller.data_mut().note("alloc lied", || {
            format!(
                "{name}: the flare's alloc({size}) returned {ptr}, which is not a block in its \
                 memory: \"no result\""
            )
        });
        return Ok(0);
    }
    Ok(((u64::from(ptr) << 32) | bytes.len() as u64) as i64)
}
