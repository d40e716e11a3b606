//! The imports again, recording their arguments and results.

use std::sync::Arc;
use std::time::Instant;

use wasmtime::{Caller, Engine, Extern, Func, FuncType, Linker, Memory, Val, ValType};

use crate::contract::{IMPORTS, Import, MODULE, Val as Type};
use crate::host::Host;
use crate::trace::{HostCall, show};

/// Imports whose results are never shown.
const SECRET: [&str; 2] = ["secret_get", "crypto_decrypt_aes"];
/// Headers whose values are never shown.
const SECRET_HEADERS: [&[u8]; 2] = [b"authorization", b"cookie"];

/// Imports that do the same as the plain ones, and record it in the invocation's notebook.
///
/// # Errors
///
/// When the engine refuses a definition.
pub(crate) fn link(engine: &Engine, plain: &Arc<Linker<Host>>) -> wasmtime::Result<Linker<Host>> {
    let mut linker = Linker::new(engine);
    for import in IMPORTS {
        let ty = |ty: &Type| match ty {
            Type::I32 => ValType::I32,
            Type::I64 => ValType::I64,
        };
        let results = import.result.as_ref().map(ty);
        let ty = FuncType::new(engine, import.params.iter().map(ty), results);
        let plain = plain.clone();
        linker.func_new(MODULE, import.name, ty, move |caller, params, results| {
            call(&plain, import, caller, params, results)
        })?;
    }
    Ok(linker)
}

/// Calls the plain import.
fn call(
    plain: &Linker<Host>,
    import: &'static Import,
    mut caller: Caller<'_, Host>,
    params: &[Val],
    results: &mut [Val],
) -> wasmtime::Result<()> {
    // The plain import is called by the host, so it cannot look up the guest's exports by name as
    // it normally would.
    if caller.data().guest.alloc.is_none() {
        let memory = caller.get_export("memory").and_then(Extern::into_memory);
        let alloc = caller.get_export("alloc").and_then(Extern::into_func);
        let alloc = alloc.and_then(|alloc| alloc.typed(&caller).ok());
        let guest = &mut caller.data_mut().guest;
        guest.memory = memory;
        guest.alloc = alloc;
    }
    let memory = caller.data().guest.memory;
    let is_secret =
        SECRET.contains(&import.name) || asks_for_secret(import, &caller, memory, params);
    let arguments = arguments(&caller, memory, params);
    let function: Func = plain
        .get(&mut caller, MODULE, import.name)
        .ok()
        .and_then(Extern::into_func)
        .expect("each import of the contract is linked, as a test holds");
    let started = Instant::now();
    let outcome = function.call(&mut caller, params, results);
    let duration = started.elapsed();
    let result = match &outcome {
        Ok(()) => results.first().map(|result| match result {
            Val::I64(0) => "no result".to_owned(),
            Val::I64(packed) => {
                let (ptr, len) = ((*packed as u64 >> 32) as u32, *packed as u32);
                match is_secret {
                    true => format!("{len} bytes, which are not shown"),
                    false => match read(&caller, memory, ptr, len) {
                        Some(answer) => shown(import.name, answer),
                        None => bytes(&caller, memory, ptr, len),
                    },
                }
            }
            other => number(other),
        }),
        Err(error) => Some(format!("trap: {}", error.root_cause())),
    };
    caller.data_mut().notebook.call(HostCall {
        name: import.name,
        arguments,
        result,
        duration,
    });
    outcome
}

/// An import's result as text. Results with an inner structure are decoded according to the ABI.
fn shown(name: &str, answer: &[u8]) -> String {
    match (name, answer.split_first_chunk::<4>()) {
        ("plasma_increment" | "plasma_decrement", _) => match answer.try_into() {
            Ok(number) => i64::from_le_bytes(number).to_string(),
            Err(_) => show(answer),
        },
        ("spark_get", Some((&left, value))) => match u32::from_le_bytes(left) {
            0 => show(value),
            left => format!("{}, for {left} s", show(value)),
        },
        _ => show(answer),
    }
}

/// Whether it reads a header whose value is not shown.
fn asks_for_secret(
    import: &Import,
    caller: &Caller<'_, Host>,
    memory: Option<Memory>,
    params: &[Val],
) -> bool {
    let [Val::I32(ptr), Val::I32(len)] = params else {
        return false;
    };
    let name = read(caller, memory, *ptr as u32, *len as u32).unwrap_or_default();
    import.name == "req_header_get"
        && SECRET_HEADERS
            .iter()
            .any(|secret| name.eq_ignore_ascii_case(secret))
}

/// The arguments as text. Throughout the contract, two consecutive 32-bit numbers are a pointer and
/// a length; anything else is a number.
fn arguments(caller: &Caller<'_, Host>, memory: Option<Memory>, params: &[Val]) -> Vec<String> {
    let mut shown = Vec::new();
    let mut rest = params;
    while let Some((first, others)) = rest.split_first() {
        rest = others;
        match (first, others) {
            (Val::I32(ptr), [Val::I32(len), others @ ..]) => {
                shown.push(bytes(caller, memory, *ptr as u32, *len as u32));
                rest = others;
            }
            (value, _) => shown.push(number(value)),
        }
    }
    shown
}

fn number(value: &Val) -> String {
    match value {
        Val::I32(number) => number.to_string(),
        Val::I64(number) => number.to_string(),
        other => format!("{other:?}"),
    }
}

fn bytes(caller: &Caller<'_, Host>, memory: Option<Memory>, ptr: u32, len: u32) -> String {
    match read(caller, memory, ptr, len) {
        Some(bytes) => show(bytes),
        None => format!("{len} bytes at {ptr}, outside the memory"),
    }
}

fn read<'a>(
    caller: &'a Caller<'_, Host>,
    memory: Option<Memory>,
    ptr: u32,
    len: u32,
) -> Option<&'a [u8]> {
    if len == 0 {
        return Some(&[]);
    }
    let start = ptr as usize;
    memory?
        .data(caller)
        .get(start..start.checked_add(len as usize)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_taken_apart_as_the_abi_says() {
        assert_eq!(shown("plasma_increment", &(-2_i64).to_le_bytes()), "-2");
        assert_eq!(shown("spark_get", b"\0\0\0\0hi"), "\"hi\"");
        assert_eq!(shown("spark_get", b"\x05\0\0\0hi"), "\"hi\", for 5 s");
        assert_eq!(shown("plasma_get", b"hi"), "\"hi\"");
    }
}
